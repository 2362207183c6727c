// JoinTests.swift — joins of all kinds over random rows against the naive plan, however the rows and the pairs are cut.
import Columns
import Model
import Planning
import Testing

@testable import Execution

struct JoinTests {
  static let columns = TestRows.types.enumerated().map { OutputColumn("c\($0)", $1) }
  static let width = TestRows.types.count
  static func input(_ fragment: Int) -> PlanNode { .fragmentInput(FragmentInputNode(fragment: fragment, output: columns)) }
  static func right(_ index: Int) -> Expression { .column(width + index, TestRows.types[index]) }
  static var keySets: [[JoinNode.Key]] {
    typealias Key = JoinNode.Key
    return [
      [], [Key(left: col(0), right: col(0))], [Key(left: col(0), right: col(10))], [Key(left: col(2), right: col(2))],
      [Key(left: col(3), right: col(3))], [Key(left: col(4), right: col(5))], [Key(left: col(8), right: col(8), matchesNulls: true)],
      [Key(left: col(4), right: col(4), matchesNulls: true), Key(left: col(9), right: col(9))],
      [Key(left: call(.bigint, .modulo, col(0), int(3)), right: call(.bigint, .modulo, col(0), int(3)))],
    ]
  }
  static var conditions: [Expression?] {
    [
      nil, call(.boolean, .less, col(0), right(0)),
      // Guarded: never divides by zero.
      Expression(
        .boolean,
        .and([
          call(.boolean, .notEqual, right(0), int(0)),
          call(.boolean, .greater, call(.bigint, .divide, int(60), right(0)), col(0)),
        ])
      ),
      Expression.boolean(false),
    ]
  }
  static func texts(_ rows: [[Value]], _ types: [DataType]) -> [String] {
    rows.map { row in zip(row, types).map { TestRows.text($0, $1) }.joined(separator: " | ") }
  }
  static func split(_ rows: [[Value]], _ size: Int) throws -> [Batch] {
    try stride(from: 0, to: rows.count, by: size).map { try TestRows.batch(Array(rows[$0..<min(rows.count, $0 + size)])) }
  }
  static func run(_ plan: PlanNode, _ fragments: [[Batch]], memory: Int = 1 << 30) throws -> [String] {
    let result = try FragmentExecution.run(plan, GatheredRows(fragments: fragments), ExecutionLimits(memoryBytes: memory))
    for batch in result.batches { #expect(batch.types == plan.columns.map(\.type)) }
    return try TestRows.texts(result.batches)
  }
  /// Rows with what the join throws.
  static func outcome(_ body: () throws -> [String]) -> [String] {
    do { return try body() } catch { return ["\(error)"] }
  }

  @Test func joinsAgreeWithTheNaivePlan() throws {
    var random = Seeded(50)
    let (left, other) = (TestRows.rows(60, &random), TestRows.rows(45, &random))
    let naive = NaivePlan(rows: [], fragments: [left, other])
    let cuts = [(100, 100), (7, 11), (1, 45)]
    for kind in JoinNode.Kind.allCases {
      for keys in Self.keySets {
        for condition in Self.conditions {
          let node = JoinNode(kind, left: Self.input(0), right: Self.input(1), keys: keys, condition: condition)
          let types = node.output.map(\.type)
          let expected = Self.outcome { Self.texts(try naive.run(.join(node)), types) }
          for (leftSize, rightSize) in cuts {
            let got = Self.outcome {
              try Self.run(.join(node), [try Self.split(left, leftSize), try Self.split(other, rightSize)])
            }
            #expect(got == expected, "\(kind) \(keys.map(\.left.node)) \(String(describing: condition?.node))")
          }
        }
      }
    }
  }
  @Test func marksAreThreeValuedAsInIs() throws {
    var random = Seeded(51)
    let (left, other) = (TestRows.rows(50, &random), TestRows.rows(30, &random))
    for others in [[], [JoinNode.Key(left: col(9), right: col(9))], [JoinNode.Key(left: col(9), right: col(9), matchesNulls: true)]] {
      for condition in Self.conditions {
        for count in [0, 3, 30] {
          let keys = others + [JoinNode.Key(left: col(0), right: col(0), marksNulls: true)]
          let node = JoinNode(.mark, left: Self.input(0), right: Self.input(1), keys: keys, condition: condition)
          let few = Array(other.prefix(count))
          let expected = Self.texts(try NaivePlan(rows: [], fragments: [left, few]).run(.join(node)), node.output.map(\.type))
          for size in [4, 64] {
            #expect(try Self.run(.join(node), [try Self.split(left, size), try Self.split(few, 9)]) == expected)
          }
        }
      }
    }
  }
  @Test func pairsMayBeCutAnywhere() throws {
    var random = Seeded(52)
    let (left, other) = (TestRows.rows(40, &random), TestRows.rows(40, &random))
    for kind in JoinNode.Kind.allCases where kind != .single {
      for condition in Self.conditions {
        let node = JoinNode(kind, left: Self.input(0), right: Self.input(1), keys: [], condition: condition)
        let expected = Self.texts(try NaivePlan(rows: [], fragments: [left, other]).run(.join(node)), node.output.map(\.type))
        for blockRows in [1, 7, 40, 41] {
          let context = ExecutionContext(ExecutionLimits())
          var batches: [Batch] = []
          let join = try HashJoin(node, needed: nil, context, blockRows: blockRows)
          for batch in try Self.split(other, 13) { try join.addRight(batch) }
          try join.finishRight()
          for batch in try Self.split(left, 17) { try join.addLeft(batch) { batches.append($0) } }
          try join.finish { batches.append($0) }
          #expect(try TestRows.texts(batches) == expected, "\(kind) \(blockRows)")
        }
      }
    }
  }
  @Test func emptySidesAnswer() throws {
    var random = Seeded(53)
    let rows = TestRows.rows(5, &random)
    for kind in JoinNode.Kind.allCases {
      for sides in [([], rows), (rows, []), ([], [])] as [([[Value]], [[Value]])] {
        let node = JoinNode(kind, left: Self.input(0), right: Self.input(1), keys: [JoinNode.Key(left: col(4), right: col(4))])
        let expected = Self.texts(try NaivePlan(rows: [], fragments: [sides.0, sides.1]).run(.join(node)), node.output.map(\.type))
        #expect(try Self.run(.join(node), [try Self.split(sides.0, 3), try Self.split(sides.1, 3)]) == expected)
      }
    }
  }
  @Test func unneededColumnsAreNotKept() throws {
    var random = Seeded(54)
    let (left, other) = (TestRows.rows(30, &random), TestRows.rows(30, &random))
    for kind in JoinNode.Kind.allCases where kind != .single {
      for keys in [[], [JoinNode.Key(left: col(0), right: col(0))]] {
        for condition in Self.conditions {
          let join = JoinNode(kind, left: Self.input(0), right: Self.input(1), keys: keys, condition: condition)
          let shown: Expression = kind == .semi || kind == .anti ? col(2) : kind == .mark ? .column(Self.width, .boolean) : Self.right(4)
          let plan = PlanNode.project(ProjectNode(input: .join(join), expressions: [col(1), shown], names: ["a", "b"]))
          let expected = Self.texts(try NaivePlan(rows: [], fragments: [left, other]).run(plan), plan.columns.map(\.type))
          #expect(try Self.run(plan, [try Self.split(left, 8), try Self.split(other, 8)]) == expected)
          let count = OperatorTests.aggregate(.join(join), [], [AggregateCall(.countStar, [], type: .bigint)])
          #expect(try Self.run(count, [try Self.split(left, 8), try Self.split(other, 8)]) == ["\(expected.count)"])
        }
      }
    }
  }
  @Test func memoryIsBoundedAndGivenBack() throws {
    var random = Seeded(55)
    let rows = TestRows.rows(4000, &random)
    let node = JoinNode(.inner, left: Self.input(0), right: Self.input(1), keys: [JoinNode.Key(left: col(1), right: col(1))])
    let batches = try Self.split(rows, 500)
    #expect(throws: TallyError.self) { try Self.run(.join(node), [[], batches], memory: 1 << 16) }
    let context = ExecutionContext(ExecutionLimits())
    try PlanExecution(source: GatheredRows(fragments: [batches, batches]), context: context).run(
      .limit(LimitNode(input: .join(node), count: 3))
    ) { _ in }
    #expect(context.memoryUsed == 0)
    #expect(context.memoryPeak > 100_000)
  }
  @Test func cancelStopsAJoin() throws {
    var random = Seeded(56)
    let batches = try Self.split(TestRows.rows(200, &random), 50)
    let limits = ExecutionLimits()
    limits.cancel.raise(.cancelled)
    let node = JoinNode(.inner, left: Self.input(0), right: Self.input(1), keys: [])
    #expect(throws: TallyError.self) {
      try PlanExecution(source: GatheredRows(fragments: [batches, batches]), context: ExecutionContext(limits)).run(.join(node)) { _ in }
    }
  }

  @Test func setOperationsAgreeWithTheNaivePlan() throws {
    var random = Seeded(57)
    let (left, other) = (TestRows.rows(300, &random), TestRows.rows(250, &random))
    for columns in [[0], [4, 9], [3], [8, 2], [5, 0], []] {
      func side(_ fragment: Int) -> PlanNode {
        .project(ProjectNode(input: Self.input(fragment), expressions: columns.map(col), names: columns.map { "c\($0)" }))
      }
      for kind in [SetOperationNode.Kind.intersect, .except] {
        for isAll in [false, true] {
          let plan = PlanNode.setOperation(SetOperationNode(kind, isAll: isAll, left: side(0), right: side(1)))
          let expected = Self.texts(try NaivePlan(rows: [], fragments: [left, other]).run(plan), plan.columns.map(\.type))
          for size in [300, 41] {
            #expect(try Self.run(plan, [try Self.split(left, size), try Self.split(other, size)]) == expected)
          }
        }
      }
    }
  }
  @Test func distinctOnKeepsTheFirstOfEachRun() throws {
    var random = Seeded(58)
    let rows = TestRows.rows(300, &random)
    for columns in [[9], [4, 9], [2], [3, 8], []] {
      let sorted = PlanNode.sort(SortNode(input: Self.input(0), keys: columns.map { SortKey(column: $0) }))
      let plan = PlanNode.distinctOn(DistinctOnNode(input: sorted, columns: columns))
      let expected = Self.texts(try NaivePlan(rows: [], fragments: [rows]).run(plan), plan.columns.map(\.type))
      #expect(try Self.run(plan, [try Self.split(rows, 37)]) == expected)
      // Rows that come in order one by one.
      let inOrder = try NaivePlan(rows: [], fragments: [rows]).run(sorted)
      let direct = PlanNode.distinctOn(DistinctOnNode(input: Self.input(0), columns: columns))
      #expect(try Self.run(direct, [try Self.split(inOrder, 1)]) == expected)
    }
  }
  @Test func manyColumnsGroup() throws {
    // More keys than one word has NULL bits.
    let types = [DataType](repeating: .integer, count: 130)
    let columns = types.enumerated().map { OutputColumn("c\($0)", $1) }
    let rows = (0..<131).map { row in (0..<130).map { $0 == row ? Value.null : .fixed(0) } }
    let values = PlanNode.values(ValuesNode(output: columns, rows: rows + rows))
    let groups = types.indices.map { Expression.column($0, .integer) }
    let plan = PlanNode.aggregate(AggregateNode(input: values, groups: groups, calls: [], names: columns.map(\.name)))
    let got = try Self.run(plan, [])
    #expect(got == Self.texts(rows, types))
    let both = PlanNode.setOperation(SetOperationNode(.intersect, isAll: false, left: values, right: values))
    #expect(try Self.run(both, []) == got)
  }
}
