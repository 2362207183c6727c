// RelationRecord.swift — every relation as the catalogs show it: tables, rollups, levels, sequences, indexes, system relations; and their
// index.
//
// Made of one version of the catalog. A rollup and each of its levels is a materialized view ('m'), as is what CREATE MATERIALIZED
// VIEW made otherwise. System relations are PostgreSQL's tables ('r') and views ('v').
import Model

/// A column as pg_attribute shows it.
struct ColumnEntry: Sendable {
  var name: String
  /// In pg_type.
  var type: Int64
  var modifier: Int64
  var isNotNull: Bool
  var defaultSQL: String?
  /// a or d.
  var identity: String?
  /// Its number alone is left.
  var isDropped = false
}

/// A relation as pg_class shows it.
struct RelationRecord: Sendable {
  /// What it is in the catalog.
  enum Origin: Sendable {
    case table(TableSchema)
    /// A rollup; or one of its levels.
    case rollup(RollupDefinition, level: Int?)
    case sequence(SequenceRecord)
    case index(IndexRecord)
    case view(ViewRecord)
    case system(RelationDefinition)
  }
  var oid: Int64
  var name: String
  /// Number of the schema, and its name.
  var namespace: Int64
  var schema: String
  /// r, m, v, S or i.
  var kind: String
  var columns: [ColumnEntry]
  var origin: Origin

  /// Its number in the catalog; nil for system relations.
  var table: TableID? {
    switch origin {
    case .table(let table): table.id
    case .rollup(let rollup, let level): level.map { rollup.levelTable($0) } ?? rollup.id
    case .sequence(let sequence): sequence.id
    case .view(let view): view.id
    case .index, .system: nil
    }
  }
  /// The number of its that OIDs are made from.
  var objectID: TableID? { if case .table(let table) = origin { table.objectID } else { table } }
  /// The SELECT of a rollup or view, as it was written.
  var definition: String? {
    let written: String
    switch origin {
    case .rollup(let rollup, _): written = rollup.sql
    case .view(let view): written = view.sql
    case .table(let table):
      guard let sql = table.materializedSQL else { return nil }
      written = sql
    default: return nil
    }
    let text = written.reversed().drop { $0 == " " || $0 == ";" || $0.isNewline }.reversed()
    return String(text) + ";"
  }
  var isSystem: Bool { if case .system = origin { true } else { false } }

  init(_ table: TableSchema) {
    self.init(
      ObjectNumbers.relation(table.objectID),
      table.name,
      table.schemaName,
      table.isMaterialized ? "m" : "r",
      table.columns.map { Self.column($0) },
      .table(table)
    )
  }
  init(_ rollup: RollupDefinition, level: Int? = nil) {
    let stored = rollup.storedColumns
    self.init(
      ObjectNumbers.relation(level.map { rollup.levelTable($0) } ?? rollup.id),
      level.map { "\(rollup.name)_\(rollup.levels[$0].suffix)" } ?? rollup.name,
      rollup.schemaName,
      "m",
      // NOT NULL of a key is a check of the table's rows; PostgreSQL shows none on views.
      rollup.outputOrder.map { Self.column(Column(name: stored[$0].name, type: stored[$0].type)) },
      .rollup(rollup, level: level)
    )
  }
  init(_ view: ViewRecord) {
    self.init(ObjectNumbers.relation(view.id), view.name, view.schemaName, "v", view.columns.map { Self.column($0) }, .view(view))
  }
  init(_ sequence: SequenceRecord) {
    self.init(
      ObjectNumbers.relation(sequence.id),
      sequence.name,
      sequence.schemaName,
      "S",
      [Column(name: "last_value", type: .bigint), Column(name: "log_cnt", type: .bigint), Column(name: "is_called", type: .boolean)].map {
        Self.column($0)
      },
      .sequence(sequence)
    )
  }
  init(_ index: IndexRecord) {
    self.init(
      index.oid,
      index.name,
      index.table.schemaName,
      "i",
      index.columns.map { Self.column(Column(name: index.table.columns[$0].name, type: index.table.columns[$0].type)) },
      .index(index)
    )
  }
  init(_ definition: RelationDefinition) {
    self.init(
      definition.oid,
      definition.name,
      definition.schema,
      definition.kind,
      definition.columns.map { column in
        ColumnEntry(name: column.name, type: column.typeNumber, modifier: -1, isNotNull: column.isNotNull)
      },
      .system(definition)
    )
  }
  private init(_ oid: Int64, _ name: String, _ schema: String, _ kind: String, _ columns: [ColumnEntry], _ origin: Origin) {
    self.oid = oid
    self.name = name
    self.schema = schema
    namespace = ObjectNumbers.schema(schema)
    self.kind = kind
    self.columns = columns
    self.origin = origin
  }
  private static func column(_ column: Column) -> ColumnEntry {
    let (type, modifier) = TypeNumbers.number(of: column.type)
    return ColumnEntry(
      name: column.name,
      type: type,
      modifier: modifier,
      isNotNull: column.isNotNull,
      // An identity column's numbers are no default.
      defaultSQL: column.identity == .none ? column.defaultSQL : nil,
      identity: column.identity == .none ? nil : column.identity == .always ? "a" : "d",
      isDropped: column.isDropped
    )
  }
  /// System relations, made once.
  static let system: [RelationRecord] = RelationDefinition.all.map { RelationRecord($0) }
}

/// A schema.
struct SchemaEntry: Sendable {
  var oid: Int64
  var name: String
  /// Those that every database has; `SystemRelations.schemas` has all.
  static let all = [
    SchemaEntry(oid: ObjectNumbers.catalogSchema, name: "pg_catalog"),
    SchemaEntry(oid: ObjectNumbers.publicSchema, name: "public"),
    SchemaEntry(oid: ObjectNumbers.informationSchema, name: "information_schema"),
  ]
}

/// All relations under one version of the catalog.
struct RelationIndex: Sendable {
  let entries: [RelationRecord]
  private let byOID: [Int64: Int]
  private let byName: [String: Int]

  init(_ catalog: CatalogSnapshot) {
    var all = RelationRecord.system
    for table in catalog.tables {
      all.append(RelationRecord(table))
      all += IndexRecord.all(of: table).map { RelationRecord($0) }
    }
    all += catalog.sequences.map { RelationRecord($0) }
    all += catalog.views.map { RelationRecord($0) }
    for rollup in catalog.rollups {
      all.append(RelationRecord(rollup))
      for level in rollup.levels.indices { all.append(RelationRecord(rollup, level: level)) }
    }
    entries = all
    byOID = Dictionary(all.indices.map { (all[$0].oid, $0) }, uniquingKeysWith: { first, _ in first })
    byName = Dictionary(all.indices.map { (all[$0].schema + "." + all[$0].name, $0) }, uniquingKeysWith: { first, _ in first })
  }
  subscript(oid oid: Int64) -> RelationRecord? { byOID[oid].map { entries[$0] } }
  subscript(schema: String, name: String) -> RelationRecord? { byName[schema + "." + name].map { entries[$0] } }
}
