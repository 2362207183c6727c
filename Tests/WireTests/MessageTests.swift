// Messages: one of each, there and back, golden numbers, and every cut or flipped bit either refused or a message.

import Bytes
import Model
import Testing
import Wire

/// One message of every number, in order.
let samples: [Message] = {
  var report = ShardReport(
    shard: ShardID(7),
    epoch: Epoch(2),
    last: LogPosition(300),
    committed: LogPosition(299),
    rows: 1 << 40,
    segmentBytes: 5,
    memtableBytes: 6,
    rollups: [
      RollupProgress(rollup: TableID(9), watermark: LogPosition(290), lagMicroseconds: 1_500_000)
    ]
  )
  report.digest = StateDigest(
    position: LogPosition(250),
    state: Hash128(high: 1, low: 2),
    files: Hash128(high: 3, low: 4),
    rows: Hash128(high: 5, low: 6)
  )
  report.relations = [RelationReport(relation: TableID(9), rows: 300, bytes: 4)]
  let load = NodeLoad(
    diskUsed: 1,
    diskFree: 2,
    journalBytes: 3,
    memoryUsed: 4,
    memoryLimit: 1 << 30
  )
  var statistics = QueryStatistics()
  statistics.planMicroseconds = 40
  statistics.rowsRead = 1_000_000
  statistics.freshRows = 3
  statistics.age = 412_000
  return [
    .register(
      Register(
        nodeName: "worker-1",
        address: "127.0.0.1:7533",
        cluster: ClusterID(high: 1, low: 2),
        node: NodeID(3),
        previous: Incarnation(4),
        shards: [ShardPosition(shard: ShardID(5), epoch: Epoch(6), last: LogPosition(7))]
      )
    ),
    .registered(
      Registered(
        cluster: ClusterID(high: 1, low: 2),
        node: NodeID(3),
        incarnation: Incarnation(5),
        version: CatalogVersion(8),
        catalog: [1, 2, 3]
      )
    ),
    .heartbeat(
      Heartbeat(
        node: NodeID(3),
        incarnation: Incarnation(5),
        version: CatalogVersion(8),
        awaitsComparison: true,
        isYoung: true,
        load: load,
        shards: [report]
      )
    ),
    .heartbeatReply(HeartbeatReply(version: CatalogVersion(9), leader: "10.0.0.1:7001")),
    .fetchCatalog(FetchCatalog(known: CatalogVersion(8), waitMilliseconds: 500)),
    .catalogReply(CatalogReply(version: CatalogVersion(9), catalog: [4, 5])),
    .query(
      QueryRequest(
        sql: "SELECT 1",
        statementTime: -5,
        settings: [QuerySetting(name: "tally.level_choice", value: "off")],
        batchKey: "0190-key",
        read: .session,
        seen: SessionToken([
          ShardPoint(shard: ShardID(9), point: LogPoint(epoch: Epoch(2), position: LogPosition(7))),
          ShardPoint(shard: ShardID(5), point: LogPoint(epoch: Epoch(6), position: LogPosition(301))),
        ])
      )
    ),
    .resultHeader(
      ResultHeader(columns: [
        ResultColumn(name: "n", type: .bigint),
        ResultColumn(name: "h", type: .hll(HLLParameters())),
        ResultColumn(name: "p", type: .numeric(precision: 10, scale: 2)),
      ])
    ), .resultBatch(ResultBatch(batch: [UInt8](repeating: 3, count: 2000))),
    .resultEnd(
      ResultEnd(
        tag: "SELECT 3",
        rows: 3,
        notices: [Notice(sqlState: "01000", message: "cut", hint: "none")],
        statistics: statistics,
        seen: SessionToken([ShardPoint(shard: ShardID(5), point: LogPoint(epoch: Epoch(6), position: LogPosition(301)))])
      )
    ),
    .openProducer(
      OpenProducer(
        table: "events",
        name: "events:/data/a.csv",
        chunkBytes: 4 << 20,
        fingerprint: Hash128(high: 1, low: 2),
        again: true
      )
    ),
    .producerSession(
      ProducerSession(
        session: SessionID(44),
        issuedAt: 1_700_000,
        chunkBytes: 4 << 20,
        isNew: false,
        firstLoad: "yesterday"
      )
    ),
    .list(ListRequest(.rollups)), .refreshRollup(RefreshRollup(name: "searches")),
    .done(Done(version: CatalogVersion(10))),
    .ingest(
      Ingest(
        shard: ShardID(5),
        epoch: Epoch(6),
        version: CatalogVersion(8),
        table: TableID(2),
        key: BatchKey(session: SessionID(44), sequence: 12, doneBelow: 10),
        contentHash: Hash128(high: 3, low: 4),
        batch: [1, 2, 3, 4]
      )
    ),
    .ingested(Ingested(point: LogPoint(epoch: Epoch(6), position: LogPosition(301)), copies: 1, isDuplicate: true, rows: 65536)),
    .execute(
      Execute(
        shards: [ShardPoint(shard: ShardID(5), point: LogPoint(epoch: Epoch(6), position: LogPosition(300)))],
        version: CatalogVersion(8),
        memoryLimit: 64 << 20,
        read: .stale(max: .seconds(5)),
        fragment: [9, 9]
      )
    ),
    .executeEnd(
      ExecuteEnd(
        shards: [
          ShardOutcome(
            shard: ShardID(5),
            point: LogPoint(epoch: Epoch(6), position: LogPosition(301)),
            rowsRead: 10,
            blocks: 2,
            watermark: LogPosition(290),
            freshRows: 4,
            microseconds: 77,
            age: 300
          )
        ],
        refused: [ShardRefusal(shard: ShardID(6), error: TallyError(.unavailable, "old", node: "w"))]
      )
    ), .catalogChanged(CatalogChanged(version: CatalogVersion(10), waits: true, catalog: [6])),
    .refreshShards(RefreshShards(rollup: TableID(9), shards: [ShardID(5), ShardID(6)])),
    .describeShards(DescribeShards(shards: [ShardID(5)])),
    .shardReports(ShardReports(load: load, shards: [report, report])),
    .append(
      Append(
        shard: ShardID(7),
        epoch: Epoch(3),
        replica: ReplicaID(9),
        previous: LogPosition(300),
        previousEpoch: Epoch(2),
        previousChain: Hash128(high: 1, low: 2),
        commit: LogPosition(299),
        freshness: FreshnessEcho(incarnation: Incarnation(5), stamp: 1000, lag: 3),
        entries: [1, 2, 3]
      )
    ),
    .appended(
      Appended(
        outcome: .mismatch,
        promised: Epoch(3),
        replica: ReplicaID(9),
        incarnation: Incarnation(5),
        applied: LogPosition(290),
        durable: LogPosition(301),
        stamp: 1001
      )
    ),
    .alterInSync(
      AlterInSync(
        shard: ShardID(7),
        epoch: Epoch(3),
        version: 12,
        incarnation: Incarnation(5),
        inSync: [ReplicaID(8), ReplicaID(9)],
        added: [NodeIncarnation(node: NodeID(4), incarnation: Incarnation(6))]
      )
    ),
    .fetchReplica(FetchReplica(shard: ShardID(7), epoch: Epoch(3), replica: ReplicaID(9))),
    .replicaManifest(ReplicaManifest(position: LogPosition(200), manifest: [4, 5])),
    .fetchFile(FetchFile(shard: ShardID(7), file: 3, hash: Hash128(high: 3, low: 4), offset: 1 << 20)),
    .filePiece(FilePiece(size: 1 << 21, bytes: [6, 7])),
  ]
}()

@Test func everyMessageTravelsThereAndBack() throws {
  for (index, message) in samples.enumerated() {
    #expect(message.number == UInt8(index + 1))
    let (head, body) = MessageFormat.encode(message)
    #expect(try MessageFormat.decode(head: head, body: body) == message)
    let request = MessageFormat.encodeRequest(message, deadline: 1_234_567)
    let read = try MessageFormat.decodeRequest(head: request.head, body: request.body)
    #expect(read.message == message && read.deadline == 1_234_567)
  }
}

@Test func messagesHaveTheirGoldenBytes() throws {
  func head(_ number: Int) -> [UInt8] { MessageFormat.encode(samples[number - 1]).head }
  #expect(
    head(16) == [
      16, 5, 6, 8, 2, 1, 44, 12, 10, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0,
    ]
  )
  var ingest = Ingest(
    shard: ShardID(5),
    epoch: Epoch(6),
    version: CatalogVersion(8),
    table: TableID(2),
    key: .id(BatchID(microseconds: 0x0102_0304_0506 * 1000, random: (0xabc, 9 << 2))),
    contentHash: Hash128(high: 3, low: 4),
    batch: []
  )
  let keyed = MessageFormat.encode(.ingest(ingest))
  #expect(
    keyed.head == [16, 5, 6, 8, 2, 2, 0xbc, 0x7a, 6, 5, 4, 3, 2, 1, 9, 0, 0, 0, 0, 0, 0, 0x80]
      + [3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]
  )
  #expect(try MessageFormat.decode(head: keyed.head, body: keyed.body) == .ingest(ingest))
  ingest.key = nil
  #expect(MessageFormat.encode(.ingest(ingest)).head.prefix(6) == [16, 5, 6, 8, 2, 0])
  #expect(head(17) == [17, 6, 0xad, 2, 1, 1, 0x80, 0x80, 4])
  #expect(head(18) == [18, 1, 5, 6, 0xac, 2, 8, 0x80, 0x80, 0x80, 0x20, 2, 0xc0, 0x96, 0xb1, 2, 0])
  #expect(
    head(19) == [19, 1, 5, 6, 0xad, 2, 10, 2, 0xa2, 2, 4, 77, 1, 0xac, 2, 1, 6, 4, 0] + Array("57P03".utf8) + [3]
      + Array("old".utf8) + [8, 1, 0x77]
  )
  #expect(
    head(10) == [10, 8] + Array("SELECT 3".utf8) + [3, 1] + Array("01000".utf8) + [3] + Array("cut".utf8) + [1, 4]
      + Array("none".utf8) + [40, 0, 0, 0, 0xc0, 0x84, 0x3d, 0, 3, 1, 0xe0, 0x92, 0x19, 1, 5, 6, 0xad, 2]
  )
  #expect(
    head(24) == [24, 7, 3, 9, 0xac, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0xab, 2, 0, 1, 5, 0xe8, 7, 3]
  )
  #expect(head(25) == [25, 2, 3, 9, 5, 0xa2, 2, 0xad, 2, 0xe9, 7])
  #expect(head(9) == [9] && head(13) == [13, 4] && head(15) == [15, 10])
  #expect(
    head(3) == [
      3, 3, 5, 8, 6, 1, 2, 3, 4, 0x80, 0x80, 0x80, 0x80, 4, 0, 1, 7, 2, 0xac, 2, 0xab, 2, 0x80, 0x80,
      0x80, 0x80, 0x80, 0x20, 5,
      6, 1, 9, 0xa2, 2, 0xe0, 0xc6, 0x5b, 0, 0,
      1, 250, 1,
      1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0,
      5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0,
      1, 9, 0xac, 2, 4,
    ]
  )
  #expect(
    MessageFormat.encodeRequest(samples[6], deadline: 300).head == [0xac, 2, 7, 8]
      + Array("SELECT 1".utf8)
      + [1, 0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 18]
      + Array("tally.level_choice".utf8) + [3]
      + Array("off".utf8) + [1, 8] + Array("0190-key".utf8) + [1, 2, 5, 6, 0xad, 2, 9, 2, 7]
  )
}

@Test func damagedMessagesAreRefusedOrReadAndNeverTrap() throws {
  for message in samples {
    let (head, body) = MessageFormat.encode(message)
    for cut in 0..<head.count {
      #expect(throws: DecodingFailure.self, "\(message.name) cut at \(cut)") {
        try MessageFormat.decode(head: Array(head[..<cut]), body: body)
      }
    }
    #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: head + [0], body: body) }
    for bit in 0..<head.count * 8 {
      var bad = head
      bad[bit / 8] ^= 1 << UInt8(bit % 8)
      do {
        let read = try MessageFormat.decode(head: bad, body: body)
        #expect(read != message, "\(message.name) bit \(bit)")
      } catch { #expect(!error.message.isEmpty) }
    }
    if message.content.body.isEmpty, !message.carriesBytes {
      #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: head, body: [1]) }
    }
  }
  #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: [200], body: []) }
  // A session token whose shards do not rise.
  var (query, _) = MessageFormat.encode(.query(QueryRequest(sql: "", read: .session)))
  query.removeLast()
  #expect(throws: DecodingFailure.self) { try MessageFormat.decode(head: query + [2, 5, 6, 7, 5, 6, 8], body: []) }
  // A count of shards that no bytes stand behind is refused before memory is taken for it.
  #expect(throws: DecodingFailure.self) {
    try MessageFormat.decode(head: [22, 0xff, 0xff, 3], body: [])
  }
}

extension Message {
  fileprivate var carriesBytes: Bool {
    switch self {
    case .registered, .catalogReply, .resultBatch, .ingest, .execute, .catalogChanged: true
    default: false
    }
  }
}
