// A cluster of one coordinator and two workers in a simulated world: real RPC, pools, maps and producers; the nodes' insides are
// only what the client can see of them (a catalog, a key table, rows per shard), with faults on demand.

import Bytes
import Capabilities
import ClientCore
import Columns
import Model
import RPC
import Simulation
import Synchronization
import Wire

/// Rows as the workers stored them, by batch key.
struct StoredBatch: Sendable {
  var shard: ShardID
  var hash: Hash128
  var rows: [String]
}

/// What all nodes of the fake share, and the test looks at.
final class FakeCluster: RPCResponder {
  struct Key: Hashable, Sendable {
    var shard: ShardID
    var session: SessionID
    var sequence: UInt64
  }
  struct State: Sendable {
    var catalog: CatalogSnapshot
    var stored: [Key: StoredBatch] = [:]
    var sessions: [String: ProducerSession] = [:]
    var ingests = 0
    var queries = 0
    var doneBelow: UInt64 = 0
    /// Asked before an ingest is carried out, with its number: an error to answer instead.
    var refusal: @Sendable (Int) -> TallyError? = { _ in nil }
    /// Asked after it was: answer nothing but cut the connection's answer off.
    var loses: @Sendable (Int) -> Bool = { _ in false }
  }
  let state: Mutex<State>

  init(shards: Int) {
    let nodes = [
      NodeRecord(
        id: NodeID(1),
        name: "coordinator-1",
        role: .coordinator,
        address: "c1:7000",
        incarnation: Incarnation(0)
      ),
      NodeRecord(
        id: NodeID(2),
        name: "worker-1",
        role: .worker,
        address: "w1:7100",
        incarnation: Incarnation(1)
      ),
      NodeRecord(
        id: NodeID(3),
        name: "worker-2",
        role: .worker,
        address: "w2:7100",
        incarnation: Incarnation(1)
      ),
    ]
    let width = UInt64.max / UInt64(shards)
    let records = (0..<shards).map { at in
      ShardRecord(
        id: ShardID(UInt64(at + 1)),
        group: GroupID(1),
        lower: UInt64(at) * width + (at == 0 ? 0 : 1),
        upper: at == shards - 1 ? .max : UInt64(at + 1) * width,
        epoch: Epoch(1),
        version: 1,
        primary: NodeID(UInt64(2 + at % 2))
      )
    }
    let table = TableSchema(
      id: TableID(1),
      name: "events",
      columns: [
        Column(name: "tenant", type: .text, isNotNull: true), Column(name: "n", type: .bigint),
        Column(name: "note", type: .text),
      ],
      distribution: .distributed(key: 0, group: GroupID(1))
    )
    state = Mutex(
      State(
        catalog: CatalogSnapshot(
          cluster: ClusterID(high: 1, low: 1),
          version: CatalogVersion(1),
          nodes: nodes,
          groups: [ColocationGroup(id: GroupID(1), keyType: .text, shards: records.map(\.id))],
          shards: records,
          tables: [table]
        )
      )
    )
  }
  /// All rows of all shards, sorted.
  var rows: [String] { state.withLock { $0.stored.values.flatMap(\.rows) }.sorted() }
  /// Appoints the other worker for every shard, in a new epoch.
  func moveAll() {
    state.withLock { state in
      state.catalog.version = state.catalog.version.next
      for at in state.catalog.shards.indices {
        state.catalog.shards[at].epoch = state.catalog.shards[at].epoch.next
        state.catalog.shards[at].primary = NodeID(5 - state.catalog.shards[at].primary.rawValue)
      }
    }
  }

  func respond(to request: Message, call: ServerCall) async throws {
    switch request {
    case .fetchCatalog(let fetch):
      let reply = state.withLock { state -> CatalogReply in
        guard fetch.known < state.catalog.version else {
          return CatalogReply(version: state.catalog.version, catalog: [])
        }
        var out = ByteWriter()
        CatalogFormat.encode(state.catalog, into: &out)
        return CatalogReply(version: state.catalog.version, catalog: out.finish())
      }
      try await call.reply(.catalogReply(reply))
    case .openProducer(let open):
      let session = state.withLock { state -> ProducerSession in
        if var known = state.sessions[open.name], !open.again {
          known.isNew = false
          known.firstLoad = "earlier"
          return known
        }
        let session = ProducerSession(
          session: SessionID(UInt64(state.sessions.count + 10)),
          issuedAt: 0,
          chunkBytes: open.chunkBytes,
          isNew: true,
          firstLoad: ""
        )
        state.sessions[open.name] = session
        return session
      }
      try await call.reply(.producerSession(session))
    case .ingest(let ingest): try await take(ingest, call)
    case .query(let query):
      state.withLock { $0.queries += 1 }
      try await call.send(
        .resultHeader(
          ResultHeader(columns: [
            ResultColumn(name: "text", type: .text), ResultColumn(name: "n", type: .bigint),
          ])
        )
      )
      for n in 0..<3 {
        let batch = Batch(
          count: 1,
          columns: [
            ColumnVector(
              .text,
              .text(
                TextColumn(
                  offsets: [0, UInt32(query.sql.utf8.count)],
                  bytes: Array(query.sql.utf8)
                )
              )
            ),
            ColumnVector(.bigint, .fixed([Int64(n)])),
          ]
        )
        try await call.send(.resultBatch(ResultBatch(batch: BatchFormat.encode(batch))))
      }
      try await call.send(.resultEnd(ResultEnd(tag: "SELECT 3", rows: 3)), isLast: true)
    default: throw TallyError(.unsupported, request.name)
    }
  }
  private func take(_ ingest: Ingest, _ call: ServerCall) async throws {
    let (number, refusal) = state.withLock { state in
      state.ingests += 1
      return (state.ingests, state.refusal(state.ingests))
    }
    if let refusal { throw refusal }
    let types = [DataType.text, .bigint, .text]
    let rows = try BatchFormat.decode(ingest.batch, types: types).texts
    let answer = try state.withLock { state throws(TallyError) -> Ingested in
      guard let shard = state.catalog.shard(ingest.shard), shard.epoch == ingest.epoch else {
        throw TallyError(.notPrimary, "not in that epoch")
      }
      guard case .sequence(let key) = ingest.key else { throw TallyError(.invalid, "no key of a session") }
      state.doneBelow = max(state.doneBelow, key.doneBelow)
      let place = Key(shard: ingest.shard, session: key.session, sequence: key.sequence)
      if let known = state.stored[place] {
        guard known.hash == ingest.contentHash else {
          throw TallyError(.keyConflict, "other content")
        }
        return Ingested(
          point: LogPoint(epoch: Epoch(1), position: LogPosition(1)),
          copies: 1,
          isDuplicate: true,
          rows: UInt64(rows.count)
        )
      }
      state.stored[place] = StoredBatch(shard: ingest.shard, hash: ingest.contentHash, rows: rows)
      return Ingested(
        point: LogPoint(epoch: Epoch(1), position: LogPosition(1)),
        copies: 1,
        isDuplicate: false,
        rows: UInt64(rows.count)
      )
    }
    if state.withLock({ $0.loses(number) }) {
      throw TallyError(.unknownOutcome, "the answer was lost")
    }
    try await call.reply(.ingested(answer))
  }
}

extension Batch {
  /// Rows as text, for comparison.
  var texts: [String] {
    (0..<count).map { row in
      columns.map { column -> String in
        if column.isNull(row) { return "NULL" }
        switch column.values {
        case .fixed(let values): return String(values[row])
        case .text(let values):
          return String(
            decoding: values.bytes[Int(values.offsets[row])..<Int(values.offsets[row + 1])],
            as: UTF8.self
          )
        case .codes(let codes, let dictionary):
          let code = Int(codes[row])
          return String(
            decoding: dictionary.bytes[
              Int(dictionary.offsets[code])..<Int(dictionary.offsets[code + 1])
            ],
            as: UTF8.self
          )
        default: return "?"
        }
      }.joined(separator: "|")
    }
  }
}

/// A client's side of the world.
struct FakeClient: Sendable {
  var map: ClusterMap
  var surroundings: Surroundings
  var flow: IngestFlow {
    IngestFlow(
      map: map,
      disk: surroundings.disk,
      compute: surroundings.compute,
      clock: surroundings.clock
    )
  }
}

/// Runs the nodes, and `body` on the client's node; returns the hash of all that happened.
@discardableResult
func withFakeCluster(
  shards: Int = 4,
  seed: UInt64 = 3,
  _ body: @escaping @Sendable (FakeCluster, SimulatedWorld, FakeClient) async throws -> Void
) throws -> UInt64 {
  let cluster = FakeCluster(shards: shards)
  let world = SimulatedWorld(seed: seed)
  try world.run { world in
    for (name, host, port) in [
      ("coordinator-1", "c1", UInt16(7000)), ("worker-1", "w1", 7100), ("worker-2", "w2", 7100),
    ] {
      world.node(name, host: host).start { surroundings in
        let listener = try await surroundings.network.listen(
          on: NetworkAddress(host: host, port: port)
        )
        let server = RPCServer(
          identity: {
            PeerIdentity(cluster: ClusterID(high: 1, low: 1), role: .worker, name: name)
          },
          responder: cluster,
          clock: surroundings.clock,
          log: surroundings.log
        )
        await server.serve(listener)
      }
    }
    try await world.node("client", host: "client").run { surroundings in
      let pool = ConnectionPool(
        identity: { PeerIdentity(name: "test") },
        network: surroundings.network,
        clock: surroundings.clock,
        random: surroundings.random
      )
      let map = ClusterMap(
        coordinators: [
          NetworkAddress(host: "c0", port: 1), NetworkAddress(host: "c1", port: 7000),
        ],
        pool: pool,
        clock: surroundings.clock,
        random: surroundings.random
      )
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await pool.run() }
        defer { group.cancelAll() }
        try await body(cluster, world, FakeClient(map: map, surroundings: surroundings))
      }
    }
  }
  return world.eventHash
}
