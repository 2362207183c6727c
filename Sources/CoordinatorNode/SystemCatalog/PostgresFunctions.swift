// PostgresFunctions.swift — pg_proc: functions of PostgreSQL 15 that exist here, the I/O functions that pg_type names, and our own.
//
// Facts, one name a line (indented lines go on): `oid result(arguments)flags; …`, types by their names in pg_type. Flags: a aggregate,
// w window, s stable, v volatile (immutable without), n called with NULL arguments, r a set, x the last argument is variadic.
// Our own functions have no OIDs in the text: they are numbered as they stand (ObjectNumbers.ownFunctions), so lines are only added
// at the end. Compared with a running PostgreSQL by SystemTypesTests.
import Model

/// A row of pg_proc.
struct PostgresFunctionRecord: Sendable {
  var oid: Int64
  var name: String
  var namespace: Int64
  var result: Int64
  var arguments: [Int64]
  /// f, a or w.
  var kind: String
  /// i, s or v.
  var volatility: String
  var isStrict: Bool
  var isSet: Bool
  var isVariadic: Bool
}

/// The functions, made once.
struct PostgresFunctions: Sendable {
  static let all = PostgresFunctions()
  let records: [PostgresFunctionRecord]
  private let byOID: [Int64: Int]
  private let byName: [String: [Int]]

  subscript(oid oid: Int64) -> PostgresFunctionRecord? { byOID[oid].map { records[$0] } }
  /// Those of a name.
  subscript(name name: String) -> [PostgresFunctionRecord] { (byName[name] ?? []).map { records[$0] } }
  /// The number of the only function of a name; 0 for `-` and for what does not stand here.
  func number(of name: String) -> Int64 { byName[name]?.first.map { records[$0].oid } ?? 0 }

  private init() {
    var all: [PostgresFunctionRecord] = []
    for line in RecordText.lines(Self.callable) { all += Self.parse(line, in: ObjectNumbers.catalogSchema) }
    for line in RecordText.lines(Self.inputOutput) + RecordText.lines(OperatorFunctions.text) {
      for entry in RecordText.parts(line, " | ") { all += Self.parse(entry, in: ObjectNumbers.catalogSchema) }
    }
    var number = ObjectNumbers.ownFunctions
    for (text, schema) in [(Self.sketches, ObjectNumbers.publicSchema), (Self.cluster, ObjectNumbers.catalogSchema)] {
      for line in RecordText.lines(text) {
        for var record in Self.parse(line, in: schema) {
          record.oid = number
          number += 1
          all.append(record)
        }
      }
      number = ObjectNumbers.ownFunctions + ObjectNumbers.ownFunctionsOfSchema
    }
    records = all
    byOID = Dictionary(all.indices.map { (all[$0].oid, $0) }, uniquingKeysWith: { first, _ in first })
    byName = Dictionary(grouping: all.indices, by: { all[$0].name })
  }
  private static func parse(_ line: String, in namespace: Int64) -> [PostgresFunctionRecord] {
    guard let colon = line.firstIndex(of: ":") else { return [] }
    let name = String(line[..<colon])
    return line[line.index(after: colon)...].split(separator: ";").compactMap { entry -> PostgresFunctionRecord? in
      guard let open = entry.firstIndex(of: "("), let close = entry.firstIndex(of: ")") else { return nil }
      let head = entry[..<open].split(separator: " ")
      let flags = entry[entry.index(after: close)...]
      let types = PostgresTypes.all
      func type(_ name: Substring) -> Int64 { types[name: String(name)]?.oid ?? 0 }
      return PostgresFunctionRecord(
        oid: head.count > 1 ? Int64(head[0]) ?? 0 : 0,
        name: name,
        namespace: namespace,
        result: head.last.map(type) ?? 0,
        arguments: entry[entry.index(after: open)..<close].split(separator: ",").map(type),
        kind: flags.contains("a") ? "a" : flags.contains("w") ? "w" : "f",
        volatility: flags.contains("v") ? "v" : flags.contains("s") ? "s" : "i",
        isStrict: !flags.contains("n"),
        isSet: flags.contains("r"),
        isVariadic: flags.contains("x")
      )
    }
  }

  /// Of pg_catalog, callable.
  private static let callable = """
    abs: 1394 float4(float4); 1395 float8(float8); 1396 int8(int8); 1397 int4(int4); 1398 int2(int2); 1705 numeric(numeric)
    acos: 1601 float8(float8)
    age: 1181 int4(xid)s; 1199 interval(timestamptz,timestamptz); 1386 interval(timestamptz)s; 2058 interval(timestamp,timestamp);
      2059 interval(timestamp)s
    array_agg: 2335 anyarray(anynonarray)an; 4053 anyarray(anyarray)an
    array_append: 378 anycompatiblearray(anycompatiblearray,anycompatible)n
    array_cat: 383 anycompatiblearray(anycompatiblearray,anycompatiblearray)n
    array_length: 2176 int4(anyarray,int4)
    array_lower: 2091 int4(anyarray,int4)
    array_ndims: 748 int4(anyarray)
    array_position: 3277 int4(anycompatiblearray,anycompatible)n; 3278 int4(anycompatiblearray,anycompatible,int4)n
    array_positions: 3279 _int4(anycompatiblearray,anycompatible)n
    array_prepend: 379 anycompatiblearray(anycompatible,anycompatiblearray)n
    array_remove: 3167 anycompatiblearray(anycompatiblearray,anycompatible)n
    array_replace: 3168 anycompatiblearray(anycompatiblearray,anycompatible,anycompatible)n
    array_to_string: 384 text(anyarray,text,text)sn; 395 text(anyarray,text)s
    array_upper: 2092 int4(anyarray,int4)
    ascii: 1620 int4(text)
    asin: 1600 float8(float8)
    atan: 1602 float8(float8)
    atan2: 1603 float8(float8,float8)
    avg: 2100 numeric(int8)an; 2101 numeric(int4)an; 2102 numeric(int2)an; 2103 numeric(numeric)an; 2104 float8(float4)an;
      2105 float8(float8)an; 2106 interval(interval)an
    bit_and: 2236 int2(int2)an; 2238 int4(int4)an; 2240 int8(int8)an
    bit_length: 1810 int4(bytea); 1811 int4(text)
    bit_or: 2237 int2(int2)an; 2239 int4(int4)an; 2241 int8(int8)an
    bool_and: 2517 bool(bool)an
    bool_or: 2518 bool(bool)an
    btrim: 884 text(text,text); 885 text(text); 2015 bytea(bytea,bytea)
    cardinality: 3179 int4(anyarray)
    cbrt: 1345 float8(float8)
    ceil: 1711 numeric(numeric); 2308 float8(float8)
    ceiling: 2167 numeric(numeric); 2320 float8(float8)
    char_length: 1372 int4(bpchar); 1381 int4(text)
    character_length: 1367 int4(bpchar); 1369 int4(text)
    chr: 1621 text(int4)
    clock_timestamp: 2649 timestamptz()v
    col_description: 1216 text(oid,int4)s
    concat: 3058 text(any)snx
    concat_ws: 3059 text(text,any)snx
    corr: 2829 float8(float8,float8)an
    cos: 1605 float8(float8)
    cosh: 2463 float8(float8)
    count: 2147 int8(any)an; 2803 int8()an
    covar_pop: 2827 float8(float8,float8)an
    covar_samp: 2828 float8(float8,float8)an
    cume_dist: 3104 float8()wn; 3990 float8(any)anx
    current_database: 861 name()s
    current_schema: 1402 name()s
    current_schemas: 1403 _name(bool)s
    current_setting: 2077 text(text)s; 3294 text(text,bool)s
    current_user: 745 name()s
    date_bin: 6177 timestamp(interval,timestamp,timestamp); 6178 timestamptz(interval,timestamptz,timestamptz)
    date_part: 1171 float8(text,timestamptz)s; 1172 float8(text,interval); 1273 float8(text,timetz); 1384 float8(text,date);
      1385 float8(text,time); 2021 float8(text,timestamp)
    date_trunc: 1217 timestamptz(text,timestamptz)s; 1218 interval(text,interval); 1284 timestamptz(text,timestamptz,text)s;
      2020 timestamp(text,timestamp)
    decode: 1947 bytea(text,text)
    degrees: 1608 float8(float8)
    dense_rank: 3102 int8()wn; 3992 int8(any)anx
    div: 1973 numeric(numeric,numeric)
    encode: 1946 text(bytea,text)
    every: 2519 bool(bool)an
    exp: 1347 float8(float8); 1732 numeric(numeric)
    extract: 6199 numeric(text,date); 6200 numeric(text,time); 6201 numeric(text,timetz); 6202 numeric(text,timestamp);
      6203 numeric(text,timestamptz)s; 6204 numeric(text,interval)
    factorial: 1376 numeric(int8)
    first_value: 3112 anyelement(anyelement)w
    floor: 1712 numeric(numeric); 2309 float8(float8)
    format: 3539 text(text,any)snx; 3540 text(text)sn
    format_type: 1081 text(oid,int4)sn
    gcd: 5044 int4(int4,int4); 5045 int8(int8,int8); 5048 numeric(numeric,numeric)
    gen_random_uuid: 3432 uuid()v
    generate_series: 938 timestamp(timestamp,timestamp,interval)r; 939 timestamptz(timestamptz,timestamptz,interval)sr;
      1066 int4(int4,int4,int4)r; 1067 int4(int4,int4)r; 1068 int8(int8,int8,int8)r; 1069 int8(int8,int8)r;
      3259 numeric(numeric,numeric,numeric)r; 3260 numeric(numeric,numeric)r
    generate_subscripts: 1191 int4(anyarray,int4,bool)r; 1192 int4(anyarray,int4)r
    getdatabaseencoding: 1039 name()s
    has_any_column_privilege: 3024 bool(name,text,text)s; 3025 bool(name,oid,text)s; 3026 bool(oid,text,text)s; 3027 bool(oid,oid,text)s;
      3028 bool(text,text)s; 3029 bool(oid,text)s
    has_column_privilege: 3012 bool(name,text,text,text)s; 3013 bool(name,text,int2,text)s; 3014 bool(name,oid,text,text)s;
      3015 bool(name,oid,int2,text)s; 3016 bool(oid,text,text,text)s; 3017 bool(oid,text,int2,text)s; 3018 bool(oid,oid,text,text)s;
      3019 bool(oid,oid,int2,text)s; 3020 bool(text,text,text)s; 3021 bool(text,int2,text)s; 3022 bool(oid,text,text)s;
      3023 bool(oid,int2,text)s
    has_database_privilege: 2250 bool(name,text,text)s; 2251 bool(name,oid,text)s; 2252 bool(oid,text,text)s; 2253 bool(oid,oid,text)s;
      2254 bool(text,text)s; 2255 bool(oid,text)s
    has_function_privilege: 2256 bool(name,text,text)s; 2257 bool(name,oid,text)s; 2258 bool(oid,text,text)s; 2259 bool(oid,oid,text)s;
      2260 bool(text,text)s; 2261 bool(oid,text)s
    has_language_privilege: 2262 bool(name,text,text)s; 2263 bool(name,oid,text)s; 2264 bool(oid,text,text)s; 2265 bool(oid,oid,text)s;
      2266 bool(text,text)s; 2267 bool(oid,text)s
    has_schema_privilege: 2268 bool(name,text,text)s; 2269 bool(name,oid,text)s; 2270 bool(oid,text,text)s; 2271 bool(oid,oid,text)s;
      2272 bool(text,text)s; 2273 bool(oid,text)s
    has_sequence_privilege: 2181 bool(name,text,text)s; 2182 bool(name,oid,text)s; 2183 bool(oid,text,text)s; 2184 bool(oid,oid,text)s;
      2185 bool(text,text)s; 2186 bool(oid,text)s
    has_table_privilege: 1922 bool(name,text,text)s; 1923 bool(name,oid,text)s; 1924 bool(oid,text,text)s; 1925 bool(oid,oid,text)s;
      1926 bool(text,text)s; 1927 bool(oid,text)s
    has_tablespace_privilege: 2390 bool(name,text,text)s; 2391 bool(name,oid,text)s; 2392 bool(oid,text,text)s; 2393 bool(oid,oid,text)s;
      2394 bool(text,text)s; 2395 bool(oid,text)s
    has_type_privilege: 3138 bool(name,text,text)s; 3139 bool(name,oid,text)s; 3140 bool(oid,text,text)s; 3141 bool(oid,oid,text)s;
      3142 bool(text,text)s; 3143 bool(oid,text)s
    inet_client_addr: 2196 inet()sn
    inet_client_port: 2197 int4()sn
    inet_server_addr: 2198 inet()sn
    inet_server_port: 2199 int4()sn
    initcap: 872 text(text)
    isfinite: 1373 bool(date); 1389 bool(timestamptz); 1390 bool(interval); 2048 bool(timestamp)
    json_agg: 3175 json(anyelement)asn
    json_build_array: 3198 json(any)snx; 3199 json()sn
    json_build_object: 3200 json(any)snx; 3201 json()sn
    json_object_agg: 3197 json(any,any)asn
    jsonb_agg: 3267 jsonb(anyelement)asn
    jsonb_array_elements: 3219 jsonb(jsonb)r
    jsonb_array_elements_text: 3465 text(jsonb)r
    jsonb_array_length: 3207 int4(jsonb)
    jsonb_build_array: 3271 jsonb(any)snx; 3272 jsonb()sn
    jsonb_build_object: 3273 jsonb(any)snx; 3274 jsonb()sn
    jsonb_each: 3208 record(jsonb)r
    jsonb_each_text: 3932 record(jsonb)r
    jsonb_extract_path: 3217 jsonb(jsonb,_text)x
    jsonb_extract_path_text: 3940 text(jsonb,_text)x
    jsonb_object_agg: 3270 jsonb(any,any)an
    jsonb_object_keys: 3931 text(jsonb)r
    jsonb_set: 3305 jsonb(jsonb,_text,jsonb,bool)
    jsonb_strip_nulls: 3262 jsonb(jsonb)
    jsonb_typeof: 3210 text(jsonb)
    justify_days: 1295 interval(interval)
    justify_hours: 1175 interval(interval)
    justify_interval: 2711 interval(interval)
    lag: 3106 anyelement(anyelement)w; 3107 anyelement(anyelement,int4)w; 3108 anycompatible(anycompatible,int4,anycompatible)w
    last_value: 3113 anyelement(anyelement)w
    lcm: 5046 int4(int4,int4); 5047 int8(int8,int8); 5049 numeric(numeric,numeric)
    lead: 3109 anyelement(anyelement)w; 3110 anyelement(anyelement,int4)w; 3111 anycompatible(anycompatible,int4,anycompatible)w
    left: 3060 text(text,int4)
    length: 1317 int4(text); 1318 int4(bpchar); 1713 int4(bytea,name)s; 2010 int4(bytea)
    ln: 1341 float8(float8); 1734 numeric(numeric)
    log: 1340 float8(float8); 1736 numeric(numeric,numeric); 1741 numeric(numeric)
    lower: 870 text(text)
    lpad: 873 text(text,int4,text); 879 text(text,int4)
    ltrim: 875 text(text,text); 881 text(text); 6195 bytea(bytea,bytea)
    make_date: 3846 date(int4,int4,int4)
    make_interval: 3464 interval(int4,int4,int4,int4,int4,int4,float8)
    make_time: 3847 time(int4,int4,float8)
    make_timestamp: 3461 timestamp(int4,int4,int4,int4,int4,float8)
    make_timestamptz: 3462 timestamptz(int4,int4,int4,int4,int4,float8)s; 3463 timestamptz(int4,int4,int4,int4,int4,float8,text)s
    max: 2050 anyarray(anyarray)an; 2115 int8(int8)an; 2116 int4(int4)an; 2117 int2(int2)an; 2118 oid(oid)an; 2119 float4(float4)an;
      2120 float8(float8)an; 2122 date(date)an; 2123 time(time)an; 2124 timetz(timetz)an; 2126 timestamp(timestamp)an;
      2127 timestamptz(timestamptz)an; 2128 interval(interval)an; 2129 text(text)an; 2130 numeric(numeric)an; 2244 bpchar(bpchar)an;
      2797 tid(tid)an; 3564 inet(inet)an; 4189 pg_lsn(pg_lsn)an
    md5: 2311 text(text); 2321 text(bytea)
    min: 2051 anyarray(anyarray)an; 2131 int8(int8)an; 2132 int4(int4)an; 2133 int2(int2)an; 2134 oid(oid)an; 2135 float4(float4)an;
      2136 float8(float8)an; 2138 date(date)an; 2139 time(time)an; 2140 timetz(timetz)an; 2142 timestamp(timestamp)an;
      2143 timestamptz(timestamptz)an; 2144 interval(interval)an; 2145 text(text)an; 2146 numeric(numeric)an; 2245 bpchar(bpchar)an;
      2798 tid(tid)an; 3565 inet(inet)an; 4190 pg_lsn(pg_lsn)an
    mod: 940 int2(int2,int2); 941 int4(int4,int4); 947 int8(int8,int8); 1728 numeric(numeric,numeric)
    mode: 3984 anyelement(anyelement)an
    now: 1299 timestamptz()s
    nth_value: 3114 anyelement(anyelement,int4)w
    ntile: 3105 int4(int4)w
    num_nonnulls: 440 int4(any)nx
    num_nulls: 438 int4(any)nx
    obj_description: 1215 text(oid,name)s; 1348 text(oid)s
    octet_length: 720 int4(bytea); 1374 int4(text); 1375 int4(bpchar)
    percent_rank: 3103 float8()wn; 3988 float8(any)anx
    percentile_cont: 3974 float8(float8,float8)an; 3976 interval(float8,interval)an; 3980 _float8(_float8,float8)an;
      3982 _interval(_float8,interval)an
    percentile_disc: 3972 anyelement(float8,anyelement)an; 3978 anyarray(_float8,anyelement)an
    pg_advisory_unlock_all: 2892 void()v
    pg_backend_pid: 2026 int4()s
    pg_char_to_encoding: 1264 int4(name)s
    pg_client_encoding: 810 name()s
    pg_collation_is_visible: 3815 bool(oid)s
    pg_conf_load_time: 2034 timestamptz()s
    pg_conversion_is_visible: 2093 bool(oid)s
    pg_database_size: 2168 int8(name)v; 2324 int8(oid)v
    pg_encoding_to_char: 1597 name(int4)s
    pg_function_is_visible: 2081 bool(oid)s
    pg_get_constraintdef: 1387 text(oid)s; 2508 text(oid,bool)s
    pg_get_expr: 1716 text(pg_node_tree,oid)s; 2509 text(pg_node_tree,oid,bool)s
    pg_get_function_arguments: 2162 text(oid)s
    pg_get_function_identity_arguments: 2232 text(oid)s
    pg_get_function_result: 2165 text(oid)s
    pg_get_indexdef: 1643 text(oid)s; 2507 text(oid,int4,bool)s
    pg_get_keywords: 1686 record()sr
    pg_get_partkeydef: 3352 text(oid)s
    pg_get_ruledef: 1573 text(oid)s; 2504 text(oid,bool)s
    pg_get_serial_sequence: 1665 text(text,text)s
    pg_get_statisticsobjdef_columns: 6174 text(oid)s
    pg_get_triggerdef: 1662 text(oid)s; 2730 text(oid,bool)s
    pg_get_userbyid: 1642 name(oid)s
    pg_get_viewdef: 1640 text(text)s; 1641 text(oid)s; 2505 text(text,bool)s; 2506 text(oid,bool)s; 3159 text(oid,int4)s
    pg_has_role: 2705 bool(name,name,text)s; 2706 bool(name,oid,text)s; 2707 bool(oid,name,text)s; 2708 bool(oid,oid,text)s;
      2709 bool(name,text)s; 2710 bool(oid,text)s
    pg_indexes_size: 2998 int8(regclass)v
    pg_is_in_recovery: 3810 bool()v
    pg_is_other_temp_schema: 2855 bool(oid)s
    pg_my_temp_schema: 2854 oid()s
    pg_opclass_is_visible: 2083 bool(oid)s
    pg_operator_is_visible: 2082 bool(oid)s
    pg_postmaster_start_time: 2560 timestamptz()s
    pg_relation_filenode: 2999 oid(regclass)s
    pg_relation_is_publishable: 6121 bool(regclass)s
    pg_relation_size: 2325 int8(regclass)v; 2332 int8(regclass,text)v
    pg_size_bytes: 3334 int8(text)
    pg_size_pretty: 2288 text(int8); 3166 text(numeric)
    pg_stat_get_numscans: 1928 int8(oid)s
    pg_statistics_obj_is_visible: 3403 bool(oid)s
    pg_table_is_visible: 2079 bool(oid)s
    pg_table_size: 2997 int8(regclass)v
    pg_tablespace_location: 3778 text(oid)s
    pg_total_relation_size: 2286 int8(regclass)v
    pg_type_is_visible: 2080 bool(oid)s
    pg_typeof: 1619 regtype(any)sn
    pi: 1610 float8()
    position: 849 int4(text,text); 2014 int4(bytea,bytea)
    pow: 1346 float8(float8,float8); 1738 numeric(numeric,numeric)
    power: 1368 float8(float8,float8); 2169 numeric(numeric,numeric)
    quote_ident: 1282 text(text)
    quote_literal: 1283 text(text); 1285 text(anyelement)s
    quote_nullable: 1289 text(text)n; 1290 text(anyelement)sn
    radians: 1609 float8(float8)
    random: 1598 float8()v
    rank: 3101 int8()wn; 3986 int8(any)anx
    regexp_count: 6254 int4(text,text); 6255 int4(text,text,int4); 6256 int4(text,text,int4,text)
    regexp_like: 6263 bool(text,text); 6264 bool(text,text,text)
    regexp_match: 3396 _text(text,text); 3397 _text(text,text,text)
    regexp_matches: 2763 _text(text,text)r; 2764 _text(text,text,text)r
    regexp_replace: 2284 text(text,text,text); 2285 text(text,text,text,text); 6251 text(text,text,text,int4,int4,text);
      6252 text(text,text,text,int4,int4); 6253 text(text,text,text,int4)
    regexp_split_to_array: 2767 _text(text,text); 2768 _text(text,text,text)
    regexp_split_to_table: 2765 text(text,text)r; 2766 text(text,text,text)r
    regexp_substr: 6265 text(text,text); 6266 text(text,text,int4); 6267 text(text,text,int4,int4); 6268 text(text,text,int4,int4,text);
      6269 text(text,text,int4,int4,text,int4)
    regr_count: 2818 int8(float8,float8)an
    regr_intercept: 2826 float8(float8,float8)an
    regr_r2: 2824 float8(float8,float8)an
    regr_slope: 2825 float8(float8,float8)an
    repeat: 1622 text(text,int4)
    replace: 2087 text(text,text,text)
    reverse: 3062 text(text)
    right: 3061 text(text,int4)
    round: 1342 float8(float8); 1707 numeric(numeric,int4); 1708 numeric(numeric)
    row_number: 3100 int8()wn
    row_security_active: 3298 bool(oid)s; 3299 bool(text)s
    rpad: 874 text(text,int4,text); 880 text(text,int4)
    rtrim: 876 text(text,text); 882 text(text); 6196 bytea(bytea,bytea)
    session_user: 746 name()s
    set_config: 2078 text(text,text,bool)vn
    shobj_description: 1993 text(oid,name)s
    sign: 1706 numeric(numeric); 2310 float8(float8)
    sin: 1604 float8(float8)
    sinh: 2462 float8(float8)
    split_part: 2088 text(text,text,int4)
    sqrt: 1344 float8(float8); 1730 numeric(numeric)
    starts_with: 3696 bool(text,text)
    statement_timestamp: 2648 timestamptz()s
    stddev: 2154 numeric(int8)an; 2155 numeric(int4)an; 2156 numeric(int2)an; 2157 float8(float4)an; 2158 float8(float8)an;
      2159 numeric(numeric)an
    stddev_pop: 2724 numeric(int8)an; 2725 numeric(int4)an; 2726 numeric(int2)an; 2727 float8(float4)an; 2728 float8(float8)an;
      2729 numeric(numeric)an
    stddev_samp: 2712 numeric(int8)an; 2713 numeric(int4)an; 2714 numeric(int2)an; 2715 float8(float4)an; 2716 float8(float8)an;
      2717 numeric(numeric)an
    string_agg: 3538 text(text,text)an; 3545 bytea(bytea,bytea)an
    string_to_array: 376 _text(text,text,text)n; 394 _text(text,text)n
    string_to_table: 6160 text(text,text)nr; 6161 text(text,text,text)nr
    strpos: 868 int4(text,text)
    substr: 877 text(text,int4,int4); 883 text(text,int4); 2085 bytea(bytea,int4,int4); 2086 bytea(bytea,int4)
    substring: 936 text(text,int4,int4); 937 text(text,int4); 2012 bytea(bytea,int4,int4); 2013 bytea(bytea,int4); 2073 text(text,text);
      2074 text(text,text,text)
    sum: 2107 numeric(int8)an; 2108 int8(int4)an; 2109 int8(int2)an; 2110 float4(float4)an; 2111 float8(float8)an;
      2113 interval(interval)an; 2114 numeric(numeric)an
    tan: 1606 float8(float8)
    tanh: 2464 float8(float8)
    timezone: 1026 timestamp(interval,timestamptz); 1159 timestamp(text,timestamptz); 2037 timetz(text,timetz)s;
      2038 timetz(interval,timetz); 2069 timestamptz(text,timestamp); 2070 timestamptz(interval,timestamp)
    to_char: 1768 text(interval,text)s; 1770 text(timestamptz,text)s; 1772 text(numeric,text)s; 1773 text(int4,text)s;
      1774 text(int8,text)s; 1775 text(float4,text)s; 1776 text(float8,text)s; 2049 text(timestamp,text)s
    to_date: 1780 date(text,text)s
    to_hex: 2089 text(int4); 2090 text(int8)
    to_json: 3176 json(anyelement)s
    to_jsonb: 3787 jsonb(anyelement)s
    to_number: 1777 numeric(text,text)s
    to_regclass: 3495 regclass(text)s
    to_regnamespace: 4086 regnamespace(text)s
    to_regproc: 3494 regproc(text)s
    to_regrole: 4093 regrole(text)s
    to_regtype: 3493 regtype(text)s
    to_timestamp: 1158 timestamptz(float8); 1778 timestamptz(text,text)s
    transaction_timestamp: 2647 timestamptz()s
    translate: 878 text(text,text,text)
    trunc: 1343 float8(float8); 1709 numeric(numeric,int4); 1710 numeric(numeric)
    unnest: 2331 anyelement(anyarray)r
    upper: 871 text(text)
    var_pop: 2718 numeric(int8)an; 2719 numeric(int4)an; 2720 numeric(int2)an; 2721 float8(float4)an; 2722 float8(float8)an;
      2723 numeric(numeric)an
    var_samp: 2641 numeric(int8)an; 2642 numeric(int4)an; 2643 numeric(int2)an; 2644 float8(float4)an; 2645 float8(float8)an;
      2646 numeric(numeric)an
    variance: 2148 numeric(int8)an; 2149 numeric(int4)an; 2150 numeric(int2)an; 2151 float8(float4)an; 2152 float8(float8)an;
      2153 numeric(numeric)an
    version: 89 text()s
    width_bucket: 320 int4(float8,float8,float8,int4); 2170 int4(numeric,numeric,numeric,int4);
      3218 int4(anycompatible,anycompatiblearray)
    """
  /// Of pg_catalog, named by pg_type and pg_am; several a line.
  private static let inputOutput = """
    aclitemin: 1031 aclitem(cstring)s | aclitemout: 1032 cstring(aclitem)s | any_in: 2294 any(cstring) | any_out: 2295 cstring(any)
    anyarray_in: 2296 anyarray(cstring) | anyarray_out: 2297 cstring(anyarray)s | anyarray_recv: 2502 anyarray(internal)s
    anyarray_send: 2503 bytea(anyarray)s | anycompatible_in: 5086 anycompatible(cstring) | anycompatible_out: 5087 cstring(anycompatible)
    anycompatiblearray_in: 5088 anycompatiblearray(cstring) | anycompatiblearray_out: 5089 cstring(anycompatiblearray)s
    anycompatiblearray_recv: 5090 anycompatiblearray(internal)s | anycompatiblearray_send: 5091 bytea(anycompatiblearray)s
    anycompatiblenonarray_in: 5092 anycompatiblenonarray(cstring) | anycompatiblenonarray_out: 5093 cstring(anycompatiblenonarray)
    anyelement_in: 2312 anyelement(cstring) | anyelement_out: 2313 cstring(anyelement) | anynonarray_in: 2777 anynonarray(cstring)
    anynonarray_out: 2778 cstring(anynonarray) | array_in: 750 anyarray(cstring,oid,int4)s | array_out: 751 cstring(anyarray)s
    array_recv: 2400 anyarray(internal,oid,int4)s | array_send: 2401 bytea(anyarray)s | array_subscript_handler: 6179 internal(internal)
    array_typanalyze: 3816 bool(internal)s | boolin: 1242 bool(cstring) | boolout: 1243 cstring(bool) | boolrecv: 2436 bool(internal)
    boolsend: 2437 bytea(bool) | bpcharin: 1044 bpchar(cstring,oid,int4) | bpcharout: 1045 cstring(bpchar)
    bpcharrecv: 2430 bpchar(internal,oid,int4)s | bpcharsend: 2431 bytea(bpchar)s | bpchartypmodin: 2913 int4(_cstring)
    bpchartypmodout: 2914 cstring(int4) | brinhandler: 335 index_am_handler(internal)v | bthandler: 330 index_am_handler(internal)v
    byteain: 1244 bytea(cstring) | byteaout: 31 cstring(bytea) | bytearecv: 2412 bytea(internal) | byteasend: 2413 bytea(bytea)
    charin: 1245 char(cstring) | charout: 33 cstring(char) | charrecv: 2434 char(internal) | charsend: 2435 bytea(char)
    cidin: 52 cid(cstring) | cidout: 53 cstring(cid) | cidr_in: 1267 cidr(cstring) | cidr_out: 1427 cstring(cidr)
    cidr_recv: 2498 cidr(internal) | cidr_send: 2499 bytea(cidr) | cidrecv: 2442 cid(internal) | cidsend: 2443 bytea(cid)
    cstring_in: 2292 cstring(cstring) | cstring_out: 2293 cstring(cstring) | cstring_recv: 2500 cstring(internal)s
    cstring_send: 2501 bytea(cstring)s | date_in: 1084 date(cstring)s | date_out: 1085 cstring(date)s | date_recv: 2468 date(internal)
    date_send: 2469 bytea(date) | float4in: 200 float4(cstring) | float4out: 201 cstring(float4) | float4recv: 2424 float4(internal)
    float4send: 2425 bytea(float4) | float8in: 214 float8(cstring) | float8out: 215 cstring(float8) | float8recv: 2426 float8(internal)
    float8send: 2427 bytea(float8) | ginhandler: 333 index_am_handler(internal)v | gisthandler: 332 index_am_handler(internal)v
    hashhandler: 331 index_am_handler(internal)v | heap_tableam_handler: 3 table_am_handler(internal)v
    index_am_handler_in: 326 index_am_handler(cstring)n | index_am_handler_out: 327 cstring(index_am_handler) | inet_in: 910 inet(cstring)
    inet_out: 911 cstring(inet) | inet_recv: 2496 inet(internal) | inet_send: 2497 bytea(inet) | int2in: 38 int2(cstring)
    int2out: 39 cstring(int2) | int2recv: 2404 int2(internal) | int2send: 2405 bytea(int2) | int2vectorin: 40 int2vector(cstring)
    int2vectorout: 41 cstring(int2vector) | int2vectorrecv: 2410 int2vector(internal) | int2vectorsend: 2411 bytea(int2vector)
    int4in: 42 int4(cstring) | int4out: 43 cstring(int4) | int4recv: 2406 int4(internal) | int4send: 2407 bytea(int4)
    int8in: 460 int8(cstring) | int8out: 461 cstring(int8) | int8recv: 2408 int8(internal) | int8send: 2409 bytea(int8)
    internal_in: 2304 internal(cstring)n | internal_out: 2305 cstring(internal) | interval_in: 1160 interval(cstring,oid,int4)s
    interval_out: 1161 cstring(interval)s | interval_recv: 2478 interval(internal,oid,int4) | interval_send: 2479 bytea(interval)
    intervaltypmodin: 2903 int4(_cstring) | intervaltypmodout: 2904 cstring(int4) | json_in: 321 json(cstring)
    json_out: 322 cstring(json) | json_recv: 323 json(internal) | json_send: 324 bytea(json) | jsonb_in: 3806 jsonb(cstring)
    jsonb_out: 3804 cstring(jsonb) | jsonb_recv: 3805 jsonb(internal) | jsonb_send: 3803 bytea(jsonb)
    jsonb_subscript_handler: 6098 internal(internal) | language_handler_in: 2302 language_handler(cstring)n
    language_handler_out: 2303 cstring(language_handler) | namein: 34 name(cstring) | nameout: 35 cstring(name)
    namerecv: 2422 name(internal)s | namesend: 2423 bytea(name)s | numeric_in: 1701 numeric(cstring,oid,int4)
    numeric_out: 1702 cstring(numeric) | numeric_recv: 2460 numeric(internal,oid,int4) | numeric_send: 2461 bytea(numeric)
    numerictypmodin: 2917 int4(_cstring) | numerictypmodout: 2918 cstring(int4) | oidin: 1798 oid(cstring) | oidout: 1799 cstring(oid)
    oidrecv: 2418 oid(internal) | oidsend: 2419 bytea(oid) | oidvectorin: 54 oidvector(cstring) | oidvectorout: 55 cstring(oidvector)
    oidvectorrecv: 2420 oidvector(internal) | oidvectorsend: 2421 bytea(oidvector) | pg_lsn_in: 3229 pg_lsn(cstring)
    pg_lsn_out: 3230 cstring(pg_lsn) | pg_lsn_recv: 3238 pg_lsn(internal) | pg_lsn_send: 3239 bytea(pg_lsn)
    pg_node_tree_in: 195 pg_node_tree(cstring) | pg_node_tree_out: 196 cstring(pg_node_tree)
    pg_node_tree_recv: 197 pg_node_tree(internal)s | pg_node_tree_send: 198 bytea(pg_node_tree)s
    raw_array_subscript_handler: 6180 internal(internal) | record_in: 2290 record(cstring,oid,int4)s | record_out: 2291 cstring(record)s
    record_recv: 2402 record(internal,oid,int4)s | record_send: 2403 bytea(record)s | regclassin: 2218 regclass(cstring)s
    regclassout: 2219 cstring(regclass)s | regclassrecv: 2452 regclass(internal) | regclasssend: 2453 bytea(regclass)
    regnamespacein: 4084 regnamespace(cstring)s | regnamespaceout: 4085 cstring(regnamespace)s
    regnamespacerecv: 4087 regnamespace(internal) | regnamespacesend: 4088 bytea(regnamespace)
    regprocedurein: 2212 regprocedure(cstring)s | regprocedureout: 2213 cstring(regprocedure)s
    regprocedurerecv: 2446 regprocedure(internal) | regproceduresend: 2447 bytea(regprocedure) | regprocin: 44 regproc(cstring)s
    regprocout: 45 cstring(regproc)s | regprocrecv: 2444 regproc(internal) | regprocsend: 2445 bytea(regproc)
    regrolein: 4098 regrole(cstring)s | regroleout: 4092 cstring(regrole)s | regrolerecv: 4094 regrole(internal)
    regrolesend: 4095 bytea(regrole) | regtypein: 2220 regtype(cstring)s | regtypeout: 2221 cstring(regtype)s
    regtyperecv: 2454 regtype(internal) | regtypesend: 2455 bytea(regtype) | spghandler: 334 index_am_handler(internal)v
    table_am_handler_in: 267 table_am_handler(cstring)n | table_am_handler_out: 268 cstring(table_am_handler) | textin: 46 text(cstring)
    textout: 47 cstring(text) | textrecv: 2414 text(internal)s | textsend: 2415 bytea(text)s | tidin: 48 tid(cstring)
    tidout: 49 cstring(tid) | tidrecv: 2438 tid(internal) | tidsend: 2439 bytea(tid) | time_in: 1143 time(cstring,oid,int4)s
    time_out: 1144 cstring(time) | time_recv: 2470 time(internal,oid,int4) | time_send: 2471 bytea(time)
    timestamp_in: 1312 timestamp(cstring,oid,int4)s | timestamp_out: 1313 cstring(timestamp)s
    timestamp_recv: 2474 timestamp(internal,oid,int4) | timestamp_send: 2475 bytea(timestamp) | timestamptypmodin: 2905 int4(_cstring)
    timestamptypmodout: 2906 cstring(int4) | timestamptz_in: 1150 timestamptz(cstring,oid,int4)s
    timestamptz_out: 1151 cstring(timestamptz)s | timestamptz_recv: 2476 timestamptz(internal,oid,int4)
    timestamptz_send: 2477 bytea(timestamptz) | timestamptztypmodin: 2907 int4(_cstring) | timestamptztypmodout: 2908 cstring(int4)
    timetypmodin: 2909 int4(_cstring) | timetypmodout: 2910 cstring(int4) | timetz_in: 1350 timetz(cstring,oid,int4)s
    timetz_out: 1351 cstring(timetz) | timetz_recv: 2472 timetz(internal,oid,int4) | timetz_send: 2473 bytea(timetz)
    timetztypmodin: 2911 int4(_cstring) | timetztypmodout: 2912 cstring(int4) | trigger_in: 2300 trigger(cstring)n
    trigger_out: 2301 cstring(trigger) | unknownin: 109 unknown(cstring) | unknownout: 110 cstring(unknown)
    unknownrecv: 2416 unknown(internal) | unknownsend: 2417 bytea(unknown) | uuid_in: 2952 uuid(cstring) | uuid_out: 2953 cstring(uuid)
    uuid_recv: 2961 uuid(internal) | uuid_send: 2962 bytea(uuid) | varcharin: 1046 varchar(cstring,oid,int4)
    varcharout: 1047 cstring(varchar) | varcharrecv: 2432 varchar(internal,oid,int4)s | varcharsend: 2433 bytea(varchar)s
    varchartypmodin: 2915 int4(_cstring) | varchartypmodout: 2916 cstring(int4) | void_in: 2298 void(cstring)
    void_out: 2299 cstring(void) | void_recv: 3120 void(internal) | void_send: 3121 bytea(void) | xidin: 50 xid(cstring)
    xidout: 51 cstring(xid) | xidrecv: 2440 xid(internal) | xidsend: 2441 bytea(xid) | xml_in: 2893 xml(cstring)s
    xml_out: 2894 cstring(xml) | xml_recv: 2898 xml(internal)s | xml_send: 2899 bytea(xml)s
    """
  /// Of public: postgresql-hll's and postgresql-topn's.
  private static let sketches = """
    hll_hash_boolean: hll_hashval(bool); hll_hashval(bool,int4)
    hll_hash_smallint: hll_hashval(int2); hll_hashval(int2,int4)
    hll_hash_integer: hll_hashval(int4); hll_hashval(int4,int4)
    hll_hash_bigint: hll_hashval(int8); hll_hashval(int8,int4)
    hll_hash_bytea: hll_hashval(bytea); hll_hashval(bytea,int4)
    hll_hash_text: hll_hashval(text); hll_hashval(text,int4)
    hll_hash_any: hll_hashval(anyelement); hll_hashval(anyelement,int4)
    hll_add_agg: hll(hll_hashval)an; hll(hll_hashval,int4)an; hll(hll_hashval,int4,int4)an; hll(hll_hashval,int4,int4,int8)an;
      hll(hll_hashval,int4,int4,int8,int4)an
    hll_union_agg: hll(hll)an
    hll_cardinality: float8(hll)
    hll_union: hll(hll,hll)
    hll_empty: hll(); hll(int4); hll(int4,int4); hll(int4,int4,int8); hll(int4,int4,int8,int4)
    topn_add_agg: topn(text)an; topn(text,int8)an
    topn_union_agg: topn(topn)an
    topn_union: topn(topn,topn)
    topn: record(topn,int4)r
    topn_ex: record(topn,int4)r
    time_bucket: timestamp(interval,timestamp); timestamptz(interval,timestamptz); date(interval,date)
    """
  /// Of pg_catalog: Citus's.
  private static let cluster = """
    create_distributed_table: void(regclass,text)vn
    citus_version: text()s
    citus_table_size: int8(regclass)v
    citus_relation_size: int8(regclass)v
    citus_total_relation_size: int8(regclass)v
    get_shard_id_for_distribution_column: int8(regclass,any)s
    citus_get_active_worker_nodes: record()sr
    master_get_active_worker_nodes: record()sr
    """
}
