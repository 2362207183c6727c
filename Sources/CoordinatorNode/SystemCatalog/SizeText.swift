// SizeText.swift — pg_size_pretty: bytes in the unit in which they are a number of at most five digits.
import Model

enum SizeText {
  private static let units = ["bytes", "kB", "MB", "GB", "TB", "PB"]

  /// A size of whole bytes.
  static func pretty(_ bytes: Int64) -> String {
    // A unit is left when its number reaches 10 × 1024; from then on there is a bit more than is shown, for rounding.
    bytes.magnitude < 10_240 ? "\(bytes) \(units[0])" : rounded(Int128(bytes))
  }
  /// A size of a numeric; bytes keep their fraction.
  static func pretty(_ bytes: Numeric) throws(TallyError) -> String {
    let text = NumericText.text(bytes)
    let digits = text.drop { $0 == "-" }.prefix { $0 != "." }
    guard let whole = Int128(digits) else { throw .sql("22003", "bigint out of range") }
    return whole < 10_240 ? "\(text) \(units[0])" : rounded(text.hasPrefix("-") ? -whole : whole)
  }
  private static func rounded(_ bytes: Int128) -> String {
    var size = bytes / 512
    for unit in units.dropFirst().dropLast() {
      if size.magnitude < 20_479 { return "\(half(size)) \(unit)" }
      size /= 1024
    }
    return "\(half(size)) \(units[units.count - 1])"
  }
  private static func half(_ size: Int128) -> Int128 { (size + (size < 0 ? -1 : 1)) / 2 }

  /// pg_size_bytes: a number with a unit.
  static func bytes(_ text: String) throws(TallyError) -> Int64 {
    let trimmed = text.drop { $0.isWhitespace }
    let digits = trimmed.prefix { $0.isASCII && ($0.isNumber || $0 == "." || $0 == "-" || $0 == "+") }
    let unit = trimmed[digits.endIndex...].filter { !$0.isWhitespace }
    let known = ["", "bytes", "kb", "mb", "gb", "tb", "pb"]
    let malformed = TallyError.sql("22023", "invalid size: \"\(text)\"")
    var number = Numeric(0)
    do throws(TallyError) {
      guard !digits.isEmpty, case .numeric(let read) = try ValueText.parse(String(digits), as: .plainNumeric) else { throw malformed }
      number = read
    } catch { throw malformed }
    guard let power = known.firstIndex(of: unit.lowercased()) else {
      throw .sql(
        "22023",
        "invalid size: \"\(text)\"",
        detail: "Invalid size unit: \"\(unit)\".",
        hint: "Valid units are \"bytes\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\"."
      )
    }
    return try Numeric.multiply(number, Numeric(Int64(1) << (10 * Int64(max(0, power - 1))))).integer()
  }
}
