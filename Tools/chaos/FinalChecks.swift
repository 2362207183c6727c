// FinalChecks.swift — what must hold when nothing is sent any more: table = ledger, every level of the rollup = table, sketches too.
import Synchronization
import TallyClient

/// The judgement at rest.
struct FinalChecks {
  let run: RunState
  private static let deadline = Duration.seconds(60)
  /// A question is repeated while the cluster cannot answer it.
  private static let patience = 60.0

  /// All of it; `when` names the moment in what is said.
  func all(_ when: String) async throws {
    let before = run.ledger.violationCount
    try await persist("refreshing the rollup \(when)") { try await $0.refreshRollup(EventTable.rollup, deadline: Self.deadline) }
    try await persist("batches \(when)") { try await Questions.batches(of: nil, $0, run.ledger, Self.deadline) }
    try await persist("levels \(when)") { try await levels($0) }
    try await persist("sketches \(when)") { try await sketches($0) }
    for (name, known) in run.smallTables.withLock({ $0 }) {
      try await persist("\(name) \(when)") { try await SchemaLoop.judge(name, known, $0, run.ledger, Self.deadline) }
    }
    run.say("\(when): \(run.ledger.violationCount == before ? "everything agrees" : "VIOLATIONS")")
  }

  private func persist(_ what: String, _ body: (TallyClient) async throws -> Void) async throws {
    let end = run.elapsed + Self.patience
    while true {
      do { return try await TallyClient.with(run.url, body) } catch let error as TallyError {
        guard error.isRetryable, run.elapsed < end else {
          run.ledger.violated("\(what): \(error)")
          return
        }
        try await Task.sleep(for: .milliseconds(200))
      }
    }
  }
  /// Rows and sums of every tenant at every level are those of the table.
  private func levels(_ client: TallyClient) async throws {
    let table = try await Questions.sums("events", client, Self.deadline)
    for level in EventTable.levels {
      let sums = try await Questions.sums(level, client, Self.deadline)
      for tenant in Set(table.keys).union(sums.keys).sorted() where table[tenant] != sums[tenant] {
        let (rows, states) = (table[tenant] ?? Sums(), sums[tenant] ?? Sums())
        run.ledger.violated(
          "\(level): tenant \(tenant) has \(rows.rows) rows with sum \(rows.values), the rollup says \(states.rows) with \(states.values)"
        )
      }
    }
  }
  /// Distinct users bit by bit and counts of items (fewer than a list's capacity: exact) are those of the table.
  private func sketches(_ client: TallyClient) async throws {
    let select = { (users: String, items: String, relation: String) in
      "SELECT tenant, \(users), \(items) FROM \(relation) GROUP BY tenant ORDER BY tenant"
    }
    let table = try await Questions.answer(
      select("hll_add_agg(hll_hash_bigint(user_id))", "topn_add_agg(item)", "events"),
      client,
      Self.deadline
    )
    for level in EventTable.levels {
      let states = try await Questions.answer(select("hll_union_agg(users)", "topn_union_agg(items)", level), client, Self.deadline)
      if states == table { continue }
      let differing = zip(table, states).filter { $0 != $1 }.compactMap { $0.0[0] ?? "NULL" }
      run.ledger.violated("\(level): sketches differ from the table's for tenants \(differing.joined(separator: " "))")
    }
  }
}
