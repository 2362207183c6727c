// ScenarioClient.swift — a client of a scenario: writes keyed batches one at a time and notes every answer, reads and has the ledger judge.
//
// It routes by the catalog it knows and asks for a newer one only when a try fails, as every client does; so it goes on without
// coordinators while its catalog is right. A batch that was not acknowledged is tried first the next time, with the same key.
import Bytes
import Capabilities
import ClientCore
import Model
import RPC
import Wire

/// What a client's tries came to.
struct ScenarioWrites: CustomStringConvertible {
  var acknowledged = 0
  /// Longest time between two acknowledgements, the time before the first included.
  var longestGap = Duration.zero
  /// Copies that the last acknowledgement told.
  var copies: Int?
  /// How tries were refused, each status once; without one that was refused after the end.
  var refusals: [StatusCode] = []
  var lastRefusal: TallyError?
  var description: String {
    "\(acknowledged) acknowledged, refused \(refusals), the last: \(lastRefusal.map { "\($0)" } ?? "none")"
  }
}

/// A client.
final class ScenarioClient: @unchecked Sendable {
  // Safe: touched by the simulation's thread only.

  /// Rows that clients may send; each client has its own.
  static let rows: [EventRow] = (1...6000).map { (id: Int64) -> EventRow in
    let time: Int64 = Workload.firstDay + id * 60 * Workload.second
    return EventRow(id: id, tenant: id % 7, time: time, user: id % 50, item: "item \(id % 5)", value: id % 100)
  }
  static let rowsOfBatch = 3
  /// Longest time one try may take.
  static let tryTimeout = Duration.seconds(1)

  private struct Pending {
    var sequence: Int
    var rows: [EventRow]
    var batch: ShardBatch
  }
  let client: ClusterClient
  let name: String
  private let ledger: Ledger
  private var session = SessionID(0)
  private var sequence = 0
  private var pending: Pending?
  private var rowsLeft: ArraySlice<EventRow>

  init(_ client: ClusterClient, name: String, number: Int, _ ledger: Ledger) {
    self.client = client
    self.name = name
    self.ledger = ledger
    let half = Self.rows.count / 2
    rowsLeft = Self.rows[number * half..<(number + 1) * half]
  }

  /// Gets a session, and a catalog with the table.
  func begin() async throws {
    session = try await Producer.open(
      OpenProducer(table: "events", name: name, chunkBytes: 4096, fingerprint: .zero, again: false),
      map: client.map,
      deadline: client.near.clock.now + .seconds(5)
    ).session
    while client.map.known?.catalog.rollups.isEmpty ?? true {
      _ = try await client.map.refresh(after: client.map.known, deadline: client.near.clock.now + .seconds(5))
    }
  }

  /// Writes for so long.
  func write(for length: Duration) async throws -> ScenarioWrites {
    let clock = client.near.clock
    let end = clock.now + length
    var (seen, last) = (ScenarioWrites(), clock.now)
    while clock.now < end {
      let batch = try next()
      ledger.sending("\(name).\(batch.sequence)", batch.rows)
      do {
        // Also the last one may take its time: a batch that was cut off might be acknowledged when it is repeated in a later step, as
        // one that was stored in this one.
        let answer = try await attempt(batch, until: clock.now + Self.tryTimeout)
        pending = nil
        ledger.acknowledged(batch.rows, at: clock.now)
        seen.acknowledged += 1
        seen.copies = Int(answer.copies)
        seen.longestGap = max(seen.longestGap, clock.now - last)
        last = clock.now
      } catch let error as TallyError where clock.now < end {
        if !seen.refusals.contains(error.status) { seen.refusals.append(error.status) }
        seen.lastRefusal = error
        // Damage is for an operator: once that one did something the batch may be tried again.
        guard error.isRetryable || error.status == .dataDamaged else { throw error }
        // While no coordinator answers, the old one is as good as any.
        do {
          _ = try await client.map.refresh(after: client.map.known, deadline: min(end, clock.now + .milliseconds(500)))
        } catch let error as TallyError where error.isRetryable {}
      } catch let error as TallyError where error.isRetryable { seen.lastRefusal = error }
      try await clock.sleep(for: .milliseconds(50))
    }
    seen.longestGap = max(seen.longestGap, clock.now - last)
    return seen
  }
  private func next() throws -> Pending {
    if let pending { return pending }
    guard let routing = client.map.known, let table = routing.catalog.table(named: "events") else {
      throw TallyError(.internalError, "the client knows no table")
    }
    let rows = Array(rowsLeft.prefix(Self.rowsOfBatch))
    rowsLeft = rowsLeft.dropFirst(Self.rowsOfBatch)
    guard !rows.isEmpty, let batch = try Workload.split(rows, table, routing).first?.batch else {
      throw TallyError(.internalError, "the scenario needs more rows than there are")
    }
    let made = Pending(sequence: sequence, rows: rows, batch: batch)
    (pending, sequence) = (made, sequence + 1)
    return made
  }
  private func attempt(_ pending: Pending, until deadline: Instant) async throws -> Ingested {
    guard let routing = client.map.known, let table = routing.catalog.table(named: "events") else {
      throw TallyError(.internalError, "the client knows no table")
    }
    let (address, epoch) = try routing.primary(of: pending.batch.shard)
    let reply = try await client.map.pool.call(
      .ingest(
        Ingest(
          shard: pending.batch.shard,
          epoch: epoch,
          version: routing.catalog.version,
          table: table.id,
          key: BatchKey(session: session, sequence: UInt64(pending.sequence), doneBelow: UInt64(pending.sequence)),
          contentHash: Workload.contentHash(pending.rows),
          batch: pending.batch.bytes
        )
      ),
      to: address,
      deadline: deadline
    )
    guard case .ingested(let answer) = reply else {
      throw TallyError(.protocolViolation, "an ingest request was answered with \(reply.name)")
    }
    return answer
  }

  /// Reads all rows and the rollup's count, once; the ledger judges: every row acknowledged by now must be there, so a stale read is for
  /// moments when the last write is older than its bound. Throws what a query fails with.
  func read(_ level: ReadLevel = .latest, within limit: Duration) async throws {
    let deadline = client.near.clock.now + limit
    func left() -> Duration { max(.milliseconds(1), deadline - client.near.clock.now) }
    let before = ledger.known
    let answer = try await client.read("SELECT id FROM events", level, timeout: left()).rows
    ledger.check(ids: answer.compactMap { $0[0].integer }, tenant: nil, since: before, "\(name) reads the table")
    let counted = try await client.read("SELECT sum(n) FROM activity", level, timeout: left()).rows.first?.first ?? .null
    let bounds = ledger.bounds(nil, since: before)
    if !bounds.contains(Int(counted.integer ?? 0)) { ledger.violated("\(name) reads the rollup: \(counted), not \(bounds)") }
  }
}
