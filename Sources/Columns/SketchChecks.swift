// SketchChecks.swift — whether exploded sketch states that came from outside obey their invariants.
import Model

extension HLLColumn {
  /// The first row whose state breaks the rules of `HLLForm`, or nil.
  public func firstInvalidRow() -> Int? {
    let registers = UInt32(1) << UInt32(parameters.log2m)
    let valueMax = parameters.regwidth >= 8 ? 255 : (UInt32(1) << UInt32(parameters.regwidth)) - 1
    for row in 0..<count {
      let range = Int(offsets[row])..<Int(offsets[row + 1])
      let fine: Bool
      switch HLLForm(rawValue: forms[row]) {
      case .undefined, .empty: fine = range.isEmpty
      case .explicit:
        var last: Int64?
        fine =
          range.count % 2 == 0
          && stride(from: range.lowerBound, to: range.upperBound, by: 2).allSatisfy { at in
            let hash = Int64(bitPattern: UInt64(words[at]) | UInt64(words[at + 1]) << 32)
            defer { last = hash }
            return last.map { $0 < hash } ?? true
          }
      case .sparse:
        var next: UInt32 = 0
        fine = range.allSatisfy { at in
          let (index, value) = (words[at] >> 8, words[at] & 0xff)
          defer { next = index &+ 1 }
          return index >= next && index < registers && value > 0 && value <= valueMax
        }
      case .full:
        fine =
          range.count == Int(registers + 3) / 4
          && range.allSatisfy { at in
            let w = words[at]
            return w & 0xff <= valueMax && w >> 8 & 0xff <= valueMax && w >> 16 & 0xff <= valueMax
              && w >> 24 <= valueMax
          }
      case nil: fine = false
      }
      if !fine { return row }
    }
    return nil
  }
}

extension TopNColumn {
  /// True when codes rise within rows, bounds are ordered and not negative, and the dictionary is canonical.
  public func isWellFormed() -> Bool {
    let hashes = dictionary.hashes()
    for code in 1..<max(1, dictionary.count) {
      if hashes[code - 1] > hashes[code] { return false }
      if hashes[code - 1] == hashes[code] {
        let order = dictionary.withText(UInt32(code - 1)) { a in
          dictionary.withText(UInt32(code)) { b in compareBytes(a, b) }
        }
        if order >= 0 { return false }
      }
    }
    for row in 0..<count {
      if absent[row] < 0 || totals[row] < 0 { return false }
      for at in Int(offsets[row])..<Int(offsets[row + 1]) {
        if uppers[at] < 0 || errors[at] < 0 || errors[at] > uppers[at] { return false }
        if at > Int(offsets[row]) && codes[at - 1] >= codes[at] { return false }
      }
    }
    return true
  }
}
