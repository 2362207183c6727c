// RelationDefinition.swift — a relation whose rows the coordinator makes: name, number, columns; and the list of all.
//
// Columns have the types that PostgreSQL gives them, by name; `dataType` says as which of ours they are read. Types that do not exist
// here are read as the nearest: xid as oid, inet, pg_lsn, aclitem, pg_node_tree and anyarray as text. int2vector and oidvector are
// arrays with texts of their own.
import Model
import Planning

/// A column of such a relation.
struct SystemColumn: Sendable {
  var name: String
  /// Its type as pg_attribute tells it.
  var typeNumber: Int64
  /// As it is read.
  var type: DataType
  var isNotNull: Bool
}

/// A relation of PostgreSQL's, of Citus's or of our own.
struct RelationDefinition: Sendable {
  var schema: String
  var name: String
  var oid: Int64
  /// r or v.
  var kind: String
  var columns: [SystemColumn]
  /// `schema.name`.
  var fullName: String { schema + "." + name }

  /// Parses `name oid kind: column type!, …`.
  private init?(_ line: String, schema: String) {
    guard let colon = line.firstIndex(of: ":") else { return nil }
    let head = line[..<colon].split(separator: " ")
    guard head.count == 3, let oid = Int64(head[1]) else { return nil }
    self.schema = schema
    name = String(head[0])
    self.oid = oid
    kind = String(head[2])
    columns = line[line.index(after: colon)...].split(separator: ",").compactMap { entry -> SystemColumn? in
      let words = entry.split(separator: " ")
      guard words.count == 2 else { return nil }
      let type = words[1].hasSuffix("!") ? String(words[1].dropLast()) : String(words[1])
      return SystemColumn(
        name: String(words[0]),
        typeNumber: PostgresTypes.all[name: type]?.oid ?? 0,
        type: Self.dataType(type),
        isNotNull: words[1].hasSuffix("!")
      )
    }
  }

  /// As which of our types a type of pg_type is read.
  static func dataType(_ name: String) -> DataType {
    if name.hasPrefix("_") { return dataType(String(name.dropFirst())).arrayType ?? .text }
    switch name {
    case "bool": return .boolean
    case "bytea": return .bytea
    case "char": return .char
    case "name", "sql_identifier": return .name
    case "int8": return .bigint
    case "int2": return .smallint
    case "int4", "cardinal_number": return .integer
    case "int2vector": return .array(.smallintVector)
    case "oidvector": return .array(.oidVector)
    case "oid", "xid": return .oid
    case "regproc": return .regproc
    case "regclass": return .regclass
    case "regtype": return .regtype
    case "float4": return .real
    case "float8": return .double
    case "interval": return .interval
    case "timestamptz", "time_stamp": return .timestamptz
    case "character_data": return .varchar(0)
    case "yes_or_no": return .varchar(3)
    default: return .text
    }
  }

  /// All of them, by schema and name.
  static let all: [RelationDefinition] = {
    var out: [RelationDefinition] = []
    for (schema, text) in [
      ("pg_catalog", PostgresColumns.catalog), ("information_schema", PostgresColumns.informationSchema),
      ("pg_catalog", ClusterColumns.citus), ("pg_catalog", ClusterColumns.tally),
    ] {
      out += RecordText.lines(text).compactMap { RelationDefinition($0, schema: schema) }
    }
    return out
  }()
  /// By `schema.name`.
  static let byName: [String: RelationDefinition] = Dictionary(
    (all + RecordText.lines(ClusterColumns.cron).compactMap { RelationDefinition($0, schema: "cron") }).map { ($0.fullName, $0) },
    uniquingKeysWith: { first, _ in first }
  )
  /// Functions without arguments that give rows; they are called in FROM and stand in no list of relations.
  static let functions: [String: RelationDefinition] = Dictionary(
    RecordText.lines(ClusterColumns.functions).compactMap { RelationDefinition($0, schema: "pg_catalog") }.map { ($0.name, $0) },
    uniquingKeysWith: { first, _ in first }
  )
  /// As the planner sees it.
  var relation: SystemRelation {
    SystemRelation(name: fullName, columns: columns.map { OutputColumn($0.name, $0.type) })
  }
}
