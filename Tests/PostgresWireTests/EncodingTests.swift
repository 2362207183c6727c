// Values in text and binary, both ways, against what PostgreSQL 15 sends (Fixtures/postgresql15-binary.tsv: type, text, hex).

import Bytes
import Columns
import Foundation
import Model
import Testing

@testable import PostgresWire

private let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .appendingPathComponent("Fixtures/postgresql15-binary.tsv")

private func bytes(hex: String) -> [UInt8] {
  var rest = Substring(hex)
  var out: [UInt8] = []
  while !rest.isEmpty {
    out.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
    rest = rest.dropFirst(2)
  }
  return out
}
private func hex(_ bytes: [UInt8]) -> String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

/// One value as a DataRow carries it.
private func encoded(_ value: Value, _ type: DataType, isBinary: Bool) throws -> [UInt8] {
  var encoder = RowEncoder()
  var out = ByteWriter()
  let batch = Batch(count: 1, columns: [ColumnVector(type, values: [value])])
  try encoder.write(batch, 0..<1, isBinary: [isBinary], sketches: { _, _ throws(TallyError) in [] }, into: &out)
  return Array(out.finish().dropFirst(11))
}
private func decoded(_ bytes: [UInt8], _ type: DataType, isBinary: Bool) throws -> Value {
  try ParameterDecoder.values(
    BoundValues(bytes: bytes, ranges: [0..<bytes.count]),
    formats: [isBinary ? 1 : 0],
    types: [ParameterType(type)],
    statement: ""
  )[0].value
}
private func failure(_ body: () throws -> Void) -> TallyError? {
  do { try body() } catch { return error as? TallyError }
  return nil
}

@Test func valuesAreEncodedAndDecodedAsPostgreSQLDoes() throws {
  let lines = try String(contentsOf: fixture, encoding: .utf8).split(separator: "\n")
  #expect(lines.count > 90)
  for line in lines {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    let type = try #require(fakeTypes[fields[0]] ?? ["double": DataType.double][fields[0]])
    let (text, binary) = (fields[1], bytes(hex: fields[2]))
    // Years BC and beyond our last microsecond are printed by PostgreSQL but not read by us.
    let value = try decoded(Array(text.utf8), type, isBinary: false)
    #expect(hex(try encoded(value, type, isBinary: true)) == fields[2], "\(line)")
    #expect(String(decoding: try encoded(value, type, isBinary: false), as: UTF8.self) == text, "\(line)")
    let back = try decoded(binary, type, isBinary: true)
    #expect(ValueText.print(back, as: type) == text, "\(line)")
  }
}

@Test func newTypesAreEncodedAndDecodedAsPostgreSQLDoes() throws {
  let file = fixture.deletingLastPathComponent().appendingPathComponent("postgresql15-binary-types.tsv")
  let scalars: [DataType] = [
    .boolean, .smallint, .integer, .bigint, .real, .double, .plainNumeric, .text, .varchar(0), .bpchar(5), .char, .name, .bytea, .uuid,
    .inet,
    .json, .jsonb, .oid, .date, .time, .timestamp, .timestamptz, .interval,
  ]
  let types = Dictionary(uniqueKeysWithValues: (scalars + scalars.compactMap(\.arrayType)).map { ($0.name, $0) })
  let names = ["time": "time without time zone"]
  for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    let type = try #require(types[names[fields[0]] ?? fields[0]], "\(line)")
    let value = try decoded(Array(fields[1].utf8), type, isBinary: false)
    #expect(hex(try encoded(value, type, isBinary: true)) == fields[2], "\(line)")
    #expect(String(decoding: try encoded(value, type, isBinary: false), as: UTF8.self) == fields[1], "\(line)")
    // A parameter's bytea and jsonb are taken by context; their arrays say what they are.
    #expect(ValueText.print(try decoded(bytes(hex: fields[2]), type, isBinary: true), as: type) == fields[1], "\(line)")
    for count in 0..<(fields[2].count / 2) where type.element != nil {
      #expect(throws: TallyError.self) { try decoded(Array(bytes(hex: fields[2]).prefix(count)), type, isBinary: true) }
    }
  }
}

@Test func textEqualsValueTextAndNullsAreMarked() throws {
  let batch = typesBatch()
  var encoder = RowEncoder()
  var out = ByteWriter()
  let count = batch.columns.count
  try encoder.write(
    batch,
    0..<2,
    isBinary: [Bool](repeating: false, count: count),
    sketches: { _, _ throws(TallyError) in [0xab] },
    into: &out
  )
  let bytes = out.finish()
  let expected = [
    "t", "-7", "70000", "-9000000000", "1.5", "12345.67", "häß", "v", "2024-02-29", "2024-02-29 12:34:56.789", "2024-02-29 12:34:56.789+00",
    "1 year 2 mons 3 days 00:00:04.000001", "\\xab", "\u{ab}", "42",
  ]
  // The row of NULLs is all -1.
  let nulls = message("D", big(UInt16(count)) + [UInt8](repeating: 0xff, count: 4 * count))
  #expect(Array(bytes.suffix(nulls.count)) == nulls)
  var first = big(UInt16(count))
  for (at, text) in expected.enumerated() {
    let content = at == 13 ? [0xab] : Array(text.utf8)
    first += big(UInt32(content.count)) + content
  }
  #expect(Array(bytes.prefix(bytes.count - nulls.count)) == message("D", first))
}

@Test func floatsHaveTheDigitsThatTheSessionWants() throws {
  func text(_ value: Double, _ type: DataType, _ extra: Int) throws -> String {
    var encoder = RowEncoder()
    var out = ByteWriter()
    let batch = Batch(count: 1, columns: [ColumnVector(type, values: [.double(value)])])
    let style = TextStyle(extraFloatDigits: extra)
    try encoder.write(batch, 0..<1, isBinary: [false], style: style, sketches: { _, _ throws(TallyError) in [] }, into: &out)
    return String(decoding: out.finish().dropFirst(11), as: UTF8.self)
  }
  // What PostgreSQL 15 prints.
  let cases: [(Double, DataType, Int, String)] = [
    (0.1 + 0.2, .double, 1, "0.30000000000000004"), (0.1 + 0.2, .double, 0, "0.3"), (1.0 / 3, .double, 0, "0.333333333333333"),
    (123_456_789.123_456_789, .double, -3, "123456789.123"), (123_456_789.123_456_789, .double, -15, "1e+08"),
    (99_999_999_999_999.95, .double, 0, "100000000000000"), (1e15, .double, 0, "1e+15"),
    (.leastNonzeroMagnitude, .double, 0, "4.94065645841247e-324"),
    (-0.0, .double, 0, "-0"), (.nan, .double, 0, "NaN"), (-.infinity, .double, -5, "-Infinity"), (0.0001, .double, 0, "0.0001"),
    (Double(Float(0.1)), .real, 1, "0.1"), (Double(Float(0.1)), .real, 0, "0.1"), (Double(Float(1) / 3), .real, 0, "0.333333"),
    (Double(Float(1_234_567.9)), .real, 0, "1.23457e+06"), (Double(Float(1_234_567.9)), .real, -3, "1.23e+06"),
    (Double(Float(1_234_567.9)), .real, -15, "1e+06"),
  ]
  for (value, type, extra, expected) in cases { #expect(try text(value, type, extra) == expected, "\(value) \(type.name) \(extra)") }
}

@Test func typesShowAsPostgreSQLNumbersThem() {
  let expected: [(UInt32, Int16, Int32)] = [
    (16, 1, -1), (21, 2, -1), (23, 4, -1), (20, 8, -1), (701, 8, -1), (1700, -1, 655_366), (25, -1, -1), (1043, -1, 24), (1082, 4, -1),
    (1114, 8, -1), (1184, 8, -1), (1186, 16, -1), (17, -1, -1), (3802, -1, -1), (20, 8, -1),
  ]
  for (type, (oid, length, modifier)) in zip(allTypes, expected) {
    let seen = PostgresType(type)
    #expect(seen.oid == oid && seen.length == length && seen.modifier == modifier, "\(type.name)")
  }
}

@Test func wrongParametersAreToldAsPostgreSQLTellsThem() throws {
  let cases: [(DataType, Bool, [UInt8], String, String)] = [
    (.integer, false, Array("abc".utf8), "22P02", "invalid input syntax for type integer: \"abc\""),
    (.bigint, false, Array("9999999999999999999".utf8), "22003", "value \"9999999999999999999\" is out of range for type bigint"),
    (.date, false, Array("tomorrowish".utf8), "22007", "invalid input syntax for type date: \"tomorrowish\""),
    (.text, false, [0x61, 0xff], "22021", "invalid byte sequence for encoding \"UTF8\": 0xff"),
    (.text, true, [0xc3], "22021", "invalid byte sequence for encoding \"UTF8\": 0xc3"),
    (.integer, true, [0, 0], "08P01", "insufficient data left in message"),
    (.integer, true, [0, 0, 0, 0, 0], "22P03", "incorrect binary data format in bind parameter 1"),
    (.plainNumeric, true, [0, 1, 0, 0, 0x12, 0x34, 0, 0, 0, 1], "22P03", "invalid sign in external \"numeric\" value"),
    (.plainNumeric, true, [0, 1, 0, 0, 0, 0, 0, 0, 0x7f, 0xff], "22P03", "invalid digit in external \"numeric\" value"),
    (.plainNumeric, true, [0, 2, 0, 0, 0, 0, 0, 0, 0, 1], "08P01", "insufficient data left in message"),
    (.plainNumeric, true, [0, 0, 0, 0, 0xc0, 0, 0, 0], "0A000", "numeric \"NaN\" is not supported"),
    (.plainNumeric, true, [0, 1, 0x7f, 0xff, 0, 0, 0, 0, 0, 1], "22003", "value overflows numeric format"),
    (.timestamp, true, [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0], "22008", "timestamp out of range"),
    (.date, true, [0x7f, 0xff, 0xff, 0xf0], "22008", "date out of range"),
    (.topn(TopNParameters()), true, [1, 0x7b, 0x7d], "0A000", "a parameter of type topn cannot be read"),
  ]
  for (type, isBinary, bytes, state, text) in cases {
    let error = failure { _ = try decoded(bytes, type, isBinary: isBinary) }
    #expect(error?.sqlState == state && error?.message == text, "\(type.name) \(bytes): \(error?.description ?? "none")")
  }
  let two = BoundValues(bytes: [], ranges: [nil, nil])
  let types = [ParameterType(.text)]
  #expect(
    failure { _ = try ParameterDecoder.values(two, formats: [], types: types, statement: "s") }?.message
      == "bind message supplies 2 parameters, but prepared statement \"s\" requires 1"
  )
  #expect(
    failure { _ = try ParameterDecoder.values(two, formats: [0, 0, 0], types: types, statement: "s") }?.message
      == "bind message has 3 parameter formats but 2 parameters"
  )
  #expect(
    failure {
      _ = try ParameterDecoder.values(BoundValues(bytes: [], ranges: [0..<0]), formats: [7], types: types, statement: "")
    }?.message == "unsupported format code: 7"
  )
  #expect(failure { _ = try ParameterType(oid: 650) }?.sqlState == "0A000")
  #expect(try ParameterType(oid: 1007)?.type == .array(.integer))
}

@Test func clientsTypesAreRead() throws {
  func read(_ oid: UInt32, _ bytes: [UInt8]) throws -> String? {
    let type = try #require(try ParameterType(oid: oid))
    let value = try bytes.withBytes(0..<bytes.count) { raw throws(TallyError) in try ParameterDecoder.binary(raw, as: type, number: 1) }
    return ValueText.print(value, as: type.type)
  }
  #expect(try read(700, [0x3f, 0xc0, 0, 0]) == "1.5")
  #expect(try read(26, [0xff, 0xff, 0xff, 0xff]) == "4294967295")
  #expect(
    try read(2950, [0x55, 0x0e, 0x84, 0, 0xe2, 0x9b, 0x41, 0xd4, 0xa7, 0x16, 0x44, 0x66, 0x55, 0x44, 0, 0])
      == "550e8400-e29b-41d4-a716-446655440000"
  )
  #expect(try read(1042, Array("ab".utf8)) == "ab")
  #expect(try ParameterType(oid: 0) == nil && ParameterType(oid: 705) == nil)
}

@Test func randomNumericsSurviveTheBinaryFormat() throws {
  var state: UInt64 = 88_172_645_463_325_252
  func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
  for _ in 0..<20_000 {
    let digits = Int(next() % 38) + 1
    var magnitude: Int128 = 0
    for _ in 0..<digits { magnitude = magnitude * 10 + Int128(next() % 3 == 0 ? 0 : next() % 10) }
    let value = Numeric(coefficient: next() % 2 == 0 ? magnitude : -magnitude, scale: UInt8(next() % 39))
    let bytes = try encoded(.numeric(value), .plainNumeric, isBinary: true)
    let back = try decoded(bytes, .plainNumeric, isBinary: true)
    #expect(ValueText.print(back, as: .plainNumeric) == NumericText.text(value))
  }
}
