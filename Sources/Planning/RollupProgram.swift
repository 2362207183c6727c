// RollupProgram.swift — how raw rows become a rollup's keys and measure arguments. Bytes: RollupProgramFormat.swift.
public import Model

/// One measure of a rollup.
public struct MeasureProgram: Sendable {
  /// What it computes.
  public var kind: MeasureKind
  /// Over the source table's columns: none for count(*); one for most; item and weight for a weighted TopN.
  public var arguments: [Expression]
  /// FILTER; only rows where it is TRUE count.
  public var filter: Expression?
  /// Type of the state.
  public var type: DataType
  /// Makes a measure.
  public init(kind: MeasureKind, arguments: [Expression], filter: Expression?, type: DataType) {
    self.kind = kind
    self.arguments = arguments
    self.filter = filter
    self.type = type
  }
  /// The same measure as an aggregate over raw rows: what the roller and the fresh tail compute.
  public var call: AggregateCall {
    let function: AggregateFunction =
      switch kind {
      case .count: arguments.isEmpty ? .countStar : .count
      case .sum: .sum
      case .min: .min
      case .max: .max
      case .boolAnd: .boolAnd
      case .boolOr: .boolOr
      case .hll: .hllAdd
      case .topn: .topnAdd
      }
    return AggregateCall(function, arguments, filter: filter, type: type)
  }
}

/// The bound expressions of a rollup. Columns are numbered as in the source table's schema.
public struct RollupProgram: Sendable {
  /// [0] the tenant key, [1] the time from which every level cuts its bucket (not cut itself), then the dimensions: one for each of
  /// `RollupDefinition.keys`.
  public var keys: [Expression]
  /// One for each of `RollupDefinition.measures`.
  public var measures: [MeasureProgram]
  /// WHERE: only rows where it is TRUE are rolled up.
  public var condition: Expression?
  /// Makes a program.
  public init(keys: [Expression], measures: [MeasureProgram], condition: Expression? = nil) {
    self.keys = keys
    self.measures = measures
    self.condition = condition
  }
  /// The source columns that it reads, rising.
  public var columnsRead: [Int] {
    var set: Set<Int> = []
    for key in keys { key.collectColumns(into: &set) }
    for measure in measures {
      for argument in measure.arguments { argument.collectColumns(into: &set) }
      measure.filter?.collectColumns(into: &set)
    }
    condition?.collectColumns(into: &set)
    return set.sorted()
  }
  /// The same program over a batch that holds only `columnsRead`, in that order.
  public func overColumnsRead() -> RollupProgram {
    let read = columnsRead
    func place(_ column: Int) -> Int { read.firstIndex(of: column) ?? 0 }
    var copy = self
    copy.keys = keys.map { $0.renumbered(place) }
    copy.condition = condition?.renumbered(place)
    for i in copy.measures.indices {
      copy.measures[i].arguments = measures[i].arguments.map { $0.renumbered(place) }
      copy.measures[i].filter = measures[i].filter?.renumbered(place)
    }
    return copy
  }
}
