// CopyEncoder.swift — rows → COPY's data, to the byte as PostgreSQL 15 writes it: text, CSV and binary.
//
// Values are written column by column into one scratch buffer by the protocol (ExternalValues), each behind its length, and put
// together row by row here: nothing is allocated a value. Every row is a message of its own; a header line is one too, while the
// binary header stands before the first row.
//
//   text     values between delimiters; \b \f \n \r \t \v, backslash and delimiter behind a backslash
//   CSV      values in quotes where they must be: delimiter, quote, line ends, what would read as NULL, `\.` alone
//   binary   "PGCOPY\n\377\r\n\0", u32 flags 0, u32 0; a row: i16 n, n × (i32 length, bytes); i16 -1
import Bytes
import Columns
import Model
import Planning

/// Encodes rows; owns the scratch memory.
struct CopyEncoder: ~Copyable {
  private let options: CopyOptions
  private let columns: [OutputColumn]
  private let values: any ExternalValues
  private var scratch = ByteWriter(capacity: 16 << 10)
  private var valueEnds: [Int] = []
  /// For each byte, whether text has a backslash before it and what stands for it; 0 is the byte itself.
  private var escapes = [UInt8](repeating: 0, count: 256)
  /// Where a value must be in quotes.
  private var quotes = [Bool](repeating: false, count: 256)
  private var isBegun = false

  init(_ options: CopyOptions, _ columns: [OutputColumn], _ values: any ExternalValues) {
    self.options = options
    self.columns = columns
    self.values = values
    for (byte, letter) in zip([0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d], "btnvfr".utf8) { escapes[byte] = letter }
    escapes[0x5c] = 0x5c
    // A delimiter that has a letter of its own gets it.
    if escapes[Int(options.delimiter)] == 0 { escapes[Int(options.delimiter)] = options.delimiter }
    for byte in [options.delimiter, options.quote, 0x0a, 0x0d] { quotes[Int(byte)] = true }
  }

  /// What stands before all rows, once.
  private mutating func begin(_ out: inout ByteWriter, _ ends: inout [Int]) {
    if isBegun { return }
    isBegun = true
    if options.format == .binary {
      out.bytes(CopyParser.signature)
      out.u64(0)
    } else if options.header != .none {
      for (at, column) in columns.enumerated() {
        if at > 0 { out.u8(options.delimiter) }
        Array(column.name.utf8).withUnsafeBytes { field($0, isForced: false, &out) }
      }
      out.u8(0x0a)
      ends.append(out.count)
    }
  }
  /// Appends rows of a batch, and the end of each message.
  mutating func write(_ batch: Batch, _ rows: Range<Int>, into out: inout ByteWriter, ends: inout [Int]) throws(TallyError) {
    begin(&out, &ends)
    scratch.removeAll()
    valueEnds.removeAll(keepingCapacity: true)
    for column in batch.columns {
      try values.write(column, rows, isBinary: options.format == .binary, into: &scratch, ends: &valueEnds)
    }
    let count = batch.columns.count
    guard valueEnds.count == count * rows.count else {
      throw TallyError(.internalError, "\(valueEnds.count) values where \(count * rows.count) were to be written")
    }
    for row in 0..<rows.count {
      if options.format == .binary { out.integer(UInt16(truncatingIfNeeded: count).byteSwapped) }
      for column in 0..<count {
        let at = column * rows.count + row
        let (start, end) = (at == 0 ? 0 : valueEnds[at - 1], valueEnds[at])
        if options.format != .binary, column > 0 { out.u8(options.delimiter) }
        let isForced = column < options.forceQuote.count && options.forceQuote[column]
        scratch.withBytes { bytes in
          let value = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
          if options.format == .binary {
            out.bytes(value)
          } else if value[0] == 0xff {
            out.bytes(options.nullText)
          } else {
            field(UnsafeRawBufferPointer(rebasing: value[4...]), isForced: isForced, &out)
          }
        }
      }
      if options.format != .binary { out.u8(0x0a) }
      ends.append(out.count)
    }
    // Memory for one huge row is not kept for the others.
    if scratch.count > 1 << 20 { scratch = ByteWriter(capacity: 16 << 10) }
  }
  /// Appends what stands behind all rows.
  mutating func finish(into out: inout ByteWriter, ends: inout [Int]) {
    begin(&out, &ends)
    guard options.format == .binary else { return }
    out.u16(0xffff)
    ends.append(out.count)
  }

  private func field(_ value: UnsafeRawBufferPointer, isForced: Bool, _ out: inout ByteWriter) {
    options.format == .csv ? quoted(value, isForced, &out) : escaped(value, &out)
  }
  private func escaped(_ value: UnsafeRawBufferPointer, _ out: inout ByteWriter) {
    var done = 0
    for at in 0..<value.count {
      let letter = escapes[Int(value[at])]
      if letter == 0 { continue }
      out.bytes(UnsafeRawBufferPointer(rebasing: value[done..<at]))
      out.u8(0x5c)
      out.u8(letter)
      done = at + 1
    }
    out.bytes(UnsafeRawBufferPointer(rebasing: value[done...]))
  }
  private func quoted(_ value: UnsafeRawBufferPointer, _ isForced: Bool, _ out: inout ByteWriter) {
    let isNeeded =
      isForced || value.contains { quotes[Int($0)] }
      || (value.count == options.nullText.count && value.elementsEqual(options.nullText))
      || (columns.count == 1 && value.count == 2 && value[0] == 0x5c && value[1] == 0x2e)
    if !isNeeded { return out.bytes(value) }
    out.u8(options.quote)
    for byte in value {
      if byte == options.quote || byte == options.escape { out.u8(options.escape) }
      out.u8(byte)
    }
    out.u8(options.quote)
  }
}
