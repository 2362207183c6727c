// ColumnOrigin.swift — which table's column a result shows: what RowDescription tells, and clients that edit results go by (pgjdbc's
// updatable results, names of tables, NOT NULL).
//
// An expression has no origin, nor has a column of a set operation. A view's column has that of the table below it.
public import Model

/// A stored column.
public struct ColumnOrigin: Sendable, Equatable {
  /// Its table.
  public var table: TableID
  /// Its index in the table.
  public var column: Int
  /// Names a column.
  public init(table: TableID, column: Int) {
    self.table = table
    self.column = column
  }
}

extension PlanNode {
  /// The columns as a client is told of them: tables by the numbers that clients know them by.
  public func describedColumns(_ catalog: CatalogSnapshot) -> [OutputColumn] {
    columns.enumerated().map { at, column in
      var origin = origin(at)
      if let known = origin, let first = catalog.table(known.table)?.firstID { origin?.table = first }
      return OutputColumn(column.name, column.type, origin: origin)
    }
  }
  private func origin(_ column: Int) -> ColumnOrigin? {
    switch self {
    case .scan(let node):
      guard case .table(let table) = node.source, column < node.storedColumns.count else { return nil }
      return ColumnOrigin(table: table, column: node.storedColumns[column])
    case .filter(let node): return node.input.origin(column)
    case .sort(let node): return node.input.origin(column)
    case .limit(let node): return node.input.origin(column)
    case .distinctOn(let node): return node.input.origin(column)
    case .project(let node): return node.expressions[column].columnIndex.flatMap { node.input.origin($0) }
    case .aggregate(let node):
      return column < node.groups.count ? node.groups[column].columnIndex.flatMap { node.input.origin($0) } : nil
    case .window(let node): return column < node.input.columns.count ? node.input.origin(column) : nil
    case .join(let node):
      let left = node.left.columns.count
      if column < left { return node.left.origin(column) }
      return node.kind == .mark ? nil : node.right.origin(column - left)
    default: return nil
    }
  }
}
