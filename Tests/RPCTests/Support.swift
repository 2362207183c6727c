// A server and a client on one loop over loopback TCP, and a responder whose answers tests steer.

import Capabilities
import Model
import NodeRuntime
import RPC
import Simulation
import Synchronization
import Testing
import Wire

/// Forgets events, but counts those that matter to a test.
final class CountingLog: EventLog {
  private let events = Mutex<[String]>([])
  func record(_ level: EventLevel, _ event: String, _ fields: [(String, String)]) {
    events.withLock { $0.append(event) }
  }
  func count(_ event: String) -> Int { events.withLock { $0.count { $0 == event } } }
}

/// Answers by the request's content:
/// fetchCatalog(n) → catalogReply(n), held back while `gate(n)` is closed; refreshRollup(name) → items, see `stream`;
/// ingest → ingested with the batch's size; describeShards → waits for ever; others → an error.
final class TestResponder: RPCResponder {
  let cancelled = Mutex(0)
  let started = Mutex(0)
  let sent = Mutex(0)
  private let gates = Mutex<[UInt64: Promise<Void>]>([:])

  func gate(_ number: UInt64) -> Promise<Void> {
    gates.withLock { gates in
      if let gate = gates[number] { return gate }
      let gate = Promise<Void>()
      gates[number] = gate
      return gate
    }
  }
  func respond(to request: Message, call: ServerCall) async throws {
    started.withLock { $0 += 1 }
    switch request {
    case .fetchCatalog(let content):
      if content.known.rawValue >= 1000 { try await gate(content.known.rawValue).value }
      try await call.reply(.catalogReply(CatalogReply(version: content.known, catalog: [])))
    case .ingest(let content):
      try await call.reply(
        .ingested(
          Ingested(
            point: LogPoint(epoch: Epoch(1), position: LogPosition(1)),
            copies: 1,
            isDuplicate: false,
            rows: UInt64(content.batch.count)
          )
        )
      )
    case .refreshRollup(let content):
      // "count x bytes"
      let parts = content.name.split(separator: "x").compactMap { Int($0) }
      for i in 0..<parts[0] {
        try await call.send(
          .resultBatch(
            ResultBatch(batch: [UInt8](repeating: UInt8(truncatingIfNeeded: i), count: parts[1]))
          )
        )
        sent.withLock { $0 += 1 }
      }
    case .describeShards:
      let never = BoundedQueue<Int>(capacity: 1)
      do { _ = try await never.receive() } catch {
        cancelled.withLock { $0 += 1 }
        throw error
      }
    default:
      throw TallyError(.unsupported, "no \(request.name) here", hint: "ask for something else")
    }
  }
}

/// What one test has at hand.
struct Bench: Sendable {
  var network: any Network
  var clock: any Clock
  var random: any Random
  var responder: TestResponder
  var log: CountingLog
  var listener: any Listener
  var server: RPCServer
  var pool: ConnectionPool
  var address: NetworkAddress { listener.address }

  func call(_ number: UInt64, deadline: Duration? = nil) async throws -> UInt64 {
    let reply = try await pool.call(
      .fetchCatalog(FetchCatalog(known: CatalogVersion(number))),
      to: address,
      deadline: deadline.map { clock.now + $0 } ?? .distantFuture
    )
    guard case .catalogReply(let content) = reply else {
      throw TallyError(.internalError, "wrong answer \(reply.name)")
    }
    return content.version.rawValue
  }
  /// Waits until a condition holds; tests never sleep a guessed time.
  func until(_ condition: @escaping @Sendable () -> Bool) async throws {
    let limit = clock.now + .seconds(20)
    while !condition() {
      guard clock.now < limit else {
        throw TallyError(.timedOut, "the condition did not come to hold")
      }
      try await clock.sleep(for: .milliseconds(1))
    }
  }
  /// A raw connection that has said a good hello, if `greets`.
  func rawConnection(greets: Bool = true) async throws -> RawPeer {
    let connection = try await network.connect(to: address, deadline: clock.now + .seconds(5))
    let peer = RawPeer(connection)
    if greets {
      try await peer.send(Frame(.hello, head: HelloFormat.encodeHello(PeerIdentity(name: "raw"))))
      let reply = try await peer.next()
      #expect(reply?.kind == .helloReply)
      peer.raiseLimit()
    }
    return peer
  }
}

/// Speaks frames by hand.
final class RawPeer: Sendable {
  private let connection: any Connection
  private let assembler = Mutex(FrameAssembler())
  init(_ connection: any Connection) { self.connection = connection }
  func raiseLimit() { assembler.withLock { $0.payloadLimit = Limits.frameBytesMax } }
  func send(_ frame: Frame) async throws {
    var pieces = FramePieces()
    pieces.append(try FrameFormat.encode(frame, pack: false))
    for piece in pieces.take() { try await connection.send(piece) }
  }
  func send(_ bytes: [UInt8]) async throws { try await connection.send(bytes) }
  /// The next frame; nil at the end of the connection.
  func next() async throws -> Frame? {
    while true {
      if let frame = try assembler.withLock({ try $0.next() }) { return frame }
      let chunk = try await connection.receive()
      if chunk.isEmpty { return nil }
      assembler.withLock { $0.push(chunk) }
    }
  }
  func close() { connection.close() }
}

let serverIdentity = PeerIdentity(
  cluster: ClusterID(high: 1, low: 2),
  role: .worker,
  name: "worker-1",
  node: NodeID(9),
  incarnation: Incarnation(3)
)

/// Runs `body` with a server and a pool, over TCP on a loop of its own and then in a simulated world.
func withBench(
  _ options: RPCOptions = RPCOptions(),
  clientOptions: RPCOptions? = nil,
  client: PeerIdentity = PeerIdentity(name: "test"),
  _ body: @escaping @Sendable (Bench) async throws -> Void
) async throws {
  let loop = UVLoop()
  defer { loop.stop() }
  try await loop.run {
    try await serve(
      TCPNetwork(loop),
      SystemClock(loop),
      SystemRandom(),
      options,
      clientOptions ?? options,
      client,
      body
    )
  }
  try SimulatedWorld(seed: 11).run { world in
    try await world.node("one", host: "127.0.0.1").run { surroundings in
      try await serve(
        surroundings.network,
        surroundings.clock,
        surroundings.random,
        options,
        clientOptions ?? options,
        client,
        body
      )
    }
  }
}

func serve(
  _ network: any Network,
  _ clock: any Clock,
  _ random: any Random,
  _ options: RPCOptions,
  _ clientOptions: RPCOptions,
  _ client: PeerIdentity,
  _ body: @escaping @Sendable (Bench) async throws -> Void
) async throws {
  let (responder, log) = (TestResponder(), CountingLog())
  let listener = try await network.listen(on: NetworkAddress(host: "127.0.0.1", port: 0))
  let server = RPCServer(
    identity: { serverIdentity },
    responder: responder,
    clock: clock,
    log: log,
    options: options
  )
  let pool = ConnectionPool(
    identity: { client },
    network: network,
    clock: clock,
    random: random,
    options: clientOptions
  )
  let bench = Bench(
    network: network,
    clock: clock,
    random: random,
    responder: responder,
    log: log,
    listener: listener,
    server: server,
    pool: pool
  )
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { await server.serve(listener) }
    group.addTask { await pool.run() }
    defer { group.cancelAll() }
    try await body(bench)
  }
}

/// The status of the TallyError that `body` throws; nil when it throws none.
func status(_ body: () async throws -> Void) async throws -> StatusCode? {
  do {
    try await body()
    return nil
  } catch let error as TallyError { return error.status }
}
