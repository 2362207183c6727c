// RollupTests.swift — rollup definitions: what is bound, what is refused, and which levels may answer.
import Model
import Testing

@testable import Planning

private func definition(_ options: String, _ select: String) throws -> RollupDefinition? {
  let catalog = try SampleCatalog.make()
  guard
    case .createRollup(let plan) = try SampleCatalog.statement(
      "create materialized view r with (\(options)) as \(select)",
      catalog
    )
  else { return nil }
  return plan.definition
}

@Test func aRollupIsBoundToKeysMeasuresAndLevels() throws {
  let catalog = try SampleCatalog.make()
  let rollup = catalog.rollups[0]
  #expect(rollup.keys.map(\.name) == ["app_id", "bucket", "device"])
  #expect(rollup.keys.map(\.type) == [.text, .timestamptz, .varchar(10)])
  #expect(rollup.measures.map(\.kind) == [.count, .sum, .min, .hll, .topn, .topn])
  #expect(rollup.measures.map(\.type).prefix(3) == [.bigint, .bigint, .integer])
  #expect(rollup.levels.map(\.suffix) == ["5min", "1day", "1month"])
  #expect(rollup.levels.map(\.keep) == [Interval(days: 2), Interval(days: 400), nil])
  #expect(rollup.outputOrder == Array(0..<9))
  #expect(rollup.sql.hasPrefix("select app_id") && rollup.sql.hasSuffix("device"))
  let program = try RollupProgramFormat.decode(rollup.program, source: catalog.tables[0].columns)
  #expect(program.columnsRead == [0, 1, 2, 3, 4, 5, 6])
  #expect(program.measures[5].filter != nil)
  #expect(program.overColumnsRead().keys[2].columnIndex == 6)
  #expect(RollupProgramFormat.encode(program) == rollup.program)
}

@Test func outputFollowsTheSelectList() throws {
  let rollup = try definition(
    "rollup, levels = '1 hour'",
    "select count(*) n, time_bucket(ts) b, lower(query) q, app_id a, sum(user_id) from queries where hits > 0 group by a, b, q"
  )
  #expect(rollup?.keys.map(\.name) == ["a", "b", "q"])
  #expect(rollup?.outputOrder == [3, 1, 2, 0, 4])
  #expect(rollup?.measures[1].type == .plainNumeric)
}

@Test func theWidthInTheQueryIsTheOnlyLevelWithoutTheOption() throws {
  let rollup = try definition("rollup", "select app_id, time_bucket('15 minutes', ts) b, count(*) from queries group by 1, 2")
  #expect(rollup?.levels.map(\.suffix) == ["15min"])
}

@Test(arguments: [
  (
    "rollup, levels = '1 day'", "select app_id, time_bucket(ts) b, avg(hits) from queries group by 1, 2", "avg in a rollup is not supported"
  ),
  (
    "rollup, levels = '1 day'", "select app_id, time_bucket(ts) b, count(distinct user_id) from queries group by 1, 2",
    "count(DISTINCT …) in a rollup is not supported"
  ),
  (
    "rollup, levels = '1 day'", "select app_id, time_bucket(ts) b, sum(hits) / count(*) x from queries group by 1, 2",
    "an expression over aggregates in a rollup is not supported"
  ),
  (
    "rollup, levels = '1 day'", "select time_bucket(ts) b, count(*) from queries group by 1",
    "a rollup without the tenant key in GROUP BY is not supported"
  ),
  (
    "rollup, levels = '1 day'", "select app_id, count(*) from queries group by 1",
    "a rollup without time_bucket in GROUP BY is not supported"
  ),
  ("rollup, levels = '1 day'", "select app_id, time_bucket(ts) b from queries group by 1, 2", "a rollup without measures is not supported"),
  (
    "rollup, levels = '1 day'", "select app_id, time_bucket(ts) b, count(*) from queries group by 1, 2, device",
    "a rollup must have every GROUP BY expression in its SELECT list"
  ),
  (
    "rollup, levels = '1 day'", "select app_id, time_bucket(ts) b, count(*) from queries group by 1, 2 having count(*) > 1",
    "HAVING in a rollup is not supported"
  ),
  (
    "rollup, levels = '1 day'", "select app_id, time_bucket(ts) b, count(*) from queries group by 1, 2 limit 3",
    "LIMIT in a rollup is not supported"
  ),
  (
    "rollup, levels = '1 day'", "select app_id, time_bucket(ts) b, count(*) from queries where ts < now() group by 1, 2",
    "functions in a rollup must be immutable"
  ),
  (
    "rollup, levels = '1 day'", "select app_id, time_bucket(bucket) b, sum(searches) from searches group by 1, 2",
    "another rollup in a rollup is not supported"
  ),
  (
    "rollup, levels = '1 day'", "select app_id, time_bucket(ts) b, count(*) from (select * from queries) q group by 1, 2",
    "a subquery in a rollup is not supported"
  ),
  (
    "rollup, levels = '1 week, 1 month'", "select app_id, time_bucket(ts) b, count(*) from queries group by 1, 2",
    "level \"1 week\" does not nest in level \"1 month\""
  ),
  (
    "rollup, levels = '1 day, 1 hour'", "select app_id, time_bucket(ts) b, count(*) from queries group by 1, 2",
    "level \"1 day\" does not nest in level \"1 hour\""
  ),
  ("rollup, levels = '7 hours'", "select app_id, time_bucket(ts) b, count(*) from queries group by 1, 2", "invalid level \"7 hours\""),
  (
    "rollup, levels = '1 hour, 1 day', keep = '2 days'", "select app_id, time_bucket(ts) b, count(*) from queries group by 1, 2",
    "option \"keep\" has 1 entries for 2 levels"
  ),
  (
    "rollup, levels = '1 hour, 1 day', keep = 'forever, 2 days'", "select app_id, time_bucket(ts) b, count(*) from queries group by 1, 2",
    "level \"1 day\" is kept shorter than level \"1 hour\""
  ),
  (
    "rollup, levels = '1 hour', time_zone = 'Europe/Paris'", "select app_id, time_bucket(ts) b, count(*) from queries group by 1, 2",
    "time zone \"Europe/Paris\" of a rollup is not supported"
  ),
  (
    "rollup, levels = '1 hour', nope = 1", "select app_id, time_bucket(ts) b, count(*) from queries group by 1, 2",
    "unrecognized parameter \"nope\""
  ),
  (
    "rollup, levels = '1 hour'", "select app_id, time_bucket('1 day', ts) b, count(*) from queries group by 1, 2",
    "the width of time_bucket differs from the finest level \"1 hour\""
  ),
])
func definitionsThatCannotBeRolledUpAreRefused(_ options: String, _ select: String, _ message: String) throws {
  let error = try SampleCatalog.failure("create materialized view r with (\(options)) as \(select)")
  #expect(error?.message == message, "\(String(describing: error))")
  #expect(error?.status != .internalError)
}

@Test func constancyAgreesWithCounting() throws {
  // Every comparison and truncation that is called constant must have one value for all fine buckets of each coarse bucket.
  let minute: Int64 = 60_000_000
  let widths: [BucketWidth] = [.microseconds(5 * minute), .microseconds(60 * minute), .microseconds(1440 * minute), .months(1)]
  let start = Calendar.days(year: 2023, month: 1, day: 30) * Calendar.microsecondsPerDay
  let column = Expression.column(0, .timestamp)
  var expressions: [Expression] = []
  for function in [Function.less, .lessOrEqual, .greater, .greaterOrEqual, .equal] {
    for offset in [0, 1, 5, 7, 60, 90, 1440, 2880, 2885] as [Int64] {
      expressions.append(
        Expression(.boolean, .call(function, [column, .constant(.timestamp, .fixed(start + offset * minute))]))
      )
    }
  }
  for unit in [TimeUnit.minute, .hour, .day, .week, .month, .quarter, .year] {
    expressions.append(
      Expression(.timestamp, .call(.dateTrunc, [.constant(.bigint, .fixed(Int64(unit.rawValue))), column]))
    )
  }
  for field in [TimeField.hour, .dayOfWeek, .epoch, .month, .week] {
    expressions.append(
      Expression(.plainNumeric, .call(.extract, [.constant(.bigint, .fixed(Int64(field.rawValue))), column]))
    )
  }
  expressions.append(Expression(.date, .cast(column)))
  var constants = 0
  for (fine, coarse) in zip(widths, widths.dropFirst()) {
    let check = BucketConstancy(column: 0, fine: fine, coarse: coarse)
    for expression in expressions where check.isConstant(expression) {
      constants += 1
      var seen: [Int64: Value] = [:]
      var bucket = start - 3 * BucketWidths.day
      bucket = Calendar.truncateToBucket(bucket, fine)
      while bucket < start + 4 * BucketWidths.day {
        let value = try #require(try ScalarEvaluator.evaluate(expression, row: [.fixed(bucket)]))
        let parent = Calendar.truncateToBucket(bucket, coarse)
        if let known = seen[parent] { #expect(ScalarEvaluator.compare(known, value) == 0) } else { seen[parent] = value }
        bucket = Calendar.endOfBucket(bucket, fine)
      }
    }
  }
  #expect(constants > 30)
}

@Test(arguments: [
  ("select sum(searches) from searches where bucket >= '2023-11-14 10:05'", 0),
  ("select sum(searches) from searches where bucket >= '2023-11-01'", 0),
  ("select sum(searches) from searches where bucket >= '2023-11-01 10:05'", 1),
  ("select bucket, searches from searches where bucket < '2022-01-15' and bucket > now() - interval '1 hour'", 1),
])
func boundsThatCutExpiredBucketsAreTold(_ text: String, _ count: Int) throws {
  guard case .select(let plan) = try SampleCatalog.statement(text, try SampleCatalog.make()) else { return }
  #expect(plan.notices.count == count, "\(plan.notices)")
}
