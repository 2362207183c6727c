// TimeKernels.swift — dates, timestamps and intervals: arithmetic, date_trunc, extract, time_bucket.
import Bytes
import Columns
import Model
import Planning

enum TimeKernels {
  static func arithmetic(
    _ function: Function,
    _ a: Operand,
    _ b: Operand,
    count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    let (am, bm) = (a.mask, b.mask)
    switch function {
    case .addDays, .subtractDays, .dateDifference:
      let (x, y) = (a.fixed, b.fixed)
      return .fixed(
        try mapRows(count, validity, empty: 0) { row in
          switch function {
          case .addDays: try TimeArithmetic.add(days: y[row & bm], toDate: x[row & am])
          case .subtractDays: try TimeArithmetic.subtract(days: y[row & bm], fromDate: x[row & am])
          default: try TimeArithmetic.subtract(date: y[row & bm], from: x[row & am])
          }
        }
      )
    case .addInterval, .subtractInterval:
      let (x, y) = (a.fixed, b.interval)
      return .fixed(
        try mapRows(count, validity, empty: 0) { row in
          function == .addInterval
            ? try TimeArithmetic.add(y[row & bm], toTimestamp: x[row & am])
            : try TimeArithmetic.subtract(y[row & bm], fromTimestamp: x[row & am])
        }
      )
    case .timeDifference:
      let (x, y) = (a.fixed, b.fixed)
      return .interval(
        try mapRows(count, validity, empty: Interval()) {
          try TimeArithmetic.subtract(y[$0 & bm], from: x[$0 & am])
        }
      )
    case .intervalAdd, .intervalSubtract:
      let (x, y) = (a.interval, b.interval)
      return .interval(
        try mapRows(count, validity, empty: Interval()) { row in
          function == .intervalAdd
            ? try Interval.add(x[row & am], y[row & bm])
            : try Interval.subtract(x[row & am], y[row & bm])
        }
      )
    case .intervalMultiply, .intervalDivide:
      let (x, y) = (a.interval, b.double)
      return .interval(
        try mapRows(count, validity, empty: Interval()) { row in
          function == .intervalMultiply
            ? try Interval.multiply(x[row & am], y[row & bm])
            : try Interval.divide(x[row & am], y[row & bm])
        }
      )
    default: fatalError("\(function) is no arithmetic of times")
    }
  }

  private static func unit(_ operand: Operand) throws -> TimeUnit {
    guard operand.isConstant,
      let unit = UInt8(exactly: operand.fixed[0]).flatMap(TimeUnit.init(rawValue:))
    else {
      throw TallyError(.protocolViolation, "a unit of time that this version does not know")
    }
    return unit
  }
  static func truncate(
    _ unit: Operand,
    _ a: Operand,
    count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    let unit = try Self.unit(unit)
    if a.type == .interval {
      let x = a.interval
      return .interval(
        try mapRows(count, validity, empty: Interval()) { try x[$0 & a.mask].truncated(to: unit) }
      )
    }
    let x = a.fixed
    switch unit {
    case .second, .minute, .hour, .day:
      let width: Int64 =
        switch unit {
        case .second: Calendar.microsecondsPerSecond
        case .minute: Calendar.microsecondsPerMinute
        case .hour: Calendar.microsecondsPerHour
        default: Calendar.microsecondsPerDay
        }
      return .fixed(buckets(x, a.mask, .microseconds(width), count, validity))
    case .month: return .fixed(buckets(x, a.mask, .months(1), count, validity))
    case .year: return .fixed(buckets(x, a.mask, .months(12), count, validity))
    default:
      return .fixed(
        mapRows(count, validity, empty: 0) { Calendar.truncate(x[$0 & a.mask], to: unit) }
      )
    }
  }
  private static func buckets(
    _ x: [Int64],
    _ mask: Int,
    _ width: BucketWidth,
    _ count: Int,
    _ validity: Bitmap?
  ) -> [Int64] {
    if mask == 0 { return [Calendar.truncateToBucket(x[0], width)] }
    var result = [Int64](unsafeUninitializedCapacity: count) { out, written in
      if let out = out.baseAddress {
        x.withUnsafeBufferPointer { Calendar.truncateToBuckets($0, width, into: out) }
      }
      written = count
    }
    if let validity { for row in 0..<count where !validity[row] { result[row] = 0 } }
    return result
  }
  static func bucket(
    _ width: Operand,
    _ a: Operand,
    count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    let interval = width.interval[0]
    let micros = Int64(interval.days).multipliedReportingOverflow(by: Calendar.microsecondsPerDay)
    let fixed = micros.partialValue.addingReportingOverflow(interval.microseconds)
    let bucket: BucketWidth
    if interval.months > 0 && interval.days == 0 && interval.microseconds == 0 {
      bucket = .months(interval.months)
    } else if interval.months == 0, !micros.overflow, !fixed.overflow, fixed.partialValue > 0 {
      bucket = .microseconds(fixed.partialValue)
    } else {
      throw TallyError.sql(
        "22023",
        "time_bucket needs an interval above zero of months only, or of days and time only"
      )
    }
    if a.type == .date {
      let x = a.fixed
      return .fixed(
        try mapRows(count, validity, empty: 0) { row in
          TimeArithmetic.date(
            ofTimestamp: Calendar.truncateToBucket(
              try TimeArithmetic.timestamp(ofDate: x[row & a.mask]),
              bucket
            )
          )
        }
      )
    }
    return .fixed(buckets(a.fixed, a.mask, bucket, count, validity))
  }
}
