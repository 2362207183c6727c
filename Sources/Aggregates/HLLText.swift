// HLLText.swift — what a HyperLogLog state holds, as postgresql-hll's hll_print lists it. Nothing reads it back.
import Model

/// Listings of states.
public enum HLLText {
  /// The listing.
  public static func listing(_ state: HyperLogLog) -> String {
    let own = state.parameters
    // The effective limit stands behind an automatic one.
    let limit = own.expthresh == -1 ? "-1(\(own.explicitLimit))" : "\(own.expthresh)"
    let tail = "nregs=\(own.registerCount), nbits=\(own.regwidth), expthresh=\(limit), sparseon=\(own.sparseon ? 1 : 0)"
    switch state.content {
    case .undefined: return "UNDEFINED " + tail
    case .empty: return "EMPTY, " + tail
    case .explicit(let hashes):
      let lines = hashes.enumerated().map { "\n\($0.offset): \($0.element) " }
      return "EXPLICIT, \(hashes.count) elements, \(tail):" + lines.joined()
    case .registers(let registers):
      var text = "COMPRESSED, \(registers.count { $0 != 0 }) filled \(tail):"
      // Whole rows of 32.
      for row in 0..<registers.count / 32 {
        text += "\n" + padded(row * 32, 4) + ": "
        for register in registers[row * 32..<row * 32 + 32] { text += padded(Int(register), 2) + " " }
      }
      return text
    }
  }
  private static func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: " ", count: max(0, width - digits.utf8.count)) + digits
  }
}
