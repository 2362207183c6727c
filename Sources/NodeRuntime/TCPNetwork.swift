// TCPNetwork.swift — the Network capability over TCP sockets of one loop.
//
// The public objects are thin: they may be used from any thread, hop to the loop when needed, and close their socket
// when they are dropped. No TLS, no name look-ups.
internal import Bytes
internal import CUV
public import Capabilities
internal import Glibc

/// TCP on a loop.
public struct TCPNetwork: Network {
  private let loop: UVLoop
  private let log: (any EventLog)?
  /// Makes a network whose sockets live on `loop`; failures to accept go to `log`.
  public init(_ loop: UVLoop, log: (any EventLog)? = nil) {
    self.loop = loop
    self.log = log
  }

  /// Listens on an address (SO_REUSEADDR, backlog 1024).
  public func listen(on address: NetworkAddress) async throws -> any Listener {
    let (loop, log) = (self.loop, self.log)
    return try await loop.call { waiter in
      do {
        let socket = TCPListenSocket(loop, log: log)
        waiter.settle(.success(TCPListener(socket, try socket.open(on: address))))
      } catch {
        waiter.settle(.failure(error))
      }
    } cancelled: { waiter in
      waiter.settle(.failure(CancellationError()))
    }
  }

  /// Connects; the deadline is kept by the loop.
  public func connect(to address: NetworkAddress, deadline: Instant) async throws -> any Connection {
    let attempt = ConnectAttempt(loop, to: address)
    return try await loop.call { waiter in
      attempt.begin(waiter, deadline)
    } cancelled: { _ in
      attempt.finish(.failure(CancellationError()))
    }
  }
}

extension UVLoop {
  /// Suspends the caller until `begin`, called on the loop, settles its waiter; `cancelled` runs there on cancellation
  /// and must settle the waiter too. Fails when the loop was stopped.
  func call<Value: Sendable>(
    _ begin: @escaping @Sendable (Waiter<Value>) -> Void,
    cancelled: @escaping @Sendable (Waiter<Value>) -> Void
  ) async throws -> Value {
    let waiter = Waiter<Value>()
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let isRunning = perform {
          guard waiter.attach(continuation) else { return }
          if self.isStopping {
            return waiter.settle(.failure(NetworkFailure(.closed, "the loop stopped")))
          }
          begin(waiter)
        }
        if !isRunning { continuation.resume(throwing: NetworkFailure(.closed, "the loop stopped")) }
      }
    } onCancel: {
      _ = perform {
        cancelled(waiter)
        waiter.settle(.failure(CancellationError()))
      }
    }
  }
}

/// A connection under way. Confined to the loop's thread.
private final class ConnectAttempt: @unchecked Sendable {
  // Safe: touched by the loop's thread only, but for the constants.
  private let loop: UVLoop
  private let address: NetworkAddress
  private let timer = LoopTimer()
  private var stream: TCPStream?
  private var waiter: Waiter<any Connection>?

  init(_ loop: UVLoop, to address: NetworkAddress) {
    self.loop = loop
    self.address = address
  }
  func begin(_ waiter: Waiter<any Connection>, _ deadline: Instant) {
    self.waiter = waiter
    let stream = TCPStream(loop)
    self.stream = stream
    let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
    request.pointee.data = Unmanaged.passRetained(self).toOpaque()
    do {
      let code = try withSocketAddress(address) { socket in
        uv_tcp_connect(request, stream.tcp, socket) { request, status in
          guard let request, let context = request.pointee.data else {
            fatalError("a connect without its attempt")
          }
          let attempt = Unmanaged<ConnectAttempt>.fromOpaque(context).takeRetainedValue()
          request.deallocate()
          attempt.connected(status)
        }
      }
      if code < 0 { throw failure(code) }
    } catch {
      Unmanaged.passUnretained(self).release()
      request.deallocate()
      return finish(.failure(error))
    }
    if deadline != .distantFuture {
      loop.timers.start(timer, at: deadline) { isDue in
        self.finish(
          .failure(
            isDue
              ? NetworkFailure(.timedOut, "connecting to \(self.address) took too long")
              : NetworkFailure(.closed, "the loop stopped")
          )
        )
      }
    }
  }
  private func failure(_ code: Int32) -> NetworkFailure {
    NetworkFailure(
      code == UV_ETIMEDOUT.rawValue ? .timedOut : .refused,
      "connect \(address): \(describe(code))"
    )
  }
  private func connected(_ status: Int32) {
    guard let stream, waiter != nil else { return }  // given up before
    if status < 0 { return finish(.failure(failure(status))) }
    stream.begin()
    self.stream = nil
    finish(.success(TCPConnection(stream, peer: address.description)))
  }
  /// Ends the attempt once; a socket that was not handed over is closed.
  func finish(_ result: Result<any Connection, any Error>) {
    loop.timers.cancel(timer)
    stream?.close()
    stream = nil
    waiter?.settle(result)
    waiter = nil
  }
}

/// A TCP connection.
final class TCPConnection: Connection {
  private let stream: TCPStream
  let peer: String

  init(_ stream: TCPStream, peer: String) {
    self.stream = stream
    self.peer = peer
  }
  deinit { close() }

  func receive() async throws -> [UInt8] {
    let stream = self.stream
    if stream.loop.isCurrent, let bytes = try stream.takeReceived() { return bytes }
    return try await stream.loop.call {
      stream.receive($0)
    } cancelled: {
      stream.cancelReceive($0)
    }
  }
  func send(_ bytes: [UInt8]) async throws {
    let stream = self.stream
    if stream.loop.isCurrent, try stream.trySend(bytes) { return }
    try await stream.loop.call {
      stream.send(bytes, $0)
    } cancelled: {
      stream.cancelSend($0)
    }
  }
  func close() {
    let stream = self.stream
    _ = stream.loop.perform { stream.close() }  // a stopped loop has closed it
  }
}

/// A listening TCP socket.
final class TCPListener: Listener {
  private let socket: TCPListenSocket
  let address: NetworkAddress

  init(_ socket: TCPListenSocket, _ address: NetworkAddress) {
    self.socket = socket
    self.address = address
  }
  deinit { close() }

  func accept() async throws -> any Connection {
    let socket = self.socket
    return try await socket.loop.call {
      socket.accept($0)
    } cancelled: {
      socket.cancelAccept($0)
    }
  }
  func close() {
    let socket = self.socket
    _ = socket.loop.perform { socket.close() }  // a stopped loop has closed it
  }
}
