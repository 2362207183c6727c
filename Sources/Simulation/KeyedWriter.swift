// KeyedWriter.swift — a client whose batches have ids of their own (UUIDv7), sent again until answered, now and then twice at once.
//
// Law: each is there once at most, and exactly once when that was answered; every answer says how many rows it has. Clocks that jump may
// have it refused as too old or too new: then it is given up, and a shard has its part or not. Half of them are INSERTs with a batch
// key, whole or not at all over their shards, through any coordinator; the others go to the shards' primaries as a client library sends
// them. A writer that was killed begins again with its first batch, under the same ids.
import Bytes
import Capabilities
import ClientCore
import Columns
import Model
import Wire

/// Writes batches under ids.
struct KeyedWriter: Sendable {
  let writer: StatementWriter
  let ledger: Ledger
  let batches: [[EventRow]]

  /// Brings all batches in.
  func write(_ client: ClusterClient, _ random: SeededGenerator) async throws {
    let (schema, routing) = try await writer.table(client)
    for (number, rows) in batches.enumerated() {
      let isKnown = ledger.isAcknowledged(rows)
      if !isKnown { try await client.near.clock.sleep(for: .milliseconds(Int64(random.next(in: 1...300)))) }
      let parts = try writer.parts(rows, schema, routing)
      for (shard, own) in parts { ledger.sending("keyed \(number) on \(shard)", own) }
      let isStatement = number % 2 == 0
      /// False: refused as too old or too new.
      let send = { @Sendable () async throws -> Bool in
        do {
          if isStatement {
            let sql = "INSERT INTO events VALUES " + rows.map(StatementWriter.values).joined(separator: ", ")
            return try await client.insert(sql, key: Self.id(number), rows: rows.count, ledger)
          }
          try await deliver(number, rows, parts, schema, client)
          return true
        } catch let error as TallyError where client.givesUp(error) { return false }
      }
      let isStored: Bool
      if random.next(below: 5) == 0 {
        async let first = send()
        async let second = send()
        let both = try await (first, second)
        isStored = both.0 || both.1
      } else {
        isStored = try await send()
      }
      if isStored { ledger.acknowledged(rows, at: client.near.clock.now) }
      if random.next(below: 5) == 0, try await send() { ledger.acknowledged(rows, at: client.near.clock.now) }
    }
  }
  /// The id of a batch: some hours old, for the nodes' clocks differ by two at most.
  static func id(_ number: Int, of writer: String = "") -> BatchID {
    let time = WallClock.epoch - 7_200_000_000 + Int64(number) * 1000
    let salt = writer.utf8.reduce(UInt64(0)) { SeededGenerator.mix($0 ^ UInt64($1)) }
    return BatchID(microseconds: time, random: (UInt64(number) ^ salt, UInt64(number) &* 0x9e37_79b9_7f4a_7c15 ^ salt))
  }
  private func deliver(
    _ number: Int,
    _ rows: [EventRow],
    _ parts: [(ShardID, [EventRow])],
    _ table: TableSchema,
    _ client: ClusterClient
  ) async throws {
    var options = ProducerOptions()
    options.patience = .seconds(900)
    options.tryTimeout = .seconds(5)
    let producer = Producer(keys: .id(Self.id(number)), table: table.id, stride: 1, map: client.map, options: options)
    let sent = parts.map { ShardBatch(shard: $0, part: 0, rows: $1.count, bytes: BatchFormat.encode(Workload.batch($1, table))) }
    let done = try await producer.deliver(chunk: 0, contentHash: Workload.contentHash(rows), batches: sent)
    if done.rowsDurable + done.rowsDuplicate != UInt64(rows.count) { ledger.violated("keyed \(number) was acknowledged with \(done)") }
  }
}

extension ClusterClient {
  /// Inserts under a batch key until that is answered; false when it was refused as too old or too new.
  func insert(_ sql: String, key: BatchID, rows: Int, _ ledger: Ledger) async throws -> Bool {
    let clock = near.clock
    let limit = clock.now + .seconds(900)
    while true {
      do {
        let request = QueryRequest(sql: sql, batchKey: key.description)
        let call = try await QueryCall.open(request, map: map, deadline: clock.now + .seconds(8))
        while let event = try await call.next() {
          guard case .end(let end) = event else { continue }
          if end.rows != UInt64(rows) { ledger.violated("batch \(key): \(end.rows) rows were answered, not \(rows)") }
        }
        return true
      } catch let error as TallyError where error.isRetryable || error.sqlState == "40001" || error.status == .unknownOutcome {
        guard clock.now < limit else { throw TallyError(error.status, "batch \(key): \(error)") }
        try await clock.sleep(for: .milliseconds(200))
      } catch let error as TallyError where givesUp(error) { return false }
    }
  }
  /// Whether a batch was refused for good as too old or too new, which wrong clocks may cause.
  fileprivate func givesUp(_ error: TallyError) -> Bool {
    guard error.status == .keyExpired || error.sqlState == "22023" else { return false }
    near.log.info("key-given-up", ("reason", error.message))
    return true
  }
}
