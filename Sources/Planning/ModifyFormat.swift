// ModifyFormat.swift — bytes of a ModifyProgram, as coordinators send it to primaries. Not stored anywhere.
//
//   u8 version = 2, u64 table, u32 its fingerprint, u8 source (0 rows | 1 plan: byte string, FragmentFormat), u8 action (0 insert |
//   1 update | 2 delete), of insert: u8 conflict (0 fail | 1 nothing | 2 nothing of one key: varint key | 3 update: varint key, count,
//   row, bool, [condition]),
//   count, checks: (string name, condition), bool returns rows
// Coordinators and workers are of one version. A decoded program is well-typed over the table that the receiver knows.
public import Bytes
public import Model

/// Programs as bytes.
public enum ModifyFormat {
  static let version: UInt8 = 2

  /// Encodes a program.
  public static func encode(_ program: ModifyProgram) -> [UInt8] {
    var out = ByteWriter()
    out.u8(version)
    out.u64(program.table.rawValue)
    out.u32(program.fingerprint)
    switch program.source {
    case .rows: out.u8(0)
    case .plan(let plan):
      out.u8(1)
      out.prefixedBytes(FragmentFormat.encode(plan))
    }
    switch program.action {
    case .insert(let conflict):
      out.u8(0)
      encode(conflict, into: &out)
    case .update: out.u8(1)
    case .delete: out.u8(2)
    }
    out.count(program.checks.count)
    for check in program.checks {
      out.string(check.name)
      ExpressionFormat.encode(check.condition, into: &out)
    }
    out.bool(program.returnsRows)
    return out.finish()
  }
  private static func encode(_ conflict: ModifyProgram.Conflict, into out: inout ByteWriter) {
    switch conflict {
    case .fail: out.u8(0)
    case .nothing(nil): out.u8(1)
    case .nothing(let key?):
      out.u8(2)
      out.count(key)
    case .update(let key, let row, let condition):
      out.u8(3)
      out.count(key)
      ExpressionFormat.encode(row, into: &out)
      ExpressionFormat.encode(condition, into: &out)
    }
  }

  /// The table of a program and the fingerprint of the definition that it was made for: what to look at before it is decoded.
  public static func subject(_ bytes: [UInt8]) throws(DecodingFailure) -> (table: TableID, fingerprint: UInt32) {
    try bytes.withReader { reader throws(DecodingFailure) in try subject(&reader) }
  }
  private static func subject(_ reader: inout ByteReader) throws(DecodingFailure) -> (table: TableID, fingerprint: UInt32) {
    guard try reader.u8() == version else { throw reader.unknown("version of a change of rows") }
    return (TableID(try reader.u64()), try reader.u32())
  }
  /// Decodes and checks a program; `table` finds the table that it is of.
  public static func decode(_ bytes: [UInt8], table find: (TableID) -> TableSchema?) throws(DecodingFailure) -> ModifyProgram {
    try bytes.withReader { reader throws(DecodingFailure) -> ModifyProgram in
      guard let table = find(try subject(&reader).table) else {
        throw DecodingFailure(.unknown, at: reader.position, "table of a change of rows")
      }
      let types = table.columns.map(\.type)
      let source: ModifyProgram.Source
      switch try reader.u8() {
      case 0: source = .rows
      case 1: source = .plan(try FragmentFormat.decode(try reader.prefixedBytes(max: reader.remaining)))
      default: throw reader.unknown("source of a change of rows")
      }
      let action: ModifyProgram.Action
      switch try reader.u8() {
      case 0: action = .insert(try decodeConflict(&reader, table, types))
      case 1: action = .update
      case 2: action = .delete
      default: throw reader.unknown("kind of a change of rows")
      }
      try check(source, action, types, reader)
      var checks: [ModifyProgram.Check] = []
      for _ in 0..<(try reader.countOfRest("checks")) {
        let name = try reader.string(max: Limits.nameBytesMax)
        checks.append(ModifyProgram.Check(name: name, condition: try ExpressionFormat.decodeCondition(&reader, types)))
      }
      let returnsRows = try reader.bool()
      try reader.expectEnd()
      return ModifyProgram(table: table, source: source, action: action, checks: checks, returnsRows: returnsRows)
    }
  }
  private static func check(
    _ source: ModifyProgram.Source,
    _ action: ModifyProgram.Action,
    _ types: [DataType],
    _ reader: borrowing ByteReader
  ) throws(DecodingFailure) {
    let expected: [DataType]
    switch action {
    case .insert: expected = types
    case .update: expected = [.bigint] + types
    case .delete: expected = [.bigint]
    }
    switch (source, action) {
    case (.rows, .insert): return
    case (.plan(let plan), _) where plan.columns.map(\.type) == expected: return
    default: throw DecodingFailure(.malformed, at: reader.position, "rows that do not fit the change")
    }
  }
  private static func decodeConflict(
    _ reader: inout ByteReader,
    _ table: TableSchema,
    _ types: [DataType]
  ) throws(DecodingFailure) -> ModifyProgram.Conflict {
    func key() throws(DecodingFailure) -> Int {
      let key = try reader.count(max: Limits.columnsMax, "number of a key")
      guard key < table.keys.count else { throw DecodingFailure(.malformed, at: reader.position, "key \(key) of table \(table.id)") }
      return key
    }
    switch try reader.u8() {
    case 0: return .fail
    case 1: return .nothing(key: nil)
    case 2: return .nothing(key: try key())
    case 3:
      let key = try key()
      let row = try ExpressionFormat.decodeList(&reader, types + types)
      guard row.map(\.type) == types else { throw DecodingFailure(.malformed, at: reader.position, "a row that does not fit its table") }
      let condition = try reader.bool() ? try ExpressionFormat.decodeCondition(&reader, types + types) : nil
      return .update(key: key, row: row, condition: condition)
    default: throw reader.unknown("conflict of an INSERT")
    }
  }
}
