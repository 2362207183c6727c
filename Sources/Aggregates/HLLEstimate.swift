// HLLEstimate.swift — how many distinct values a state stands for: postgresql-hll's estimator.
//
// No other bias correction than linear counting and the large-range one, so results equal the extension's. 2^L is computed in
// floating point and the large-range step is skipped for L ≥ 64, where the extension overflows to NaN.
public import Columns
public import Model

/// Cardinalities of HyperLogLog states.
public enum HLLEstimate {
  /// Cardinality of a state; nil (NULL) when it is undefined.
  ///
  /// Throws for fewer than 16 registers.
  public static func cardinality(_ state: HyperLogLog) throws(TallyError) -> Double? {
    switch state.content {
    case .undefined: return nil
    case .empty: return 0
    case .explicit(let hashes): return Double(hashes.count)
    case .registers(let registers):
      var histogram = [UInt32](repeating: 0, count: 256)
      for value in registers { histogram[Int(value)] += 1 }
      return try estimate(histogram, state.parameters)
    }
  }
  /// Cardinalities of all states of a column; undefined states are NULL.
  public static func cardinalities(_ states: ColumnVector) throws(TallyError) -> ColumnVector {
    guard case .hll(let column) = states.values else {
      fatalError("cardinality of a \(states.type.name)")
    }
    let p = column.parameters
    var out = [Double](repeating: 0, count: column.count)
    var validity = states.validity ?? Bitmap(repeating: true, count: column.count)
    var histogram = [UInt32](repeating: 0, count: 256)
    for row in 0..<column.count {
      let words = Int(column.offsets[row])..<Int(column.offsets[row + 1])
      switch HLLForm(rawValue: column.forms[row]) {
      case .explicit: out[row] = Double(words.count / 2)
      case .empty: out[row] = 0
      case .undefined, nil: validity[row] = false
      case .sparse, .full:
        for i in 0..<256 { histogram[i] = 0 }
        if column.forms[row] == HLLForm.sparse.rawValue {
          histogram[0] = UInt32(p.registerCount - words.count)
          for at in words { histogram[Int(column.words[at] & 0xff)] += 1 }
        } else {
          column.words.withUnsafeBytes { raw in
            let bytes = UnsafeRawBufferPointer(
              rebasing: raw[words.lowerBound * 4..<words.lowerBound * 4 + p.registerCount]
            )
            histogram.withUnsafeMutableBufferPointer { counts in
              for value in bytes { counts[Int(value)] &+= 1 }
            }
          }
        }
        out[row] = try estimate(histogram, p)
      }
    }
    return ColumnVector(.double, .double(out), validity: validity)
  }
  /// The estimate for registers given as the number of registers of each value.
  static func estimate(_ histogram: [UInt32], _ p: HLLParameters) throws(TallyError) -> Double {
    let m = Double(p.registerCount)
    let alpha: Double
    switch p.registerCount {
    case ..<16: throw .sql("22000", "number of registers too small")
    case 16: alpha = 0.673
    case 32: alpha = 0.697
    case 64: alpha = 0.709
    default: alpha = 0.7213 / (1 + 1.079 / m)
    }
    var sum = 0.0
    for value in (0..<256).reversed() where histogram[value] != 0 {
      sum += Double(histogram[value]) * Double(sign: .plus, exponent: -value, significand: 1)
    }
    let raw = alpha * m * m / sum
    if histogram[0] != 0 && raw < 2.5 * m { return m * naturalLog(m / Double(histogram[0])) }
    // Values the hash can tell apart: 2^L.
    let bits = (1 << Int(p.regwidth)) - 2 + Int(p.log2m)
    if bits >= 64 { return raw }
    let space = Double(sign: .plus, exponent: bits, significand: 1)
    return raw <= space / 30 ? raw : -space * naturalLog(1 - raw / space)
  }
}

/// Natural logarithm of a finite number to about one unit in the last place, the same on every machine.
func naturalLog(_ x: Double) -> Double {
  // Registers saturated beyond what their width can count: the extension's answers too.
  if x <= 0 { return x == 0 ? -.infinity : .nan }
  // x = 2^e · s with s in [√½, √2); ln s = 2 · atanh((s - 1) / (s + 1)), whose series falls by 1/34 a term.
  var (e, s) = (Double(x.exponent), x.significand)
  if s > 1.4142135623730951 {
    s /= 2
    e += 1
  }
  let z = (s - 1) / (s + 1)
  let square = z * z
  var series = 0.0
  for k in stride(from: 27, through: 3, by: -2) { series = (series + 1 / Double(k)) * square }
  return e * 0.6931471805599453 + 2 * (z + z * series)
}
