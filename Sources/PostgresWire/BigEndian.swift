// BigEndian.swift — PostgreSQL's byte order and its zero-terminated strings, on the little-endian reader and writer of Bytes.

internal import Bytes

extension ByteReader {
  /// Reads an integer, most significant byte first.
  @inline(__always) mutating func big<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(DecodingFailure) -> T {
    try integer(T.self).byteSwapped
  }
  /// Reads bytes up to a zero, which it skips.
  mutating func zeroTerminated() throws(DecodingFailure) -> UnsafeRawBufferPointer {
    var end = position
    while end < base.count && base[end] != 0 { end += 1 }
    guard end < base.count else { throw DecodingFailure(.unknown, at: position, "invalid string in message") }
    let text = UnsafeRawBufferPointer(rebasing: base[position..<end])
    position = end + 1
    return text
  }
  /// Everything not read yet.
  mutating func rest() -> UnsafeRawBufferPointer {
    let rest = UnsafeRawBufferPointer(rebasing: base[position...])
    position = base.count
    return rest
  }
}

extension ByteWriter {
  /// Appends an integer, most significant byte first.
  @inline(__always) mutating func big<T: FixedWidthInteger>(_ value: T) { integer(value.byteSwapped) }
  /// Overwrites an integer, most significant byte first.
  mutating func patchBig<T: FixedWidthInteger>(_ value: T, at offset: Int) { patch(value.byteSwapped, at: offset) }
  /// Appends UTF-8 without a count.
  mutating func utf8(_ text: String) {
    var text = text
    text.withUTF8 { bytes(UnsafeRawBufferPointer($0)) }
  }
  /// Appends UTF-8 and a zero; a zero inside, which the receiver would take for the end, becomes a blank.
  mutating func zeroTerminated(_ text: String) {
    if text.utf8.contains(0) { for byte in text.utf8 { u8(byte == 0 ? 0x20 : byte) } } else { utf8(text) }
    u8(0)
  }
  /// Forgets all bytes. Memory for one huge row is not kept for the others.
  mutating func clear(capacity: Int) {
    if count > 1 << 20 { self = ByteWriter(capacity: capacity) } else { removeAll() }
  }
}
