// ExternalValues.swift — values as the clients of a protocol write and read them, asked for by who moves rows in bulk (COPY).
//
// Text is every type's own (Model/ValueText); the binary form belongs to the protocol, which implements this beside its messages. So
// the flows of COPY know records, and only the protocol knows values; a new type comes to both at once.
public import Bytes
public import Model

/// A protocol's forms of values.
public protocol ExternalValues: Sendable {
  /// Appends the values of some rows of a column, each behind its length (i32, most significant byte first; -1 is NULL, without bytes),
  /// and the end of each within `out` to `ends`.
  func write(
    _ column: ColumnVector,
    _ rows: Range<Int>,
    isBinary: Bool,
    into out: inout ByteWriter,
    ends: inout [Int]
  ) throws(TallyError)
  /// Reads a value's binary form; the bytes are all of it. Throws 08P01 when they are too few, 22P03 when they are too many or wrong.
  func read(binary bytes: UnsafeRawBufferPointer, as type: DataType) throws(TallyError) -> Value
}
