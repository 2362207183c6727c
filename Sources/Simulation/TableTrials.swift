// TableTrials.swift — a second table lives through the faults: made, distributed, filled, read, truncated, dropped, again and again.
//
// One client does one thing after another, so that what a count must find is known: rows whose INSERT was answered are there, those of
// refused ones are not, those of unknown ones may be, all or none of each. A TRUNCATE that was answered leaves nothing of what was answered
// before it; a statement in doubt may still come after it.
import Capabilities
import ClientCore
import Model

extension ClusterRun {
  /// Works until everything else was delivered.
  func workOnSecondTable() async throws {
    let random = world.random.fork("second table")
    try await clerk.run { near in
      try await ClusterClient.run(near, "clerk", self.cluster.coordinators) { client in
        var number = 0
        while self.isReading {
          number += 1
          try await TableTrial(client: client, ledger: self.ledger, workload: self.workload, name: "notes_\(number)")
            .run(random) { self.isReading }
        }
      }
    }
  }
}

/// One life of a table.
private struct TableTrial {
  let client: ClusterClient
  let ledger: Ledger
  let workload: Workload
  let name: String

  func run(_ random: SeededGenerator, while isWanted: () -> Bool) async throws {
    try await client.makeTable(name, "(tenant bigint, text text)", shards: 2, copies: workload.copies)
    var (sure, doubtful) = (0, 0)
    for _ in 0..<random.next(in: 1...12) where isWanted() {
      try await client.near.clock.sleep(for: workload.pause(random, 5...800, steps: 60))
      switch random.next(below: 8) {
      case 0:
        try await client.persist("TRUNCATE \(name)") { _ = try await client.query("TRUNCATE \(name)", timeout: .seconds(30)) }
        sure = 0
        ledger.answered()
      case 1...3:
        do {
          let answer = try await client.query("SELECT count(*) FROM \(name)")
          let count = answer.first?.first?.integer ?? -1
          if count < sure || count > sure + doubtful { ledger.violated("\(name) has \(count) rows, not \(sure)…\(sure + doubtful)") }
          ledger.answered()
        } catch let error as TallyError {
          if error.isRetryable { ledger.refused() } else { ledger.violated("counting \(name) failed: \(error)") }
        }
      default:
        let rows = 1 + Int(random.next(below: 5))
        let values = (0..<rows).map { "(\($0), 'row \($0)')" }.joined(separator: ", ")
        do {
          _ = try await client.query("INSERT INTO \(name) VALUES \(values)")
          sure += rows
        } catch let error as TallyError {
          switch error.status {
          case .unknownOutcome, .timedOut, .cancelled: doubtful += rows
          case .unavailable, .notPrimary, .staleCatalog, .overloaded, .diskFull: break
          case .invalid where error.sqlState == "40001", .stalePlan: break
          default: ledger.violated("an INSERT into \(name) failed: \(error)")
          }
        }
      }
    }
    try await client.drop(name)
  }
}
