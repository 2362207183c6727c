// NDJSONLines.swift — lines of JSON objects → records of COPY's text form: the fields of each object in the order of the columns.
//
// One pass over the bytes and nothing allocated per row: a string without escapes and a number are copied as they stand, numbers never
// become doubles. Objects mostly have the same fields in the same order, so the name that stood in a place before is tried first. RFC 8259
// is kept to the letter where a value is taken apart; what goes into a column of type json or jsonb is checked by that type. Of a name that
// comes twice the last value counts, as in jsonb. Blank lines are none.
import Bytes
import Model

struct NDJSONLines: ~Copyable {
  /// A line with an object.
  struct Record {
    /// Lines before it in the chunk.
    var line: Int
    /// Its bytes, without the newline.
    var range: Range<Int>
  }
  private enum Kind: UInt8 {
    case missing
    case null
    /// A number, true or false; or a string's content that has no escapes.
    case plain
    case escaped
    case nested
  }
  /// Where a field's value stands; of a string the content.
  private struct Field {
    var start = 0
    var end = 0
    var kind = Kind.missing
  }
  private struct Wrong: Error {
    var message: String
    var at: Int
    /// Of a field that no column has.
    var unknown: TallyError?
  }
  /// A column, with its texts in `storage`.
  private struct Column {
    var name: UnsafePointer<UInt8>
    var nameCount: Int
    var missing: UnsafePointer<UInt8>
    var missingCount: Int
    var form: NDJSONPlan.Form
  }
  private let plan: NDJSONPlan
  private let columnCount: Int
  private let columns: UnsafeMutablePointer<Column>
  private let storage: UnsafeMutablePointer<UInt8>
  private let places: [String: Int]
  /// By column, for the line under way.
  private let fields: UnsafeMutablePointer<Field>
  /// Columns in the order of the line before; the number of columns stands for a field that is left out.
  private let guesses: UnsafeMutablePointer<Int>
  private var guessCount = 0
  private static let guessesMax = 512

  private var text: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private var count = 0
  /// Bytes of the line under way.
  private var lineBytes = 0
  /// Most bytes of a record beside its own values.
  private let fixedBytes: Int

  /// The records that were read, in order.
  private(set) var records: [Record] = []
  /// Lines that were left out, in order.
  private(set) var faults: [(record: Record, column: String?, error: TallyError)] = []

  init(_ plan: NDJSONPlan) {
    self.plan = plan
    columnCount = plan.names.count
    places = Dictionary(uniqueKeysWithValues: plan.names.enumerated().map { (String(decoding: $1, as: UTF8.self), $0) })
    columns = .allocate(capacity: columnCount)
    fields = .allocate(capacity: columnCount)
    fields.initialize(repeating: Field(), count: columnCount)
    guesses = .allocate(capacity: Self.guessesMax)
    storage = .allocate(capacity: plan.names.reduce(0) { $0 + $1.count } + plan.missing.reduce(0) { $0 + $1.count } + 1)
    var end = storage
    func kept(_ bytes: [UInt8]) -> UnsafePointer<UInt8> {
      let start = end
      for byte in bytes {
        end.initialize(to: byte)
        end += 1
      }
      return UnsafePointer(start)
    }
    for slot in 0..<columnCount {
      let (name, missing) = (plan.names[slot], plan.missing[slot])
      columns.advanced(by: slot).initialize(
        to: Column(
          name: kept(name),
          nameCount: name.count,
          missing: kept(missing),
          missingCount: missing.count,
          form: plan.forms[slot]
        )
      )
    }
    fixedBytes = plan.missing.reduce(0) { $0 + max($1.count, 2) + 1 } + 1
    capacity = 1 << 16
    text = .allocate(capacity: capacity)
  }
  deinit {
    text.deallocate()
    columns.deallocate()
    fields.deallocate()
    guesses.deallocate()
    storage.deallocate()
  }

  /// The records as text; valid until more is read.
  var output: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: text, count: count) }

  /// Reads lines of a chunk from `at` on, the first of which is line `line`; stops at the chunk's end, or when there is much text: a short
  /// line becomes a record of all columns and their defaults.
  mutating func read(_ bytes: UnsafeRawBufferPointer, from at: inout Int, _ line: inout Int) {
    records.removeAll(keepingCapacity: true)
    faults.removeAll()
    count = 0
    while at < bytes.count, count < Self.textBytesMax {
      let end = Self.lineEnd(bytes, at)
      var last = end
      if last > at, bytes[last - 1] == 0x0d { last -= 1 }
      let record = Record(line: line, range: at..<last)
      at = end + 1
      line += 1
      if Self.isBlank(bytes, record.range) { continue }
      let before = count
      do throws(TallyError) {
        try object(bytes, record.range)
        records.append(record)
      } catch {
        count = before
        // The detail names the field until the line is known.
        let column = error.detail
        faults.append((record, column, error))
      }
    }
  }
  private static let textBytesMax = 16 << 20
  private static func lineEnd(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int {
    var at = start
    // Eight bytes at a time: one that is a newline is zero after the exclusive or, and borrows.
    while at + 8 <= bytes.count {
      let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) ^ 0x0a0a_0a0a_0a0a_0a0a
      let found = (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
      if found != 0 { return at + found.trailingZeroBitCount / 8 }
      at += 8
    }
    while at < bytes.count, bytes[at] != 0x0a { at += 1 }
    return at
  }
  private static func isBlank(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
    range.allSatisfy { bytes[$0] == 0x20 || bytes[$0] == 0x09 || bytes[$0] == 0x0d }
  }

  // MARK: Objects

  private mutating func object(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(TallyError) {
    do throws(Wrong) { try scan(bytes, range) } catch {
      if let unknown = error.unknown { throw unknown }
      throw .sql("22P02", "invalid JSON: \(error.message) at byte \(error.at - range.lowerBound + 1)")
    }
    lineBytes = range.count
    reserve(2 * lineBytes + fixedBytes)
    for slot in 0..<columnCount {
      if slot > 0 { put(NDJSONPlan.delimiter) }
      do throws(TallyError) { try write(slot, bytes) } catch var error {
        error.detail = String(decoding: plan.names[slot], as: UTF8.self)
        throw error
      }
    }
    put(0x0a)
  }
  private mutating func scan(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(Wrong) {
    for slot in 0..<columnCount { fields[slot].kind = .missing }
    let end = range.upperBound
    var at = Self.skipped(bytes, range.lowerBound, end)
    guard at < end, bytes[at] == 0x7b else { throw Wrong(message: "expected an object", at: at) }
    at = Self.skipped(bytes, at + 1, end)
    var number = 0
    if at < end, bytes[at] == 0x7d {
      at += 1
    } else {
      while true {
        guard at < end, bytes[at] == 0x22 else { throw Wrong(message: "expected a name in quotes", at: at) }
        let slot: Int
        if number < guessCount, let next = guessed(bytes, at + 1, end, guesses[number]) {
          slot = guesses[number]
          at = next
        } else {
          let name = try Self.string(bytes, at + 1, end)
          slot = try place(bytes, name, number)
          at = name.end + 1
        }
        number += 1
        at = Self.skipped(bytes, at, end)
        guard at < end, bytes[at] == 0x3a else { throw Wrong(message: "expected \":\"", at: at) }
        at = Self.skipped(bytes, at + 1, end)
        let value: Field
        (value, at) = try Self.value(bytes, at, end)
        if slot < columnCount { fields[slot] = value }
        at = Self.skipped(bytes, at, end)
        guard at < end else { throw Wrong(message: "the object has no end", at: at) }
        if bytes[at] == 0x2c {
          at = Self.skipped(bytes, at + 1, end)
          continue
        }
        guard bytes[at] == 0x7d else { throw Wrong(message: "expected \",\" or \"}\"", at: at) }
        at += 1
        break
      }
    }
    at = Self.skipped(bytes, at, end)
    guard at == end else { throw Wrong(message: "expected the end of the line", at: at) }
  }
  /// The index behind a name and its quote, if it is that column's.
  @inline(__always) private func guessed(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int, _ slot: Int) -> Int? {
    if slot == columnCount { return nil }
    let column = columns[slot]
    guard start + column.nameCount < end, bytes[start + column.nameCount] == 0x22 else { return nil }
    for i in 0..<column.nameCount where column.name[i] != bytes[start + i] { return nil }
    return start + column.nameCount + 1
  }
  /// The column of a name.
  private mutating func place(_ bytes: UnsafeRawBufferPointer, _ name: Field, _ number: Int) throws(Wrong) -> Int {
    let raw = UnsafeRawBufferPointer(rebasing: bytes[name.start..<name.end])
    let text: String
    do throws(TallyError) {
      text = name.kind == .plain ? String(decoding: raw, as: UTF8.self) : String(decoding: try Self.unescaped(raw), as: UTF8.self)
    } catch { throw Wrong(message: error.message, at: name.start, unknown: nil) }
    let found = places[text]
    if found == nil, !plan.ignoresUnknownFields { throw Wrong(message: "", at: name.start, unknown: unknown(text)) }
    if number <= guessCount, number < Self.guessesMax {
      guesses[number] = found ?? columnCount
      guessCount = max(guessCount, number + 1)
    }
    return found ?? columnCount
  }
  private func unknown(_ name: String) -> TallyError {
    if plan.unloadable.contains(name) {
      return .sql("0A000", "column \"\(name)\" cannot be loaded from JSON", hint: "Load what the sketch is made of.")
    }
    return .sql(
      "42703",
      "column \"\(name)\" of relation \"\(plan.inner.table.name)\" does not exist",
      hint: "Add the column, or have unknown fields ignored (tally ingest --ignore-unknown)."
    )
  }

  // MARK: Values

  @inline(__always) private static func skipped(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> Int {
    var at = start
    while at < end, bytes[at] == 0x20 || bytes[at] == 0x09 || bytes[at] == 0x0d { at += 1 }
    return at
  }
  /// A string's content, from behind its first quote; it ends at its last one.
  @inline(__always) private static func string(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int) throws(Wrong) -> Field {
    var at = start
    var kind = Kind.plain
    while at < end {
      // Eight bytes at a time, as long as none is a quote, a backslash or a control character.
      while at + 8 <= end {
        let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
        let quote = word ^ 0x2222_2222_2222_2222
        let slash = word ^ 0x5c5c_5c5c_5c5c_5c5c
        let ones: UInt64 = 0x0101_0101_0101_0101
        let found =
          ((quote &- ones) & ~quote | (slash &- ones) & ~slash | (word &- ones &* 0x20) & ~word) & 0x8080_8080_8080_8080
        if found != 0 {
          at += found.trailingZeroBitCount / 8
          break
        }
        at += 8
      }
      if at >= end { break }
      let byte = bytes[at]
      if byte == 0x22 { return Field(start: start, end: at, kind: kind) }
      if byte == 0x5c {
        kind = .escaped
        at += 1
      } else if byte < 0x20 {
        throw Wrong(message: "a control character in a string", at: at)
      }
      at += 1
    }
    throw Wrong(message: "a string has no end", at: start)
  }
  @inline(__always) private static func value(
    _ bytes: UnsafeRawBufferPointer,
    _ start: Int,
    _ end: Int
  ) throws(Wrong) -> (Field, next: Int) {
    guard start < end else { throw Wrong(message: "expected a value", at: start) }
    switch bytes[start] {
    case 0x22:
      let field = try string(bytes, start + 1, end)
      return (field, field.end + 1)
    case 0x2d, 0x30...0x39:
      let last = try number(bytes, start, end)
      return (Field(start: start, end: last, kind: .plain), last)
    case 0x7b, 0x5b: return try nested(bytes, start, end)
    case 0x74: return (Field(start: start, end: start + 4, kind: .plain), try word("true", bytes, start, end))
    case 0x66: return (Field(start: start, end: start + 5, kind: .plain), try word("false", bytes, start, end))
    case 0x6e: return (Field(start: start, end: start + 4, kind: .null), try word("null", bytes, start, end))
    default: throw Wrong(message: "expected a value", at: start)
    }
  }
  private static func word(_ word: StaticString, _ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int) throws(Wrong) -> Int {
    let count = word.utf8CodeUnitCount
    guard end - start >= count, (0..<count).allSatisfy({ bytes[start + $0] == word.utf8Start[$0] }) else {
      throw Wrong(message: "expected \(word)", at: start)
    }
    return start + count
  }
  /// The end of a number by JSON's grammar.
  @inline(__always) private static func number(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int) throws(Wrong) -> Int {
    var at = start
    func isDigit(_ at: Int) -> Bool { at < end && bytes[at] &- 0x30 < 10 }
    if bytes[at] == 0x2d { at += 1 }
    guard isDigit(at) else { throw Wrong(message: "expected a digit", at: at) }
    if bytes[at] == 0x30 { at += 1 } else { while isDigit(at) { at += 1 } }
    if isDigit(at) { throw Wrong(message: "a number begins with 0", at: start) }
    if at < end, bytes[at] == 0x2e {
      at += 1
      guard isDigit(at) else { throw Wrong(message: "expected a digit", at: at) }
      while isDigit(at) { at += 1 }
    }
    if at < end, bytes[at] | 0x20 == 0x65 {
      at += 1
      if at < end, bytes[at] == 0x2b || bytes[at] == 0x2d { at += 1 }
      guard isDigit(at) else { throw Wrong(message: "expected a digit", at: at) }
      while isDigit(at) { at += 1 }
    }
    return at
  }
  /// An object or array: where its brackets close. What is within is checked by whoever takes it.
  private static func nested(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int) throws(Wrong) -> (Field, next: Int) {
    var depth = 0
    var at = start
    while at < end {
      switch bytes[at] {
      case 0x22: at = try string(bytes, at + 1, end).end
      case 0x7b, 0x5b:
        depth += 1
        guard depth <= Limits.depthMax else { throw Wrong(message: "nesting deeper than \(Limits.depthMax)", at: at) }
      case 0x7d, 0x5d: depth -= 1
      default: break
      }
      at += 1
      if depth == 0 { return (Field(start: start, end: at, kind: .nested), at) }
    }
    throw Wrong(message: "an object or array has no end", at: start)
  }
  /// A string's content without its escapes, as UTF-8.
  private static func unescaped(_ content: UnsafeRawBufferPointer) throws(TallyError) -> [UInt8] {
    // Through the parser of jsonb, whose errors about surrogates and \u0000 are PostgreSQL's.
    let quoted = [0x22] + Array(content) + [0x22]
    guard case .string(let text) = try document(quoted) else { return [] }
    return Array(text.utf8)
  }
  private static func document(_ bytes: [UInt8]) throws(TallyError) -> JSONValue {
    let result = bytes.withUnsafeBytes { raw -> Result<JSONValue, TallyError> in
      do throws(TallyError) { return .success(try JSONValue(parsing: raw)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  // MARK: Text form

  @inline(__always) private mutating func write(_ slot: Int, _ bytes: UnsafeRawBufferPointer) throws(TallyError) {
    let field = fields[slot]
    switch field.kind {
    case .missing: put(UnsafeRawPointer(columns[slot].missing), columns[slot].missingCount)
    case .null:
      put(0x5c)
      put(0x4e)
    case .plain:
      // Of a string the content: its quote stands before it.
      let isQuoted = columns[slot].form == .document && field.start > 0 && bytes[field.start - 1] == 0x22
      if isQuoted { put(0x22) }
      if field.end - field.start <= 16, field.start + 16 <= bytes.count {
        // Short ones by two words, whatever is behind them.
        let words = bytes.loadUnaligned(fromByteOffset: field.start, as: (UInt64, UInt64).self)
        UnsafeMutableRawPointer(text + count).storeBytes(of: words, as: (UInt64, UInt64).self)
        count += field.end - field.start
      } else if let base = bytes.baseAddress {
        put(base + field.start, field.end - field.start)
      }
      if isQuoted { put(0x22) }
    case .escaped, .nested: try writeSlowly(slot, UnsafeRawBufferPointer(rebasing: bytes[field.start..<field.end]))
    }
  }
  @inline(never) private mutating func writeSlowly(_ slot: Int, _ raw: UnsafeRawBufferPointer) throws(TallyError) {
    let form = columns[slot].form
    if fields[slot].kind == .escaped {
      putEscaped(form == .document ? [0x22] + Array(raw) + [0x22] : try Self.unescaped(raw))
    } else {
      if form == .document { return putEscaped(Array(raw)) }
      let value = try Self.document(Array(raw))
      if form == .array, case .array(let items) = value {
        return putEscaped(Array(try Self.array(items).utf8))
      }
      putEscaped(Array(raw))
    }
  }
  /// PostgreSQL's text of an array.
  private static func array(_ items: [JSONValue]) throws(TallyError) -> String {
    var texts: [Value] = []
    for item in items {
      switch item {
      case .null: texts.append(.null)
      case .string(let text): texts.append(.text(text))
      case .array: throw .sql("0A000", "arrays of more than one dimension are not supported")
      default: texts.append(.text(item.text))
      }
    }
    var out = ByteWriter()
    ArrayValue(.text, texts).write(into: &out)
    return String(decoding: out.finish(), as: UTF8.self)
  }
  /// Appends bytes as COPY's text form has them within a field.
  static func escape(_ bytes: [UInt8], into out: inout [UInt8]) {
    for byte in bytes {
      switch byte {
      case 0x5c: out += [0x5c, 0x5c]
      case 0x09: out += [0x5c, 0x74]
      case 0x0a: out += [0x5c, 0x6e]
      case 0x0d: out += [0x5c, 0x72]
      default: out.append(byte)
      }
    }
  }
  private mutating func putEscaped(_ bytes: [UInt8]) {
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count + 8)
    Self.escape(bytes, into: &out)
    // May be longer than what was reserved for the line; what follows in the line needs its own.
    reserve(out.count + 2 * lineBytes + fixedBytes)
    out.withUnsafeBytes { if let base = $0.baseAddress { put(base, $0.count) } }
  }
  private mutating func reserve(_ more: Int) {
    // Sixteen more, because short values are stored as so many bytes.
    let wanted = count + more + 16
    if wanted <= capacity { return }
    let next = max(capacity * 2, wanted)
    let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: next)
    moved.update(from: text, count: count)
    text.deallocate()
    (text, capacity) = (moved, next)
  }
  @inline(__always) private mutating func put(_ byte: UInt8) {
    text[count] = byte
    count += 1
  }
  @inline(__always) private mutating func put(_ bytes: UnsafeRawPointer, _ length: Int) {
    UnsafeMutableRawPointer(text + count).copyMemory(from: bytes, byteCount: length)
    count += length
  }
}
