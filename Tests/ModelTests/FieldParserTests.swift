// FieldParserTests.swift — the plain readers agree with the full ones wherever they answer.
import Model
import Testing

@Suite struct PlainReaders {
  static let pieces = [
    "0", "9", "12", "2024", "-", "+", ".", ":", " ", "T", "e", "Z", "99999999", "t", "true",
    "false", "1", "/", "2024-02-29", "23:59:59",
  ]

  @Test func plainAnswersAreTheFullAnswers() throws {
    var state: UInt64 = 99
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
    var answered = 0
    for _ in 0..<200_000 {
      var text = (0...next(5)).map { _ in Self.pieces[next(Self.pieces.count)] }.joined()
      try text.withUTF8 { utf8 in
        let bytes = UnsafeRawBufferPointer(utf8)
        // Blanks around make the full reader take its own path.
        var padded = " " + String(decoding: bytes, as: UTF8.self) + " "
        try padded.withUTF8 { utf8 in
          let wide = UnsafeRawBufferPointer(utf8)
          if let value = FieldParser.parseInt64(bytes) {
            #expect(try ValueText.parseInteger(wide, as: .bigint) == value)
            answered += 1
          }
          if let value = FieldParser.parseDouble(bytes) {
            #expect(try DoubleText.parse(wide) == value)
            answered += 1
          }
          if let value = FieldParser.parseNumeric(bytes) {
            let full = try NumericText.parse(wide)
            #expect(full.coefficient == value.coefficient && full.scale == value.scale)
            answered += 1
          }
          if let value = FieldParser.parseDate(bytes) {
            #expect(try TimestampText.parseDate(wide) == value)
            answered += 1
          }
          if let value = FieldParser.parseTimestamp(bytes) {
            #expect(try TimestampText.parseTimestamp(wide, withTimeZone: true) == value)
            answered += 1
          }
          if let value = FieldParser.parseBoolean(bytes) {
            #expect(try ValueText.parseBoolean(wide) == value)
            answered += 1
          }
        }
      }
    }
    #expect(answered > 10_000)
  }
  @Test func randomDoublesReadBackExactly() throws {
    var state: UInt64 = 3
    for _ in 0..<50_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let value = Double(bitPattern: state)
      guard value.isFinite else { continue }
      let text = try #require(ValueText.print(.double(value), as: .double))
      guard case .double(let back) = try ValueText.parse(text, as: .double) else { continue }
      #expect(back.bitPattern == value.bitPattern, "\(text)")
    }
  }
}
