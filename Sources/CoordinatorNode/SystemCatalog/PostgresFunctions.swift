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
  /// A user's function.
  var user: FunctionRecord?

  /// The row of a user's function.
  init(_ function: FunctionRecord) {
    oid = ObjectNumbers.relation(function.id)
    name = function.name
    namespace = ObjectNumbers.publicSchema
    let outputs = function.outputs
    if outputs.count > 1 {
      result = 2249
    } else {
      result = TypeNumbers.number(of: outputs.first?.type ?? function.result ?? .void).oid
    }
    arguments = function.inputs.map { TypeNumbers.number(of: $0.type).oid }
    kind = function.isProcedure ? "p" : "f"
    volatility = function.volatility == .immutable ? "i" : function.volatility == .stable ? "s" : "v"
    isStrict = function.isStrict
    isSet = function.returnsSet
    isVariadic = false
    user = function
  }
  init(
    oid: Int64,
    name: String,
    namespace: Int64,
    result: Int64,
    arguments: [Int64],
    kind: String,
    volatility: String,
    isStrict: Bool,
    isSet: Bool,
    isVariadic: Bool
  ) {
    (self.oid, self.name, self.namespace, self.result, self.arguments) = (oid, name, namespace, result, arguments)
    (self.kind, self.volatility, self.isStrict, self.isSet, self.isVariadic) = (kind, volatility, isStrict, isSet, isVariadic)
  }
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
    for line in RecordText.lines(InputOutputFunctions.text) + RecordText.lines(OperatorFunctions.text) {
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
    array_dims: 747 text(anyarray)
    array_fill: 1193 anyarray(anyelement,_int4)n; 1286 anyarray(anyelement,_int4,_int4)n
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
    convert_from: 1714 text(bytea,name)s
    convert_to: 1717 bytea(text,name)s
    corr: 2829 float8(float8,float8)an
    cos: 1605 float8(float8)
    cosh: 2463 float8(float8)
    cot: 1607 float8(float8)
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
    get_byte: 721 int4(bytea,int4)
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
    json_array_length: 3956 int4(json)
    json_build_array: 3198 json(any)snx; 3199 json()sn
    json_build_object: 3200 json(any)snx; 3201 json()sn
    json_object_agg: 3197 json(any,any)asn
    json_typeof: 3968 text(json)
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
    jsonb_insert: 3579 jsonb(jsonb,_text,jsonb,bool)
    jsonb_object: 3263 jsonb(_text); 3264 jsonb(_text,_text)
    jsonb_object_agg: 3270 jsonb(any,any)an
    jsonb_object_field: 3478 jsonb(jsonb,text)
    jsonb_object_field_text: 3214 text(jsonb,text)
    jsonb_object_keys: 3931 text(jsonb)r
    jsonb_pretty: 3306 text(jsonb)
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
    like: 1569 bool(text,text); 1571 bool(name,text); 2007 bool(bytea,bytea)
    like_escape: 1637 text(text,text); 2009 bytea(bytea,bytea)
    ln: 1341 float8(float8); 1734 numeric(numeric)
    log: 1340 float8(float8); 1736 numeric(numeric,numeric); 1741 numeric(numeric)
    log10: 1194 float8(float8); 1481 numeric(numeric)
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
    min_scale: 5042 int4(numeric)
    mod: 940 int2(int2,int2); 941 int4(int4,int4); 947 int8(int8,int8); 1728 numeric(numeric,numeric)
    mode: 3984 anyelement(anyelement)an
    now: 1299 timestamptz()s
    nth_value: 3114 anyelement(anyelement,int4)w
    ntile: 3105 int4(int4)w
    num_nonnulls: 440 int4(any)nx
    num_nulls: 438 int4(any)nx
    obj_description: 1215 text(oid,name)s; 1348 text(oid)s
    octet_length: 720 int4(bytea); 1374 int4(text); 1375 int4(bpchar)
    overlaps: 1271 bool(timetz,timetz,timetz,timetz)n; 1304 bool(timestamptz,timestamptz,timestamptz,timestamptz)n;
      1305 bool(timestamptz,interval,timestamptz,interval)sn; 1306 bool(timestamptz,timestamptz,timestamptz,interval)sn;
      1307 bool(timestamptz,interval,timestamptz,timestamptz)sn; 1308 bool(time,time,time,time)n; 1309 bool(time,interval,time,interval)n;
      1310 bool(time,time,time,interval)n; 1311 bool(time,interval,time,time)n; 2041 bool(timestamp,timestamp,timestamp,timestamp)n;
      2042 bool(timestamp,interval,timestamp,interval)n; 2043 bool(timestamp,timestamp,timestamp,interval)n;
      2044 bool(timestamp,interval,timestamp,timestamp)n
    overlay: 749 bytea(bytea,bytea,int4,int4); 752 bytea(bytea,bytea,int4); 1404 text(text,text,int4,int4); 1405 text(text,text,int4)
    percent_rank: 3103 float8()wn; 3988 float8(any)anx
    percentile_cont: 3974 float8(float8,float8)an; 3976 interval(float8,interval)an; 3980 _float8(_float8,float8)an;
      3982 _interval(_float8,interval)an
    percentile_disc: 3972 anyelement(float8,anyelement)an; 3978 anyarray(_float8,anyelement)an
    pg_advisory_unlock_all: 2892 void()v
    pg_backend_pid: 2026 int4()s
    pg_cancel_backend: 2171 bool(int4)v
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
    pg_sleep: 2626 void(float8)v
    pg_sleep_for: 3935 void(interval)v
    pg_statistics_obj_is_visible: 3403 bool(oid)s
    pg_table_is_visible: 2079 bool(oid)s
    pg_table_size: 2997 int8(regclass)v
    pg_tablespace_location: 3778 text(oid)s
    pg_terminate_backend: 2096 bool(int4,int8)v
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
    regexp_instr: 6257 int4(text,text); 6258 int4(text,text,int4); 6259 int4(text,text,int4,int4); 6260 int4(text,text,int4,int4,int4);
      6261 int4(text,text,int4,int4,int4,text); 6262 int4(text,text,int4,int4,int4,text,int4)
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
    scale: 3281 int4(numeric)
    session_user: 746 name()s
    set_config: 2078 text(text,text,bool)vn
    shobj_description: 1993 text(oid,name)s
    sign: 1706 numeric(numeric); 2310 float8(float8)
    similar_to_escape: 1986 text(text,text); 1987 text(text)
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
    trim_array: 6172 anyarray(anyarray,int4)
    trim_scale: 5043 numeric(numeric)
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
