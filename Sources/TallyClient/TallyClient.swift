// TallyClient.swift — the client library's one object: a cluster's connections, and the requests made over them.
//
// `with` owns everything: it starts the network's thread, connects, lends the client to a closure, and has closed all of it when it
// returns. Problems that cannot heal (a wrong URL, nobody at any coordinator's address, another protocol) throw at once. A coordinator
// that goes away later is waited for, a few seconds at most, before a request is sent; a request that was sent is never sent again
// here, because it may have been carried out (`unknownOutcome`). Nothing waits beyond the deadline given. Cancelling the task cancels
// the request on the server.
import Capabilities
import ClientCore
import Model
import NodeRuntime
import RPC
internal import Synchronization
import Wire

/// Settings of a client.
public struct ClientOptions: Sendable {
  /// Name under which the servers know this program.
  public var name = "client"
  /// How long connecting may take, over all coordinators.
  public var connectTimeout: Duration = .seconds(10)
  /// How new what queries show must be, when a query does not say.
  public var read = ReadLevel.latest
  /// The defaults.
  public init() {}
}

/// A connection to a Tally cluster.
///
/// Made by `with`; usable from any task while that runs.
public final class TallyClient: Sendable {
  let map: ClusterMap
  let surroundings: Surroundings
  let loop: UVLoop
  private let runtime: RuntimeSurroundings
  private let options: ClientOptions
  private let isClosed = Atomic(false)

  private init(_ url: ConnectionURL, _ options: ClientOptions) throws {
    // A peer that goes away must show as an error, not as SIGPIPE.
    ProcessMain.prepare()
    loop = UVLoop()
    do {
      runtime = try makeSurroundings(on: loop, directory: "/", log: Silence())
    } catch {
      loop.stop()
      throw error
    }
    surroundings = runtime.surroundings
    self.options = options
    var rpc = RPCOptions()
    rpc.connectTimeout = max(.milliseconds(500), options.connectTimeout / url.coordinators.count)
    let identity = PeerIdentity(name: String(options.name.prefix(Limits.nameBytesMax)))
    let pool = ConnectionPool(
      identity: { identity },
      network: surroundings.network,
      clock: surroundings.clock,
      random: surroundings.random,
      options: rpc
    )
    map = ClusterMap(
      coordinators: url.coordinators,
      pool: pool,
      clock: surroundings.clock,
      random: surroundings.random
    )
  }

  /// Connects to `tally://host:port[,host:port]/tally`, runs `body`, and closes everything.
  ///
  /// Throws `TallyError` 08001 when no coordinator can be reached.
  public static func with<R>(
    _ url: String,
    options: ClientOptions = ClientOptions(),
    _ body: (TallyClient) async throws -> R
  ) async throws -> R {
    let client = try TallyClient(try ConnectionURL(url), options)
    let result: Result<R, any Error> = await withTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: client.loop) { await client.map.pool.run() }
      let result: Result<R, any Error>
      do {
        try await client.connect()
        result = .success(try await body(client))
      } catch {
        result = .failure(error)
      }
      client.isClosed.store(true, ordering: .releasing)
      client.map.pool.close()
      await group.waitForAll()
      return result
    }
    client.loop.stop()
    client.runtime.stop()
    return try result.get()
  }

  // MARK: Requests

  /// Runs one statement; its rows come as they are read, with back-pressure up to the workers.
  ///
  /// `deadline` is how long all of it may take, the reading of the rows included. `read` says how new what it shows must be: with
  /// `session` it shows at least what this client has written and seen before, and needs no majority of coordinators; with `stale`
  /// nothing acknowledged longer ago than that is missing, and the cost at the end says how old it may be.
  public func query(_ sql: String, read: ReadLevel? = nil, deadline: Duration? = nil) async throws -> RowStream {
    try await RowStream.open(try await open(sql, read, deadline))
  }
  /// Runs all statements of a text and collects their rows; one result for each statement.
  ///
  /// `parameters` are the values of `$1`, `$2`, … as texts; the statement tells their types. `timeZone` is what times without a zone are
  /// told in, and what depends on a session's zone.
  /// With `batchKey`, a UUIDv7, the text is one INSERT that counts once however often it is run with that key within 24 hours; a notice
  /// says that it had taken effect before.
  public func run(
    _ sql: String,
    read: ReadLevel? = nil,
    batchKey: String? = nil,
    parameters: [String] = [],
    timeZone: String? = nil,
    deadline: Duration? = nil
  ) async throws -> [Rows] {
    var settings = parameters.enumerated().map { QuerySetting(name: "$\($0 + 1)", value: $1) }
    if let timeZone { settings.append(QuerySetting(name: "TimeZone", value: timeZone)) }
    return try await Rows.collect(try await open(sql, read, deadline, batchKey: batchKey, settings: settings))
  }
  /// Runs one statement for its effect; returns PostgreSQL's command tag, for example `CREATE TABLE`.
  @discardableResult
  public func execute(_ sql: String, deadline: Duration? = nil) async throws -> String {
    try await run(sql, deadline: deadline).last?.tag ?? ""
  }
  /// One of the cluster's lists.
  public func list(_ kind: ListKind, deadline: Duration? = nil) async throws -> Rows {
    let end = instant(deadline)
    try await awaitCoordinator(end)
    let results = try await Rows.collect(
      try await QueryCall.list(kind.requested, map: map, deadline: end)
    )
    guard let first = results.first else {
      throw TallyError(.protocolViolation, "a list came without an end")
    }
    return first
  }
  /// Deletes a tenant from all tables of its group and gives the receipt: part, name, state, detail. `table` names one of the group's
  /// tables; nil where there is one group only. Rows that were acknowledged before are invisible when it says so.
  public func deleteTenant(_ tenant: String, table: String? = nil, deadline: Duration? = nil) async throws -> Rows {
    try await self.tenant(TenantRequest(deletes: true, relation: table, tenant: tenant), deadline)
  }
  /// The receipt of a tenant's last deletion, as of now.
  public func tenantReceipt(_ tenant: String, table: String? = nil, deadline: Duration? = nil) async throws -> Rows {
    try await self.tenant(TenantRequest(deletes: false, relation: table, tenant: tenant), deadline)
  }
  private func tenant(_ request: TenantRequest, _ deadline: Duration?) async throws -> Rows {
    let end = instant(deadline)
    try await awaitCoordinator(end)
    let results = try await Rows.collect(try await QueryCall.tenant(request, map: map, deadline: end))
    guard let first = results.first else { throw TallyError(.protocolViolation, "a receipt came without an end") }
    return first
  }
  /// Returns when a rollup has taken in every row acknowledged before the call.
  public func refreshRollup(_ name: String, deadline: Duration? = nil) async throws {
    let end = instant(deadline)
    try await awaitCoordinator(end)
    try await map.refreshRollup(name, deadline: end)
  }
  /// Takes a coordinator out of the group for good. Throws 55000 when too few of those that stay are up.
  public func removeCoordinator(_ name: String, deadline: Duration? = nil) async throws {
    let end = instant(deadline)
    try await awaitCoordinator(end)
    try await map.removeCoordinator(name, deadline: end)
  }
  /// Makes a worker's copy of a shard its primary although it does not count, and gives up what only others have: for a shard
  /// whose copies are gone for good. Throws 55000 while one that counts is up, and, without `isCertain`, with what would be lost.
  public func forcePrimary(
    shard: UInt64,
    node: String,
    reason: String,
    isCertain: Bool,
    deadline: Duration? = nil
  ) async throws {
    let end = instant(deadline)
    try await awaitCoordinator(end)
    let order = ForcePrimary(shard: ShardID(shard), node: node, reason: reason, isCertain: isCertain)
    try await map.forcePrimary(order, deadline: end)
  }

  private func open(
    _ sql: String,
    _ read: ReadLevel?,
    _ deadline: Duration?,
    batchKey: String? = nil,
    settings: [QuerySetting] = []
  ) async throws -> QueryCall {
    let end = instant(deadline)
    try await awaitCoordinator(end)
    let request = QueryRequest(sql: sql, settings: settings, batchKey: batchKey, read: read ?? options.read)
    return try await QueryCall.open(request, map: map, deadline: end)
  }
  func instant(_ deadline: Duration?) -> Instant {
    deadline.map { surroundings.clock.now + $0 } ?? .distantFuture
  }

  // MARK: Connecting

  /// The first connection: every coordinator is tried once.
  private func connect() async throws {
    if let reason = try await reach(surroundings.clock.now + options.connectTimeout) {
      throw unreachable(reason)
    }
  }
  /// Returns when a coordinator is connected; waits for one that restarts.
  func awaitCoordinator(_ deadline: Instant) async throws {
    if isClosed.load(ordering: .acquiring) {
      throw TallyError(.invalid, "the client was used after its scope had ended", sqlState: "08003")
    }
    let clock = surroundings.clock
    let end = min(deadline, clock.now + options.connectTimeout)
    while let reason = try await reach(end) {
      if clock.now + .milliseconds(50) >= end {
        throw end == deadline
          ? TallyError(.timedOut, "no coordinator was reached in time", detail: reason.message)
          : unreachable(reason)
      }
      try await clock.sleep(for: .milliseconds(50))
    }
  }
  /// Tries every coordinator; nil when one is connected, else why the last is not.
  ///
  /// Throws what cannot heal.
  private func reach(_ end: Instant) async throws -> TallyError? {
    do {
      _ = try await map.connect(deadline: end)
      return nil
    } catch let error as TallyError where error.status == .unavailable || error.status == .timedOut {
      return error
    }
  }
  private func unreachable(_ reason: TallyError) -> TallyError {
    let list = map.coordinators.map(\.description).joined(separator: ", ")
    return TallyError(
      .unavailable,
      "could not connect to a coordinator at \(list): \(reason.message)",
      sqlState: "08001",
      hint: "Is the cluster running there?"
    )
  }
}

/// A library does not write to its program's standard error.
private struct Silence: EventLog {
  func record(_ level: EventLevel, _ event: String, _ fields: [(String, String)]) {}
}
