// ModifyPlan.swift — a statement that changes rows by what is there, ready for the coordinator: what each shard's primary shall do with
// which rows.
//
// Plain INSERTs into append-only tables without checks are not here (InsertPlan, InsertSelectPlan), nor are simple DELETEs of them
// (DeletePlan):
// those need no evaluation on the primary.
public import Model

/// UPDATE, or an INSERT or DELETE that the primaries evaluate.
public struct ModifyPlan: Sendable {
  /// What it is called.
  public enum Command: String, Sendable {
    case insert = "INSERT"
    case update = "UPDATE"
    case delete = "DELETE"
  }
  /// Where the rows come from.
  public enum Source: Sendable {
    /// Values of an INSERT.
    case values(InsertedValues)
    /// A query whose rows come to the coordinator: a column for every column of the table.
    case query(DistributedPlan)
    /// A plan that the shards run: its rows are what `ModifyProgram.Source.plan` says. Rows of `inputs` are sent along.
    case shards(inputs: [Fragment], fragment: Fragment)
    /// Nothing can match.
    case none
  }
  /// What it is.
  public var command: Command
  /// The table.
  public var table: TableSchema
  /// Where the rows come from.
  public var source: Source
  /// What happens to the table.
  public var action: ModifyProgram.Action
  /// What new rows must satisfy.
  public var checks: [ModifyProgram.Check]
  /// RETURNING; nil when absent.
  public var returning: ReturningPlan?
  /// What gives rows and functions of the coordinator.
  public var system: (any SystemCatalog)?

  /// The program for one shard; `fragment`: the plan with the rows that are sent along.
  public func program(_ fragment: Fragment?) -> ModifyProgram {
    ModifyProgram(
      table: table,
      source: fragment.map { ModifyProgram.Source.plan($0.plan) } ?? .rows,
      action: action,
      checks: checks,
      returnsRows: returning != nil
    )
  }
}

/// Rows of INSERT … VALUES.
public struct InsertedValues: Sendable {
  /// A value that is computed when the statement runs: it calls nextval, random or their kin.
  public struct Late: Sendable {
    /// Place in `rows`.
    public var row: Int
    /// Number of the column.
    public var column: Int
    /// Of the column's type.
    public var expression: Expression
  }
  /// A value for every column of the table, checked and cast.
  public var rows: [[Value]]
  /// What is computed later.
  public var late: [Late] = []
}

/// RETURNING: what the client sees of the rows that were inserted, updated or deleted.
public struct ReturningPlan: Sendable {
  /// Over the rows, all columns of the table, as fragment 0.
  public var plan: PlanNode
  /// Its columns.
  public var output: [OutputColumn] { plan.columns }
  /// Its columns as a client is told of them; `table` is the changed one.
  public func described(_ table: TableID) -> [OutputColumn] {
    guard case .project(let node) = plan, case .fragmentInput = node.input else { return output }
    return zip(output, node.expressions).map { column, expression in
      OutputColumn(column.name, column.type, origin: expression.columnIndex.map { ColumnOrigin(table: table, column: $0) })
    }
  }
  /// Whether it only names columns: then nothing in it can fail.
  public var isPlain: Bool {
    guard case .project(let node) = plan, case .fragmentInput = node.input else { return false }
    return node.expressions.allSatisfy { $0.columnIndex != nil }
  }
}
