// ShardWriter.swift — one small batch after the other into one shard; how long a fault keeps the shard from taking the next is measured.
import Bytes
import Synchronization
import TallyClient

/// A shard as the cluster's list shows it.
struct ShardState: Sendable {
  var id: Int64
  var group: Int64
  var primary: String
  var state: String
  var epoch: Int64
  /// Copies that count, and all there are.
  var inSync = 1
  var copies = 1
  var lower: UInt64
  var upper: UInt64

  static func list(_ client: TallyClient, deadline: Duration = .seconds(5)) async throws -> [ShardState] {
    let rows = try await client.list(.shards, deadline: deadline)
    let names = rows.columns.map(\.name)
    return try rows.map { row in
      var shard = ShardState(
        id: try row.get(Int64.self, "shard"),
        group: try row.get(Int64.self, "group"),
        primary: try row.get(String.self, "primary"),
        state: try row.get(String.self, "state"),
        epoch: try row.get(Int64.self, "epoch"),
        lower: UInt64(try row.get(String.self, "lower_hash"), radix: 16) ?? 0,
        upper: UInt64(try row.get(String.self, "upper_hash"), radix: 16) ?? 0
      )
      if names.contains("in_sync") && names.contains("copies") {
        shard.inSync = try row.get(Int.self, "in_sync")
        shard.copies = try row.get(Int.self, "copies")
      }
      return shard
    }
  }
  /// True for the tenants of this hash range.
  func holds(_ tenant: Int64) -> Bool { (lower...upper).contains(StableHash.hash(tenant)) }
}

/// Writes to one shard.
struct ShardWriter: Sendable {
  let shard: Int64
  let tenant: Int64
  let run: RunState
  /// Rows of a batch.
  private static let rows = 4
  private static let pause = Duration.milliseconds(10)

  /// Writes until the run stops; when its load is cut off it begins another.
  func write() async throws {
    run.gaps.expectWrites(to: shard)
    while !run.isStopping {
      let load = Load(
        id: run.newLoadID(),
        producer: 1000 + shard,
        batches: .max,
        batchRows: Self.rows,
        tenants: [tenant],
        chance: run.chance("writer", Int(shard))
      )
      _ = try await run.withClient("chaos-writer-\(shard)") { client in
        do { try await write(load, client) } catch let error as TallyError where error.isRetryable || error.status == .cancelled {
          run.figures.count("shard writers cut off: \(error.status)")
          try await Task.sleep(for: .milliseconds(100))
        } catch let error as TallyError {
          run.ledger.violated("writing to shard \(shard) failed for good: \(error)")
        }
      }
    }
  }

  private func write(_ load: Load, _ client: TallyClient) async throws {
    let acknowledged = Mutex(-1)
    let (run, ledger, shard) = (run, run.ledger, shard)
    let begun = Mutex(ContinuousClock.now)
    let taken: @Sendable (Int) -> Void = { batch in
      let now = ContinuousClock.now
      ledger.acknowledged(BatchName(load: load.id, batch: Int64(batch)))
      let begin = begun.withLock { $0 }
      run.figures.took("small batch acknowledged", now - begin)
      run.gaps.acknowledged(shard, begun: begin, at: now)
      acknowledged.withLock { $0 = batch }
    }
    _ = try await client.ingest(
      into: EventTable.name,
      columns: EventTable.columns,
      producer: load.name,
      batchRows: Self.rows,
      acknowledged: taken
    ) { sink in
      var batch = 0
      while !run.isStopping {
        let rows = load.rows(of: batch)
        ledger.sending(BatchName(load: load.id, batch: Int64(batch)), Load.parts(of: rows))
        begun.withLock { $0 = .now }
        for row in rows { try await sink.append(row, of: load, batch: batch) }
        let giveUp = ContinuousClock.now + .seconds(125)  // a little over the library's own patience
        while acknowledged.withLock({ $0 }) < batch {
          if ContinuousClock.now > giveUp { throw TallyError(.timedOut, "shard \(shard) took no batch") }
          try await Task.sleep(for: .milliseconds(3))
        }
        batch += 1
        try await Task.sleep(for: Self.pause)
      }
    }
  }
}

/// How long shards took no write after a fault hit their primary.
final class WriteGaps: Sendable {
  private struct Fault {
    var kind: String
    var time: ContinuousClock.Instant
  }
  private struct State {
    var shards: [ShardState] = []
    /// Shards that somebody writes to.
    var written: Set<Int64> = []
    var open: [Int64: [Fault]] = [:]
    var gaps: [String: [Double]] = [:]
  }
  private let state = Mutex(State())
  /// An acknowledgement so soon after the fault was on its way before.
  private static let underWay = Duration.milliseconds(20)

  /// Takes the newest list of shards.
  func adopt(_ shards: [ShardState]) { state.withLock { $0.shards = shards } }
  func expectWrites(to shard: Int64) { state.withLock { _ = $0.written.insert(shard) } }
  /// A fault hits nodes now.
  func hit(_ nodes: [String], _ kind: String) {
    let now = ContinuousClock.now
    state.withLock { state in
      for shard in state.shards where nodes.contains(shard.primary) && state.written.contains(shard.id) {
        state.open[shard.id, default: []].append(Fault(kind: kind, time: now))
      }
    }
  }
  func acknowledged(_ shard: Int64, begun: ContinuousClock.Instant, at now: ContinuousClock.Instant) {
    state.withLock { state in
      guard let open = state.open[shard] else { return }
      let ended = open.filter { begun >= $0.time || now - $0.time > Self.underWay }
      if ended.isEmpty { return }
      for fault in ended { state.gaps[fault.kind, default: []].append((now - fault.time) / .milliseconds(1)) }
      let rest = open.filter { !(begun >= $0.time || now - $0.time > Self.underWay) }
      state.open[shard] = rest.isEmpty ? nil : rest
    }
  }
  /// Gaps by kind of fault.
  var all: [(kind: String, gaps: Distribution)] {
    state.withLock { $0.gaps }.map { ($0.key, Distribution($0.value)) }.sorted { $0.0 < $1.0 }
  }
  /// Shards that took no write since a fault.
  var open: [Int64] { state.withLock { $0.open.keys.sorted() } }
}
