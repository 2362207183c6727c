// HostedCalls.swift — functions of the coordinator over rows, one after the other: for catalogs, which are small.
import Columns
import Model
import Planning

enum HostedCalls {
  static func evaluate(_ function: HostedFunction, _ operands: [Operand], count: Int) throws -> ColumnVector {
    var results: [Value] = []
    results.reserveCapacity(count)
    for row in 0..<count {
      let values = try operands.map { try $0.column.value(row & $0.mask) }
      results.append(function.isStrict && values.contains(where: \.isNull) ? .null : try function.evaluate(values))
    }
    return ColumnVector(function.result, values: results)
  }
}
