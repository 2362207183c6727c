// PostgresValues.swift — PostgreSQL's forms of values for COPY: those of DataRow and Bind.

public import Bytes
public import Columns
public import Model

/// Values as PostgreSQL's clients write and read them.
public struct PostgresValues: ExternalValues {
  private let sketches: @Sendable (ColumnVector, Int) throws(TallyError) -> [UInt8]
  private let style: TextStyle

  /// Makes the forms; `sketches` gives the bytes of one sketch that is not NULL (`SQLSession.sketchBytes`).
  public init(style: TextStyle = TextStyle(), sketches: @escaping @Sendable (ColumnVector, Int) throws(TallyError) -> [UInt8]) {
    self.style = style
    self.sketches = sketches
  }

  /// Appends values, each behind its length.
  public func write(
    _ column: ColumnVector,
    _ rows: Range<Int>,
    isBinary: Bool,
    into out: inout ByteWriter,
    ends: inout [Int]
  ) throws(TallyError) {
    try ColumnEncoding.write(column, rows, isBinary: isBinary, style, sketches, &out, &ends)
  }
  /// Reads a value's binary form.
  public func read(binary bytes: UnsafeRawBufferPointer, as type: DataType) throws(TallyError) -> Value {
    do { return try ParameterDecoder.binary(bytes, as: ParameterType(type), number: 1) } catch var error {
      // A Bind message names the parameter; COPY's context names the column.
      if error.sqlState == "22P03", error.message.hasPrefix("incorrect binary data format") {
        error.message = "incorrect binary data format"
      }
      throw error
    }
  }
}
