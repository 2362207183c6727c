// CalendarTests.swift — the calendar's corners and the block kernel.
import Model
import Testing

@Suite struct CalendarRules {
  @Test func everyDayOfEightCenturiesRoundTrips() {
    var expected = Calendar.days(year: 1600, month: 1, day: 1)
    for year in Int64(1600)..<2400 {
      for month in 1...12 {
        for day in 1...Calendar.daysInMonth(year: year, month: month) {
          #expect(Calendar.days(year: year, month: month, day: day) == expected)
          #expect(Calendar.civil(days: expected) == CivilDate(year: year, month: month, day: day))
          expected += 1
        }
      }
    }
    #expect(Calendar.days(year: 1970, month: 1, day: 1) == 0)
    #expect(Calendar.days(year: -4713, month: 11, day: 24) == TimeRange.firstDay)
    #expect(Calendar.days(year: 5_874_897, month: 12, day: 31) == TimeRange.lastDay)
    #expect(
      Calendar.days(year: 294_247, month: 1, day: 1) * Calendar.microsecondsPerDay == TimeRange
        .lastMicrosecond + 1
    )
  }
  @Test func oneWeekBucketsAreDateTruncWeek() {
    var time: Int64 = -3_000_000_000_000_123
    while time < 3_000_000_000_000_000 {
      #expect(
        Calendar.truncateToBucket(time, .microseconds(7 * Calendar.microsecondsPerDay))
          == Calendar.truncate(time, to: .week)
      )
      #expect(Calendar.truncateToBucket(time, .months(1)) == Calendar.truncate(time, to: .month))
      #expect(Calendar.truncateToBucket(time, .months(3)) == Calendar.truncate(time, to: .quarter))
      #expect(Calendar.truncateToBucket(time, .months(12)) == Calendar.truncate(time, to: .year))
      time += 98_765_432_109_876 / 7
    }
  }
  @Test func blocksAgreeWithSingleValues() {
    let day = Calendar.microsecondsPerDay
    let widths: [BucketWidth] = [
      .microseconds(300_000_000), .microseconds(day), .microseconds(7 * day), .months(1),
      .months(12),
    ]
    var times: [Int64] = [
      TimeLimits.infinity, TimeLimits.minusInfinity, 0, -1, 1, TimeRange.firstMicrosecond,
      TimeRange.lastMicrosecond,
    ]
    var state: UInt64 = 1
    for _ in 0..<5000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1
      times.append(Int64(state >> 13) - (1 << 50))
      times.append((times.last ?? 0) + 1000)
    }
    for width in widths {
      var output = [Int64](repeating: 0, count: times.count)
      times.withUnsafeBufferPointer { input in
        output.withUnsafeMutableBufferPointer {
          Calendar.truncateToBuckets(input, width, into: $0.baseAddress!)
        }
      }
      #expect(output == times.map { Calendar.truncateToBucket($0, width) })
    }
  }
  @Test func infinityIsItsOwnBucket() {
    for unit in TimeUnit.allCases {
      #expect(Calendar.truncate(TimeLimits.infinity, to: unit) == TimeLimits.infinity)
      #expect(Calendar.truncate(TimeLimits.minusInfinity, to: unit) == TimeLimits.minusInfinity)
    }
  }
  @Test func monthsClampToTheirLastDay() {
    let january = Calendar.days(year: 2024, month: 1, day: 31)
    #expect(Calendar.addMonths(1, toDay: january) == Calendar.days(year: 2024, month: 2, day: 29))
    #expect(Calendar.addMonths(-11, toDay: january) == Calendar.days(year: 2023, month: 2, day: 28))
  }
}
