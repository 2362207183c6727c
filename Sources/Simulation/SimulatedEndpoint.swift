// SimulatedEndpoint.swift — one end of a simulated connection.
//
// Bytes that were sent and not yet received by the peer's flow count against the sender's 1 MiB, as kernel buffers and
// send queue do on real sockets. What `receive` returns is cut and joined by chance: nothing may rely on boundaries.
internal import Bytes
internal import Capabilities

/// One end of a connection. Confined to the simulation's thread.
final class SimulatedEndpoint: @unchecked Sendable {
  // Safe: touched by the simulation's thread only.
  private struct Sender {
    var bytes: [UInt8]
    var waiter: SimulatedWaiter<Void>
  }
  private enum State {
    case open
    /// Ended here, or by a reset.
    case closed(String)
    /// The machine lost its power: nobody was told.
    case gone
  }
  private static let limit = 1 << 20
  private static let receiveLimit = 256 << 10

  let fabric: SimulatedFabric
  let host: String
  let peerHost: String
  let lifeline: Lifeline
  private(set) var id: UInt64 = 0
  /// Keeps what this end sends in order.
  var lastArrival: UInt64 = 0
  /// The link to its peer, once it has sent something.
  var way: SimulatedLink?
  /// The other end; both let go of each other when both have ended.
  var peer: SimulatedEndpoint?

  private var state = State.open
  private var inbox: [UInt8] = []
  private var chunks: [Int] = []
  private var isPeerDone = false
  private var reader: SimulatedWaiter<[UInt8]>?
  private var inFlight = 0
  private var senders: [Sender] = []

  init(_ fabric: SimulatedFabric, host: String, peerHost: String, _ lifeline: Lifeline) {
    self.fabric = fabric
    self.host = host
    self.peerHost = peerHost
    self.lifeline = lifeline
    id = fabric.adopt(self)
  }
  private var isOpen: Bool { if case .open = state { true } else { false } }
  private func requireOpen() throws {
    if case .closed(let reason) = state { throw NetworkFailure(.closed, reason) }
    if case .gone = state { throw NetworkFailure(.closed, "the machine lost its power") }
  }

  // MARK: Receiving

  func receive() async throws -> [UInt8] {
    try lifeline.requireAlive()
    if let bytes = try take() { return bytes }
    return try await lifeline.suspend("receive") { [self] (waiter: SimulatedWaiter<[UInt8]>) in
      invariant(reader == nil || reader!.isSettled, "two tasks receive from one connection")
      reader = waiter
      serveReader()
    }
  }
  private func take() throws -> [UInt8]? {
    try requireOpen()
    if inbox.isEmpty { return isPeerDone ? [] : nil }
    var count = inbox.count
    switch fabric.random.next(below: 4) {
    case 0: count = chunks[0]
    case 1: count = 1 + Int(fabric.random.next(below: UInt64(min(count, 4096))))
    default: break
    }
    count = min(count, inbox.count, Self.receiveLimit)
    let bytes = Array(inbox[..<count])
    inbox.removeFirst(count)
    var rest = count
    while rest > 0 {
      let step = min(rest, chunks[0])
      chunks[0] -= step
      rest -= step
      if chunks[0] == 0 { chunks.removeFirst() }
    }
    peer?.acknowledged(count)
    return bytes
  }
  private func serveReader() {
    guard let waiter = reader, !waiter.isSettled else { return }
    do {
      guard let bytes = try take() else { return }
      waiter.settle(.success(bytes))
    } catch {
      waiter.settle(.failure(error))
    }
    reader = nil
  }
  private func arrived(_ bytes: [UInt8]) {
    if case .gone = state {
      if !fabric.isDown(host) { answerWithReset() }
      return
    }
    guard isOpen else { return }
    inbox += bytes
    chunks.append(bytes.count)
    serveReader()
  }
  /// A machine that came back knows nothing of the connection.
  private func answerWithReset() {
    if isStalled { return }
    fabric.carry(host, peerHost, bytes: 0, nil) { [peer] in if peer?.isStalled != true { peer?.fail("reset by peer") } }
  }
  private func peerIsDone() {
    isPeerDone = true
    serveReader()
    failSenders("the peer closed the connection")
  }

  // MARK: Sending

  func send(_ bytes: [UInt8]) async throws {
    try lifeline.requireAlive()
    if try trySend(bytes) { return }
    try await lifeline.suspend("send") { [self] (waiter: SimulatedWaiter<Void>) in
      do {
        if try trySend(bytes) {
          waiter.settle(.success(()))
        } else {
          senders.append(Sender(bytes: bytes, waiter: waiter))
        }
      } catch {
        waiter.settle(.failure(error))
      }
    }
  }
  private func trySend(_ bytes: [UInt8]) throws -> Bool {
    try requireOpen()
    if isPeerDone { throw NetworkFailure(.closed, "the peer closed the connection") }
    senders.removeAll { $0.waiter.isSettled }
    guard inFlight <= Self.limit, senders.isEmpty else { return false }
    transmit(bytes)
    return true
  }
  private func transmit(_ bytes: [UInt8]) {
    if bytes.isEmpty { return }
    inFlight += bytes.count
    if isStalled { return }
    fabric.carry(host, peerHost, bytes: bytes.count, self) { [peer] in if peer?.isStalled != true { peer?.arrived(bytes) } }
  }
  private func acknowledged(_ count: Int) {
    inFlight -= count
    while inFlight <= Self.limit, let first = senders.first {
      senders.removeFirst()
      if first.waiter.isSettled { continue }
      transmit(first.bytes)
      first.waiter.settle(.success(()))
    }
  }
  private func failSenders(_ reason: String) {
    let waiting = senders
    senders = []
    for sender in waiting { sender.waiter.settle(.failure(NetworkFailure(.closed, reason))) }
  }

  /// What this end sends from now on, and what is under way to it, is lost.
  func stall() { isStalled = true }
  private var isStalled = false

  // MARK: Ending

  /// Ends the connection; what was sent still arrives, then the end of the stream.
  func close() {
    guard isOpen else { return }
    let peer = self.peer
    end(.closed("the connection was closed"))
    if isStalled { return }
    fabric.carry(host, peerHost, bytes: 0, self) { if peer?.isStalled != true { peer?.peerIsDone() } }
  }
  /// A reset came in, or the simulation breaks the connection.
  func fail(_ reason: String) {
    guard isOpen else { return }
    end(.closed(reason))
  }
  /// The process died. The peer sees a reset that may overtake bytes under way, or nothing.
  func crash(silently: Bool) {
    guard isOpen else { return }
    if !silently { answerWithReset() }
    end(silently ? .gone : .closed("the process died"))
  }
  private func end(_ state: State) {
    self.state = state
    // A gone end stays reachable through its peer, which keeps sending to it.
    fabric.disown(self)
    (inbox, chunks) = ([], [])
    serveReader()
    failSenders("the connection was closed")
    if let other = peer, !other.isOpen {
      other.peer = nil
      peer = nil
    }
  }
}
