// ExpressionTests.swift — every function over random columns against Planning's one-row evaluator.
import Aggregates
import Columns
import Model
import Planning
import Testing

@testable import Execution

struct ExpressionTests {
  static let interval = Expression.constant(
    .interval,
    .interval(Interval(months: 1, days: -1, microseconds: 90_000_000))
  )
  static func numeric(_ coefficient: Int128, _ scale: UInt8) -> Expression {
    .constant(.plainNumeric, .numeric(Numeric(coefficient: coefficient, scale: scale)))
  }
  static let nullText = Expression.constant(.text, .null)

  static var expressions: [Expression] {
    var list: [Expression] = []
    let comparisons: [Function] = [
      .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual,
    ]
    for function in comparisons {
      list.append(call(.boolean, function, col(0), int(2)))
      list.append(call(.boolean, function, int(2), col(0)))
      list.append(call(.boolean, function, col(0), col(1)))
      list.append(call(.boolean, function, col(2), .constant(.double, .double(1.5))))
      list.append(call(.boolean, function, col(2), call(.double, .negate, col(2))))
      list.append(call(.boolean, function, col(3), numeric(15, 1)))
      list.append(call(.boolean, function, col(4), str("ab")))
      list.append(call(.boolean, function, str("b"), col(5)))
      list.append(call(.boolean, function, col(4), col(5)))
      list.append(call(.boolean, function, col(4), nullText))
      list.append(call(.boolean, function, col(6), int(TestRows.start, .timestamp)))
      list.append(
        call(.boolean, function, col(8), .constant(.interval, .interval(Interval(days: 30))))
      )
    }
    for function: Function in [.add, .subtract, .multiply, .divide, .modulo] {
      list.append(call(.bigint, function, col(0), int(3)))
      list.append(call(.bigint, function, col(0), col(1)))
      list.append(call(.integer, function, col(1), col(10)))
      list.append(call(.smallint, function, col(10), col(10)))
      list.append(call(.plainNumeric, function, col(3), numeric(-15, 1)))
      list.append(call(.plainNumeric, function, col(3), col(3)))
      if function != .modulo {
        list.append(
          call(.double, function, .constant(.double, .double(3)), .constant(.double, .double(0.25)))
        )
        list.append(call(.double, function, col(2), .constant(.double, .double(2))))
      }
    }
    for function: Function in [.negate, .absolute] {
      for index in [0, 1, 2, 3, 10] {
        list.append(call(TestRows.types[index], function, col(index)))
      }
    }
    list.append(call(.interval, .negate, col(8)))
    for function: Function in [.floor, .ceiling, .round, .truncate] {
      list.append(call(.double, function, col(2)))
      list.append(call(.plainNumeric, function, col(3)))
    }
    list.append(call(.plainNumeric, .round, col(3), col(0)))
    list.append(call(.plainNumeric, .truncate, col(3), int(1, .integer)))
    list.append(call(.date, .addDays, col(7), col(1)))
    list.append(call(.date, .subtractDays, col(7), col(10)))
    list.append(call(.integer, .dateDifference, col(7), int(19_781, .date)))
    list.append(call(.timestamp, .addInterval, col(6), col(8)))
    list.append(call(.timestamp, .subtractInterval, col(6), interval))
    list.append(call(.interval, .timeDifference, col(6), int(TestRows.start, .timestamp)))
    list.append(call(.interval, .intervalAdd, col(8), interval))
    list.append(call(.interval, .intervalSubtract, col(8), interval))
    list.append(call(.interval, .intervalMultiply, col(8), .constant(.double, .double(1.5))))
    list.append(call(.interval, .intervalDivide, col(8), .constant(.double, .double(3))))
    for unit in TimeUnit.allCases {
      list.append(call(.timestamp, .dateTrunc, int(Int64(unit.rawValue)), col(6)))
      list.append(call(.interval, .dateTrunc, int(Int64(unit.rawValue)), col(8)))
    }
    for field in TimeField.allCases {
      list.append(call(.plainNumeric, .extract, int(Int64(field.rawValue)), col(6)))
      if field.exists(for: .date) {
        list.append(call(.plainNumeric, .extract, int(Int64(field.rawValue)), col(7)))
      }
      if field.exists(for: .interval) {
        list.append(call(.plainNumeric, .extract, int(Int64(field.rawValue)), col(8)))
      }
    }
    for width in [
      Interval(microseconds: 300_000_000), Interval(days: 7), Interval(days: 1),
      Interval(months: 1),
    ] {
      let constant = Expression.constant(.interval, .interval(width))
      list.append(call(.timestamp, .timeBucket, constant, col(6)))
      list.append(call(.date, .timeBucket, constant, col(7)))
    }
    list.append(call(.text, .concatenate, col(4), col(5)))
    list.append(call(.text, .concatenate, str("<"), col(4)))
    for index in [4, 5] {
      list.append(call(.text, .lower, col(index)))
      list.append(call(.text, .upper, col(index)))
      list.append(call(.integer, .length, col(index)))
      for pattern in ["a%", "%b", "%r%", "_", "50\\%", "x\\_y", "%", "", "z_rich", "%_%_", "\\12"] {
        list.append(Expression(.boolean, .like(col(index), pattern: pattern)))
      }
      list.append(
        Expression(.boolean, .inList(col(index), [.text("a"), .text("zürich")], hasNull: false))
      )
      list.append(
        Expression(.boolean, .inList(col(index), [.text("a"), .text("12")], hasNull: true))
      )
    }
    list.append(Expression(.boolean, .inList(col(0), [.fixed(1), .fixed(-3)], hasNull: false)))
    list.append(
      Expression(.boolean, .inList(col(0), (0..<20).map { .fixed($0 * 2) }, hasNull: true))
    )
    list.append(Expression(.boolean, .inList(col(2), [.double(0), .double(.nan)], hasNull: false)))
    list.append(
      Expression(
        .boolean,
        .inList(col(3), [.numeric(Numeric(coefficient: 1500, scale: 3))], hasNull: false)
      )
    )
    list.append(
      Expression(.boolean, .inList(col(8), [.interval(Interval(days: 30))], hasNull: false))
    )
    return list + casts + logic
  }
  static var casts: [Expression] {
    var list: [Expression] = []
    for type: DataType in [
      .smallint, .integer, .bigint, .double, .plainNumeric, .numeric(precision: 4, scale: 1), .text,
    ] {
      for index in [0, 1, 2, 3, 10] { list.append(cast(col(index), type)) }
    }
    for index in TestRows.types.indices { list.append(cast(col(index), .text)) }
    for type: DataType in [
      .integer, .bigint, .double, .plainNumeric, .boolean, .date, .timestamp, .interval,
    ] {
      list.append(cast(col(4), type))
      list.append(cast(col(5), type))
    }
    list.append(cast(col(7), .timestamp))
    list.append(cast(col(6), .date))
    list.append(cast(col(9), .integer))
    list.append(cast(col(1), .boolean))
    return list
  }
  static var logic: [Expression] {
    let flag = col(9)
    let positive = call(.boolean, .greater, col(0), int(0))
    let guarded = call(.boolean, .greater, call(.bigint, .divide, int(10), col(0)), int(3))
    let nonZero = call(.boolean, .notEqual, col(0), int(0))
    return [
      Expression(.boolean, .and([flag, positive])), Expression(.boolean, .or([flag, positive])),
      Expression(.boolean, .and([nonZero, guarded])),
      Expression(.boolean, .or([call(.boolean, .equal, col(0), int(0)), guarded])),
      Expression(.boolean, .and([guarded, nonZero])), Expression(.boolean, .not(flag)),
      Expression(.boolean, .not(Expression(.boolean, .and([flag, positive, nonZero])))),
      Expression(.boolean, .isNull(col(4))), Expression(.boolean, .isNull(int(1))),
      Expression(.boolean, .isNull(Expression(.boolean, .or([flag, positive])))),
      Expression(
        .bigint,
        .caseWhen(
          [CaseBranch(condition: call(.boolean, .equal, col(0), int(0)), result: int(-1))],
          otherwise: call(.bigint, .divide, int(100), col(0))
        )
      ),
      Expression(
        .text,
        .caseWhen(
          [
            CaseBranch(condition: flag, result: col(4)),
            CaseBranch(condition: positive, result: call(.text, .upper, col(4))),
          ],
          otherwise: nil
        )
      ),
      Expression(
        .text,
        .caseWhen([CaseBranch(condition: .boolean(true), result: str("all"))], otherwise: col(4))
      ),
      Expression(.text, .coalesce([nullText, col(4), cast(col(5), .text), str("none")])),
      Expression(.bigint, .coalesce([col(0), call(.bigint, .divide, int(1), int(0))])),
      Expression(.bigint, .coalesce([col(0), col(1), int(7)])),
      Expression(
        .plainNumeric,
        .coalesce([.constant(.plainNumeric, .null), .constant(.plainNumeric, .null)])
      ),
    ]
  }

  @Test func everyExpressionAgreesWithTheOneRowEvaluator() throws {
    var random = Seeded(1)
    let rows = TestRows.rows(400, &random)
    let batch = try TestRows.batch(rows)
    for expression in Self.expressions {
      var expected: [String] = []
      var states: Set<String> = []
      var failing: Set<UInt32> = []
      for (at, row) in rows.enumerated() {
        do {
          let value = try #require(
            try ScalarEvaluator.evaluate(expression, row: row),
            "\(expression.node)"
          )
          expected.append(TestRows.text(value, expression.type))
        } catch let error as TallyError {
          states.insert(error.sqlState)
          failing.insert(UInt32(at))
          expected.append("NULL")
        }
      }
      // Rows that fail become NULL one by one …
      var failed: Set<UInt32> = []
      let tolerant = try RollupRows.orNull(expression, batch, &failed)
      #expect(failed == failing, "\(expression.node)")
      let got = try (0..<rows.count).map { TestRows.text(try tolerant.value($0), expression.type) }
      #expect(got == expected, "\(expression.node)")
      #expect(tolerant.type == expression.type, "\(expression.node)")
      // … and fail the whole block otherwise.
      do {
        let column = try ExpressionEvaluation.column(expression, batch)
        #expect(failing.isEmpty, "\(expression.node)")
        #expect(column.count == rows.count)
      } catch let error as TallyError {
        #expect(states.contains(error.sqlState), "\(expression.node): \(error)")
      }
    }
  }
  @Test func nullRowsHoldTheCanonicalEmptyValue() throws {
    var random = Seeded(2)
    let batch = try TestRows.batch(TestRows.rows(200, &random))
    for expression in [
      call(.bigint, .add, col(0), int(3)), cast(col(0), .double), call(.text, .upper, col(4)),
    ] {
      let column = try ExpressionEvaluation.column(expression, batch)
      for row in 0..<200 where column.isNull(row) {
        switch column.values {
        case .fixed(let v): #expect(v[row] == 0)
        case .double(let v): #expect(v[row] == 0)
        case .codes(let v, _): #expect(v[row] == 0)
        default: Issue.record("unexpected layout")
        }
      }
    }
  }
  @Test func filtersGiveTheRowsThatAreTrue() throws {
    var random = Seeded(3)
    let rows = TestRows.rows(1000, &random)
    let batch = try TestRows.batch(rows)
    for expression in Self.logic where expression.type == .boolean {
      let expected: [Int]
      do {
        expected = try rows.indices.filter {
          if case .fixed(1)? = try ScalarEvaluator.evaluate(expression, row: rows[$0]) { true } else { false }
        }
      } catch {
        // That both evaluators fail for such rows is another test's matter.
        continue
      }
      let got = try ExpressionEvaluation.matching(expression, batch)
      #expect((got ?? (0..<1000).map { UInt32($0) }) == expected.map { UInt32($0) })
    }
  }
  @Test func sketchFunctionsFollowAggregates() throws {
    let parameters = HLLParameters()
    let type = DataType.hll(parameters)
    var random = Seeded(4)
    let rows = TestRows.rows(50, &random)
    let batch = try TestRows.batch(rows)
    let seed = int(0, .integer)
    let hashes = try ExpressionEvaluation.column(call(.hllHashval, .hllHash, col(4), seed), batch)
    var expected: [HyperLogLog?] = []
    for (at, row) in rows.enumerated() {
      if case .text(let text) = row[4] {
        let hash = Array(text.utf8).withUnsafeBytes { HLLHash.text($0) }
        #expect(try hashes.value(at).isNull == false)
        if case .fixed(let got) = try hashes.value(at) { #expect(got == hash) }
        var state = HyperLogLog(parameters)
        state.add(hash)
        expected.append(state)
      } else {
        #expect(hashes.isNull(at))
        expected.append(nil)
      }
    }
    let empty = Expression.constant(type, .hll(HLLFormat.encode(HyperLogLog(parameters))))
    let added = call(type, .hllAdd, empty, call(.hllHashval, .hllHash, col(4), seed))
    let column = try ExpressionEvaluation.column(added, batch)
    for row in 0..<50 {
      if let state = expected[row] {
        #expect(
          TestRows.text(try column.value(row), type)
            == TestRows.text(.hll(HLLFormat.encode(state)), type)
        )
      } else {
        #expect(column.isNull(row))
      }
    }
    let union = call(type, .hllUnion, added, empty)
    #expect(
      try TestRows.texts(Batch(count: 50, columns: [ExpressionEvaluation.column(union, batch)]))
        == TestRows.texts(Batch(count: 50, columns: [column]))
    )
    let counts = try ExpressionEvaluation.column(call(.double, .hllCardinality, added), batch)
    for row in 0..<50 where !counts.isNull(row) {
      if case .double(let count) = try counts.value(row) { #expect(count == 1) }
    }
    let equal = try ExpressionEvaluation.column(call(.boolean, .hllEqual, added, union), batch)
    for row in 0..<50 where !equal.isNull(row) {
      if case .fixed(let v) = try equal.value(row) { #expect(v == 1) }
    }

    let topn = DataType.topn(TopNParameters())
    let none = Expression.constant(topn, .null)
    let top = call(topn, .topnAdd, none, col(4), int(2))
    let tops = try ExpressionEvaluation.column(call(topn, .topnUnion, top, top), batch)
    for (at, row) in rows.enumerated() {
      let want = if case .text(let text) = row[4] { "{\(text)=4-0} 0 4" } else { "{} 0 0" }
      #expect(TestRows.text(try tops.value(at), topn) == want)
    }
  }
  @Test func undefinedHLLHasNoCardinality() throws {
    let type = DataType.hll(HLLParameters())
    let undefined = Expression.constant(
      type,
      .hll(HLLFormat.encode(HyperLogLog(HLLParameters(), .undefined)))
    )
    let result = try ExpressionEvaluation.constant(call(.double, .hllCardinality, undefined))
    #expect(result.isNull(0))
  }
}
