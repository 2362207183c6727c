// RollupProgramFormat.swift — bytes of a rollup's program, as the catalog keeps them in `RollupDefinition.program`.
//
//   u8 version = 1, count, keys (expressions), count, measures (u8 kind, type, count, arguments, bool + filter), bool + condition
public import Bytes
public import Model

/// Rollup programs as bytes.
public enum RollupProgramFormat {
  static let version: UInt8 = 1

  /// Encodes a program.
  public static func encode(_ program: RollupProgram) -> [UInt8] {
    var out = ByteWriter()
    out.u8(version)
    ExpressionFormat.encode(program.keys, into: &out)
    out.count(program.measures.count)
    for measure in program.measures {
      out.u8(measure.kind.rawValue)
      out.type(measure.type)
      ExpressionFormat.encode(measure.arguments, into: &out)
      ExpressionFormat.encode(measure.filter, into: &out)
    }
    ExpressionFormat.encode(program.condition, into: &out)
    return out.finish()
  }
  /// Decodes a program over the columns of its source table.
  public static func decode(_ bytes: [UInt8], source: [Column]) throws(DecodingFailure) -> RollupProgram {
    let input = source.map(\.type)
    return try bytes.withReader { reader throws(DecodingFailure) -> RollupProgram in
      guard try reader.u8() == version else { throw reader.unknown("rollup program version") }
      let keys = try ExpressionFormat.decodeList(&reader, input)
      guard keys.count >= 2, keys[1].type.isTime else {
        throw DecodingFailure(.malformed, at: reader.position, "a rollup needs a tenant and a time key")
      }
      var measures: [MeasureProgram] = []
      for _ in 0..<(try reader.countOfRest("measures")) {
        let start = reader.position
        guard let kind = MeasureKind(rawValue: try reader.u8()) else { throw reader.unknown("measure kind") }
        let type = try reader.type()
        let arguments = try ExpressionFormat.decodeList(&reader, input)
        let filter = try reader.bool() ? try ExpressionFormat.decodeCondition(&reader, input) : nil
        let measure = MeasureProgram(kind: kind, arguments: arguments, filter: filter, type: type)
        guard ExpressionCheck.isWellTyped(measure.call) else {
          throw DecodingFailure(.malformed, at: start, "measure does not fit its arguments")
        }
        measures.append(measure)
      }
      let condition = try reader.bool() ? try ExpressionFormat.decodeCondition(&reader, input) : nil
      try reader.expectEnd()
      return RollupProgram(keys: keys, measures: measures, condition: condition)
    }
  }
}
