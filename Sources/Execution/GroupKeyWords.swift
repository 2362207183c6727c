// GroupKeyWords.swift — key values as 64-bit words that are equal exactly when the values are.
//
// Fixed values stay as they are, doubles become normalised bits, texts, numerics and intervals the code an interner gives them: texts whose
// equal values may differ in their bytes by those that do not (EqualForm). A probe gives no codes: what it has never seen becomes
// `unknown`, which no code is.
import Bytes
import Columns
import Model

/// Turns the values of one key column into words.
final class GroupKeyWords {
  let type: DataType
  private var interner = TextInterner(expected: 64)
  // The dictionary that `remap` translates; held so that its address is not given to another.
  private var dictionary: TextDictionary?
  private var remap: [UInt32] = []
  // The same for probes: words of a dictionary's codes, `Int64.min` where not asked for yet. Right while nothing is interned between.
  private var probedDictionary: TextDictionary?
  private var probedWords: [Int64] = []
  // The value shown for each code: of equal numerics the one with most digits, of equal intervals the one with most months, then
  // days, of texts the longest, then the last; so that the order in which shards answer shows nowhere.
  private var texts: [[UInt8]] = []
  private let needsForms: Bool
  private var numerics: [Numeric] = []
  private var intervals: [Interval] = []

  init(_ type: DataType) {
    self.type = type
    needsForms = EqualForm.isNeeded(type)
  }

  var internedCount: Int { interner.count }
  /// The word of a text, numeric or interval that a probe does not know.
  static let unknown: Int64 = -1
  private var isProbing = false

  /// Words of rows that are only looked for: the interner does not grow.
  func probeWords(_ column: ColumnVector) -> [Int64] {
    isProbing = true
    defer { isProbing = false }
    return words(column)
  }
  private func code(_ text: UnsafeRawBufferPointer) -> Int64 {
    isProbing ? interner.find(text).map { Int64($0) } ?? Self.unknown : Int64(interner.intern(text))
  }

  /// Words of a column's rows; NULL rows get 0.
  func words(_ column: ColumnVector) -> [Int64] {
    if !isProbing { probedDictionary = nil }
    var words = anyWords(column)
    // A NULL text holds code 0, whose word differs between dictionaries.
    if type.layout == .text, let validity = column.validity {
      for row in words.indices where !validity[row] { words[row] = 0 }
    }
    return words
  }
  private func anyWords(_ column: ColumnVector) -> [Int64] {
    switch column.values {
    case .fixed(let v): return v
    case .double(let v): return v.map(Self.word)
    case .codes(let codes, let dictionary) where needsForms:
      var known = [Int64](repeating: .min, count: dictionary.count)
      return codes.enumerated().map { row, code in
        if column.isNull(row) { return 0 }
        if known[Int(code)] == .min { known[Int(code)] = dictionary.withText(code) { formed($0) } }
        return known[Int(code)]
      }
    case .text(let texts) where needsForms:
      return texts.bytes.withUnsafeBytes { raw in
        (0..<texts.count).map { row in
          if column.isNull(row) { return 0 }
          return formed(UnsafeRawBufferPointer(rebasing: raw[Int(texts.offsets[row])..<Int(texts.offsets[row + 1])]))
        }
      }
    case .codes(let codes, let texts): return self.words(codes, texts)
    case .text(let texts):
      return texts.bytes.withUnsafeBytes { raw in
        (0..<texts.count).map { row in
          code(
            UnsafeRawBufferPointer(
              rebasing: raw[Int(texts.offsets[row])..<Int(texts.offsets[row + 1])]
            )
          )
        }
      }
    case .numeric(let v):
      return v.enumerated().map { row, value in
        if column.isNull(row) { return 0 }
        let code = intern(Self.canonical(value))
        if isProbing { return code }
        if Int(code) == numerics.count {
          numerics.append(value)
        } else if value.scale > numerics[Int(code)].scale {
          numerics[Int(code)] = value
        }
        return code
      }
    case .interval(let v):
      return v.enumerated().map { row, value in
        if column.isNull(row) { return 0 }
        let code = intern((value.span, 0))
        if isProbing { return code }
        if Int(code) == intervals.count {
          intervals.append(value)
        } else if (value.months, value.days) > (
          intervals[Int(code)].months, intervals[Int(code)].days
        ) {
          intervals[Int(code)] = value
        }
        return code
      }
    case .hll, .topn: fatalError("a \(type.name) is no key")
    }
  }
  /// The bits of a double, with one zero and one NaN, as PostgreSQL compares them.
  @inline(__always) static func word(_ value: Double) -> Int64 {
    Int64(bitPattern: value == 0 ? 0 : value.isNaN ? Double.nan.bitPattern : value.bitPattern)
  }
  private static func canonical(_ value: Numeric) -> (Int128, Int64) {
    var (coefficient, scale) = (value.coefficient, Int64(value.scale))
    if coefficient == 0 { return (0, 0) }
    while scale > 0 && coefficient % 10 == 0 {
      (coefficient, scale) = (coefficient / 10, scale - 1)
    }
    return (coefficient, scale)
  }
  /// The code of a text by its form.
  private func formed(_ text: UnsafeRawBufferPointer) -> Int64 {
    let form = EqualForm.of(text, type)
    let code = form.map { $0.withUnsafeBytes { self.code($0) } } ?? self.code(text)
    if isProbing { return code }
    if Int(code) == texts.count {
      texts.append(Array(text))
    } else if text.count > texts[Int(code)].count
      || text.count == texts[Int(code)].count && texts[Int(code)].lexicographicallyPrecedes(text)
    {
      texts[Int(code)] = Array(text)
    }
    return code
  }
  private func intern(_ key: (Int128, Int64)) -> Int64 {
    var bytes = (
      UInt64(truncatingIfNeeded: key.0), UInt64(truncatingIfNeeded: key.0 >> 64),
      UInt64(bitPattern: key.1)
    )
    return withUnsafeBytes(of: &bytes) { code($0) }
  }
  private func words(_ codes: [UInt32], _ texts: TextDictionary) -> [Int64] {
    if texts.count == 0 { return [Int64](repeating: 0, count: codes.count) }
    if isProbing { return probed(codes, texts) }
    if texts !== dictionary {
      dictionary = texts
      remap = [UInt32](repeating: .max, count: texts.count)
    }
    return texts.bytes.withUnsafeBytes { raw in
      remap.withUnsafeMutableBufferPointer { remap in
        codes.withUnsafeBufferPointer { codes in
          [Int64](unsafeUninitializedCapacity: codes.count) { out, written in
            for row in 0..<codes.count {
              let code = Int(codes[row])
              var word = remap[code]
              if word == .max {
                word = interner.intern(
                  UnsafeRawBufferPointer(
                    rebasing: raw[Int(texts.offsets[code])..<Int(texts.offsets[code + 1])]
                  )
                )
                remap[code] = word
              }
              out[row] = Int64(word)
            }
            written = codes.count
          }
        }
      }
    }
  }
  private func probed(_ codes: [UInt32], _ texts: TextDictionary) -> [Int64] {
    if texts !== probedDictionary {
      probedDictionary = texts
      probedWords = [Int64](repeating: .min, count: texts.count)
    }
    return texts.bytes.withUnsafeBytes { raw in
      probedWords.withUnsafeMutableBufferPointer { words in
        codes.map { code in
          let at = Int(code)
          if words[at] == .min {
            words[at] = self.code(
              UnsafeRawBufferPointer(rebasing: raw[Int(texts.offsets[at])..<Int(texts.offsets[at + 1])])
            )
          }
          return words[at]
        }
      }
    }
  }
  /// A column of the values the words stand for.
  func column(_ words: [Int64], validity: Bitmap?) -> ColumnVector {
    let values: ColumnVector.Values
    switch type.layout {
    case .fixed: values = .fixed(words)
    case .double: values = .double(words.map { Double(bitPattern: UInt64(bitPattern: $0)) })
    case .text where needsForms:
      var shown = TextColumn()
      for text in texts { text.withUnsafeBytes { shown.append($0) } }
      values = .codes(words.map { UInt32($0) }, TextDictionary(offsets: shown.offsets, bytes: shown.bytes))
    case .text: values = .codes(words.map { UInt32($0) }, interner.dictionary())
    case .numeric:
      values = .numeric(
        words.enumerated().map { validity?[$0] == false ? Numeric(0) : numerics[Int($1)] }
      )
    case .interval:
      values = .interval(
        words.enumerated().map { validity?[$0] == false ? Interval() : intervals[Int($1)] }
      )
    case .hll, .topn: fatalError("a \(type.name) is no key")
    }
    return ColumnVector(type, values, validity: validity)
  }
}
