// Network.swift — byte streams between nodes. Framing, retries and meaning live above (RPC).

/// Where a node listens.
@frozen public struct NetworkAddress: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// A numeric address or `localhost`.
  public var host: String
  /// TCP port; 0 lets the system choose when listening.
  public var port: UInt16
  /// Makes an address.
  public init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }
  /// Parses `host:port`; nil when it is not of that form.
  public init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
      colon > text.startIndex
    else { return nil }
    self.init(host: String(text[..<colon]), port: port)
  }
  /// `host:port`.
  public var description: String { "\(host):\(port)" }
  /// By host, then port.
  public static func < (a: NetworkAddress, b: NetworkAddress) -> Bool { (a.host, a.port) < (b.host, b.port) }
  /// True for addresses that only this machine reaches.
  public var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
}

/// Why a connection could not be made or went away.
public struct NetworkFailure: Error, Sendable, CustomStringConvertible {
  /// What callers react to.
  public enum Kind: Sendable, Equatable {
    /// Nobody listens there, or it cannot be reached.
    case refused
    /// The connection ended while it was in use.
    case closed
    /// The deadline passed.
    case timedOut
    /// The address is taken or not ours.
    case addressUnavailable
  }
  /// What went wrong.
  public var kind: Kind
  /// For people.
  public var message: String
  /// Makes a failure.
  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }
  /// The message.
  public var description: String { message }
}

/// An established, ordered, reliable byte stream.
public protocol Connection: AnyObject, Sendable {
  /// The other end, for logs.
  var peer: String { get }
  /// Suspends until bytes arrive and returns them (at most 256 KiB); an empty array is the end of the stream.
  /// One caller at a time. Throws `NetworkFailure(.closed)`, or `CancellationError`.
  func receive() async throws -> [UInt8]
  /// Queues bytes in order; suspends while more than 1 MiB is queued. Callers may overlap: each call's bytes stay together.
  /// Throws `NetworkFailure(.closed)` once the connection is gone.
  func send(_ bytes: [UInt8]) async throws
  /// Ends the connection at once; pending calls throw. Idempotent, callable anywhere.
  func close()
}

/// A listening socket.
public protocol Listener: AnyObject, Sendable {
  /// The bound address, with the real port.
  var address: NetworkAddress { get }
  /// Suspends until a peer connects. Throws `NetworkFailure(.closed)` after `close`, or `CancellationError`.
  func accept() async throws -> any Connection
  /// Stops listening.
  func close()
}

extension Listener {
  /// The next connection; nil once the listener is closed or the task cancelled.
  ///
  /// A connection that broke before it was accepted, or no descriptors left, end no listener: `failed` is told, and it goes on soon.
  public func next(_ clock: any Clock, failed: (NetworkFailure) -> Void) async -> (any Connection)? {
    while !Task.isCancelled {
      do { return try await accept() } catch let failure as NetworkFailure where failure.kind != .closed {
        failed(failure)
        do { try await clock.sleep(for: .milliseconds(50)) } catch { return nil }
      } catch { return nil }
    }
    return nil
  }
}

/// Makes connections.
public protocol Network: Sendable {
  /// Listens on an address. Throws `NetworkFailure(.addressUnavailable)`.
  func listen(on address: NetworkAddress) async throws -> any Listener
  /// Connects before `deadline`. Throws `NetworkFailure`.
  func connect(to address: NetworkAddress, deadline: Instant) async throws -> any Connection
}
