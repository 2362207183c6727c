// TCPListenSocket.swift — one listening libuv socket. Connections are accepted only when somebody waits for one: libuv
// holds back one, the kernel's backlog the rest. Out of file descriptors libuv accepts and drops a connection, by a
// descriptor it keeps in reserve, so that the loop does not spin; that is logged.
internal import Bytes
internal import CUV
internal import Capabilities
internal import Glibc

/// A listening socket. Its libuv handle keeps it alive until it is closed.
final class TCPListenSocket: LoopResource, @unchecked Sendable {
  // Safe: touched by the loop's thread only, but for the constants.
  let loop: UVLoop
  private let log: (any EventLog)?
  private let tcp = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
  private var isClosed = false
  private var arrivals = 0
  private var waiters: [Waiter<any Connection>] = []

  init(_ loop: UVLoop, log: (any EventLog)?) {
    self.loop = loop
    self.log = log
    require(uv_tcp_init(loop.handles.loop, tcp), "uv_tcp_init")
    tcp.pointee.data = Unmanaged.passRetained(self).toOpaque()
    loop.adopt(self)
  }
  deinit { tcp.deallocate() }

  private var stream: UnsafeMutablePointer<uv_stream_t> {
    UnsafeMutableRawPointer(tcp).assumingMemoryBound(to: uv_stream_t.self)
  }
  /// Binds and listens; returns the real address. Closes itself when that fails.
  func open(on address: NetworkAddress) throws -> NetworkAddress {
    do {
      let code = try withSocketAddress(address) { uv_tcp_bind(tcp, $0, 0) }
      if code < 0 {
        throw NetworkFailure(.addressUnavailable, "bind \(address): \(describe(code))")
      }
      let listening = uv_listen(stream, 1024) { handle, status in
        guard let context = handle?.pointee.data else {
          fatalError("a listening handle without its socket")
        }
        Unmanaged<TCPListenSocket>.fromOpaque(context).takeUnretainedValue().arrived(status)
      }
      if listening < 0 {
        throw NetworkFailure(.addressUnavailable, "listen \(address): \(describe(listening))")
      }
    } catch {
      close()
      throw error
    }
    var bound = sockaddr_storage()
    var length = Int32(MemoryLayout<sockaddr_storage>.size)
    let port = withUnsafeMutableBytes(of: &bound) { bytes in
      let generic = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress!
      require(uv_tcp_getsockname(tcp, generic, &length), "uv_tcp_getsockname")
      return numericAddress(UnsafeRawPointer(generic)).port
    }
    return NetworkAddress(host: address.host, port: port)
  }

  private func arrived(_ status: Int32) {
    if status < 0 {
      log?.warning("accept-failed", ("reason", describe(status)))
      return
    }
    arrivals += 1
    serve()
  }
  /// Pairs connections that arrived with those who wait for them.
  private func serve() {
    while arrivals > 0, !waiters.isEmpty {
      arrivals -= 1
      let accepted = TCPStream(loop)
      let code = uv_accept(stream, accepted.stream)
      if code < 0 {
        accepted.close()
        log?.warning("accept-failed", ("reason", describe(code)))
        continue
      }
      accepted.begin()
      waiters.removeFirst().settle(.success(TCPConnection(accepted, peer: accepted.peerName())))
    }
  }
  func accept(_ waiter: Waiter<any Connection>) {
    if isClosed {
      return waiter.settle(.failure(NetworkFailure(.closed, "the listener is closed")))
    }
    waiters.append(waiter)
    serve()
  }
  func cancelAccept(_ waiter: Waiter<any Connection>) { waiters.removeAll { $0 === waiter } }

  /// Stops listening.
  func close() {
    if isClosed { return }
    isClosed = true
    loop.disown(self)
    uv_close(base(tcp)) { handle in
      guard let context = handle?.pointee.data else {
        fatalError("a listening handle without its socket")
      }
      Unmanaged<TCPListenSocket>.fromOpaque(context).release()
    }
    let waiting = waiters
    waiters = []
    for waiter in waiting {
      waiter.settle(.failure(NetworkFailure(.closed, "the listener was closed")))
    }
  }
  func shutDown() { close() }
}
