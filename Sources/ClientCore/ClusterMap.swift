// ClusterMap.swift — the catalog as a client or worker knows it, and the coordinators it asks.
//
// Any coordinator serves. The one that answered last is asked first; one that cannot be reached is followed by the next, and one that
// takes long to answer is waited for beside the next (Hedge). Refreshes that are wanted at the same time are made once.

import Bytes
public import Capabilities
public import Model
public import RPC
internal import Synchronization
public import Wire

/// A cached catalog and the way to a newer one.
public final class ClusterMap: Sendable {
  private struct State {
    var routing: RequestRouting?
    var generation: UInt64 = 0
    var refreshing: Promise<Void>?
    /// Somebody waits at a coordinator for a newer catalog.
    var isWatching = false
    /// Rung for those who wait beside, when there is one or nobody asks any more.
    var bells: [UInt64: BoundedQueue<Void>] = [:]
    var nextBell: UInt64 = 0
    var preferred = 0
  }
  /// Connections to all nodes.
  public let pool: ConnectionPool
  /// The coordinators' addresses.
  public let coordinators: [NetworkAddress]
  /// What this client has written and seen.
  public let session = ReadSession()
  let clock: any Clock
  let random: any Random
  private let state = Mutex(State())
  /// Longest time one coordinator may take over a catalog before the next is asked.
  private static let fetchTimeout = Duration.seconds(2)
  /// Longest time a coordinator is asked to wait for a newer catalog at once: within `Hedge.patience`.
  private static let watchTime = Duration.milliseconds(300)

  /// Makes an empty map; `coordinators` are tried in turn.
  public init(
    coordinators: [NetworkAddress],
    pool: ConnectionPool,
    clock: any Clock,
    random: any Random
  ) {
    invariant(!coordinators.isEmpty, "no coordinators")
    self.coordinators = coordinators
    self.pool = pool
    self.clock = clock
    self.random = random
  }

  /// The coordinators in the order in which they are asked: the one that answered last first.
  public var coordinatorsInTurn: [NetworkAddress] {
    let first = state.withLock { $0.preferred }
    return coordinators.indices.map { coordinators[(first + $0) % coordinators.count] }
  }
  /// Asks this coordinator first from now on.
  public func prefer(_ coordinator: NetworkAddress) {
    guard let at = coordinators.firstIndex(of: coordinator) else { return }
    state.withLock { $0.preferred = at }
  }
  /// Asks another than this coordinator first from now on: it did not answer.
  func turn(from coordinator: NetworkAddress) {
    guard let at = coordinators.firstIndex(of: coordinator) else { return }
    state.withLock { if $0.preferred == at { $0.preferred = (at + 1) % coordinators.count } }
  }
  /// The catalog known now, if any.
  public var known: RequestRouting? { state.withLock { $0.routing } }
  /// The catalog; fetched when none is known yet.
  public func current(deadline: Instant = .distantFuture) async throws -> RequestRouting {
    if let routing = known { return routing }
    return try await refresh(after: nil, deadline: deadline)
  }
  /// Takes a catalog that came another way; older ones are ignored.
  public func adopt(_ catalog: CatalogSnapshot) {
    let routing = RequestRouting(catalog)
    state.withLock { state in
      if let known = state.routing, known.catalog.version >= catalog.version { return }
      state.routing = routing
      state.generation += 1
    }
  }
  /// Asks the coordinators for a catalog newer than `seen`; returns the newest there is, which may be the same.
  public func refresh(
    after seen: RequestRouting?,
    deadline: Instant = .distantFuture
  ) async throws -> RequestRouting {
    while true {
      let (newer, pending, mine) = state.withLock {
        state -> (RequestRouting?, Promise<Void>?, Promise<Void>?) in
        if let known = state.routing, known !== seen,
          known.catalog.version > seen?.catalog.version ?? CatalogVersion(0)
        {
          return (known, nil, nil)
        }
        if let pending = state.refreshing { return (nil, pending, nil) }
        let mine = Promise<Void>()
        state.refreshing = mine
        return (nil, nil, mine)
      }
      if let newer { return newer }
      if let pending {
        let before = state.withLock { $0.generation }
        // Settled by whoever fetches, within its own timeouts.
        try await pending.value
        try Task.checkCancellation()
        if state.withLock({ $0.generation }) == before, let known { return known }
        continue
      }
      defer {
        state.withLock { $0.refreshing = nil }
        mine?.fulfil(())
      }
      return try await fetch(deadline)
    }
  }
  /// Waits until a catalog newer than `seen` is known, which the coordinators tell as soon as there is one, or for `pause`.
  ///
  /// Of those who wait at the same time one asks. Without a coordinator that answers it is a pause.
  public func awaitNewer(than seen: RequestRouting, atMost pause: Duration) async throws {
    let end = clock.now + pause
    while clock.now < end {
      let bell = BoundedQueue<Void>(capacity: 1)
      let (isDone, asks, ticket) = state.withLock { state -> (Bool, Bool, UInt64) in
        if let known = state.routing, known.catalog.version > seen.catalog.version { return (true, false, 0) }
        if !state.isWatching {
          state.isWatching = true
          return (false, true, 0)
        }
        state.nextBell += 1
        state.bells[state.nextBell] = bell
        return (false, false, state.nextBell)
      }
      if isDone { return }
      if asks {
        try await watch(until: end)
      } else {
        defer { state.withLock { $0.bells[ticket] = nil } }
        do { _ = try await withDeadline(end, clock) { try await bell.receive() } } catch is DeadlineExceeded { return }
      }
    }
  }
  private func watch(until end: Instant) async throws {
    defer {
      let bells = state.withLock { state in
        state.isWatching = false
        return state.bells
      }
      for (_, bell) in bells.sorted(by: { $0.key < $1.key }) { _ = bell.trySend(()) }
    }
    let (before, asked) = (known?.catalog.version, clock.now)
    do {
      _ = try await fetch(end + Self.fetchTimeout, wait: min(Self.watchTime, end - asked))
      if known?.catalog.version != before { return }
    } catch let error as TallyError where error.isRetryable {}
    // Whoever cannot be asked, or answers early, is not asked again at once.
    let next = min(end, asked + Self.watchTime)
    if next > clock.now { try await clock.sleep(until: next) }
  }
  private func fetch(_ deadline: Instant, wait: Duration = .zero) async throws -> RequestRouting {
    let version = known?.catalog.version ?? CatalogVersion(0)
    let clock = clock
    let milliseconds = UInt64(max(0, wait / .milliseconds(1)).rounded(.up))
    let pool = pool
    // Harmless to repeat: a coordinator that hangs is not waited for alone.
    let (reply, coordinator) = try await Hedge.first(of: coordinatorsInTurn, clock) { address in
      try await pool.call(
        .fetchCatalog(FetchCatalog(known: version, waitMilliseconds: milliseconds)),
        to: address,
        deadline: min(deadline, clock.now + wait + Self.fetchTimeout)
      )
    }
    prefer(coordinator)
    guard case .catalogReply(let content) = reply else {
      throw Self.unexpected(reply, "fetchCatalog")
    }
    if content.catalog.isEmpty {
      guard let known else { throw TallyError(.protocolViolation, "a coordinator sent no catalog") }
      return known
    }
    adopt(
      try content.catalog.withReader { reader throws(DecodingFailure) in
        let catalog = try CatalogFormat.decodeSnapshot(from: &reader)
        try reader.expectEnd()
        return catalog
      }
    )
    guard let known else {
      throw TallyError(.internalError, "the catalog that was fetched is gone")
    }
    return known
  }
  static func unexpected(_ reply: Message, _ request: String) -> TallyError {
    TallyError(.protocolViolation, "a \(request) request was answered by \(reply.name)")
  }

  /// Makes a request to a coordinator: the next one when one cannot be reached or is shutting down.
  public func call(_ request: Message, deadline: Instant = .distantFuture) async throws -> Message {
    try await onCoordinator(deadline) { connection in
      try await connection.call(request, deadline: deadline)
    }
  }
  /// Makes a request to a coordinator that is answered by several messages.
  public func openStream(
    _ request: Message,
    deadline: Instant = .distantFuture
  ) async throws -> MessageStream {
    try await onCoordinator(deadline) { connection in
      try await connection.openStream(request, deadline: deadline)
    }
  }
  /// Likewise, and tells which coordinator it was.
  func ask(_ request: Message, deadline: Instant) async throws -> (stream: MessageStream, coordinator: NetworkAddress) {
    try await onCoordinator(deadline) { connection in
      (try await connection.openStream(request, deadline: deadline), connection.address)
    }
  }
  /// Connects to a coordinator, the one that answered last first; it is asked first from then on.
  ///
  /// Throws why the last one cannot be reached.
  public func connect(deadline: Instant = .distantFuture) async throws -> RPCConnection {
    try await connect(coordinatorsInTurn, deadline)
  }
  private func connect(_ turn: [NetworkAddress], _ deadline: Instant) async throws -> RPCConnection {
    let pool = pool
    let (connection, coordinator) = try await Hedge.first(of: turn, clock) { address in
      try await pool.connection(to: address, deadline: deadline)
    }
    prefer(coordinator)
    return connection
  }
  /// Makes a request once to a coordinator that can be reached; to another only when it surely had no effect.
  private func onCoordinator<R: Sendable>(
    _ deadline: Instant,
    _ body: (RPCConnection) async throws -> R
  ) async throws -> R {
    var left = coordinatorsInTurn
    var last = TallyError(.unavailable, "no coordinator can be reached")
    while !left.isEmpty {
      let connection: RPCConnection
      do { connection = try await connect(left, deadline) } catch let error as TallyError where error.isRetryable {
        // None of those left can be reached; who answered and refused said more.
        throw left.count == coordinators.count ? error : last
      }
      left.removeAll { $0 == connection.address }
      do { return try await body(connection) } catch let error as TallyError {
        switch error.status {
        case .unavailable, .notPrimary: last = error
        case .timedOut, .unknownOutcome:
          turn(from: connection.address)
          throw error
        default: throw error
        }
      }
    }
    throw last
  }
}
