// FrontendMessage.swift — what an authenticated client may send, read from the body of a message.
//
//   Q Query      text\0
//   P Parse      name\0 text\0, u16 n, n × u32 type
//   B Bind       portal\0 statement\0, u16 n, n × i16 format, u16 n, n × (i32 length or -1, bytes), u16 n, n × i16 format
//   D Describe   'S' or 'P', name\0          C Close    the same
//   E Execute    portal\0, i32 rows (0 = all)
//   F Function call: known, refused          p          password, SASL: bytes
//   d CopyData   bytes      c CopyDone       f CopyFail text\0
//   H Flush      S Sync     X Terminate
//
// Every length is checked against the bytes that are there before anything is allocated for it. Texts must be UTF-8 (22021).

internal import Bytes
package import Model

/// The values of a Bind message, still in its body.
public struct BoundValues: Equatable, Sendable {
  /// The bytes the ranges lie in.
  public var bytes: [UInt8]
  /// One a parameter; nil is NULL.
  public var ranges: [Range<Int>?]
  /// No values.
  public static let none = BoundValues(bytes: [], ranges: [])
}

/// What Describe and Close name.
public enum MessageTarget: UInt8, Sendable {
  case statement = 0x53
  case portal = 0x50
}

/// A message from a client.
public enum FrontendMessage: Equatable, Sendable {
  case query(String)
  case parse(name: String, text: String, types: [UInt32])
  case bind(portal: String, statement: String, formats: [Int16], values: BoundValues, resultFormats: [Int16])
  case describe(MessageTarget, String)
  case execute(portal: String, limit: Int32)
  case close(MessageTarget, String)
  case flush
  case sync
  case terminate
  case functionCall
  /// A password or a SASL message, by its bytes.
  case password([UInt8])
  case copyData([UInt8])
  case copyDone
  case copyFail(String)

  /// Type bytes of messages.
  static let types = Set("QPBDECFdcfHSXp".utf8)

  /// Whether errors in a message of this type make the session skip to the next Sync.
  static func isExtended(_ type: UInt8) -> Bool { "PBDECF".utf8.contains(type) && type != UInt8(ascii: "F") }

  /// Reads a message.
  package init(_ raw: RawMessage) throws(TallyError) {
    do throws(DecodingFailure) {
      // Large bodies of bytes are handed on as they are.
      switch raw.type {
      case UInt8(ascii: "d"): self = .copyData(raw.body)
      case UInt8(ascii: "p"): self = .password(raw.body)
      case UInt8(ascii: "B"): self = try Self.bind(raw.body)
      default:
        self = try raw.body.withReader { reader throws(DecodingFailure) in
          let message = try Self.read(raw.type, &reader)
          try reader.expectEnd()
          return message
        }
      }
    } catch {
      if error.kind == .checksum { throw Self.notUTF8(raw.body, error.position) }
      switch error.kind {
      // PostgreSQL has words of its own for these.
      case .unknown: throw TallyError(.protocolViolation, error.message)
      case .truncated: throw TallyError(.protocolViolation, "insufficient data left in message", detail: error.message)
      default: throw TallyError(.protocolViolation, "invalid message format", detail: error.message)
      }
    }
  }
  private static func read(_ type: UInt8, _ reader: inout ByteReader) throws(DecodingFailure) -> FrontendMessage {
    switch type {
    case UInt8(ascii: "Q"): return .query(try text(&reader))
    case UInt8(ascii: "P"):
      let (name, sql) = (try text(&reader), try text(&reader))
      let count = Int(try reader.big(UInt16.self))
      guard reader.remaining == count * 4 else {
        throw DecodingFailure(.malformed, at: reader.position, "\(count) types in \(reader.remaining) bytes")
      }
      var types: [UInt32] = []
      types.reserveCapacity(count)
      for _ in 0..<count { types.append(try reader.big(UInt32.self)) }
      return .parse(name: name, text: sql, types: types)
    case UInt8(ascii: "D"), UInt8(ascii: "C"):
      let at = reader.position
      let kind = try reader.u8()
      guard let target = MessageTarget(rawValue: kind) else {
        let name = type == UInt8(ascii: "D") ? "DESCRIBE" : "CLOSE"
        throw DecodingFailure(.unknown, at: at, "invalid \(name) message subtype \(kind)")
      }
      let name = try text(&reader)
      return type == UInt8(ascii: "D") ? .describe(target, name) : .close(target, name)
    case UInt8(ascii: "E"): return .execute(portal: try text(&reader), limit: try reader.big(Int32.self))
    case UInt8(ascii: "F"):
      _ = reader.rest()
      return .functionCall
    case UInt8(ascii: "c"): return .copyDone
    case UInt8(ascii: "f"): return .copyFail(try text(&reader))
    case UInt8(ascii: "H"): return .flush
    case UInt8(ascii: "S"): return .sync
    case UInt8(ascii: "X"):
      _ = reader.rest()
      return .terminate
    default: throw DecodingFailure(.unknown, at: 0, "message type \(type)")
    }
  }
  private static func bind(_ body: [UInt8]) throws(DecodingFailure) -> FrontendMessage {
    try body.withReader { reader throws(DecodingFailure) in
      let (portal, statement) = (try text(&reader), try text(&reader))
      let formats = try self.formats(&reader)
      let count = Int(try reader.big(UInt16.self))
      guard reader.remaining >= count * 4 else {
        throw DecodingFailure(.truncated, at: reader.position, "\(count) parameters in \(reader.remaining) bytes")
      }
      var ranges: [Range<Int>?] = []
      ranges.reserveCapacity(count)
      for _ in 0..<count {
        let length = try reader.big(Int32.self)
        if length == -1 {
          ranges.append(nil)
          continue
        }
        guard length >= 0 else {
          throw DecodingFailure(.malformed, at: reader.position - 4, "a parameter of \(length) bytes")
        }
        let start = reader.position
        _ = try reader.slice(Int(length))
        ranges.append(start..<reader.position)
      }
      let resultFormats = try self.formats(&reader)
      try reader.expectEnd()
      return .bind(
        portal: portal,
        statement: statement,
        formats: formats,
        values: BoundValues(bytes: body, ranges: ranges),
        resultFormats: resultFormats
      )
    }
  }
  private static func formats(_ reader: inout ByteReader) throws(DecodingFailure) -> [Int16] {
    let count = Int(try reader.big(UInt16.self))
    guard reader.remaining >= count * 2 else {
      throw DecodingFailure(.truncated, at: reader.position, "\(count) formats in \(reader.remaining) bytes")
    }
    var formats: [Int16] = []
    formats.reserveCapacity(count)
    for _ in 0..<count { formats.append(try reader.big(Int16.self)) }
    return formats
  }
  private static func text(_ reader: inout ByteReader) throws(DecodingFailure) -> String {
    let at = reader.position
    let bytes = try reader.zeroTerminated()
    guard let text = String(validating: bytes, as: UTF8.self) else {
      // Told apart by its kind: this one is 22021, not a fault of the protocol.
      throw DecodingFailure(.checksum, at: at + TextScan.utf8Prefix(bytes), "text is not UTF-8")
    }
    return text
  }
  static func notUTF8(_ bytes: [UInt8], _ position: Int) -> TallyError {
    let wrong = bytes[min(position, bytes.count)...].prefix(4).map { byte in
      " 0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    // As many bytes as the first one announces; one when it announces nothing.
    let ones = position < bytes.count ? (~bytes[position]).leadingZeroBitCount : 0
    let announced = (2...4).contains(ones) ? ones : 1
    return .sql("22021", "invalid byte sequence for encoding \"UTF8\":\(wrong.prefix(announced).joined())")
  }
}
