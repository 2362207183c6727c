// MessageFraming.swift — cuts the bytes of one client into packets and messages, whatever the chunks they come in.
//
//   startup packet   u32 length (itself included), body             before authentication, no type byte
//   message          u8 type, u32 length (itself included), body    everything else
//
// All integers most significant byte first. A length is checked as soon as its bytes are there and memory grows only with
// bytes that really came, so a length is never believed. What a body means: StartupPacket.swift, FrontendMessage.swift.

internal import Bytes
package import Model

/// Bounds of what a client may send.
public struct MessageLimits: Sendable {
  /// Bytes of a startup packet.
  public var startupBytesMax = 10_000
  /// Bytes of a message while authentication is under way.
  public var authenticationBytesMax = 16_384
  /// Bytes of any other message; larger ones end the connection.
  public var messageBytesMax = 16 << 20
  /// The defaults.
  public init() {}
}

/// A message, cut out but not understood.
package struct RawMessage: Equatable, Sendable {
  package var type: UInt8
  package var body: [UInt8]

  package init(type: UInt8, body: [UInt8]) {
    self.type = type
    self.body = body
  }
}

/// Bytes that came and were not used yet.
package struct MessageFraming: Sendable {
  private var bytes: [UInt8] = []
  private var head = 0

  package init() {}

  /// Bytes that wait.
  var count: Int { bytes.count - head }
  var isEmpty: Bool { count == 0 }
  /// The first byte of the next message.
  var nextType: UInt8? { isEmpty ? nil : bytes[head] }

  package mutating func push(_ chunk: [UInt8]) {
    if head == bytes.count {
      bytes = chunk
      head = 0
      return
    }
    if head > 0 {
      bytes.removeFirst(head)
      head = 0
    }
    bytes.append(contentsOf: chunk)
  }
  private func length(at offset: Int) -> UInt32 {
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self).byteSwapped }
  }

  /// The body of the next startup packet; nil until it is whole.
  package mutating func startupPacket(max limit: Int) throws(TallyError) -> [UInt8]? {
    guard count >= 4 else { return nil }
    let length = length(at: head)
    guard length >= 8, length <= UInt32(limit) else {
      throw TallyError(.protocolViolation, "invalid length of startup packet")
    }
    guard count >= Int(length) else { return nil }
    defer { head += Int(length) }
    return Array(bytes[(head + 4)..<(head + Int(length))])
  }
  /// Takes the bodies of CopyData messages that come next and are whole, about `target` bytes of them, in one piece.
  package mutating func copyData(upTo target: Int, max limit: Int) -> [UInt8] {
    var out: [UInt8] = []
    while out.count < target, count >= 5, bytes[head] == UInt8(ascii: "d") {
      let length = length(at: head + 1)
      // A wrong length is for `message` to tell.
      guard length >= 4, length <= UInt32(limit), count > Int(length) else { break }
      out.append(contentsOf: bytes[(head + 5)..<(head + 1 + Int(length))])
      head += 1 + Int(length)
    }
    return out
  }
  /// The next message; nil until it is whole. Throws when the stream cannot be cut any further.
  package mutating func message(max limit: Int) throws(TallyError) -> RawMessage? {
    guard count >= 1 else { return nil }
    let type = bytes[head]
    guard FrontendMessage.types.contains(type) else {
      throw TallyError(.protocolViolation, "invalid frontend message type \(type)")
    }
    guard count >= 5 else { return nil }
    let length = length(at: head + 1)
    guard length >= 4, length <= UInt32(limit) else {
      throw TallyError(
        .protocolViolation,
        "invalid message length",
        detail: "The message has \(length) bytes, \(limit) are allowed here."
      )
    }
    guard count > Int(length) else { return nil }
    defer { head += 1 + Int(length) }
    return RawMessage(type: type, body: Array(bytes[(head + 5)..<(head + 1 + Int(length))]))
  }
}
