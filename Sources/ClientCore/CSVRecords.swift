// CSVRecords.swift — CSV bytes as records of fields: RFC 4180 as PostgreSQL's COPY reads it.
//
// A record ends at LF or CRLF outside of quotes, a field at the delimiter outside of quotes. A quote toggles quoting anywhere
// in a field; `""` inside quotes is one quote. An unquoted field equal to the NULL text is NULL, a quoted one never. An
// empty line is a record with one empty field.
import Bytes
public import Model

/// How a CSV file is written.
public struct CSVFormat: Hashable, Sendable {
  /// Between fields.
  public var delimiter: UInt8
  /// Unquoted text that means NULL.
  public var nullText: [UInt8]
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
    count = TextScan.csvFields(
      bytes,
      delimiter: format.delimiter,
      into: entries + 1,
      inQuotes: &inQuotes
    )
    isUnterminated = inQuotes
    if let last = bytes.last, last != 0x0a || inQuotes {
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
          record.append(unquoted(field))
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
  /// The text of a field with quotes.
  public static func unquoted(_ field: UnsafeRawBufferPointer) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(field.count)
    var inQuotes = false
    var at = 0
    while at < field.count {
      if field[at] == 0x22 {
        if inQuotes && at + 1 < field.count && field[at + 1] == 0x22 {
          out.append(0x22)
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
