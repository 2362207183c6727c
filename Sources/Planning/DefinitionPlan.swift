// DefinitionPlan.swift — a statement that changes what exists, as steps that the leading coordinator takes one after the other.
public import Model

/// Steps of a definition; the first that fails ends it.
public struct DefinitionPlan: Sendable {
  /// A step.
  public enum Step: Sendable {
    case createTable(TableSchema)
    /// `views`: those that name it or its columns, under their next names.
    case alterTable(from: TableSchema, to: TableSchema, views: [ViewRecord])
    /// Views under other names, or with other texts; by their numbers.
    case alterViews([ViewRecord])
    case createView(ViewRecord, replaces: Bool)
    case dropTable(TableID)
    case dropView(TableID)
    case dropRollup(TableID)
    case createSchema(String)
    case dropSchema(String)
    /// Rows that must not be there: asked for before a table is changed, and again afterwards, when every shard refuses new ones; then the
    /// table is changed back.
    case require(RowCheck)
    /// INSERT of a query's rows into the table that was made, by its text; the table goes when that fails.
    case fill(table: String, schema: String, select: String)
    case truncate(DeletePlan)
    /// The rows of a materialized view's query in the place of those that it has.
    case refresh(TableSchema, select: String, DeletePlan)
  }
  /// What to do.
  public var steps: [Step] = []
  /// PostgreSQL's tag.
  public var tag: String
  /// Messages for the client; each with its SQLSTATE.
  public var notices: [(sqlState: String, message: String)] = []
  /// What becomes of the temporary table that it makes.
  public var onCommit = OnCommit.preserveRows
  /// Makes a plan.
  public init(tag: String) { self.tag = tag }
  /// Of a TRUNCATE of several tables: what it deletes, which a transaction does as it does other deletions. Empty for all else.
  public var truncations: [DeletePlan] {
    let plans = steps.compactMap { if case .truncate(let plan) = $0 { plan } else { nil } }
    return plans.count == steps.count ? plans : []
  }
}

/// A query that must give no row.
public struct RowCheck: Sendable {
  /// The query.
  public var select: DistributedPlan
  /// What a row means.
  public var error: TallyError
  /// Columns of the query that tell which values are twice, by name; empty where the error says it all.
  public var keyColumns: [String] = []
  /// What is said of those values.
  public var verdict = "is duplicated"
}
