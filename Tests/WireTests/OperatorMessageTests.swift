// OperatorMessageTests.swift — orders of an operator, cancel requests passed on, waits for a table at rest: there and back, golden
// bytes, cuts.
import Bytes
import Model
import Testing
import Wire

@Test func operatorMessagesTravelThereAndBack() throws {
  let order = Message.forcePrimary(ForcePrimary(shard: ShardID(300), node: "w1", reason: "fire", isCertain: true))
  let (head, body) = MessageFormat.encode(order)
  #expect(head == [56, 0xac, 2, 2] + Array("w1".utf8) + [4] + Array("fire".utf8) + [1] && body.isEmpty)
  #expect(try MessageFormat.decode(head: head, body: body) == order)
  for cut in 0..<head.count {
    #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: Array(head[..<cut]), body: []) }
  }
  #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: head + [0], body: []) }
}

@Test func cancelRequestsTravelThereAndBack() throws {
  let cancel = Message.cancelStatement(CancelStatement(process: 0x0102_0304, secret: [9, 8]))
  let (head, body) = MessageFormat.encode(cancel)
  #expect(head == [45, 4, 3, 2, 1, 2, 9, 8] && body.isEmpty)
  #expect(try MessageFormat.decode(head: head, body: body) == cancel)
  for cut in 0..<head.count {
    #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: Array(head[..<cut]), body: []) }
  }
  // More than a secret can have.
  let long = MessageFormat.encode(.cancelStatement(CancelStatement(process: 1, secret: [UInt8](repeating: 1, count: 257)))).head
  #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: long, body: []) }
}

@Test func waitsForATableAtRestTravelThereAndBack() throws {
  let wait = Message.awaitRest(AwaitRest(shard: ShardID(300), epoch: Epoch(2), table: TableID(9)))
  let (head, body) = MessageFormat.encode(wait)
  #expect(head == [66, 0xac, 2, 2, 9] && body.isEmpty)
  #expect(try MessageFormat.decode(head: head, body: body) == wait)
  for cut in 0..<head.count {
    #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: Array(head[..<cut]), body: []) }
  }
}

@Test func ordersToRemoveACoordinatorTravelThereAndBack() throws {
  let order = Message.removeCoordinator(RemoveCoordinator(node: "c3"))
  let (head, body) = MessageFormat.encode(order)
  #expect(head == [73, 2] + Array("c3".utf8) && body.isEmpty)
  #expect(try MessageFormat.decode(head: head, body: body) == order)
  #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: Array(head.dropLast()), body: []) }
}
