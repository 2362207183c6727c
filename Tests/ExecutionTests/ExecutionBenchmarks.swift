// ExecutionBenchmarks.swift — rows a second of scans, queries and deltas on one core; runs only with TALLY_BENCH set, in release builds.
import Aggregates
import Capabilities
import Columns
import Glibc
import Model
import Planning
import Storage
import Testing

@testable import Execution

/// CPU time of this thread: other work on the machine does not count.
private func seconds(_ body: () throws -> Void) rethrows -> Double {
  func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
  let start = now()
  try body()
  return now() - start
}

@Suite(.serialized, .enabled(if: getenv("TALLY_BENCH") != nil))
struct ExecutionBenchmarks {
  static let hll = DataType.hll(HLLParameters())
  static let topn = DataType.topn(TopNParameters())
  static let types: [DataType] = [.bigint, .timestamp, .bigint, .text, .text, .text, .integer]
  static let table = TableSchema(
    id: TableID(1),
    name: "queries",
    columns: [
      Column(name: "app_id", type: .bigint), Column(name: "ts", type: .timestamp),
      Column(name: "user_id", type: .bigint),
      Column(name: "query", type: .text), Column(name: "country", type: .text),
      Column(name: "device", type: .text),
      Column(name: "latency", type: .integer),
    ],
    distribution: .distributed(key: 0, group: GroupID(1)),
    timeColumn: 1
  )
  static func raw(_ index: Int) -> Expression { .column(index, types[index]) }
  static let program = RollupProgram(
    keys: [raw(0), raw(1)],
    measures: [
      MeasureProgram(kind: .count, arguments: [], filter: nil, type: .bigint),
      MeasureProgram(kind: .sum, arguments: [raw(6)], filter: nil, type: .bigint),
      MeasureProgram(
        kind: .hll,
        arguments: [call(.hllHashval, .hllHash, raw(2), int(0, .integer))],
        filter: nil,
        type: hll
      ),
      MeasureProgram(kind: .topn, arguments: [raw(3)], filter: nil, type: topn),
    ]
  )
  static let definition = RollupDefinition(
    id: TableID(10),
    name: "searches",
    source: table.id,
    keys: [Column(name: "app_id", type: .bigint), Column(name: "bucket", type: .timestamp)],
    measures: [
      RollupMeasure(name: "searches", kind: .count, type: .bigint),
      RollupMeasure(name: "latency", kind: .sum, type: .bigint),
      RollupMeasure(name: "users", kind: .hll, type: hll),
      RollupMeasure(name: "top", kind: .topn, type: topn),
    ],
    levels: [
      RollupLevel(width: .microseconds(300_000_000), suffix: "5min"),
      RollupLevel(width: .microseconds(TestRows.day), suffix: "1day"),
    ],
    sql: "",
    program: [],
    outputOrder: Array(0..<6)
  )

  /// Events of a day for 1000 tenants, small numbers much more often: about 7 rows a tenant and 5 minutes.
  static func events(
    _ count: Int,
    _ dictionaries: [TextDictionary],
    _ random: inout Seeded,
    from start: Int,
    of total: Int
  ) -> Batch {
    var fixed = [[Int64]](repeating: [], count: 4)
    var codes = [[UInt32]](repeating: [], count: 3)
    for row in 0..<count {
      let r = Double(random.next() >> 11) / 9_007_199_254_740_992
      fixed[0].append(Int64(1000 * r * r * r))
      fixed[1].append(TestRows.start + Int64(start + row) * TestRows.day * 7 / Int64(total))
      fixed[2].append(random.between(0, 200_000))
      let q = Double(random.next() >> 11) / 9_007_199_254_740_992
      codes[0].append(UInt32(Double(dictionaries[0].count) * q * q))
      codes[1].append(UInt32(random.below(dictionaries[1].count)))
      codes[2].append(UInt32(random.below(dictionaries[2].count)))
      fixed[3].append(random.between(1, 500))
    }
    return Batch(
      count: count,
      columns: [
        ColumnVector(.bigint, .fixed(fixed[0])), ColumnVector(.timestamp, .fixed(fixed[1])),
        ColumnVector(.bigint, .fixed(fixed[2])),
        ColumnVector(.text, .codes(codes[0], dictionaries[0])),
        ColumnVector(.text, .codes(codes[1], dictionaries[1])),
        ColumnVector(.text, .codes(codes[2], dictionaries[2])),
        ColumnVector(.integer, .fixed(fixed[3])),
      ]
    )
  }
  static func dictionary(_ count: Int, _ name: String) -> TextDictionary {
    var interner = TextInterner(expected: count)
    for at in 0..<count { Array("\(name) \(at)".utf8).withUnsafeBytes { _ = interner.intern($0) } }
    return interner.dictionary()
  }
  static let dictionaries = [
    dictionary(20_000, "query about"), dictionary(60, "country"), dictionary(5, "device"),
  ]

  static func memory(_ rows: Int, ofWeek total: Int? = nil) -> MemTable {
    var random = Seeded(7)
    let table = MemTable(layout: RelationLayout(table: table))
    for at in stride(from: 0, to: rows, by: 65536) {
      table.append(
        events(min(65536, rows - at), dictionaries, &random, from: at, of: total ?? rows),
        at: LogPosition(UInt64(at / 65536 + 1))
      )
    }
    return table
  }
  static func sections(_ table: MemTable) throws -> [SegmentSection] {
    var batches: [Batch] = []
    let types = table.layout.types
    _ = try TableSnapshot(
      layout: table.layout,
      position: table.high ?? LogPosition(0),
      chunks: table.snapshot(),
      sections: []
    )
    .scan(columns: Array(types.indices), morselRows: 65536) { batches.append($0) }
    let image = SegmentWriter.write(
      SegmentIdentity(cluster: .none, shard: ShardID(1), file: 1),
      sections: [
        SectionInput(
          layout: table.layout,
          rows: Batch.concatenate(batches, types: types),
          low: LogPosition(1),
          high: table.high ?? LogPosition(1),
          order: .log
        )
      ]
    )
    return try SegmentReader.open(image: FileImage(copying: image.joined()))
  }
  static func scan(_ columns: [Int]) -> PlanNode {
    .scan(
      ScanNode(
        source: .table(table.id),
        storedColumns: columns,
        output: columns.map { OutputColumn(table.columns[$0].name, types[$0]) }
      )
    )
  }
  static func best(_ name: String, _ rows: Int, _ runs: Int = 5, _ body: () throws -> Void) rethrows {
    var least = Double.infinity
    for _ in 0..<runs { least = min(least, try seconds(body)) }
    print(
      "BENCH \(name): \(Int(Double(rows) / least / 1e6 * 10) / 10) M rows/s, \(Int(least * 1e6)) us"
    )
  }

  @Test func rawScans() throws {
    let rows = 10_000_000
    let memory = Self.memory(rows)
    let position = memory.high ?? LogPosition(0)
    let inMemory = TableSnapshot(
      layout: memory.layout,
      position: position,
      chunks: memory.snapshot(),
      sections: []
    )
    let inFiles = TableSnapshot(
      layout: memory.layout,
      position: position,
      chunks: [],
      sections: try Self.sections(memory)
    )
    let byDevice = OperatorTests.aggregate(
      Self.scan([5]),
      [.column(0, .text)],
      [AggregateCall(.countStar, [], type: .bigint)]
    )
    let byDeviceFiltered = OperatorTests.aggregate(
      .filter(
        FilterNode(
          input: Self.scan([5, 6]),
          condition: call(.boolean, .less, .column(1, .integer), int(250, .integer))
        )
      ),
      [.column(0, .text)],
      [AggregateCall(.countStar, [], type: .bigint)]
    )
    let hash = call(.hllHashval, .hllHash, .column(1, .bigint), int(0, .integer))
    let distinct = OperatorTests.aggregate(
      Self.scan([4, 2]),
      [.column(0, .text)],
      [AggregateCall(.hllAdd, [hash], type: Self.hll)]
    )
    let byUser = OperatorTests.aggregate(
      Self.scan([2]),
      [.column(0, .bigint)],
      [AggregateCall(.countStar, [], type: .bigint)]
    )
    let byTenantCountry = OperatorTests.aggregate(
      Self.scan([0, 4, 6]),
      [.column(0, .bigint), .column(1, .text)],
      [
        AggregateCall(.countStar, [], type: .bigint),
        AggregateCall(.sum, [.column(2, .integer)], type: .bigint),
      ]
    )
    let all = OperatorTests.aggregate(
      Self.scan([]),
      [],
      [AggregateCall(.countStar, [], type: .bigint)]
    )
    for (where_, snapshot) in [("memory", inMemory), ("files", inFiles)] {
      let view = ShardReadView(
        shard: ShardID(1),
        position: position,
        tables: [Self.table.id: snapshot],
        rollups: [:]
      )
      for (name, plan) in [
        ("count by device", byDevice), ("filtered count by device", byDeviceFiltered),
        ("HLL by country", distinct),
        ("count by user", byUser), ("count, sum by tenant, country", byTenantCountry),
        ("count(*)", all),
      ] {
        try Self.best("\(where_): \(name)", rows) {
          let result = try FragmentExecution.execute(plan, view)
          #expect(result.rowCount > 0)
        }
      }
    }
  }
  @Test func rollups() throws {
    let rows = 2_000_000
    // A fifth of a week of 10 M events: about 7 rows a group.
    let memory = Self.memory(rows, ofWeek: 10_000_000)
    let position = memory.high ?? LogPosition(0)
    let raw = TableSnapshot(
      layout: memory.layout,
      position: position,
      chunks: memory.snapshot(),
      sections: []
    )
    let layouts = [0, 1].map { RelationLayout(rollup: Self.definition, level: $0) }
    func view(_ levels: [TableSnapshot], watermark: LogPosition) -> RollupView {
      RollupView(
        definition: Self.definition,
        program: Self.program,
        levels: levels,
        raw: raw,
        watermark: watermark,
        cut: LogPosition(0),
        coveredFrom: .min,
        floors: [.min, .min]
      )
    }
    let none = layouts.map {
      TableSnapshot(layout: $0, position: position, chunks: [], sections: [])
    }
    var delta: Batch?
    try Self.best("delta (count, sum, HLL, TopN by tenant, 5 minutes)", rows, 3) {
      delta = try RollupDelta.build(
        view(none, watermark: LogPosition(0)),
        .positions(after: LogPosition(0), through: position),
        limits: ExecutionLimits(memoryBytes: 4 << 30)
      ).states
    }
    let states = try #require(delta)
    print("BENCH groups: \(states.count)")
    var daily: Batch?
    try Self.best("day level from 5 minutes", states.count, 3) {
      daily = try StateMerge.merge(
        [states],
        keyCount: 2,
        measures: Self.definition.measures,
        truncating: (key: 1, width: .microseconds(TestRows.day))
      )
    }
    func section(_ batch: Batch, _ layout: RelationLayout) throws -> [SegmentSection] {
      let image = SegmentWriter.write(
        SegmentIdentity(cluster: .none, shard: ShardID(1), file: 2),
        sections: [
          SectionInput(
            layout: layout,
            rows: batch,
            low: LogPosition(1),
            high: position,
            order: .sorted(.unsliced)
          )
        ]
      )
      return try SegmentReader.open(image: FileImage(copying: image.joined()))
    }
    let levels = [
      TableSnapshot(
        layout: layouts[0],
        position: position,
        chunks: [],
        sections: try section(states, layouts[0])
      ),
      TableSnapshot(
        layout: layouts[1],
        position: position,
        chunks: [],
        sections: try section(try #require(daily), layouts[1])
      ),
    ]
    let shard = ShardReadView(
      shard: ShardID(1),
      position: position,
      tables: [:],
      rollups: [Self.definition.id: view(levels, watermark: position)]
    )
    for (name, use) in [("daily", LevelUse.chain(first: 1)), ("5 minutes", .chain(first: 0))] {
      for tenant in [Int64(0), 500] {
        func scan(_ columns: [Int]) -> PlanNode {
          .scan(
            ScanNode(
              source: .rollup(Self.definition.id, use),
              storedColumns: columns,
              output: columns.map { OutputColumn("c", Self.definition.storedColumns[$0].type) },
              zoneConditions: [ZoneCondition(storedColumn: 0, .equal, .fixed(tenant))],
              filter: call(.boolean, .equal, .column(0, .bigint), int(tenant))
            )
          )
        }
        let counts = OperatorTests.aggregate(
          scan([0, 2, 4]),
          [],
          [
            AggregateCall(.countMerge, [.column(1, .bigint)], type: .bigint),
            AggregateCall(.hllUnion, [.column(2, Self.hll)], type: Self.hll),
          ]
        )
        let top = PlanNode.project(
          ProjectNode(
            input: .expandTopN(
              ExpandTopNNode(
                input: OperatorTests.aggregate(
                  scan([0, 5]),
                  [],
                  [AggregateCall(.topnUnion, [.column(1, Self.topn)], type: Self.topn)]
                ),
                column: 0,
                count: 10,
                fields: [.item, .frequency],
                names: ["item", "frequency"]
              )
            ),
            expressions: [.column(1, .text), .column(2, .bigint)],
            names: ["item", "frequency"]
          )
        )
        for (what, plan) in [("count, distinct", counts), ("top 10", top)] {
          try Self.best("tenant \(tenant), \(name): \(what)", 1, 20) {
            _ = try FragmentExecution.execute(plan, shard)
          }
        }
      }
    }
    let tail = ShardReadView(
      shard: ShardID(1),
      position: position,
      tables: [:],
      rollups: [Self.definition.id: view(levels, watermark: LogPosition(position.rawValue - 2))]
    )
    let total = OperatorTests.aggregate(
      .scan(
        ScanNode(
          source: .rollup(Self.definition.id, .chain(first: 1)),
          storedColumns: [2],
          output: [OutputColumn("c", .bigint)]
        )
      ),
      [],
      [AggregateCall(.countMerge, [.column(0, .bigint)], type: .bigint)]
    )
    try Self.best("all tenants with a tail of 128 Ki rows", 131_072, 10) {
      _ = try FragmentExecution.execute(total, tail)
    }
  }

  @Test func joinsAndWindows() throws {
    var random = Seeded(3)
    let count = 1_000_000
    let output = [OutputColumn("k", .bigint), OutputColumn("v", .bigint), OutputColumn("t", .text)]
    var batches: [Batch] = []
    for start in stride(from: 0, to: count, by: Limits.batchRowsMax) {
      let rows = min(Limits.batchRowsMax, count - start)
      let texts = try TestRows.column(.text, (0..<16).map { .text("text \($0)") })
      batches.append(
        Batch(
          count: rows,
          columns: [
            ColumnVector(.bigint, .fixed((0..<rows).map { _ in random.between(0, 9999) })),
            ColumnVector(.bigint, .fixed((0..<rows).map { _ in random.between(0, 1_000_000) })),
            texts.gather((0..<rows).map { _ in UInt32(random.below(16)) }),
          ]
        )
      )
    }
    let keys = [
      Batch(
        count: 10_000,
        columns: [
          ColumnVector(.bigint, .fixed(Array(0..<10_000))), ColumnVector(.bigint, .fixed((0..<10_000).map { $0 * 3 })),
          ColumnVector.nulls(.text, count: 10_000),
        ]
      )
    ]
    func input(_ fragment: Int) -> PlanNode { .fragmentInput(FragmentInputNode(fragment: fragment, output: output)) }
    func column(_ at: Int) -> Expression { .column(at, output[at % 3].type) }
    let join = JoinNode(.inner, left: input(0), right: input(1), keys: [JoinNode.Key(left: column(0), right: column(0))])
    let source = GatheredRows(fragments: [batches, keys])
    func run(_ plan: PlanNode) throws { _ = try FragmentExecution.run(plan, source, ExecutionLimits(memoryBytes: 4 << 30)) }
    let sum = OperatorTests.aggregate(.join(join), [], [AggregateCall(.sum, [column(4)], type: .plainNumeric)])
    try Self.best("join of 1 M rows with 10 k keys, then sum", count, 5) { try run(sum) }
    try Self.best("join of 1 M rows with 10 k keys, all columns", count, 5) { try run(.join(join)) }
    let swapped = JoinNode(.inner, left: input(1), right: input(0), keys: join.keys)
    let other = OperatorTests.aggregate(.join(swapped), [], [AggregateCall(.sum, [column(4)], type: .plainNumeric)])
    try Self.best("join of 10 k keys with 1 M rows built, then sum", count, 5) { try run(other) }
    let semi = JoinNode(.semi, left: input(0), right: input(1), keys: join.keys, condition: call(.boolean, .less, column(1), column(4)))
    try Self.best("semi join with a condition", count, 5) { try run(.join(semi)) }
    let rows = TypedValue(.bigint, .fixed(100))
    let frames: [(String, WindowFrame)] = [
      ("running", .standard), ("100 rows before", WindowFrame(unit: .rows, start: .preceding(rows), end: .currentRow, exclusion: .none)),
    ]
    for (name, frame) in frames {
      for (what, function) in [("sum", AggregateFunction.sum), ("max", .max)] {
        let type: DataType = function == .sum ? .plainNumeric : .bigint
        let window = WindowNode(
          input: input(0),
          partitions: [0],
          keys: [SortKey(column: 1)],
          calls: [WindowCall(.aggregate(function), [column(1)], filter: nil, frame: frame, type: type)],
          names: ["w"]
        )
        try Self.best("window \(what), \(name), 1 M rows in 10 k partitions", count, 3) { try run(.window(window)) }
      }
    }
    let distinct = OperatorTests.aggregate(input(0), [column(2)], [AggregateCall(.count, [column(1)], isDistinct: true, type: .bigint)])
    try Self.best("count(DISTINCT) of 1 M rows in 16 groups", count, 3) { try run(distinct) }
  }
}
