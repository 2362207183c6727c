// FrameFormat.swift — the bytes between nodes: one frame after another on a TCP stream. Meaning of the payloads: Message.swift.
//
// All integers little-endian. A frame is a 32-byte header, then a payload of two parts: a short *head* (the
// message's fields) and a *body* (bytes carried as they are: a batch, a fragment, a catalog), so that a large body is
// never copied to be taken apart.
//   0  u8 'T', u8 'F'
//   2  u8 kind (FrameKind)            3  u8 flags: 1 = body is one LZ4 block, 2 = last frame of its stream; others zero
//   4  u32 payload bytes that follow  8  u64 stream (0 = the connection itself; a client counts its requests up from 1)
//   16 u32 head bytes, stored plain, first in the payload
//   20 u32 body bytes once unpacked (without LZ4: payload − head)
//   24 u32 CRC-32C of header bytes 0…23   28 u32 CRC-32C of the payload as sent
// Payload, packed and unpacked: at most Limits.frameBytesMax; until the hello is accepted at most Limits.helloBytesMax.
//
// Kinds and their heads (bodies are empty but for request, response and streamItem):
//   1 hello       client → server, first frame: HelloFormat          2 helloReply  server's answer: HelloFormat
//   3 request     varint deadline (microseconds left, 0 = none), message    4 response   message; the only one of its stream
//   5 streamItem  message; one of several                            6 end         none: the stream is complete
//   7 error       ErrorFormat; ends its stream; on stream 0 the connection   8 cancel  none: the client gave the stream up
//   9 credit      varint bytes of stream items (head + body, unpacked) that the server may send beyond streamWindow
//   10 goodbye    none: the server drains; start no more requests     11 ping, 12 pong: none
// A stream starts with `streamWindow` bytes of credit; an item may be sent while credit is above zero and may take it
// below.
// A server answers every request by exactly one of: response; items and end (or a last item); error.

import Bytes
public import Model

/// What a frame is for.
public enum FrameKind: UInt8, Sendable, CaseIterable {
  case hello = 1
  case helloReply = 2
  case request = 3
  case response = 4
  case streamItem = 5
  case end = 6
  case error = 7
  case cancel = 8
  case credit = 9
  case goodbye = 10
  case ping = 11
  case pong = 12
}

/// One frame, unpacked.
public struct Frame: Sendable, Equatable {
  /// What it is for.
  public var kind: FrameKind
  /// The stream it belongs to; 0 is the connection.
  public var stream: UInt64
  /// True on the last frame of a stream of items.
  public var isLast: Bool
  /// The message's fields.
  public var head: [UInt8]
  /// The message's bytes that are carried as they are.
  public var body: [UInt8]
  /// Makes a frame.
  public init(
    _ kind: FrameKind,
    stream: UInt64 = 0,
    isLast: Bool = false,
    head: [UInt8] = [],
    body: [UInt8] = []
  ) {
    self.kind = kind
    self.stream = stream
    self.isLast = isLast
    self.head = head
    self.body = body
  }
  /// Bytes that count against credit and queue bounds.
  public var payloadBytes: Int { head.count + body.count }
}

/// Constants and checks of the frame header.
public enum FrameFormat {
  /// Bytes of a header.
  public static let headerBytes = 32
  /// Bytes of stream items a server may send before the client grants more.
  public static let streamWindow = 1 << 20
  /// The protocol versions this build speaks, lowest and highest.
  public static let versions: ClosedRange<UInt16> = 1...1
  /// Bodies below this are never packed.
  public static let packFrom = 1024

  static let flagPacked: UInt8 = 1
  static let flagLast: UInt8 = 2

  struct Header {
    var kind: FrameKind
    var isPacked: Bool
    var isLast: Bool
    var payload: Int
    var stream: UInt64
    var head: Int
    var body: Int
    var checksum: UInt32
  }

  static func violation(_ reason: String) -> TallyError { TallyError(.protocolViolation, reason) }

  /// Reads a header of exactly `headerBytes`, checking all it says before anything is allocated for it.
  static func header(_ raw: UnsafeRawBufferPointer, limit: Int) throws(TallyError) -> Header {
    func u32(_ at: Int) -> Int {
      Int(UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
    }
    guard raw[0] == UInt8(ascii: "T"), raw[1] == UInt8(ascii: "F") else {
      throw violation("not a Tally frame: it begins with bytes \(raw[0]), \(raw[1])")
    }
    guard CRC32C.checksum(UnsafeRawBufferPointer(rebasing: raw[0..<24])) == UInt32(u32(24)) else {
      throw violation("the checksum of a frame header does not match")
    }
    guard let kind = FrameKind(rawValue: raw[2]) else {
      throw violation("frame kind \(raw[2]) is unknown")
    }
    let flags = raw[3]
    guard flags & ~(flagPacked | flagLast) == 0 else {
      throw violation("frame flags \(flags) are unknown")
    }
    let header = Header(
      kind: kind,
      isPacked: flags & flagPacked != 0,
      isLast: flags & flagLast != 0,
      payload: u32(4),
      stream: UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
      head: u32(16),
      body: u32(20),
      checksum: UInt32(u32(28))
    )
    guard header.payload <= limit, header.head + header.body <= limit else {
      throw violation(
        "a frame of \(max(header.payload, header.head + header.body)) bytes is over the limit of \(limit)"
      )
    }
    guard header.head <= header.payload,
      header.isPacked || header.head + header.body == header.payload,
      !header.isPacked
        || (header.payload > header.head && header.body > header.payload - header.head)
    else { throw violation("the lengths in a frame header contradict each other") }
    return header
  }

  /// Builds the header, and packs the body when that is wanted and saves a tenth.
  ///
  /// Throws when the frame is too large.
  public static func encode(_ frame: consuming Frame, pack: Bool) throws(TallyError) -> EncodedFrame {
    let size = frame.head.count + frame.body.count
    guard size <= Limits.frameBytesMax else {
      throw TallyError(
        .invalid,
        "a message of \(size) bytes is over the limit of \(Limits.frameBytesMax)",
        sqlState: "54000",
        hint: "send fewer rows at once"
      )
    }
    let packed =
      pack && frame.body.count >= packFrom
      ? frame.body.withUnsafeBytes { LZ4Block.compress($0) } : nil
    let stored = packed?.count ?? frame.body.count
    var checksum = CRC32C.checksum(frame.head)
    checksum = CRC32C.checksum(packed ?? frame.body, seed: checksum)
    let front = [UInt8](unsafeUninitializedCapacity: headerBytes + frame.head.count) { out, count in
      let raw = UnsafeMutableRawBufferPointer(out)
      func put<T: FixedWidthInteger>(_ value: T, _ at: Int) {
        raw.storeBytes(of: value.littleEndian, toByteOffset: at, as: T.self)
      }
      put(UInt8(ascii: "T"), 0)
      put(UInt8(ascii: "F"), 1)
      put(frame.kind.rawValue, 2)
      put((packed != nil ? flagPacked : 0) | (frame.isLast ? flagLast : 0), 3)
      put(UInt32(frame.head.count + stored), 4)
      put(frame.stream, 8)
      put(UInt32(frame.head.count), 16)
      put(UInt32(frame.body.count), 20)
      put(
        CRC32C.checksum(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(raw)[0..<24])),
        24
      )
      put(checksum, 28)
      frame.head.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: raw[headerBytes...]).copyMemory(from: $0) }
      count = headerBytes + frame.head.count
    }
    return EncodedFrame(front: front, body: packed ?? frame.body)
  }
}

/// A frame ready to send; made outside any lock, because packing takes time.
public struct EncodedFrame: Sendable {
  /// Header and head.
  let front: [UInt8]
  /// The body as sent.
  let body: [UInt8]
  /// Bytes on the wire.
  public var byteCount: Int { front.count + body.count }
}

/// Turns frames into pieces to send: small frames share a piece, a large body is moved, not copied.
public struct FramePieces: Sendable {
  private var pieces: [[UInt8]] = []
  private var open: [UInt8] = []
  /// Bytes waiting.
  public private(set) var byteCount = 0
  private static let moveFrom = 32 << 10
  /// Makes an empty list.
  public init() {}
  /// True when nothing waits.
  public var isEmpty: Bool { byteCount == 0 }
  /// Appends a frame.
  public mutating func append(_ frame: consuming EncodedFrame) {
    byteCount += frame.byteCount
    open.append(contentsOf: frame.front)
    if frame.body.count < Self.moveFrom {
      open.append(contentsOf: frame.body)
    } else {
      pieces.append(open)
      pieces.append(frame.body)
      open = []
    }
  }
  /// Takes all pieces out, in order.
  public mutating func take() -> [[UInt8]] {
    if !open.isEmpty { pieces.append(open) }
    defer { (pieces, open, byteCount) = ([], [], 0) }
    return pieces
  }
}
