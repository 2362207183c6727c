// IngestSink.swift — where a program puts the rows of one ingest.
//
// Rows gather here until there are `batchRows` of them; then they go to the delivery as one chunk. `append` suspends while chunks are
// made faster than the cluster takes them. After a failure of the delivery every further `append` throws its error.
import Capabilities
import ClientCore
import Model
internal import Synchronization

/// What became of an ingest: all its rows are durable.
public struct IngestSummary: Sendable, Equatable {
  /// Rows that this run stored.
  public var rowsDurable: UInt64 = 0
  /// Rows that an earlier run of the same producer had stored.
  public var rowsDuplicate: UInt64 = 0
  /// Batches of rows sent (`batchRows` each, but the last).
  public var batches = 0
  /// Tries of messages beyond the first.
  public var retries: UInt64 = 0
  /// Nothing yet.
  public init() {}
}

/// Takes the rows of one ingest, in order, from one task.
public final class IngestSink: Sendable {
  private struct State {
    var values: [[Value]]
    var rows = 0
    var next = 0
    var failure: (any Error)?
  }
  let plan: RowPlan
  private let batchRows: Int
  let chunks = BoundedQueue<RowChunk>(capacity: 2)
  private let state: Mutex<State>

  init(_ plan: RowPlan, batchRows: Int) {
    self.plan = plan
    self.batchRows = batchRows
    state = Mutex(State(values: [[Value]](repeating: [], count: plan.targets.count)))
  }

  /// Appends a row: one value for each column, in the order of the ingest's columns.
  ///
  /// Throws when a value does not fit its column; the row is left out then and the sink goes on.
  public func append<each V: TallyEncodable>(_ value: repeat each V) async throws {
    var row: [Value] = []
    row.reserveCapacity(plan.targets.count)
    for value in repeat each value { try take(value, &row) }
    try await append(row)
  }
  /// Appends a row whose number of columns is known only when the program runs.
  public func append(row values: [any TallyEncodable]) async throws {
    var row: [Value] = []
    row.reserveCapacity(plan.targets.count)
    for value in values { try take(value, &row) }
    try await append(row)
  }
  private func take(_ value: some TallyEncodable, _ row: inout [Value]) throws(TallyError) {
    guard row.count < plan.targets.count else {
      throw .sql("22P04", "extra data after last expected column")
    }
    row.append(try plan.value(value, row.count))
  }
  private func append(_ row: [Value]) async throws {
    guard row.count == plan.targets.count else {
      throw TallyError.sql(
        "22P04",
        "missing data for column \"\(plan.table.columns[plan.targets[row.count]].name)\""
      )
    }
    let full = try state.withLock { state -> RowChunk? in
      if let failure = state.failure { throw failure }
      for at in row.indices { state.values[at].append(row[at]) }
      state.rows += 1
      return state.rows == batchRows ? Self.cut(&state) : nil
    }
    if let full { try await send(full) }
  }
  /// Hands over the rows that are left; no row may follow.
  func finish() async throws {
    let last = try state.withLock { state -> RowChunk? in
      if let failure = state.failure { throw failure }
      return state.rows > 0 ? Self.cut(&state) : nil
    }
    if let last { try await send(last) }
    chunks.finish()
  }
  private func send(_ chunk: RowChunk) async throws {
    do { try await chunks.send(chunk) } catch { throw failure ?? error }
  }
  private static func cut(_ state: inout State) -> RowChunk {
    let chunk = RowChunk(number: state.next, rows: state.rows, values: state.values)
    state.values = [[Value]](repeating: [], count: state.values.count)
    state.rows = 0
    state.next += 1
    return chunk
  }
  /// Why the delivery failed, if it did.
  var failure: (any Error)? { state.withLock { $0.failure } }
  /// Ends the sink: further rows are refused with this error.
  func fail(_ error: any Error) {
    state.withLock { state in
      if state.failure == nil { state.failure = error }
    }
    chunks.finish()
  }
}
