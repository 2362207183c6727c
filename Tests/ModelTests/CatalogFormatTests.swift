// CatalogFormatTests.swift — golden bytes, round trips and damage of the catalog's and the values' bytes.
import Bytes
import Model
import Testing

private func bytes(_ body: (inout ByteWriter) -> Void) -> [UInt8] {
  var writer = ByteWriter()
  body(&writer)
  return writer.finish()
}

private let types: [DataType] = [
  .boolean, .smallint, .integer, .bigint, .double, .plainNumeric,
  .numeric(precision: 12, scale: nil),
  .numeric(precision: 38, scale: 10), .text, .varchar(7), .date, .timestamp, .timestamptz,
  .interval,
  .hll(HLLParameters()),
  .hll(HLLParameters(log2m: 14, regwidth: 6, expthresh: 128, sparseon: false)),
  .topn(TopNParameters()), .hllHashval, .unknown, .topnRecord,
]

private let snapshot = CatalogSnapshot(
  cluster: ClusterID(high: 1, low: 2),
  version: CatalogVersion(77),
  nodes: [
    NodeRecord(
      id: NodeID(1),
      name: "coordinator-1",
      role: .coordinator,
      address: "127.0.0.1:7000",
      incarnation: Incarnation(0)
    ),
    NodeRecord(
      id: NodeID(2),
      name: "worker-1",
      role: .worker,
      address: "127.0.0.1:7001",
      incarnation: Incarnation(5)
    ),
  ],
  groups: [ColocationGroup(id: GroupID(3), keyType: .bigint, shards: [ShardID(4), ShardID(5)], copies: 3)],
  shards: [
    ShardRecord(
      id: ShardID(4),
      group: GroupID(3),
      lower: 0,
      upper: .max / 2,
      epoch: Epoch(1),
      version: 9,
      primary: NodeID(2)
    ),
    ShardRecord(
      id: ShardID(5),
      group: GroupID(3),
      lower: .max / 2 + 1,
      upper: .max,
      epoch: Epoch(2),
      version: 8,
      primary: NodeID(2),
      inSync: [ReplicaRecord(id: ReplicaID(3), node: NodeID(2)), ReplicaRecord(id: ReplicaID(4), node: NodeID(7))],
      eligible: [ReplicaRecord(id: ReplicaID(5), node: NodeID(8))],
      learners: [ReplicaRecord(id: ReplicaID(6), node: NodeID(9))],
      isBegun: true
    ),
  ],
  tables: [
    TableSchema(
      id: TableID(6),
      name: "events",
      columns: types.enumerated().map {
        Column(
          name: "c\($0)",
          type: $1,
          isNotNull: $0 % 2 == 0,
          defaultSQL: $0 % 3 == 0 ? "now()" : nil
        )
      },
      distribution: .distributed(key: 3, group: GroupID(3)),
      timeColumn: 11,
      keep: Interval(months: 1, days: 2, microseconds: 3)
    ),
    TableSchema(id: TableID(7), name: "plain", columns: []),
  ],
  rollups: [
    RollupDefinition(
      id: TableID(8),
      name: "daily",
      source: TableID(6),
      keys: [
        Column(name: "app", type: .bigint, isNotNull: true),
        Column(name: "bucket", type: .timestamp),
      ],
      measures: [
        RollupMeasure(name: "n", kind: .count, type: .bigint),
        RollupMeasure(name: "u", kind: .hll, type: .hll(HLLParameters())),
      ],
      levels: [
        RollupLevel(width: .microseconds(300_000_000), suffix: "5min", keep: Interval(days: 7)),
        RollupLevel(width: .months(1), suffix: "1month"),
      ],
      sql: "SELECT …",
      program: [1, 2, 3],
      outputOrder: [0, 1, 3, 2]
    )
  ]
)

@Suite struct CatalogBytes {
  @Test func goldenBytesOfTypesAndValues() {
    #expect(
      bytes { ValueFormat.encode(DataType.numeric(precision: 12, scale: 2), into: &$0) } == [
        6, 3, 12, 2,
      ]
    )
    #expect(bytes { ValueFormat.encode(DataType.varchar(300), into: &$0) } == [8, 0x2c, 1, 0, 0])
    #expect(
      bytes { ValueFormat.encode(DataType.hll(HLLParameters()), into: &$0) } == [
        13, 11, 5, 255, 255, 255, 255, 1,
      ]
    )
    #expect(bytes { ValueFormat.encode(Value.fixed(-2), into: &$0) } == [1, 3])
    #expect(bytes { ValueFormat.encode(Value.text("né"), into: &$0) } == [4, 3, 0x6e, 0xc3, 0xa9])
    #expect(
      bytes { ValueFormat.encode(Value.double(1.5), into: &$0) } == [
        2, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f,
      ]
    )
    #expect(
      bytes { ValueFormat.encode(Value.numeric(Numeric(coefficient: -1, scale: 2)), into: &$0) }
        == [3, 2] + [UInt8](repeating: 255, count: 16)
    )
    #expect(
      bytes {
        ValueFormat.encode(
          Value.interval(Interval(months: 1, days: -1, microseconds: 2)),
          into: &$0
        )
      }
        == [5, 1, 0, 0, 0, 255, 255, 255, 255, 2, 0, 0, 0, 0, 0, 0, 0]
    )
    #expect(
      bytes { TallyErrorFormat.encode(.sql("22P02", "bad", hint: "h", position: 300), into: &$0) }
        == [1, 0] + Array("22P02".utf8) + [3] + Array("bad".utf8) + [6, 1, 0x68, 0xac, 2]
    )
    var subject = ErrorSubject()
    subject[.table] = "t"
    subject[.constraint] = "t_pkey"
    #expect(
      bytes { TallyErrorFormat.encode(.sql("23505", "twice", subject: subject), into: &$0) }
        == [1, 0] + Array("23505".utf8) + [5] + Array("twice".utf8) + [16, 0, 1, 0x74, 0, 0, 6] + Array("t_pkey".utf8)
    )
  }
  @Test func goldenChecksumOfASnapshot() throws {
    let encoded = bytes { CatalogFormat.encode(snapshot, into: &$0) }
    // The six lists behind are empty; before them are the bytes of version 2.
    #expect(encoded.suffix(6) == [0, 0, 0, 0, 0, 0])
    let third = [3] + encoded.dropFirst().dropLast(1)
    #expect(third.count == 725)
    #expect(CRC32C.checksum(third) == 3_498_666_914)
    #expect(try third.withReader { reader throws(DecodingFailure) in try CatalogFormat.decodeSnapshot(from: &reader) } == snapshot)
    let old = [2] + encoded.dropFirst().dropLast(6)
    #expect(old.count == 720)
    #expect(CRC32C.checksum(old) == 2_658_944_578)
    let decoded = try old.withReader { reader throws(DecodingFailure) in try CatalogFormat.decodeSnapshot(from: &reader) }
    #expect(decoded == snapshot)
    #expect(
      encoded.prefix(26) == [
        4, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 2,
      ]
    )
    #expect(encoded.count == 726)
  }
  @Test func aSnapshotOfVersionOneHasOneCopyOfEachShard() throws {
    let encoded = bytes { out in
      out.u8(1)
      for number in [1, 2, 77] as [UInt64] { out.u64(number) }
      out.count(0)
      out.count(1)
      out.u64(3)
      ValueFormat.encode(DataType.bigint, into: &out)
      out.count(1)
      out.u64(4)
      out.count(1)
      for number in [4, 3, 0, .max, 6, 7, 2] as [UInt64] { out.u64(number) }
      out.count(0)
      out.count(0)
    }
    let decoded = try encoded.withReader { reader throws(DecodingFailure) in try CatalogFormat.decodeSnapshot(from: &reader) }
    #expect(decoded.groups.first?.copies == 1)
    #expect(decoded.shards.first?.inSync == [ReplicaRecord(id: ReplicaID(4), node: NodeID(2))])
    #expect(decoded.shards.first?.isBegun == true && decoded.shards.first?.epoch == Epoch(6))
  }
  @Test func objectsAndConstraintsRoundTripAndKeepTheirBytes() throws {
    var full = snapshot
    full.tables[0].keys = [
      TableKey(name: "events_pkey", columns: [0, 2], isPrimary: true), TableKey(name: "u", columns: [1], isPrimary: false, isIndex: true),
    ]
    full.tables[0].checks = [TableCheck(name: "c", sql: "c0 IS NOT NULL")]
    full.tables[0].indexes = [TableIndex(name: "i", columns: [3], sql: "USING btree (c3)")]
    full.tables[0].columns[4].isDropped = true
    full.tables[0].columns[5].missing = "7"
    full.tables[0].columns[6].identity = .always
    full.tables.append(TableSchema(id: TableID(20), name: "l", columns: [], distribution: .single(group: GroupID(3), isReference: false)))
    full.tables.append(TableSchema(id: TableID(21), name: "r", columns: [], distribution: .single(group: GroupID(3), isReference: true)))
    full.schemas = ["a", "b"]
    full.views = [ViewRecord(id: TableID(22), schemaName: "a", name: "v", columns: [Column(name: "x", type: .text)], sql: "SELECT 1")]
    full.functions = [
      FunctionRecord(
        id: TableID(23),
        schemaName: "public",
        name: "f",
        arguments: [.init(name: "n", type: .bigint, mode: .inout, defaultSQL: "1")],
        result: .text,
        returnsSet: true,
        language: "plpgsql",
        body: "BEGIN END",
        volatility: .stable,
        isStrict: true
      )
    ]
    full.sequences = [
      SequenceRecord(id: TableID(24), schemaName: "public", name: "s", increment: -2, least: -9, greatest: 9, owner: (TableID(6), 2))
    ]
    full.jobs = [JobRecord(id: 1, name: "j", schedule: "*/5 * * * *", command: "SELECT 1", user: "u", isActive: false)]
    let third = [3] + bytes { CatalogFormat.encode(full, into: &$0) }.dropFirst().dropLast()
    #expect(third.count == 1017)
    #expect(CRC32C.checksum(third) == 3_759_679_654)
    #expect(try third.withReader { reader throws(DecodingFailure) in try CatalogFormat.decodeSnapshot(from: &reader) } == full)
    full.tables[0].references = [
      TableReference(name: "f", columns: [1, 2], table: TableID(20), keyColumns: [0, 3], restrictsUpdate: true),
      TableReference(name: "g", columns: [1], table: TableID(6), keyColumns: [0], restrictsDelete: true),
    ]
    full.tables[0].comments = [
      TableComment(subject: .table, text: "t"), TableComment(subject: .column(2), text: "c"),
      TableComment(subject: .constraint("f"), text: "f"), TableComment(subject: .index("i"), text: "i"),
    ]
    full.tables[1].materializedSQL = "SELECT 1"
    full.drafted = [TableSchema(id: TableID(25), name: "d", columns: [Column(name: "x", type: .text)])]
    let encoded = bytes { CatalogFormat.encode(full, into: &$0) }
    let decoded = try encoded.withReader { reader throws(DecodingFailure) in
      let result = try CatalogFormat.decodeSnapshot(from: &reader)
      try reader.expectEnd()
      return result
    }
    #expect(decoded == full)
    #expect(encoded.count == 1102)
    #expect(CRC32C.checksum(encoded) == 3_445_432_732)
    for length in 0..<encoded.count {
      #expect(throws: DecodingFailure.self) {
        try Array(encoded[..<length]).withReader { r throws(DecodingFailure) in try CatalogFormat.decodeSnapshot(from: &r) }
      }
    }
  }
  @Test func snapshotsRoundTrip() throws {
    let encoded = bytes { CatalogFormat.encode(snapshot, into: &$0) }
    let decoded = try encoded.withReader { reader throws(DecodingFailure) in
      let result = try CatalogFormat.decodeSnapshot(from: &reader)
      try reader.expectEnd()
      return result
    }
    #expect(decoded == snapshot)
  }
  @Test func everyTruncationAndEveryFlippedByteIsHandled() throws {
    let encoded = bytes { CatalogFormat.encode(snapshot, into: &$0) }
    for length in 0..<encoded.count {
      #expect(throws: DecodingFailure.self) {
        try Array(encoded[..<length]).withReader { r throws(DecodingFailure) in
          try CatalogFormat.decodeSnapshot(from: &r)
        }
      }
    }
    for at in encoded.indices {
      for change in [UInt8(0xff), 0x80, 0x01] {
        var damaged = encoded
        damaged[at] ^= change
        // Any answer but a trap is right; a changed number cannot be noticed here.
        do {
          _ = try damaged.withReader { r throws(DecodingFailure) in
            try CatalogFormat.decodeSnapshot(from: &r)
          }
        } catch {
          #expect(error.position <= encoded.count)
        }
      }
    }
  }
  @Test func valuesRoundTripWithTheirTypes() throws {
    let values: [TypedValue] = [
      TypedValue(.bigint, .null), TypedValue(.bigint, .fixed(.min)),
      TypedValue(.double, .double(-0.0)),
      TypedValue(.plainNumeric, .numeric(Numeric(coefficient: 12345, scale: 3))),
      TypedValue(.text, .text("héllo")),
      TypedValue(.interval, .interval(Interval(months: -1, days: 5, microseconds: .max))),
      TypedValue(.hll(HLLParameters()), .hll([1, 2, 3])),
      TypedValue(.topn(TopNParameters()), .topn([])),
    ]
    for value in values {
      let encoded = bytes { ValueFormat.encode(value, into: &$0) }
      let back = try encoded.withReader { r throws(DecodingFailure) in
        try ValueFormat.decodeTypedValue(from: &r)
      }
      #expect(back.type == value.type)
      #expect(
        ValueText.print(back.value, as: back.type) == ValueText.print(value.value, as: value.type)
      )
    }
    let wrong = bytes { ValueFormat.encode(TypedValue(.text, .fixed(1)), into: &$0) }
    #expect(throws: DecodingFailure.self) {
      try wrong.withReader { r throws(DecodingFailure) in try ValueFormat.decodeTypedValue(from: &r)
      }
    }
  }
  @Test func errorsRoundTripAndUnknownStatusBecomesInternal() throws {
    var error = TallyError(
      .overloaded,
      "später",
      sqlState: "53200",
      detail: "d",
      hint: "h",
      position: 3,
      node: "worker-1"
    )
    error.subject = ErrorSubject()
    for part in ErrorSubject.Part.allCases { error.subject?[part] = "name \(part)" }
    var encoded = bytes { TallyErrorFormat.encode(error, into: &$0) }
    #expect(
      try encoded.withReader { r throws(DecodingFailure) in try TallyErrorFormat.decode(from: &r) }
        == error
    )
    encoded[0] = 0xee
    let unknown = try encoded.withReader { r throws(DecodingFailure) in
      try TallyErrorFormat.decode(from: &r)
    }
    #expect(unknown.status == .internalError)
    #expect(unknown.sqlState == "53200")
  }
}
