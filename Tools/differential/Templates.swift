// Templates.swift — operators and functions that both databases have, as texts with holes.
//
// A row is `result | text`. A hole `‹kind›` takes any expression of the kind, `‹=a/b/c›` one of these texts, `‹any›` a comparable kind, the
// same at all holes of a row. Rows of `safe` cannot fail on ordinary values, whatever order filters run in: arguments are bent into range
// by the text itself. Rows of `risky` may fail and stand alone in a statement, so that both databases evaluate them for the same rows.

struct Template {
  enum Piece {
    case text(String)
    case hole(Kind)
    case anyHole
    case choice([String])
  }
  var result: Kind
  var pieces: [Piece]

  static let safe = Dictionary(grouping: parse(safeRows), by: \.result)
  static let risky = parse(riskyRows)
  /// Those that fail for no value whatever.
  static let comparing = safe.mapValues { list in
    list.filter { template in
      template.pieces.allSatisfy { piece in
        switch piece {
        case .hole(let kind): kind == .bool || kind == .text
        case .text, .anyHole, .choice: true
        }
      }
    }
  }.filter { !$0.value.isEmpty }

  static func parse(_ rows: String) -> [Template] {
    rows.split(separator: "\n").map { line in
      guard let bar = line.firstIndex(of: "|"), let result = Kind(rawValue: String(line[..<bar]).filter { $0 != " " }) else {
        fatalError("template \(line)")
      }
      var pieces: [Piece] = []
      var rest = line[line.index(after: bar)...].drop { $0 == " " }
      while let open = rest.firstIndex(of: "‹"), let close = rest[open...].firstIndex(of: "›") {
        pieces.append(.text(String(rest[..<open])))
        let hole = rest[rest.index(after: open)..<close]
        if hole == "any" {
          pieces.append(.anyHole)
        } else if let kind = Kind(rawValue: String(hole)) {
          pieces.append(.hole(kind))
        } else if hole.hasPrefix("=") {
          pieces.append(.choice(choices(hole.dropFirst())))
        } else {
          fatalError("hole \(hole) in \(line)")
        }
        rest = rest[rest.index(after: close)...]
      }
      pieces.append(.text(String(rest)))
      return Template(result: result, pieces: pieces)
    }
  }

  /// The texts between slashes that no quotes hold.
  private static func choices(_ hole: Substring) -> [String] {
    var result = [""]
    var isQuoted = false
    for character in hole {
      if character == "'" { isQuoted.toggle() }
      if character == "/", !isQuoted { result.append("") } else { result[result.count - 1].append(character) }
    }
    return result
  }

  private static let safeRows = #"""
    bool | ‹any› = ‹any›
    bool | ‹any› <> ‹any›
    bool | ‹any› < ‹any›
    bool | ‹any› >= ‹any›
    bool | ‹any› IS DISTINCT FROM ‹any›
    bool | ‹any› IS NOT DISTINCT FROM ‹any›
    bool | ‹any› BETWEEN ‹any› AND ‹any›
    bool | ‹any› NOT BETWEEN SYMMETRIC ‹any› AND ‹any›
    bool | ‹any› IN (‹any›, ‹any›, ‹any›)
    bool | ‹any› NOT IN (‹any›, ‹any›)
    bool | ‹any› IS NULL
    bool | ‹any› IS NOT NULL
    bool | ‹bool› AND ‹bool›
    bool | ‹bool› OR ‹bool›
    bool | NOT ‹bool›
    bool | ‹bool› IS TRUE
    bool | ‹bool› IS NOT FALSE
    bool | ‹bool› IS UNKNOWN
    bool | ‹text› LIKE ‹='a%'/'%b'/'_b%'/'%'/'50\%'/''›
    bool | ‹text› NOT LIKE ‹='a%'/'%\_%'/'x_y'›
    bool | ‹text› ILIKE ‹='A%'/'%B'/'ab_'›
    bool | ‹text› ~ ‹='^a'/'[0-9]+'/'b$'/'(a|b)c?'/'\s'/'.'›
    bool | ‹text› !~* ‹='^A'/'[x-z]'/'B$'›
    bool | ‹text› SIMILAR TO ‹='(a|b)%'/'%c'/'_*'›
    bool | starts_with(‹text›, ‹text›)
    bool | ‹text› ^@ ‹='a'/''/'zü'›
    bool | ‹int4› = ANY (‹ints›)
    bool | ‹int4› <> ALL (‹ints›)
    bool | ‹int4› > ANY (‹ints›)
    bool | ‹text› = ANY (‹texts›)
    bool | ‹ints› @> ‹ints›
    bool | ‹ints› && ‹ints›
    bool | ‹texts› <@ ‹texts›
    bool | ‹jsonb› @> ‹='{"a": 1}'/'1'/'[1]'/'{}'›::jsonb
    bool | ‹jsonb› ? ‹='a'/'k'/'s'›
    bool | ‹jsonb› ?| ‹='{a,b}'/'{}'›::text[]
    bool | ‹jsonb› ?& ‹='{a,b}'/'{}'›::text[]
    bool | isfinite(‹timestamp›)
    bool | isfinite(‹date›)
    bool | (‹int4›, ‹text›) = (‹int4›, ‹text›)
    bool | (‹int4›, ‹int8›) < (‹int4›, ‹int8›)
    bool | (‹date›, ‹text›) IN ((‹date›, ‹text›), (‹date›, ‹text›))
    bool | CASE WHEN ‹bool› THEN ‹bool› ELSE ‹bool› END
    bool | coalesce(‹bool›, ‹bool›)
    bool | (‹timestamp›, ‹timestamp›) OVERLAPS (‹timestamp›, ‹timestamp›)
    bool | (‹int4›)::bool
    int2 | (‹int4› % 1000)::int2
    int2 | abs(‹int2› % 100::int2)
    int2 | ‹int2› & ‹int2›
    int2 | ~‹int2›
    int4 | (‹int4› % 1009) + (‹int4› % 1013)
    int4 | (‹int4› % 1009) - (‹int2› % 100)
    int4 | (‹int4› % 109) * (‹int4› % 113)
    int4 | (‹int4› % 1009) / nullif(‹int4› % 1013, 0)
    int4 | ‹int4› % 17
    int4 | -(‹int4› % 1009)
    int4 | abs(‹int4› % 1009)
    int4 | mod(‹int4›, ‹=7/-3/100›)
    int4 | ‹int4› & ‹int4›
    int4 | ‹int4› | ‹int4›
    int4 | ‹int4› # ‹int4›
    int4 | ~‹int4›
    int4 | ‹int4› << ‹=0/1/3/31›
    int4 | ‹int4› >> ‹=0/1/5/31›
    int4 | length(‹text›)
    int4 | char_length(‹bpchar›)
    int4 | octet_length(‹text›)
    int4 | bit_length(‹text›)
    int4 | octet_length(‹bytea›)
    int4 | position(‹='a'/''/'b'/'ü'› in ‹text›)
    int4 | strpos(‹text›, ‹text›)
    int4 | ascii(‹text›)
    int4 | gcd(‹int4› % 1009, ‹int4› % 1013)
    int4 | lcm(‹int4› % 109, ‹int4› % 113)
    int4 | sign(‹int4›)::int4
    int4 | array_length(‹ints›, 1)
    int4 | cardinality(‹texts›)
    int4 | array_position(‹ints›, ‹int4›)
    int4 | (‹ints›)[‹=1/2/3/0›]
    int4 | array_upper(‹texts›, 1)
    int4 | array_ndims(‹ints›)
    int4 | ‹date› - ‹date›
    int4 | extract(year from ‹date›)::int4
    int4 | extract(dow from ‹timestamp›)::int4
    int4 | jsonb_array_length(CASE WHEN jsonb_typeof(‹jsonb›) = 'array' THEN '[1, 2]'::jsonb END)
    int4 | width_bucket(‹float8›, -10, 1000, 7)
    int4 | scale(‹numeric›)
    int4 | min_scale(‹numeric›)
    int4 | num_nulls(‹int4›, ‹text›, ‹date›)
    int4 | num_nonnulls(‹jsonb›, ‹bool›, ‹ints›)
    int4 | regexp_count(‹text›, ‹='a'/'[a-z]'/'.'›)
    int4 | regexp_instr(‹text›, ‹='b'/'[a-z]+'›)
    int4 | CASE WHEN ‹bool› THEN ‹int4› WHEN ‹bool› THEN ‹int2› ELSE ‹int4› END
    int4 | CASE ‹int4› WHEN ‹int4› THEN ‹int4› ELSE ‹int4› END
    int4 | coalesce(‹int4›, ‹int4›)
    int4 | nullif(‹int4›, ‹int4›)
    int4 | greatest(‹int4›, ‹int4›, ‹int2›)
    int4 | least(‹int4›, ‹int4›)
    int4 | (‹bool›)::int4
    int4 | (‹numeric› % 1000)::int4
    int8 | (‹int8› % 100003) + (‹int4› % 1013)
    int8 | (‹int8› % 100003) - (‹int8› % 1013)
    int8 | (‹int8› % 100003) * (‹int8› % 1013)
    int8 | (‹int8› % 100003) / nullif(‹int8› % 1013, 0)
    int8 | ‹int8› % 1000003
    int8 | abs(‹int8› % 100003)
    int8 | ‹int8› & ‹int8›
    int8 | ‹int8› # ‹int8›
    int8 | ‹int8› << ‹=0/1/33›
    int8 | ‹int8› >> ‹=0/2/40›
    int8 | (‹int4›)::int8
    int8 | coalesce(‹int8›, ‹int8›, ‹int4›)
    int8 | greatest(‹int8›, ‹int4›)
    int8 | CASE WHEN ‹bool› THEN ‹int8› END
    int8 | extract(epoch from ‹timestamptz›)::int8
    int8 | gcd(‹int8› % 100003, ‹int8› % 1013)
    float4 | (‹int4›)::float4
    float4 | (‹int4› % 1000)::float4 * ‹=0.5/2/-1.25›::float4
    float4 | abs(‹int2›::float4)
    float8 | (‹int4›)::float8
    float8 | (‹numeric›)::float8
    float8 | (‹int4› % 1009)::float8 + (‹int4› % 1013)::float8 / 4
    float8 | (‹int8› % 1009)::float8 * ‹=0.5/-3/1e3›
    float8 | (‹int4› % 1009)::float8 / nullif(‹int4› % 1013, 0)
    float8 | floor(‹float8›)
    float8 | ceil(‹float8›)
    float8 | round(‹float8›)
    float8 | trunc(‹float8›)
    float8 | abs(‹float8›)
    float8 | -‹float8›
    float8 | sqrt(abs(‹int4› % 1009)::float8)
    float8 | cbrt((‹int4› % 1009)::float8)
    float8 | ln(abs(‹int4› % 1009)::float8 + 1)
    float8 | log(abs(‹int4› % 1009)::float8 + 1)
    float8 | exp((‹int4› % 13)::float8)
    float8 | power(abs(‹int4› % 13)::float8, ‹=2/0.5/3/0›)
    float8 | sin((‹int4› % 1009)::float8)
    float8 | cos((‹int4› % 1009)::float8)
    float8 | atan2((‹int4› % 1009)::float8, 3)
    float8 | degrees((‹int4› % 1009)::float8)
    float8 | sign(‹float8›)
    float8 | greatest(‹float8›, ‹int4›)
    float8 | coalesce(‹float8›, ‹int4›, 0)
    float8 | CASE WHEN ‹bool› THEN ‹float8› ELSE ‹int4› END
    float8 | nullif(‹float8›, 0)
    float8 | extract(epoch from ‹interval›)::float8
    numeric | (‹int4›)::numeric
    numeric | (‹int8›)::numeric
    numeric | (‹int4› % 1009)::numeric + ‹=0.5/100.25/-3›
    numeric | (‹int8› % 100003)::numeric * ‹=0.5/1.25/-3.125›
    numeric | (‹int4› % 1009)::numeric / nullif(‹int4› % 1013, 0)
    numeric | (‹int4› % 1009)::numeric / ‹=3/7.5/-0.25›
    numeric | (‹int4› % 1009)::numeric % ‹=3/7.5/-0.25›
    numeric | round(‹numeric›, ‹=0/1/2›)
    numeric | round(‹numeric›)
    numeric | trunc(‹numeric›, 1)
    numeric | floor(‹numeric›)
    numeric | ceil(‹numeric›)
    numeric | abs(‹numeric›)
    numeric | -‹numeric›
    numeric | sign(‹numeric›)
    numeric | div((‹int8› % 100003)::numeric, ‹=3/7.5›)
    numeric | mod((‹int8› % 100003)::numeric, ‹=3/7.5›)
    numeric | sqrt(abs(‹int4› % 1009)::numeric)
    numeric | ln(abs(‹int4› % 1009)::numeric + 1)
    numeric | exp((‹int4› % 7)::numeric)
    numeric | power((‹int4› % 13)::numeric, ‹=2/3›)
    numeric | trim_scale(‹numeric›)
    numeric | factorial(abs(‹int4› % 15))
    numeric | greatest(‹numeric›, ‹int4›)
    numeric | coalesce(‹numeric›, ‹int8›)
    numeric | extract(epoch from ‹timestamp›)
    numeric | extract(week from ‹date›)
    numeric | extract(month from ‹interval›)
    numeric | CASE WHEN ‹bool› THEN ‹numeric› ELSE ‹numeric› END
    numeric | (‹int4› % 1009)::numeric(8,2)
    text | ‹text› || ‹text›
    text | ‹text› || ‹int4›
    text | lower(‹text›)
    text | upper(‹text›)
    text | initcap(‹text›)
    text | substring(‹text›, ‹=1/2/-1/3›)
    text | substring(‹text› from ‹=1/2/0› for ‹=0/1/3›)
    text | left(‹text›, ‹=1/-1/0/3›)
    text | right(‹text›, ‹=2/-1/5›)
    text | lpad(‹text›, ‹=0/3/6›, ‹='*'/'ab'/''›)
    text | rpad(‹text›, ‹=2/5›)
    text | trim(‹text›)
    text | ltrim(‹text›, ‹='a '/'x'›)
    text | rtrim(‹text›, ‹='b%'/''›)
    text | trim(both ‹='a'/'b'› from ‹text›)
    text | replace(‹text›, ‹='a'/'b'/''›, ‹='XX'/''›)
    text | translate(‹text›, 'abc', ‹='12'/'xyz'›)
    text | repeat(‹text›, ‹=0/2/-1›)
    text | reverse(‹text›)
    text | split_part(‹text›, ‹='b'/' '/','›, ‹=1/2/-1›)
    text | concat(‹text›, ‹int4›, ‹bool›, ‹date›)
    text | concat_ws(‹='-'/''›, ‹text›, ‹int4›, ‹text›)
    text | format('%s=%L', ‹text›, ‹int4›)
    text | format('%2$s %1$I', coalesce(‹text›, 'n'), ‹text›)
    text | quote_ident(‹text›)
    text | quote_literal(‹text›)
    text | quote_nullable(‹text›)
    text | md5(‹text›)
    text | to_hex(‹int4›)
    text | overlay(‹text› placing 'ZZ' from ‹=1/2› for ‹=0/1›)
    text | regexp_replace(‹text›, ‹='a'/'[0-9]'/'(.)b'›, ‹='<\1>'/'-'›, ‹='g'/''/'i'›)
    text | regexp_substr(‹text›, ‹='[a-z]+'/'b.'›)
    text | array_to_string(‹ints›, ',', ‹='*'/''›)
    text | array_to_string(‹texts›, '/')
    text | (‹texts›)[‹=1/2›]
    text | array_dims(‹ints›)
    text | encode(‹bytea›, ‹='hex'/'base64'/'escape'›)
    text | ‹jsonb› ->> ‹='a'/'k'›
    text | ‹jsonb› ->> ‹=0/1/-1›
    text | ‹jsonb› #>> ‹='{b,2,c}'/'{k,a}'/'{}'›
    text | jsonb_typeof(‹jsonb›)
    text | to_char(‹timestamp›, ‹='YYYY-MM-DD HH24:MI:SS.US'/'Dy DD Mon YYYY'/'IYYY-IW-ID'/'HH12 am Q DDD'›)
    text | to_char(‹date›, ‹='YYYYMMDD'/'FMMonth FMDD'/'J'›)
    text | to_char(‹int4›, ‹='999G999'/'FM0000000000'/'S9999999999'/'9999999999PR'›)
    text | to_char((‹int4› % 1009)::numeric, ‹='9999.99'/'FM9990.00'/'00009D9'›)
    text | (‹int4›)::text
    text | (‹int8›)::text
    text | (‹bool›)::text
    text | (‹date›)::text
    text | (‹timestamp›)::text
    text | (‹interval›)::text
    text | (‹uuid›)::text
    text | (‹jsonb›)::text
    text | (‹ints›)::text
    text | (‹numeric›)::text
    text | (‹float8›)::text
    text | (‹bytea›)::text
    text | (‹bpchar›)::text
    text | coalesce(‹text›, ‹text›, 'none')
    text | nullif(‹text›, ‹text›)
    text | greatest(‹text›, ‹text›)
    text | CASE WHEN ‹bool› THEN ‹text› WHEN ‹bool› THEN ‹text› END
    varchar | (‹text›)::varchar(3)
    varchar | coalesce(‹varchar›, ‹varchar›)
    bpchar | (‹text›)::char(4)
    bytea | ‹bytea› || ‹bytea›
    bytea | substring(‹bytea›, ‹=1/2›)
    bytea | decode(‹='0102'/''›, 'hex')
    bytea | convert_to(‹text›, 'UTF8')
    date | ‹date› + (‹int4› % 1000)
    date | ‹date› - (‹int2› % 100)
    date | (‹timestamp›)::date
    date | make_date(2000 + abs(‹int4› % 30), 1 + abs(‹int4› % 12), 1 + abs(‹int4› % 28))
    date | coalesce(‹date›, ‹date›)
    date | greatest(‹date›, ‹date›)
    date | CASE WHEN ‹bool› THEN ‹date› ELSE ‹date› END
    time | (‹timestamp›)::time
    time | ‹time› + ‹interval›
    time | make_time(abs(‹int4› % 24), abs(‹int4› % 60), 5.5)
    timestamp | ‹timestamp› + ‹interval›
    timestamp | ‹timestamp› - ‹='1 day'/'2 mons'/'36:00:00'›::interval
    timestamp | ‹date› + ‹time›
    timestamp | ‹date› + ‹interval›
    timestamp | date_trunc(‹='hour'/'day'/'week'/'month'/'quarter'/'year'/'decade'/'milliseconds'›, ‹timestamp›)
    timestamp | (‹date›)::timestamp
    timestamp | (‹timestamptz›)::timestamp
    timestamp | ‹timestamptz› AT TIME ZONE ‹='UTC'/'+05:30'/'EST'›
    timestamp | date_bin(‹='15 minutes'/'1 day'/'7 hours'›, ‹timestamp›, '2001-01-01')
    timestamp | coalesce(‹timestamp›, ‹timestamp›)
    timestamp | least(‹timestamp›, ‹timestamp›)
    timestamptz | ‹timestamptz› + ‹interval›
    timestamptz | date_trunc(‹='hour'/'day'/'week'/'month'›, ‹timestamptz›)
    timestamptz | date_trunc('day', ‹timestamptz›, ‹='UTC'/'EST'/'Europe/Berlin'›)
    timestamptz | ‹timestamp› AT TIME ZONE ‹='UTC'/'-03'/'CET'›
    timestamptz | (‹timestamp›)::timestamptz
    timestamptz | to_timestamp((‹int8› % 100003)::float8)
    timestamptz | coalesce(‹timestamptz›, ‹timestamptz›)
    interval | ‹timestamp› - ‹timestamp›
    interval | ‹timestamptz› - ‹timestamptz›
    interval | ‹interval› + ‹interval›
    interval | ‹interval› - ‹interval›
    interval | ‹interval› * ‹=2/0.5/-1›
    interval | ‹interval› / ‹=2/3.5›
    interval | -‹interval›
    interval | age(‹timestamp›, ‹timestamp›)
    interval | justify_hours(‹interval›)
    interval | justify_days(‹interval›)
    interval | justify_interval(‹interval›)
    interval | make_interval(days => ‹int4› % 100, hours => ‹int4› % 30)
    interval | (‹time›)::interval
    interval | ‹time› - ‹time›
    interval | date_trunc(‹='hour'/'day'/'month'›, ‹interval›)
    interval | CASE WHEN ‹bool› THEN ‹interval› ELSE ‹interval› END
    uuid | coalesce(‹uuid›, ‹uuid›)
    uuid | CASE WHEN ‹bool› THEN ‹uuid› END
    jsonb | ‹jsonb› -> ‹='a'/'b'›
    jsonb | ‹jsonb› -> ‹=0/-1›
    jsonb | ‹jsonb› #> ‹='{b,2}'/'{k,a}'›
    jsonb | jsonb_build_object('x', ‹int4›, 'y', ‹text›)
    jsonb | jsonb_build_array(‹int4›, ‹text›, ‹bool›, ‹date›)
    jsonb | to_jsonb(‹text›)
    jsonb | to_jsonb(‹int4›)
    jsonb | to_jsonb(‹ints›)
    jsonb | to_jsonb(‹timestamp›)
    jsonb | jsonb_strip_nulls(‹jsonb›)
    jsonb | ‹jsonb› || ‹='{"z": 1}'/'[7]'›::jsonb
    jsonb | jsonb_set(jsonb_build_object('a', ‹int4›), '{a}', to_jsonb(‹text›))
    jsonb | coalesce(‹jsonb›, ‹jsonb›)
    int4[] | ARRAY[‹int4›, ‹int4›]
    int4[] | ‹ints› || ‹int4›
    int4[] | ‹int4› || ‹ints›
    int4[] | ‹ints› || ‹ints›
    int4[] | array_append(‹ints›, ‹int4›)
    int4[] | array_remove(‹ints›, ‹int4›)
    int4[] | array_replace(‹ints›, ‹int4›, ‹int4›)
    int4[] | array_positions(‹ints›, ‹int4›)
    int4[] | (‹ints›)[1:2]
    int4[] | coalesce(‹ints›, ‹ints›)
    text[] | ARRAY[‹text›::text, ‹text›, 'x']
    text[] | string_to_array(‹text›, ‹='b'/','/''›)
    text[] | ‹texts› || ‹text›
    text[] | regexp_split_to_array(‹text›, ‹='b'/'\s'›)
    text[] | regexp_match(‹text›, ‹='(a)(b)?'/'[0-9]+'›)
    text[] | array_cat(‹texts›, ‹texts›)
    """#
    .replacing("‹ints›", with: "‹int4[]›").replacing("‹texts›", with: "‹text[]›")

  private static let riskyRows = #"""
    int4 | ‹int4› + ‹int4›
    int4 | ‹int4› * ‹int4›
    int4 | ‹int4› / ‹int4›
    int4 | ‹int4› % ‹int4›
    int4 | -‹int4›
    int4 | abs(‹int4›)
    int4 | (‹int8›)::int4
    int4 | (‹text›)::int4
    int4 | (‹float8›)::int4
    int4 | (‹jsonb› -> 'a')::int4
    int2 | ‹int2› + ‹int2›
    int2 | (‹int4›)::int2
    int2 | (‹float4›)::int2
    int8 | ‹int8› + ‹int8›
    int8 | ‹int8› * ‹int8›
    int8 | ‹int8› / ‹int4›
    int8 | (‹float8›)::int8
    int8 | (‹numeric›)::int8
    float4 | ‹float4› * ‹float4›
    float4 | ‹float4› + ‹float4›
    float4 | (‹float8›)::float4
    float8 | ‹float8› * ‹float8›
    float8 | ‹float8› + ‹float8›
    float8 | ‹float8› / ‹float8›
    float8 | ‹float8› - ‹float4›
    float8 | sqrt(‹float8›)
    float8 | ln(‹float8›)
    float8 | exp(‹float8›)
    float8 | power(‹float8›, ‹float8›)
    float8 | asin(‹float8›)
    float8 | (‹text›)::float8
    numeric | ‹numeric› + ‹numeric›
    numeric | ‹numeric› * ‹numeric›
    numeric | ‹numeric› / ‹numeric›
    numeric | ‹numeric› % ‹numeric›
    numeric | ‹numeric›::numeric(5,2)
    numeric | (‹float8›)::numeric
    numeric | sqrt(‹numeric›)
    numeric | ln(‹numeric›)
    numeric | (‹text›)::numeric
    bool | (‹text›)::bool
    date | (‹text›)::date
    date | make_date(‹int4›, ‹int4›, ‹int4›)
    date | ‹date› + ‹int4›
    timestamp | ‹timestamp› + ‹interval›
    timestamp | (‹text›)::timestamp
    timestamp | date_trunc(‹text›, ‹timestamp›)
    interval | ‹timestamp› - ‹timestamp›
    interval | ‹interval› * ‹float8›
    interval | ‹interval› / ‹float8›
    interval | age(‹timestamp›, ‹timestamp›)
    int4 | ‹date› - ‹date›
    uuid | (‹text›)::uuid
    jsonb | (‹text›)::jsonb
    jsonb | to_jsonb(‹float8›)
    text | chr(‹int4›)
    text | split_part(‹text›, ',', ‹int4› % 3)
    text | lpad(‹text›, ‹int4› % 20, ‹text›)
    text | substring(‹text› from ‹int4› for ‹int4›)
    text | left(‹text›, ‹int4›)
    text | right(‹text›, ‹int4›)
    int4 | width_bucket(‹float8›, ‹float8›, ‹float8›, ‹int4›)
    text | regexp_replace(‹text›, ‹text›, 'x')
    bool | ‹text› LIKE ‹text›
    int4[] | (‹text›)::int4[]
    int4[] | array_fill(‹int4›, ARRAY[‹int4› % 4])
    numeric | factorial(‹int4›)
    numeric | extract(‹=epoch/century/isoyear/doy/microseconds/timezone› from ‹timestamp›)
    numeric | extract(‹=epoch/decade/julian/hour› from ‹date›)
    """#
}
