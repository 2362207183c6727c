// ExtractKernels.swift — extract(field from time): numerics; NULL for fields that an infinite time does not have.
import Bytes
import Columns
import Model
import Planning

enum ExtractKernels {
  private static func field(_ operand: Operand) throws -> TimeField {
    guard operand.isConstant,
      let field = UInt8(exactly: operand.fixed[0]).flatMap(TimeField.init(rawValue:))
    else {
      throw TallyError(.protocolViolation, "a field of time that this version does not know")
    }
    return field
  }
  private static func microseconds(_ value: Int64, _ type: DataType) throws -> Int64 {
    type == .date ? try TimeArithmetic.timestamp(ofDate: value) : value
  }
  static func extract(
    _ field: Operand,
    _ a: Operand,
    count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    let field = try Self.field(field)
    if a.type == .interval {
      let x = a.interval
      return .numeric(
        mapRows(count, validity, empty: Numeric(0)) { field.extract(from: x[$0 & a.mask]) }
      )
    }
    let x = a.fixed
    return .numeric(
      try mapRows(count, validity, empty: Numeric(0)) { row in
        let value = try microseconds(x[row & a.mask], a.type)
        return try (a.type == .date ? field.extract(fromDay: value) : field.extract(fromMicroseconds: value)) ?? Numeric(0)
      }
    )
  }
  /// NULL where an infinite time has no such field.
  static func nullForInfinite(_ result: Operand, _ operands: [Operand]) throws -> Operand {
    let a = operands[1]
    guard a.type.layout == .fixed, !result.isNullConstant else { return result }
    let field = try Self.field(operands[0])
    var infinite: [Int] = []
    for (row, value) in a.fixed.enumerated()
    where TimeArithmetic.isInfinite(value) && !a.column.isNull(row) {
      if try field.extract(fromMicroseconds: value) == nil { infinite.append(row) }
    }
    if infinite.isEmpty { return result }
    if result.isConstant { return .null(result.type) }
    var validity = result.column.validity ?? Bitmap(repeating: true, count: result.column.count)
    for row in infinite { validity[row] = false }
    return Operand(ColumnVector(result.type, result.column.values).masked(by: validity))
  }
}
