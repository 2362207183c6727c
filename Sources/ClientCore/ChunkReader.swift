// ChunkReader.swift — a file of CSV or of lines, plain or gzipped, as chunks of whole records, in order, with bounded memory.
//
// Inflating and cutting are work for `Compute`; one piece at a time is under way. A gzip file is read in small
// pieces, because a piece can inflate a thousandfold.

import Bytes
import Capabilities
import Model

/// Reads one file.
///
/// Used by one task at a time: it hands the state to `Compute` and waits for it.
final class ChunkReader: @unchecked Sendable {
  // Safe: `next` is called by one task, and the compute thread that touches the fields runs only while that task waits.
  private let file: any DiskFile
  private let compute: any Compute
  private let chunkBytes: Int
  private let hasHeader: Bool
  private var cutter: ChunkCutter
  private var gunzip: Gunzip?
  private var isStarted = false
  private var position: UInt64 = 0
  let size: UInt64
  private static let plainPiece = 2 << 20
  private static let packedPiece = 32 << 10

  private init(
    _ file: any DiskFile,
    _ size: UInt64,
    _ compute: any Compute,
    chunkBytes: Int,
    hasHeader: Bool,
    hasQuotes: Bool
  ) {
    self.file = file
    self.size = size
    self.compute = compute
    self.chunkBytes = chunkBytes
    self.hasHeader = hasHeader
    cutter = ChunkCutter(chunkBytes: chunkBytes, hasHeader: hasHeader, hasQuotes: hasQuotes)
  }
  static func open(
    _ path: String,
    disk: any Disk,
    compute: any Compute,
    chunkBytes: Int,
    hasHeader: Bool,
    hasQuotes: Bool
  ) async throws -> ChunkReader {
    let file = try await disk.open(path, .read)
    return ChunkReader(
      file,
      try await file.size(),
      compute,
      chunkBytes: chunkBytes,
      hasHeader: hasHeader,
      hasQuotes: hasQuotes
    )
  }
  /// Bytes of the file taken so far.
  var bytesRead: UInt64 { position }
  /// The header record, once the first chunk or the end was read.
  var header: [UInt8]? { cutter.header }

  /// The chunks that the next piece of the file completes; nil after the end.
  func next() async throws -> [CSVChunk]? {
    if isStarted && position >= size { return nil }
    let piece = try await file.read(
      at: position,
      count: isStarted && gunzip == nil ? Self.plainPiece : Self.packedPiece
    )
    if piece.isEmpty && position < size {
      throw TallyError(.invalid, "the file became shorter while it was read", sqlState: "58030")
    }
    if !isStarted {
      isStarted = true
      if Gunzip.isGzip(piece) { gunzip = try Gunzip() }
    }
    position += UInt64(piece.count)
    let isLast = position >= size
    return try await compute.attempt { try self.cut(piece, isLast: isLast) }
  }
  private func cut(_ piece: [UInt8], isLast: Bool) throws(TallyError) -> [CSVChunk] {
    var chunks: [CSVChunk] = []
    var failure: TallyError?
    piece.withUnsafeBytes { raw in
      do throws(TallyError) {
        if gunzip != nil {
          try gunzip?.inflate(raw) { text throws(TallyError) in
            try cutter.append(text) { chunk throws(TallyError) in chunks.append(chunk) }
          }
          if isLast { try gunzip?.finish() }
        } else {
          try cutter.append(raw) { chunk throws(TallyError) in chunks.append(chunk) }
        }
        if isLast { try cutter.finish { chunk throws(TallyError) in chunks.append(chunk) } }
      } catch { failure = error }
    }
    if let failure { throw failure }
    return chunks
  }
  func close() async { await file.close() }
}
