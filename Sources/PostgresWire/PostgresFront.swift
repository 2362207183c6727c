// PostgresFront.swift — the listener for PostgreSQL's clients in a coordinator's process: its address, its server, its end.

internal import Bytes
public import Capabilities
public import CoordinatorNode
internal import Model
internal import Synchronization

/// What can be chosen about the listener.
public struct PostgresFrontSettings: Sendable {
  /// Where it listens.
  public var listen: NetworkAddress
  /// The cluster's database.
  public var database = "tally"
  /// Users and their verifiers; without them everybody on this machine is trusted.
  public var passwords: (any WatchedFiles)?
  /// Certificate and key that encrypt connections.
  public var certificate: (any WatchedFiles)?
  /// Clients that may be logged in at once.
  public var connectionsMax = 1000
  /// Bytes of rows that may wait for clients to read them.
  public var resultBytesMax = 1 << 30
  /// Makes settings.
  public init(listen: NetworkAddress) { self.listen = listen }
}

/// A coordinator's listener for PostgreSQL's clients.
public final class PostgresFront: CoordinatorFront {
  private struct Place: Sendable {
    var surroundings: Surroundings
    var listener: any Listener
    var logins: any LoginRules
    var tls: ReloadedCredentials?
  }
  private let settings: PostgresFrontSettings
  private let place = Mutex<Place?>(nil)
  private let server = Mutex<PostgresServer?>(nil)
  private let coordinator = Promise<Coordinator>()

  /// Makes the listener; it takes its address when the coordinator starts.
  public init(_ settings: PostgresFrontSettings) { self.settings = settings }

  /// Takes its address. Other machines reach it only with passwords and encryption.
  public func listen(_ surroundings: Surroundings) async throws {
    guard settings.listen.isLoopback || settings.passwords != nil && settings.certificate != nil else {
      throw TallyError(
        .invalid,
        "refusing to listen on \(settings.listen) without passwords and encryption",
        hint: "Give --passwords, --sql-certificate and --sql-key, or a loopback address."
      )
    }
    let log = surroundings.log
    let logins: any LoginRules = try settings.passwords.map { try PasswordFile($0, log: log) } ?? TrustedLogins()
    let tls = try settings.certificate.map { try ReloadedCredentials($0, log: log) }
    do {
      let listener = try await surroundings.network.listen(on: settings.listen)
      place.withLock { $0 = Place(surroundings: surroundings, listener: listener, logins: logins, tls: tls) }
    } catch let failure as NetworkFailure {
      throw NetworkFailure(failure.kind, "SQL listener: \(failure.message); --sql-listen names another address, or off")
    }
  }
  /// The coordinator answers from now on.
  public func open(_ coordinator: Coordinator) { self.coordinator.fulfil(coordinator) }
  /// Serves clients until it is drained or the task is cancelled.
  public func serve() async {
    guard let place = place.withLock({ $0 }), let coordinator = await opened() else { return }
    let surroundings = place.surroundings
    var options = PostgresOptions(loginSecret: Digest.sha256(Array("logins of ".utf8) + (await coordinator.clusterBytes)))
    options.coordinator = await coordinator.memberNumber
    options.forwardCancel = { key, number in await coordinator.passOnCancel(process: key.process, secret: key.secret, to: number) }
    options.tls = place.tls
    options.connectionsMax = settings.connectionsMax
    options.scramIterations = ScramVerifier.ownIterations
    let server = PostgresServer(
      engine: CoordinatorEngine(coordinator, database: settings.database, logins: place.logins, resultBytesMax: settings.resultBytesMax),
      clock: surroundings.clock,
      random: surroundings.random,
      log: surroundings.log,
      options: options
    )
    self.server.withLock { $0 = server }
    surroundings.log.info("postgres-listening", ("address", place.listener.address.description))
    await server.serve(place.listener)
  }
  /// The coordinator, once it answers; nil when that will not be.
  private func opened() async -> Coordinator? {
    await withTaskCancellationHandler {
      do { return try await coordinator.value } catch { return nil }
    } onCancel: {
      coordinator.fail(CancellationError())
    }
  }
  /// Ends a statement whose cancel request reached another coordinator.
  public func cancel(process: UInt32, secret: [UInt8]) -> Bool {
    server.withLock { $0 }?.cancel(CancelKey(process: process, secret: secret)) ?? false
  }
  /// Takes no more clients; what runs may end before `deadline`.
  public func drain(until deadline: Instant) async {
    guard let place = place.withLock({ $0 }) else { return }
    place.listener.close()
    if let server = server.withLock({ $0 }) { await server.drain(place.listener, until: deadline) }
  }
}
