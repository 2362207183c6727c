// FrameAssembler.swift — bytes as they arrive → frames; the only reader of FrameFormat.
//
// Every length is checked against its limit before memory is taken for it; a violation ends the stream for good.
// Invariants: the chunk is consumed wholly before the next is pushed; between calls at most one frame is partly
// assembled.

import Bytes
public import Model

/// Assembles frames from pieces of any size.
public struct FrameAssembler: Sendable {
  /// Longest payload taken; raised by the owner once the hello is accepted.
  public var payloadLimit: Int
  private var chunk: [UInt8] = []
  private var at = 0
  private var partial: [UInt8] = []
  private var header: FrameFormat.Header?
  private var head: [UInt8] = []
  private var body: [UInt8] = []
  private var broken: TallyError?

  /// Makes an assembler that takes payloads of up to `payloadLimit` bytes.
  public init(payloadLimit: Int = Limits.helloBytesMax) {
    self.payloadLimit = payloadLimit
  }
  /// Gives the next bytes; `next` must have returned nil before.
  public mutating func push(_ bytes: [UInt8]) {
    invariant(at == chunk.count, "\(chunk.count - at) bytes not consumed")
    chunk = bytes
    at = 0
  }
  /// The next whole frame, or nil when more bytes are needed.
  ///
  /// Throws `protocolViolation`, then and ever after.
  public mutating func next() throws(TallyError) -> Frame? {
    if let broken { throw broken }
    do {
      return try assemble()
    } catch {
      broken = error
      (chunk, at, partial, head, body) = ([], 0, [], [], [])
      throw error
    }
  }
  /// Says that no more bytes come.
  ///
  /// Throws `protocolViolation` when a frame was begun.
  public func finish() throws(TallyError) {
    if let broken { throw broken }
    guard partial.isEmpty, header == nil, at == chunk.count else {
      throw FrameFormat.violation("the connection ended inside a frame")
    }
  }

  private mutating func assemble() throws(TallyError) -> Frame? {
    if header == nil {
      guard try readHeader() else { return nil }
    }
    guard let header else { return nil }
    let stored = header.payload - header.head
    Self.take(&head, chunk, &at, upTo: header.head)
    Self.take(&body, chunk, &at, upTo: stored)
    guard head.count == header.head, body.count == stored else { return nil }
    self.header = nil
    var frame = Frame(
      header.kind,
      stream: header.stream,
      isLast: header.isLast,
      head: head,
      body: body
    )
    (head, body) = ([], [])
    guard CRC32C.checksum(frame.body, seed: CRC32C.checksum(frame.head)) == header.checksum || isPlanted(.frameChecksumIgnored) else {
      throw FrameFormat.violation("the checksum of a frame does not match")
    }
    if header.isPacked {
      do throws(DecodingFailure) {
        frame.body = try frame.body.withReader { reader throws(DecodingFailure) in
          try LZ4Block.decompress(reader.base, size: header.body)
        }
      } catch { throw FrameFormat.violation(error.description) }
    }
    return frame
  }
  private mutating func readHeader() throws(TallyError) -> Bool {
    if partial.isEmpty && chunk.count - at >= FrameFormat.headerBytes {
      header = try Self.header(chunk, at, payloadLimit)
      at += FrameFormat.headerBytes
    } else {
      Self.take(&partial, chunk, &at, upTo: FrameFormat.headerBytes)
      guard partial.count == FrameFormat.headerBytes else {
        try expectMagic()
        return false
      }
      header = try Self.header(partial, 0, payloadLimit)
      partial = []
    }
    return true
  }
  /// A foreign peer that says less than a header and waits is told at once.
  private func expectMagic() throws(TallyError) {
    for (byte, expected) in zip(partial, "TF".utf8) where byte != expected {
      throw FrameFormat.violation("not a Tally frame: it begins with byte \(byte)")
    }
  }
  private static func header(
    _ bytes: [UInt8],
    _ at: Int,
    _ limit: Int
  ) throws(TallyError) -> FrameFormat.Header {
    let result = bytes.withUnsafeBytes { raw -> Result<FrameFormat.Header, TallyError> in
      let slice = UnsafeRawBufferPointer(rebasing: raw[at..<at + FrameFormat.headerBytes])
      do throws(TallyError) { return .success(try FrameFormat.header(slice, limit: limit)) } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }
  private static func take(_ out: inout [UInt8], _ chunk: [UInt8], _ at: inout Int, upTo count: Int) {
    let wanted = min(count - out.count, chunk.count - at)
    guard wanted > 0 else { return }
    if out.isEmpty { out.reserveCapacity(count) }
    chunk.withUnsafeBufferPointer {
      out.append(contentsOf: UnsafeBufferPointer(rebasing: $0[at..<at + wanted]))
    }
    at += wanted
  }
}
