// OperatorMessageTests.swift — orders of an operator: there and back, golden bytes, cuts.
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
