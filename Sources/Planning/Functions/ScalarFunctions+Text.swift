// ScalarFunctions+Text.swift — functions of texts by characters (Unicode scalars); letters are ASCII's, as in collation C.
import Model

extension ScalarFunctions {
  static func text(_ function: Function, _ a: FunctionArguments, _ memory: inout FunctionMemory) throws(TallyError) -> Value {
    switch function {
    case .octetLength: return .fixed(Int64(a.text(0).utf8.count))
    case .bitLength: return .fixed(Int64(a.text(0).utf8.count * 8))
    case .initCap: return .text(initCap(a.text(0)))
    case .substring: return .text(text(ofScalars: try part(a.scalars(0), from: a.integer(1), count: a.count > 2 ? a.integer(2) : nil)))
    case .position: return .fixed(Int64((find(a.scalars(1), in: a.scalars(0), from: 0) ?? -1) + 1))
    case .left, .right:
      let (all, n) = (a.scalars(0), a.integer(1))
      // As PostgreSQL has it: the least number has no negation, and takes nothing away.
      if function == .right, n == Int64(Int32.min) { return .text(a.text(0)) }
      let kept = Int(n >= 0 ? min(n, Int64(all.count)) : max(0, Int64(all.count) + n))
      return .text(text(ofScalars: function == .left ? all.prefix(kept) : all.suffix(kept)))
    case .padLeft, .padRight: return .text(try padded(a, isLeft: function == .padLeft))
    case .trimLeft, .trimRight, .trimBoth:
      let characters = Set(a.count > 1 ? a.scalars(1) : [0x20])
      var all = a.scalars(0)[...]
      if function != .trimRight { all = all.drop { characters.contains($0) } }
      if function != .trimLeft { while let last = all.last, characters.contains(last) { all.removeLast() } }
      return .text(text(ofScalars: all))
    case .replace: return .text(try replaced(a.text(0), a.text(1), a.text(2)))
    case .translate:
      let (from, to) = (a.scalars(1), a.scalars(2))
      var places: [UInt32: UInt32?] = [:]
      for (index, character) in from.enumerated() where places[character] == nil {
        places[character] = .some(index < to.count ? to[index] : nil)
      }
      return .text(text(ofScalars: a.scalars(0).compactMap { places[$0] ?? $0 }))
    case .repeated:
      let count = max(0, a.integer(1))
      let size = Int64(a.text(0).utf8.count).multipliedReportingOverflow(by: count)
      guard !size.overflow, size.partialValue <= Int64(Limits.textBytesMax) else { throw .sql("54000", "requested length too large") }
      return .text(String(repeating: a.text(0), count: a.text(0).isEmpty ? 0 : Int(count)))
    case .assignText:
      let limit = UInt32(clamping: abs(max(a.integer(1), -Int64(Int32.max))))
      return .text(a.integer(1) >= 0 ? try ValueText.cut(a.text(0), limit) : try ValueText.padded(a.text(0), limit))
    case .reverse: return .text(text(ofScalars: a.scalars(0).reversed()))
    case .splitPart: return .text(try splitPart(a))
    case .format: return try format(a)
    case .quoteIdentifier: return .text(SQLQuoting.identifier(a.text(0)))
    case .quoteLiteral: return .text(SQLQuoting.literal(a.text(0)))
    case .quoteNullable: return .text(a.isNull(0) ? "NULL" : SQLQuoting.literal(a.text(0)))
    case .startsWith: return .fixed(a.text(0).utf8.starts(with: a.text(1).utf8) ? 1 : 0)
    case .ascii: return .fixed(Int64(a.scalars(0).first ?? 0))
    case .character:
      let code = a.integer(0)
      guard code != 0 else { throw .sql("54000", "null character not permitted") }
      guard code > 0 else { throw .sql("22023", "character number must be positive") }
      guard let narrow = UInt32(exactly: code), let scalar = Unicode.Scalar(narrow) else {
        throw .sql("54000", "requested character too large for encoding: \(code)")
      }
      return .text(String(scalar))
    case .md5:
      if case .bytes(let bytes) = a.values[0] { return .text(MD5.hexadecimal(bytes)) }
      return .text(MD5.hexadecimal(Array(a.text(0).utf8)))
    case .toHexadecimal:
      let value = a.integer(0)
      return .text(
        a.types[0] == .bigint ? String(UInt64(bitPattern: value), radix: 16) : String(UInt32(truncatingIfNeeded: value), radix: 16)
      )
    case .overlay:
      let (all, new, from) = (a.scalars(0), a.scalars(1), a.integer(2))
      guard from > 0 else { throw .sql("22011", "negative substring length not allowed") }
      let count = a.count > 3 ? a.integer(3) : Int64(new.count)
      let tail = max(0, min(Int64(all.count), from - 1 + count))
      return .text(text(ofScalars: all.prefix(Int(min(from - 1, Int64(all.count)))) + new + all.dropFirst(Int(tail))))
    case .concatenateAll, .concatenateWith:
      let parts = zip(a.values, a.types).dropFirst(function == .concatenateWith ? 1 : 0).compactMap { ValueText.print($0, as: $1) }
      if function == .concatenateWith, a.isNull(0) { return .null }
      return .text(try joined(parts, function == .concatenateWith ? a.text(0) : ""))
    case .stringToArray: return try stringToArray(a)
    case .arrayToString:
      if a.isNull(0) || a.isNull(1) { return .null }
      let array = try a.array(0)
      let null = a.count > 2 && !a.isNull(2) ? a.text(2) : nil
      return .text(try joined(array.elements.compactMap { ValueText.print($0, as: array.element) ?? null }, a.text(1)))
    case .likePattern: return .fixed(try LikePattern(a.text(1)).matches(Array(a.text(0).utf8)) ? 1 : 0)
    case .likeInsensitive:
      return .fixed(try LikePattern(lowered(a.text(1))).matches(Array(lowered(a.text(0)).utf8)) ? 1 : 0)
    case .likeEscape: return .text(try likeEscape(a.text(0), a.text(1)))
    case .similarEscape: return .text(try SimilarPattern.regex(a.text(0), escape: a.count > 1 ? a.text(1) : "\\"))
    default: return try regex(function, a, &memory)
    }
  }
  /// Texts with another between them; 54000 before a longer one than there may be is made.
  private static func joined(_ parts: [String], _ separator: String) throws(TallyError) -> String {
    let bytes = parts.reduce(max(0, parts.count - 1) * separator.utf8.count) { $0 + $1.utf8.count }
    guard bytes <= Limits.textBytesMax else { throw .sql("54000", "text would be longer than \(Limits.textBytesMax) bytes") }
    return parts.joined(separator: separator)
  }
  static func lowered(_ text: String) -> String {
    String(decoding: text.utf8.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }, as: UTF8.self)
  }
  private static func initCap(_ text: String) -> String {
    var isInside = false
    let bytes = text.utf8.map { byte -> UInt8 in
      let isLetter = (byte | 0x20) &- 0x61 < 26 && byte < 128
      defer { isInside = isLetter || byte &- 0x30 < 10 }
      guard isLetter else { return byte }
      return isInside ? byte | 0x20 : byte & 0xdf
    }
    return String(decoding: bytes, as: UTF8.self)
  }
  /// SQL's substring: positions from 1, which may lie outside.
  static func part<T>(_ all: [T], from: Int64, count: Int64?) throws(TallyError) -> ArraySlice<T> {
    guard let count else { return all[Int(min(max(0, from - 1), Int64(all.count)))...] }
    guard count >= 0 else { throw .sql("22011", "negative substring length not allowed") }
    let end = from.addingReportingOverflow(count)
    let last = end.overflow ? Int64(all.count) : min(Int64(all.count), end.partialValue - 1)
    let first = min(max(0, from - 1), Int64(all.count))
    return last > first ? all[Int(first)..<Int(last)] : []
  }
  static func find<T: Equatable>(_ part: [T], in all: [T], from: Int) -> Int? {
    if part.isEmpty { return from }
    guard all.count >= part.count else { return nil }
    var at = from
    while at + part.count <= all.count {
      if all[at] == part[0], all[at..<at + part.count].elementsEqual(part) { return at }
      at += 1
    }
    return nil
  }
  private static func padded(_ a: FunctionArguments, isLeft: Bool) throws(TallyError) -> String {
    let (all, fill) = (a.scalars(0), a.count > 2 ? a.scalars(2) : [0x20])
    let wanted = max(0, a.integer(1))
    guard wanted <= Int64(Limits.textBytesMax) else { throw .sql("54000", "requested length too large") }
    let count = Int(wanted)
    if all.count >= count || fill.isEmpty { return text(ofScalars: all.prefix(count)) }
    let extra = (0..<(count - all.count)).map { fill[$0 % fill.count] }
    return text(ofScalars: isLeft ? extra + all : all + extra)
  }
  private static func replaced(_ text: String, _ from: String, _ to: String) throws(TallyError) -> String {
    if from.isEmpty || text.isEmpty { return text }
    let (all, part, new) = (Array(text.utf8), Array(from.utf8), Array(to.utf8))
    var result: [UInt8] = []
    var at = 0
    while let next = find(part, in: all, from: at) {
      result += all[at..<next]
      result += new
      at = next + part.count
      guard result.count <= Limits.textBytesMax else { throw .sql("54000", "text would be longer than \(Limits.textBytesMax) bytes") }
    }
    result += all[at...]
    return String(decoding: result, as: UTF8.self)
  }
  /// The pieces between separators.
  private static func pieces(_ text: String, _ separator: String) -> [String] {
    let (all, part) = (Array(text.utf8), Array(separator.utf8))
    if part.isEmpty { return [text] }
    var result: [String] = []
    var at = 0
    while let next = find(part, in: all, from: at) {
      result.append(String(decoding: all[at..<next], as: UTF8.self))
      at = next + part.count
    }
    result.append(String(decoding: all[at...], as: UTF8.self))
    return result
  }
  private static func splitPart(_ a: FunctionArguments) throws(TallyError) -> String {
    let n = a.integer(2)
    guard n != 0 else { throw .sql("22023", "field position must not be zero") }
    if a.text(0).isEmpty { return "" }
    let parts = pieces(a.text(0), a.text(1))
    let at = n > 0 ? n - 1 : Int64(parts.count) + n
    return at >= 0 && at < Int64(parts.count) ? parts[Int(at)] : ""
  }
  private static func stringToArray(_ a: FunctionArguments) throws(TallyError) -> Value {
    if a.isNull(0) { return .null }
    let null = a.count > 2 && !a.isNull(2) ? a.text(2) : nil
    var parts: [String]
    if a.text(0).isEmpty {
      parts = []
    } else if a.isNull(1) {
      parts = a.text(0).unicodeScalars.map { String($0) }
    } else {
      parts = pieces(a.text(0), a.text(1))
    }
    return try ArrayValue(.text, parts.map { $0 == null ? .null : .text($0) }).value()
  }
  private static func likeEscape(_ pattern: String, _ escape: String) throws(TallyError) -> String {
    let mark = Array(escape.unicodeScalars)
    guard mark.count <= 1 else {
      throw .sql("22025", "invalid escape string", hint: "Escape string must be empty or one character.")
    }
    if mark == ["\\"] { return pattern }
    var result = String.UnicodeScalarView()
    var isAfterEscape = false
    for scalar in pattern.unicodeScalars {
      if let mark = mark.first, scalar == mark, !isAfterEscape {
        result.append("\\")
        isAfterEscape = true
      } else if scalar == "\\" {
        result.append("\\")
        if !isAfterEscape { result.append("\\") }
        isAfterEscape = false
      } else {
        result.append(scalar)
        isAfterEscape = false
      }
    }
    return String(result)
  }

  // MARK: format

  private static func format(_ a: FunctionArguments) throws(TallyError) -> Value {
    if a.isNull(0) { return .null }
    let all = Array(a.text(0).unicodeScalars)
    var out = String.UnicodeScalarView()
    var at = 0
    var nextArgument = 1
    var bytes = 0
    func number() throws(TallyError) -> Int? {
      let start = at
      var value = 0
      while at < all.count, all[at].value &- 0x30 < 10 {
        value = value * 10 + Int(all[at].value - 0x30)
        guard value <= Int(Int32.max) else { throw .sql("22003", "number is out of range") }
        at += 1
      }
      return at > start ? value : nil
    }
    var unterminated: TallyError {
      .sql("22023", "unterminated format() type specifier", hint: "For a single \"%\" use \"%%\".")
    }
    func argument(_ index: Int) throws(TallyError) -> Int {
      guard index != 0 else { throw .sql("22023", "format specifies argument 0, but arguments are numbered from 1") }
      guard index < a.count else { throw .sql("22023", "too few arguments for format()") }
      return index
    }
    while at < all.count {
      guard all[at] == "%" else {
        out.append(all[at])
        at += 1
        continue
      }
      at += 1
      guard at < all.count else { throw unterminated }
      if all[at] == "%" {
        out.append("%")
        at += 1
        continue
      }
      var position: Int?
      var width: Int?
      var isLeft = false
      if let first = try number() {
        if at < all.count, all[at] == "$" {
          at += 1
          position = first
          guard first != 0 else { throw .sql("22023", "format specifies argument 0, but arguments are numbered from 1") }
        } else {
          width = first
        }
      }
      if width == nil {
        while at < all.count, all[at] == "-" {
          isLeft = true
          at += 1
        }
        if at < all.count, all[at] == "*" {
          at += 1
          var index = nextArgument
          if let given = try number() {
            guard at < all.count, all[at] == "$" else {
              throw .sql("22023", "width argument position must be ended by \"$\"")
            }
            at += 1
            index = given
          }
          index = try argument(index)
          nextArgument = index + 1
          // An integer of four bytes, as which texts are read as well.
          if a.values[index].isNull {
            width = nil
          } else if case .fixed(let value) = try ValueText.parse(ValueText.print(a.values[index], as: a.types[index]) ?? "", as: .integer) {
            width = Int(value)
          }
          if let given = width, given < 0 {
            isLeft = true
            width = -given
          }
        } else {
          width = try number()
        }
      }
      guard at < all.count else { throw unterminated }
      let kind = all[at]
      at += 1
      let index = try argument(position ?? nextArgument)
      nextArgument = index + 1
      let text = ValueText.print(a.values[index], as: a.types[index])
      let shown: String
      switch kind {
      case "s": shown = text ?? ""
      case "I":
        guard let text else { throw .sql("22004", "null values cannot be formatted as an SQL identifier") }
        shown = SQLQuoting.identifier(text)
      case "L": shown = text.map(SQLQuoting.literal) ?? "NULL"
      default:
        throw .sql("22023", "unrecognized format() type specifier \"\(kind)\"", hint: "For a single \"%\" use \"%%\".")
      }
      let blanks = max(0, (width ?? 0) - shown.unicodeScalars.count)
      bytes += blanks + shown.utf8.count
      guard blanks <= Limits.textBytesMax, bytes <= Limits.textBytesMax else { throw .sql("54000", "requested length too large") }
      if !isLeft { out.append(contentsOf: repeatElement(" ", count: blanks)) }
      out.append(contentsOf: shown.unicodeScalars)
      if isLeft { out.append(contentsOf: repeatElement(" ", count: blanks)) }
    }
    return .text(String(out))
  }
}
