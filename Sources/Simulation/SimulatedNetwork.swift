// SimulatedNetwork.swift — the Network capability of one incarnation of a host on the simulated fabric.
//
// The public objects are thin; dropping one closes its socket, as on a real network.
internal import Bytes
internal import Capabilities

/// The network as one host's incarnation sees it.
struct SimulatedNetwork: Network {
  /// How long connecting tries without a deadline, as an operating system would.
  private static let patience: UInt64 = 120_000_000_000
  let fabric: SimulatedFabric
  let host: String
  let lifeline: Lifeline

  func listen(on address: NetworkAddress) async throws -> any Listener {
    try lifeline.requireAlive()
    let name = address.isLoopback || address.host == "0.0.0.0" ? host : address.host
    if name != host {
      throw NetworkFailure(.addressUnavailable, "\(address) is not an address of \(host)")
    }
    let socket = SimulatedListenSocket(fabric, lifeline)
    try socket.open(on: NetworkAddress(host: host, port: address.port))
    return SimulatedListener(socket)
  }

  func connect(to address: NetworkAddress, deadline: Instant) async throws -> any Connection {
    let (fabric, host, lifeline) = (self.fabric, self.host, self.lifeline)
    let target = NetworkAddress(host: address.isLoopback ? host : address.host, port: address.port)
    let source = NetworkAddress(host: host, port: fabric.takePort())
    return try await lifeline.suspend("connect") { (waiter: SimulatedWaiter<any Connection>) in
      let wait =
        deadline == .distantFuture
        ? Self.patience : deadline.nanoseconds - min(deadline.nanoseconds, lifeline.now)
      waiter.expire(
        fabric.executor.schedule(after: wait) {
          waiter.settle(
            .failure(NetworkFailure(.timedOut, "connecting to \(address) took too long"))
          )
        }
      )
      fabric.carry(host, target.host, bytes: 0, nil) {
        if fabric.isDown(target.host) { return }
        guard let socket = fabric.listener(at: target) else {
          return fabric.carry(target.host, host, bytes: 0, nil) {
            waiter.settle(.failure(NetworkFailure(.refused, "connect \(address): refused")))
          }
        }
        let near = SimulatedEndpoint(fabric, host: host, peerHost: target.host, lifeline)
        let far = SimulatedEndpoint(fabric, host: target.host, peerHost: host, socket.lifeline)
        (near.peer, far.peer) = (far, near)
        // The answer takes its place before anything the other end sends.
        fabric.carry(target.host, host, bytes: 0, far) {
          if waiter.isSettled || lifeline.isDead { return near.close() }
          waiter.settle(.success(SimulatedConnection(near, peer: address.description)))
        }
        socket.arrived(far, from: source)
      }
    }
  }
}

/// One end of a connection, for flows.
final class SimulatedConnection: Connection {
  private let endpoint: SimulatedEndpoint
  let peer: String
  init(_ endpoint: SimulatedEndpoint, peer: String) {
    self.endpoint = endpoint
    self.peer = peer
  }
  deinit { endpoint.close() }
  func receive() async throws -> [UInt8] { try await endpoint.receive() }
  func send(_ bytes: [UInt8]) async throws { try await endpoint.send(bytes) }
  func close() { endpoint.close() }
}

/// A listening socket, for flows.
final class SimulatedListener: Listener {
  private let socket: SimulatedListenSocket
  let address: NetworkAddress
  init(_ socket: SimulatedListenSocket) {
    self.socket = socket
    address = socket.address
  }
  deinit { socket.close() }
  func accept() async throws -> any Connection { try await socket.accept() }
  func close() { socket.close() }
}

/// A listening socket. Confined to the simulation's thread.
final class SimulatedListenSocket: @unchecked Sendable {
  // Safe: touched by the simulation's thread only.
  private let fabric: SimulatedFabric
  let lifeline: Lifeline
  private(set) var address = NetworkAddress(host: "", port: 0)
  private var isClosed = false
  private var backlog: [SimulatedConnection] = []
  private var waiters: [SimulatedWaiter<any Connection>] = []

  init(_ fabric: SimulatedFabric, _ lifeline: Lifeline) {
    self.fabric = fabric
    self.lifeline = lifeline
  }
  func open(on address: NetworkAddress) throws { self.address = try fabric.bind(self, to: address) }
  func arrived(_ endpoint: SimulatedEndpoint, from source: NetworkAddress) {
    backlog.append(SimulatedConnection(endpoint, peer: source.description))
    serve()
  }
  private func serve() {
    waiters.removeAll { $0.isSettled }
    while !backlog.isEmpty, !waiters.isEmpty {
      waiters.removeFirst().settle(.success(backlog.removeFirst()))
    }
  }
  func accept() async throws -> any Connection {
    try await lifeline.suspend("accept") { [self] (waiter: SimulatedWaiter<any Connection>) in
      if isClosed {
        return waiter.settle(.failure(NetworkFailure(.closed, "the listener is closed")))
      }
      waiters.append(waiter)
      serve()
    }
  }
  func close() {
    if isClosed { return }
    isClosed = true
    fabric.unbind(address)
    let waiting = waiters
    (waiters, backlog) = ([], [])
    for waiter in waiting {
      waiter.settle(.failure(NetworkFailure(.closed, "the listener was closed")))
    }
  }
}
