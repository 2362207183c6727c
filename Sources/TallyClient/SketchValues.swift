// SketchValues.swift — sketches that came with a result: estimate, union and error bound on the client's side.
import Aggregates
import Columns
public import Model

/// A HyperLogLog: a set known by how many distinct values it holds, about.
///
/// Equal to postgresql-hll's, byte for byte.
public struct HLL: Sendable, Equatable, CustomStringConvertible {
  private var state: HyperLogLog
  init(_ state: HyperLogLog) { self.state = state }

  /// Reads postgresql-hll's bytes.
  public init(bytes: [UInt8]) throws(TallyError) {
    do { state = try HLLFormat.decode(bytes) } catch {
      throw .sql("22P02", "invalid hll value", detail: "\(error)")
    }
  }
  /// The bytes, as postgresql-hll stores them.
  public var bytes: [UInt8] { HLLFormat.encode(state) }
  /// About how many distinct values were added; nil when the state is undefined.
  public var estimate: Double? {
    get throws(TallyError) { try HLLEstimate.cardinality(state) }
  }
  /// The estimate's relative standard error, 1.04/√m.
  public var standardError: Double { 1.04 / Double(state.parameters.registerCount).squareRoot() }
  /// Takes in all values of another; both have the same parameters.
  public mutating func formUnion(_ other: HLL) throws(TallyError) { try state.union(other.state) }
  /// The values of both.
  public func union(_ other: HLL) throws(TallyError) -> HLL {
    var result = self
    try result.formUnion(other)
    return result
  }
  /// Text as SQL prints it, `\x…`.
  public var description: String { ValueText.print(.hll(bytes), as: .hll(state.parameters)) ?? "" }
}

extension HLL: TallyDecodable {
  /// From an hll.
  public static func decode(_ cell: Cell) throws(TallyError) -> HLL {
    guard !cell.isNull, case .hll(let states) = cell.vector.values else {
      throw cell.mismatch(Self.self)
    }
    return HLL(states.state(cell.index))
  }
}

/// A `topn`: the items that occurred most often, each with its bounds.
public struct TopList: Sendable, Equatable, CustomStringConvertible {
  /// One item of the list.
  public struct Item: Sendable, Equatable {
    /// The item.
    public var item: String
    /// It occurred at least so often; exactly so often when `error` is 0.
    public var count: Int64
    /// It occurred at most `count + error` times.
    public var error: Int64
  }
  private var state: TopN
  init(_ state: TopN) { self.state = state }

  /// The `limit` most frequent items, most frequent first.
  public func top(_ limit: Int) -> [Item] {
    state.ranked().prefix(max(0, limit)).map {
      Item(item: String(decoding: $0.key, as: UTF8.self), count: $0.lower, error: $0.error)
    }
  }
  /// Number of items kept.
  public var count: Int { state.items.count }
  /// Occurrences of all items, kept or not.
  public var total: Int64 { state.total }
  /// An item that is not kept occurred at most so often.
  public var absentBound: Int64 { state.absent }
  /// Takes in another list; both have the same parameters.
  public mutating func formUnion(_ other: TopList) throws(TallyError) {
    try state.union(other.state)
  }
  /// JSON, as SQL prints it.
  public var description: String { TopNText.print(state) }
}

extension TopList: TallyDecodable {
  /// From a topn.
  public static func decode(_ cell: Cell) throws(TallyError) -> TopList {
    guard !cell.isNull, case .topn(let states) = cell.vector.values else {
      throw cell.mismatch(Self.self)
    }
    return TopList(states.state(cell.index))
  }
}
