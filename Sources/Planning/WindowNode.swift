// WindowNode.swift — window functions: for each row a value made from the rows around it.
public import Model

/// A function over a window; all calls of a node have one partitioning and order.
public enum WindowFunction: Sendable, Equatable {
  /// () → bigint.
  case rowNumber
  case rank
  case denseRank
  /// () → double precision.
  case percentRank
  case cumeDist
  /// (integer) → integer; 22014 "argument of ntile must be greater than zero".
  case ntile
  /// (T, integer offset, T default) → T; all three are always there.
  case lag
  case lead
  /// (T) → T, of the frame.
  case firstValue
  case lastValue
  /// (T, integer) → T, of the frame; 22016 "argument of nth_value must be greater than zero".
  case nthValue
  /// An aggregate over the frame.
  case aggregate(AggregateFunction)
}

/// Which rows around a row a function sees.
public struct WindowFrame: Sendable {
  /// What offsets count.
  public enum Unit: UInt8, Sendable {
    case rows = 1
    case range = 2
    case groups = 3
  }
  /// Where a frame begins or ends. Offsets are constants: bigint for rows and groups, for range of a type that the one sort key can
  /// be moved by (integer, bigint, numeric, double precision; interval for times); never NULL, never negative.
  public enum Bound: Sendable {
    case unboundedPreceding
    case preceding(TypedValue)
    case currentRow
    case following(TypedValue)
    case unboundedFollowing
  }
  /// What is left out around the row.
  public enum Exclusion: UInt8, Sendable {
    case none = 0
    case currentRow = 1
    case group = 2
    case ties = 3
  }
  /// Unit.
  public var unit: Unit
  /// First row.
  public var start: Bound
  /// Last row.
  public var end: Bound
  /// EXCLUDE.
  public var exclusion: Exclusion
  /// The frame of a window that says nothing: from the partition's start to the row's last peer.
  public static let standard = WindowFrame(unit: .range, start: .unboundedPreceding, end: .currentRow, exclusion: .none)
  /// Makes a frame.
  public init(unit: Unit, start: Bound, end: Bound, exclusion: Exclusion) {
    self.unit = unit
    self.start = start
    self.end = end
    self.exclusion = exclusion
  }
}

/// One call of a window function.
public struct WindowCall: Sendable {
  /// What to compute.
  public var function: WindowFunction
  /// Over the node's input.
  public var arguments: [Expression]
  /// FILTER, of aggregates only.
  public var filter: Expression?
  /// The rows it sees.
  public var frame: WindowFrame
  /// Type of the result.
  public var type: DataType
  /// Makes a call.
  public init(_ function: WindowFunction, _ arguments: [Expression], filter: Expression?, frame: WindowFrame, type: DataType) {
    self.function = function
    self.arguments = arguments
    self.filter = filter
    self.frame = frame
    self.type = type
  }
}

/// Adds columns of window functions to rows; the order of the output is that of partitions and keys.
public struct WindowNode: Sendable {
  /// Rows.
  public var input: PlanNode
  /// Columns whose equal values make a partition; NULLs are equal.
  public var partitions: [Int]
  /// Order within a partition; rows with equal keys are peers.
  public var keys: [SortKey]
  /// Calls.
  public var calls: [WindowCall]
  /// Names of the calls' columns.
  public var names: [String]
  /// Makes a window.
  public init(input: PlanNode, partitions: [Int], keys: [SortKey], calls: [WindowCall], names: [String]) {
    self.input = input
    self.partitions = partitions
    self.keys = keys
    self.calls = calls
    self.names = names
  }
  /// The input's columns, then the calls'.
  public var output: [OutputColumn] { input.columns + zip(names, calls).map { OutputColumn($0, $1.type) } }
}
