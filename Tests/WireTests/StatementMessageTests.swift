// StatementMessageTests.swift — messages of statements over several shards: there and back, golden bytes, damage.

import Bytes
import Model
import Testing
import Wire

private let statement = StatementID(session: SessionID(44), number: 300)
private let place = LogPoint(epoch: Epoch(6), position: LogPosition(301))
private func part(_ shard: ShardID, decider: ShardID, ordinal: Int) -> StatementPart {
  StatementPart(
    shard: shard,
    epoch: Epoch(6),
    version: CatalogVersion(8),
    statement: statement,
    doneBelow: 290,
    decider: decider,
    ordinal: ordinal
  )
}
private let statementSamples: [Message] = [
  .stageRows(
    StageRows(
      part: part(ShardID(5), decider: ShardID(4), ordinal: 2),
      content: .rows(
        StageRows.Rows(
          table: TableID(2),
          key: BatchKey(session: SessionID(44), sequence: 12, doneBelow: 10),
          contentHash: Hash128(high: 3, low: 4),
          batch: [1, 2, 3, 4]
        )
      )
    )
  ),
  .stageRows(
    StageRows(
      part: part(ShardID(5), decider: ShardID(5), ordinal: 0),
      content: .nothing
    )
  ), .staged(Staged(rows: 300, isDuplicate: true, point: place)),
  .decideStatement(
    DecideStatement(
      shard: ShardID(4),
      epoch: Epoch(6),
      statement: statement,
      participants: [
        DecideStatement.Participant(shard: ShardID(4), rows: 0), DecideStatement.Participant(shard: ShardID(5), rows: 1000),
      ]
    )
  ),
  .endStatement(
    EndStatement(shard: ShardID(5), epoch: Epoch(6), statement: statement, doneBelow: 290, commits: true, rows: 1000)
  ), .askStatement(AskStatement(shard: ShardID(4), epoch: Epoch(6), statement: statement, isWord: true)),
  .statementAnswer(StatementAnswer(.committed, point: place)),
  .deleteRows(
    DeleteRows(
      part: part(ShardID(5), decider: ShardID(4), ordinal: 1),
      table: TableID(2),
      fragment: [1, 2]
    )
  ),
  .stageRows(
    StageRows(
      part: part(ShardID(5), decider: ShardID(5), ordinal: 1),
      content: .key(
        BatchID(microseconds: 0x0102_0304_0506 * 1000, random: (0xabc, 9 << 2)),
        contentHash: Hash128(high: 3, low: 4),
        rows: 300
      )
    )
  ),
]

@Test func statementMessagesTravelThereAndBack() throws {
  for message in statementSamples {
    let (head, body) = MessageFormat.encode(message)
    #expect(try MessageFormat.decode(head: head, body: body) == message)
    for cut in 0..<head.count {
      #expect(throws: DecodingFailure.self, "\(message.name) cut at \(cut)") {
        try MessageFormat.decode(head: Array(head[..<cut]), body: body)
      }
    }
    for bit in 0..<head.count * 8 {
      var bad = head
      bad[bit / 8] ^= 1 << UInt8(bit % 8)
      do { #expect(try MessageFormat.decode(head: bad, body: body) != message) } catch { #expect(!error.message.isEmpty) }
    }
  }
}

@Test func statementMessagesHaveTheirGoldenBytes() {
  let heads = statementSamples.map { MessageFormat.encode($0).head }
  #expect(
    heads[0] == [48, 5, 6, 8, 44, 0xac, 2, 0xa2, 2, 4, 2, 1, 2, 1, 44, 12, 10, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]
  )
  #expect(heads[1] == [48, 5, 6, 8, 44, 0xac, 2, 0xa2, 2, 5, 0, 0] && heads[2] == [49, 0xac, 2, 1, 6, 0xad, 2])
  #expect(heads[3] == [50, 4, 6, 44, 0xac, 2, 2, 4, 0, 5, 0xe8, 7])
  #expect(heads[4] == [51, 5, 6, 44, 0xac, 2, 0xa2, 2, 1, 0xe8, 7])
  #expect(heads[5] == [52, 4, 6, 44, 0xac, 2, 1] && heads[6] == [53, 2, 6, 0xad, 2])
  #expect(heads[7] == [54, 5, 6, 8, 44, 0xac, 2, 0xa2, 2, 4, 1, 2, 0])
  #expect(
    heads[8] == [48, 5, 6, 8, 44, 0xac, 2, 0xa2, 2, 5, 1, 2, 0xbc, 0x7a, 6, 5, 4, 3, 2, 1, 9, 0, 0, 0, 0, 0, 0, 0x80]
      + [3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0xac, 2]
  )
}
