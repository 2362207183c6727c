// PlanningContext.swift — what planning depends on beside the text and the catalog, and what it makes of a statement.
import Bytes
public import Model
import SQL

/// Facts of one statement's planning; everything a plan depends on beside the text and the catalog.
public struct PlanningContext: Sendable {
  /// The statement's time, microseconds since 1970-01-01 UTC: what `now()` is. Nil in a plan for all times (GenericPlan).
  public var now: Int64?
  /// Whether a coarser rollup level may answer; off, every answer must stay the same (a test).
  public var choosesLevels: Bool
  /// Shards of a new colocation group.
  public var defaultShardCount: Int
  /// The statement's parameters; nil: it may have none.
  public var parameters: StatementParameters?
  /// Names that stand for values: a procedure's variables.
  public var variables = NamedValues()
  /// Functions of users that are one expression, by name.
  public var routines: [String: [InlineRoutine]] = [:]
  /// Relations and functions of the coordinator itself; nil where there are none.
  public var system: (any SystemCatalog)?
  /// The session's time zone.
  public var zone: ClockZone
  /// What a topn is that states no parameters: the session's `topn.number_of_counters`.
  public var topn = TopNParameters()
  /// Tables that the transaction around the statement has changed: what it deletes of them may be its own.
  public var changed: Set<TableID> = []
  /// What hears the places of a text that the catalog will keep.
  var notes: TextNotes?
  /// The statement fills a materialized view, which others must not change.
  public var isFilling = false
  /// Makes a context.
  public init(
    now: Int64?,
    choosesLevels: Bool = true,
    defaultShardCount: Int = 32,
    parameters: StatementParameters? = nil,
    system: (any SystemCatalog)? = nil,
    zone: ClockZone = .utc
  ) {
    self.zone = zone
    self.system = system
    self.now = now
    self.parameters = parameters
    self.choosesLevels = choosesLevels
    self.defaultShardCount = defaultShardCount
  }
}

/// CREATE TABLE, ready for the catalog; the catalog gives the number.
public struct CreateTablePlan: Sendable {
  /// The table, with number 0.
  public var table: TableSchema
  /// Nothing to do when the name is taken.
  public var ifNotExists: Bool
  /// Sequences of its serial and identity columns, with number 0 for themselves and the table.
  public var sequences: [SequenceRecord] = []
  /// What becomes of a temporary table at the end of a transaction.
  public var onCommit = OnCommit.preserveRows
  /// What to tell.
  public var notices: [String] = []
}

/// `create_distributed_table`.
public struct DistributeTablePlan: Sendable {
  /// With whom to share shards.
  public enum Colocation: Sendable, Equatable {
    /// With the tables of the same key type and shard count that also asked for nothing.
    case automatic
    /// A group of its own.
    case none
    case table(TableID)
  }
  /// The table.
  public var table: TableID
  /// The tenant key's column.
  public var key: Int
  /// With whom to share shards.
  public var colocation: Colocation
  /// Shards of a new group, as asked or by default.
  public var shardCount: Int
  /// Copies of each shard of a new group; 0 = by the number of workers, nil = the cluster's default.
  public var copies: Int?
}

/// CREATE MATERIALIZED VIEW … WITH (rollup), ready for the catalog; the catalog gives the number.
public struct CreateRollupPlan: Sendable {
  /// The rollup, with number 0.
  public var definition: RollupDefinition
  /// The source table's time column, to set when the table has none.
  public var timeColumn: Int
  /// Nothing to do when the name is taken.
  public var ifNotExists: Bool
}

/// INSERT … VALUES: whole rows.
public struct InsertPlan: Sendable {
  /// The table.
  public var table: TableSchema
  /// A value for every column of the table, checked and cast.
  public var rows: [[Value]]
}

/// INSERT … SELECT.
public struct InsertSelectPlan: Sendable {
  /// The table.
  public var table: TableSchema
  /// Gives a column for every column of the table, cast to its type.
  public var select: DistributedPlan
  /// The same on the shards, where each can store its own rows.
  public var pushed: ModifyPlan?
}

/// A statement, planned.
public enum BoundStatement: Sendable {
  case createTable(CreateTablePlan)
  /// Tables to drop; names that did not exist were allowed to, and are in the notices.
  case dropTable([TableID], notices: [String])
  case distributeTable(DistributeTablePlan)
  case createRollup(CreateRollupPlan)
  case dropRollup([TableID], notices: [String])
  case insert(InsertPlan)
  case insertSelect(InsertSelectPlan)
  case modify(ModifyPlan)
  case delete(DeletePlan)
  case createSequence(CreateSequencePlan)
  case alterSequence(AlterSequencePlan)
  case dropSequence([TableID], notices: [String])
  case select(DistributedPlan)
  case explain(DistributedPlan, analyze: Bool)
  /// EXPLAIN of a statement that changes rows.
  indirect case explainChange(BoundStatement)
  case define(DefinitionPlan)
  case referenceTable(TableID)
  /// Makes a distributed or reference table a local one.
  case localTable(TableID)
  /// A call for Citus's sake that has nothing to do.
  case accepted
  case copyIn(CopyInPlan)
  case copyOut(CopyOutPlan)
  /// LOCK TABLE.
  case lock([TableLock])
}
