// Tenant.swift — one tenant, as its key: whom a deletion names. Bytes: those of a `Value` (ValueFormat), fixed or text.
//
// Texts are bytes here: tenants are equal when their bytes are, as everywhere below SQL.
public import Bytes

/// The key of one tenant.
public enum Tenant: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Integers of any width.
  case fixed(Int64)
  /// UTF-8.
  case text([UInt8])

  /// Where the tenant belongs.
  public var hash: UInt64 {
    switch self {
    case .fixed(let value): StableHash.hash(value)
    case .text(let bytes): bytes.withUnsafeBytes { StableHash.hash($0) }
    }
  }
  /// As a user writes it.
  public var description: String {
    switch self {
    case .fixed(let value): String(value)
    case .text(let bytes): String(decoding: bytes, as: UTF8.self)
    }
  }
  /// Numbers before texts, texts by bytes.
  public static func < (a: Tenant, b: Tenant) -> Bool {
    switch (a, b) {
    case (.fixed(let a), .fixed(let b)): a < b
    case (.text(let a), .text(let b)): a.lexicographicallyPrecedes(b)
    case (.fixed, .text): true
    case (.text, .fixed): false
    }
  }

  /// Reads a key as a user writes it for a tenant key column of that type. Throws 22P02.
  public static func parse(_ text: String, _ type: DataType) throws(TallyError) -> Tenant {
    if type.isText { return .text(Array(text.utf8)) }
    switch type {
    case .smallint, .integer, .bigint:
      guard let value = Int64(text) else { throw .sql("22P02", "invalid input syntax for type \(type.name): \"\(text)\"") }
      return .fixed(value)
    default:
      throw .sql(
        "0A000",
        "tenants of type \(type.name) cannot be named here",
        hint: "Tenant keys are integers or texts."
      )
    }
  }

  /// Appends the key.
  public func encode(into out: inout ByteWriter) {
    switch self {
    case .fixed(let value): ValueFormat.encode(.fixed(value), into: &out)
    case .text(let bytes): ValueFormat.encode(.text(String(decoding: bytes, as: UTF8.self)), into: &out)
    }
  }
  /// Reads a key.
  public static func decode(from reader: inout ByteReader) throws(DecodingFailure) -> Tenant {
    let start = reader.position
    switch try ValueFormat.decodeValue(from: &reader) {
    case .fixed(let value): return .fixed(value)
    case .text(let text): return .text(Array(text.utf8))
    default: throw DecodingFailure(.malformed, at: start, "a tenant key that is neither a number nor a text")
    }
  }
}
