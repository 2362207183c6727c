// SchemaLoop.swift — makes, fills, looks at and drops small tables and rollups all the time: what was acknowledged stays, what
// was dropped is gone.
import Synchronization
import TallyClient

/// One loop of statements that change the catalog.
struct SchemaLoop: Sendable {
  let run: RunState
  private static let deadline = Duration.seconds(15)
  private static let tablesKept = 4

  /// A small table: what is known of it.
  private struct SmallTable {
    var name: String
    var acknowledgedRows = 0
    var sentRows = 0
  }

  /// Runs until the run stops, then looks at every table that is left.
  func change() async throws {
    var tables: [SmallTable] = []
    var number = 0
    var chance = run.chance("schema")
    while !run.isStopping {
      _ = try await run.withClient("chaos-schema") { client in
        while !run.isStopping {
          if tables.count >= Self.tablesKept {
            let at = chance.below(tables.count)
            try await drop(tables[at].name, client)
            tables.remove(at: at)
          } else {
            number += 1
            let name = "small_\(number)"
            if try await make(name, client) { tables.append(SmallTable(name: name)) }
          }
          for at in tables.indices where chance.percent(50) { try await insert(&tables[at], client, &chance) }
          for table in tables where chance.percent(30) { try await look(table, client) }
          try await Task.sleep(for: chance.milliseconds(50...1500))
        }
      }
    }
    for table in tables {
      run.figures.count("small tables left")
      leftOver(table)
    }
  }
  private func leftOver(_ table: SmallTable) {
    run.smallTables.withLock { $0.append((table.name, table.acknowledgedRows...table.sentRows)) }
  }

  /// Runs a statement until it is answered; `done` are the SQL states that say an earlier try took effect.
  private func persist(_ sql: String, _ client: TallyClient, done: [String] = []) async throws -> Bool {
    let begin = ContinuousClock.now
    while !run.isStopping {
      do {
        try await client.execute(sql, deadline: Self.deadline)
        run.figures.took("schema statement", ContinuousClock.now - begin)
        return true
      } catch let error as TallyError where done.contains(error.sqlState) {
        return true
      } catch let error as TallyError where error.isRetryable {
        run.figures.count("schema refusals: \(error.status)")
        try await Task.sleep(for: .milliseconds(50))
      } catch let error as TallyError {
        run.ledger.violated("\(sql) failed for good: \(error)")
        return false
      }
    }
    return false
  }
  private func make(_ name: String, _ client: TallyClient) async throws -> Bool {
    let steps: [(String, [String])] = [
      ("CREATE TABLE IF NOT EXISTS \(name) (k bigint NOT NULL, at timestamp, v bigint)", []),
      ("SELECT create_distributed_table('\(name)', 'k', shard_count => 2, colocate_with => 'none')", ["42P16", "55000"]),
      (
        """
        CREATE MATERIALIZED VIEW IF NOT EXISTS \(name)_sums WITH (rollup, levels = '1 day') AS
        SELECT k, time_bucket(at) AS bucket, count(*) AS n FROM \(name) GROUP BY k, bucket
        """, []
      ),
    ]
    for (sql, done) in steps { guard try await persist(sql, client, done: done) else { return false } }
    run.figures.count("small tables made")
    return true
  }
  private func drop(_ name: String, _ client: TallyClient) async throws {
    guard try await persist("DROP MATERIALIZED VIEW IF EXISTS \(name)_sums", client),
      try await persist("DROP TABLE IF EXISTS \(name)", client)
    else { return }
    run.figures.count("small tables dropped")
    do {
      let rows = try await Questions.answer("SELECT count(*) FROM \(name)", client, Self.deadline)
      run.ledger.violated("\(name) was dropped and still answers \(rows)")
    } catch let error as TallyError where error.sqlState == "42P01" || error.isRetryable {}
  }
  /// One try: an outcome that is unknown stays so.
  private func insert(_ table: inout SmallTable, _ client: TallyClient, _ chance: inout Chance) async throws {
    let count = 1 + chance.below(3)
    // One tenant: one shard, so all of it or nothing.
    let key = chance.below(50)
    let values = (0..<count).map { "(\(key), '2026-06-0\(1 + $0)', \($0))" }.joined(separator: ", ")
    do {
      table.sentRows += count
      try await client.execute("INSERT INTO \(table.name) VALUES \(values)", deadline: Self.deadline)
      table.acknowledgedRows += count
      run.figures.count("inserts")
    } catch let error as TallyError where error.isRetryable {
      run.figures.count("insert refusals: \(error.status)")
    }
  }
  private func look(_ table: SmallTable, _ client: TallyClient) async throws {
    do {
      try await Self.judge(table.name, table.acknowledgedRows...table.sentRows, client, run.ledger, Self.deadline)
    } catch let error as TallyError where error.isRetryable {
      run.figures.count("refusals: \(error.status)")
    }
  }
  /// A small table and its rollup hold what is known.
  static func judge(
    _ name: String,
    _ known: ClosedRange<Int>,
    _ client: TallyClient,
    _ ledger: Ledger,
    _ deadline: Duration
  ) async throws {
    for sql in ["SELECT count(*) FROM \(name)", "SELECT coalesce(sum(n), 0) FROM \(name)_sums"] {
      guard let row = try await Questions.answer(sql, client, deadline).first else { continue }
      let count = try Questions.integer(row, 0)
      if !known.contains(Int(count)) {
        ledger.violated("\(sql): \(count); acknowledged were \(known.lowerBound), sent \(known.upperBound)")
      }
    }
  }
}
