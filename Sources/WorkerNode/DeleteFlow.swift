// DeleteFlow.swift — DELETE and TRUNCATE at a primary: roll up, name the rows once, append what was named.
//
// Rollups count every row ever committed: so they take the rows in first, and the head refuses a deletion of rows they have not. Which
// rows are named, and what keeps their names true until the entry is applied: Storage/Deletion.
import Bytes
import Capabilities
import Execution
import Model
import Planning
import Storage
import Wire

extension Worker {
  /// Names the rows that a scan delivers and stages their deletion; durable when this returns.
  ///
  /// What is staged is named once: a repeated request is answered with the same number.
  func delete(_ request: DeleteRows) async throws -> Staged {
    if catalog.version < request.version { try await require(request.version) }
    let host = try writable(request.shard, request.epoch)
    guard case .scan(let scan) = try FragmentFormat.decode(request.fragment), case .table(request.table) = scan.source else {
      throw TallyError(.protocolViolation, "a deletion that is not of one table's scan", node: settings.name)
    }
    host.hear(request.statement, at: surroundings.clock.now)
    if let known = try await known(request, host) { return known }
    guard let table = host.store.head.schema.table(request.table) else {
      throw missing(request.table, in: request.shard, for: request.version)
    }
    if !isPlanted(.deletesBeforeRollup) { try await rollUp(request.table, host, request.epoch) }
    try await host.hold(table, for: .delete, by: request.statement, until: surroundings.clock.now + Self.changePatience, surroundings.clock)
    let named: (count: Int, appended: ShardHost.Appended)?
    do {
      defer { host.release(table) }
      // A copy of the request may have come first; what it named is not seen any more.
      if let known = try await known(request, host) { return known }
      named = try await name(request, scan, host)
    }
    guard let named else {
      throw TallyError(.staleCatalog, "table \(request.table) is not in shard \(request.shard)", node: settings.name)
    }
    try await host.settle(named.appended)
    return Staged(rows: UInt64(named.count), isDuplicate: false, point: host.appliedPoint)
  }
  /// The answer to a request whose part is staged.
  private func known(_ request: DeleteRows, _ host: ShardHost) async throws -> Staged? {
    guard let piece = host.store.head.statements.open[request.statement]?.piece(request.ordinal) else { return nil }
    try await host.settle(piece.position)
    return Staged(rows: UInt64(piece.stage.content.rows), isDuplicate: false, point: host.appliedPoint)
  }
  private func name(
    _ request: DeleteRows,
    _ scan: ScanNode,
    _ host: ShardHost
  ) async throws -> (count: Int, appended: ShardHost.Appended)? {
    try await host.store.naming(request.table, by: request.statement) { rows -> (count: Int, appended: ShardHost.Appended) in
      guard let through = host.store.deletable(request.table) else {
        throw TallyError(.unavailable, "a rollup of table \(request.table) is being backfilled", node: settings.name)
      }
      let change = try await surroundings.compute.attempt { try DeletedRows.name(scan, rows, through: through) }
      guard change.bytes <= ShardStore.deletionBytesMax else {
        throw TallyError.sql(
          "53200",
          "the \(change.affected) rows to delete on shard \(host.id) lie too scattered to be named in one statement",
          hint: "Delete them in parts, for instance by time."
        )
      }
      _ = try writable(request.shard, request.epoch)
      let stage = Stage(
        statement: request.statement,
        doneBelow: request.doneBelow,
        decider: request.decider,
        ordinal: request.ordinal,
        content: change.own.isEmpty ? .deletion(change.deletion) : .change(change)
      )
      guard case .appended(let appended) = try host.append(stage) else {
        throw TallyError(.unavailable, "statement \(request.statement) is being staged already", node: settings.name)
      }
      return (change.affected, appended)
    }
  }

  /// Returns when all rollups of the table hold every row applied before the call.
  func rollUp(_ table: TableID, _ host: ShardHost, _ epoch: Epoch) async throws {
    let target = host.store.lastBatch[table] ?? LogPosition(0)
    while host.store.deletable(table).map({ $0 < target }) ?? true {
      if let damage = host.damage { throw refusal(of: host, for: damage) }
      guard host.servingEpoch == epoch else {
        throw TallyError(.notPrimary, "shard \(host.id) is not served here any more", node: settings.name)
      }
      let isBusy = if host.isRolling { true } else { try await !roll(host.id) }
      if isBusy { try await surroundings.clock.sleep(for: .milliseconds(2)) }
      try Task.checkCancellation()
    }
  }
}
