// StatementWriter.swift — a client that inserts rows of several tenants in one statement each, and the judge of what they come to.
//
// Laws: a statement that was answered is there whole, one that was refused is not there at all, one whose answer was lost is there whole
// or not at all, on all shards, once every node was up for a while; and what it came to stays. A shard shows its part of a statement
// whole or not at all at any time: the parts are batches of the ledger. Statements have no key and are never repeated. In the end some
// are deleted again: their rows are gone from all shards for good, and the rollup goes on counting them.
import Bytes
import Capabilities
import ClientCore
import Columns
import Model
internal import Synchronization
import Wire

/// What is known of the statements of a run.
final class StatementLedger: Sendable {
  /// What a client was told.
  enum Told: Sendable {
    /// Nothing yet, or that nobody knows.
    case nothing
    case done
    case refused
  }
  private struct State {
    var begun = 0
    var told: [Told]
    /// Whether each is there, once all was healed.
    var isThere: [Bool]?
    /// Statements whose rows were deleted.
    var deleted: Set<Int> = []
  }
  let statements: [[EventRow]]
  private let state: Mutex<State>

  init(_ statements: [[EventRow]]) {
    self.statements = statements
    state = Mutex(State(told: [Told](repeating: .nothing, count: statements.count)))
  }
  /// The next statement that was never sent.
  func begin() -> Int? {
    state.withLock { state in
      guard state.begun < statements.count else { return nil }
      state.begun += 1
      return state.begun - 1
    }
  }
  func tell(_ number: Int, _ told: Told) { state.withLock { $0.told[number] = told } }
  var told: [Told] { state.withLock { $0.told } }
  /// Rows of the statements that took effect.
  var rowsThere: [EventRow] {
    let isThere = state.withLock { $0.isThere } ?? []
    return zip(statements, isThere).flatMap { $1 ? $0 : [] }
  }

  /// The rows of the next statement that is there and was not deleted; they count as deleted from now on.
  func deleteNext() -> [EventRow]? {
    state.withLock { state in
      let isThere = state.isThere ?? []
      guard let number = isThere.indices.first(where: { isThere[$0] && !state.deleted.contains($0) }) else { return nil }
      state.deleted.insert(number)
      return statements[number]
    }
  }
  /// Judges which statements are there; nil while one is there in part. Later calls must find the same.
  func judge(_ ids: Set<Int64>, _ ledger: Ledger, _ what: String) -> Bool {
    let counts = statements.map { rows in rows.count { ids.contains($0.id) } }
    for (rows, count) in zip(statements, counts) where count != 0 && count != rows.count { return false }
    let deleted = state.withLock { $0.deleted }
    let isThere = counts.enumerated().map { $1 > 0 || deleted.contains($0) }
    for number in deleted.sorted() where counts[number] > 0 {
      ledger.violated("\(what): statement \(number) was deleted and is there")
    }
    for (number, told) in told.enumerated() {
      if told == .done, !isThere[number] { ledger.violated("\(what): statement \(number) was answered and is not there") }
      if told == .refused, isThere[number] { ledger.violated("\(what): statement \(number) was refused and is there") }
    }
    state.withLock { state in
      if let before = state.isThere, before != isThere {
        ledger.violated("\(what): statements are there or not otherwise than before")
      }
      state.isThere = isThere
    }
    return true
  }
}

/// Writes statements and judges them.
struct StatementWriter: Sendable {
  let workload: Workload
  let ledger: Ledger
  let statements: StatementLedger

  /// Statements under way at once.
  private static let width = 3

  /// Sends the statements that were not sent yet.
  func write(_ client: ClusterClient, _ random: SeededGenerator) async throws {
    let table = try await table(client)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<Self.width { group.addTask { try await self.write(client, table, random) } }
      try await group.waitForAll()
    }
  }
  private func write(
    _ client: ClusterClient,
    _ table: (schema: TableSchema, routing: RequestRouting),
    _ random: SeededGenerator
  ) async throws {
    while let number = statements.begin() {
      try await client.near.clock.sleep(for: workload.pause(random, 1...400, steps: statements.statements.count / Self.width))
      let rows = statements.statements[number]
      for (shard, own) in try parts(rows, table.schema, table.routing) { ledger.sending("statement \(number) on \(shard)", own) }
      do {
        _ = try await client.query("INSERT INTO events VALUES " + rows.map(Self.values).joined(separator: ", "), timeout: .seconds(8))
        statements.tell(number, .done)
        ledger.acknowledged(rows, at: client.near.clock.now)
      } catch let error as TallyError {
        switch error.status {
        case .unknownOutcome, .timedOut, .cancelled: break
        case .unavailable, .notPrimary, .staleCatalog, .overloaded, .diskFull:
          statements.tell(number, .refused)
          try await client.near.clock.sleep(for: .milliseconds(500))
        case .invalid where error.sqlState == "40001", .stalePlan: statements.tell(number, .refused)
        default: ledger.violated("statement \(number) failed: \(error)")
        }
        client.near.log.info("statement-failed", ("statement", "\(number)"), ("error", "\(error)"))
      }
    }
  }
  func table(_ client: ClusterClient) async throws -> (schema: TableSchema, routing: RequestRouting) {
    while true {
      do {
        let routing = try await client.map.refresh(after: client.map.known, deadline: client.near.clock.now + .seconds(5))
        if let schema = routing.catalog.table(named: "events"), case .distributed = schema.distribution { return (schema, routing) }
      } catch let error as TallyError where error.isRetryable {}
      try await client.near.clock.sleep(for: .milliseconds(50))
    }
  }
  func parts(_ rows: [EventRow], _ table: TableSchema, _ routing: RequestRouting) throws -> [(ShardID, [EventRow])] {
    guard case .distributed(_, let group) = table.distribution else { return [] }
    var parts: [ShardID: [EventRow]] = [:]
    for row in rows {
      guard let shard = routing.shard(of: group, hash: StableHash.hash(row.tenant)) else {
        throw TallyError(.internalError, "no shard holds tenant \(row.tenant)")
      }
      parts[shard.id, default: []].append(row)
    }
    return parts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
  static func values(_ row: EventRow) -> String {
    let time = row.time.flatMap { ValueText.print(.fixed($0), as: .timestamp) }.map { "'\($0)'" } ?? "NULL"
    let item = row.item.map { "'\($0)'" } ?? "NULL"
    return "(\(row.tenant), \(time), \(row.user.map { "\($0)" } ?? "NULL"), \(item), \(row.id), \(row.value))"
  }

  /// Deletes the rows of some statements, each by one DELETE over all shards; repeated until it is answered.
  func delete(_ client: ClusterClient, count: Int) async throws {
    for _ in 0..<count {
      guard let rows = statements.deleteNext(), let first = rows.first, let last = rows.last else { return }
      try await client.persist("DELETE") {
        _ = try await client.query("DELETE FROM events WHERE id BETWEEN \(first.id) AND \(last.id)", timeout: .seconds(60))
      }
      ledger.noteDeleted(rows)
    }
  }

  /// Waits until no statement is open, which must come within half a minute of the last fault, and judges all.
  func judge(_ client: ClusterClient, _ what: String) async throws {
    let clock = client.near.clock
    let limit = clock.now + .seconds(40)
    // Reports of open statements come with heartbeats: none is heard yet of a node that has just started.
    try await clock.sleep(for: .seconds(2))
    while true {
      let open = try await openStatements(client)
      let ids = Set(try await client.integers("SELECT id FROM events", .latest, timeout: .seconds(60)).values)
      if open.isEmpty, statements.judge(ids, ledger, what) { return }
      guard clock.now < limit else {
        return ledger.violated("\(what): statements are open or there in part after 40 s: \(open.joined(separator: ", "))")
      }
      try await clock.sleep(for: .milliseconds(500))
    }
  }
  private func openStatements(_ client: ClusterClient) async throws -> [String] {
    let call = try await QueryCall.list(.statements, map: client.map, deadline: client.near.clock.now + .seconds(10))
    var open: [String] = []
    while let event = try await call.next() {
      guard case .batch(let batch) = event else { continue }
      for row in 0..<batch.count {
        let cells = batch.columns.prefix(2).map { ClusterClient.cell($0, row) }
        if case .text(let name) = cells[0] { open.append("\(name) on \(cells[1].integer ?? -1)") }
      }
    }
    return open
  }
}
