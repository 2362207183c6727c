// ByteReader.swift — reads little-endian fields from bytes it does not own, checking every bound.
//
// A reader is valid only inside the closure that lent its bytes (`withReader`). It allocates nothing by itself but what
// `bytes(_:)`, `string` and `array` return, and those check the length against the bytes that are really there first.

/// A cursor over borrowed bytes; every read is bounds-checked and throws `DecodingFailure`.
@frozen public struct ByteReader {
  /// The borrowed bytes.
  public let base: UnsafeRawBufferPointer
  /// Offset of the next byte to read.
  public var position: Int

  /// Reads from the start of `base`, which must outlive the reader.
  @inlinable public init(_ base: UnsafeRawBufferPointer) {
    self.base = base
    self.position = 0
  }
  /// Bytes not read yet.
  @inlinable public var remaining: Int { base.count - position }
  /// True when every byte was read.
  @inlinable public var isAtEnd: Bool { position == base.count }

  @usableFromInline func truncated(_ needed: Int) -> DecodingFailure {
    DecodingFailure(.truncated, at: position, "needed \(needed) bytes, \(remaining) left")
  }
  /// Reads one fixed-width little-endian integer.
  @inlinable public mutating func integer<T: FixedWidthInteger>(
    _ type: T.Type = T.self
  ) throws(DecodingFailure) -> T {
    guard remaining >= MemoryLayout<T>.size else { throw truncated(MemoryLayout<T>.size) }
    let value = base.loadUnaligned(fromByteOffset: position, as: T.self)
    advance(MemoryLayout<T>.size)
    return T(littleEndian: value)
  }
  @inlinable mutating func advance(_ count: Int) { position += count }
  /// Reads a `u8`.
  @inlinable public mutating func u8() throws(DecodingFailure) -> UInt8 { try integer() }
  /// Reads a little-endian `u16`.
  @inlinable public mutating func u16() throws(DecodingFailure) -> UInt16 { try integer() }
  /// Reads a little-endian `u32`.
  @inlinable public mutating func u32() throws(DecodingFailure) -> UInt32 { try integer() }
  /// Reads a little-endian `u64`.
  @inlinable public mutating func u64() throws(DecodingFailure) -> UInt64 { try integer() }
  /// Reads a little-endian `i64`.
  @inlinable public mutating func i64() throws(DecodingFailure) -> Int64 { try integer() }
  /// Reads a double by its bit pattern.
  @inlinable public mutating func f64() throws(DecodingFailure) -> Double {
    Double(bitPattern: try integer(UInt64.self))
  }
  /// Reads a bool; any byte but 0 and 1 is malformed.
  @inlinable public mutating func bool() throws(DecodingFailure) -> Bool {
    switch try u8() {
    case 0: return false
    case 1: return true
    default: throw DecodingFailure(.malformed, at: position - 1, "a boolean must be 0 or 1")
    }
  }
  /// Reads a LEB128 unsigned integer of at most ten bytes.
  @inlinable public mutating func varint() throws(DecodingFailure) -> UInt64 {
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = try u8()
      if shift == 63 && byte > 1 {
        throw DecodingFailure(.malformed, at: position - 1, "variable-length integer exceeds 64 bits")
      }
      result |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return result }
      shift += 7
    }
  }
  /// Reads a zigzag-coded signed variable-length integer.
  @inlinable public mutating func signedVarint() throws(DecodingFailure) -> Int64 {
    let raw = try varint()
    return Int64(bitPattern: (raw >> 1) ^ (0 &- (raw & 1)))
  }
  /// Reads a variable-length count and checks it against `limit` before anything is allocated for it.
  @inlinable public mutating func count(max limit: Int, _ what: StaticString) throws(DecodingFailure) -> Int {
    let start = position
    let raw = try varint()
    guard raw <= UInt64(limit) else {
      throw DecodingFailure(.tooLarge, at: start, "\(what): \(raw) is over the limit of \(limit)")
    }
    return Int(raw)
  }
  /// Borrows the next `count` bytes.
  @inlinable public mutating func slice(_ count: Int) throws(DecodingFailure) -> UnsafeRawBufferPointer {
    guard count >= 0, remaining >= count else { throw truncated(count) }
    let result = UnsafeRawBufferPointer(rebasing: base[position..<position + count])
    advance(count)
    return result
  }
  /// Copies the next `count` bytes.
  @inlinable public mutating func bytes(_ count: Int) throws(DecodingFailure) -> [UInt8] {
    [UInt8](try slice(count))
  }
  /// Copies bytes preceded by their variable-length count.
  @inlinable public mutating func prefixedBytes(max limit: Int) throws(DecodingFailure) -> [UInt8] {
    try bytes(try count(max: limit, "byte string"))
  }
  /// Reads UTF-8 text preceded by its byte count; ill-formed UTF-8 is malformed.
  @inlinable public mutating func string(max limit: Int = 65536) throws(DecodingFailure) -> String {
    let start = position
    let raw = try slice(try count(max: limit, "text"))
    guard let text = String(validating: raw, as: UTF8.self) else {
      throw DecodingFailure(.malformed, at: start, "text is not UTF-8")
    }
    return text
  }
  /// Copies `count` little-endian integers into an array.
  @inlinable public mutating func array<T: FixedWidthInteger>(
    of type: T.Type,
    count: Int
  ) throws(DecodingFailure) -> [T] {
    guard count >= 0, count <= remaining / MemoryLayout<T>.size else {
      throw truncated(count.multipliedReportingOverflow(by: MemoryLayout<T>.size).partialValue)
    }
    let source = try slice(count * MemoryLayout<T>.size)
    return [T](unsafeUninitializedCapacity: count) { out, written in
      UnsafeMutableRawBufferPointer(out).copyMemory(from: source)
      written = count
    }
  }
  /// Throws unless every byte was read.
  @inlinable public func expectEnd() throws(DecodingFailure) {
    guard isAtEnd else {
      throw DecodingFailure(.malformed, at: position, "\(remaining) bytes left over")
    }
  }
}

extension [UInt8] {
  /// Lends a reader over all bytes of the array.
  @inlinable public func withReader<R>(
    _ body: (inout ByteReader) throws(DecodingFailure) -> R
  ) throws(DecodingFailure) -> R {
    var result: Result<R, DecodingFailure>?
    withUnsafeBytes { raw in
      var reader = ByteReader(raw)
      do throws(DecodingFailure) { result = .success(try body(&reader)) } catch { result = .failure(error) }
    }
    return try result!.get()
  }
}
