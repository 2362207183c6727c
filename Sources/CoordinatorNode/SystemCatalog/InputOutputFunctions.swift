// InputOutputFunctions.swift — functions of PostgreSQL 15 that pg_type and pg_am name, in the form of PostgresFunctions; several a line.
//
// Nobody calls them here; clients look types up by them (typinput = 'array_in'::regproc).

/// Input, output and the like.
enum InputOutputFunctions {
  static let text = """
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
    domain_in: 2597 any(cstring,oid,int4)sn | domain_recv: 2598 any(internal,oid,int4)sn
    """
}
