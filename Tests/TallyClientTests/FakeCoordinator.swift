// One process that is coordinator and worker at once, on a real socket: answers queries by script, keeps ingested rows by key.
import Bytes
import Capabilities
import Columns
import Model
import NodeRuntime
import RPC
import Synchronization
import TallyClient
import Wire

final class FakeCoordinator: RPCResponder {
  struct Key: Hashable {
    var shard: ShardID
    var session: SessionID
    var sequence: UInt64
  }
  struct State {
    var sessions: [String: SessionID] = [:]
    var stored: [Key: (rows: Int, hash: Hash128)] = [:]
    var rowsOfShard: [ShardID: Int] = [:]
    var messages = 0
    var unfinished = 0
    var cancelled = 0
    var catalog: CatalogSnapshot?
  }
  let state = Mutex(State())
  /// The table `events (tenant text NOT NULL, n bigint, at timestamp, price numeric(10,2), ok boolean)` in four shards.
  static let table = TableSchema(
    id: TableID(1),
    name: "events",
    columns: [
      Column(name: "tenant", type: .text, isNotNull: true), Column(name: "n", type: .bigint),
      Column(name: "at", type: .timestamp),
      Column(name: "price", type: .numeric(precision: 10, scale: 2)),
      Column(name: "ok", type: .boolean),
    ],
    distribution: .distributed(key: 0, group: GroupID(1))
  )

  func listen(at address: NetworkAddress) {
    let width = UInt64.max / 4
    var shards: [ShardRecord] = []
    var lower: UInt64 = 0
    for at in 1...UInt64(4) {
      let upper: UInt64 = at == 4 ? .max : at * width
      shards.append(
        ShardRecord(
          id: ShardID(at),
          group: GroupID(1),
          lower: lower,
          upper: upper,
          epoch: Epoch(1),
          version: 1,
          primary: NodeID(2)
        )
      )
      lower = upper &+ 1
    }
    let all = shards
    let node = NodeRecord(
      id: NodeID(2),
      name: "worker-1",
      role: .worker,
      address: address.description,
      incarnation: Incarnation(1)
    )
    state.withLock {
      $0.catalog = CatalogSnapshot(
        cluster: ClusterID(high: 1, low: 1),
        version: CatalogVersion(1),
        nodes: [node],
        groups: [ColocationGroup(id: GroupID(1), keyType: .text, shards: all.map(\.id))],
        shards: all,
        tables: [Self.table]
      )
    }
  }

  func respond(to request: Message, call: ServerCall) async throws {
    switch request {
    case .fetchCatalog:
      guard let catalog = state.withLock({ $0.catalog }) else {
        throw TallyError(.unavailable, "no catalog yet")
      }
      var out = ByteWriter()
      CatalogFormat.encode(catalog, into: &out)
      try await call.reply(
        .catalogReply(CatalogReply(version: catalog.version, catalog: out.finish()))
      )
    case .query(let query): try await answer(query.sql, call)
    case .list:
      try await send(
        [("name", .text, [.text("worker-1")]), ("state", .text, [.text("up")])],
        call,
        isLast: true
      )
    case .openProducer(let open):
      let (session, isNew) = state.withLock { state -> (SessionID, Bool) in
        if let known = state.sessions[open.name], !open.name.isEmpty { return (known, false) }
        let session = SessionID(UInt64(state.messages + state.sessions.count + 100))
        state.sessions[open.name] = session
        return (session, true)
      }
      try await call.reply(
        .producerSession(
          ProducerSession(
            session: session,
            issuedAt: 0,
            chunkBytes: open.chunkBytes,
            isNew: isNew,
            firstLoad: isNew ? "" : "before"
          )
        )
      )
    case .ingest(let ingest):
      let rows = try BatchFormat.decode(ingest.batch, types: Self.table.columns.map(\.type)).count
      let isDuplicate = try state.withLock { state throws(TallyError) -> Bool in
        state.messages += 1
        guard case .sequence(let key) = ingest.key else { throw TallyError(.invalid, "no key of a session") }
        let place = Key(shard: ingest.shard, session: key.session, sequence: key.sequence)
        if let known = state.stored[place] {
          guard known.hash == ingest.contentHash else {
            throw TallyError(.keyConflict, "other rows under the same key")
          }
          return true
        }
        state.stored[place] = (rows, ingest.contentHash)
        state.rowsOfShard[ingest.shard, default: 0] += rows
        return false
      }
      try await call.reply(
        .ingested(
          Ingested(
            point: LogPoint(epoch: Epoch(1), position: LogPosition(1)),
            copies: 1,
            isDuplicate: isDuplicate,
            rows: UInt64(rows)
          )
        )
      )
    default: throw TallyError(.unsupported, "no \(request.name) here")
    }
  }
  var rows: Int { state.withLock { $0.stored.values.reduce(0) { $0 + $1.rows } } }

  private func answer(_ sql: String, _ call: ServerCall) async throws {
    switch sql {
    case "wrong":
      throw TallyError.sql(
        "42P01",
        "relation \"x\" does not exist",
        hint: "Create it.",
        position: 15
      )
    case "never":
      state.withLock { $0.unfinished += 1 }
      defer { state.withLock { $0.cancelled += 1 } }
      _ = try await BoundedQueue<Bool>(capacity: 1).receive()
    case "create":
      try await call.send(
        .resultEnd(
          ResultEnd(tag: "CREATE TABLE", rows: 0, notices: [Notice(message: "it is there already")])
        ),
        isLast: true
      )
    case "two":
      try await send([("a", .bigint, [.fixed(1)])], call, isLast: false)
      try await send([("b", .bigint, [.fixed(2)])], call, isLast: true)
    case "many":
      try await call.send(
        .resultHeader(ResultHeader(columns: [Wire.ResultColumn(name: "n", type: .bigint)]))
      )
      for block in 0..<100 {
        let numbers = (0..<1000).map { Int64(block * 1000 + $0) }
        let batch = Batch(count: 1000, columns: [ColumnVector(.bigint, .fixed(numbers))])
        try await call.send(.resultBatch(ResultBatch(batch: BatchFormat.encode(batch))))
      }
      try await call.send(.resultEnd(ResultEnd(tag: "SELECT 100000", rows: 100_000)), isLast: true)
    default:
      try await send(
        [
          ("name", .text, [.text("one"), .null]), ("n", .bigint, [.fixed(7), .fixed(-1)]),
          ("day", .date, [.fixed(15706), .null]),
          ("at", .timestamp, [.fixed(1_357_020_300_000_000), .null]),
          (
            "price", .numeric(precision: 10, scale: 2),
            [.numeric(Numeric(coefficient: 1250, scale: 2)), .null]
          ),
          ("ok", .boolean, [.fixed(1), .fixed(0)]), ("x", .double, [.double(0.5), .null]),
          ("span", .interval, [.interval(Interval(days: 2)), .null]),
        ],
        call,
        isLast: true
      )
    }
  }
  private func send(
    _ columns: [(String, DataType, [Value])],
    _ call: ServerCall,
    isLast: Bool
  ) async throws {
    try await call.send(
      .resultHeader(
        ResultHeader(columns: columns.map { Wire.ResultColumn(name: $0.0, type: $0.1) })
      )
    )
    let batch = Batch(
      count: columns[0].2.count,
      columns: columns.map { ColumnVector($0.1, values: $0.2) }
    )
    try await call.send(.resultBatch(ResultBatch(batch: BatchFormat.encode(batch))))
    try await call.send(
      .resultEnd(ResultEnd(tag: "SELECT \(batch.count)", rows: UInt64(batch.count))),
      isLast: isLast
    )
  }
}

private struct NoLog: EventLog {
  func record(_ level: EventLevel, _ event: String, _ fields: [(String, String)]) {}
}

/// Serves a fake coordinator on a free port while `body` runs.
func withFakeCoordinator(
  _ body: @escaping @Sendable (FakeCoordinator, _ url: String) async throws -> Void
) async throws {
  let loop = UVLoop()
  let fake = FakeCoordinator()
  let network = TCPNetwork(loop, log: NoLog())
  let result: Result<Void, any Error>
  do {
    let listener = try await loop.run {
      try await network.listen(on: NetworkAddress(host: "127.0.0.1", port: 0))
    }
    fake.listen(at: listener.address)
    let server = RPCServer(
      identity: {
        PeerIdentity(cluster: ClusterID(high: 1, low: 1), role: .coordinator, name: "fake")
      },
      responder: fake,
      clock: SystemClock(loop),
      log: NoLog()
    )
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) { await server.serve(listener) }
      defer { listener.close() }
      try await body(fake, "tally://\(listener.address)/tally")
    }
    result = .success(())
  } catch { result = .failure(error) }
  loop.stop()
  try result.get()
}
