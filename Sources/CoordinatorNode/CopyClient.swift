// CopyClient.swift — what COPY asks of the protocol by which its client is connected.

/// Data that a client sends.
public protocol CopySource: AnyObject, Sendable {
  /// The next bytes, cut anywhere; nil at their end. Throws when the client gives up or goes.
  func next() async throws -> [UInt8]?
}

/// The client of a COPY.
public protocol CopyClient: Sendable {
  /// Asks for data; `columns` is the number of a row's fields.
  func beginCopyIn(columns: Int, isBinary: Bool) async throws -> any CopySource
  /// Announces data.
  func beginCopyOut(columns: Int, isBinary: Bool) async throws
  /// Sends messages of data, one a row (a header is one of its own, or stands before the first row); `ends` are their ends within
  /// `bytes`. Suspends while the client does not read.
  func sendCopyRows(_ bytes: [UInt8], ends: [Int]) async throws
  /// Counts rows that wait in memory until the client has read them; what is returned is held so long. Throws 53200 when there is no room.
  func hold(_ bytes: Int) throws -> (any Sendable)?
}

extension CopyClient {
  /// Nothing counts them.
  public func hold(_ bytes: Int) throws -> (any Sendable)? { nil }
}
