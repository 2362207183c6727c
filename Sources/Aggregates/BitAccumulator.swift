// BitAccumulator.swift — bit_and and bit_or of integers over groups. Integers lie sign-extended, and so do the results.
import Columns
import Model

/// The bits that all values, or any value, have.
final class BitAccumulator: Accumulator {
  private let isOr: Bool
  private var bits = RawArray<Int64>()
  private var isSeen = RawArray<Bool>()
  let resultType: DataType
  var partialTypes: [DataType] { [resultType] }
  var memoryBytes: Int { bits.bytes + isSeen.bytes }

  init(isOr: Bool, _ type: DataType) {
    self.isOr = isOr
    resultType = type
  }
  func update(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    arguments: [ColumnVector],
    filter: Bitmap?
  ) throws(TallyError) {
    guard case .fixed(let values) = arguments[0].values else { fatalError("bits of a \(arguments[0].type.name)") }
    grow(groupCount)
    let (bits, isSeen, isOr) = (self.bits.base, self.isSeen.base, self.isOr)
    values.withUnsafeBufferPointer { values in
      forEachRow(groupIDs.count, rowMask(arguments[0].validity, filter)) { row in
        let group = Int(groupIDs[row])
        bits[group] = isOr ? bits[group] | values[row] : bits[group] & values[row]
        isSeen[group] = true
      }
    }
  }
  func merge(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    partials: [ColumnVector]
  ) throws(TallyError) {
    try update(groupIDs, groupCount: groupCount, arguments: partials, filter: nil)
  }
  private func grow(_ groupCount: Int) {
    bits.grow(to: groupCount, with: isOr ? 0 : -1)
    isSeen.grow(to: groupCount, with: false)
  }
  func finishPartial(groupCount: Int) -> [ColumnVector] { [finish(groupCount: groupCount)] }
  func finish(groupCount: Int) -> ColumnVector {
    grow(groupCount)
    var values = bits.array(groupCount)
    // A NULL holds the canonical empty value.
    for group in 0..<groupCount where !isSeen[group] { values[group] = 0 }
    return ColumnVector(resultType, .fixed(values), validity: validity(isSeen, count: groupCount))
  }
}
