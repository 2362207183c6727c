// ClusterClient.swift — a client's connections and its SQL on a simulated machine: what ClientCore gives, with typed cells.
import Aggregates
import Capabilities
import ClientCore
import Columns
import Model
import RPC
import Wire

/// One value of an answer.
enum Cell: Sendable, Equatable {
  case null
  case integer(Int64)
  case text(String)
  case hll(HyperLogLog)
  case topn(TopN)

  var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
}

/// A client.
final class ClusterClient: Sendable {
  let map: ClusterMap
  let near: Surroundings

  private init(_ near: Surroundings, _ map: ClusterMap) {
    self.near = near
    self.map = map
  }
  /// Runs `body` with connections to the cluster.
  static func run<R: Sendable>(
    _ near: Surroundings,
    _ name: String,
    _ coordinators: [NetworkAddress],
    _ body: @escaping @Sendable (ClusterClient) async throws -> R
  ) async throws -> R {
    let pool = ConnectionPool(
      identity: { PeerIdentity(name: name) },
      network: near.network,
      clock: near.clock,
      random: near.random
    )
    let map = ClusterMap(
      coordinators: coordinators,
      pool: pool,
      clock: near.clock,
      random: near.random
    )
    return try await withThrowingTaskGroup(of: R?.self) { group in
      group.addTask {
        await pool.run()
        return nil
      }
      group.addTask { try await body(ClusterClient(near, map)) }
      defer {
        pool.close()
        group.cancelAll()
      }
      while let ended = try await group.next() { if let result = ended { return result } }
      throw CancellationError()
    }
  }
  /// Runs one statement and returns its rows.
  func query(_ sql: String, timeout: Duration = .seconds(10)) async throws -> [[Cell]] {
    try await read(sql, .latest, timeout: timeout).rows
  }
  /// Runs one statement at a read level; returns its rows, and how old they may be in microseconds.
  func read(_ sql: String, _ level: ReadLevel, timeout: Duration = .seconds(10)) async throws -> (rows: [[Cell]], age: UInt64?) {
    near.log.record(.debug, "asks", [("sql", sql), ("read", level.description)])
    let request = QueryRequest(sql: sql, read: level)
    return try await answer(to: try await QueryCall.open(request, map: map, deadline: near.clock.now + timeout))
  }
  /// Runs a statement whose answer is one column of integers, at a read level: most of what a run reads are numbers of rows, and rows of
  /// cells cost many times what they hold. NULLs are left out. Also tells how old the answer may be, in microseconds.
  func integers(_ sql: String, _ level: ReadLevel, timeout: Duration = .seconds(10)) async throws -> (values: [Int64], age: UInt64?) {
    near.log.record(.debug, "asks", [("sql", sql), ("read", level.description)])
    let call = try await QueryCall.open(QueryRequest(sql: sql, read: level), map: map, deadline: near.clock.now + timeout)
    var (values, count): ([Int64], Int) = ([], 0)
    let age = try await each(batchOf: call) { batch in
      count += batch.count
      guard let column = batch.columns.first, case .fixed(let numbers) = column.values else { return }
      if column.validity == nil {
        values += numbers
      } else {
        for row in 0..<batch.count where !column.isNull(row) { values.append(numbers[row]) }
      }
    }
    tell(count, age)
    return (values, age)
  }
  /// Deletes a tenant or asks for its receipt.
  func tenant(_ request: TenantRequest, timeout: Duration) async throws -> [[Cell]] {
    near.log.record(.debug, "asks", [("tenant", request.tenant)])
    return try await answer(to: try await QueryCall.tenant(request, map: map, deadline: near.clock.now + timeout)).rows
  }
  private func answer(to call: QueryCall) async throws -> (rows: [[Cell]], age: UInt64?) {
    var rows: [[Cell]] = []
    let age = try await each(batchOf: call) { batch in
      for row in 0..<batch.count {
        rows.append(
          [Cell](unsafeUninitializedCapacity: batch.columns.count) { cells, count in
            while count < batch.columns.count {
              cells.initializeElement(at: count, to: Self.cell(batch.columns[count], row))
              count += 1
            }
          }
        )
      }
    }
    tell(rows.count, age)
    return (rows, age)
  }
  /// Returns how old the answer may be.
  private func each(batchOf call: QueryCall, _ body: (Batch) -> Void) async throws -> UInt64? {
    var age: UInt64?
    while let event = try await call.next() {
      switch event {
      case .header: break
      case .batch(let batch): body(batch)
      case .end(let end): age = end.statistics.age
      }
    }
    return age
  }
  private func tell(_ rows: Int, _ age: UInt64?) {
    near.log.record(.debug, "answered", [("rows", "\(rows)"), ("age", age.map(String.init) ?? "unknown")])
  }
  static func cell(_ column: ColumnVector, _ row: Int) -> Cell {
    if column.isNull(row) { return .null }
    func text(_ bytes: [UInt8], _ offsets: [UInt32], _ at: Int) -> Cell {
      .text(String(decoding: bytes[Int(offsets[at])..<Int(offsets[at + 1])], as: UTF8.self))
    }
    switch column.values {
    case .fixed(let values): return .integer(values[row])
    case .numeric(let values):
      guard values[row].scale == 0, let value = Int64(exactly: values[row].coefficient) else {
        return .text("\(values[row].coefficient)e-\(values[row].scale)")
      }
      return .integer(value)
    case .double(let values): return .text("\(values[row])")
    case .interval(let values): return .text("\(values[row])")
    case .text(let texts): return text(texts.bytes, texts.offsets, row)
    case .codes(let codes, let dictionary): return text(dictionary.bytes, dictionary.offsets, Int(codes[row]))
    case .hll(let states): return .hll(states.state(row))
    case .topn(let states): return .topn(states.state(row))
    }
  }
  /// Makes a table that is distributed by its column `tenant`, unless an earlier try has. `definition` follows its name.
  func makeTable(_ name: String, _ definition: String, shards: Int, copies: Int) async throws {
    try await persist("CREATE TABLE \(name)", accepting: ["42P07"]) { _ = try await query("CREATE TABLE \(name) \(definition)") }
    try await persist("distributing \(name)", accepting: ["55000", "42P16"]) {
      _ = try await query("SELECT create_distributed_table('\(name)', 'tenant', shard_count => \(shards), copies => \(copies))")
    }
  }
  /// Drops a table, unless an earlier try has.
  func drop(_ name: String) async throws {
    try await persist("DROP TABLE \(name)", accepting: ["42P01"]) { _ = try await query("DROP TABLE \(name)") }
  }
  /// Repeats `body` while it fails in a way that time heals, or was told to repeat its transaction (40001: others hold the table, or its
  /// number is gone because an earlier try is still at it or its rows move). `accepted` are SQL states that mean that an earlier try
  /// succeeded.
  func persist(
    _ what: String,
    accepting accepted: [String] = [],
    _ body: @Sendable () async throws -> Void
  ) async throws {
    var tries = 0
    while true {
      do { return try await body() } catch let error as TallyError {
        if accepted.contains(error.sqlState) { return }
        tries += 1
        guard error.isRetryable || error.sqlState == "40001", tries < 2000 else {
          throw TallyError(error.status, "\(what): \(error)")
        }
        try await near.clock.sleep(for: .milliseconds(100))
      }
    }
  }
}
