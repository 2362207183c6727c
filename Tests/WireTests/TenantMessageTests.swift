// TenantMessageTests.swift — messages about deleted tenants: there and back, golden bytes, damage.

import Bytes
import Model
import Testing
import Wire

private let tenantSamples: [Message] = [
  .tenant(TenantRequest(deletes: true, relation: "events", tenant: "42")),
  .tenant(TenantRequest(deletes: false, relation: nil, tenant: "acme")),
  .eraseTenant(
    EraseTenant(shard: ShardID(5), epoch: Epoch(6), version: CatalogVersion(8), number: 3, tenant: .text(Array("acme".utf8)))
  ), .eraseTenant(EraseTenant(shard: ShardID(5), epoch: Epoch(6), version: CatalogVersion(8), number: 4, tenant: .fixed(-42))),
  .tenantErased(
    TenantErased(position: LogPosition(900), logTime: 1_767_225_600_000_000, parts: [TenantErased.Part(relation: TableID(2), rows: 1000)])
  ), .describeErasure(DescribeErasure(shard: ShardID(5), number: 3, position: LogPosition(900))),
  .erasureReport(ErasureReport(applied: LogPosition(901), named: 7, left: 2, isErased: false, isJournalReleased: true)),
]

struct TenantMessageTests {
  @Test func messagesComeBackAsTheyWere() throws {
    for sample in tenantSamples {
      let (head, body) = MessageFormat.encode(sample)
      #expect(try MessageFormat.decode(head: head, body: body) == sample)
      for count in 0..<head.count {
        #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: Array(head.prefix(count)), body: body) }
      }
      #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: head + [0], body: body) }
    }
  }
  @Test func bytesStayAsTheyAre() {
    #expect(tenantSamples.map { Murmur3.hash(MessageFormat.encode($0).head).description } == goldenTenantMessages)
  }
}

private let goldenTenantMessages = [
  "7dc136e68af6e139ee6708b3e8ef3966", "8c644926d072cb0226ccc45fb900490a", "ef6e6ca79edd2bff904d53f0cbc33cbb",
  "1aebad4b2a43e374f0a46efa29e8635e", "02f68dd915dc30bcd250daca41ed9e28", "9e47f803a78a0440092366c169784370",
  "a8119a94770d4e9bd79352e8174ac947",
]
