// ObjectNumbers.swift — the OIDs of everything that has one: the same after a restart and on every coordinator.
//
//   below 16384            PostgreSQL 15's own: schemas, types, functions, collations, relations of pg_catalog and information_schema
//   16384 … 16399          types of sketches and their arrays
//   16400 … 17399          our functions, in the order of PostgresFunctions: sketches, then (from 16900) the cluster's
//   17400 … 17999          our relations and extensions, as ClusterColumns and `extensions` number them
//   20000 … 59999          schemas that were created: a hash of the name, so that of two one may have the other's number
//   65536 … 2^30 - 1       tables, rollups and levels of rollups: 65536 + their number in the catalog, which is one number space
//                          for all three (`RollupDefinition.levelTable`) and never reused; a table whose rows were moved has the
//                          numbers that it was created with (`TableSchema.objectID`)
//   2^30 … 3 × 2^29 - 1    defaults of columns: table number × 2048 + number of the column
//   3 × 2^29 … 7 × 2^28 - 1  indexes and constraints: table number × 512 + kind × 128 + place in the table's list
//   7 × 2^28 … 2^31 - 1    users that no catalog knows, and schemas of temporary tables: a hash of the name
//
// Numbers of tables beyond 2^30 - 65536 would wrap, those of defaults beyond 2^18 tables, of constraints beyond 2^19; a catalog does not
// get there. Dropping a constraint moves those behind it.
import Bytes
import Model

/// Where numbers of objects come from.
enum ObjectNumbers {
  static let catalogSchema: Int64 = 11
  static let toastSchema: Int64 = 99
  static let publicSchema: Int64 = 2200
  static let informationSchema: Int64 = 13_207
  /// The cluster's one database.
  static let database: Int64 = 5
  /// The owner of everything.
  static let owner: Int64 = 10
  static let heap: Int64 = 2
  static let btree: Int64 = 403
  static let defaultTablespace: Int64 = 1663
  static let defaultCollation: Int64 = 100
  static let plainCollation: Int64 = 950

  static let hll: Int64 = 16_384
  static let hllArray: Int64 = 16_385
  static let hllHashval: Int64 = 16_386
  static let hllHashvalArray: Int64 = 16_387
  static let topn: Int64 = 16_388
  static let topnArray: Int64 = 16_389
  static let ownFunctions: Int64 = 16_400
  /// plpgsql, as initdb of PostgreSQL 15 numbers it.
  static let blockLanguage: Int64 = 13_552
  static let ownFunctionsOfSchema: Int64 = 500
  static let extensions: Int64 = 17_900

  private static let relations: Int64 = 65_536
  private static let defaults: Int64 = 1 << 30
  private static let parts: Int64 = 3 << 29
  private static let users: Int64 = 7 << 28

  /// The number of a schema.
  static func schema(_ name: String) -> Int64 {
    if let known = SchemaEntry.all.first(where: { $0.name == name }) { return known.oid }
    // There is one a session, and their numbers are told apart.
    if TemporarySchema.isOne(name) { return user(name) }
    let hash = Array(name.utf8).withUnsafeBytes { StableHash.hash($0) }
    return 20_000 + Int64(hash % 40_000)
  }
  /// What a table has beside columns.
  enum Part: Int64 {
    case index = 0
    case key = 1
    case check = 2
    case listedIndex = 3
  }
  /// References are numbered as keys from here on.
  static let firstReference = 64
  /// The number of an index or constraint.
  static func part(_ id: TableID, _ kind: Part, _ place: Int) -> Int64 {
    parts + (Int64(id.rawValue % (1 << 19)) << 9 | kind.rawValue << 7 | Int64(place & 127))
  }
  /// Whether a number can be that of an index or constraint of a table: so that one of many is found without making them all.
  static func isPart(_ oid: Int64, of id: TableID) -> Bool { oid >= parts && (oid - parts) >> 9 == Int64(id.rawValue % (1 << 19)) }

  /// A table's, a rollup's or a level's number.
  static func relation(_ id: TableID) -> Int64 { relations + Int64(id.rawValue % UInt64(defaults - relations)) }
  /// The number of a column's default; columns count from 1.
  static func columnDefault(_ id: TableID, column: Int) -> Int64 {
    defaults + (Int64(id.rawValue % (1 << 18)) << 11 | Int64(column & 2047))
  }
  /// The number of a user that stands in no catalog.
  static func user(_ name: String) -> Int64 {
    users + Array(name.utf8).withUnsafeBytes { Int64(StableHash.hash($0) % (1 << 28)) }
  }
}
