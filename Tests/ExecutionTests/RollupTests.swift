// RollupTests.swift — a rollup's relation at random watermarks, floors and backfill borders against one computed from all rows.
import Aggregates
import Capabilities
import Columns
import Model
import Planning
import Storage
import Testing

@testable import Execution

/// A shard with one raw table and one rollup, built step by step.
struct RollupFixture {
  static let hll = DataType.hll(HLLParameters())
  static let topn = DataType.topn(TopNParameters())
  static let rawTypes: [DataType] = [.bigint, .timestamp, .text, .integer, .integer]
  static let table = TableSchema(
    id: TableID(1),
    name: "queries",
    columns: [
      Column(name: "app_id", type: .bigint, isNotNull: true), Column(name: "ts", type: .timestamp),
      Column(name: "query", type: .text), Column(name: "hits", type: .integer),
      Column(name: "latency", type: .integer),
    ],
    distribution: .distributed(key: 0, group: GroupID(1)),
    timeColumn: 1
  )
  static let program = RollupProgram(
    keys: [raw(0), raw(1), call(.text, .lower, raw(2))],
    measures: [
      MeasureProgram(kind: .count, arguments: [], filter: nil, type: .bigint),
      MeasureProgram(kind: .sum, arguments: [raw(4)], filter: nil, type: .bigint),
      // Fails where hits is 0: NULL there, counted.
      MeasureProgram(
        kind: .max,
        arguments: [call(.integer, .divide, int(100, .integer), raw(3))],
        filter: nil,
        type: .integer
      ),
      MeasureProgram(
        kind: .hll,
        arguments: [call(.hllHashval, .hllHash, raw(4), int(0, .integer))],
        filter: nil,
        type: hll
      ),
      MeasureProgram(
        kind: .topn,
        arguments: [raw(2)],
        filter: call(.boolean, .equal, raw(3), int(0, .integer)),
        type: topn
      ),
    ],
    condition: call(.boolean, .greaterOrEqual, raw(4), int(5, .integer))
  )
  static let definition = RollupDefinition(
    id: TableID(10),
    name: "searches",
    source: table.id,
    keys: [
      Column(name: "app_id", type: .bigint), Column(name: "bucket", type: .timestamp),
      Column(name: "term", type: .text),
    ],
    measures: [
      RollupMeasure(name: "searches", kind: .count, type: .bigint),
      RollupMeasure(name: "latency", kind: .sum, type: .bigint),
      RollupMeasure(name: "share", kind: .max, type: .integer),
      RollupMeasure(name: "users", kind: .hll, type: hll),
      RollupMeasure(name: "top", kind: .topn, type: topn),
    ],
    levels: [
      RollupLevel(width: .microseconds(300_000_000), suffix: "5min"),
      RollupLevel(width: .microseconds(TestRows.day), suffix: "1day"),
      RollupLevel(width: .months(1), suffix: "1month"),
    ],
    sql: "",
    program: RollupProgramFormat.encode(program),
    outputOrder: Array(0..<8)
  )
  static func raw(_ index: Int) -> Expression { .column(index, rawTypes[index]) }

  var rawRows = MemTable(layout: RelationLayout(table: table))
  var levels = definition.levels.indices.map {
    MemTable(layout: RelationLayout(rollup: definition, level: $0))
  }
  var position = LogPosition(0)
  var watermark = LogPosition(0)
  var cut = LogPosition(0)
  var coveredFrom = Int64.min
  var floors: [Int64] = [.min, .min, .min]
  /// Sections made from the first rows, when a test flushes.
  var rawSections: [SegmentSection] = []

  mutating func append(_ rows: [[Value]]) throws {
    position = position.next
    rawRows.append(try TestRows.batch(rows, types: Self.rawTypes), at: position)
  }
  var view: RollupView {
    RollupView(
      definition: Self.definition,
      program: Self.program,
      levels: levels.map {
        TableSnapshot(layout: $0.layout, position: position, chunks: $0.snapshot(), sections: [])
      },
      raw: TableSnapshot(
        layout: rawRows.layout,
        position: position,
        chunks: rawRows.snapshot(),
        sections: rawSections
      ),
      watermark: watermark,
      cut: cut,
      coveredFrom: coveredFrom,
      floors: floors
    )
  }
  var shard: ShardReadView {
    ShardReadView(
      shard: ShardID(1),
      position: position,
      tables: [Self.table.id: view.raw],
      rollups: [Self.definition.id: view]
    )
  }
  /// Adds a delta to every level.
  func apply(_ delta: Batch) throws {
    for (level, table) in zip(Self.definition.levels, levels) {
      let states = try StateMerge.merge(
        [delta],
        keyCount: 3,
        measures: Self.definition.measures,
        truncating: (key: 1, width: level.width)
      )
      table.append(states, at: LogPosition(table.high.map { $0.rawValue + 1 } ?? 1))
    }
  }
  mutating func roll(to: LogPosition) throws -> RollupDelta.Result {
    let result = try RollupDelta.build(view, .positions(after: watermark, through: to))
    try apply(result.states)
    watermark = to
    return result
  }
  mutating func backfill(downTo from: Int64) throws {
    let result = try RollupDelta.build(view, .slice(through: cut, from: from, to: coveredFrom))
    try apply(result.states)
    coveredFrom = from
  }
  static func randomRows(_ count: Int, _ random: inout Seeded) -> [[Value]] {
    (0..<count).map { _ in
      let time: Value =
        switch random.below(30) {
        case 0: .null
        case 1: .fixed(TimeLimits.infinity)
        case 2: .fixed(TimeLimits.minusInfinity)
        default: .fixed(TestRows.start + random.between(0, 500) * 3_600_000_000 / 4)
        }
      return [
        .fixed(random.between(1, 4)), time,
        random.below(9) == 0 ? .null : .text(random.pick(["A", "a", "b", "Ü", "cc"])),
        .fixed(random.between(0, 3)), random.below(9) == 0 ? .null : .fixed(random.between(0, 60)),
      ]
    }
  }
  /// What the rollup is by definition: all rows' states, each bucket cut as wide as floors say.
  func expected(_ use: LevelUse, all: Batch) throws -> [String] {
    var left = all
    var out: [String] = []
    let levels: [Int] =
      switch use {
      case .only(let level): [level]
      case .chain(let first): Array(Self.definition.levels.indices.dropFirst(first))
      }
    for (at, level) in levels.enumerated() {
      let states = try StateMerge.merge(
        [left],
        keyCount: 3,
        measures: Self.definition.measures,
        truncating: (key: 1, width: Self.definition.levels[level].width)
      )
      guard case .fixed(let buckets) = states.columns[1].values else { continue }
      let kept = (0..<UInt32(states.count)).filter { row in
        let isSpecial =
          states.columns[1].isNull(Int(row)) || TimeArithmetic.isInfinite(buckets[Int(row)])
        return at == 0
          ? isSpecial || buckets[Int(row)] >= floors[level]
          : !isSpecial && buckets[Int(row)] >= floors[level]
      }
      out += try TestRows.texts(states.gather(kept))
      guard case .fixed(let times) = left.columns[1].values else { continue }
      left = left.gather(
        (0..<UInt32(left.count)).filter { row in
          let time = times[Int(row)]
          return !left.columns[1].isNull(Int(row)) && !TimeArithmetic.isInfinite(time)
            && Calendar.truncateToBucket(time, Self.definition.levels[level].width) < floors[level]
        }
      )
    }
    return out.sorted()
  }
  static func scan(
    _ use: LevelUse,
    merged: Bool = true,
    columns: [Int] = Array(0..<8),
    filter: Expression? = nil,
    zones: [ZoneCondition] = []
  ) -> ScanNode {
    ScanNode(
      source: .rollup(definition.id, use),
      storedColumns: columns,
      output: columns.map {
        OutputColumn(definition.storedColumns[$0].name, definition.storedColumns[$0].type)
      },
      zoneConditions: zones,
      filter: filter,
      needsMergedGroups: merged
    )
  }
  func read(_ node: ScanNode) throws -> FragmentResult {
    try FragmentExecution.execute(.scan(node), shard)
  }
}

struct RollupTests {
  static let uses: [LevelUse] = [
    .chain(first: 0), .chain(first: 1), .chain(first: 2), .only(0), .only(1), .only(2),
  ]

  @Test func runsAndTailGiveWhatAllRowsGive() throws {
    for seed in 0..<12 {
      var random = Seeded(UInt64(100 + seed))
      var fixture = RollupFixture()
      for _ in 0..<6 { try fixture.append(RollupFixture.randomRows(random.below(120), &random)) }
      // Rows so far are backfilled down to some time, or not at all, or wholly.
      fixture.cut = fixture.position
      fixture.watermark = fixture.position
      fixture.coveredFrom = .max
      let day = TestRows.day
      switch seed % 4 {
      case 0: break
      case 1: try fixture.backfill(downTo: TestRows.start + 2 * day)
      case 2:
        try fixture.backfill(downTo: TestRows.start + 3 * day)
        try fixture.backfill(downTo: .min)
      default: try fixture.backfill(downTo: .min)
      }
      for _ in 0..<6 {
        try fixture.append(RollupFixture.randomRows(random.below(120), &random))
        if random.below(2) == 0 {
          let to =
            fixture.watermark.rawValue
            + UInt64(random.below(Int(fixture.position.rawValue - fixture.watermark.rawValue) + 1))
          _ = try fixture.roll(to: LogPosition(to))
        }
      }
      if seed % 3 != 0 {
        let second = TestRows.start + random.between(0, 6) * day
        // The day level's floor is a month border below the first level's floor.
        let month = Calendar.truncate(second, to: .month)
        fixture.floors = [second, seed % 3 == 1 ? month : .min, .min]
      }
      var fresh = fixture
      (fresh.coveredFrom, fresh.cut) = (.min, LogPosition(0))
      let all = try RollupDelta.build(
        fresh.view,
        .positions(after: LogPosition(0), through: fixture.position)
      )
      for use in Self.uses {
        let got = try fixture.read(RollupFixture.scan(use))
        #expect(
          try TestRows.texts(got.batches).sorted() == fixture.expected(use, all: all.states),
          "seed \(seed) \(use)"
        )
      }
      // Totals need no merged groups, in any level that is whole.
      let total = OperatorTests.aggregate(
        .scan(RollupFixture.scan(.chain(first: 0), merged: false, columns: [0, 3, 4, 6])),
        [.column(0, .bigint)],
        [
          AggregateCall(.countMerge, [.column(1, .bigint)], type: .bigint),
          AggregateCall(.sum, [.column(2, .bigint)], type: .bigint),
          AggregateCall(.hllUnion, [.column(3, RollupFixture.hll)], type: RollupFixture.hll),
        ]
      )
      let direct = try FragmentExecution.run(
        OperatorTests.aggregate(
          .values(ValuesNode(output: [], rows: [])),
          [.column(0, .bigint)],
          []
        ),
        BatchSource(batches: []),
        ExecutionLimits()
      )
      #expect(direct.batches.isEmpty)
      let got = try FragmentExecution.execute(total, fixture.shard)
      let merged = OperatorTests.aggregate(
        .fragmentInput(FragmentInputNode(fragment: 0, output: [])),
        [.column(0, .bigint)],
        [
          AggregateCall(.countMerge, [.column(3, .bigint)], type: .bigint),
          AggregateCall(.sum, [.column(4, .bigint)], type: .bigint),
          AggregateCall(.hllUnion, [.column(6, RollupFixture.hll)], type: RollupFixture.hll),
        ]
      )
      let want = try FragmentExecution.run(
        merged,
        BatchSource(batches: [all.states]),
        ExecutionLimits()
      )
      #expect(try TestRows.texts(got.batches).sorted() == TestRows.texts(want.batches).sorted())
    }
  }
  @Test func deltasCountRowsAndPoison() throws {
    var fixture = RollupFixture()
    try fixture.append([
      [.fixed(1), .fixed(TestRows.start), .text("A"), .fixed(0), .fixed(10)],
      [.fixed(1), .fixed(TestRows.start + 1), .text("a"), .fixed(4), .fixed(20)],
      [.fixed(1), .fixed(TestRows.start + 2), .text("a"), .fixed(4), .fixed(2)],
    ])
    let result = try fixture.roll(to: LogPosition(1))
    #expect(result.rowsConsumed == 3)
    #expect(result.poisonedRows == 1)
    #expect(result.states.count == 1)
    let columns = result.states.columns
    let numbers = try [0, 3, 4, 5].map { TestRows.text(try columns[$0].value(0), columns[$0].type) }
    #expect(numbers == ["1", "2", "30", "25"])
    #expect(TestRows.text(try columns[7].value(0), columns[7].type) == "{A=1-0} 0 1")
    // Without rows there is nothing to add.
    let empty = try fixture.roll(to: LogPosition(1))
    #expect(empty.states.count == 0 && empty.rowsConsumed == 0)
    #expect(empty.states.types == RollupFixture.definition.storedColumns.map(\.type))
  }
  @Test func filtersReachTheTailAsTheyReachTheRuns() throws {
    var random = Seeded(200)
    var fixture = RollupFixture()
    for _ in 0..<8 { try fixture.append(RollupFixture.randomRows(100, &random)) }
    _ = try fixture.roll(to: LogPosition(4))
    let bound = TestRows.start + 2 * TestRows.day
    let filters: [(Expression, [ZoneCondition])] = [
      (
        Expression(
          .boolean,
          .and([
            call(.boolean, .equal, .column(0, .bigint), int(2)),
            call(.boolean, .greaterOrEqual, .column(1, .timestamp), int(bound, .timestamp)),
          ])
        ),
        [
          ZoneCondition(storedColumn: 0, .equal, .fixed(2)),
          ZoneCondition(storedColumn: 1, .greaterOrEqual, .fixed(bound)),
        ]
      ),
      (
        call(.boolean, .lessOrEqual, .column(1, .timestamp), int(bound, .timestamp)),
        [ZoneCondition(storedColumn: 1, .lessOrEqual, .fixed(bound))]
      ),
      (
        call(.boolean, .equal, .column(2, .text), str("a")),
        [ZoneCondition(storedColumn: 2, .equal, .text("a"))]
      ),
      (Expression(.boolean, .isNull(.column(2, .text))), []),
      (call(.boolean, .greater, .column(3, .bigint), int(1)), []),
    ]
    for use in Self.uses {
      let everything = try fixture.read(RollupFixture.scan(use)).batches
      for (filter, zones) in filters {
        let got = try fixture.read(RollupFixture.scan(use, filter: filter, zones: zones))
        let want = try FragmentExecution.run(
          .filter(
            FilterNode(
              input: .fragmentInput(
                FragmentInputNode(fragment: 0, output: RollupFixture.scan(use).output)
              ),
              condition: filter
            )
          ),
          BatchSource(batches: everything),
          ExecutionLimits()
        )
        #expect(try TestRows.texts(got.batches).sorted() == TestRows.texts(want.batches).sorted())
      }
    }
  }
  @Test func aTenantOfTheTailIsChosenBeforeItIsAggregated() throws {
    var random = Seeded(201)
    var fixture = RollupFixture()
    try fixture.append(RollupFixture.randomRows(400, &random))
    let filter = call(.boolean, .equal, .column(0, .bigint), int(2))
    let got = try fixture.read(
      RollupFixture.scan(
        .chain(first: 0),
        filter: filter,
        zones: [ZoneCondition(storedColumn: 0, .equal, .fixed(2))]
      )
    )
    #expect(got.counts.tailRows < 200)
    #expect(got.counts.tailRows > 0)
  }
  @Test func rawTablesScanWithTheirFilter() throws {
    var random = Seeded(202)
    var fixture = RollupFixture()
    let rows = RollupFixture.randomRows(500, &random)
    try fixture.append(rows)
    let filter = call(.boolean, .greater, .column(1, .integer), int(30, .integer))
    let node = ScanNode(
      source: .table(TableID(1)),
      storedColumns: [2, 4],
      output: [OutputColumn("q", .text), OutputColumn("l", .integer)],
      zoneConditions: [ZoneCondition(storedColumn: 4, .greater, .fixed(30))],
      filter: filter
    )
    let got = try fixture.read(node)
    #expect(
      try TestRows.texts(got.batches)
        == NaivePlan(rows: rows).run(.scan(node)).map { row in
          zip(row, [DataType.text, .integer]).map { TestRows.text($0, $1) }.joined(separator: " | ")
        }
    )
    #expect(throws: TallyError.self) {
      try fixture.read(ScanNode(source: .table(TableID(77)), storedColumns: [], output: []))
    }
  }
}
