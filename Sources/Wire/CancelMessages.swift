// CancelMessages.swift — a client's cancel request that reached another coordinator than the one that runs its statement.
public import Bytes

/// 45: from coordinator to coordinator: end the statement of the connection with that process number and secret. Answered by `done`, also
/// when no connection has it: who guesses learns nothing.
///
/// Bytes: u32 process number · byte string secret.
public struct CancelStatement: MessageContent {
  /// Bytes of a secret.
  public static let secretBytesMax = 256
  /// The process number that the client was told.
  public var process: UInt32
  /// The secret that goes with it.
  public var secret: [UInt8]
  /// Makes the message.
  public init(process: UInt32, secret: [UInt8]) {
    self.process = process
    self.secret = secret
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.u32(process)
    out.prefixedBytes(secret)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> CancelStatement {
    CancelStatement(process: try reader.u32(), secret: try reader.prefixedBytes(max: secretBytesMax))
  }
}
