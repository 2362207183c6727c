// Portal.swift — what a session keeps by name: prepared statements and portals, and the rows that a portal has open.
//
// Protocol and SQL share both name spaces: Parse and PREPARE, Bind and DECLARE. The empty name is the protocol's unnamed one.

internal import Columns
internal import CoordinatorNode
internal import Model

/// A statement that was prepared; nil content is an empty text.
struct PreparedStatement: Sendable {
  var statement: EngineStatement?
  var parameters: [ParameterType] = []
  /// Columns that the engine told; those of SHOW, FETCH and EXECUTE are looked up when needed.
  var columns: [ColumnDescription]?
}

/// Rows on their way to a client: a stream and what is left of its last batch.
final class RowCursor: @unchecked Sendable {
  // Safe: used by the tasks of one session only, one after the other, on its actor.
  private let stream: (any RowStream)?
  private let base: RowCursor?
  private var batch: Batch?
  private var at = 0
  /// Rows that may still be taken.
  private var remaining: Int
  /// Rows taken so far.
  private(set) var position = 0
  private var isAtEnd = false
  /// What came of an error is not told as an end of the rows.
  private(set) var hasFailed = false

  init(_ stream: any RowStream) {
    self.stream = stream
    base = nil
    remaining = .max
  }
  /// The next `count` rows of another cursor, which moves with this one.
  init(of base: RowCursor, count: Int) {
    self.base = base
    stream = nil
    remaining = count
  }
  deinit { close() }

  /// At most `limit` rows; nil behind the last.
  func next(upTo limit: Int) async throws -> (Batch, Range<Int>)? {
    let limit = min(limit, remaining)
    guard limit > 0, !isAtEnd else { return nil }
    if let base {
      guard let (batch, rows) = try await base.next(upTo: limit) else {
        isAtEnd = true
        return nil
      }
      remaining -= rows.count
      position += rows.count
      return (batch, rows)
    }
    while true {
      if let batch, at < batch.count {
        let rows = at..<EncodedRows.end(batch, from: at, upTo: limit)
        at = rows.upperBound
        position += rows.count
        return (batch, rows)
      }
      batch = nil
      do {
        batch = try await stream?.next()
      } catch {
        isAtEnd = true
        hasFailed = true
        throw error
      }
      at = 0
      guard batch != nil else {
        isAtEnd = true
        return nil
      }
    }
  }
  /// Goes over rows; returns over how many.
  func skip(_ count: Int) async throws -> Int {
    var skipped = 0
    while skipped < count, let (_, rows) = try await next(upTo: count - skipped) { skipped += rows.count }
    return skipped
  }
  /// Gives up what is left after an error: rows were taken that nobody got.
  func fail() {
    base?.fail()
    close()
    hasFailed = true
  }
  /// Gives up what is left.
  func close() {
    if !isAtEnd { stream?.close() }
    isAtEnd = true
    batch = nil
  }
}

/// A statement with its arguments, on its way through its rows.
struct Portal: Sendable {
  enum State: Sendable {
    case ready
    case rows(RowCursor, RowTag)
    case done
  }
  var statement: PreparedStatement
  var arguments: [TypedValue] = []
  var columns: [ColumnDescription]?
  /// One a column.
  var isBinary: [Bool] = []
  var state = State.ready
  /// DECLARE … WITH HOLD.
  var isHeld = false
  /// Its transaction has committed: it is held, and no end of another transaction closes it.
  var isCommitted = false
  /// Savepoints that there were when it was made, without those released since.
  var depth = 0

  func close() { if case .rows(let cursor, _) = state { cursor.close() } }
}

/// Rows that the session itself gives.
final class FixedRows: RowStream {
  private let batch: Batch
  private let isTaken: Once
  init(_ batch: Batch) {
    self.batch = batch
    isTaken = Once()
  }
  /// Texts by row.
  convenience init(texts: [[String]], columns: Int) {
    self.init(
      Batch(
        count: texts.count,
        columns: (0..<columns).map { at in ColumnVector(.text, values: texts.map { .text($0[at]) }) }
      )
    )
  }
  func next() async throws -> Batch? { isTaken.first() ? batch : nil }
  func close() {}
}
