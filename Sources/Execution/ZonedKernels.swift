// ZonedKernels.swift — times under a constant time zone, over columns: casts, AT TIME ZONE, date_trunc. The zone is looked up once a block.
import Bytes
import Columns
import Model
import Planning

enum ZonedKernels {
  /// The function over a column of times; nil where it is none of these or its zone is no constant.
  static func call(_ function: Function, _ operands: [Operand], _ type: DataType, _ count: Int) throws -> Operand? {
    let (zone, time): (Operand, Operand)
    switch function {
    case .castInZone, .atZone: (zone, time) = (operands[0], operands[1])
    case .dateTruncInZone: (zone, time) = (operands[2], operands[1])
    default: return nil
    }
    guard zone.type == .text, zone.isConstant, !time.isConstant, time.type.isTime, type.isTime,
      case .text(let name) = try zone.column.value(0)
    else { return nil }
    var memory = FunctionMemory()
    let known = try memory.zone(name)
    let compute: (Int64) throws(TallyError) -> Int64
    switch function {
    case .dateTruncInZone:
      guard operands[0].isConstant, let unit = UInt8(exactly: operands[0].fixed[0]).flatMap(TimeUnit.init(rawValue:)) else { return nil }
      compute = { (instant) throws(TallyError) in try known.truncate(instant, to: unit) }
    case _ where type == .date:
      compute = { (instant) throws(TallyError) in TimeArithmetic.date(ofTimestamp: try known.local(instant)) }
    case _ where time.type == .date:
      compute = { (day) throws(TallyError) in try known.instant(ofLocal: try TimeArithmetic.timestamp(ofDate: day)) }
    case _ where time.type == .timestamptz: compute = { (instant) throws(TallyError) in try known.local(instant) }
    default: compute = { (local) throws(TallyError) in try known.instant(ofLocal: local) }
    }
    return try ExpressionEvaluation.strict([time], type, count, usesWholeDictionary: false) { operands, count, validity in
      let values = operands[0].fixed
      // Neighbours are often of one second, and buckets are.
      var last: (time: Int64, result: Int64)?
      return .fixed(
        try mapRows(count, validity, empty: 0) { row in
          let value = values[row & operands[0].mask]
          if let last, last.time == value { return last.result }
          let result = try compute(value)
          last = (value, result)
          return result
        }
      )
    }
  }
}
