// CopyCutter.swift — cuts COPY's data, which comes cut anywhere, into pieces of whole records that can be read apart from each other.
//
// A piece of text or CSV ends behind the first line end that makes it long enough; in CSV that is one outside of quotes, in text one
// that no backslash takes the meaning of. How lines end is told by the first line. A piece of binary data ends behind a row; whatever
// is no row, the trailer too, ends the pieces, and is judged by who reads it. Pieces hold the data as it was sent.
//
// Memory: what was received and not handed out, at most a piece, a record and a message of the client.
import Bytes
import Model
import Planning

/// Whole records.
struct CopyPiece: Sendable {
  /// 0, 1, …
  var number: Int
  /// The data.
  var bytes: [UInt8]
  /// How lines end.
  var ends: CopyLineEnds
  /// It may hold the end of the data before its own: the pieces behind it mean something only if it does not.
  var mayEnd: Bool
  /// The client gave up: a record that is not whole at the end means nothing.
  var isCutOff = false
}

/// Cuts pieces.
struct CopyCutter: Sendable {
  /// Bytes that a record may have beyond a piece's size.
  static let recordBytesMax = 16 << 20

  private let options: CopyOptions
  private let fields: Int
  private let pieceBytes: Int
  private var buffer: [UInt8] = []
  /// Where the data that was not handed out begins.
  private var start = 0
  /// Up to where it was looked through.
  private var seen = 0
  private var ends = CopyLineEnds.unknown
  private var (inQuotes, isEscaped) = (false, false)
  private var number = 0
  /// Binary: the header was looked through.
  private var isBehindHeader = false
  /// Behind what is read now nothing is looked at.
  private(set) var isOver = false

  /// Cuts pieces of at least `pieceBytes`; `fields` is how many a row has.
  init(_ options: CopyOptions, fields: Int, pieceBytes: Int) {
    invariant(pieceBytes > 0 && pieceBytes <= 64 << 20, "pieces of \(pieceBytes) bytes")
    self.options = options
    self.fields = fields
    self.pieceBytes = pieceBytes
  }
  /// Bytes that were not handed out.
  var waiting: Int { buffer.count - start }

  /// Takes the next bytes of the data.
  mutating func append(_ bytes: [UInt8]) {
    if start > 0, start * 2 >= buffer.count {
      buffer.removeSubrange(..<start)
      seen -= start
      start = 0
    }
    if buffer.isEmpty { buffer = bytes } else { buffer += bytes }
  }
  /// The next piece; nil when it takes more data, and behind the last. `isEnd`: there is no more.
  mutating func next(isEnd: Bool) throws(TallyError) -> CopyPiece? {
    if isOver || waiting == 0 { return nil }
    if ends == .unknown, options.format != .binary { findEnds(isEnd) }
    let end = options.format == .binary ? rows(isEnd) : lines(isEnd)
    guard let end = end ?? (isEnd ? buffer.count : nil) else {
      guard waiting <= pieceBytes + Self.recordBytesMax else {
        throw .sql(
          "54000",
          "a record of COPY is longer than \(Self.recordBytesMax) bytes",
          hint: options.format == .csv ? "A quote may have no counterpart." : nil
        )
      }
      return nil
    }
    return cut(end)
  }
  /// What is left when the client gives up, of which the last record may not be whole.
  mutating func rest() -> CopyPiece? {
    if isOver || waiting == 0 { return nil }
    var piece = cut(buffer.count)
    piece.isCutOff = true
    return piece
  }
  private mutating func cut(_ end: Int) -> CopyPiece {
    let bytes = start == 0 && end == buffer.count ? buffer : Array(buffer[start..<end])
    if end == buffer.count { buffer = [] }
    start = buffer.isEmpty ? 0 : end
    seen = start
    defer { number += 1 }
    return CopyPiece(number: number, bytes: bytes, ends: ends, mayEnd: isOver || mayEnd(bytes))
  }
  /// Whether there is a `\.` that may end the data.
  private func mayEnd(_ bytes: [UInt8]) -> Bool {
    if options.format == .binary { return false }
    return bytes.withUnsafeBytes { raw in
      var from = 0
      while let found = TextScan.find(0x5c, 0x2e, in: UnsafeRawBufferPointer(rebasing: raw[from...])) {
        let place = from + found
        if options.format == .text || place == 0 || raw[place - 1] == 0x0a || raw[place - 1] == 0x0d { return true }
        from = place + 1
      }
      return false
    }
  }

  // MARK: Text and CSV

  /// Where a long enough piece of lines ends.
  private mutating func lines(_ isEnd: Bool) -> Int? {
    if waiting < pieceBytes { return nil }
    if ends == .unknown { return nil }
    let sure = max(seen, start + pieceBytes - 1)
    let last: UInt8 = ends == .cr ? 0x0d : 0x0a
    return buffer.withUnsafeBytes { raw in
      if options.format == .text {
        var at = sure
        while at < raw.count {
          if raw[at] == last, !isBehindBackslash(raw, at) {
            return at + 1
          }
          at += 1
        }
        seen = at
        return nil
      }
      if options.escape == options.quote {
        // Only whether the number of quotes is odd matters.
        let count = TextScan.count(options.quote, in: UnsafeRawBufferPointer(rebasing: raw[seen..<sure]))
        if count % 2 == 1 { inQuotes.toggle() }
        seen = sure
      }
      while seen < raw.count {
        let byte = raw[seen]
        seen += 1
        step(byte)
        if byte == last, !inQuotes, seen > sure { return seen }
      }
      return nil
    }
  }
  /// What a byte does to the quotes.
  private mutating func step(_ byte: UInt8) {
    let escape = options.escape == options.quote ? nil : options.escape
    if inQuotes, byte == escape { isEscaped.toggle() }
    if byte == options.quote, !isEscaped { inQuotes.toggle() }
    if byte != escape { isEscaped = false }
  }
  private func isBehindBackslash(_ raw: UnsafeRawBufferPointer, _ at: Int) -> Bool {
    // The end of a CRLF is never taken apart from its CR, which a backslash may be before.
    var first = at
    while first > start, raw[first - 1] == 0x5c { first -= 1 }
    return (at - first) % 2 == 1
  }
  /// Looks how the first line ends, from where it was looked last; nothing was handed out before that is known.
  private mutating func findEnds(_ isEnd: Bool) {
    while seen < buffer.count {
      let byte = buffer[seen]
      if options.format == .csv {
        if byte == 0x0d, !inQuotes, seen + 1 == buffer.count, !isEnd { return }
        step(byte)
      } else if byte == 0x5c {
        // The byte behind it may not be here yet.
        guard seen + 1 < buffer.count || isEnd else { return }
        seen += 2
        continue
      }
      if !inQuotes, byte == 0x0a { ends = .lf }
      if !inQuotes, byte == 0x0d {
        // What is behind it may not be here yet.
        guard seen + 1 < buffer.count || isEnd else { return }
        ends = seen + 1 < buffer.count && buffer[seen + 1] == 0x0a ? .crlf : .cr
      }
      if ends != .unknown { break }
      seen += 1
    }
    // The quotes are followed from the beginning again.
    seen = start
    if ends != .unknown { (inQuotes, isEscaped) = (false, false) } else { seen = buffer.count }
  }

  // MARK: Binary

  /// Where a long enough piece of rows ends.
  private mutating func rows(_ isEnd: Bool) -> Int? {
    if !isBehindHeader {
      // Signature, flags, length of an extension.
      guard let length = number32(start + 15) else { return nil }
      let end = start + 19 + Int(length)
      guard length >= 0, length <= Int32(Self.recordBytesMax) else {
        isOver = true
        return buffer.count
      }
      guard end <= buffer.count else { return nil }
      isBehindHeader = true
      seen = end
    }
    while seen - start < pieceBytes {
      guard seen + 2 <= buffer.count else { return nil }
      let count = Int(Int16(bitPattern: UInt16(buffer[seen]) << 8 | UInt16(buffer[seen + 1])))
      var at = seen + 2
      var isRow = count == fields
      if isRow {
        for _ in 0..<count {
          guard let length = number32(at) else { return nil }
          at += 4
          if length >= 0 { at += Int(length) } else if length != -1 { isRow = false }
          guard isRow else { break }
          guard at <= buffer.count else { return nil }
        }
      }
      if !isRow {
        // The trailer, or what is wrong: one byte behind it is enough to tell.
        guard isEnd || buffer.count > seen + 2 else { return nil }
        isOver = true
        return buffer.count
      }
      seen = at
    }
    return seen
  }
  private func number32(_ at: Int) -> Int32? {
    guard at + 4 <= buffer.count else { return nil }
    var value: UInt32 = 0
    for byte in buffer[at..<(at + 4)] { value = value << 8 | UInt32(byte) }
    return Int32(bitPattern: value)
  }
}
