// ValueTypesTests.swift — the types beyond the first ones: their bytes, frozen; texts both ways; canonical forms; bad bytes.
import Bytes
import Testing

@testable import Model

private let newTypes: [(type: DataType, bytes: [UInt8])] = [
  (.real, [18]), (.bpchar(5), [19, 5, 0, 0, 0]), (.char, [20]), (.name, [21]), (.bytea, [22]), (.uuid, [23]), (.json, [24]), (.jsonb, [25]),
  (.oid, [26]), (.regclass, [27]), (.regtype, [28]), (.regproc, [29]), (.regnamespace, [30]), (.regrole, [31]), (.time, [32]),
  (.void, [33]), (.inet, [35]), (.array(ElementType(.inet) ?? .text), [34, 35]),
  (.array(.text), [34, 7]), (DataType.varchar(3).arrayType ?? .void, [34, 8, 3, 0, 0, 0]),
  (DataType.numeric(precision: 10, scale: 2).arrayType ?? .void, [34, 6, 3, 10, 2]),
]

@Test func bytesOfNewTypesStay() throws {
  for (type, bytes) in newTypes {
    var writer = ByteWriter()
    ValueFormat.encode(type, into: &writer)
    #expect(writer.finish() == bytes, "\(type.name)")
    let decoded = try bytes.withReader { reader throws(DecodingFailure) in try ValueFormat.decodeType(from: &reader) }
    #expect(decoded == type, "\(type.name)")
  }
  for bad in [[34, 34, 7], [34, 13], [34, 16], [36]] as [[UInt8]] {
    #expect(isRefused(bad), "\(bad)")
  }
}

private func isRefused(_ bytes: [UInt8]) -> Bool {
  do throws(DecodingFailure) {
    _ = try bytes.withReader { reader throws(DecodingFailure) in try ValueFormat.decodeType(from: &reader) }
    return false
  } catch { return true }
}
private func shown(_ text: String, _ type: DataType) throws -> String {
  let value = try ValueText.parse(text, as: type)
  return ValueText.print(value, as: type) ?? "NULL"
}

@Test func textsOfNewTypesRoundTrip() throws {
  #expect(try shown("0.1", .real) == "0.1")
  #expect(try shown("1234567", .real) == "1.234567e+06")
  #expect(try shown("\\xDEADbeef", .bytea) == "\\xdeadbeef")
  #expect(try shown("a\\\\\\001", .bytea) == "\\x615c01")
  #expect(try shown("{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}", .uuid) == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
  #expect(try shown("4:05 PM", .time) == "16:05:00")
  #expect(try shown("24:00", .time) == "24:00:00")
  #expect(try shown("ab", .bpchar(4)) == "ab  ")
  #expect(try shown("{1,NULL, 3}", .array(.integer)) == "{1,NULL,3}")
  #expect(try shown("{\"a b\",\"\",null,\"null\",c\\\"d}", .array(.text)) == "{\"a b\",\"\",NULL,\"null\",\"c\\\"d\"}")
  #expect(try shown("{\"bb\": 1, \"a\": [1e2, -0.50], \"bb\": {\"x\": null}}", .jsonb) == "{\"a\": [100, -0.50], \"bb\": {\"x\": null}}")
}

@Test func addressesHaveOneFormWhoseBytesSortThem() throws {
  // As PostgreSQL 15 sorts them.
  let sorted = [
    "0.0.0.0/0", "9.255.255.255", "10.0.0.0/8", "10.1.2.3/8", "10.0.0.0/16", "10.0.0.0", "10.0.0.1", "10.1.0.0/16", "255.255.255.255",
    "::/0", "::", "::1", "::1.2.3.4", "::ffff:1.2.3.4", "1:0:0:2::3", "2001:db8::/32", "2001:db8::1/32", "2001:db8::/64",
    "2001:db8::8:800:200c:417a",
    "ffff::",
  ]
  let values = try sorted.map { try InetValue.parse($0) }
  for (text, value) in zip(sorted, values) {
    #expect(try shown(text, .inet) == text)
    #expect(value.bytes.withUnsafeBytes { InetValue($0) } == value, "\(text)")
    #expect(try InetValue(binary: value.binary) == value)
    // Bytes that stand for the same address in another way, and fewer or more of them, are none.
    for change in [Array(value.bytes.dropLast()), value.bytes + [0], [5] + value.bytes.dropFirst()] {
      #expect(change.withUnsafeBytes { InetValue($0) } == nil, "\(text)")
    }
  }
  let bytes = values.map(\.bytes)
  #expect(zip(bytes, bytes.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
  for bad in [
    "", "10.1", "10.1/24", "10.0.0.1/", "10.0.0.1/33", "::1/129", "1::2::3", ":1", "1:2:3:4:5:6:7:", "::00001", " 10.0.0.1", "::/08",
    "10.0.0.256", "/8", "1.2.3.4::", "::+1", "10..1.1", "1:2:3:4:5:6:7:8:9", "::1.2.3.4.5", "10.0.0.1/-1", "10.0.0.1/8/8", "a.b.c.d",
  ] {
    #expect(throws: TallyError.self, "\(bad)") { try ValueText.parse(bad, as: .inet) }
  }
}
extension InetValue {
  fileprivate static func parse(_ text: String) throws -> InetValue {
    try Array(text.utf8).withUnsafeBytes { bytes in try InetValue.parse(bytes) }
  }
}

@Test func arraysHaveOneFormOfBytes() throws {
  let array = ArrayValue(.double, [.double(-0.0), .null, .double(.nan)])
  let bytes = try array.encoded()
  #expect(bytes == (try ArrayValue(.double, [.double(0), .null, .double(-.nan)]).encoded()))
  let read = try ArrayValue.reading(bytes, .double)
  #expect(ArrayValue.compare(array, read) == 0)
  let numerics = ArrayValue(.plainNumeric, [.numeric(Numeric(coefficient: 10, scale: 1))])
  #expect(ArrayValue.compare(numerics, ArrayValue(.plainNumeric, [.numeric(Numeric(1))])) == 0)
}

@Test func badBytesOfArraysAreRefusedAndNeverTrap() throws {
  let sample = try ArrayValue(.text, [.text("ä"), .null, .text("xyz")]).encoded()
  for count in 0..<sample.count {
    #expect(!sample[..<count].withUnsafeBytes { BinaryForm.isValid($0, .array(.text)) })
  }
  for at in sample.indices {
    for flip in 0..<8 {
      var bytes = sample
      bytes[at] ^= 1 << UInt8(flip)
      _ = bytes.withUnsafeBytes { BinaryForm.isValid($0, .array(.text)) }
    }
  }
  #expect(!Value.bytes([1, 2]).fits(.uuid))
  #expect(!Value.bytes([1]).fits(.text))
  #expect(!Value.text("x").fits(.bytea))
}

@Test func jsonbOrdersAsPostgreSQLDoes() {
  // select v from (values …) order by v::jsonb
  let rising = [
    "[]", "null", "\"a\"", "\"b\"", "1", "2.5", "false", "true", "[1]", "[1, 2]", "{}", "{\"a\": 1}", "{\"b\": 1}", "{\"a\": 1, \"b\": 2}",
  ]
  for (low, a) in rising.enumerated() {
    for (high, b) in rising.enumerated() {
      let order = JSONValue.compare(jsonb: a, b)
      #expect(order.signum() == (low - high).signum(), "\(a) and \(b)")
    }
  }
  #expect(JSONValue.compare(jsonb: "1.0", "1") == 0)
}
