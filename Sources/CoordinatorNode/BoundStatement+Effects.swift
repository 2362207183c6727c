// BoundStatement+Effects.swift — what a planned statement changes and what it gives, as its session must know before it runs.
import Model
import Planning
import Wire

extension BoundStatement {
  /// Whether it changes the catalog.
  var isDefinition: Bool {
    switch self {
    case .define, .referenceTable, .localTable, .accepted, .createTable, .dropTable, .distributeTable, .createRollup, .dropRollup,
      .createSequence, .alterSequence, .dropSequence:
      true
    default: false
    }
  }
  /// The table whose rows it changes.
  var tableChanged: TableSchema? {
    switch self {
    case .insert(let plan): plan.table
    case .insertSelect(let plan): plan.table
    case .copyIn(let plan): plan.table
    case .modify(let plan): plan.table
    case .delete(let plan): plan.table
    default: nil
    }
  }
  /// Tables that it may bring new rows of.
  var rowsAdded: Set<TableID> {
    if case .delete = self { return [] }
    return tableChanged.map { [$0.id] } ?? []
  }
  /// Columns of its rows; nil when it gives none.
  var columns: [ResultColumn]? {
    switch self {
    case .select(let plan): plan.output.map { ResultColumn(name: $0.name, type: $0.type) }
    case .explain, .explainChange: [ResultColumn(name: "QUERY PLAN", type: .text)]
    case .modify(let plan): plan.returning?.output.map { ResultColumn(name: $0.name, type: $0.type) }
    default: nil
    }
  }
}
