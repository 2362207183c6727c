// RowSourceTests.swift — table functions, shared and recursive plans, relations of the coordinator, aggregates over the rows of a group.
import Columns
import Model
import Planning
import Testing

@testable import Execution

struct RowSourceTests {
  static let one = PlanNode.values(ValuesNode(output: [], rows: [[]]))
  static func series(_ start: Int64, _ stop: Int64, _ step: Int64, input: PlanNode = one) -> PlanNode {
    .tableFunction(
      TableFunctionNode(
        input: input,
        calls: [.init(.generateIntegers, [int(start), int(stop), int(step)], output: [OutputColumn("n", .bigint)])]
      )
    )
  }

  @Test func seriesOfIntegers() throws {
    #expect(try JoinTests.run(Self.series(1, 5, 2), []) == ["1", "3", "5"])
    #expect(try JoinTests.run(Self.series(5, 1, -2), []) == ["5", "3", "1"])
    #expect(try JoinTests.run(Self.series(5, 1, 1), []) == [])
    #expect(try JoinTests.run(Self.series(.max - 1, .max, 2), []) == ["\(Int64.max - 1)"])
    #expect(throws: TallyError.self) { try JoinTests.run(Self.series(1, 2, 0), []) }
    #expect(try JoinTests.run(Self.series(1, 200_000, 1), []).count == 200_000)
  }
  @Test func aLimitEndsAnEndlessSeries() throws {
    let plan = PlanNode.limit(LimitNode(input: Self.series(1, .max, 1), count: 3, offset: 100_000))
    #expect(try JoinTests.run(plan, []) == ["100001", "100002", "100003"])
  }
  @Test func seriesOfNumericsAndTimes() throws {
    func numeric(_ coefficient: Int128, _ scale: UInt8) -> Expression {
      .constant(.plainNumeric, .numeric(Numeric(coefficient: coefficient, scale: scale)))
    }
    let numerics = PlanNode.tableFunction(
      TableFunctionNode(
        input: Self.one,
        calls: [.init(.generateNumerics, [numeric(10, 1), numeric(2, 0), numeric(25, 2)], output: [OutputColumn("n", .plainNumeric)])]
      )
    )
    // PostgreSQL 15: 1.0, 1.25, 1.50, 1.75, 2.00
    #expect(try JoinTests.run(numerics, []) == ["1.0", "1.25", "1.50", "1.75", "2.00"])
    let month = Expression.constant(.interval, .interval(Interval(months: 1)))
    let start = Expression.constant(.timestamp, .fixed(19_753 * TestRows.day))
    let stop = Expression.constant(.timestamp, .fixed(19_813 * TestRows.day))
    let times = PlanNode.tableFunction(
      TableFunctionNode(input: Self.one, calls: [.init(.generateTimes, [start, stop, month], output: [OutputColumn("t", .timestamp)])])
    )
    #expect(try JoinTests.run(times, []) == ["2024-01-31 00:00:00", "2024-02-29 00:00:00", "2024-03-29 00:00:00"])
  }
  @Test func functionsStandSideBySide() throws {
    var random = Seeded(70)
    let rows = TestRows.rows(80, &random)
    func plan(_ keepsLonely: Bool, _ ordinality: String?) -> PlanNode {
      .tableFunction(
        TableFunctionNode(
          input: JoinTests.input(0),
          calls: [
            .init(.generateIntegers, [int(1), col(0), int(1)], output: [OutputColumn("n", .bigint)]),
            .init(.stringToTable, [col(4), str("_")], output: [OutputColumn("t", .text)]),
            .init(.stringToTable, [col(5), Expression.constant(.text, .null)], output: [OutputColumn("c", .text)]),
          ],
          ordinality: ordinality,
          keepsLonely: keepsLonely
        )
      )
    }
    for (keepsLonely, ordinality) in [(false, nil), (true, "o"), (false, "o"), (true, nil)] as [(Bool, String?)] {
      let plan = plan(keepsLonely, ordinality)
      let expected = JoinTests.texts(try NaivePlan(rows: [], fragments: [rows]).run(plan), plan.columns.map(\.type))
      for size in [80, 9] { #expect(try JoinTests.run(plan, [try JoinTests.split(rows, size)]) == expected) }
    }
  }
  @Test func recursionsRunToTheirEnd() throws {
    let working = PlanNode.workingRows(WorkingRowsNode(id: 1, output: [OutputColumn("n", .bigint)]))
    func plan(_ next: Expression, _ last: Int64, isDistinct: Bool) -> PlanNode {
      let step = PlanNode.filter(
        FilterNode(
          input: .project(ProjectNode(input: working, expressions: [next], names: ["n"])),
          condition: call(.boolean, .lessOrEqual, .column(0, .bigint), int(last))
        )
      )
      return .recursive(RecursiveNode(id: 1, base: Self.series(1, 2, 1), step: step, isDistinct: isDistinct))
    }
    let next = call(.bigint, .add, .column(0, .bigint), int(1))
    for isDistinct in [false, true] {
      let plan = plan(next, 6, isDistinct: isDistinct)
      let expected = JoinTests.texts(try NaivePlan(rows: []).run(plan), [.bigint])
      #expect(try JoinTests.run(plan, []) == expected)
    }
    // UNION ends where nothing new comes: 1, 2, then 0, 1, 2 again.
    let ring = call(.bigint, .modulo, call(.bigint, .add, .column(0, .bigint), int(1)), int(3))
    #expect(try JoinTests.run(plan(ring, 9, isDistinct: true), []).sorted() == ["0", "1", "2"])
    // UNION ALL that never ends is ended by its LIMIT or its memory.
    let endless = plan(next, .max, isDistinct: false)
    #expect(try JoinTests.run(.limit(LimitNode(input: endless, count: 4)), []).count == 4)
    #expect(throws: TallyError.self) { try JoinTests.run(endless, [], memory: 1 << 16) }
  }
  @Test func aSharedPlanInARecursionIsMadeAnewEachRound() throws {
    let working = PlanNode.workingRows(WorkingRowsNode(id: 1, output: [OutputColumn("n", .bigint)]))
    let next = call(.bigint, .add, .column(0, .bigint), int(1))
    let shared = PlanNode.shared(SharedNode(id: 2, input: .project(ProjectNode(input: working, expressions: [next], names: ["n"]))))
    let step = PlanNode.filter(FilterNode(input: shared, condition: call(.boolean, .less, .column(0, .bigint), int(4))))
    let plan = PlanNode.recursive(RecursiveNode(id: 1, base: Self.series(1, 1, 1), step: step, isDistinct: false))
    #expect(try JoinTests.run(plan, []) == ["1", "2", "3"])
  }
  /// Counts how often its fragments are read.
  final class CountedSource: RelationSource {
    var reads = 0
    let batches: [Batch]
    init(_ batches: [Batch]) { self.batches = batches }
    func scan(_ node: ScanNode, _ context: ExecutionContext, _ body: (Batch) throws -> Void) throws {}
    func fragmentRows(_ node: FragmentInputNode, _ context: ExecutionContext, _ body: (Batch) throws -> Void) throws {
      reads += 1
      for batch in batches { try body(batch) }
    }
  }
  @Test func aSharedPlanRunsOnce() throws {
    var random = Seeded(71)
    let rows = TestRows.rows(20, &random)
    let shared = PlanNode.shared(SharedNode(id: 7, input: JoinTests.input(0)))
    let source = CountedSource(try JoinTests.split(rows, 6))
    let join = JoinNode(.semi, left: shared, right: shared, keys: [JoinNode.Key(left: col(1), right: col(1), matchesNulls: true)])
    let result = try FragmentExecution.run(.unionAll([.join(join), shared]), source, ExecutionLimits())
    #expect(result.rowCount == 40)
    #expect(source.reads == 1)
  }

  struct Catalog: SystemCatalog {
    func relation(schema: String?, name: String) -> SystemRelation? { nil }
    func functions(schema: String?, name: String) -> [HostedFunction] { [] }
    func rows(of relation: String, columns: [Int]) throws(TallyError) -> Batch {
      let all = [ColumnVector(.bigint, .fixed(Array(0..<100_000))), ColumnVector(.boolean, .fixed([Int64](repeating: 1, count: 100_000)))]
      return Batch(count: 100_000, columns: columns.map { all[$0] })
    }
    func lookUp(_ name: String, as type: DataType) throws(TallyError) -> Int64 { 0 }
    func text(of object: Int64, as type: DataType) -> String { "" }
  }
  @Test func relationsOfTheCoordinatorAreScanned() throws {
    let scan = PlanNode.systemScan(SystemScanNode(relation: "pg_catalog.x", storedColumns: [0], output: [OutputColumn("a", .bigint)]))
    let result = try MergeExecution.executeCoordinator(scan, fragments: [], system: Catalog())
    #expect(result.rowCount == 100_000)
    #expect(result.batches.allSatisfy { $0.count <= Limits.batchRowsMax })
    #expect(throws: TallyError.self) { try MergeExecution.executeCoordinator(scan, fragments: []) }
    let none = PlanNode.systemScan(SystemScanNode(relation: "pg_catalog.x", storedColumns: [], output: []))
    #expect(try MergeExecution.executeCoordinator(none, fragments: [], system: Catalog()).rowCount == 100_000)
  }

  @Test func aggregatesOverRowsOfGroupsAgree() throws {
    var random = Seeded(72)
    typealias Order = AggregateCall.Order
    let flag = col(9)
    func fraction(_ value: Double) -> [Expression] { [.constant(.double, .double(value))] }
    let absolute = call(.double, .absolute, col(2))
    let calls = [
      AggregateCall(.count, [col(4)], isDistinct: true, type: .bigint), AggregateCall(.sum, [col(10)], isDistinct: true, type: .bigint),
      AggregateCall(.sum, [col(3)], isDistinct: true, type: .plainNumeric),
      AggregateCall(.count, [col(0)], filter: flag, isDistinct: true, type: .bigint),
      AggregateCall(.min, [col(4)], isDistinct: true, type: .text), AggregateCall(.countStar, [], order: [Order(col(0))], type: .bigint),
      AggregateCall(.stringAgg, [col(4), str("/")], type: .text),
      AggregateCall(
        .stringAgg,
        [col(4), col(5)],
        order: [Order(col(0), isAscending: false, nullsFirst: true), Order(col(3))],
        type: .text
      ),
      AggregateCall(.stringAgg, [col(4), str("")], isDistinct: true, type: .text),
      AggregateCall(
        .stringAgg,
        [col(4), str("-")],
        filter: flag,
        isDistinct: true,
        order: [Order(col(4), isAscending: false)],
        type: .text
      ),
      AggregateCall(.percentileCont, fraction(0.37), order: [Order(absolute)], type: .double),
      AggregateCall(.percentileCont, fraction(1), filter: flag, order: [Order(absolute, isAscending: false)], type: .double),
      AggregateCall(.percentileDisc, fraction(0.5), order: [Order(col(4))], type: .text),
      AggregateCall(.percentileDisc, fraction(0), order: [Order(col(8), isAscending: false)], type: .interval),
      AggregateCall(.mode, [], order: [Order(col(0))], type: .bigint),
      AggregateCall(.mode, [], order: [Order(col(4), isAscending: false)], type: .text),
      AggregateCall(.bitAnd, [col(1)], type: .integer), AggregateCall(.bitOr, [col(10)], isDistinct: true, type: .smallint),
      AggregateCall(.topnAdd, [col(4)], isDistinct: true, type: .topn(TopNParameters())),
    ]
    for count in [0, 1, 700] {
      let rows = TestRows.rows(count, &random)
      for groups in [[], [col(4)], [col(9), col(10)], [int(1)]] {
        let plan = OperatorTests.aggregate(JoinTests.input(0), groups, calls)
        let expected = JoinTests.texts(try NaivePlan(rows: [], fragments: [rows]).run(plan), plan.columns.map(\.type))
        for size in [700, 83] { #expect(try JoinTests.run(plan, [try JoinTests.split(rows, size)]) == expected, "\(groups.map(\.node))") }
      }
    }
  }
  @Test func whatDoesNotMergeIsJoined() throws {
    // Groups of one shard each: the parts lie side by side.
    let call = AggregateCall(.count, [col(4)], isDistinct: true, type: .bigint)
    let plan = OperatorTests.aggregate(JoinTests.input(0), [col(0)], [call])
    let part = FragmentResult(batches: [Batch(count: 1, columns: [ColumnVector(.bigint, .fixed([1])), ColumnVector(.bigint, .fixed([3]))])])
    #expect(try MergeExecution.mergeShards(plan, [part, part]).rowCount == 2)
  }
  @Test func percentilesOutsideAreRefused() throws {
    let call = AggregateCall(.percentileCont, [.constant(.double, .double(1.5))], order: [.init(col(2))], type: .double)
    #expect(throws: TallyError.sql("22003", "percentile value 1.5 is not between 0 and 1")) {
      try JoinTests.run(OperatorTests.aggregate(JoinTests.input(0), [], [call]), [[]])
    }
    let null = AggregateCall(.percentileDisc, [.constant(.double, .null)], order: [.init(col(2))], type: .double)
    #expect(try JoinTests.run(OperatorTests.aggregate(JoinTests.input(0), [], [null]), [[]]) == ["NULL"])
  }
  @Test func percentilesOfIntervalsAreThoseOfPostgreSQL() throws {
    let rows = [Interval(months: 1), Interval(days: 2, microseconds: 18_000_000_000), Interval(days: 100)].map { [Value.interval($0)] }
    let input = PlanNode.values(ValuesNode(output: [OutputColumn("x", .interval)], rows: rows))
    for (isAscending, answer) in [(true, "19 days -02:48:00"), (false, "58 days")] {
      let order = AggregateCall.Order(.column(0, .interval), isAscending: isAscending)
      let call = AggregateCall(.percentileCont, [.constant(.double, .double(0.3))], order: [order], type: .interval)
      #expect(try JoinTests.run(OperatorTests.aggregate(input, [], [call]), []) == [answer])
    }
  }
  @Test func separatorsAreThoseOfTheLaterTexts() throws {
    let rows: [[Value]] = [[.text("x"), .text("1")], [.text("y"), .null], [.text("z"), .text("3")], [.null, .text("4")]]
    let input = PlanNode.values(ValuesNode(output: [OutputColumn("a", .text), OutputColumn("b", .text)], rows: rows))
    let order = AggregateCall.Order(.column(0, .text), nullsFirst: true)
    let call = AggregateCall(.stringAgg, [.column(0, .text), .column(1, .text)], order: [order], type: .text)
    #expect(try JoinTests.run(OperatorTests.aggregate(input, [], [call]), []) == ["xy3z"])
  }
  @Test func ntileBeginsWhereItsArgumentDoes() throws {
    let rows: [[Value]] = [[.null], [.fixed(2)], [.fixed(3)], [.fixed(4)]]
    let input = PlanNode.values(ValuesNode(output: [OutputColumn("x", .integer)], rows: rows))
    let tiles = WindowCall(.ntile, [.column(0, .integer)], filter: nil, frame: .standard, type: .integer)
    let key = SortKey(column: 0, nullsFirst: true)
    let plan = PlanNode.window(WindowNode(input: input, partitions: [], keys: [key], calls: [tiles], names: ["n"]))
    #expect(try JoinTests.run(plan, []) == ["NULL | NULL", "2 | 1", "3 | 1", "4 | 2"])
  }
}
