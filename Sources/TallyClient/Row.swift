// Row.swift — one row of a result and its cells: a place in a batch that all its rows share.
import Aggregates
import Bytes
import Columns
public import Model

/// The columns of a result and where their names are.
final class ColumnNames: Sendable {
  let columns: [ResultColumn]
  private let places: [String: Int]
  init(_ columns: [ResultColumn]) {
    self.columns = columns
    places = Dictionary(
      columns.enumerated().map { ($1.name, $0) },
      uniquingKeysWith: { first, _ in first }
    )
  }
  func place(_ name: String) throws(TallyError) -> Int {
    if let place = places[name] { return place }
    throw .sql(
      "42703",
      "the result has no column \"\(name)\"",
      hint: "It has \(columns.map { "\"\($0.name)\"" }.joined(separator: ", "))."
    )
  }
}

/// A batch and its columns' names.
final class RowSource: Sendable {
  let names: ColumnNames
  let batch: Batch
  init(_ names: ColumnNames, _ batch: Batch) {
    self.names = names
    self.batch = batch
  }
}

/// One row of a result.
public struct Row: Sendable {
  let source: RowSource
  let index: Int
  /// Number of columns.
  public var count: Int { source.batch.columns.count }
  /// The columns.
  public var columns: [ResultColumn] { source.names.columns }
  /// The cell of a column, by place from 0.
  public subscript(column: Int) -> Cell {
    invariant(column >= 0 && column < count, "column \(column) of a row of \(count)")
    return Cell(
      column: source.names.columns[column],
      vector: source.batch.columns[column],
      index: index
    )
  }
  /// The cell of the first column of that name.
  ///
  /// Throws 42703 when there is none.
  public subscript(name: String) -> Cell {
    get throws(TallyError) { self[try source.names.place(name)] }
  }
  /// The value of a column, by place.
  public func get<T: TallyDecodable>(_ type: T.Type, _ column: Int) throws(TallyError) -> T {
    guard column >= 0 && column < count else {
      throw .sql("42703", "the result has \(count) columns, and none with number \(column)")
    }
    return try T.decode(self[column])
  }
  /// The value of a column, by name.
  public func get<T: TallyDecodable>(_ type: T.Type, _ name: String) throws(TallyError) -> T {
    try T.decode(try self[name])
  }
  /// All columns as a typed tuple, in order.
  public func decode<each T: TallyDecodable>(
    _ types: (repeat each T).Type
  ) throws(TallyError) -> (repeat each T) {
    try tuple(repeat (each T).self)
  }
  func tuple<each T: TallyDecodable>(
    _ types: repeat (each T).Type
  ) throws(TallyError) -> (repeat each T) {
    var expected = 0
    for _ in repeat (each T).self { expected += 1 }
    guard expected == count else {
      throw .sql("42804", "rows of \(count) columns do not decode as \(expected) values")
    }
    var column = -1
    func next<U: TallyDecodable>(_ type: U.Type) throws(TallyError) -> U {
      column += 1
      return try U.decode(self[column])
    }
    return (repeat try next((each T).self))
  }
}

/// One value of a result.
public struct Cell: Sendable {
  /// Its column.
  public let column: ResultColumn
  let vector: ColumnVector
  let index: Int
  /// The SQL type.
  public var type: DataType { column.type }
  /// True for NULL.
  public var isNull: Bool { vector.isNull(index) }
  /// The value, decoded.
  public func decode<T: TallyDecodable>(_ type: T.Type = T.self) throws(TallyError) -> T {
    try T.decode(self)
  }
  /// PostgreSQL's text; nil for NULL.
  ///
  /// An `hll` is `\x…`, postgresql-hll's bytes; a `topn` is JSON.
  public var text: String? { text(zone: .utc) }
  /// As `text`; a `timestamptz` is told by the clocks of the zone.
  public func text(zone: ClockZone) -> String? {
    switch content {
    case .null: nil
    case .hll(let bytes): ValueText.print(.hll(bytes), as: vector.type)
    case .topn:
      if case .topn(let states) = vector.values { TopNText.print(states.state(index)) } else { nil }
    case let value: ZonedText.print(value, as: vector.type, zone: zone)
    }
  }
  /// The plain value; sketches packed.
  public var content: Value {
    if vector.isNull(index) { return .null }
    switch vector.values {
    case .fixed(let v): return .fixed(v[index])
    case .double(let v): return .double(v[index])
    case .numeric(let v): return .numeric(v[index])
    case .interval(let v): return .interval(v[index])
    case .text(let v):
      let range = Int(v.offsets[index])..<Int(v.offsets[index + 1])
      return v.bytes.withUnsafeBytes { BinaryForm.value(UnsafeRawBufferPointer(rebasing: $0[range]), vector.type) }
    case .codes(let v, let dictionary): return dictionary.withText(v[index]) { BinaryForm.value($0, vector.type) }
    case .hll(let v): return .hll(HLLFormat.encode(v.state(index)))
    case .topn(let v): return .topn(TopNFormat.encode(v.state(index)))
    }
  }
}
