// ReaderChecks.swift — the two checks Planning's decoders share; types and values are Model.ValueFormat's.
import Bytes
import Model

extension ByteReader {
  /// A count of things that take at least one byte each: never more than the bytes left.
  mutating func countOfRest(_ what: StaticString) throws(DecodingFailure) -> Int {
    try count(max: remaining, what)
  }
  /// The byte or number just read is none that this build knows.
  func unknown(_ what: String) -> DecodingFailure { DecodingFailure(.unknown, at: position - 1, what) }
  mutating func type() throws(DecodingFailure) -> DataType { try ValueFormat.decodeType(from: &self) }
  mutating func value() throws(DecodingFailure) -> Value { try ValueFormat.decodeValue(from: &self) }
}

extension ByteWriter {
  mutating func type(_ type: DataType) { ValueFormat.encode(type, into: &self) }
  mutating func value(_ value: Value) { ValueFormat.encode(value, into: &self) }
}
