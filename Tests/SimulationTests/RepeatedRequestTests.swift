// RepeatedRequestTests.swift — every request of a statement is made twice, as after a lost answer: what counts is the same.
import Bytes
import Capabilities
import ClientCore
import Model
import Planning
import RPC
import Testing
import Wire

@testable import Simulation

/// Loses every first answer.
private struct TwiceCalls: PrimaryCalls {
  let client: ClusterClient
  let replies: Shared<[Message]>
  func call(
    _ shard: ShardID,
    giveUp: Instant,
    _ request: @escaping @Sendable (Epoch, CatalogVersion) -> Message
  ) async throws -> Message {
    let routing = try await client.map.current(deadline: giveUp)
    let (address, epoch) = try routing.primary(of: shard)
    let message = request(epoch, routing.catalog.version)
    let lost = try await client.map.pool.call(message, to: address, deadline: giveUp)
    let reply = try await client.map.pool.call(message, to: address, deadline: giveUp)
    if case .deleteRows = message { replies.update { $0 += [lost, reply] } }
    return reply
  }
}

@Test func aDeletionWhoseAnswerWasLostCountsTheSameRows() throws {
  let replies = Shared<[Message]>([])
  let outcome = Scenario.play(Scenario.Shape()) { scene in
    let client = scene.clients[0].client
    let rows = (0..<30 as Range<Int64>).map { EventRow(id: 1_000_000 + $0, tenant: $0 % 3, time: Workload.firstDay, value: $0) }
    let own = "id >= 1000000"
    _ = try await client.query("INSERT INTO events VALUES " + rows.map(StatementWriter.values).joined(separator: ", "))
    guard let (shard, catalog) = try await scene.record(), let table = catalog.table(named: "events") else { return scene.fail("no shard") }
    // All rows of the table on its only shard: those of the scenario's clients too.
    let there = try await client.query("SELECT count(*) FROM events")[0][0].integer ?? 0
    let run = StatementRun(
      StatementID(session: SessionID(9999), number: 1),
      decider: shard.id,
      doneBelow: { 0 },
      calls: TwiceCalls(client: client, replies: replies),
      clock: scene.world.clock
    )
    let scan = FragmentFormat.encode(.scan(ScanNode(source: .table(table.id), storedColumns: [], output: [])))
    let deleted = try await run.carryOut { _ = try await $0.delete(shard.id, table: table.id, fragment: scan) }
    if deleted != UInt64(there) { scene.fail("\(deleted) rows were counted, not \(there)") }
    if try await client.query("SELECT count(*) FROM events WHERE \(own)")[0][0] != .integer(0) { scene.fail("rows are left") }
    // Once more, through a coordinator: nothing is left to delete.
    _ = try await client.query("DELETE FROM events WHERE \(own)")
  }
  #expect(outcome.failures == [])
  let counts = replies.value.map { reply -> UInt64 in if case .staged(let staged) = reply { staged.rows } else { 0 } }
  #expect(counts.count == 2 && counts.first == counts.last && counts.first ?? 0 >= 30)
}
