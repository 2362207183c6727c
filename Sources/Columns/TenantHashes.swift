// TenantHashes.swift — where the rows of a tenant key's column belong: the hashes that placement knows (Bytes/StableHash).
//
// Texts are hashed once a dictionary entry. Of one value that the planner fixed: Planning/TenantHash.
import Bytes

/// Placement hashes of a tenant key's column.
public enum TenantHashes {
  /// By row; nil for NULL.
  public static func of(_ column: ColumnVector) -> [UInt64?] {
    var hashes: [UInt64?] = []
    hashes.reserveCapacity(column.count)
    switch column.values {
    case .fixed(let values): for value in values { hashes.append(StableHash.hash(value)) }
    case .codes(let codes, let dictionary):
      let known = (0..<UInt32(dictionary.count)).map { code in dictionary.withText(code) { StableHash.hash($0) } }
      for code in codes { hashes.append(known.isEmpty ? nil : known[Int(code)]) }
    case .text(let texts):
      texts.bytes.withUnsafeBytes { raw in
        for row in 0..<texts.count {
          let range = Int(texts.offsets[row])..<Int(texts.offsets[row + 1])
          hashes.append(StableHash.hash(UnsafeRawBufferPointer(rebasing: raw[range])))
        }
      }
    default: return [UInt64?](repeating: nil, count: column.count)
    }
    if column.validity != nil { for row in hashes.indices where column.isNull(row) { hashes[row] = nil } }
    return hashes
  }
  /// Whether all rows of a key column hash into the range. Texts are hashed once a dictionary entry.
  public static func all(_ column: ColumnVector, areWithin range: ClosedRange<UInt64>) -> Bool {
    if range.lowerBound == 0 && range.upperBound == .max { return true }
    switch column.values {
    case .fixed(let values):
      return values.withUnsafeBufferPointer { values in
        var last: Int64?
        for value in values where value != last {
          if !range.contains(StableHash.hash(value)) { return false }
          last = value
        }
        return true
      }
    case .codes(let codes, let dictionary):
      let fits = (0..<UInt32(dictionary.count)).map { code in dictionary.withText(code) { range.contains(StableHash.hash($0)) } }
      return codes.allSatisfy { fits[Int($0)] }
    case .text(let texts):
      return texts.bytes.withUnsafeBytes { raw in
        (0..<texts.count).allSatisfy { row in
          range.contains(
            StableHash.hash(UnsafeRawBufferPointer(rebasing: raw[Int(texts.offsets[row])..<Int(texts.offsets[row + 1])]))
          )
        }
      }
    default: return false
    }
  }
}
