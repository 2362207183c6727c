// LiftedKernels.swift — functions and casts that are evaluated value by value, over columns: once a row, or once for each text in use of
// a column by dictionary. What deserves a loop of its own has a kernel of its own.
import Aggregates
import Bytes
import Columns
import Model
import Planning

enum LiftedKernels {
  static func call(_ function: Function, _ operands: [Operand], _ type: DataType, _ count: Int) throws -> Operand {
    if function.isStrict, operands.contains(where: \.isNullConstant) { return .null(type) }
    var memory = FunctionMemory()
    let types = operands.map(\.type)
    return try lift(operands, type, count) { values in
      if function.isStrict, values.contains(where: \.isNull) { return .null }
      return try ScalarFunctions.evaluate(function, values, types, type, &memory)
    }
  }
  static func cast(_ operand: Operand, _ type: DataType, _ count: Int) throws -> Operand {
    if operand.isNullConstant { return .null(type) }
    return try lift([operand], type, count) { values in
      if values[0].isNull { return .null }
      guard let value = try ScalarEvaluator.cast(values[0], from: operand.type, to: type) else {
        throw TallyError.sql("42846", "cannot cast type \(operand.type.name) to \(type.name)")
      }
      return value
    }
  }

  private static func lift(
    _ operands: [Operand],
    _ type: DataType,
    _ count: Int,
    _ compute: ([Value]) throws -> Value
  ) throws -> Operand {
    var values = try operands.map { $0.isConstant ? try $0.column.value(0) : .null }
    let varying = operands.indices.filter { !operands[$0].isConstant }
    guard let first = varying.first else { return try Operand(type, try compute(values)) }
    if varying.count == 1, case .codes(let codes, let dictionary) = operands[first].column.values, dictionary.count > 0 {
      return try byDictionary(operands[first].column, codes, dictionary, type) { value in
        values[first] = value
        return try compute(values)
      }
    }
    var room = TextRoom()
    var results: [Value] = []
    results.reserveCapacity(count)
    for row in 0..<count {
      for at in varying { values[at] = try operands[at].column.value(row) }
      results.append(try room.take(try compute(values)))
    }
    return Operand(ColumnVector(type, values: results))
  }
  /// Computes each text in use, and NULL if there is one, once.
  private static func byDictionary(
    _ column: ColumnVector,
    _ codes: [UInt32],
    _ dictionary: TextDictionary,
    _ type: DataType,
    _ compute: (Value) throws -> Value
  ) throws -> Operand {
    var places = [UInt32](repeating: .max, count: dictionary.count)
    var nullPlace: UInt32?
    var room = TextRoom()
    var results: [Value] = []
    var picks: [UInt32] = []
    picks.reserveCapacity(codes.count)
    for (row, code) in codes.enumerated() {
      if column.isNull(row) {
        if nullPlace == nil {
          nullPlace = UInt32(results.count)
          results.append(try compute(.null))
        }
        picks.append(nullPlace ?? 0)
        continue
      }
      if places[Int(code)] == .max {
        places[Int(code)] = UInt32(results.count)
        results.append(try room.take(try compute(dictionary.withText(code) { BinaryForm.value($0, column.type) })))
      }
      picks.append(places[Int(code)])
    }
    return Operand(ColumnVector(type, values: results).withDictionary().gather(picks))
  }
}

/// What the texts of one block may take: its rows are many, and each text may be long.
private struct TextRoom {
  private var bytes = 0
  /// Lets a value through; 53200 once all together are too long.
  mutating func take(_ value: Value) throws -> Value {
    switch value {
    case .text(let text): bytes += text.utf8.count
    case .bytes(let all): bytes += all.count
    default: return value
    }
    guard bytes <= TextKernels.blockBytesMax else { throw TextKernels.tooManyBytes() }
    return value
  }
}
