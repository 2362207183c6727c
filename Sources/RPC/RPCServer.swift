// RPCServer.swift — accepts connections and hands their requests to a responder.
//
// One task group carries the connections, one per connection its requests. Bounds: connections, requests per
// connection, bytes of request bodies over all.

public import Capabilities
internal import Synchronization
public import Wire

/// A node's RPC listener.
public final class RPCServer: Sendable {
  private struct State {
    var connections: [UInt64: ServerConnection] = [:]
    var next: UInt64 = 0
    var requestBytes = 0
    var isDraining = false
  }
  let identity: @Sendable () -> PeerIdentity
  let responder: any RPCResponder
  let clock: any Clock
  let log: any EventLog
  let options: RPCOptions
  private let state = Mutex(State())
  private let emptied = Signal()

  /// Makes a server; `identity` is asked for every hello, because a worker learns its number only when it registers.
  public init(
    identity: @escaping @Sendable () -> PeerIdentity,
    responder: any RPCResponder,
    clock: any Clock,
    log: any EventLog,
    options: RPCOptions = RPCOptions()
  ) {
    self.identity = identity
    self.responder = responder
    self.clock = clock
    self.log = log
    self.options = options
  }
  /// Connections open now.
  public var connectionCount: Int { state.withLock { $0.connections.count } }

  /// Serves connections until the listener is closed or the task is cancelled; then ends those still open.
  public func serve(_ listener: any Listener) async {
    await withDiscardingTaskGroup { group in
      while let connection = await listener.next(clock, failed: { log.warning("rpc-accept-failed", ("reason", $0.message)) }) {
        guard let (number, served) = admit(connection) else {
          log.warning("rpc-too-many-connections", ("peer", connection.peer))
          connection.close()
          continue
        }
        group.addTask {
          await served.run()
          self.forget(number)
        }
      }
      if !state.withLock({ $0.isDraining }) { group.cancelAll() }
    }
  }
  private func admit(_ connection: any Connection) -> (UInt64, ServerConnection)? {
    let served = ServerConnection(connection, self)
    return state.withLock { state in
      guard state.connections.count < options.connectionsMax, !state.isDraining else { return nil }
      state.next += 1
      state.connections[state.next] = served
      return (state.next, served)
    }
  }
  private func forget(_ number: UInt64) {
    state.withLock { $0.connections[number] = nil }
    emptied.notify()
  }

  /// Takes no new connections nor requests; waits until those in flight are answered, at most until `deadline`;
  /// gives the clients
  /// a second to close and then closes what is left.
  public func drain(_ listener: any Listener, until deadline: Instant) async {
    state.withLock { $0.isDraining = true }
    listener.close()
    for connection in living() { connection.drain() }
    while living().contains(where: { $0.requestsInFlight > 0 }) && clock.now < deadline
      && !Task.isCancelled
    {
      await emptied.wait(until: deadline, clock)
    }
    let last = min(deadline, clock.now + .seconds(1))
    while !living().isEmpty && clock.now < last && !Task.isCancelled {
      await emptied.wait(until: last, clock)
    }
    for connection in living() { connection.close() }
  }
  func noteDrained() { emptied.notify() }
  private func living() -> [ServerConnection] {
    state.withLock { $0.connections.sorted { $0.key < $1.key }.map(\.value) }
  }

  func reserve(_ bytes: Int) -> Bool {
    state.withLock { state in
      guard state.requestBytes + bytes <= options.requestBytesMax else { return false }
      state.requestBytes += bytes
      return true
    }
  }
  func release(_ bytes: Int) { state.withLock { $0.requestBytes -= bytes } }
}
