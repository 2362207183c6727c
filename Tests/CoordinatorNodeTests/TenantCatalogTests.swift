// TenantCatalogTests.swift — deletions of tenants in the catalog: one number while one is under way, their bytes, catalogs without any.
import Bytes
import Model
import Testing
import Wire

@testable import CoordinatorNode

@Suite struct TenantCatalogTests {
  private func made() -> Catalog {
    let columns = [Column(name: "tenant", type: .text), Column(name: "ts", type: .timestamp)]
    let commands: [CatalogCommand] = [
      .bootstrap(cluster: ClusterID(high: 7, low: 9)),
      .registerNode(name: "worker-1", role: .worker, address: "127.0.0.1:2", previous: Incarnation(0)),
      .createTable(TableSchema(id: TableID(0), name: "events", columns: columns)),
      .distributeTable(TableID(1), key: 0, group: .standard, placement: [[NodeID(1)], [NodeID(1)]], copies: 1),
    ]
    var catalog = Catalog()
    for (at, command) in commands.enumerated() { _ = catalog.apply(command, at: UInt64(at + 1)) }
    return catalog
  }
  private let acme = Tenant.text(Array("acme".utf8))
  private let outcome = TenantRecord.Outcome(
    position: LogPosition(9),
    logTime: 5,
    parts: [TenantErased.Part(relation: TableID(1), rows: 20)]
  )

  @Test func aTenantThatIsBeingDeletedKeepsItsNumber() throws {
    var catalog = made()
    let (group, shard, version) = (try #require(catalog.snapshot.groups.first).id, catalog.snapshot.shards[0].id, catalog.snapshot.version)
    func delete(_ tenant: Tenant, at index: UInt64) -> UInt64? {
      if case .deletion(let number) = catalog.apply(.deleteTenant(group, tenant, shard, time: 3), at: index) { number } else { nil }
    }
    #expect(delete(acme, at: 5) == 1 && delete(acme, at: 6) == 1 && delete(.fixed(4), at: 7) == 2)
    _ = catalog.apply(.tenantDeleted(1, outcome), at: 8)
    // A second word of the same: the first stands.
    _ = catalog.apply(.tenantDeleted(1, TenantRecord.Outcome(position: LogPosition(99), logTime: 6, parts: [])), at: 9)
    #expect(catalog.tenantRecords[0].outcome == outcome && catalog.tenantRecords[1].outcome == nil)
    #expect(delete(acme, at: 10) == 3)
    #expect(catalog.snapshot.version == version, "nobody's cached catalog is older for it")
    guard case .refused = catalog.apply(.deleteTenant(group, .fixed(5), ShardID(77), time: 3), at: 11) else {
      return #expect(Bool(false), "a shard of no group")
    }
    let state = CatalogCommandFormat.encode(catalog)
    let read = try CatalogCommandFormat.decodeState(state)
    #expect(read.tenantRecords == catalog.tenantRecords && read.nextDeletion == 4)
    #expect(CatalogCommandFormat.encode(read) == state)
  }
  @Test func commandsHaveTheirGoldenBytes() throws {
    let commands: [CatalogCommand] = [.deleteTenant(GroupID(1), acme, ShardID(2), time: 3), .tenantDeleted(4, outcome)]
    for command in commands {
      let bytes = CatalogCommandFormat.encode(command)
      #expect(CatalogCommandFormat.encode(try CatalogCommandFormat.decode(bytes)) == bytes)
      for cut in 0..<bytes.count {
        #expect(throws: DecodingFailure.self) { try CatalogCommandFormat.decode(Array(bytes[..<cut])) }
      }
    }
    func u64(_ value: UInt8) -> [UInt8] { [value, 0, 0, 0, 0, 0, 0, 0] }
    let deletion = [1, 17] + u64(1) + key(acme) + u64(2) + u64(3)
    #expect(CatalogCommandFormat.encode(commands[0]) == deletion)
    #expect(CatalogCommandFormat.encode(commands[1]) == [1, 18] + u64(4) + u64(9) + u64(5) + [1] + u64(1) + u64(20))
  }
  private func key(_ tenant: Tenant) -> [UInt8] {
    var out = ByteWriter()
    tenant.encode(into: &out)
    return out.finish()
  }
  @Test func aStateWithoutDeletionsIsStillRead() throws {
    let state = CatalogCommandFormat.encode(made())
    // Version 5 ended before the moves, what was lost, of which there is nothing here, and the generation.
    var fifth = Array(state.dropLast(9))
    fifth[0] = 5
    #expect(CatalogCommandFormat.encode(try CatalogCommandFormat.decodeState(fifth)) == state)
    // Version 4 ended before the drafts.
    var fourth = Array(state.dropLast(10))
    fourth[0] = 4
    #expect(CatalogCommandFormat.encode(try CatalogCommandFormat.decodeState(fourth)) == state)
    // Version 3 ended before the sequences, two groups and the next job.
    var third = Array(state.dropLast(35))
    third[0] = 3
    #expect(CatalogCommandFormat.encode(try CatalogCommandFormat.decodeState(third)) == state)
    // Version 2 ended before the next deletion's number, the count, and that of losses.
    var old = Array(state.dropLast(45))
    old[0] = 2
    let read = try CatalogCommandFormat.decodeState(old)
    #expect(read.nextDeletion == 1 && read.tenantRecords.isEmpty && CatalogCommandFormat.encode(read) == state)
  }
}
