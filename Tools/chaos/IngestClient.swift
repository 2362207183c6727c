// IngestClient.swift — a client that sends loads as fast as it is allowed, some of them twice, some cut off and completed later.
import Synchronization
import TallyClient

/// Loads that were cut off: whoever has time sends them again.
final class UnfinishedLoads: Sendable {
  private let loads = Mutex<[Load]>([])
  func add(_ load: Load) { loads.withLock { $0.append(load) } }
  func take() -> Load? { loads.withLock { $0.isEmpty ? nil : $0.removeFirst() } }
  var count: Int { loads.withLock { $0.count } }
}

/// One client.
struct IngestClient: Sendable {
  let number: Int
  let run: RunState
  let unfinished: UnfinishedLoads
  /// Tenants it writes for.
  let tenants: [Int64]
  /// How long an outage may last before a load counts as cut off.
  static let patience = Duration.seconds(40)

  /// Sends loads until the run stops.
  func send() async throws {
    var chance = run.chance("client", number)
    while !run.isStopping {
      var left = 1 + chance.below(12)  // loads over one connection
      _ = try await run.withClient("chaos-client-\(number)") { client in
        while left > 0 && !run.isStopping {
          left -= 1
          try await sendOne(client, &chance)
        }
      }
    }
  }

  private func sendOne(_ client: TallyClient, _ chance: inout Chance) async throws {
    if chance.percent(40), let load = unfinished.take() {
      run.figures.count("loads completed again")
      _ = try await deliver(load, client)
      return
    }
    let batchRows = chance.percent(30) ? chance.within(1...50) : chance.within(200...3000)
    let load = Load(
      id: run.newLoadID(),
      producer: Int64(number),
      batches: 1 + chance.below(30),
      batchRows: batchRows,
      tenants: tenants,
      chance: run.chance("loads")
    )
    run.figures.count("loads")
    switch chance.below(10) {
    case 0, 1:
      // The same keys from two sides at once: each row is stored by one of them.
      run.figures.count("loads sent twice at once")
      async let first = deliver(load, client)
      async let second = deliver(load, client)
      _ = try await (first, second)
    case 2, 3:
      run.figures.count("loads sent twice")
      if try await deliver(load, client) {
        let again = try await deliver(load, client, expectsDuplicates: true)
        if !again { run.figures.count("repetitions cut off") }
      }
    case 4:
      // The client goes away in the middle; somebody else completes the load, or nobody ever does.
      let pause = chance.milliseconds(1...400)
      let isCompleted = chance.percent(70)
      run.figures.count("loads cut off by their client")
      let delivery = Task { try await deliver(load, client, remembers: isCompleted) }
      try await Task.sleep(for: pause)
      delivery.cancel()
      _ = try await delivery.value
    default: _ = try await deliver(load, client)
    }
    try await Task.sleep(for: chance.milliseconds(0...150))
  }

  /// Sends a load; false when it was cut off, and then it is remembered for another try.
  @discardableResult
  func deliver(
    _ load: Load,
    _ client: TallyClient,
    expectsDuplicates: Bool = false,
    remembers: Bool = true
  ) async throws -> Bool {
    let sent = SentTimes()
    let (run, ledger) = (run, run.ledger)
    let taken: @Sendable (Int) -> Void = { batch in
      ledger.acknowledged(BatchName(load: load.id, batch: Int64(batch)))
      if let time = sent.time(of: batch) { run.figures.took("acknowledged", ContinuousClock.now - time) }
    }
    do {
      let summary = try await client.ingest(
        into: EventTable.name,
        columns: EventTable.columns,
        producer: load.name,
        batchRows: load.batchRows,
        patience: Self.patience,
        acknowledged: taken
      ) { sink in
        for batch in 0..<load.batches {
          let rows = load.rows(of: batch)
          ledger.sending(BatchName(load: load.id, batch: Int64(batch)), Load.parts(of: rows))
          sent.note(batch)
          for row in rows { try await sink.append(row, of: load, batch: batch) }
        }
      }
      let total = UInt64(load.batches * load.batchRows)
      if summary.rowsDurable + summary.rowsDuplicate != total {
        ledger.violated("load \(load.id) of \(total) rows was answered with \(summary)")
      }
      // After a try whose answer was lost the library cannot tell whose a duplicate is.
      if expectsDuplicates && summary.retries == 0 && summary.rowsDurable != 0 {
        ledger.violated("load \(load.id) was stored whole, and sent again \(summary.rowsDurable) rows were stored anew")
      }
      run.figures.count("rows stored", Int(summary.rowsDurable))
      run.figures.count("rows recognised", Int(summary.rowsDuplicate))
      run.figures.count("retries", Int(summary.retries))
      return true
    } catch is CancellationError {
      if remembers { unfinished.add(load) }
      return false
    } catch let error as TallyError where error.isRetryable || error.status == .cancelled {
      run.figures.count("loads given up: \(error.status)")
      if remembers { unfinished.add(load) }
      return false
    } catch let error as TallyError {
      ledger.violated("load \(load.id) failed for good: \(error)")
      return false
    }
  }
}

/// When batches of a load were given to the client library.
private final class SentTimes: Sendable {
  private let times = Mutex<[Int: ContinuousClock.Instant]>([:])
  func note(_ batch: Int) { times.withLock { $0[batch] = .now } }
  func time(of batch: Int) -> ContinuousClock.Instant? { times.withLock { $0.removeValue(forKey: batch) } }
}
