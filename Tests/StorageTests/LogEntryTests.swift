// LogEntryTests.swift — bytes of log entry bodies: golden, round trip, corruption; the hash chain.
import Bytes
import Columns
import Model
import Testing

@testable import Storage

private let section = SectionSummary(
  relation: TableID(10),
  slice: DaySlice(day: 20454),
  rows: 300,
  low: LogPosition(4),
  high: LogPosition(9),
  hasPositions: true,
  minTime: -5,
  maxTime: 77,
  bytes: 4096
)
private let bodies: [EntryBody] = [
  .epochStart(NodeID(7)),
  .batch(
    BatchRecord(
      table: TableID(10),
      rows: 1,
      contentHash: Hash128(high: 1, low: 2),
      key: BatchKey(session: SessionID(5), sequence: 6, doneBelow: 3)
    ),
    encoded: BatchFormat.encode(eventBatch([EventRow(tenant: 1, time: 2, id: 3)]))
  ),
  .rollupCommit(
    RollupCommit(
      rollup: TableID(20),
      from: LogPosition(3),
      to: LogPosition(8),
      rowsConsumed: 100,
      rowsFailed: 1,
      runs: [[1, 2, 3], []]
    )
  ),
  .backfillCommit(BackfillCommit(rollup: TableID(20), from: .min, to: .max, rowsConsumed: 1, rowsFailed: 0, runs: [[9]])),
  .layout(
    LayoutChange(
      source: .log(after: LogPosition(1), through: LogPosition(9)),
      settledBefore: 55,
      files: [FileRecord(number: 3, bytes: 8192, hash: Hash128(high: 3, low: 4), sections: [section])],
      drops: []
    )
  ),
  .layout(
    LayoutChange(
      source: .sections(floor: -9),
      settledBefore: 0,
      files: [],
      drops: [SectionReference(file: 3, section: 0)]
    )
  ),
  .retentionDrop(RetentionDrop(relation: TableID(10), before: 99, drops: [SectionReference(file: 3, section: 1)])),
  .schemaBarrier(Events.schema(4, rollups: [Events.rollup(20, keep: Interval(days: 2))])),
  .keyExpiry(through: 123),
  .stage(
    Stage(
      statement: StatementID(session: SessionID(5), number: 9),
      doneBelow: 7,
      decider: ShardID(2),
      ordinal: 3,
      content: .rows(
        BatchRecord(
          table: TableID(10),
          rows: 1,
          contentHash: Hash128(high: 1, low: 2),
          key: BatchKey(session: SessionID(5), sequence: 6, doneBelow: 3)
        ),
        encoded: BatchFormat.encode(eventBatch([EventRow(tenant: 1, time: 2, id: 3)]))
      )
    )
  ),
  .stage(
    Stage(statement: StatementID(session: SessionID(5), number: 9), doneBelow: 7, decider: ShardID(2), ordinal: 0, content: .nothing)
  ),
  .decide(
    Decide(
      statement: StatementID(session: SessionID(5), number: 9),
      participants: [Participant(shard: ShardID(2), rows: 0), Participant(shard: ShardID(4), rows: 1)]
    )
  ),
  .commit(StatementID(session: SessionID(5), number: 9)),
  .abort(Abort(statement: StatementID(session: SessionID(5), number: 10), doneBelow: 7)),
  .delete(sampleDeletion),
  .stage(
    Stage(
      statement: StatementID(session: SessionID(5), number: 9),
      doneBelow: 7,
      decider: ShardID(2),
      ordinal: 1,
      content: .deletion(sampleDeletion)
    )
  ),
  .batch(
    BatchRecord(table: TableID(10), rows: 1, contentHash: Hash128(high: 1, low: 2), key: .id(sampleID)),
    encoded: BatchFormat.encode(eventBatch([EventRow(tenant: 1, time: 2, id: 3)]))
  ), .keyExpiry(through: 123, idsBefore: 3_600_000_000),
  .stage(
    Stage(
      statement: StatementID(session: SessionID(5), number: 9),
      doneBelow: 7,
      decider: ShardID(2),
      ordinal: 1,
      content: .statementKey(StatementKey(id: sampleID, contentHash: Hash128(high: 1, low: 2), rows: 300))
    )
  ),
  .tenantDelete(
    TenantDeletion(
      number: 6,
      tenant: .fixed(-3),
      parts: [
        TenantDeletion.Part(relation: TableID(10), rows: 5, sections: sampleDeletion.sections),
        TenantDeletion.Part(relation: TableID(21), rows: 1, sections: []),
      ]
    )
  ), .tenantDelete(TenantDeletion(number: 7, tenant: .text(Array("acme".utf8)))),
  .digestProbe,
]

private let sampleID = BatchID(microseconds: 1_767_225_600_000_000, random: (0xabc, 77 << 2))

private let sampleDeletion: Deletion = {
  var deletion = Deletion(table: TableID(10), through: LogPosition(8))
  deletion.sections = [
    (SectionReference(file: 3, section: 1), RowSet([0, 1, 2, 900])), (SectionReference(file: 4, section: 0), RowSet([70_000])),
  ]
  deletion.memory = RowSet([5, 6])
  return deletion
}()

private func entry(_ body: EntryBody) -> LogEntry {
  LogEntry(
    position: LogPosition(12),
    epoch: Epoch(2),
    kind: body.kind,
    logTime: 1_000_000,
    catalogVersion: CatalogVersion(4),
    body: LogEntryFormat.encode(body),
    after: Hash128(high: 9, low: 8)
  )
}

struct LogEntryTests {
  @Test func bodiesComeBackAsTheyWere() throws {
    for body in bodies {
      let made = entry(body)
      let decoded = try LogEntryFormat.decode(made)
      #expect(LogEntryFormat.encode(decoded) == made.body)
      #expect(decoded.kind == body.kind)
    }
    let batch = entry(bodies[1])
    #expect(try LogEntryFormat.batchRecord(of: batch).key == BatchKey(session: SessionID(5), sequence: 6, doneBelow: 3))
    #expect(try LogEntryFormat.batchRecord(of: entry(bodies[16])).key == .id(sampleID))
    let rows = try LogEntryFormat.batch(of: batch, types: [.bigint, .timestamptz, .bigint])
    #expect(eventRows(rows) == [EventRow(tenant: 1, time: 2, id: 3)])
  }
  @Test func bytesStayAsTheyAre() {
    #expect(bodies.map { Murmur3.hash(LogEntryFormat.encode($0)).description } == goldenBodies)
    #expect(entry(bodies[0]).chain.description == goldenChain)
  }
  @Test func cutOrLengthenedBodiesAreErrors() {
    for body in bodies {
      let bytes = LogEntryFormat.encode(body)
      // The rows of a batch are the rest of the body, whatever it is: they are checked when they are decoded.
      if body.kind == .batch { continue }
      if case .stage(let stage) = body, case .rows = stage.content { continue }
      for count in 0..<bytes.count {
        #expect(throws: DecodingFailure.self) { try LogEntryFormat.decode(rebuilt(body.kind, Array(bytes.prefix(count)))) }
      }
      #expect(throws: DecodingFailure.self) { try LogEntryFormat.decode(rebuilt(body.kind, bytes + [0])) }
    }
  }
  @Test func anyFlippedByteIsAnErrorOrAnotherBody() {
    for body in bodies {
      let bytes = LogEntryFormat.encode(body)
      for at in bytes.indices {
        var broken = bytes
        broken[at] ^= 0xff
        do { _ = try LogEntryFormat.decode(rebuilt(body.kind, broken)) } catch { #expect(error.position <= bytes.count) }
      }
    }
  }
  @Test func aCutIsNoEntry() {
    #expect { try LogEntryFormat.decode(rebuilt(.cut, [])) } throws: { ($0 as? DecodingFailure)?.kind == .unknown }
  }
  @Test func theChainNamesEveryPart() {
    let first = entry(bodies[0])
    #expect(first.follows(Hash128(high: 9, low: 8)) && !first.follows(Hash128(high: 9, low: 7)))
    let other = LogEntry(
      position: first.position,
      epoch: first.epoch,
      kind: first.kind,
      logTime: first.logTime + 1,
      catalogVersion: first.catalogVersion,
      body: first.body,
      bodyHash: first.bodyHash,
      chain: first.chain
    )
    #expect(!other.follows(Hash128(high: 9, low: 8)))
  }
  private func rebuilt(_ kind: EntryKind, _ body: [UInt8]) -> LogEntry {
    LogEntry(
      position: LogPosition(12),
      epoch: Epoch(2),
      kind: kind,
      logTime: 0,
      catalogVersion: CatalogVersion(4),
      body: body,
      after: .zero
    )
  }
}

private let goldenBodies = [
  "30e12993257f8fb20e7e7118973f6e55", "3e8a9907cb70aa4830d007ad6d0a830e", "6e7c634b07314b7b751eb6015c06523c",
  "fd90f0f1ff8eff414d9628847d8fe6bb", "023bb88c68a7be4344d0eba61b73c4de", "8cf3e4ec959269f77e378564159bd67b",
  "b870eebfe95aeac1c48a4a9dae492269", "58079108597e5bced09d6eebca339c11", "ff8eb8080f029b53c593b47ace314851",
  "2d9b15d2a9a93ac32ec2a2cdc3a0db31", "4033692f12ad887da15c1bc6b3d89b07", "a8306ef658a6b128e2d36e7e80a3de91",
  "6adce96913771cff20dde6fb04b09d72", "9dc155a2ab5dfb0840bfc1459b91d0b1", "6b14fdf2e7d1e9adfd453c5b91572ff5",
  "f668d73ecf63f4fbf525ce830bea8b98", "79f23a6f85ea47f6b8e7c6747092016a", "aa84b14174b867cbb32ec1df4392af3c",
  "42ea21a63c25e898e26cf7ccf460a51e", "49ea1c10994efd6d8e5feecf8ecdd97a", "8ced494be8f568e6b4812e1e0a2a3697",
  "00000000000000000000000000000000",
]
private let goldenChain = "af0133cd0053bf62c5022254a9430222"
