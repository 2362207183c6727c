// RegexTree.swift — a regular expression taken apart: what its nodes match and which of several matches they prefer.
//
// Characters are Unicode scalars; classes and case go by ASCII, as PostgreSQL's in collation C.

/// A set of characters.
struct RegexSet {
  /// Rising, apart from each other.
  private(set) var ranges: [ClosedRange<UInt32>] = []
  private var low: (UInt64, UInt64) = (0, 0)

  init(_ ranges: [ClosedRange<UInt32>] = []) {
    for range in ranges { insert(range) }
  }
  mutating func insert(_ range: ClosedRange<UInt32>) {
    var merged = range
    var kept: [ClosedRange<UInt32>] = []
    for own in ranges {
      if UInt64(own.upperBound) + 1 < UInt64(merged.lowerBound) || UInt64(merged.upperBound) + 1 < UInt64(own.lowerBound) {
        kept.append(own)
      } else {
        merged = min(own.lowerBound, merged.lowerBound)...max(own.upperBound, merged.upperBound)
      }
    }
    kept.append(merged)
    ranges = kept.sorted { $0.lowerBound < $1.lowerBound }
    low = (0, 0)
    for own in ranges {
      var at = own.lowerBound
      while at <= own.upperBound, at < 128 {
        if at < 64 { low.0 |= 1 << UInt64(at) } else { low.1 |= 1 << UInt64(at - 64) }
        at += 1
      }
    }
  }
  mutating func insert(_ other: RegexSet) {
    for range in other.ranges { insert(range) }
  }
  func contains(_ character: UInt32) -> Bool {
    if character < 64 { return low.0 >> UInt64(character) & 1 == 1 }
    if character < 128 { return low.1 >> UInt64(character - 64) & 1 == 1 }
    return ranges.contains { $0.contains(character) }
  }
  var inverted: RegexSet {
    var result = RegexSet()
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { result.insert(next...(range.lowerBound - 1)) }
      next = range.upperBound + 1
    }
    if next <= 0x10ffff { result.insert(next...0x10ffff) }
    return result
  }
  /// With both cases of each ASCII letter.
  var caseless: RegexSet {
    var result = self
    for letter in UInt32(0x61)...0x7a {
      if contains(letter) { result.insert((letter - 0x20)...(letter - 0x20)) }
      if contains(letter - 0x20) { result.insert(letter...letter) }
    }
    return result
  }
  static let any = RegexSet([0...0x10ffff])
  static let digit = RegexSet([0x30...0x39])
  static let space = RegexSet([0x09...0x0d, 0x20...0x20])
  static let word = RegexSet([0x30...0x39, 0x41...0x5a, 0x5f...0x5f, 0x61...0x7a])
  static func named(_ name: String) -> RegexSet? {
    switch name {
    case "alpha": RegexSet([0x41...0x5a, 0x61...0x7a])
    case "alnum": RegexSet([0x30...0x39, 0x41...0x5a, 0x61...0x7a])
    case "digit": digit
    case "space": space
    case "word": word
    case "upper": RegexSet([0x41...0x5a])
    case "lower": RegexSet([0x61...0x7a])
    case "xdigit": RegexSet([0x30...0x39, 0x41...0x46, 0x61...0x66])
    case "blank": RegexSet([0x09...0x09, 0x20...0x20])
    case "punct": RegexSet([0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e])
    case "cntrl": RegexSet([0...0x1f, 0x7f...0x7f])
    case "print": RegexSet([0x20...0x7e])
    case "graph": RegexSet([0x21...0x7e])
    case "ascii": RegexSet([0...0x7f])
    default: nil
    }
  }
}

/// A node of the expression.
final class RegexTree {
  enum Assertion {
    case lineStart
    case lineEnd
    case textStart
    case textEnd
    case wordStart
    case wordEnd
    case wordBorder
    case noWordBorder
  }
  enum Kind {
    case empty
    case set(RegexSet)
    /// One after the other; flat, so that a long expression does not nest.
    case sequence([RegexTree])
    case alternation([RegexTree])
    case repetition(RegexTree, min: Int, max: Int?)
    case group(Int, RegexTree)
    case assertion(Assertion)
    case look(RegexTree, isAhead: Bool, isNegative: Bool)
  }
  /// Which of several lengths a node takes.
  enum Preference {
    case none
    case longest
    case shortest
  }
  let kind: Kind
  let preference: Preference
  let hasGroups: Bool
  /// Made when first needed.
  private var made: RegexProgram?
  /// Of a sequence: programs of what follows each item.
  private var suffixes: [Int: RegexProgram] = [:]

  init(_ kind: Kind, _ preference: Preference = .none) {
    self.kind = kind
    switch kind {
    case .empty, .set, .assertion, .look:
      self.preference = .none
      hasGroups = false
    case .sequence(let items):
      // The first part that has a preference gives the whole's.
      self.preference = items.first { $0.preference != .none }?.preference ?? .none
      hasGroups = items.contains(where: \.hasGroups)
    case .alternation(let branches):
      self.preference = branches.count == 1 ? branches[0].preference : .longest
      hasGroups = branches.contains(where: \.hasGroups)
    case .repetition(let inner, _, _):
      self.preference = preference
      hasGroups = inner.hasGroups
    case .group(_, let inner):
      self.preference = inner.preference
      hasGroups = true
    }
  }
  /// The program of a sequence's items from an index on.
  func suffix(_ index: Int, _ isNewlineSensitive: Bool) -> RegexProgram {
    guard case .sequence(let items) = kind, index > 0 else { return program(isNewlineSensitive) }
    if let made = suffixes[index] { return made }
    let program = RegexProgram(RegexTree(.sequence(Array(items[index...]))), isNewlineSensitive: isNewlineSensitive)
    suffixes[index] = program
    return program
  }
  func program(_ isNewlineSensitive: Bool) -> RegexProgram {
    if let made { return made }
    let program = RegexProgram(self, isNewlineSensitive: isNewlineSensitive)
    made = program
    return program
  }
}
