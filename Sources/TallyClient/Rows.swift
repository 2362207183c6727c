// Rows.swift — a statement's whole result, held by column; and its text as PostgreSQL prints it.
import Bytes
import ClientCore
public import Columns
import Model

/// The collected result of one statement.
public struct Rows: Sendable {
  /// The columns; none for a statement without rows.
  public var columns: [ResultColumn] = []
  /// The rows, with the columns' types.
  public var batches: [Batch] = []
  /// PostgreSQL's command tag, for example `SELECT 3` or `CREATE TABLE`.
  public var tag = ""
  /// Notices.
  public var notices: [ServerNotice] = []
  /// What it cost.
  public var statistics = StatementCost()
  init() {}
  /// Number of rows.
  public var count: Int { batches.reduce(0) { $0 + $1.count } }

  /// All rows as text; nil is NULL.
  ///
  /// An `hll` is `\x…`, postgresql-hll's bytes; a `topn` is JSON; a `timestamptz` is told by the clocks of the zone.
  public func textRows(zone: ClockZone = .utc) -> [[String?]] {
    map { row in (0..<row.count).map { row[$0].text(zone: zone) } }
  }

  /// All rows as typed tuples, the columns in order.
  public func decode<each T: TallyDecodable>(
    _ types: (repeat each T).Type
  ) throws -> [(repeat each T)] {
    var out: [(repeat each T)] = []
    for row in self { out.append(try row.tuple(repeat (each T).self)) }
    return out
  }

  /// Collects all statements of an answer.
  static func collect(_ call: QueryCall) async throws -> [Rows] {
    var results: [Rows] = []
    var current = Rows()
    while let event = try await call.next() {
      switch event {
      case .header(let columns): current.columns = columns.map(ResultColumn.init)
      case .batch(let batch):
        guard batch.columns.count == current.columns.count else { throw Self.unannounced }
        if batch.count > 0 { current.batches.append(batch) }
      case .end(let end):
        let end = StatementEnd(end)
        (current.tag, current.notices, current.statistics) = (end.tag, end.notices, end.cost)
        results.append(current)
        current = Rows()
      }
    }
    return results
  }
  static var unannounced: TallyError {
    TallyError(.protocolViolation, "rows came without their header")
  }
}

extension Rows: Sequence {
  /// Reads the rows in order.
  public func makeIterator() -> Iterator {
    Iterator(columns: ColumnNames(columns), batches: batches)
  }
  /// Reads rows.
  public struct Iterator: IteratorProtocol {
    let columns: ColumnNames
    let batches: [Batch]
    private var batch = 0
    private var source: RowSource?
    private var index = 0

    init(columns: ColumnNames, batches: [Batch]) {
      self.columns = columns
      self.batches = batches
    }
    /// The next row.
    public mutating func next() -> Row? {
      while true {
        if let source, index < source.batch.count {
          index += 1
          return Row(source: source, index: index - 1)
        }
        guard batch < batches.count else { return nil }
        source = RowSource(columns, batches[batch])
        batch += 1
        index = 0
      }
    }
  }
}
