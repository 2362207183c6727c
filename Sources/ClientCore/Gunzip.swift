// Gunzip.swift — a gzip stream (RFC 1952), of any number of members, inflated as its bytes arrive.
import Bytes
import CZlib
public import Model

/// An inflater of gzip bytes.
///
/// Owns zlib's state; not for sharing.
public struct Gunzip: ~Copyable {
  private let stream: UnsafeMutablePointer<z_stream>
  private let output: UnsafeMutableRawBufferPointer
  /// Bytes taken so far.
  public private(set) var position = 0
  private var isInMember = false

  /// Bytes of inflated output handed out at a time, at most.
  public static let outputBytes = 256 << 10

  /// Whether bytes begin like a gzip file.
  public static func isGzip(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1f, 0x8b]) }

  /// Begins a stream.
  public init() throws(TallyError) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    output = .allocate(byteCount: Self.outputBytes, alignment: 16)
    // 15 window bits; + 16: expect the gzip header and check its trailer.
    let status = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else {
      throw TallyError(.internalError, "zlib cannot start (\(status))")
    }
  }
  deinit {
    _ = inflateEnd(stream)
    stream.deallocate()
    output.deallocate()
  }

  /// Takes the next bytes of the file and hands out what they inflate to.
  public mutating func inflate(
    _ piece: UnsafeRawBufferPointer,
    _ emit: (UnsafeRawBufferPointer) throws(TallyError) -> Void
  ) throws(TallyError) {
    guard let start = piece.baseAddress, !piece.isEmpty else { return }
    invariant(piece.count <= Int(UInt32.max), "piece of \(piece.count) bytes")
    stream.pointee.next_in = UnsafeMutablePointer(
      mutating: start.assumingMemoryBound(to: UInt8.self)
    )
    stream.pointee.avail_in = UInt32(piece.count)
    let before = position
    defer {
      stream.pointee.next_in = nil
      stream.pointee.avail_in = 0
    }
    var isFull = false
    while stream.pointee.avail_in > 0 || isFull {
      if !isInMember {
        // Zero bytes that pad the file (tapes, blocks) are no member.
        if position > 0 && stream.pointee.next_in.pointee == 0 {
          stream.pointee.next_in += 1
          stream.pointee.avail_in -= 1
          position += 1
          continue
        }
        isInMember = true
      }
      stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = UInt32(output.count)
      let status = CZlib.inflate(stream, Z_NO_FLUSH)
      position = before + piece.count - Int(stream.pointee.avail_in)
      let produced = output.count - Int(stream.pointee.avail_out)
      guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else {
        throw damaged()
      }
      if produced > 0 { try emit(UnsafeRawBufferPointer(rebasing: output[0..<produced])) }
      // A full buffer may hide more output of bytes that were taken already.
      isFull = status == Z_OK && stream.pointee.avail_out == 0
      if status == Z_STREAM_END {
        isInMember = false
        guard inflateReset(stream) == Z_OK else { throw damaged() }
      }
    }
  }
  /// Checks that the file ended where a member ends.
  public func finish() throws(TallyError) {
    guard !isInMember, position > 0 else {
      throw .sql(
        "22P04",
        "gzip data ends early",
        detail: "At byte \(position) of the compressed file."
      )
    }
  }
  private func damaged() -> TallyError {
    let reason = stream.pointee.msg.map { String(cString: $0) } ?? "not gzip data"
    return .sql(
      "22P04",
      "gzip data is damaged: \(reason)",
      detail: "At byte \(position) of the compressed file."
    )
  }
}
