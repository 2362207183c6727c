// CounterTrials.swift — a table with a key that several writers change at once through the faults, and the judge of what it must hold.
//
// Every change adds a power of two of its own to some rows, by upserts over one or several shards or an UPDATE of all rows. So a row's
// number says which changes it has: laws: one that was answered is in all its rows, one that was refused in none, one whose answer was
// lost in all or none; none is there twice (it would show as another), none is lost by a change beside it. What was judged once stays.
import Capabilities
import ClientCore
import Model
internal import Synchronization
import Wire

/// What is known of the counters.
final class CounterTrials: Sendable {
  private struct Change {
    var rows: [Int]
    /// Nil: nobody knows.
    var isDone: Bool?
  }
  private struct State {
    var changes: [Change] = []
    var isReady = false
  }
  private static let tenants = 4
  private static let keys = 3
  private static let writers = 3
  /// Bits of a number that are used.
  private static let changesMax = 60
  private let workload: Workload
  private let ledger: Ledger
  private let state = Mutex(State())

  init(_ workload: Workload, _ ledger: Ledger) {
    self.workload = workload
    self.ledger = ledger
  }

  /// Makes the table and its rows, and changes them until `isOver`.
  func run(_ client: ClusterClient, _ random: SeededGenerator, until isOver: @escaping @Sendable () -> Bool) async throws {
    let columns = "(tenant bigint, k bigint, n bigint NOT NULL, PRIMARY KEY (tenant, k))"
    try await client.makeTable("counters", columns, shards: workload.shards, copies: workload.copies)
    let all = (0..<Self.tenants * Self.keys).map { Self.values($0, 0) }.joined(separator: ", ")
    try await client.persist("INSERT INTO counters") {
      _ = try await client.query("INSERT INTO counters VALUES \(all) ON CONFLICT DO NOTHING")
    }
    state.withLock { $0.isReady = true }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<Self.writers {
        let own = random.fork("counters \(writer)")
        group.addTask {
          while !isOver(), try await self.change(client, own) {
            try await client.near.clock.sleep(for: self.workload.pause(own, 1...400, steps: Self.changesMax / Self.writers))
          }
        }
      }
      try await group.waitForAll()
    }
  }
  private static func values(_ row: Int, _ n: Int64) -> String { "(\(row / keys), \(row % keys), \(n))" }

  /// Makes one change; false when there are no bits left.
  private func change(_ client: ClusterClient, _ random: SeededGenerator) async throws -> Bool {
    let count = Self.tenants * Self.keys
    let isUpdate = random.chance(percent: 20)
    var rows = Array(0..<count)
    if !isUpdate {
      rows = Set((0...random.next(below: 3)).map { _ in Int(random.next(below: UInt64(count))) }).sorted()
      // Most changes are of one tenant, so of one shard.
      if random.chance(percent: 60) { rows = rows.filter { $0 / Self.keys == rows[0] / Self.keys } }
    }
    let changed = rows
    let number = state.withLock { state -> Int? in
      guard state.changes.count < Self.changesMax else { return nil }
      state.changes.append(Change(rows: changed))
      return state.changes.count - 1
    }
    guard let number else { return false }
    let bit = Int64(1) << Int64(number)
    let sql =
      isUpdate
      ? "UPDATE counters SET n = n + \(bit)"
      : "INSERT INTO counters VALUES " + rows.map { Self.values($0, bit) }.joined(separator: ", ")
        + " ON CONFLICT (tenant, k) DO UPDATE SET n = counters.n + excluded.n"
    do {
      _ = try await client.query(sql, timeout: .seconds(8))
      state.withLock { $0.changes[number].isDone = true }
    } catch let error as TallyError {
      switch error.status {
      case .unknownOutcome, .timedOut, .cancelled: break
      case .unavailable, .notPrimary, .staleCatalog, .overloaded, .diskFull: state.withLock { $0.changes[number].isDone = false }
      case .invalid where error.sqlState == "40001", .stalePlan: state.withLock { $0.changes[number].isDone = false }
      default: ledger.violated("change \(number) of counters failed: \(error)")
      }
      client.near.log.info("change-failed", ("change", "\(number)"), ("error", "\(error)"))
    }
    return true
  }

  /// Judges all rows, once what is open has ended: within 40 s.
  func judge(_ client: ClusterClient, _ what: String) async throws {
    guard state.withLock({ $0.isReady }) else { return }
    let limit = client.near.clock.now + .seconds(40)
    while true {
      let broken = Mutex<String?>(nil)
      try await client.persist("counters, \(what)") {
        let found = try await self.check(client)
        broken.withLock { $0 = found }
      }
      guard let law = broken.withLock({ $0 }) else { return }
      guard client.near.clock.now < limit else { return ledger.violated("\(what): \(law)") }
      try await client.near.clock.sleep(for: .milliseconds(500))
    }
  }
  /// What is broken; what was not known before is known afterwards.
  private func check(_ client: ClusterClient) async throws -> String? {
    let found = try await client.query("SELECT tenant, k, n FROM counters", timeout: .seconds(30)).map { $0.compactMap(\.integer) }
    var numbers = [Int64](repeating: -1, count: Self.tenants * Self.keys)
    for row in found {
      let at = Int(row[0]) * Self.keys + Int(row[1])
      guard numbers[at] < 0 else { return "counter \(at) is there twice" }
      numbers[at] = row[2]
    }
    return state.withLock { state in
      for (at, number) in numbers.enumerated() where number < 0 || number >> Int64(state.changes.count) != 0 {
        return "counter \(at) is \(number) after \(state.changes.count) changes"
      }
      for (number, change) in state.changes.enumerated() {
        let there = numbers.indices.filter { numbers[$0] >> Int64(number) & 1 == 1 }
        if !there.isEmpty, there != change.rows { return "change \(number) of counters \(change.rows) is in \(there)" }
        if let isDone = change.isDone, isDone == there.isEmpty {
          return "change \(number) of counters \(change.rows) was \(isDone ? "answered" : "refused") and is in \(there)"
        }
      }
      for at in state.changes.indices where state.changes[at].isDone == nil {
        state.changes[at].isDone = numbers[state.changes[at].rows[0]] >> Int64(at) & 1 == 1
      }
      return nil
    }
  }
}
