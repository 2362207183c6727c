// Letters between coordinators: one of each, there and back, golden bytes, bounds, and every cut or flipped bit refused or read.
import Bytes
import Model
import Testing
import Wire

private let letters: [RaftMessage] = [
  .preVote(term: 7, lastIndex: 300, lastTerm: 6), .preVoteReply(term: 7, isGranted: true),
  .vote(term: 7, lastIndex: 300, lastTerm: 6, isHandedOver: true), .voteReply(term: 7, isGranted: false),
  .append(
    RaftAppend(
      term: 7,
      previousIndex: 300,
      previousTerm: 6,
      previousChain: Hash128(high: 1, low: 2),
      commit: 299,
      round: 4,
      entries: [RaftEntry(term: 7, kind: 2, body: [1, 2, 3]), RaftEntry(term: 7, kind: 3, body: [])]
    )
  ), .appendReply(RaftAppendReply(term: 7, isAccepted: false, index: 300, hintIndex: 280, hintTerm: 5, round: 4)),
  .snapshot(
    RaftPiece(
      term: 7,
      index: 300,
      snapshotTerm: 6,
      chain: Hash128(high: 1, low: 2),
      hash: Hash128(high: 3, low: 4),
      size: 10,
      offset: 4,
      bytes: [5, 6]
    )
  ), .snapshotReply(term: 7, index: 300, offset: 6), .takeOver(term: 7),
]
private let messages: [Message] = [
  .raft(RaftEnvelope(from: MemberID(8), to: MemberID(9), address: "h:1", letters: letters)),
  .joinGroup(JoinGroup(member: MemberID(8), name: "coordinator-2", address: "127.0.0.1:7410")),
  .joinedGroup(JoinedGroup(cluster: ClusterID(high: 1, low: 2), isVoter: true)), .readIndex(ReadIndex()),
  .readIndexReply(ReadIndexReply(index: 300)),
]

struct RaftMessageTests {
  @Test func everyMessageTravelsThereAndBack() throws {
    for (at, message) in messages.enumerated() {
      #expect(message.number == UInt8(40 + at))
      let (head, body) = MessageFormat.encode(message)
      #expect(try MessageFormat.decode(head: head, body: body) == message)
    }
  }
  @Test func theyHaveTheirGoldenBytes() {
    func bytes(_ at: Int) -> [UInt8] {
      MessageFormat.encode(.raft(RaftEnvelope(from: MemberID(8), to: MemberID(9), address: "h:1", letters: [letters[at]]))).head
    }
    let front: [UInt8] = [40, 8, 9, 3, 104, 58, 49, 1]
    #expect(bytes(0) == front + [1, 7, 0xac, 2, 6])
    #expect(bytes(1) == front + [2, 7, 1])
    #expect(bytes(2) == front + [3, 7, 0xac, 2, 6, 1])
    #expect(bytes(3) == front + [4, 7, 0])
    let chain: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
    #expect(bytes(4) == front + [5, 7, 0xac, 2, 6] + chain + [0xab, 2, 4, 2, 7, 2, 3, 1, 2, 3, 7, 3, 0])
    #expect(bytes(5) == front + [6, 7, 0, 0xac, 2, 0x98, 2, 5, 4])
    let hash: [UInt8] = [3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]
    #expect(bytes(6) == front + [7, 7, 0xac, 2, 6] + chain + hash + [10, 4, 2, 5, 6])
    #expect(bytes(7) == front + [8, 7, 0xac, 2, 6])
    #expect(bytes(8) == front + [9, 7])
    #expect(MessageFormat.encode(messages[4]).head == [44, 0xac, 2])
  }
  @Test func damageIsRefusedOrReadAndNeverTraps() throws {
    for message in messages {
      let (head, body) = MessageFormat.encode(message)
      for cut in 0..<head.count {
        #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: Array(head[..<cut]), body: body) }
      }
      for bit in 0..<head.count * 8 {
        var bad = head
        bad[bit / 8] ^= 1 << UInt8(bit % 8)
        do { #expect(try MessageFormat.decode(head: bad, body: body) != message) } catch { #expect(!error.message.isEmpty) }
      }
    }
  }
  @Test func whatIsBeyondTheBoundsIsRefusedBeforeMemoryIsTaken() {
    // An append of 2^60 entries; a piece of a snapshot beyond its end.
    let chain = [UInt8](repeating: 0, count: 16)
    let front: [UInt8] = [40, 8, 9, 3, 104, 58, 49, 1]
    let many: [UInt8] = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]
    #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: front + [5, 7, 1, 1] + chain + [0, 0] + many, body: []) }
    #expect(throws: DecodingFailure.self) {
      try MessageFormat.decode(head: front + [7, 7, 1, 1] + chain + chain + [10, 9, 2, 5, 6], body: [])
    }
    #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: front + [10, 7], body: []) }
  }
}
