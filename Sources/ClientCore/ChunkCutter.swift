// ChunkCutter.swift — cuts a stream of CSV bytes or of lines into chunks of whole records.
//
// A chunk ends behind the first record end that makes it at least `chunkBytes` long; the last chunk may be shorter. So the
// borders depend on the content and on `chunkBytes` only, not on the sizes of the pieces in which the bytes arrive: the same
// file gives the same chunks, which named producers rely on. Of CSV a newline in quotes ends no record. A byte order mark at the
// very beginning is dropped.
import Bytes
public import Model

/// Whole records of a file.
public struct CSVChunk: Equatable, Sendable {
  /// 0, 1, … within the file.
  public var number: Int
  /// Line of the file on which the first record begins, from 1.
  public var firstLine: Int
  /// The records as written.
  public var bytes: [UInt8]
}

/// Cuts pieces of a file into chunks.
public struct ChunkCutter: Sendable {
  /// Bytes that a record may have beyond a chunk's size.
  public static let recordBytesMax = 16 << 20
  /// The header record without its newline, once it was seen; nil without a header.
  public private(set) var header: [UInt8]?

  private let chunkBytes: Int
  private let hasQuotes: Bool
  private var awaitsHeader: Bool
  private var buffer: [UInt8] = []
  private var inQuotes = false
  private var line = 1
  private var number = 0
  private var isStart = true

  /// Cuts chunks of at least `chunkBytes`; a header is taken off first.
  /// Without `hasQuotes` every newline ends a record.
  public init(chunkBytes: Int, hasHeader: Bool, hasQuotes: Bool = true) {
    self.hasQuotes = hasQuotes
    invariant(chunkBytes > 0 && chunkBytes <= 256 << 20, "chunks of \(chunkBytes) bytes")
    self.chunkBytes = chunkBytes
    awaitsHeader = hasHeader
  }

  /// Takes the next bytes of the file and hands out the chunks they complete.
  public mutating func append(
    _ piece: UnsafeRawBufferPointer,
    _ emit: (CSVChunk) throws(TallyError) -> Void
  ) throws(TallyError) {
    var at = 0
    while at < piece.count {
      // Up to the last byte that cannot complete the chunk only the parity of the quotes matters.
      let sure = awaitsHeader ? 0 : min(piece.count - at, chunkBytes - 1 - buffer.count)
      if sure > 0 {
        let bytes = UnsafeRawBufferPointer(rebasing: piece[at..<(at + sure)])
        buffer.append(contentsOf: bytes)
        if hasQuotes, TextScan.count(0x22, in: bytes) % 2 == 1 { inQuotes.toggle() }
        at += sure
        continue
      }
      let start = at
      var isEnd = false
      while at < piece.count && !isEnd {
        let byte = piece[at]
        at += 1
        if byte == 0x22, hasQuotes { inQuotes.toggle() }
        isEnd = byte == 0x0a && !inQuotes
      }
      buffer.append(contentsOf: UnsafeRawBufferPointer(rebasing: piece[start..<at]))
      guard buffer.count <= chunkBytes + Self.recordBytesMax else {
        throw .sql(
          "54000",
          "\(hasQuotes ? "CSV record" : "line") is longer than \(Self.recordBytesMax) bytes",
          detail: "It is in the part of the file that begins on line \(line).",
          hint: hasQuotes ? "A quote may have no counterpart." : nil
        )
      }
      if isEnd { try cut(emit) }
    }
  }
  /// Hands out what is left at the end of the file.
  public mutating func finish(_ emit: (CSVChunk) throws(TallyError) -> Void) throws(TallyError) {
    if !buffer.isEmpty { try cut(emit) }
  }
  private mutating func cut(_ emit: (CSVChunk) throws(TallyError) -> Void) throws(TallyError) {
    var bytes: [UInt8] = []
    swap(&bytes, &buffer)
    if isStart && bytes.starts(with: [0xef, 0xbb, 0xbf]) { bytes.removeFirst(3) }
    isStart = false
    let firstLine = line
    line += bytes.withUnsafeBytes { TextScan.count(0x0a, in: $0) }
    if awaitsHeader {
      awaitsHeader = false
      if bytes.last == 0x0a { bytes.removeLast() }
      if bytes.last == 0x0d { bytes.removeLast() }
      header = bytes
      return
    }
    buffer.reserveCapacity(min(chunkBytes + 4096, bytes.count + 4096))
    if bytes.isEmpty { return }
    try emit(CSVChunk(number: number, firstLine: firstLine, bytes: bytes))
    number += 1
  }
}
