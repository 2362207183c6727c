// NumericTests.swift — numerics at the ends of their 38 digits.
import Model
import Testing

private func n(_ text: String) throws -> Numeric {
  var text = text
  return try text.withUTF8 { try NumericText.parse(UnsafeRawBufferPointer($0)) }
}

@Suite struct NumericBounds {
  let top = "99999999999999999999999999999999999999"

  @Test func moreThan38DigitsAreRefused() throws {
    let largest = try n(top)
    #expect(throws: TallyError.self) { try n("1" + String(repeating: "0", count: 38)) }
    #expect(throws: TallyError.self) { try Numeric.add(largest, Numeric(1)) }
    #expect(throws: TallyError.self) { try Numeric.multiply(largest, Numeric(2)) }
    #expect(throws: TallyError.self) { try Numeric.add(largest, try n("0.1")) }
    #expect(NumericText.text(try Numeric.subtract(largest, Numeric(1))).hasSuffix("98"))
    #expect(NumericText.text(Numeric.negate(largest)) == "-" + top)
  }
  @Test func wideDivisionIsExact() throws {
    let largest = try n(top)
    #expect(NumericText.text(try Numeric.divide(largest, largest)) == "1.00000000000000000000")
    #expect(try Numeric.modulo(largest, try n("7")) == Numeric(remainderBy7(top)))
    #expect(throws: TallyError.self) { try Numeric.divide(Numeric(1), Numeric(0)) }
    // 10^37 / 3·10^-38 cannot be held.
    #expect(throws: TallyError.self) {
      try Numeric.divide(largest, Numeric(coefficient: 3, scale: 38))
    }
  }
  private func remainderBy7(_ digits: String) -> Int64 {
    digits.utf8.reduce(0) { ($0 * 10 + Int64($1) - 48) % 7 }
  }

  @Test func comparisonCrossesScales() throws {
    #expect(try n("1.0") == n("1.00"))
    #expect(try n("1.0").hashValue == n("1.00").hashValue)
    #expect(try n(top) > n("0." + String(repeating: "9", count: 38)))
    #expect(try n("-" + top) < n("0." + String(repeating: "9", count: 38)))
    #expect(try n("-0.5") < n("-0.49"))
    #expect(try n("1200").normalized.scale == 0)
    #expect(try n("1.2300").normalized.scale == 2)
  }
  @Test func declaredPrecisionIsChecked() throws {
    do {
      _ = try n("123.45").fitted(precision: 4, scale: 2)
      Issue.record("accepted")
    } catch let error as TallyError {
      #expect(error.sqlState == "22003")
      #expect(error.message == "numeric field overflow")
      #expect(
        error.detail
          == "A field with precision 4, scale 2 must round to an absolute value less than 10^2."
      )
    }
    #expect(NumericText.text(try n("99.994").fitted(precision: 4, scale: 2)) == "99.99")
    #expect(throws: TallyError.self) { try n("99.995").fitted(precision: 4, scale: 2) }
  }
  @Test func longLiteralsFitDeclaredScales() throws {
    var text = "0.12345678901234567890123456789012345678901234567890"
    let value = try text.withUTF8 {
      try NumericText.parse(UnsafeRawBufferPointer($0), as: .numeric(precision: 10, scale: 5))
    }
    #expect(NumericText.text(value) == "0.12346")
  }
}
