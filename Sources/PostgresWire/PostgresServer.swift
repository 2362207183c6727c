// PostgresServer.swift — accepts PostgreSQL clients and gives each a connection of its own (ClientConnection.swift).
//
// Bounds: connections, and those among them that have not logged in yet, in number and in time. When too many wait to log in, who has
// waited longest is let go for who comes: clients that say nothing keep nobody out. What goes wrong on one connection ends that one. At a
// shutdown idle clients are told at once (57P01), running statements may end before a deadline.

public import Capabilities
internal import Model
internal import Synchronization

/// What can be chosen about a server.
public struct PostgresOptions: Sendable {
  /// What clients are told as server_version, behind PostgreSQL's own number.
  public var version = "15.0 (tally)"
  /// This coordinator's number, below 2048; part of the process numbers that clients cancel with.
  public var coordinator: UInt32 = 1
  /// Clients that are logged in.
  public var connectionsMax = 1000
  /// Clients that are not yet.
  public var unauthenticatedMax = 100
  /// How long logging in may take.
  public var loginTimeout = Duration.seconds(5)
  /// Bounds of messages.
  public var limits = MessageLimits()
  /// Prepared statements of one session.
  public var statementsMax = 10_000
  /// Portals of one session.
  public var portalsMax = 1000
  /// Encrypts connections; nil answers `N` to clients that ask.
  public var tls: (any TLSAcceptor)?
  /// Rounds of the exchange with users that do not exist: as many as most of those have that do.
  public var scramIterations = ScramVerifier.defaultIterations
  /// Takes cancel requests for other coordinators there.
  public var forwardCancel: (@Sendable (CancelKey, _ coordinator: UInt32) async -> Void)?
  /// The salts of users that do not exist come from this: 32 random bytes, the same on all coordinators and after restarts.
  public var loginSecret: [UInt8]
  /// The defaults.
  public init(loginSecret: [UInt8]) { self.loginSecret = loginSecret }
}

/// Turns a connection into an encrypted one.
public protocol TLSAcceptor: Sendable {
  /// Does the server's part of a handshake on a connection on which nothing more was read.
  func accept(_ connection: any Connection) async throws -> any Connection
}

/// A listener for PostgreSQL's clients.
public final class PostgresServer: Sendable {
  private struct State {
    var connections: [UInt64: ClientConnection] = [:]
    var authenticated: Set<UInt64> = []
    /// Those that were let go before they logged in, until they are gone.
    var leaving: Set<UInt64> = []
    var next: UInt64 = 0
    var isDraining = false
  }
  static let terminated = TallyError(
    .unavailable,
    "terminating connection due to administrator command",
    sqlState: "57P01"
  )
  static let tooMany = TallyError(.overloaded, "sorry, too many clients already", sqlState: "53300")
  static let shuttingDown = TallyError(.unavailable, "the database system is shutting down", sqlState: "57P03")

  let engine: any SQLEngine
  let clock: any Clock
  let random: any Random
  let log: any EventLog
  let options: PostgresOptions
  let cancels: CancelRegistry
  let delays = LoginDelays()
  private let state = Mutex(State())
  private let emptied = Signal()

  /// Makes a server over an engine.
  public init(
    engine: any SQLEngine,
    clock: any Clock,
    random: any Random,
    log: any EventLog,
    options: PostgresOptions
  ) {
    self.engine = engine
    self.clock = clock
    self.random = random
    self.log = log
    self.options = options
    cancels = CancelRegistry(coordinator: min(options.coordinator, CancelRegistry.coordinatorsMax - 1))
  }
  /// Connections open now.
  public var connectionCount: Int { state.withLock { $0.connections.count } }

  /// Serves clients until the listener is closed or the task is cancelled; then ends those still there.
  public func serve(_ listener: any Listener) async {
    await withDiscardingTaskGroup { group in
      while let connection = await listener.next(clock, failed: { log.warning("postgres-accept-failed", ("reason", $0.message)) }) {
        guard let (number, served) = admit(connection) else {
          log.warning("postgres-too-many-connections", ("peer", connection.peer))
          await refuse(connection)
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
  private func admit(_ connection: any Connection) -> (UInt64, ClientConnection)? {
    let (number, longest) = state.withLock { state -> (UInt64?, ClientConnection?) in
      guard !state.isDraining else { return (nil, nil) }
      var longest: ClientConnection?
      if state.connections.count - state.authenticated.count - state.leaving.count >= options.unauthenticatedMax {
        // Of those that are on their way out already none makes room, and there are only so many of them.
        guard state.leaving.count < options.unauthenticatedMax,
          let first = state.connections.keys.filter({ !state.authenticated.contains($0) && !state.leaving.contains($0) }).min()
        else { return (nil, nil) }
        state.leaving.insert(first)
        longest = state.connections[first]
      }
      state.next += 1
      return (state.next, longest)
    }
    guard let number else { return nil }
    if let longest {
      log.warning("postgres-login-given-up", ("peer", longest.peer), ("reason", "others wait"))
      longest.stop()
    }
    let served = ClientConnection(connection, number: number, self)
    state.withLock { $0.connections[number] = served }
    return (number, served)
  }
  /// Tells a client that comes too much, if it reads at once; nothing is waited for.
  private func refuse(_ connection: any Connection) async {
    let isDraining = state.withLock { $0.isDraining }
    do { try await connection.send(ClientConnection.fatal(isDraining ? Self.shuttingDown : Self.tooMany)) } catch {
      log.info("postgres-refusal-not-sent", ("peer", connection.peer))
    }
    connection.close()
  }
  /// A client that said who it is takes its place among those logged in, if there is one.
  func enter(_ number: UInt64) throws(TallyError) {
    try state.withLock { state throws(TallyError) in
      if state.isDraining { throw Self.shuttingDown }
      guard state.authenticated.count < options.connectionsMax else { throw Self.tooMany }
      state.authenticated.insert(number)
    }
  }
  private func forget(_ number: UInt64) {
    state.withLock { state in
      state.connections[number] = nil
      state.authenticated.remove(number)
      state.leaving.remove(number)
    }
    emptied.notify()
  }
  private func living() -> [ClientConnection] {
    state.withLock { $0.connections.sorted { $0.key < $1.key }.map(\.value) }
  }

  /// Carries a cancel request out, here or elsewhere.
  func cancel(_ key: CancelKey, peer: String) async {
    if cancels.isOwn(key) {
      if cancels.cancel(key) { return }
      log.warning("postgres-cancel-wrong-key", ("peer", peer))
    }
    // Another one may have this one's number.
    await options.forwardCancel?(key, CancelRegistry.coordinator(of: key.process))
  }
  /// A cancel request that another coordinator forwarded; false when no connection has the key.
  public func cancel(_ key: CancelKey) -> Bool { cancels.cancel(key) }

  /// Takes no more clients and tells those that run nothing; waits for running statements until `deadline`, then ends them.
  public func drain(_ listener: any Listener, until deadline: Instant) async {
    state.withLock { $0.isDraining = true }
    listener.close()
    for connection in living() { connection.stop() }
    while !living().isEmpty, clock.now < deadline, !Task.isCancelled { await emptied.wait(until: deadline, clock) }
    for connection in living() { connection.stopStatement() }
    let last = clock.now + .seconds(2)
    while !living().isEmpty, clock.now < last, !Task.isCancelled { await emptied.wait(until: last, clock) }
    for connection in living() { connection.close() }
  }
}
