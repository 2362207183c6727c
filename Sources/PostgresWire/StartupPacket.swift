// StartupPacket.swift — what a client may say first: which protocol, who it is, or that it wants TLS or to cancel.
//
//   SSLRequest      u32 80877103
//   GSSENCRequest   u32 80877104
//   CancelRequest   u32 80877102, u32 process, secret (4 bytes under 3.0, up to 256 under 3.2)
//   Startup         u16 major = 3, u16 minor, then name\0 value\0 …, \0
//
// Framing: MessageFraming.swift. Nothing here is trusted yet: the packet comes before authentication.

internal import Bytes
public import Model

/// The process number and secret that a client was given to cancel with.
public struct CancelKey: Equatable, Sendable {
  /// The number; its upper bits tell the coordinator (`CancelRegistry`).
  public var process: UInt32
  /// Random bytes.
  public var secret: [UInt8]
  /// Makes a key.
  public init(process: UInt32, secret: [UInt8]) {
    self.process = process
    self.secret = secret
  }
}

/// Parameters of a startup packet.
public struct StartupParameters: Equatable, Sendable {
  /// Minor version of protocol 3 that was asked for.
  public var minor: UInt16
  /// Names and values in order, without the protocol options.
  public var values: [(name: String, value: String)]
  /// Names that begin with `_pq_.`; none is known here.
  public var protocolOptions: [String]

  /// The last value of a parameter.
  public subscript(name: String) -> String? { values.last { $0.name == name }?.value }
  /// Compares names and values.
  public static func == (a: StartupParameters, b: StartupParameters) -> Bool {
    a.minor == b.minor && a.protocolOptions == b.protocolOptions
      && a.values.elementsEqual(b.values) { $0.name == $1.name && $0.value == $1.value }
  }
}

/// A packet before authentication.
public enum StartupPacket: Equatable, Sendable {
  case tls
  case gss
  case cancel(CancelKey)
  case startup(StartupParameters)

  static let tlsCode: UInt32 = 80_877_103
  static let gssCode: UInt32 = 80_877_104
  static let cancelCode: UInt32 = 80_877_102
  /// The newest minor version spoken here.
  public static let newestMinor: UInt16 = 2

  /// Reads a packet's body.
  public init(_ body: [UInt8]) throws(TallyError) {
    do throws(DecodingFailure) {
      self = try body.withReader { reader throws(DecodingFailure) in try StartupPacket(&reader) }
    } catch {
      if error.kind == .unknown, error.position == 0 {
        throw TallyError(.unsupported, error.message)
      }
      throw TallyError(.protocolViolation, "invalid startup packet layout: \(error.message)")
    }
  }
  private init(_ reader: inout ByteReader) throws(DecodingFailure) {
    let code = try reader.big(UInt32.self)
    switch code {
    case Self.tlsCode:
      try reader.expectEnd()
      self = .tls
    case Self.gssCode:
      try reader.expectEnd()
      self = .gss
    case Self.cancelCode:
      let process = try reader.big(UInt32.self)
      guard reader.remaining >= 4, reader.remaining <= 256 else {
        throw DecodingFailure(.malformed, at: reader.position, "a cancel key has 4 to 256 bytes")
      }
      self = .cancel(CancelKey(process: process, secret: Array(reader.rest())))
    default:
      guard code >> 16 == 3 else {
        throw DecodingFailure(
          .unknown,
          at: 0,
          "unsupported frontend protocol \(code >> 16).\(code & 0xffff): server supports 3.0 to 3.\(Self.newestMinor)"
        )
      }
      self = .startup(try Self.parameters(&reader, UInt16(truncatingIfNeeded: code)))
    }
  }
  private static func parameters(
    _ reader: inout ByteReader,
    _ minor: UInt16
  ) throws(DecodingFailure) -> StartupParameters {
    var parameters = StartupParameters(minor: minor, values: [], protocolOptions: [])
    while true {
      let name = try text(&reader)
      if name.isEmpty { break }
      let value = try text(&reader)
      if name.hasPrefix("_pq_.") {
        parameters.protocolOptions.append(name)
      } else {
        parameters.values.append((name, value))
      }
    }
    guard reader.isAtEnd else {
      throw DecodingFailure(.malformed, at: reader.position, "expected terminator as last byte")
    }
    return parameters
  }
  private static func text(_ reader: inout ByteReader) throws(DecodingFailure) -> String {
    let at = reader.position
    guard let text = String(validating: try reader.zeroTerminated(), as: UTF8.self) else {
      throw DecodingFailure(.malformed, at: at, "text is not UTF-8")
    }
    return text
  }
}
