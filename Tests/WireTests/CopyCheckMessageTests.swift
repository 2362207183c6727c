// CopyCheckMessageTests.swift — checks of copies that lack nothing: there and back, golden bytes, cuts, bounds.
import Bytes
import Model
import Testing
import Wire

private func asked(_ shard: UInt64, _ freshness: FreshnessEcho?) -> Append {
  Append(
    shard: ShardID(shard),
    epoch: Epoch(2),
    replica: ReplicaID(3),
    previous: LogPosition(1),
    previousEpoch: Epoch(2),
    previousChain: Hash128(high: 5, low: 6),
    commit: LogPosition(1),
    freshness: freshness,
    entries: []
  )
}
private let answer = Appended(
  outcome: .matches,
  promised: Epoch(2),
  replica: ReplicaID(3),
  incarnation: Incarnation(4),
  applied: LogPosition(1),
  durable: LogPosition(1),
  stamp: 300
)
private let copyChecks: [Message] = [
  .checkCopies(CheckCopies(asked: [])),
  .checkCopies(CheckCopies(asked: [asked(1, nil), asked(200, FreshnessEcho(incarnation: Incarnation(4), stamp: 9, lag: 8))])),
  .copiesChecked(CopiesChecked(answers: [answer, nil, answer])),
]

struct CopyCheckMessageTests {
  @Test func messagesComeBackAsTheyWere() throws {
    for sample in copyChecks {
      let (head, body) = MessageFormat.encode(sample)
      #expect(body.isEmpty)
      #expect(try MessageFormat.decode(head: head, body: body) == sample)
      for count in 0..<head.count {
        #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: Array(head.prefix(count)), body: body) }
      }
      #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: head + [0], body: body) }
    }
  }
  @Test func bytesStayAsTheyAre() {
    let one = MessageFormat.encode(.copiesChecked(CopiesChecked(answers: [nil, answer]))).head
    #expect(one == [32, 2, 0, 1, 1, 2, 3, 4, 1, 1, 0xac, 2])
    #expect(copyChecks.map { Murmur3.hash(MessageFormat.encode($0).head).description } == golden)
  }
  @Test func tooManyAreRefused() {
    // 4097 copies, which would fit into the bytes at hand.
    let head: [UInt8] = [31, 0x81, 0x20] + [UInt8](repeating: 0, count: 1 << 18)
    #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: head, body: []) }
  }
}

private let golden = ["3b90188e45adcb29aff186b660a9740d", "b3dd61f0113baf4c31154b6fed713f04", "b7050898c662dd7d410075b35b1f4c6f"]
