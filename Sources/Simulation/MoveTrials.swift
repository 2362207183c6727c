// MoveTrials.swift — tables whose rows move through the faults: filled while they are local, distributed, made reference tables and local
// again, while another client writes and counts them.
//
// One client writes and counts, one thing after another, so that what a count must find is known, as in TableTrials; every row has a number
// of its own, so a row that is there twice is seen. The other moves the rows. Whatever a move is answered, or not, the rows are all there.
import Capabilities
import ClientCore
import Model

extension ClusterRun {
  /// Works until everything else was delivered.
  func moveTables() async throws {
    let random = world.random.fork("moves")
    let (carrier, pen) = (world.node("carrier", host: "10.0.2.14"), world.node("pen", host: "10.0.2.15"))
    var number = 0
    while isReading {
      number += 1
      let (name, isKeyed) = ("moved_\(number)", random.chance(percent: 50))
      let trial = MoveTrial(ledger: ledger, workload: workload, name: name, isKeyed: isKeyed)
      try await pen.run { near in
        try await ClusterClient.run(near, "pen", self.cluster.coordinators) { client in try await trial.make(client) }
      }
      let (writing, moving) = (random.fork("writing \(number)"), random.fork("moving \(number)"))
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          try await pen.run { near in
            try await ClusterClient.run(near, "pen", self.cluster.coordinators) { client in
              try await trial.write(client, writing) { self.isReading }
            }
          }
        }
        group.addTask {
          try await carrier.run { near in
            try await ClusterClient.run(near, "carrier", self.cluster.coordinators) { client in
              try await trial.move(client, moving) { self.isReading }
            }
          }
        }
        try await group.waitForAll()
      }
      try await pen.run { near in
        try await ClusterClient.run(near, "pen", self.cluster.coordinators) { client in try await trial.end(client) }
      }
    }
  }
}

/// One life of a table.
private final class MoveTrial: @unchecked Sendable {
  // Safe: touched by the simulation's thread only.
  let ledger: Ledger
  let workload: Workload
  let name: String
  let isKeyed: Bool
  private var (sure, doubtful, next) = (0, 0, 0)

  init(ledger: Ledger, workload: Workload, name: String, isKeyed: Bool) {
    (self.ledger, self.workload, self.name, self.isKeyed) = (ledger, workload, name, isKeyed)
  }

  func make(_ client: ClusterClient) async throws {
    let key = isKeyed ? ", PRIMARY KEY (tenant, n)" : ""
    try await client.persist("CREATE TABLE \(name)", accepting: ["42P07"]) {
      _ = try await client.query("CREATE TABLE \(name) (tenant bigint, n bigint\(key))")
    }
    await insert(client, 40)
  }
  func write(_ client: ClusterClient, _ random: SeededGenerator, while isWanted: () -> Bool) async throws {
    for _ in 0..<random.next(in: 4...16) where isWanted() {
      try await client.near.clock.sleep(for: workload.pause(random, 5...500, steps: 60))
      if random.chance(percent: 40) { await count(client) } else { await insert(client, 1 + Int(random.next(below: 5))) }
    }
  }
  func move(_ client: ClusterClient, _ random: SeededGenerator, while isWanted: () -> Bool) async throws {
    for _ in 0..<random.next(in: 1...4) where isWanted() {
      try await client.near.clock.sleep(for: workload.pause(random, 5...800, steps: 60))
      let call =
        switch random.next(below: 4) {
        // Reference tables have two copies that count: fewer than the faults of a seed with three leave.
        case 0 where workload.copiesInSync <= 2: "create_reference_table('\(name)')"
        case 1: "undistribute_table('\(name)')"
        default: "create_distributed_table('\(name)', 'tenant', shard_count => 2, copies => \(workload.copies))"
        }
      do {
        _ = try await client.query("SELECT \(call)", timeout: .seconds(30))
        ledger.answered()
      } catch let error as TallyError {
        // 42P16, 55000: it is where it shall go. 55006: an earlier try still moves it. 55P03: writers did not end.
        guard error.isRetryable || ["40001", "42P16", "55000", "55006", "55P03"].contains(error.sqlState) else {
          ledger.violated("\(call) failed: \(error)")
          return
        }
        ledger.refused()
      }
    }
  }
  func end(_ client: ClusterClient) async throws {
    let (name, ledger) = (name, ledger)
    try await client.persist("counting \(name)") { [self] in try judge(try await client.query(question, timeout: .seconds(30))) }
    ledger.answered()
    try await client.drop(name)
  }

  private var question: String { "SELECT count(*), count(DISTINCT n) FROM \(name)" }
  private func judge(_ answer: [[Cell]]) throws {
    let counts = answer.first?.compactMap(\.integer) ?? []
    guard counts.count == 2, counts[0] == counts[1], (sure...sure + doubtful).contains(Int(counts[0])) else {
      return ledger.violated("\(name) has \(counts) rows, not \(sure)…\(sure + doubtful)")
    }
  }
  private func count(_ client: ClusterClient) async {
    do {
      try judge(try await client.query(question))
      ledger.answered()
    } catch let error as TallyError {
      if error.isRetryable { ledger.refused() } else { ledger.violated("counting \(name) failed: \(error)") }
    } catch {}  // It is ended.
  }
  private func insert(_ client: ClusterClient, _ rows: Int) async {
    let values = (next..<next + rows).map { "(\($0 % 7), \($0))" }.joined(separator: ", ")
    next += rows
    do {
      _ = try await client.query("INSERT INTO \(name) VALUES \(values)")
      sure += rows
    } catch let error as TallyError {
      switch error.status {
      case .unknownOutcome, .timedOut, .cancelled: doubtful += rows
      case .unavailable, .notPrimary, .staleCatalog, .overloaded, .diskFull, .stalePlan: break
      case .invalid where error.sqlState == "40001": break
      default: ledger.violated("an INSERT into \(name) failed: \(error)")
      }
    } catch {}  // It is ended.
  }
}
