// PostgreSQLAgreementTests.swift — text and arithmetic of values against what PostgreSQL 15 answered (Fixtures/postgresql15.tsv).
import Bytes
import Foundation
import Model
import Testing

private let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .appendingPathComponent("Fixtures/postgresql15.tsv")

@Suite struct PostgreSQLAgreement {
  /// Where Tally means to differ, with the reason.
  static func isException(_ operation: String, _ arguments: [String], _ expected: String) -> Bool {
    // Two faults in one text: either may be reported.
    if arguments == ["1999-08-32 19:14+16"] { return true }
    // Microseconds since 1970 end thirty years before microseconds since 2000.
    return arguments == ["294276-12-31"] && operation != "date"
  }

  @Test func everyRecordedAnswerIsGiven() throws {
    let lines = try String(contentsOf: fixture, encoding: .utf8).split(separator: "\n").dropFirst()
    #expect(lines.count > 2000)
    var wrong: [String] = []
    for line in lines {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      let (operation, arguments, expected) = (
        fields[0], Array(fields[1..<(fields.count - 1)]), fields[fields.count - 1]
      )
      let answer: String
      do {
        answer = try Self.evaluate(operation, arguments)
      } catch let error as TallyError {
        answer = "!\(error.sqlState) \(error.message)"
      }
      if answer != expected && !Self.isException(operation, arguments, expected) {
        wrong.append("\(operation) \(arguments): expected \(expected), got \(answer)")
      }
    }
    #expect(wrong.isEmpty, "\(wrong.count) differ:\n\(wrong.prefix(60).joined(separator: "\n"))")
  }

  static func numeric(_ text: String) throws -> Numeric {
    guard case .numeric(let value) = try ValueText.parse(text, as: .plainNumeric) else {
      throw TallyError(.internalError, "")
    }
    return value
  }
  static func fixed(_ text: String, _ type: DataType) throws -> Int64 {
    guard case .fixed(let value) = try ValueText.parse(text, as: type) else {
      throw TallyError(.internalError, "")
    }
    return value
  }
  static func double(_ text: String) throws -> Double {
    guard case .double(let value) = try ValueText.parse(text, as: .double) else {
      throw TallyError(.internalError, "")
    }
    return value
  }
  static func cast(_ text: String, _ type: DataType) throws -> String {
    try #require(ValueText.print(try ValueText.parse(text, as: type), as: type))
  }
  static func printed(_ value: Int64, _ type: DataType) -> String {
    ValueText.print(.fixed(value), as: type) ?? ""
  }

  static func evaluate(_ operation: String, _ a: [String]) throws -> String {
    switch operation {
    case "float8": return try cast(a[0], .double)
    case "int2": return try cast(a[0], .smallint)
    case "int4": return try cast(a[0], .integer)
    case "int8": return try cast(a[0], .bigint)
    case "bool": return try fixed(a[0], .boolean) == 1 ? "true" : "false"
    case "numeric": return try cast(a[0], .plainNumeric)
    case "numericps": return try cast(a[0], .numeric(precision: UInt8(a[1]), scale: UInt8(a[2])))
    case "num_add": return NumericText.text(try Numeric.add(try numeric(a[0]), try numeric(a[1])))
    case "num_sub":
      return NumericText.text(try Numeric.subtract(try numeric(a[0]), try numeric(a[1])))
    case "num_mul":
      return NumericText.text(try Numeric.multiply(try numeric(a[0]), try numeric(a[1])))
    case "num_div":
      return NumericText.text(try Numeric.divide(try numeric(a[0]), try numeric(a[1])))
    case "num_mod":
      return NumericText.text(try Numeric.modulo(try numeric(a[0]), try numeric(a[1])))
    case "num_cmp": return String(Numeric.compare(try numeric(a[0]), try numeric(a[1])))
    case "num_round": return NumericText.text(try numeric(a[0]).rounded(toScale: Int(a[1])!))
    case "num_trunc":
      return NumericText.text(try numeric(a[0]).rounded(toScale: Int(a[1])!, .towardZero))
    case "num_ceil": return NumericText.text(try numeric(a[0]).rounded(toScale: 0, .up))
    case "num_floor": return NumericText.text(try numeric(a[0]).rounded(toScale: 0, .down))
    case "num_int8": return String(try numeric(a[0]).integer())
    case "num_int4": return String(try numeric(a[0]).integer(as: .integer))
    case "num_float8": return ValueText.print(.double(try numeric(a[0]).double), as: .double) ?? ""
    case "float8_num": return NumericText.text(try Numeric(double: try double(a[0])))
    case "float8_int8": return String(try IntegerRange.integer(try double(a[0])))
    case "timestamp": return try cast(a[0], .timestamp)
    case "timestamptz": return try cast(a[0], .timestamptz)
    case "date": return try cast(a[0], .date)
    case "interval": return try cast(a[0], .interval)
    case "itv_mul":
      return IntervalText.text(
        try Interval.multiply(try IntervalText.parse(a[0]), try double(a[1]))
      )
    case "itv_div":
      return IntervalText.text(try Interval.divide(try IntervalText.parse(a[0]), try double(a[1])))
    case "itv_add":
      return IntervalText.text(
        try Interval.add(try IntervalText.parse(a[0]), try IntervalText.parse(a[1]))
      )
    case "itv_sub":
      return IntervalText.text(
        try Interval.subtract(try IntervalText.parse(a[0]), try IntervalText.parse(a[1]))
      )
    case "itv_cmp":
      return String(Interval.compare(try IntervalText.parse(a[0]), try IntervalText.parse(a[1])))
    case "ts_add":
      return printed(
        try TimeArithmetic.add(
          try IntervalText.parse(a[1]),
          toTimestamp: try fixed(a[0], .timestamp)
        ),
        .timestamp
      )
    case "ts_sub":
      return IntervalText.text(
        try TimeArithmetic.subtract(try fixed(a[1], .timestamp), from: try fixed(a[0], .timestamp))
      )
    case "trunc":
      let time = try fixed(a[1], .timestamp)
      return printed(
        Calendar.truncate(time, to: try TimeUnit.parse(a[0], for: .timestamp)),
        .timestamp
      )
    case "isoweek":
      let day = try fixed(a[0], .date)
      let (year, week) = Calendar.isoWeek(day)
      func pad(_ value: Int, _ width: Int) -> String {
        String(repeating: "0", count: max(0, width - String(value).count)) + String(value)
      }
      return
        "\(pad(Int(year), 4))-\(pad(week, 2))-\(Calendar.isoDayOfWeek(day))-\(pad(Calendar.dayOfYear(day), 3))"
    case "date_add":
      return printed(
        try TimeArithmetic.add(days: Int64(a[1])!, toDate: try fixed(a[0], .date)),
        .date
      )
    case "bin":
      let width = try IntervalText.parse(a[0])
      let micros = Int64(width.days) * Calendar.microsecondsPerDay + width.microseconds
      return printed(
        Calendar.truncateToBucket(try fixed(a[1], .timestamp), .microseconds(micros)),
        .timestamp
      )
    default: return "unknown operation"
    }
  }
}
