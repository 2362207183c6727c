// CopyLines.swift — lines of COPY's text and CSV data, one after the other, exactly as PostgreSQL 15 tells them apart.
//
// The first line's end says how lines end: LF, CRLF or CR; another end later is an error, never data. In CSV a line end in quotes is
// data, but counts as a line. `\.` ends the data: anywhere in text that is not behind a backslash, and alone on a line in CSV. What
// is not UTF-8 is an error of the line that is being read.
//
// This reader goes byte by byte. It reads what is not regular (CopyParser), and is the judge of what is wrong.
import Bytes
import ClientCore
import Model
import Planning

/// How lines end.
enum CopyLineEnds: Equatable, Sendable {
  /// No line has ended yet.
  case unknown
  case lf
  case crlf
  case cr
}

/// Reads lines from a piece of data.
struct CopyLines {
  private let bytes: UnsafeRawBufferPointer
  private let options: CopyOptions
  /// Bytes up to here are UTF-8.
  private let valid: Int
  /// How lines end.
  private(set) var ends: CopyLineEnds
  /// Where the next line begins.
  private(set) var at = 0
  /// Number of the line read last, from 1; within a line in quotes, of that part of it.
  private(set) var line = 0
  /// The data has ended by `\.`.
  private(set) var isEnded = false
  private var isOver = false
  /// The line that was read last had no end.
  private(set) var isOpen = false

  init(_ bytes: UnsafeRawBufferPointer, _ options: CopyOptions, _ ends: CopyLineEnds) {
    self.bytes = bytes
    self.options = options
    self.ends = ends
    valid = TextScan.utf8Prefix(bytes)
  }
  /// Lines that were read whole.
  var count: Int { isOver && lastWasEmpty ? line - 1 : line }
  private var lastWasEmpty = false

  private var isCSV: Bool { options.format == .csv }
  private func wrong(_ message: String, hint: String? = nil) -> CopyFault {
    CopyFault(error: .sql("22P04", message, hint: hint), line: line, place: .line)
  }
  private func wrongReturn() -> CopyFault {
    isCSV
      ? wrong("unquoted carriage return found in data", hint: "Use quoted CSV field to represent carriage return.")
      : wrong("literal carriage return found in data", hint: "Use \"\\r\" to represent carriage return.")
  }
  private func wrongNewline() -> CopyFault {
    isCSV
      ? wrong("unquoted newline found in data", hint: "Use quoted CSV field to represent newline.")
      : wrong("literal newline found in data", hint: "Use \"\\n\" to represent newline.")
  }
  /// Whether there is no byte at a place; throws when there is one that is no text.
  private func isEnd(_ place: Int) throws(CopyFault) -> Bool {
    if place < valid { return false }
    if valid < bytes.count {
      throw CopyFault(error: CSVRecords.wrongUTF8(Array(bytes[valid...].prefix(4))), line: line, place: .line)
    }
    return true
  }

  /// The next line without its end; nil behind the last.
  mutating func next() throws(CopyFault) -> Range<Int>? {
    if isOver { return nil }
    line += 1
    let start = at
    let escape = isCSV && options.escape != options.quote ? options.escape : nil
    var (inQuotes, isEscaped, isFirst) = (false, false, true)
    while true {
      if try isEnd(at) {
        isOpen = at > start
        return over(start..<at)
      }
      let place = at
      let byte = bytes[at]
      at += 1
      if isCSV {
        if inQuotes, byte == escape { isEscaped.toggle() }
        if byte == options.quote, !isEscaped { inQuotes.toggle() }
        if byte != escape { isEscaped = false }
        if inQuotes, byte == (ends == .lf ? 0x0a : 0x0d) { line += 1 }
      }
      if byte == 0x0d, !inQuotes {
        switch ends {
        case .lf: throw wrongReturn()
        case .cr: break
        case .unknown, .crlf:
          if try !isEnd(at), bytes[at] == 0x0a {
            at += 1
            ends = .crlf
          } else {
            if ends == .crlf { throw wrongReturn() }
            ends = .cr
          }
        }
        return start..<place
      }
      if byte == 0x0a, !inQuotes {
        if ends == .cr || ends == .crlf { throw wrongNewline() }
        ends = .lf
        return start..<place
      }
      if byte == 0x5c, !isCSV || isFirst {
        if try isEnd(at) {
          isOpen = true
          return over(start..<at)
        }
        if bytes[at] == 0x2e {
          if try isMarker(behind: at + 1) {
            isEnded = true
            return over(start..<place)
          }
        } else if !isCSV {
          at += 1
        }
      }
      isFirst = false
    }
  }
  private mutating func over(_ content: Range<Int>) -> Range<Int>? {
    isOver = true
    lastWasEmpty = content.isEmpty
    return content.isEmpty ? nil : content
  }
  /// Whether `\.` ends the data; in text it is an error if it does not.
  private func isMarker(behind place: Int) throws(CopyFault) -> Bool {
    var place = place
    func byte() throws(CopyFault) -> UInt8 { try isEnd(place) ? 0 : bytes[place] }
    if ends == .crlf {
      let first = try byte()
      place += 1
      if first == 0x0a {
        if isCSV { return false }
        throw wrong("end-of-copy marker does not match previous newline style")
      }
      if first != 0x0d {
        if isCSV { return false }
        throw wrong("end-of-copy marker corrupt")
      }
    }
    let last = try byte()
    guard last == 0x0a || last == 0x0d else {
      if isCSV { return false }
      throw wrong("end-of-copy marker corrupt")
    }
    guard ends == .unknown || (last == 0x0d) == (ends == .cr) else {
      throw wrong("end-of-copy marker does not match previous newline style")
    }
    return true
  }
}
