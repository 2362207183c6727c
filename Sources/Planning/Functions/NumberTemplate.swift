// NumberTemplate.swift — the templates of to_char and to_number for numbers, as in locale C.
//
// Known: 9 0 . D , G FM S MI PL SG PR L B TH and literals. V, EEEE and RN are refused (0A000).
import Bytes
import Model

/// A template taken apart.
struct NumberTemplate {
  /// What is formatted.
  enum Subject {
    case number(Numeric)
    case float(Double, isReal: Bool)
    case special(Double)
  }
  private enum Part {
    /// 9, or 0 when it forces a zero.
    case digit(isZero: Bool)
    case point
    case comma
    case minus
    case plus
    case sign
    case ordinal(isUpper: Bool)
    case literal(Unicode.Scalar)
  }
  private enum Anchor {
    case none
    case before
    case after
    case brackets
  }
  private var parts: [Part] = []
  private var isFilled = false
  private var anchor = Anchor.none
  private var hasOwnSign = false
  private var whole = 0
  private var places = 0
  private var hasPoint = false

  init(_ template: String) throws(TallyError) {
    let all = Array(template.unicodeScalars)
    var at = 0
    func begins(_ word: String) -> Bool {
      let scalars = Array(word.unicodeScalars)
      guard all.count - at >= scalars.count else { return false }
      return zip(all[at...], scalars).allSatisfy { own, wanted in
        own == wanted || own.isASCII && own.value & 0xdf == wanted.value && wanted.value >= 0x41 && wanted.value <= 0x5a
      }
    }
    func takes(_ word: String) -> Bool {
      guard begins(word) else { return false }
      at += word.unicodeScalars.count
      return true
    }
    while at < all.count {
      if begins("EEEE") || begins("RN") || begins("V") {
        throw .sql("0A000", "number format \"\(all[at])\" is not supported")
      }
      if takes("FM") {
        isFilled = true
      } else if takes("9") {
        parts.append(.digit(isZero: false))
        if hasPoint { places += 1 } else { whole += 1 }
      } else if takes("0") {
        parts.append(.digit(isZero: true))
        if hasPoint { places += 1 } else { whole += 1 }
      } else if takes(".") || takes("D") {
        guard !hasPoint else { throw .sql("42601", "multiple decimal points") }
        hasPoint = true
        parts.append(.point)
      } else if takes(",") || takes("G") {
        parts.append(.comma)
      } else if takes("MI") {
        parts.append(.minus)
        hasOwnSign = true
      } else if takes("PL") {
        parts.append(.plus)
      } else if takes("SG") {
        parts.append(.sign)
        hasOwnSign = true
      } else if takes("PR") {
        anchor = .brackets
      } else if takes("S") {
        guard anchor == .none else { throw .sql("42601", "cannot use \"S\" twice") }
        anchor = whole + places > 0 ? .after : .before
      } else if begins("TH") {
        parts.append(.ordinal(isUpper: all[at] == "T"))
        at += 2
      } else if takes("L") {
        parts.append(.literal(" "))
      } else if takes("B") {
        // Says nothing that PostgreSQL's output shows.
        continue
      } else if all[at] == "\"" {
        at += 1
        while at < all.count, all[at] != "\"" {
          if all[at] == "\\", at + 1 < all.count { at += 1 }
          parts.append(.literal(all[at]))
          at += 1
        }
        at += 1
      } else {
        parts.append(.literal(all[at]))
        at += 1
      }
    }
  }

  // MARK: Formatting

  func format(_ subject: Subject) throws(TallyError) -> String {
    let number: Numeric
    var isNegative: Bool
    var places = self.places
    switch subject {
    case .number(let exact):
      number = try exact.rounded(toScale: min(places, 38 - 1))
      isNegative = number.coefficient < 0
    case .float(let value, let isReal):
      // No more digits than the type has; what is too long for the template is not looked at.
      let digits = value.magnitude < 10 ? 1 : Int(value.magnitude.exponent) * 30103 / 100_000 + 1
      places = max(0, min(places, (isReal ? 6 : 15) - digits))
      isNegative = value.sign == .minus
      if digits > whole + 1 { return layOut(Self.filled(whole), Self.filled(places), isNegative: isNegative, isZeroWhole: false) }
      number = try Self.rounded(value, places)
    case .special(let value):
      isNegative = value < 0
      let isShown = value.isNaN && whole >= 3
      return layOut(
        isShown ? Array("NaN".utf8) : Self.filled(whole),
        isShown ? [] : Self.filled(places),
        isNegative: isNegative,
        isZeroWhole: false
      )
    }
    var writer = ByteWriter()
    NumericText.write(
      Numeric(coefficient: number.coefficient < 0 ? -number.coefficient : number.coefficient, scale: number.scale),
      into: &writer
    )
    let text = writer.finish()
    let point = text.firstIndex(of: 0x2e) ?? text.count
    var digits = Array(text[..<point])
    var fraction = Array(text[min(text.count, point + 1)...])
    while fraction.count < places { fraction.append(0x30) }
    let isZeroWhole = digits == [0x30]
    if digits.count > whole {
      digits = Self.filled(whole)
      fraction = Self.filled(places)
    }
    return layOut(digits, fraction, isNegative: isNegative, isZeroWhole: isZeroWhole)
  }
  /// What stands for digits that do not fit.
  private static func filled(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x23, count: count) }
  /// A double rounded to places as printf does: by its exact value, ties to even.
  private static func rounded(_ value: Double, _ places: Int) throws(TallyError) -> Numeric {
    let power = (0..<min(places, 22)).reduce(1.0) { result, _ in result * 10 }
    let product = value * power
    guard product.magnitude < 0x1p53, places <= 15 else { return try Numeric(double: value).rounded(toScale: min(places, 37)) }
    var whole = product.rounded(.toNearestOrEven)
    let below = product.rounded(.down)
    if product - below == 0.5 {
      let error = (-product).addingProduct(value, power)
      if error > 0 { whole = below + 1 } else if error < 0 { whole = below }
    }
    return Numeric(coefficient: Int128(whole), scale: UInt8(places))
  }
  private func layOut(_ digits: [UInt8], _ fraction: [UInt8], isNegative: Bool, isZeroWhole: Bool) -> String {
    let padding = whole - digits.count
    let firstZero = firstForcedZero
    // With a fraction behind it a lone zero before the point shows only where the template says 0.
    let hidesZero = isZeroWhole && hasPoint && places > 0 && (firstZero.map { $0 >= whole } ?? true)
    var shownFraction = fraction.count
    if isFilled {
      while shownFraction > 0, fraction[shownFraction - 1] == 0x30, !isForced(shownFraction - 1) { shownFraction -= 1 }
    }
    // FM9.9 of 0 is `0.`.
    let keepsZero = hidesZero && isFilled && shownFraction == 0
    var out = String.UnicodeScalarView()
    var (index, place) = (0, 0)
    var (isStarted, isSigned) = (false, false)
    let totals = whole + places
    var seen = 0
    func sign() {
      if isSigned { return }
      isSigned = true
      switch anchor {
      case .before: out.append(isNegative ? "-" : "+")
      case .brackets: out.append(isNegative ? "<" : " ")
      case .after: break
      case .none:
        if hasOwnSign { return }
        if isNegative { out.append("-") } else if !isFilled { out.append(" ") }
      }
    }
    func close() {
      seen += 1
      guard seen == totals else { return }
      if anchor == .after, digits.first != UInt8(ascii: "N") { out.append(isNegative ? "-" : "+") }
      if anchor == .brackets, isSigned { if isNegative { out.append(">") } else if !isFilled || !isNegative { out.append(" ") } }
    }
    for part in parts {
      switch part {
      case .digit where index < whole:
        let isPadding = index < padding
        let isForced = firstZero.map { $0 <= index } ?? false
        if isPadding, !isForced {
          if !isFilled { out.append(" ") }
        } else if isPadding {
          sign()
          out.append("0")
          isStarted = true
        } else if hidesZero, index == whole - 1, !keepsZero {
          if !isFilled { out.append(" ") }
        } else {
          sign()
          out.append(Unicode.Scalar(digits[index - padding]))
          isStarted = true
        }
        index += 1
        close()
      case .digit:
        if place < shownFraction {
          sign()
          out.append(Unicode.Scalar(fraction[place]))
        }
        place += 1
        close()
      case .point:
        // NaN has none.
        if digits.first == UInt8(ascii: "N") { continue }
        sign()
        out.append(".")
      case .comma: if isStarted { out.append(",") } else if !isFilled { out.append(" ") }
      case .minus: if isNegative { out.append("-") } else if !isFilled { out.append(" ") }
      case .plus: if !isNegative { out.append("+") } else if !isFilled { out.append(" ") }
      case .sign: out.append(isNegative ? "-" : "+")
      case .ordinal(let isUpper):
        guard !isNegative, !hasPoint, digits.first.map({ $0 &- 0x30 < 10 }) ?? false else { continue }
        let suffix = TimeTemplate.suffix(String(decoding: digits, as: UTF8.self))
        out.append(contentsOf: (isUpper ? suffix.uppercased() : suffix).unicodeScalars)
      case .literal(let scalar): out.append(scalar)
      }
    }
    return String(out)
  }
  /// Index of the first digit that is 0 in the template.
  private var firstForcedZero: Int? {
    var index = 0
    for part in parts {
      if case .digit(let isZero) = part {
        if isZero { return index }
        index += 1
      }
    }
    return nil
  }
  /// Whether a digit of the fraction, or one behind it, is 0 in the template.
  private func isForced(_ place: Int) -> Bool {
    var index = -whole
    for part in parts {
      if case .digit(let isZero) = part {
        if index >= place, isZero { return true }
        index += 1
      }
    }
    return false
  }

  // MARK: Parsing

  /// Reads a number as the template lays it out; a text that does not is refused (0A000), where PostgreSQL would read a part of it.
  func parse(_ text: String) throws(TallyError) -> Numeric {
    let all = Array(text.unicodeScalars)
    var at = 0
    var digits = ""
    var isNegative = false
    while at < all.count, all[at].properties.isWhitespace { at += 1 }
    func takeSign() {
      guard at < all.count, all[at] == "-" || all[at] == "+" || all[at] == "<" else { return }
      isNegative = isNegative || all[at] != "+"
      at += 1
    }
    takeSign()
    for part in parts {
      guard at < all.count else { break }
      switch part {
      case .digit:
        if digits.isEmpty { takeSign() }
        guard at < all.count, all[at].value &- 0x30 < 10 else { continue }
        digits.unicodeScalars.append(all[at])
        at += 1
      case .point:
        guard all[at] == "." else { continue }
        digits += "."
        at += 1
      case .comma: if all[at] == "," { at += 1 }
      case .minus, .plus, .sign: takeSign()
      case .ordinal: at = min(all.count, at + 2)
      case .literal: if !(all[at].value &- 0x30 < 10), all[at] != "-", all[at] != "." { at += 1 }
      }
    }
    takeSign()
    guard digits.utf8.contains(where: { $0 &- 0x30 < 10 }) || at < all.count else {
      throw .sql("22P02", "invalid input syntax for type numeric: \"\(text.isEmpty ? " " : text)\"")
    }
    let shown = (isNegative ? "-" : "") + (digits.isEmpty ? "0" : digits)
    guard case .numeric(let number) = try ValueText.parse(shown, as: .plainNumeric) else { return Numeric(0) }
    while at < all.count, all[at].properties.isWhitespace || all[at] == ">" { at += 1 }
    guard at == all.count else {
      throw .sql("0A000", "a text that does not follow its template is not supported: \"\(text)\"")
    }
    return Int(number.scale) > places ? try number.rounded(toScale: places) : number
  }
}
