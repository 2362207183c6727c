// RegexParser.swift — PostgreSQL's advanced regular expressions: syntax to tree, with its error texts (2201B).
//
// Back references are refused (0A000): no automaton knows them. Basic and extended POSIX dialects (flags b, e) as well.
import Model

/// Flags of a regular expression.
struct RegexFlags: Hashable {
  var isCaseless = false
  /// `^` and `$` match at lines.
  var isLineAnchored = false
  /// `.` and `[^…]` do not match a newline.
  var isNewlineApart = false
  var isExpanded = false
  var isLiteral = false
  /// `g`: every match.
  var isGlobal = false

  init() {}
  /// Reads PostgreSQL's letters.
  init(_ letters: String) throws(TallyError) {
    for letter in letters.unicodeScalars {
      if letter == "g" { isGlobal = true } else { try apply(letter) }
    }
  }
  mutating func apply(_ letter: Unicode.Scalar) throws(TallyError) {
    switch letter {
    case "i": isCaseless = true
    case "c": isCaseless = false
    case "m", "n": (isLineAnchored, isNewlineApart) = (true, true)
    case "s": (isLineAnchored, isNewlineApart) = (false, false)
    case "p": (isLineAnchored, isNewlineApart) = (false, true)
    case "w": (isLineAnchored, isNewlineApart) = (true, false)
    case "x": isExpanded = true
    case "t": isExpanded = false
    case "q": isLiteral = true
    case "b", "e":
      throw .sql("0A000", "regular expression option \"\(letter)\" is not supported", hint: "Write the expression in the advanced form.")
    default: throw .sql("22023", "invalid regular expression option: \"\(letter)\"")
    }
  }
}

struct RegexParser {
  private static let depthMax = 200
  private let text: [UInt32]
  private var at = 0
  private var depth = 0
  private(set) var flags: RegexFlags
  /// Groups met.
  private(set) var groupCount = 0

  init(_ pattern: String, _ flags: RegexFlags) {
    text = pattern.unicodeScalars.map(\.value)
    self.flags = flags
  }

  static func failure(_ what: String) -> TallyError { .sql("2201B", "invalid regular expression: \(what)") }

  mutating func parse() throws(TallyError) -> RegexTree {
    try prefix()
    let tree: RegexTree
    if flags.isLiteral {
      var items: [RegexTree] = []
      while at < text.count {
        items.append(RegexTree(.set(single(text[at]))))
        at += 1
      }
      tree = items.isEmpty ? RegexTree(.empty) : RegexTree(.sequence(items))
    } else {
      tree = try alternation()
      guard at == text.count else { throw Self.failure("parentheses () not balanced") }
    }
    guard RegexProgram.size(tree) <= RegexProgram.instructionsMax else { throw Self.failure("regular expression is too complex") }
    return tree
  }
  /// `***=`, `***:` and `(?flags)` at the beginning.
  private mutating func prefix() throws(TallyError) {
    if takes("***=") {
      flags.isLiteral = true
      return
    }
    if flags.isLiteral { return }
    _ = takes("***:")
    if at + 2 < text.count, text[at] == c("("), text[at + 1] == c("?"), isLetter(text[at + 2]) {
      at += 2
      while at < text.count, text[at] != c(")") {
        guard let letter = Unicode.Scalar(text[at]), isLetter(text[at]) else { throw Self.failure("invalid embedded option") }
        do throws(TallyError) { try flags.apply(letter) } catch {
          throw error.sqlState == "0A000" ? error : Self.failure("invalid embedded option")
        }
        at += 1
      }
      guard at < text.count else { throw Self.failure("invalid embedded option") }
      at += 1
    }
  }
  private mutating func takes(_ word: String) -> Bool {
    let scalars = word.unicodeScalars.map(\.value)
    guard text.count - at >= scalars.count, Array(text[at..<at + scalars.count]) == scalars else { return false }
    at += scalars.count
    return true
  }
  private func c(_ character: Unicode.Scalar) -> UInt32 { character.value }
  private func isLetter(_ character: UInt32) -> Bool { character < 128 && (character | 0x20) &- 0x61 < 26 }
  private func isDigit(_ character: UInt32) -> Bool { character &- 0x30 < 10 }

  private mutating func skipComments() {
    guard flags.isExpanded else {
      skipInlineComments()
      return
    }
    while at < text.count {
      if RegexSet.space.contains(text[at]) {
        at += 1
      } else if text[at] == c("#") {
        while at < text.count, text[at] != 0x0a { at += 1 }
      } else {
        let start = at
        skipInlineComments()
        if at == start { return }
      }
    }
  }
  private mutating func skipInlineComments() {
    while takes("(?#") {
      while at < text.count, text[at] != c(")") { at += 1 }
      if at < text.count { at += 1 }
    }
  }

  private mutating func alternation() throws(TallyError) -> RegexTree {
    depth += 1
    defer { depth -= 1 }
    guard depth < Self.depthMax else { throw Self.failure("regular expression is too complex") }
    var branches = [try branch()]
    while at < text.count, text[at] == c("|") {
      at += 1
      branches.append(try branch())
    }
    return branches.count == 1 ? branches[0] : RegexTree(.alternation(branches))
  }
  private mutating func branch() throws(TallyError) -> RegexTree {
    var items: [RegexTree] = []
    while true {
      skipComments()
      guard at < text.count, text[at] != c("|"), text[at] != c(")") || depth == 1 else { break }
      if text[at] == c(")") { throw Self.failure("parentheses () not balanced") }
      items.append(try quantified())
    }
    return items.isEmpty ? RegexTree(.empty) : items.count == 1 ? items[0] : RegexTree(.sequence(items))
  }
  private mutating func quantified() throws(TallyError) -> RegexTree {
    if try isQuantifier() { throw Self.failure("quantifier operand invalid") }
    var isConstraint = false
    let atom = try self.atom(&isConstraint)
    skipComments()
    guard at < text.count, try isQuantifier() else { return atom }
    if isConstraint { throw Self.failure("quantifier operand invalid") }
    var (min, max): (Int, Int?) = (0, nil)
    var isFixed = false
    switch text[at] {
    case c("*"): at += 1
    case c("+"):
      at += 1
      min = 1
    case c("?"):
      at += 1
      max = 1
    default:
      at += 1
      min = try count()
      max = min
      isFixed = true
      if at < text.count, text[at] == c(",") {
        at += 1
        isFixed = false
        max = at < text.count && isDigit(text[at]) ? try count() : nil
      }
      guard at < text.count, text[at] == c("}") else { throw Self.failure("invalid repetition count(s)") }
      at += 1
      if let max, max < min { throw Self.failure("invalid repetition count(s)") }
    }
    var isShortest = false
    if at < text.count, text[at] == c("?") {
      isShortest = true
      at += 1
    }
    skipComments()
    if at < text.count, try isQuantifier() { throw Self.failure("quantifier operand invalid") }
    // {m} alone leaves the atom's preference.
    let preference: RegexTree.Preference = isFixed ? atom.preference : isShortest ? .shortest : .longest
    return RegexTree(.repetition(atom, min: min, max: max), preference)
  }
  private func isQuantifier() throws(TallyError) -> Bool {
    guard at < text.count else { return false }
    switch text[at] {
    case c("*"), c("+"), c("?"): return true
    case c("{"): return at + 1 < text.count && isDigit(text[at + 1])
    default: return false
    }
  }
  private mutating func count() throws(TallyError) -> Int {
    var value = 0
    let start = at
    while at < text.count, isDigit(text[at]) {
      value = value * 10 + Int(text[at] - 0x30)
      guard value <= 255 else { throw Self.failure("invalid repetition count(s)") }
      at += 1
    }
    guard at > start else { throw Self.failure("invalid repetition count(s)") }
    return value
  }
  private func single(_ character: UInt32) -> RegexSet {
    let set = RegexSet([character...character])
    return flags.isCaseless ? set.caseless : set
  }

  private mutating func atom(_ isConstraint: inout Bool) throws(TallyError) -> RegexTree {
    let character = text[at]
    at += 1
    switch character {
    case c("."):
      return RegexTree(.set(flags.isNewlineApart ? RegexSet([0x0a...0x0a]).inverted : .any))
    case c("^"):
      isConstraint = true
      return RegexTree(.assertion(.lineStart))
    case c("$"):
      isConstraint = true
      return RegexTree(.assertion(.lineEnd))
    case c("("): return try group(&isConstraint)
    case c("["): return try bracket(&isConstraint)
    case c("\\"): return try escape(&isConstraint)
    default: return RegexTree(.set(single(character)))
    }
  }
  private mutating func group(_ isConstraint: inout Bool) throws(TallyError) -> RegexTree {
    func closed(_ tree: RegexTree) throws(TallyError) -> RegexTree {
      guard at < text.count, text[at] == c(")") else { throw Self.failure("parentheses () not balanced") }
      at += 1
      return tree
    }
    if takes("?:") { return try closed(try alternation()) }
    for (mark, isAhead, isNegative) in [("?=", true, false), ("?!", true, true), ("?<=", false, false), ("?<!", false, true)] {
      guard takes(mark) else { continue }
      isConstraint = true
      // Groups inside a look are no groups.
      let count = groupCount
      let inner = try alternation()
      groupCount = count
      return try closed(RegexTree(.look(inner, isAhead: isAhead, isNegative: isNegative)))
    }
    if at < text.count, text[at] == c("?") { throw Self.failure("quantifier operand invalid") }
    groupCount += 1
    let number = groupCount
    return try closed(RegexTree(.group(number, try alternation())))
  }

  private mutating func bracket(_ isConstraint: inout Bool) throws(TallyError) -> RegexTree {
    for (mark, assertion) in [("[:<:]]", RegexTree.Assertion.wordStart), ("[:>:]]", .wordEnd)] where takes(mark) {
      isConstraint = true
      return RegexTree(.assertion(assertion))
    }
    var set = RegexSet()
    var isNegative = false
    if at < text.count, text[at] == c("^") {
      isNegative = true
      at += 1
    }
    var isFirst = true
    while true {
      guard at < text.count else { throw Self.failure("brackets [] not balanced") }
      if text[at] == c("]"), !isFirst {
        at += 1
        break
      }
      isFirst = false
      guard let low = try member(&set) else { continue }
      var high = low
      if at + 1 < text.count, text[at] == c("-"), text[at + 1] != c("]") {
        at += 1
        guard let end = try member(&set) else { throw Self.failure("invalid character range") }
        high = end
      }
      guard low <= high else { throw Self.failure("invalid character range") }
      set.insert(low...high)
    }
    if flags.isCaseless { set = set.caseless }
    if isNegative {
      if flags.isNewlineApart { set.insert(0x0a...0x0a) }
      set = set.inverted
    }
    return RegexTree(.set(set))
  }
  /// One character of a bracket; nil when a whole class was put in.
  private mutating func member(_ set: inout RegexSet) throws(TallyError) -> UInt32? {
    guard at < text.count else { throw Self.failure("brackets [] not balanced") }
    if text[at] == c("["), at + 1 < text.count, [c(":"), c("."), c("=")].contains(text[at + 1]) {
      let mark = text[at + 1]
      let start = at + 2
      var end = start
      while end + 1 < text.count, !(text[end] == mark && text[end + 1] == c("]")) { end += 1 }
      guard end + 1 < text.count else { throw Self.failure("brackets [] not balanced") }
      at = end + 2
      if mark == c(":") {
        let name = String(String.UnicodeScalarView(text[start..<end].compactMap { Unicode.Scalar($0) }))
        guard let named = RegexSet.named(name) else { throw Self.failure("invalid character class") }
        set.insert(named)
        return nil
      }
      guard end == start + 1 else { throw Self.failure("invalid collating element") }
      return text[start]
    }
    if text[at] == c("\\") {
      at += 1
      guard at < text.count else { throw Self.failure("invalid escape \\ sequence") }
      if let named = classEscape() {
        set.insert(named)
        return nil
      }
      return try characterEscape()
    }
    at += 1
    return text[at - 1]
  }

  // MARK: Escapes

  private mutating func classEscape() -> RegexSet? {
    let result: RegexSet
    switch text[at] {
    case c("d"): result = .digit
    case c("s"): result = .space
    case c("w"): result = .word
    case c("D"): result = RegexSet.digit.inverted
    case c("S"): result = RegexSet.space.inverted
    case c("W"): result = RegexSet.word.inverted
    default: return nil
    }
    at += 1
    return result
  }
  private mutating func escape(_ isConstraint: inout Bool) throws(TallyError) -> RegexTree {
    guard at < text.count else { throw Self.failure("invalid escape \\ sequence") }
    if let set = classEscape() { return RegexTree(.set(set)) }
    let assertion: RegexTree.Assertion? =
      switch text[at] {
      case c("A"): .textStart
      case c("Z"): .textEnd
      case c("m"): .wordStart
      case c("M"): .wordEnd
      case c("y"): .wordBorder
      case c("Y"): .noWordBorder
      default: nil
      }
    if let assertion {
      at += 1
      isConstraint = true
      return RegexTree(.assertion(assertion))
    }
    if text[at] >= c("1"), text[at] <= c("9") {
      throw .sql("0A000", "back references in regular expressions are not supported")
    }
    return RegexTree(.set(single(try characterEscape())))
  }
  private mutating func characterEscape() throws(TallyError) -> UInt32 {
    let character = text[at]
    at += 1
    switch character {
    case c("a"): return 0x07
    case c("b"): return 0x08
    case c("B"): return c("\\")
    case c("e"): return 0x1b
    case c("f"): return 0x0c
    case c("n"): return 0x0a
    case c("r"): return 0x0d
    case c("t"): return 0x09
    case c("v"): return 0x0b
    case c("0"): return try number(radix: 8, digits: 0...2)
    case c("x"): return try number(radix: 16, digits: 1...255)
    case c("u"): return try number(radix: 16, digits: 4...4)
    case c("U"): return try number(radix: 16, digits: 8...8)
    case c("c"):
      guard at < text.count else { throw Self.failure("invalid escape \\ sequence") }
      at += 1
      return text[at - 1] & 0x1f
    default:
      guard !isLetter(character), !isDigit(character) else { throw Self.failure("invalid escape \\ sequence") }
      return character
    }
  }
  private mutating func number(radix: UInt32, digits: ClosedRange<Int>) throws(TallyError) -> UInt32 {
    var value: UInt32 = 0
    var count = 0
    while at < text.count, count < digits.upperBound, let scalar = Unicode.Scalar(text[at]),
      let digit = Character(scalar).hexDigitValue, digit < Int(radix)
    {
      value = value &* radix &+ UInt32(digit)
      at += 1
      count += 1
    }
    guard count >= digits.lowerBound, value <= 0x10ffff else { throw Self.failure("invalid escape \\ sequence") }
    return value
  }
}
