// OperatorTests.swift — every operator over random rows against the naive plan; the same rows in one, three and seven parts.
import Aggregates
import Columns
import Model
import Planning
import Testing

@testable import Execution

/// Rows held as batches of odd sizes; delivers stored columns.
struct BatchSource: RelationSource {
  var batches: [Batch]
  func scan(_ node: ScanNode, _ context: ExecutionContext, _ body: (Batch) throws -> Void) throws {
    for batch in batches where batch.count > 0 { try body(batch.select(node.storedColumns)) }
  }
  func fragmentRows(
    _ node: FragmentInputNode,
    _ context: ExecutionContext,
    _ body: (Batch) throws -> Void
  ) throws {
    for batch in batches where batch.count > 0 { try body(batch) }
  }
}

struct OperatorTests {
  static let hll = DataType.hll(HLLParameters())
  static let topn = DataType.topn(TopNParameters())
  static let scan = PlanNode.scan(
    ScanNode(
      source: .table(TableID(1)),
      storedColumns: Array(TestRows.types.indices),
      output: TestRows.types.enumerated().map { OutputColumn("c\($0)", $1) }
    )
  )
  static var calls: [AggregateCall] {
    let hash = call(.hllHashval, .hllHash, col(4), int(0, .integer))
    let flag = col(9)
    return [
      AggregateCall(.countStar, [], type: .bigint), AggregateCall(.count, [col(4)], type: .bigint),
      AggregateCall(.countStar, [], filter: flag, type: .bigint),
      AggregateCall(.sum, [col(0)], type: .plainNumeric),
      AggregateCall(.sum, [col(10)], type: .bigint),
      AggregateCall(.sum, [col(3)], type: .plainNumeric),
      AggregateCall(.sum, [col(8)], type: .interval),
      AggregateCall(.min, [col(0)], type: .bigint), AggregateCall(.max, [col(4)], type: .text),
      AggregateCall(.min, [col(5)], filter: flag, type: .varchar(0)),
      AggregateCall(.max, [call(.double, .absolute, col(2))], type: .double),
      AggregateCall(.min, [col(6)], type: .timestamp),
      AggregateCall(.boolAnd, [flag], type: .boolean),
      AggregateCall(.boolOr, [flag], type: .boolean), AggregateCall(.hllAdd, [hash], type: hll),
      AggregateCall(.hllAdd, [hash], filter: flag, type: hll),
      AggregateCall(.topnAdd, [col(4)], type: topn),
      AggregateCall(.topnAdd, [col(5), col(0)], filter: flag, type: topn),
      // Guarded by its filter: never divides by zero.
      AggregateCall(
        .max,
        [call(.bigint, .divide, int(60), col(0))],
        filter: call(.boolean, .notEqual, col(0), int(0)),
        type: .bigint
      ),
    ]
  }
  static func aggregate(
    _ input: PlanNode,
    _ groups: [Expression],
    _ calls: [AggregateCall]
  ) -> PlanNode {
    .aggregate(
      AggregateNode(
        input: input,
        groups: groups,
        calls: calls,
        names: (0..<groups.count + calls.count).map { "c\($0)" }
      )
    )
  }
  static var groupings: [[Expression]] {
    [
      [], [col(4)], [col(5)], [col(0)], [col(2)], [col(3)], [col(8)], [col(9), col(4)],
      [col(4), col(0), col(10)],
      [call(.text, .lower, col(4))],
      [call(.timestamp, .dateTrunc, int(Int64(TimeUnit.day.rawValue)), col(6)), col(9)],
      [int(5)],
    ]
  }

  func run(_ plan: PlanNode, _ batches: [Batch], memory: Int = 1 << 30) throws -> [String] {
    let result = try FragmentExecution.run(
      plan,
      BatchSource(batches: batches),
      ExecutionLimits(memoryBytes: memory)
    )
    for batch in result.batches { #expect(batch.types == plan.columns.map(\.type)) }
    return try TestRows.texts(result.batches)
  }
  func naive(_ plan: PlanNode, _ rows: [[Value]]) throws -> [String] {
    let types = plan.columns.map(\.type)
    return try NaivePlan(rows: rows).run(plan).map { row in
      zip(row, types).map { TestRows.text($0, $1) }.joined(separator: " | ")
    }
  }
  func split(_ rows: [[Value]], _ size: Int) throws -> [Batch] {
    try stride(from: 0, to: rows.count, by: size).map {
      try TestRows.batch(Array(rows[$0..<min(rows.count, $0 + size)]))
    }
  }

  @Test func aggregatesAgreeWithTheNaivePlan() throws {
    var random = Seeded(10)
    let rows = TestRows.rows(1500, &random)
    for groups in Self.groupings {
      let plan = Self.aggregate(Self.scan, groups, Self.calls)
      #expect(try run(plan, try split(rows, 257)) == naive(plan, rows), "\(groups.map(\.node))")
      #expect(try run(plan, []) == naive(plan, []))
    }
  }
  @Test func distinctKeepsTheFirstOfEqualRows() throws {
    var random = Seeded(11)
    let rows = TestRows.rows(900, &random)
    let plan = Self.aggregate(Self.scan, [col(4), col(9)], [])
    #expect(try run(plan, try split(rows, 100)) == naive(plan, rows))
  }
  @Test func countingByOneCodedKeyAgrees() throws {
    var random = Seeded(12)
    let rows: [[Value]] = (0..<3000).map { _ in
      TestRows.types.map { type -> Value in
        type == .text ? .text(random.pick(["m", "d", "t"])) : .null
      }
    }
    let plan = Self.aggregate(Self.scan, [col(4)], [AggregateCall(.countStar, [], type: .bigint)])
    let got = try run(plan, try split(rows, 1000))
    #expect(got.sorted() == (try naive(plan, rows)).sorted())
  }
  @Test func partsMergeToTheWhole() throws {
    var random = Seeded(13)
    let rows = TestRows.rows(1400, &random)
    for groups in Self.groupings {
      let partial = Self.aggregate(Self.scan, groups, Self.calls)
      let expected = try naive(partial, rows).sorted()
      for parts in [1, 3, 7] {
        let results = try (0..<parts).map { part in
          let own = rows.enumerated().filter { $0.offset % parts == part }.map(\.element)
          return try FragmentExecution.run(
            partial,
            BatchSource(batches: try split(own, 90)),
            ExecutionLimits()
          )
        }
        let merged = try MergeExecution.mergeShards(partial, results)
        #expect(try TestRows.texts(merged.batches).sorted() == expected, "\(groups.map(\.node))")
        let input = PlanNode.fragmentInput(FragmentInputNode(fragment: 0, output: partial.columns))
        let final = Self.aggregate(
          input,
          groups.enumerated().map { .column($0, $1.type) },
          Self.calls.enumerated().map { $1.merging(column: groups.count + $0) }
        )
        // Unmerged shards and merged ones give the coordinator the same answer.
        for batches in [results.flatMap(\.batches), merged.batches] {
          let answer = try MergeExecution.executeCoordinator(
            final,
            fragments: [FragmentResult(batches: batches)]
          )
          #expect(try TestRows.texts(answer.batches).sorted() == expected)
        }
      }
    }
  }
  @Test func topListsArePrunedAtTheEndOnly() throws {
    let type = DataType.topn(TopNParameters(counters: 5))
    // Items that are small in every part but great together.
    let items = (0..<3).map { part in (0..<40).map { "\($0 < 10 ? "common" : "own \(part)") \($0)" }
    }
    let batches = try items.map { list in
      Batch(
        count: 120,
        columns: [
          try TestRows.column(
            .text,
            list.flatMap { name in [Value](repeating: .text(name), count: 3) }
          ),
          ColumnVector(.bigint, .fixed((0..<120).map { $0 % 3 == 0 ? 1 : Int64($0 % 40) })),
        ]
      )
    }
    let scan = PlanNode.scan(
      ScanNode(
        source: .table(TableID(1)),
        storedColumns: [0, 1],
        output: [OutputColumn("t", .text), OutputColumn("w", .bigint)]
      )
    )
    let partial = Self.aggregate(
      scan,
      [],
      [AggregateCall(.topnAdd, [.column(0, .text), .column(1, .bigint)], type: type)]
    )
    let parts = try batches.map {
      try FragmentExecution.run(
        partial,
        BatchSource(batches: [$0]),
        ExecutionLimits(),
        isPartial: true
      )
    }
    var whole = TopN(TopNParameters(counters: 5))
    for batch in batches {
      for row in 0..<batch.count {
        if case .text(let text) = try batch.columns[0].value(row),
          case .fixed(let w) = try batch.columns[1].value(row)
        {
          whole.add(text, weight: w)
        }
      }
    }
    whole.prune(to: 5)
    let merged = try MergeExecution.mergeShards(partial, parts)
    let input = PlanNode.fragmentInput(FragmentInputNode(fragment: 0, output: partial.columns))
    let final = Self.aggregate(
      input,
      [],
      [AggregateCall(.topnUnion, [.column(0, type)], type: type)]
    )
    for plan in [final, input] {
      let answer = try MergeExecution.executeCoordinator(plan, fragments: [merged])
      #expect(
        try TestRows.texts(answer.batches) == [TestRows.text(.topn(TopNFormat.encode(whole)), type)]
      )
    }
  }
  @Test func sortsLimitsAndFiltersAgree() throws {
    var random = Seeded(14)
    let rows = TestRows.rows(1200, &random)
    let batches = try split(rows, 111)
    for _ in 0..<60 {
      let keys = (0..<1 + random.below(3)).map { _ in
        SortKey(
          column: random.below(TestRows.types.count),
          isAscending: random.below(2) == 0,
          nullsFirst: random.below(2) == 0
        )
      }
      let first: Int64? = random.below(2) == 0 ? nil : Int64(random.below(50))
      let sort = PlanNode.sort(SortNode(input: Self.scan, keys: keys, first: first))
      #expect(try run(sort, batches) == naive(sort, rows), "\(keys)")
      let limit = PlanNode.limit(
        LimitNode(input: sort, count: Int64(random.below(40)), offset: Int64(random.below(20)))
      )
      #expect(try run(limit, batches) == naive(limit, rows))
    }
    let filter = PlanNode.filter(
      FilterNode(input: Self.scan, condition: call(.boolean, .greater, col(0), int(1)))
    )
    let project = PlanNode.project(
      ProjectNode(
        input: filter,
        expressions: [col(4), call(.bigint, .add, col(0), int(1)), str("x")],
        names: ["a", "b", "c"]
      )
    )
    let union = PlanNode.unionAll([project, project])
    let limit = PlanNode.limit(LimitNode(input: union, count: nil, offset: 130))
    for plan in [filter, project, union, limit] {
      #expect(try run(plan, batches) == naive(plan, rows))
    }
  }
  @Test func topKOverManyBatchesKeepsOnlyWhatItNeeds() throws {
    var random = Seeded(15)
    let rows = TestRows.rows(500, &random)
    let batch = try TestRows.batch(rows)
    let batches = [Batch](repeating: batch, count: 100)
    let sort = PlanNode.sort(
      SortNode(input: Self.scan, keys: [SortKey(column: 0), SortKey(column: 4)], first: 10)
    )
    let all = PlanNode.sort(
      SortNode(input: Self.scan, keys: [SortKey(column: 0), SortKey(column: 4)])
    )
    let got = try run(sort, batches, memory: 8 << 20)
    #expect(got == Array(try run(all, batches).prefix(10)))
  }
  @Test func shardsOfASortMergeToItsFirstRows() throws {
    var random = Seeded(16)
    let rows = TestRows.rows(300, &random)
    let sort = PlanNode.sort(
      SortNode(input: Self.scan, keys: [SortKey(column: 0), SortKey(column: 6)], first: 25)
    )
    let limit = PlanNode.limit(LimitNode(input: sort, count: 25))
    for plan in [sort, limit] {
      let parts = try (0..<3).map { part in
        try FragmentExecution.run(
          plan,
          BatchSource(batches: try split(Array(rows[part * 100..<part * 100 + 100]), 40)),
          ExecutionLimits()
        )
      }
      #expect(
        try TestRows.texts(MergeExecution.mergeShards(plan, parts).batches) == naive(plan, rows)
      )
    }
  }
  @Test func topListsExpandToRows() throws {
    var random = Seeded(17)
    let rows = TestRows.rows(800, &random)
    let states = Self.aggregate(
      Self.scan,
      [col(0)],
      [
        AggregateCall(.topnAdd, [col(4)], type: Self.topn),
        AggregateCall(.countStar, [], type: .bigint),
      ]
    )
    let expand = PlanNode.expandTopN(
      ExpandTopNNode(
        input: states,
        column: 1,
        count: 3,
        fields: [.item, .frequency, .upper, .isExact],
        names: ["item", "frequency", "upper", "exact"]
      )
    )
    #expect(try run(expand, try split(rows, 200)) == naive(expand, rows))
    let project = PlanNode.project(
      ProjectNode(
        input: expand,
        expressions: [.column(0, .bigint), .column(3, .text), .column(4, .bigint)],
        names: ["k", "i", "f"]
      )
    )
    #expect(try run(project, try split(rows, 200)) == naive(project, rows))
  }
  @Test func valuesGiveTheirRows() throws {
    let one = PlanNode.values(ValuesNode(output: [], rows: [[]]))
    let project = PlanNode.project(
      ProjectNode(input: one, expressions: [int(1), str("a")], names: ["a", "b"])
    )
    #expect(try run(project, []) == ["1 | a"])
    let values = PlanNode.values(
      ValuesNode(
        output: [OutputColumn("a", .bigint), OutputColumn("b", .text)],
        rows: [[.fixed(1), .text("x")], [.null, .text("y")], [.fixed(3), .null]]
      )
    )
    #expect(try run(values, []) == ["1 | x", "NULL | y", "3 | NULL"])
  }

  @Test func aRaisedFlagStopsTheRun() throws {
    var random = Seeded(18)
    let batch = try TestRows.batch(TestRows.rows(100, &random))
    for (reason, status) in [
      (CancelFlag.Reason.cancelled, StatusCode.cancelled), (.deadlinePassed, .timedOut),
    ] {
      let flag = CancelFlag()
      flag.raise(reason)
      flag.raise(.cancelled)
      let failure = #expect(throws: TallyError.self) {
        try FragmentExecution.run(
          Self.scan,
          BatchSource(batches: [batch]),
          ExecutionLimits(cancel: flag)
        )
      }
      #expect(failure?.status == status)
      #expect(failure?.sqlState == "57014")
    }
  }
  @Test func memoryIsBounded() throws {
    let numbers = (0..<200).map { block in
      Batch(
        count: 1000,
        columns: [ColumnVector(.bigint, .fixed((0..<1000).map { Int64(block * 1000 + $0) }))]
      )
    }
    let scan = PlanNode.scan(
      ScanNode(source: .table(TableID(1)), storedColumns: [0], output: [OutputColumn("n", .bigint)])
    )
    let group = Self.aggregate(
      scan,
      [.column(0, .bigint)],
      [AggregateCall(.countStar, [], type: .bigint)]
    )
    let sort = PlanNode.sort(SortNode(input: scan, keys: [SortKey(column: 0)]))
    for plan in [group, sort, scan] {
      let failure = #expect(throws: TallyError.self) { try run(plan, numbers, memory: 1 << 20) }
      #expect(failure?.sqlState == "53200")
      #expect(failure?.hint != nil)
      #expect(failure?.isRetryable == true)
    }
    let count = Self.aggregate(group, [], [AggregateCall(.countStar, [], type: .bigint)])
    #expect(try run(count, numbers) == ["200000"])
  }
}
