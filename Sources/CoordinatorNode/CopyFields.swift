// CopyFields.swift — the fields of one line of COPY's text or CSV data, and of its header.
import ClientCore
import Model
import Planning

/// Takes lines apart.
struct CopyFields {
  let options: CopyOptions

  /// The fields of a line; nil is NULL. Throws what is wrong with the line as a whole.
  func fields(of line: UnsafeRawBufferPointer) throws(TallyError) -> [[UInt8]?] {
    options.format == .csv ? try quoted(line) : try escaped(line)
  }
  private func isNull(_ field: UnsafeRawBufferPointer) -> Bool {
    field.count == options.nullText.count && field.elementsEqual(options.nullText)
  }
  /// Text: a delimiter that no backslash is before ends a field.
  private func escaped(_ line: UnsafeRawBufferPointer) throws(TallyError) -> [[UInt8]?] {
    var fields: [[UInt8]?] = []
    var start = 0
    var at = 0
    while true {
      let isEnd = at >= line.count
      if isEnd || line[at] == options.delimiter {
        let raw = UnsafeRawBufferPointer(rebasing: line[start..<min(at, line.count)])
        // What stands for NULL is told by the bytes as they are written; wrong escapes are wrong before that.
        let text = try CSVRecords.unescaped(raw)
        fields.append(isNull(raw) ? nil : text)
        if isEnd { return fields }
        start = at + 1
      } else if line[at] == 0x5c {
        at += 1
      }
      at += 1
    }
  }
  /// CSV: quotes may begin and end anywhere in a field; in quotes an escape takes the meaning of a quote or escape behind it.
  private func quoted(_ line: UnsafeRawBufferPointer) throws(TallyError) -> [[UInt8]?] {
    var fields: [[UInt8]?] = []
    var field: [UInt8] = []
    var (hadQuote, inQuotes) = (false, false)
    var start = 0
    var at = 0
    while true {
      if at >= line.count {
        if inQuotes { throw .sql("22P04", "unterminated CSV quoted field") }
        fields.append(!hadQuote && isNull(UnsafeRawBufferPointer(rebasing: line[start...])) ? nil : field)
        return fields
      }
      let byte = line[at]
      at += 1
      if inQuotes {
        if byte == options.escape, at < line.count, line[at] == options.escape || line[at] == options.quote {
          field.append(line[at])
          at += 1
        } else if byte == options.quote {
          inQuotes = false
        } else {
          field.append(byte)
        }
      } else if byte == options.delimiter {
        fields.append(!hadQuote && isNull(UnsafeRawBufferPointer(rebasing: line[start..<(at - 1)])) ? nil : field)
        field = []
        hadQuote = false
        start = at
      } else if byte == options.quote {
        (inQuotes, hadQuote) = (true, true)
      } else {
        field.append(byte)
      }
    }
  }

  /// Compares a header's fields with the names of the columns.
  func check(header fields: [[UInt8]?], _ names: [String]) throws(TallyError) {
    guard fields.count == names.count else {
      throw .sql("22P04", "wrong number of fields in header line: got \(fields.count), expected \(names.count)")
    }
    for (at, (field, name)) in zip(fields, names).enumerated() {
      guard let field else {
        let null = String(decoding: options.nullText, as: UTF8.self)
        throw .sql("22P04", "column name mismatch in header line field \(at + 1): got null value (\"\(null)\"), expected \"\(name)\"")
      }
      guard field == Array(name.utf8) else {
        let got = String(decoding: field, as: UTF8.self)
        throw .sql("22P04", "column name mismatch in header line field \(at + 1): got \"\(got)\", expected \"\(name)\"")
      }
    }
  }
}
