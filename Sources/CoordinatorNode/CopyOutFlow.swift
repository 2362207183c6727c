// CopyOutFlow.swift — COPY … TO STDOUT: the rows of a query or of RETURNING to their client, some thousands at a time as the client reads.
import Bytes
public import Capabilities
public import Columns
import Model
public import Planning
import SQL
internal import Synchronization
import Wire

/// Rows on their way to a client.
public protocol CopyRowSource: AnyObject, Sendable {
  /// The next rows; nil behind the last.
  func next() async throws -> Batch?
}

/// How many rows are encoded at once, by their size.
public enum EncodedRows {
  /// Bytes of text that a block of rows holds at most, unless it is one row.
  static let blockBytes = 256 << 10

  /// Behind which row a block ends that begins at `start`: at most `limit` rows, and of text at most `blockBytes` unless it is one row.
  ///
  /// A dictionary holds a text once, whatever number of rows have it, and each of those rows is written out: the size of a batch in
  /// memory does not say what its rows take.
  public static func end(_ batch: Batch, from start: Int, upTo limit: Int) -> Int {
    let last = min(batch.count, start + min(limit, batch.count))
    var bytes: [Int] = []
    for column in batch.columns {
      switch column.values {
      case .text(let texts):
        if bytes.isEmpty { bytes = [Int](repeating: 0, count: last - start) }
        for row in start..<last { bytes[row - start] += Int(texts.offsets[row + 1] - texts.offsets[row]) }
      case .codes(let codes, let dictionary) where dictionary.count > 0:
        if bytes.isEmpty { bytes = [Int](repeating: 0, count: last - start) }
        let offsets = dictionary.offsets
        for row in start..<last { bytes[row - start] += Int(offsets[Int(codes[row]) + 1] - offsets[Int(codes[row])]) }
      case .codes, .fixed, .double, .numeric, .interval, .hll, .topn: break
      }
    }
    var sum = 0
    for (at, own) in bytes.enumerated() {
      sum += own
      if sum > blockBytes, at > 0 { return start + at }
    }
    return last
  }
}

/// Writes rows as a client of COPY reads them.
public enum CopyOutput {
  /// Rows that are written at once when they are narrow.
  static let rowsAtOnce = 4096

  /// Sends all rows of a source; returns how many.
  public static func send(
    _ rows: any CopyRowSource,
    _ columns: [OutputColumn],
    _ options: CopyOptions,
    to client: any CopyClient,
    values: any ExternalValues,
    compute: any Compute
  ) async throws -> Int {
    try await client.beginCopyOut(columns: columns.count, isBinary: options.format == .binary)
    let encoding = Encoding(options, columns, values)
    var count = 0
    while let batch = try await rows.next() {
      var start = 0
      while start < batch.count {
        try Task.checkCancellation()
        let range = start..<EncodedRows.end(batch, from: start, upTo: rowsAtOnce)
        start = range.upperBound
        let piece = try await compute.attempt { try encoding.write(batch, range) }
        try await client.sendCopyRows(piece.bytes, ends: piece.ends)
      }
      count += batch.count
    }
    let rest = encoding.finish()
    if !rest.ends.isEmpty { try await client.sendCopyRows(rest.bytes, ends: rest.ends) }
    return count
  }
  /// The encoder of one COPY; its calls follow one another.
  private final class Encoding: @unchecked Sendable {
    private var encoder: CopyEncoder
    init(_ options: CopyOptions, _ columns: [OutputColumn], _ values: any ExternalValues) {
      encoder = CopyEncoder(options, columns, values)
    }
    func write(_ batch: Batch, _ rows: Range<Int>) throws(TallyError) -> (bytes: [UInt8], ends: [Int]) {
      var out = ByteWriter(capacity: 64 << 10)
      var ends: [Int] = []
      ends.reserveCapacity(rows.count)
      try encoder.write(batch, rows, into: &out, ends: &ends)
      return (out.finish(), ends)
    }
    func finish() -> (bytes: [UInt8], ends: [Int]) {
      var out = ByteWriter()
      var ends: [Int] = []
      encoder.finish(into: &out, ends: &ends)
      return (out.finish(), ends)
    }
  }
}

/// Batches that are here already; each is let go once it was read.
final class GatheredRows: CopyRowSource {
  private let batches: Mutex<[Batch]>
  init(_ batches: [Batch]) { self.batches = Mutex(batches.reversed()) }
  func next() async throws -> Batch? { batches.withLock { $0.popLast() } }
}

extension Coordinator {
  /// Copies a table or a query to a client. Nothing was sent when the query fails.
  public func copyOut(
    _ asked: StatementRequest,
    to client: any CopyClient,
    values: any ExternalValues
  ) async throws -> CopyOutcome {
    nextRead += 1
    var request = asked
    request.turn = nextRead
    let reading = request
    let (copy, answer) = try await untilServed(request.deadline) { snapshot in
      guard case .copyOut(let copy) = try await self.planned(reading, snapshot) else {
        throw TallyError(.internalError, "a statement changed its kind while it was planned again")
      }
      return (copy, try await self.select(copy.select, snapshot, reading))
    }
    let points = SessionToken(answer.shards.map { ShardPoint(shard: $0.shard, point: $0.point) })
    let held = try client.hold(answer.batches.rowBytes)
    defer { withExtendedLifetime(held) {} }
    let rows = try await CopyOutput.send(
      GatheredRows(answer.batches),
      copy.select.output,
      copy.options,
      to: client,
      values: values,
      compute: surroundings.compute
    )
    return CopyOutcome(rows: rows, seen: points)
  }

  /// Carries a change out and copies the rows of its RETURNING to a client. What a client does not get of them is done all the same, unless
  /// it is part of a transaction.
  func copyOut(
    _ change: Statement,
    _ copy: CopySyntax,
    _ asked: StatementRequest,
    to client: any CopyClient,
    values: any ExternalValues
  ) async throws -> CopyOutcome {
    let (columns, options) = try await copiedColumns(copy, asked)
    var request = asked
    request.statement.statement = change
    let reply = try await carryOut(request)
    defer { withExtendedLifetime(reply.held) {} }
    let rows = try await CopyOutput.send(
      GatheredRows(reply.batches),
      columns,
      options,
      to: client,
      values: values,
      compute: surroundings.compute
    )
    return CopyOutcome(rows: rows, seen: reply.seen)
  }
  /// Columns of a change that is copied, and COPY's options, which are looked at before anything is changed.
  func copiedColumns(_ copy: CopySyntax, _ asked: StatementRequest) async throws -> ([OutputColumn], CopyOptions) {
    guard let change = copy.change else { throw TallyError(.internalError, "a COPY of no change") }
    var request = asked
    request.statement.statement = change
    let columns = (try await describe(request, declared: []).columns ?? []).map { OutputColumn($0.name, $0.type) }
    return (columns, try copyOutOptions(copy.options, columns: columns.map(\.name)))
  }
}
