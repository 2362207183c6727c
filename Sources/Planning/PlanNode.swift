// PlanNode.swift — the operators of a plan, the same on workers and coordinator.
//
// A node's output columns are numbered from 0; expressions of a node refer to its input's columns. A fragment's plan runs
// once per worker over all of that worker's shards of the fragment's group (or over the one shard of a hash): every rewrite
// made here holds for any way the shards are put together. Bytes: FragmentFormat.swift.
public import Columns
public import Model

/// Name and type of an output column.
public struct OutputColumn: Sendable, Equatable {
  /// As the client sees it.
  public var name: String
  /// SQL type.
  public var type: DataType
  /// Of what a client sees: the stored column that it shows unchanged. Not in a plan's bytes.
  public var origin: ColumnOrigin?
  /// Makes a column.
  public init(_ name: String, _ type: DataType, origin: ColumnOrigin? = nil) {
    self.name = name
    self.type = type
    self.origin = origin
  }
}

/// An operator with its inputs.
public indirect enum PlanNode: Sendable {
  case scan(ScanNode)
  case values(ValuesNode)
  case filter(FilterNode)
  case project(ProjectNode)
  case aggregate(AggregateNode)
  case sort(SortNode)
  case limit(LimitNode)
  /// Inputs have the same number and types of columns; names are the first's.
  case unionAll([PlanNode])
  case expandTopN(ExpandTopNNode)
  case join(JoinNode)
  case window(WindowNode)
  case setOperation(SetOperationNode)
  case distinctOn(DistinctOnNode)
  case tableFunction(TableFunctionNode)
  /// The rest are on the coordinator only.
  case shared(SharedNode)
  case recursive(RecursiveNode)
  case workingRows(WorkingRowsNode)
  case systemScan(SystemScanNode)
  /// The rows that a fragment returned: in the coordinator's plan, or in that of a later fragment, which gets them sent along.
  case fragmentInput(FragmentInputNode)

  /// Output columns.
  public var columns: [OutputColumn] {
    switch self {
    case .scan(let node): node.output
    case .values(let node): node.output
    case .filter(let node): node.input.columns
    case .project(let node): node.output
    case .aggregate(let node): node.output
    case .sort(let node): node.input.columns
    case .limit(let node): node.input.columns
    case .unionAll(let inputs): inputs.first?.columns ?? []
    case .expandTopN(let node): node.output
    case .join(let node): node.output
    case .window(let node): node.output
    case .setOperation(let node): node.left.columns
    case .distinctOn(let node): node.input.columns
    case .tableFunction(let node): node.output
    case .shared(let node): node.input.columns
    case .recursive(let node): node.base.columns
    case .workingRows(let node): node.output
    case .systemScan(let node): node.output
    case .fragmentInput(let node): node.output
    }
  }
  /// Inputs, in order.
  public var inputs: [PlanNode] {
    switch self {
    case .scan, .values, .fragmentInput, .workingRows, .systemScan: []
    case .join(let node): [node.left, node.right]
    case .window(let node): [node.input]
    case .setOperation(let node): [node.left, node.right]
    case .distinctOn(let node): [node.input]
    case .tableFunction(let node): [node.input]
    case .shared(let node): [node.input]
    case .recursive(let node): [node.base, node.step]
    case .filter(let node): [node.input]
    case .project(let node): [node.input]
    case .aggregate(let node): [node.input]
    case .sort(let node): [node.input]
    case .limit(let node): [node.input]
    case .unionAll(let inputs): inputs
    case .expandTopN(let node): [node.input]
    }
  }
}

/// Which of a rollup's levels a scan reads.
public enum LevelUse: Sendable, Equatable {
  /// Level `first` from its floor on, below it the next coarser level down to its floor, and so on. `chain(0)` is the rollup by
  /// definition; a higher `first` was chosen because it gives the same answer.
  case chain(first: Int)
  /// One whole level above its floor (`r_1day`).
  case only(Int)
}

/// What a scan reads.
public enum ScanSource: Sendable, Equatable {
  case table(TableID)
  /// The rollup's own number (not a level's).
  case rollup(TableID, LevelUse)
}

/// A comparison of a stored column with a constant, for zone maps. Implied by the scan's filter, which stays complete.
public struct ZoneCondition: Sendable {
  /// What is compared.
  public enum Comparison: UInt8, Sendable {
    case equal = 1
    case less = 2
    case lessOrEqual = 3
    case greater = 4
    case greaterOrEqual = 5
  }
  /// Index into the table's columns, or the rollup's stored columns: not into the scan's output.
  public var storedColumn: Int
  /// column ∘ value.
  public var comparison: Comparison
  /// Of the column's type, never NULL.
  public var value: Value
  /// Makes a condition.
  public init(storedColumn: Int, _ comparison: Comparison, _ value: Value) {
    self.storedColumn = storedColumn
    self.comparison = comparison
    self.value = value
  }
}

/// Reads a table or rollup at one log position a shard.
public struct ScanNode: Sendable {
  /// What to read.
  public var source: ScanSource
  /// Stored columns to return, by index into the table's columns or `RollupDefinition.storedColumns`; may be empty (only rows count).
  public var storedColumns: [Int]
  /// Names and types, one for each of `storedColumns`.
  public var output: [OutputColumn]
  /// Conditions for zone maps, all implied by `filter`.
  public var zoneConditions: [ZoneCondition]
  /// Rows to return, over the output columns; nil for all.
  public var filter: Expression?
  /// Of a rollup: whether rows of one key must be merged into one before anything sees them. False only when every use is a
  /// mergeable aggregate of the measures and keys alone decide the rest, so that runs and tail may be read as they lie.
  public var needsMergedGroups: Bool
  /// Makes a scan.
  public init(
    source: ScanSource,
    storedColumns: [Int],
    output: [OutputColumn],
    zoneConditions: [ZoneCondition] = [],
    filter: Expression? = nil,
    needsMergedGroups: Bool = false
  ) {
    self.source = source
    self.storedColumns = storedColumns
    self.output = output
    self.zoneConditions = zoneConditions
    self.filter = filter
    self.needsMergedGroups = needsMergedGroups
  }
}

/// Constant rows.
public struct ValuesNode: Sendable {
  /// Columns; none for the one empty row of a SELECT without FROM.
  public var output: [OutputColumn]
  /// Rows, each with a value for every column.
  public var rows: [[Value]]
  /// Makes constant rows.
  public init(output: [OutputColumn], rows: [[Value]]) {
    self.output = output
    self.rows = rows
  }
}

/// Keeps rows whose condition is TRUE.
public struct FilterNode: Sendable {
  /// Rows to choose from.
  public var input: PlanNode
  /// Over the input.
  public var condition: Expression
  /// Makes a filter.
  public init(input: PlanNode, condition: Expression) {
    self.input = input
    self.condition = condition
  }
}

/// Computes each output column from a row.
public struct ProjectNode: Sendable {
  /// Rows to compute from.
  public var input: PlanNode
  /// Over the input.
  public var expressions: [Expression]
  /// Names, one for each expression.
  public var names: [String]
  /// Makes a projection.
  public init(input: PlanNode, expressions: [Expression], names: [String]) {
    self.input = input
    self.expressions = expressions
    self.names = names
  }
  /// Output columns.
  public var output: [OutputColumn] { zip(names, expressions).map { OutputColumn($0, $1.type) } }
}

/// Groups rows; the output is the group values, then the aggregates. Without groups it returns one row always, with groups none for
/// no input; without calls it is DISTINCT. NULLs are one group value.
public struct AggregateNode: Sendable {
  /// Rows to group.
  public var input: PlanNode
  /// Over the input.
  public var groups: [Expression]
  /// Over the input.
  public var calls: [AggregateCall]
  /// Names of groups, then calls.
  public var names: [String]
  /// Makes an aggregation.
  public init(input: PlanNode, groups: [Expression], calls: [AggregateCall], names: [String]) {
    self.input = input
    self.groups = groups
    self.calls = calls
    self.names = names
  }
  /// Output columns.
  public var output: [OutputColumn] {
    zip(names, groups.map(\.type) + calls.map(\.type)).map { OutputColumn($0, $1) }
  }
}

/// One key of a sort.
public struct SortKey: Sendable, Equatable {
  /// Column of the input.
  public var column: Int
  /// ASC.
  public var isAscending: Bool
  /// NULLs before everything.
  public var nullsFirst: Bool
  /// Makes a key.
  public init(column: Int, isAscending: Bool = true, nullsFirst: Bool = false) {
    self.column = column
    self.isAscending = isAscending
    self.nullsFirst = nullsFirst
  }
}

/// Sorts rows, stably.
public struct SortNode: Sendable {
  /// Rows to sort.
  public var input: PlanNode
  /// Most significant first.
  public var keys: [SortKey]
  /// Only the first so many rows are needed; the output may be cut there.
  public var first: Int64?
  /// Makes a sort.
  public init(input: PlanNode, keys: [SortKey], first: Int64? = nil) {
    self.input = input
    self.keys = keys
    self.first = first
  }
}

/// Skips rows, then returns at most so many.
public struct LimitNode: Sendable {
  /// Rows to cut.
  public var input: PlanNode
  /// Rows to return; nil for all.
  public var count: Int64?
  /// Rows to skip.
  public var offset: Int64
  /// Makes a limit.
  public init(input: PlanNode, count: Int64?, offset: Int64 = 0) {
    self.input = input
    self.count = count
    self.offset = offset
  }
}

/// Replaces each row by one for each of the greatest items of a TopN state: highest lower bound first, ties by bytes. A NULL or empty
/// state gives no row.
public struct ExpandTopNNode: Sendable {
  /// A property of an item.
  public enum Field: UInt8, Sendable, CaseIterable {
    /// text.
    case item = 1
    /// bigint: the lower bound, what `topn()` calls frequency.
    case frequency = 2
    /// bigint: the upper bound.
    case upper = 3
    /// boolean: upper = lower.
    case isExact = 4

    /// SQL type.
    public var type: DataType {
      switch self {
      case .item: .text
      case .frequency, .upper: .bigint
      case .isExact: .boolean
      }
    }
  }
  /// Rows with a state.
  public var input: PlanNode
  /// Column of the state.
  public var column: Int
  /// At most so many items a row; above the state's counters it is an error (22023) that the binder has raised.
  public var count: Int64
  /// What to append to the input's columns.
  public var fields: [Field]
  /// Names of the fields.
  public var names: [String]
  /// Makes an expansion.
  public init(input: PlanNode, column: Int, count: Int64, fields: [Field], names: [String]) {
    self.input = input
    self.column = column
    self.count = count
    self.fields = fields
    self.names = names
  }
  /// The input's columns, then the fields.
  public var output: [OutputColumn] {
    input.columns + zip(names, fields).map { OutputColumn($0, $1.type) }
  }
}

/// Rows of a fragment, from all workers that ran it, in any order. Bytes of those that travel: SentRows.swift.
public struct FragmentInputNode: Sendable {
  /// Index into `DistributedPlan.fragments`.
  public var fragment: Int
  /// The fragment's output columns.
  public var output: [OutputColumn]
  /// The rows themselves: in a fragment on its way to workers.
  public var rows: [Batch]?
  /// Makes an input.
  public init(fragment: Int, output: [OutputColumn], rows: [Batch]? = nil) {
    self.fragment = fragment
    self.output = output
    self.rows = rows
  }
}
