// PlacementFlow.swift — a local table gets its place with its first rows: the one shard of the group of local tables.
//
// Until then it is in the catalog only: it has no rows anywhere and reading it asks nobody. Whoever wants to write calls `placed` before
// it splits rows by shard. Only the leader can change the catalog; others have it do so by opening a session for the table there.
import Bytes
import Capabilities
import Model
import Planning
import RPC
import Wire

extension Coordinator {
  /// The table with its place, which it gets now if it has none.
  func placed(_ table: TableSchema) async throws -> TableSchema {
    guard case .local = table.distribution else { return table }
    // Those that its rows refer to are looked up on the same shard.
    for reference in table.references where reference.table != table.id {
      if let other = await log.catalog.snapshot.table(reference.table) { _ = try await placed(other) }
    }
    if let known = await log.catalog.snapshot.table(table.id), known.distribution.group != nil { return known }
    if await decides {
      try await place(table.id, isReference: false)
    } else {
      let deadline = surroundings.clock.now + Self.broadcastTimeout
      let request = OpenProducer(
        table: table.qualifiedName,
        name: "place of a local table",
        chunkBytes: 0,
        fingerprint: .zero,
        again: true
      )
      _ = try await askLeader(.openProducer(request), until: deadline)
      try await freshenToRead(until: deadline)
    }
    guard let known = await log.catalog.snapshot.table(table.id) else {
      throw TallyError.sql("42P01", "relation \"\(table.name)\" does not exist")
    }
    guard known.distribution.group != nil else { throw TallyError(.staleCatalog, "table \(table.name) has no place yet") }
    return known
  }
  /// Gives a table without a place the one of local or of reference tables.
  func place(_ table: TableID, isReference: Bool, in transaction: OpenTransaction? = nil) async throws {
    let (nodes, copies) = try await singlePlacement(isReference: isReference)
    do {
      let command = CatalogCommand.placeTable(table, isReference: isReference, placement: nodes, copies: copies)
      _ = try await propose(command, in: transaction)
    } catch let error as TallyError where error.sqlState == "55000" && !isReference {
      // Another statement was first.
    }
    try await broadcast()
  }
  /// The nodes of the one shard of local or of reference tables, for a group that has to be made.
  func singlePlacement(isReference: Bool) async throws -> (nodes: [NodeID], copies: Int) {
    try await untilFleetKnown()
    let now = surroundings.clock.now
    let copies = isReference ? 0 : settings.copies
    let snapshot = await log.catalog.snapshot
    return (try Placement.spread(1, copies: copies, snapshot) { fleet.isStaying($0, at: now) }[0], copies)
  }
}
