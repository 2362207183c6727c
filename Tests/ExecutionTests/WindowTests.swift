// WindowTests.swift — window functions over random rows against the naive plan: functions, frames, exclusions, NULLs, batch cuts.
import Columns
import Model
import Planning
import Testing

@testable import Execution

struct WindowTests {
  typealias Bound = WindowFrame.Bound
  static func rows(_ count: Int64) -> TypedValue { TypedValue(.bigint, .fixed(count)) }
  static func window(
    _ calls: [(WindowFunction, [Expression], DataType, WindowFrame)],
    partitions: [Int] = [9],
    keys: [SortKey],
    filter: Expression? = nil
  ) -> PlanNode {
    let own = calls.map { call -> WindowCall in
      if case .aggregate = call.0 { return WindowCall(call.0, call.1, filter: filter, frame: call.3, type: call.2) }
      return WindowCall(call.0, call.1, filter: nil, frame: call.3, type: call.2)
    }
    return .window(
      WindowNode(input: JoinTests.input(0), partitions: partitions, keys: keys, calls: own, names: own.indices.map { "w\($0)" })
    )
  }
  static func aggregates(_ frame: WindowFrame) -> [(WindowFunction, [Expression], DataType, WindowFrame)] {
    let hash = call(.hllHashval, .hllHash, col(4), int(0, .integer))
    return [
      (.aggregate(.countStar), [], .bigint, frame), (.aggregate(.count), [col(4)], .bigint, frame),
      (.aggregate(.sum), [col(0)], .plainNumeric, frame), (.aggregate(.sum), [col(10)], .bigint, frame),
      (.aggregate(.sum), [col(3)], .plainNumeric, frame), (.aggregate(.sum), [call(.double, .absolute, col(2))], .double, frame),
      (.aggregate(.sum), [col(8)], .interval, frame), (.aggregate(.min), [col(4)], .text, frame),
      (.aggregate(.max), [col(2)], .double, frame), (.aggregate(.max), [col(5)], .varchar(0), frame),
      (.aggregate(.boolAnd), [col(9)], .boolean, frame), (.aggregate(.bitOr), [col(1)], .integer, frame),
      (.aggregate(.bitAnd), [col(10)], .smallint, frame), (.aggregate(.hllAdd), [hash], .hll(HLLParameters()), frame),
      (.aggregate(.topnAdd), [col(4)], .topn(TopNParameters()), frame), (.aggregate(.stringAgg), [col(4), str(",")], .text, frame),
      (.aggregate(.countMerge), [col(0)], .bigint, frame),
      (.firstValue, [col(4)], .text, frame), (.lastValue, [col(3)], .plainNumeric, frame),
      (.nthValue, [col(0), int(2, .integer)], .bigint, frame),
    ]
  }
  func check(_ plan: PlanNode, _ rows: [[Value]], _ size: Int, _ note: String = "") throws {
    let expected = JoinTests.outcome { JoinTests.texts(try NaivePlan(rows: [], fragments: [rows]).run(plan), plan.columns.map(\.type)) }
    let got = JoinTests.outcome { try JoinTests.run(plan, [try JoinTests.split(rows, size)]) }
    #expect(got == expected, "\(note)")
  }

  @Test func placesAgreeWithTheNaivePlan() throws {
    var random = Seeded(60)
    let standard = WindowFrame.standard
    let calls: [(WindowFunction, [Expression], DataType, WindowFrame)] = [
      (.rowNumber, [], .bigint, standard), (.rank, [], .bigint, standard), (.denseRank, [], .bigint, standard),
      (.percentRank, [], .double, standard), (.cumeDist, [], .double, standard), (.ntile, [int(4, .integer)], .integer, standard),
      (.ntile, [int(1000, .integer)], .integer, standard),
      (.lag, [col(4), int(1, .integer), str("none")], .text, standard),
      (.lead, [col(0), col(10), col(1).cast(.bigint)], .bigint, standard),
      (.lag, [col(3), Expression.constant(.integer, .null), Expression.constant(.plainNumeric, .null)], .plainNumeric, standard),
    ]
    for count in [0, 1, 90] {
      let rows = TestRows.rows(count, &random)
      for partitions in [[], [9], [4, 9]] {
        for keys in [[], [SortKey(column: 10)], [SortKey(column: 4, isAscending: false, nullsFirst: true), SortKey(column: 3)]] {
          try check(Self.window(calls, partitions: partitions, keys: keys), rows, 31, "\(partitions) \(keys)")
        }
      }
    }
  }
  @Test func rowsAndGroupsFramesAgree() throws {
    var random = Seeded(61)
    let rows = TestRows.rows(48, &random)
    let bounds: [(Bound, Bound)] = [
      (.unboundedPreceding, .currentRow), (.unboundedPreceding, .unboundedFollowing), (.currentRow, .unboundedFollowing),
      (.preceding(Self.rows(2)), .following(Self.rows(1))), (.preceding(Self.rows(5)), .preceding(Self.rows(2))),
      (.following(Self.rows(1)), .following(Self.rows(3))), (.currentRow, .currentRow),
      (.preceding(Self.rows(1)), .preceding(Self.rows(3))),
      (.unboundedPreceding, .preceding(Self.rows(1))), (.preceding(Self.rows(.max)), .following(Self.rows(.max))),
    ]
    for unit in [WindowFrame.Unit.rows, .range, .groups] {
      for (start, end) in bounds {
        if unit == .range {
          switch (start, end) {
          case (.preceding, _), (.following, _), (_, .preceding), (_, .following): continue
          default: break
          }
        }
        for exclusion in [WindowFrame.Exclusion.none, .currentRow, .group, .ties] {
          let frame = WindowFrame(unit: unit, start: start, end: end, exclusion: exclusion)
          let filter = exclusion == .ties ? call(.boolean, .greater, col(0), int(0)) : nil
          try check(
            Self.window(Self.aggregates(frame), keys: [SortKey(column: 10)], filter: filter),
            rows,
            17,
            "\(unit) \(start) \(end) \(exclusion)"
          )
        }
      }
    }
  }
  @Test func rangeOffsetsAgree() throws {
    var random = Seeded(62)
    let rows = TestRows.rows(70, &random)
    let day = Interval(days: 40)
    let offsets: [(Int, TypedValue, TypedValue)] = [
      (0, Self.rows(2), Self.rows(1)), (10, Self.rows(13), Self.rows(0)),
      (2, TypedValue(.double, .double(2.5)), TypedValue(.double, .double(0))),
      (3, TypedValue(.plainNumeric, .numeric(Numeric(coefficient: 75, scale: 1))), TypedValue(.plainNumeric, .numeric(Numeric(2)))),
      (6, TypedValue(.interval, .interval(Interval(days: 2))), TypedValue(.interval, .interval(Interval(microseconds: 1)))),
      (8, TypedValue(.interval, .interval(day)), TypedValue(.interval, .interval(Interval()))),
    ]
    for (column, before, after) in offsets {
      for (isAscending, nullsFirst) in [(true, false), (true, true), (false, false), (false, true)] {
        let key = SortKey(column: column, isAscending: isAscending, nullsFirst: nullsFirst)
        for (start, end) in [
          (Bound.preceding(before), Bound.following(after)), (.preceding(before), .currentRow), (.following(after), .unboundedFollowing),
          (.unboundedPreceding, .preceding(after)), (.following(after), .following(before)), (.preceding(before), .preceding(after)),
        ] {
          let frame = WindowFrame(unit: .range, start: start, end: end, exclusion: .none)
          let calls: [(WindowFunction, [Expression], DataType, WindowFrame)] = [
            (.aggregate(.countStar), [], .bigint, frame), (.aggregate(.sum), [col(10)], .bigint, frame),
            (.firstValue, [col(4)], .text, frame),
          ]
          // Infinite doubles and NaN are PostgreSQL's own rules: WindowFixtureTests has them.
          let finite = rows.filter { row in
            if case .double(let v) = row[2], column == 2 { return v.isFinite }
            return true
          }
          try check(Self.window(calls, partitions: [], keys: [key]), finite, 29, "\(column) \(start) \(end) \(key)")
        }
      }
    }
  }
  @Test func badArgumentsAreErrors() throws {
    var random = Seeded(63)
    let batches = [try JoinTests.split(TestRows.rows(10, &random), 10)]
    func code(_ call: (WindowFunction, [Expression], DataType, WindowFrame)) -> String? {
      do {
        _ = try JoinTests.run(Self.window([call], keys: [SortKey(column: 0)]), batches)
        return nil
      } catch { return (error as? TallyError)?.sqlState }
    }
    let standard = WindowFrame.standard
    #expect(code((.ntile, [int(0, .integer)], .integer, standard)) == "22014")
    #expect(code((.nthValue, [col(0), int(0, .integer)], .bigint, standard)) == "22016")
    for unit in [WindowFrame.Unit.rows, .groups, .range] {
      let frame = WindowFrame(unit: unit, start: .preceding(Self.rows(-1)), end: .currentRow, exclusion: .none)
      #expect(code((.aggregate(.countStar), [], .bigint, frame)) == "22013")
    }
    let most = call(.bigint, .add, int(.max - 5), call(.bigint, .absolute, col(0)))
    #expect(code((.aggregate(.sum), [most], .bigint, standard)) == "22003")
  }
  @Test func memoryIsBoundedAndGivenBack() throws {
    var random = Seeded(64)
    let batches = try JoinTests.split(TestRows.rows(3000, &random), 500)
    let plan = Self.window([(.rowNumber, [], .bigint, .standard)], keys: [SortKey(column: 0)])
    #expect(throws: TallyError.self) { try JoinTests.run(plan, [batches], memory: 1 << 17) }
    let context = ExecutionContext(ExecutionLimits())
    try PlanExecution(source: GatheredRows(fragments: [batches]), context: context).run(plan) { _ in }
    #expect(context.memoryUsed == 0)
  }
}

extension Expression {
  func cast(_ type: DataType) -> Expression { Expression(type, .cast(self)) }
}
