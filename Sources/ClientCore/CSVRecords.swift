// CSVRecords.swift — CSV bytes as records of fields: RFC 4180 as PostgreSQL's COPY reads it.
//
// A record ends at LF or CRLF outside of quotes, a field at the delimiter outside of quotes. A quote toggles quoting anywhere
// in a field; `""` inside quotes is one quote. An unquoted field equal to the NULL text is NULL, a quoted one never. An
// empty line is a record with one empty field.
import Bytes
public import Model

/// How a CSV file is written.
public struct CSVFormat: Hashable, Sendable {
  /// What may end a line.
  public enum LineEnds: Hashable, Sendable {
    /// LF or CRLF, as each line has it.
    case any
    /// LF only: a carriage return anywhere is refused.
    case lf
    /// CRLF only: one that is missing, and a carriage return anywhere else, is refused.
    case crlf
  }
  /// Between fields.
  public var delimiter: UInt8
  /// Unquoted text that means NULL.
  public var nullText: [UInt8]
  /// Around fields; two within quotes are one.
  public var quote: UInt8 = 0x22
  /// COPY's text form instead of CSV: no quotes, a backslash takes the meaning of what is behind it, and the NULL text is compared with
  /// the field as written.
  public var hasEscapes = false
  /// What may end a line.
  public var lineEnds = LineEnds.any
  /// Makes a format; PostgreSQL's defaults: comma, empty is NULL.
  public init(delimiter: UInt8 = 0x2c, nullText: [UInt8] = []) {
    self.delimiter = delimiter
    self.nullText = nullText
  }
}

/// Where the fields of some CSV bytes lie.
///
/// Owns its memory, which it keeps from chunk to chunk.
///
/// Field k starts at `entries[k] & TextScan.offsetMask` and ends one byte before the same of `entries[k + 1]`, whose upper
/// bits tell whether it ends the record and whether it has quotes.
public struct CSVFields: ~Copyable {
  /// One more than there are fields.
  public private(set) var entries: UnsafeMutablePointer<UInt32>
  private var capacity: Int
  /// Number of fields.
  public private(set) var count = 0
  /// True when the bytes end inside quotes.
  public private(set) var isUnterminated = false

  /// No fields.
  public init() {
    capacity = 1024
    entries = .allocate(capacity: capacity)
    entries[0] = 0
  }
  deinit { entries.deallocate() }

  /// Finds the fields of whole records; a last record needs no newline.
  public mutating func scan(_ bytes: UnsafeRawBufferPointer, format: CSVFormat) {
    // Worst case: every byte ends a field. Memory that is not touched costs nothing.
    if bytes.count + 3 > capacity {
      entries.deallocate()
      capacity = bytes.count + 3
      entries = .allocate(capacity: capacity)
    }
    entries[0] = 0
    var inQuotes = false
    if format.hasEscapes {
      count = TextScan.escapedFields(bytes, delimiter: format.delimiter, into: entries + 1)
    } else {
      count = TextScan.csvFields(bytes, delimiter: format.delimiter, quote: format.quote, into: entries + 1, inQuotes: &inQuotes)
    }
    isUnterminated = inQuotes
    let ended = Int(entries[count] & TextScan.offsetMask)
    if ended < bytes.count || (count > 0 && !endsRecord(count - 1)) {
      count += 1
      entries[count] =
        UInt32(bytes.count + 1) | TextScan.recordEnd | (entries[count] & TextScan.quoted)
    }
  }
  /// Bytes of field `k` as written, quotes and all, without the CR of a CRLF.
  public func range(_ k: Int, in bytes: UnsafeRawBufferPointer) -> Range<Int> {
    let start = Int(entries[k] & TextScan.offsetMask)
    var end = Int(entries[k + 1] & TextScan.offsetMask) - 1
    if endsRecord(k), end > start, bytes[end - 1] == 0x0d { end -= 1 }
    return start..<end
  }
  /// Whether field `k` is the last of its record.
  public func endsRecord(_ k: Int) -> Bool { entries[k + 1] & TextScan.recordEnd != 0 }
  /// Whether field `k` has a quote.
  public func isQuoted(_ k: Int) -> Bool { entries[k + 1] & TextScan.quoted != 0 }
}

/// Readers of whole records, for headers and tests; ingest reads columns (CSVBatchBuilder).
public enum CSVRecords {
  /// All records; NULL is nil.
  public static func parse(
    _ bytes: [UInt8],
    format: CSVFormat = CSVFormat()
  ) throws(TallyError) -> [[[UInt8]?]] {
    var fields = CSVFields()
    var records: [[[UInt8]?]] = []
    var record: [[UInt8]?] = []
    bytes.withUnsafeBytes { raw in
      fields.scan(raw, format: format)
      for k in 0..<fields.count {
        let field = UnsafeRawBufferPointer(rebasing: raw[fields.range(k, in: raw)])
        if fields.isQuoted(k) {
          record.append(unquoted(field, quote: format.quote))
        } else {
          record.append(isNull(field, format) ? nil : [UInt8](field))
        }
        if fields.endsRecord(k) {
          records.append(record)
          record = []
        }
      }
    }
    guard !fields.isUnterminated else { throw unterminated() }
    return records
  }
  /// The names in a header record.
  public static func header(
    _ bytes: [UInt8],
    format: CSVFormat = CSVFormat()
  ) throws(TallyError) -> [String] {
    var names: [String] = []
    for field in try parse(bytes, format: format).first ?? [] {
      guard let name = String(validating: field ?? [], as: UTF8.self) else {
        throw .sql("22021", "invalid byte sequence for encoding \"UTF8\" in the CSV header")
      }
      names.append(name)
    }
    return names
  }
  /// The text of a field with backslashes, as COPY's text form has them: `\b \f \n \r \t \v`, up to three octal digits, `x` and up to two
  /// hexadecimal ones; any other byte behind a backslash is itself, and one at the end of the field is none.
  public static func unescaped(_ field: UnsafeRawBufferPointer) throws(TallyError) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(field.count)
    var mayBeWrong = false
    var at = 0
    while at < field.count {
      let byte = field[at]
      at += 1
      if byte != 0x5c {
        out.append(byte)
        continue
      }
      guard at < field.count else { break }
      let code = field[at]
      at += 1
      switch code {
      case 0x30...0x37:
        var value = Int(code - 0x30)
        let end = min(at + 2, field.count)
        while at < end, field[at] >= 0x30, field[at] <= 0x37 {
          value = value << 3 | Int(field[at] - 0x30)
          at += 1
        }
        out.append(UInt8(truncatingIfNeeded: value))
        mayBeWrong = mayBeWrong || value & 0x80 != 0 || value & 0xff == 0
      case 0x78:
        var value: UInt8 = 0
        let start = at
        while at < min(start + 2, field.count), let digit = hexadecimal(field[at]) {
          value = value << 4 | digit
          at += 1
        }
        out.append(at == start ? code : value)
        mayBeWrong = mayBeWrong || at > start && (value & 0x80 != 0 || value == 0)
      case 0x62: out.append(0x08)
      case 0x66: out.append(0x0c)
      case 0x6e: out.append(0x0a)
      case 0x72: out.append(0x0d)
      case 0x74: out.append(0x09)
      case 0x76: out.append(0x0b)
      default: out.append(code)
      }
    }
    if mayBeWrong {
      let good = out.withUnsafeBytes { TextScan.utf8Prefix($0) }
      if good < out.count { throw wrongUTF8(out[good...].prefix(4)) }
    }
    return out
  }
  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x61...0x66: byte - 0x57
    case 0x41...0x46: byte - 0x37
    default: nil
    }
  }
  /// 22021 for bytes of which the first begins what is not UTF-8.
  public static func wrongUTF8(_ bytes: some Collection<UInt8>) -> TallyError {
    // As many bytes as the first one announces; one when it announces nothing.
    let ones = bytes.first.map { (~$0).leadingZeroBitCount } ?? 0
    let words = bytes.prefix((2...4).contains(ones) ? ones : 1).map { ($0 < 16 ? " 0x0" : " 0x") + String($0, radix: 16) }
    return .sql("22021", "invalid byte sequence for encoding \"UTF8\":\(words.joined())")
  }
  /// The text of a field with quotes.
  public static func unquoted(_ field: UnsafeRawBufferPointer, quote: UInt8 = 0x22) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(field.count)
    var inQuotes = false
    var at = 0
    while at < field.count {
      if field[at] == quote {
        if inQuotes && at + 1 < field.count && field[at + 1] == quote {
          out.append(quote)
          at += 2
          continue
        }
        inQuotes.toggle()
      } else {
        out.append(field[at])
      }
      at += 1
    }
    return out
  }
  static func isNull(_ field: UnsafeRawBufferPointer, _ format: CSVFormat) -> Bool {
    field.count == format.nullText.count && field.elementsEqual(format.nullText)
  }
  static func unterminated() -> TallyError { .sql("22P04", "unterminated CSV quoted field") }
}
