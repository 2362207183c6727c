// BackendMessage.swift — what the server sends, written straight into a buffer. Rows: RowEncoder.swift; errors: ServerReport.swift.
//
//   R Authentication   u32 kind: 0 done, 10 SASL (names\0 … \0), 11 SASL goes on (bytes), 12 SASL ended (bytes)
//   v NegotiateProtocolVersion   u32 newest version, u32 n, n × option\0
//   S ParameterStatus  name\0 value\0         K BackendKeyData   u32 process, secret bytes
//   Z ReadyForQuery    I, T or E              C CommandComplete  tag\0
//   T RowDescription   u16 n, n × (name\0, u32 table, u16 column, u32 type, i16 length, i32 modifier, i16 format)
//   t ParameterDescription  u16 n, n × u32    G H CopyInResponse, CopyOutResponse  i8 format, u16 n, n × i16 format
//   1 2 3 n s I  ParseComplete, BindComplete, CloseComplete, NoData, PortalSuspended, EmptyQueryResponse
//   d CopyData bytes    c CopyDone

internal import Bytes
internal import Model

extension ByteWriter {
  /// Starts a message; `end` needs the place it returns.
  mutating func begin(_ type: UInt8) -> Int {
    u8(type)
    return reserveZeros(4)
  }
  /// Writes the length of a message that is whole.
  mutating func end(_ start: Int) { patchBig(UInt32(count - start), at: start) }
  /// A message without a body.
  mutating func message(_ type: Unicode.Scalar) {
    u8(UInt8(ascii: type))
    big(UInt32(4))
  }
  private mutating func text(_ type: Unicode.Scalar, _ text: String) {
    let start = begin(UInt8(ascii: type))
    zeroTerminated(text)
    end(start)
  }

  mutating func authenticationOk() {
    let start = begin(UInt8(ascii: "R"))
    big(UInt32(0))
    end(start)
  }
  mutating func authenticationSASL(_ mechanisms: [String]) {
    let start = begin(UInt8(ascii: "R"))
    big(UInt32(10))
    for mechanism in mechanisms { zeroTerminated(mechanism) }
    u8(0)
    end(start)
  }
  mutating func authenticationSASL(_ kind: UInt32, _ content: [UInt8]) {
    let start = begin(UInt8(ascii: "R"))
    big(kind)
    bytes(content)
    end(start)
  }
  mutating func negotiateProtocolVersion(_ minor: UInt16, unknown: [String]) {
    let start = begin(UInt8(ascii: "v"))
    big(UInt32(3) << 16 | UInt32(minor))
    big(UInt32(unknown.count))
    for option in unknown { zeroTerminated(option) }
    end(start)
  }
  mutating func parameterStatus(_ name: String, _ value: String) {
    let start = begin(UInt8(ascii: "S"))
    zeroTerminated(name)
    zeroTerminated(value)
    end(start)
  }
  mutating func backendKeyData(_ key: CancelKey) {
    let start = begin(UInt8(ascii: "K"))
    big(key.process)
    bytes(key.secret)
    end(start)
  }
  mutating func readyForQuery(_ status: UInt8) {
    let start = begin(UInt8(ascii: "Z"))
    u8(status)
    end(start)
  }
  mutating func commandComplete(_ tag: String) { text("C", tag) }

  /// `isBinary` holds one flag a column.
  mutating func rowDescription(_ columns: [ColumnDescription], isBinary: [Bool]) {
    let start = begin(UInt8(ascii: "T"))
    big(UInt16(columns.count))
    for (at, column) in columns.enumerated() {
      let type = PostgresType(column.type)
      zeroTerminated(column.name)
      big(column.tableOID)
      big(column.number)
      big(type.oid)
      big(type.length)
      big(type.modifier)
      big(Int16(isBinary[at] ? 1 : 0))
    }
    end(start)
  }
  mutating func parameterDescription(_ oids: [UInt32]) {
    let start = begin(UInt8(ascii: "t"))
    big(UInt16(oids.count))
    for oid in oids { big(oid) }
    end(start)
  }
  mutating func copyResponse(_ type: Unicode.Scalar, isBinary: Bool, columns: Int) {
    let start = begin(UInt8(ascii: type))
    u8(isBinary ? 1 : 0)
    big(UInt16(columns))
    for _ in 0..<columns { big(Int16(isBinary ? 1 : 0)) }
    end(start)
  }
  mutating func copyData(_ content: [UInt8], _ range: Range<Int>) {
    let start = begin(UInt8(ascii: "d"))
    content.withUnsafeBytes { bytes(UnsafeRawBufferPointer(rebasing: $0[range])) }
    end(start)
  }
}
