// ScalarFunctions+Regex.swift — ~ and regexp_…: matches, replacements, pieces.
import Model

extension ScalarFunctions {
  static func regex(_ function: Function, _ a: FunctionArguments, _ memory: inout FunctionMemory) throws(TallyError) -> Value {
    let all = a.scalars(0)
    switch function {
    case .matchesRegex, .matchesRegexInsensitive:
      var flags = RegexFlags()
      flags.isCaseless = function == .matchesRegexInsensitive
      return .fixed(try memory.regex(a.text(1), flags).matches(all) ? 1 : 0)
    case .regexLike:
      let flags = try self.flags(a, 2, "regexp_like")
      return .fixed(try memory.regex(a.text(1), flags).matches(all) ? 1 : 0)
    case .substringRegex:
      let regex = try memory.regex(a.text(1), RegexFlags())
      guard let match = regex.search(all, from: 0) else { return .null }
      if regex.groupCount == 0 { return .text(text(ofScalars: all[match])) }
      return regex.groups(all, match)[0].map { .text(text(ofScalars: all[$0])) } ?? .null
    case .regexReplace:
      let flags = a.count > 3 ? try replacingFlags(a.text(3)) : RegexFlags()
      return .text(try replaced(all, try memory.regex(a.text(1), flags), a.scalars(2), isGlobal: flags.isGlobal))
    case .regexMatch:
      let flags = a.count > 2 ? try RegexFlags(a.text(2)) : RegexFlags()
      guard !flags.isGlobal else {
        throw .sql(
          "22023",
          "regexp_match() does not support the \"global\" option",
          hint: "Use the regexp_matches function instead."
        )
      }
      let regex = try memory.regex(a.text(1), flags)
      guard let match = regex.search(all, from: 0) else { return .null }
      return try ArrayValue(.text, self.groups(regex, all, match)).value()
    case .regexSplitToArray:
      let flags = try self.flags(a, 2, "regexp_split_to_array")
      return try ArrayValue(.text, split(all, try memory.regex(a.text(1), flags)).map { .text($0) }).value()
    case .regexCount:
      let start = a.count > 2 ? a.integer(2) : 1
      guard start > 0 else { throw .sql("22023", "invalid value for parameter \"start\": \(start)") }
      let regex = try memory.regex(a.text(1), try self.flags(a, 3, "regexp_count"))
      return .fixed(Int64(matches(regex, all, from: Int(min(start - 1, Int64(all.count) + 1))).count))
    default:
      let start = a.count > 2 ? a.integer(2) : 1
      let number = a.count > 3 ? a.integer(3) : 1
      guard start > 0 else { throw .sql("22023", "invalid value for parameter \"start\": \(start)") }
      guard number > 0 else { throw .sql("22023", "invalid value for parameter \"n\": \(number)") }
      let group = function == .regexSubstring && a.count > 5 ? a.integer(5) : 0
      guard group >= 0 else { throw .sql("22023", "invalid value for parameter \"subexpr\": \(group)") }
      let flags = try function == .regexSubstring ? self.flags(a, 4, "regexp_substr") : RegexFlags()
      let regex = try memory.regex(a.text(1), flags)
      let found = matches(regex, all, from: Int(min(start - 1, Int64(all.count) + 1)))
      guard number <= Int64(found.count) else { return function == .regexInstring ? .fixed(0) : .null }
      let match = found[Int(number - 1)]
      if function == .regexInstring { return .fixed(Int64(match.lowerBound + 1)) }
      if group == 0 || group == 1 && regex.groupCount == 0 { return .text(text(ofScalars: all[match])) }
      guard group <= Int64(regex.groupCount), let part = regex.groups(all, match)[Int(group - 1)] else { return .null }
      return .text(text(ofScalars: all[part]))
    }
  }
  private static func flags(_ a: FunctionArguments, _ at: Int, _ name: String) throws(TallyError) -> RegexFlags {
    guard a.count > at else { return RegexFlags() }
    let flags = try RegexFlags(a.text(at))
    guard !flags.isGlobal else { throw .sql("22023", "\(name)() does not support the \"global\" option") }
    return flags
  }
  private static func replacingFlags(_ letters: String) throws(TallyError) -> RegexFlags {
    if let first = letters.unicodeScalars.first, first.value &- 0x30 < 10 {
      throw .sql(
        "22023",
        "invalid regular expression option: \"\(first)\"",
        hint: "If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly."
      )
    }
    return try RegexFlags(letters)
  }
  /// The groups of a match as regexp_match gives them: the whole match when there are none.
  static func groups(_ regex: Regex, _ all: [UInt32], _ match: Range<Int>) -> [Value] {
    if regex.groupCount == 0 { return [.text(text(ofScalars: all[match]))] }
    return regex.groups(all, match).map { $0.map { .text(text(ofScalars: all[$0])) } ?? .null }
  }
  /// All matches, none overlapping; after an empty one the search goes on at the next character.
  static func matches(_ regex: Regex, _ all: [UInt32], from: Int) -> [Range<Int>] {
    var result: [Range<Int>] = []
    var at = from
    while at <= all.count, let match = regex.search(all, from: at) {
      result.append(match)
      at = match.isEmpty ? match.upperBound + 1 : match.upperBound
    }
    return result
  }
  private static func replaced(
    _ all: [UInt32],
    _ regex: Regex,
    _ new: [UInt32],
    isGlobal: Bool
  ) throws(TallyError) -> String {
    var out: [UInt32] = []
    var copied = 0
    let usesGroups = new.contains(0x5c)
    var at = 0
    while at <= all.count, let match = regex.search(all, from: at) {
      out += all[copied..<match.lowerBound]
      if usesGroups { try expand(new, all, match, regex.groups(all, match), &out) } else { out += new }
      copied = match.upperBound
      guard out.count <= Limits.textBytesMax else { throw .sql("54000", "text would be longer than \(Limits.textBytesMax) bytes") }
      if !isGlobal { break }
      at = match.isEmpty ? match.upperBound + 1 : match.upperBound
    }
    if copied < all.count { out += all[copied...] }
    return text(ofScalars: out)
  }
  /// `\1` … `\9`, `\&`, `\\`.
  private static func expand(
    _ new: [UInt32],
    _ all: [UInt32],
    _ match: Range<Int>,
    _ groups: [Range<Int>?],
    _ out: inout [UInt32]
  ) throws(TallyError) {
    var at = 0
    while at < new.count {
      guard out.count <= Limits.textBytesMax else { throw .sql("54000", "text would be longer than \(Limits.textBytesMax) bytes") }
      guard new[at] == 0x5c, at + 1 < new.count else {
        out.append(new[at])
        at += 1
        continue
      }
      switch new[at + 1] {
      case 0x31...0x39:
        let number = Int(new[at + 1] - 0x31)
        if number < groups.count, let group = groups[number] { out += all[group] }
      case 0x26: out += all[match]
      case 0x5c: out.append(0x5c)
      default:
        out.append(0x5c)
        at += 1
        continue
      }
      at += 2
    }
  }
  /// The pieces between matches; empty matches split between characters, and none at the ends.
  static func split(_ all: [UInt32], _ regex: Regex) -> [String] {
    var result: [String] = []
    var start = 0
    for match in matches(regex, all, from: 0) {
      if match.isEmpty, match.lowerBound >= all.count || match.lowerBound == start { continue }
      result.append(text(ofScalars: all[start..<match.lowerBound]))
      start = match.upperBound
    }
    result.append(text(ofScalars: all[start...]))
    return result
  }
}

/// SIMILAR TO's patterns.
enum SimilarPattern {
  /// The pattern as a regular expression that matches the whole text.
  static func regex(_ pattern: String, escape: String) throws(TallyError) -> String {
    let mark = Array(escape.unicodeScalars)
    guard mark.count <= 1 else {
      throw .sql("22025", "invalid escape string", hint: "Escape string must be empty or one character.")
    }
    var out = "^(?:"
    var isAfterEscape = false
    var isInBracket = false
    for scalar in pattern.unicodeScalars {
      if isAfterEscape {
        // An escape-double-quote separates parts for substring(… FROM … FOR …), which is refused elsewhere.
        out.unicodeScalars.append("\\")
        out.unicodeScalars.append(scalar)
        isAfterEscape = false
      } else if let mark = mark.first, scalar == mark {
        isAfterEscape = true
      } else if isInBracket {
        if scalar == "\\" { out += "\\" }
        out.unicodeScalars.append(scalar)
        if scalar == "]" { isInBracket = false }
      } else {
        switch scalar {
        case "[":
          out += "["
          isInBracket = true
        case "%": out += ".*"
        case "_": out += "."
        case "(": out += "(?:"
        case "\\", ".", "^", "$":
          out += "\\"
          out.unicodeScalars.append(scalar)
        default: out.unicodeScalars.append(scalar)
        }
      }
    }
    return out + ")$"
  }
}
