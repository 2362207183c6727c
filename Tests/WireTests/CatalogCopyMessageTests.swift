// The coordinators' state on its way to workers and back; and who is fenced after a catalog was made anew of it.
import Bytes
import Model
import Testing

@testable import Wire

struct CatalogCopyMessageTests {
  @Test func messagesTravelThereAndBack() throws {
    let copy = CatalogCopy(
      nodeName: "w1",
      cluster: ClusterID(high: 1, low: 2),
      node: NodeID(3),
      incarnation: Incarnation(4),
      generation: 1,
      index: 300,
      term: 5,
      shards: [ShardPosition(shard: ShardID(6), replica: ReplicaID(7), epoch: Epoch(8), last: LogPosition(9))],
      catalog: [1, 2, 3],
      state: [4, 5]
    )
    let messages: [Message] = [
      .storeCatalogCopy(StoreCatalogCopy(CatalogCopyRecord(generation: 2, index: 300, term: 4, state: [7, 8]))),
      .fetchCatalogCopy(FetchCatalogCopy()),
      .catalogCopy(copy),
    ]
    let heads: [[UInt8]] = [
      [70, 2, 0xac, 2, 4], [71],
      [72, 2] + Array("w1".utf8) + [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 4, 1, 0xac, 2, 5, 1, 6, 7, 8, 9, 3],
    ]
    for (message, wanted) in zip(messages, heads) {
      let (head, body) = MessageFormat.encode(message)
      #expect(head == wanted)
      #expect(try MessageFormat.decode(head: head, body: body) == message)
      for cut in 0..<head.count {
        #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: Array(head[..<cut]), body: body) }
      }
    }
    // More bytes of a catalog than the body has.
    #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: Array(heads[2].dropLast()) + [6], body: [1, 2, 3, 4, 5]) }
  }
  @Test func aCoordinatorOfAnEarlierGenerationIsFenced() throws {
    func peer(_ role: PeerRole, _ generation: UInt64) -> PeerIdentity { PeerIdentity(role: role, name: "c", generation: generation) }
    let fence = try #require(peer(.coordinator, 1).fence(knowing: 2))
    #expect(fence.isRetryable && fence.message.contains("generation 1") && fence.message.contains("generation 2"))
    #expect(peer(.coordinator, 2).fence(knowing: 2) == nil && peer(.coordinator, 3).fence(knowing: 2) == nil)
    // One that knows none yet joins; workers and clients learn.
    #expect(peer(.coordinator, 0).fence(knowing: 2) == nil && peer(.worker, 1).fence(knowing: 2) == nil)
    let hello = HelloFormat.encodeHello(peer(.coordinator, 7))
    #expect(hello.suffix(8) == [7, 0, 0, 0, 0, 0, 0, 0])
    #expect(try HelloFormat.decodeHello(hello).identity.generation == 7)
    #expect(try HelloFormat.decodeHello(HelloFormat.encodeHello(peer(.client, 0))).identity.generation == 0)
  }
}
