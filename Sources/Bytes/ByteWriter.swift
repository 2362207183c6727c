// ByteWriter.swift — builds byte strings of little-endian fields in memory it owns.
//
// The counterpart of ByteReader; grows by doubling. `patch…` rewrites fixed-width fields that were reserved earlier.

/// An append-only byte buffer.
public struct ByteWriter: ~Copyable {
  @usableFromInline var memory: UnsafeMutableRawPointer
  @usableFromInline var capacity: Int
  /// Bytes written so far.
  public private(set) var count: Int

  /// Makes an empty writer with room for `capacity` bytes.
  public init(capacity: Int = 256) {
    self.capacity = Swift.max(16, capacity)
    self.count = 0
    self.memory = .allocate(byteCount: self.capacity, alignment: 16)
  }
  deinit { memory.deallocate() }

  /// Makes room for `extra` more bytes.
  @inlinable public mutating func reserve(_ extra: Int) {
    if count + extra > capacity { grow(extra) }
  }
  @usableFromInline mutating func grow(_ extra: Int) {
    let wider = Swift.max(capacity * 2, count + extra)
    let fresh = UnsafeMutableRawPointer.allocate(byteCount: wider, alignment: 16)
    fresh.copyMemory(from: memory, byteCount: count)
    memory.deallocate()
    memory = fresh
    capacity = wider
  }
  /// Appends a fixed-width integer, little-endian.
  @inlinable public mutating func integer<T: FixedWidthInteger>(_ value: T) {
    reserve(MemoryLayout<T>.size)
    memory.storeBytes(of: value.littleEndian, toByteOffset: count, as: T.self)
    advance(MemoryLayout<T>.size)
  }
  @usableFromInline mutating func advance(_ extra: Int) { count += extra }
  /// Appends a `u8`.
  @inlinable public mutating func u8(_ value: UInt8) { integer(value) }
  /// Appends a `u16`.
  @inlinable public mutating func u16(_ value: UInt16) { integer(value) }
  /// Appends a `u32`.
  @inlinable public mutating func u32(_ value: UInt32) { integer(value) }
  /// Appends a `u64`.
  @inlinable public mutating func u64(_ value: UInt64) { integer(value) }
  /// Appends an `i64`.
  @inlinable public mutating func i64(_ value: Int64) { integer(value) }
  /// Appends a double's bit pattern.
  @inlinable public mutating func f64(_ value: Double) { integer(value.bitPattern) }
  /// Appends 0 or 1.
  @inlinable public mutating func bool(_ value: Bool) { integer(UInt8(value ? 1 : 0)) }
  /// Appends a LEB128 unsigned integer.
  @inlinable public mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      u8(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    u8(UInt8(rest))
  }
  /// Appends a non-negative count as a variable-length integer.
  @inlinable public mutating func count(_ value: Int) { varint(UInt64(value)) }
  /// Appends a zigzag-coded signed variable-length integer.
  @inlinable public mutating func signedVarint(_ value: Int64) {
    varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }
  /// Appends bytes as they are.
  @inlinable public mutating func bytes(_ source: UnsafeRawBufferPointer) {
    reserve(source.count)
    if let start = source.baseAddress {
      (memory + count).copyMemory(from: start, byteCount: source.count)
      advance(source.count)
    }
  }
  /// Appends bytes as they are.
  @inlinable public mutating func bytes(_ source: [UInt8]) { source.withUnsafeBytes { bytes($0) } }
  /// Appends a variable-length count and the bytes.
  @inlinable public mutating func prefixedBytes(_ source: [UInt8]) {
    count(source.count)
    bytes(source)
  }
  /// Appends a byte count and UTF-8 text.
  @inlinable public mutating func string(_ text: String) {
    var text = text
    text.withUTF8 { utf8 in
      count(utf8.count)
      bytes(UnsafeRawBufferPointer(utf8))
    }
  }
  /// Appends integers, little-endian, without a count.
  @inlinable public mutating func array<T: FixedWidthInteger>(_ values: [T]) {
    values.withUnsafeBytes { bytes($0) }  // Every supported machine is little-endian (Package.swift builds x86-64 and arm64).
  }
  /// Appends `extra` zero bytes and returns the offset of the first.
  @discardableResult public mutating func reserveZeros(_ extra: Int) -> Int {
    reserve(extra)
    let start = count
    (memory + start).initializeMemory(as: UInt8.self, repeating: 0, count: extra)
    advance(extra)
    return start
  }
  /// Overwrites a field written or reserved before.
  public mutating func patch<T: FixedWidthInteger>(_ value: T, at offset: Int) {
    invariant(offset >= 0 && offset + MemoryLayout<T>.size <= count, "patch at \(offset) of \(count)")
    memory.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
  }
  /// Lends the bytes written so far.
  public borrowing func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    try body(UnsafeRawBufferPointer(start: memory, count: count))
  }
  /// Copies the bytes written so far.
  public borrowing func snapshot() -> [UInt8] { withBytes { [UInt8]($0) } }
  /// Ends the writer and returns its bytes.
  public consuming func finish() -> [UInt8] { snapshot() }
  /// Forgets all bytes, keeping the memory.
  public mutating func removeAll() { count = 0 }
}
