// PostgresTypes.swift — pg_type: PostgreSQL 15's types that exist here or that its catalogs and functions speak of, and our own.
//
// Facts of PostgreSQL 15 for the scalar types; arrays are made from their elements by PostgreSQL's rules. Compared column by column with a
// running PostgreSQL by SystemTypesTests. Our own types have numbers from 16384 on (ObjectNumbers) and lie in `public`, as an
// extension's would.
import Model

/// A row of pg_type.
struct PostgresTypeRecord: Sendable {
  var oid: Int64
  var name: String
  var namespace = ObjectNumbers.catalogSchema
  var length: Int64
  var isByValue: Bool
  /// b base, p pseudo, d domain.
  var kind: String
  var category: String
  var isPreferred: Bool
  var subscriptHandler: String
  var element: Int64
  var array: Int64
  /// in, out, receive, send; `-` for none.
  var functions: [String]
  /// typmodin, typmodout; `-` for none.
  var modifierFunctions: [String]
  var analyze = "-"
  var alignment: String
  var storage: String
  var collation: Int64
  var base: Int64 = 0
  var baseModifier: Int64 = -1
}

/// The types, made once.
struct PostgresTypes: Sendable {
  static let all = PostgresTypes()
  let records: [PostgresTypeRecord]
  private let byOID: [Int64: Int]
  private let byName: [String: Int]

  subscript(oid oid: Int64) -> PostgresTypeRecord? { byOID[oid].map { records[$0] } }
  /// By its name in pg_type.
  subscript(name name: String) -> PostgresTypeRecord? { byName[name].map { records[$0] } }

  private init() {
    var all: [PostgresTypeRecord] = []
    for line in Self.scalars.split(separator: "\n") {
      let scalar = Self.scalar(line.split(separator: " ").map(String.init))
      all.append(scalar)
      if scalar.array != 0 { all.append(Self.array(of: scalar)) }
    }
    all += Self.own + Self.domains + Self.domains.map(Self.array(of:))
    all.sort { $0.oid < $1.oid }
    records = all
    byOID = Dictionary(uniqueKeysWithValues: all.indices.map { (all[$0].oid, $0) })
    byName = Dictionary(all.indices.map { (all[$0].name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  private static func scalar(_ fields: [String]) -> PostgresTypeRecord {
    func number(_ at: Int) -> Int64 { Int64(fields[at]) ?? 0 }
    let io = fields[10]
    return PostgresTypeRecord(
      oid: number(0),
      name: fields[1],
      length: number(2),
      isByValue: fields[3] == "t",
      kind: fields[4],
      category: fields[5],
      isPreferred: fields[6] == "t",
      subscriptHandler: fields[7] == "-" ? "-" : fields[7] + "_subscript_handler",
      element: number(8),
      array: number(9),
      functions: [io + "in", io + "out"] + (fields[11] == "t" ? [io + "recv", io + "send"] : ["-", "-"]),
      modifierFunctions: fields[12] == "t" ? [fields[1] + "typmodin", fields[1] + "typmodout"] : ["-", "-"],
      alignment: fields[13],
      storage: fields[14],
      collation: number(15)
    )
  }
  private static func array(of element: PostgresTypeRecord) -> PostgresTypeRecord {
    PostgresTypeRecord(
      oid: element.array,
      name: "_" + element.name,
      namespace: element.namespace,
      length: -1,
      isByValue: false,
      kind: element.name == "record" ? "p" : "b",
      category: element.name == "record" ? "P" : "A",
      isPreferred: false,
      subscriptHandler: "array_subscript_handler",
      element: element.oid,
      array: 0,
      functions: ["array_in", "array_out", "array_recv", "array_send"],
      modifierFunctions: element.modifierFunctions,
      analyze: "array_typanalyze",
      alignment: element.alignment == "d" ? "d" : "i",
      storage: "x",
      collation: element.collation
    )
  }
  /// Sketches. A topn is read and written as JSON, a hash as a bigint.
  private static let own: [PostgresTypeRecord] = {
    let made = [
      PostgresTypeRecord(
        oid: ObjectNumbers.hll,
        name: "hll",
        namespace: ObjectNumbers.publicSchema,
        length: -1,
        isByValue: false,
        kind: "b",
        category: "U",
        isPreferred: false,
        subscriptHandler: "-",
        element: 0,
        array: ObjectNumbers.hllArray,
        functions: ["hll_in", "hll_out", "hll_recv", "hll_send"],
        modifierFunctions: ["hll_typmod_in", "hll_typmod_out"],
        alignment: "i",
        storage: "e",
        collation: 0
      ),
      PostgresTypeRecord(
        oid: ObjectNumbers.hllHashval,
        name: "hll_hashval",
        namespace: ObjectNumbers.publicSchema,
        length: 8,
        isByValue: true,
        kind: "b",
        category: "U",
        isPreferred: false,
        subscriptHandler: "-",
        element: 0,
        array: ObjectNumbers.hllHashvalArray,
        functions: ["hll_hashval_in", "hll_hashval_out", "-", "-"],
        modifierFunctions: ["-", "-"],
        alignment: "d",
        storage: "p",
        collation: 0
      ),
      PostgresTypeRecord(
        oid: ObjectNumbers.topn,
        name: "topn",
        namespace: ObjectNumbers.publicSchema,
        length: -1,
        isByValue: false,
        kind: "b",
        category: "U",
        isPreferred: false,
        subscriptHandler: "-",
        element: 0,
        array: ObjectNumbers.topnArray,
        functions: ["topn_in", "topn_out", "topn_recv", "topn_send"],
        modifierFunctions: ["topn_typmod_in", "topn_typmod_out"],
        alignment: "i",
        storage: "e",
        collation: 0
      ),
    ]
    return made + made.map(array(of:))
  }()
  /// Domains of information_schema, under the numbers that PostgreSQL 15's initdb gives them.
  private static let domains: [PostgresTypeRecord] = [
    domain(13221, "cardinal_number", 23, length: 4, isByValue: true, "N", "int4", "p", 0, -1),
    domain(13224, "character_data", 1043, length: -1, isByValue: false, "S", "varchar", "x", 950, -1),
    domain(13226, "sql_identifier", 19, length: 64, isByValue: false, "S", "name", "p", 950, -1),
    domain(13232, "time_stamp", 1184, length: 8, isByValue: true, "D", "timestamptz_", "p", 0, 2),
    domain(13234, "yes_or_no", 1043, length: -1, isByValue: false, "S", "varchar", "x", 950, 7),
  ]
  private static func domain(
    _ oid: Int64,
    _ name: String,
    _ base: Int64,
    length: Int64,
    isByValue: Bool,
    _ category: String,
    _ io: String,
    _ storage: String,
    _ collation: Int64,
    _ modifier: Int64
  ) -> PostgresTypeRecord {
    PostgresTypeRecord(
      oid: oid,
      name: name,
      namespace: ObjectNumbers.informationSchema,
      length: length,
      isByValue: isByValue,
      kind: "d",
      category: category,
      isPreferred: false,
      subscriptHandler: "-",
      element: 0,
      array: oid - 1,
      functions: ["domain_in", io + "out", "domain_recv", io + "send"],
      modifierFunctions: ["-", "-"],
      alignment: base == 19 ? "c" : base == 1184 ? "d" : "i",
      storage: storage,
      collation: collation,
      base: base,
      baseModifier: modifier
    )
  }

  /// oid, name, length, by value, kind, category, preferred, subscript handler, element, array, prefix of the I/O functions, binary
  /// I/O, modifiers, alignment, storage, collation.
  private static let scalars = """
    16 bool 1 t b B t - 0 1000 bool t f c p 0
    17 bytea -1 f b U f - 0 1001 bytea t f i x 0
    18 char 1 t b Z f - 0 1002 char t f c p 0
    19 name 64 f b S f raw_array 18 1003 name t f c p 950
    20 int8 8 t b N f - 0 1016 int8 t f d p 0
    21 int2 2 t b N f - 0 1005 int2 t f s p 0
    22 int2vector -1 f b A f array 21 1006 int2vector t f i p 0
    23 int4 4 t b N f - 0 1007 int4 t f i p 0
    24 regproc 4 t b N f - 0 1008 regproc t f i p 0
    25 text -1 f b S t - 0 1009 text t f i x 100
    26 oid 4 t b N t - 0 1028 oid t f i p 0
    27 tid 6 f b U f - 0 1010 tid t f s p 0
    28 xid 4 t b U f - 0 1011 xid t f i p 0
    29 cid 4 t b U f - 0 1012 cid t f i p 0
    30 oidvector -1 f b A f array 26 1013 oidvector t f i p 0
    114 json -1 f b U f - 0 199 json_ t f i x 0
    142 xml -1 f b U f - 0 143 xml_ t f i x 0
    194 pg_node_tree -1 f b Z f - 0 0 pg_node_tree_ t f i x 100
    269 table_am_handler 4 t p P f - 0 0 table_am_handler_ f f i p 0
    325 index_am_handler 4 t p P f - 0 0 index_am_handler_ f f i p 0
    650 cidr -1 f b I f - 0 651 cidr_ t f i m 0
    700 float4 4 t b N f - 0 1021 float4 t f i p 0
    701 float8 8 t b N t - 0 1022 float8 t f d p 0
    705 unknown -2 f p X f - 0 0 unknown t f c p 0
    869 inet -1 f b I t - 0 1041 inet_ t f i m 0
    1033 aclitem 12 f b U f - 0 1034 aclitem f f i p 0
    1042 bpchar -1 f b S f - 0 1014 bpchar t t i x 100
    1043 varchar -1 f b S f - 0 1015 varchar t t i x 100
    1082 date 4 t b D f - 0 1182 date_ t f i p 0
    1083 time 8 t b D f - 0 1183 time_ t t d p 0
    1114 timestamp 8 t b D f - 0 1115 timestamp_ t t d p 0
    1184 timestamptz 8 t b D t - 0 1185 timestamptz_ t t d p 0
    1186 interval 16 f b T t - 0 1187 interval_ t t d p 0
    1266 timetz 12 f b D f - 0 1270 timetz_ t t d p 0
    1700 numeric -1 f b N f - 0 1231 numeric_ t t i m 0
    2202 regprocedure 4 t b N f - 0 2207 regprocedure t f i p 0
    2205 regclass 4 t b N f - 0 2210 regclass t f i p 0
    2206 regtype 4 t b N f - 0 2211 regtype t f i p 0
    2249 record -1 f p P f - 0 2287 record_ t f d x 0
    2275 cstring -2 f p P f - 0 1263 cstring_ t f c p 0
    2276 any 4 t p P f - 0 0 any_ f f i p 0
    2277 anyarray -1 f p P f - 0 0 anyarray_ t f d x 0
    2278 void 4 t p P f - 0 0 void_ t f i p 0
    2279 trigger 4 t p P f - 0 0 trigger_ f f i p 0
    2280 language_handler 4 t p P f - 0 0 language_handler_ f f i p 0
    2281 internal 8 t p P f - 0 0 internal_ f f d p 0
    2283 anyelement 4 t p P f - 0 0 anyelement_ f f i p 0
    2776 anynonarray 4 t p P f - 0 0 anynonarray_ f f i p 0
    2950 uuid 16 f b U f - 0 2951 uuid_ t f c p 0
    3220 pg_lsn 8 t b U f - 0 3221 pg_lsn_ t f d p 0
    3802 jsonb -1 f b U f jsonb 0 3807 jsonb_ t f i x 0
    4089 regnamespace 4 t b N f - 0 4090 regnamespace t f i p 0
    4096 regrole 4 t b N f - 0 4097 regrole t f i p 0
    5077 anycompatible 4 t p P f - 0 0 anycompatible_ f f i p 0
    5078 anycompatiblearray -1 f p P f - 0 0 anycompatiblearray_ t f d x 0
    5079 anycompatiblenonarray 4 t p P f - 0 0 anycompatiblenonarray_ f f i p 0
    """
}
