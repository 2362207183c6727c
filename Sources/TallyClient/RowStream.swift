// RowStream.swift — a statement's rows as they arrive, and the same decoded into tuples.
//
// One task reads a stream. Rows come by batches; the server sends the next ones as these are read. Dropping the stream before its end,
// or cancelling the task, cancels the statement on the server.
import ClientCore
import Columns
import Model
import Wire

/// The rows of one statement, as they arrive.
public final class RowStream: AsyncSequence {
  /// The elements.
  public typealias Element = Row
  private let call: QueryCall
  private let names: ColumnNames
  private var source: RowSource?
  private var index = 0
  private var ended: StatementEnd?

  private init(_ call: QueryCall, _ columns: [ResultColumn], _ ended: StatementEnd?) {
    self.call = call
    self.names = ColumnNames(columns)
    self.ended = ended
  }
  static func open(_ call: QueryCall) async throws -> RowStream {
    switch try await call.next() {
    case .header(let columns): return RowStream(call, columns.map(ResultColumn.init), nil)
    case .end(let end):
      let stream = RowStream(call, [], StatementEnd(end))
      try await stream.expectNoMore()
      return stream
    case .batch: throw Rows.unannounced
    case nil: throw TallyError.sql("42601", "the text holds no statement")
    }
  }
  /// The columns; none for a statement without rows.
  public var columns: [ResultColumn] { names.columns }
  /// Command tag, notices and cost; nil until the last row was read.
  public var end: StatementEnd? { ended }

  /// The next row; nil after the last.
  public func next() async throws -> Row? {
    while true {
      if let source, index < source.batch.count {
        index += 1
        return Row(source: source, index: index - 1)
      }
      if ended != nil { return nil }
      switch try await call.next() {
      case .batch(let batch):
        guard batch.columns.count == columns.count else { throw Rows.unannounced }
        (source, index) = (RowSource(names, batch), 0)
      case .end(let end):
        (source, ended) = (nil, StatementEnd(end))
        try await expectNoMore()
      case .header, nil: throw TallyError(.protocolViolation, "the rows ended without an end")
      }
    }
  }
  private func expectNoMore() async throws {
    if try await call.next() == nil { return }
    call.cancel()
    throw TallyError.sql(
      "42601",
      "a query is one statement, and the text holds several",
      hint: "Use run, which takes several statements."
    )
  }
  /// Gives the statement up.
  public func cancel() { call.cancel() }

  /// Reads the rows by `for try await`.
  public func makeAsyncIterator() -> Iterator { Iterator(stream: self) }
  /// Reads rows.
  public struct Iterator: AsyncIteratorProtocol {
    let stream: RowStream
    /// The next row.
    public mutating func next() async throws -> Row? { try await stream.next() }
  }

  /// The rows as typed tuples: `for try await (month, n) in rows.decode((String, Int64).self)`.
  public func decode<each T: TallyDecodable>(
    _ types: (repeat each T).Type
  ) -> DecodedRows<(repeat each T)> {
    DecodedRows(stream: self) { row throws(TallyError) in try row.tuple(repeat (each T).self) }
  }
}

/// Rows as typed tuples.
///
/// Generic over the tuple, not over its elements: the language (6.3) cannot iterate a sequence that is generic over a pack.
public struct DecodedRows<Element>: AsyncSequence {
  let stream: RowStream
  let decode: (Row) throws(TallyError) -> Element
  /// Reads the tuples by `for try await`.
  public func makeAsyncIterator() -> Iterator { Iterator(rows: self) }
  /// Reads tuples.
  public struct Iterator: AsyncIteratorProtocol {
    let rows: DecodedRows
    /// The next tuple.
    public mutating func next() async throws -> Element? {
      guard let row = try await rows.stream.next() else { return nil }
      return try rows.decode(row)
    }
  }
  /// All tuples.
  public func collect() async throws -> [Element] {
    var out: [Element] = []
    while let row = try await stream.next() { out.append(try decode(row)) }
    return out
  }
}
