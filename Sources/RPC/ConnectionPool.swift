// ConnectionPool.swift — one connection per address, made when first needed and made again when lost.
//
// `run` carries the connections' tasks and must run while the pool is used. After a failure an address is left alone
// for a while (doubling, with jitter); requests in that time fail at once as `unavailable`, so that callers can try
// elsewhere.

public import Capabilities
import Model
internal import Synchronization
public import Wire

/// A node's or client's connections to others.
public final class ConnectionPool: Sendable {
  private enum Link {
    case connecting(waiters: [Signal], failures: Int)
    case open(RPCConnection)
    case resting(until: Instant, failures: Int, reason: TallyError)
  }
  private struct State {
    var links: [NetworkAddress: Link] = [:]
    var jobs: [(NetworkAddress, failures: Int)] = []
    var isClosed = false
    /// The latest generation of the cluster that a peer told of.
    var generation: UInt64 = 0
  }
  private let identity: @Sendable () -> PeerIdentity
  private let network: any Network
  private let clock: any Clock
  private let random: any Random
  private let options: RPCOptions
  private let state = Mutex(State())
  private let wanted = Signal()
  /// Addresses whose connection was open and has ended, for who looks after them; what does not fit is forgotten.
  public let lost = BoundedQueue<NetworkAddress>(capacity: 64)

  /// Makes a pool; `identity` is asked for every new connection.
  public init(
    identity: @escaping @Sendable () -> PeerIdentity,
    network: any Network,
    clock: any Clock,
    random: any Random,
    options: RPCOptions = RPCOptions()
  ) {
    self.identity = identity
    self.network = network
    self.clock = clock
    self.random = random
    self.options = options
  }

  /// Who this end is, with the latest generation that it knows.
  private func known() -> PeerIdentity {
    var known = identity()
    known.generation = max(known.generation, generation)
    return known
  }
  /// The latest generation of the cluster that a peer told of; 0 before the first.
  public var generation: UInt64 { state.withLock { $0.generation } }

  /// Carries the connections until `close` or cancellation.
  public func run() async {
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled {
        let (jobs, isClosed) = state.withLock { state in
          defer { state.jobs = [] }
          return (state.jobs, state.isClosed)
        }
        if isClosed { break }
        for (address, failures) in jobs {
          group.addTask { await self.carry(address, failures) }
        }
        if jobs.isEmpty { await wanted.wait() }
      }
      close()
      group.cancelAll()
    }
  }
  /// Ends all connections for good.
  public func close() {
    let links = state.withLock { state -> [Link] in
      state.isClosed = true
      defer { state.links = [:] }
      return state.links.sorted { $0.key < $1.key }.map(\.value)
    }
    wanted.notify()
    for link in links {
      switch link {
      case .open(let connection): connection.close()
      case .connecting(let waiters, _): for waiter in waiters { waiter.notify() }
      case .resting: break
      }
    }
  }

  /// The connection to an address, made if there is none.
  ///
  /// Throws `unavailable`, or the reason of a refusal.
  public func connection(
    to address: NetworkAddress,
    deadline: Instant = .distantFuture
  ) async throws -> RPCConnection {
    let signal = Signal()
    while true {
      try Task.checkCancellation()
      if let connection = try look(address, signal) { return connection }
      guard clock.now < deadline else {
        throw TallyError(.timedOut, "\(address) was not reached in time")
      }
      if deadline == .distantFuture {
        await signal.wait()
      } else {
        await signal.wait(until: deadline, clock)
      }
    }
  }
  private func look(
    _ address: NetworkAddress,
    _ signal: Signal
  ) throws(TallyError) -> RPCConnection? {
    let now = clock.now
    let own = identity().generation
    let (found, starts) = try state.withLock { state throws(TallyError) -> (RPCConnection?, Bool) in
      if state.isClosed { throw TallyError(.unavailable, "the connections were closed") }
      var failures = 0
      switch state.links[address] {
      // One that was made before the cluster was recovered is not used after: its peer may be fenced.
      case .open(let connection) where connection.isUsable && connection.peer.fence(knowing: max(own, state.generation)) == nil:
        return (connection, false)
      case .connecting(let waiters, let failures):
        state.links[address] = .connecting(waiters: waiters + [signal], failures: failures)
        return (nil, false)
      case .resting(let until, let failed, let reason):
        if now < until { throw reason }
        failures = failed
      case .open, nil: break
      }
      state.links[address] = .connecting(waiters: [signal], failures: failures)
      state.jobs.append((address, failures))
      return (nil, true)
    }
    if starts { wanted.notify() }
    return found
  }
  /// Connects, tells who waits, and serves the connection until it ends.
  private func carry(_ address: NetworkAddress, _ failures: Int) async {
    do {
      let connection = try await RPCConnection.open(
        to: address,
        as: known(),
        network: network,
        clock: clock,
        options: options
      )
      state.withLock { $0.generation = max($0.generation, connection.peer.generation) }
      settle(address, .open(connection))
      await connection.run()
      _ = lost.trySend(address)
      state.withLock { state in
        if case .open(let present) = state.links[address], present === connection {
          state.links[address] = nil
        }
      }
    } catch {
      let reason =
        error as? TallyError ?? TallyError(.unavailable, "\(address) cannot be reached: \(error)")
      settle(
        address,
        .resting(until: clock.now + pause(failures), failures: failures + 1, reason: reason)
      )
    }
  }
  private func settle(_ address: NetworkAddress, _ link: Link) {
    let (waiters, isClosed) = state.withLock { state -> ([Signal], Bool) in
      guard !state.isClosed else { return ([], true) }
      defer { state.links[address] = link }
      if case .connecting(let waiters, _) = state.links[address] { return (waiters, false) }
      return ([], false)
    }
    if isClosed, case .open(let connection) = link { connection.close() }
    for waiter in waiters { waiter.notify() }
  }
  private func pause(_ failures: Int) -> Duration {
    let longest = min(options.backOffMin * (1 << min(failures, 16)), options.backOffMax)
      .wholeMicroseconds
    return .microseconds(Int64(longest / 2 + random.next(below: max(1, longest / 2))))
  }

  /// Makes a request to an address and waits for its one answer.
  public func call(
    _ request: Message,
    to address: NetworkAddress,
    deadline: Instant = .distantFuture,
    pack: Bool = true
  ) async throws -> Message {
    try await connection(to: address, deadline: deadline).call(
      request,
      deadline: deadline,
      pack: pack
    )
  }
  /// Makes a request to an address that is answered by several messages.
  public func openStream(
    _ request: Message,
    to address: NetworkAddress,
    deadline: Instant = .distantFuture,
    pack: Bool = true
  ) async throws -> MessageStream {
    try await connection(to: address, deadline: deadline).openStream(
      request,
      deadline: deadline,
      pack: pack
    )
  }
}
