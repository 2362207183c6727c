import Bytes
import Consensus
import Model
import Testing

@testable import CoordinatorNode

@Suite struct CatalogTests {
  private func refusal(_ outcome: CatalogOutcome) -> TallyError? {
    if case .refused(let error) = outcome { error } else { nil }
  }
  /// A catalog with two workers and a local table.
  private func made() -> (catalog: Catalog, commands: [CatalogCommand]) {
    let columns = [
      Column(name: "tenant", type: .text), Column(name: "ts", type: .timestamp), Column(name: "n", type: .bigint),
    ]
    let commands: [CatalogCommand] = [
      .bootstrap(cluster: ClusterID(high: 7, low: 9)),
      .registerNode(name: "coordinator-1", role: .coordinator, address: "127.0.0.1:1", previous: Incarnation(0)),
      .registerNode(name: "worker-1", role: .worker, address: "127.0.0.1:2", previous: Incarnation(0)),
      .registerNode(name: "worker-2", role: .worker, address: "127.0.0.1:3", previous: Incarnation(0)),
      .createTable(TableSchema(id: TableID(0), name: "events", columns: columns)),
      .distributeTable(TableID(1), key: 0, group: .standard, placement: [[NodeID(2)], [NodeID(3)], [NodeID(2)]], copies: 1),
    ]
    var catalog = Catalog()
    for (at, command) in commands.enumerated() { _ = catalog.apply(command, at: UInt64(at + 1)) }
    return (catalog, commands)
  }

  @Test func shardsCoverAllHashesWithoutOverlap() {
    let shards = made().catalog.snapshot.shards
    #expect(shards.count == 3 && shards.first?.lower == 0 && shards.last?.upper == .max)
    for (a, b) in zip(shards, shards.dropFirst()) { #expect(a.upper &+ 1 == b.lower) }
    #expect(shards.map(\.primary) == [NodeID(2), NodeID(3), NodeID(2)])
  }
  @Test func aRestartGivesNewEpochsToTheShardsOfThatNodeOnly() {
    var catalog = made().catalog
    let before = catalog.snapshot
    let incarnation = before.nodes[1].incarnation
    _ = catalog.apply(
      .registerNode(name: "worker-1", role: .worker, address: "127.0.0.1:2", previous: incarnation),
      at: 7
    )
    #expect(catalog.snapshot.shards.map(\.epoch) == [Epoch(2), Epoch(1), Epoch(2)])
    #expect(catalog.snapshot.nodes[1].incarnation > incarnation)
  }
  @Test func aNodeMayComeBackWithTheIncarnationItCouldNotStoreButNotLater() {
    var catalog = made().catalog
    let first = catalog.snapshot.nodes[1].incarnation
    func register(_ previous: Incarnation, at index: UInt64) -> CatalogOutcome {
      catalog.apply(.registerNode(name: "worker-1", role: .worker, address: "127.0.0.1:2", previous: previous), at: index)
    }
    _ = catalog.apply(.confirmNode(NodeID(2), first), at: 7)
    _ = register(first, at: 8)
    // It was killed before it stored the new one.
    #expect(refusal(register(first, at: 9)) == nil)
    let last = catalog.snapshot.nodes[1].incarnation
    _ = catalog.apply(.confirmNode(NodeID(2), last), at: 10)
    _ = catalog.apply(.beginShards(catalog.snapshot.shards.map(\.id)), at: 11)
    #expect(refusal(register(first, at: 12))?.status == .wrongCluster)
    #expect(refusal(register(Incarnation(0), at: 13))?.status == .wrongCluster)
  }
  @Test func namesAreUniqueOverTablesRollupsAndLevels() {
    var catalog = made().catalog
    let again = CatalogCommand.createTable(TableSchema(id: TableID(0), name: "events", columns: []))
    let version = catalog.snapshot.version
    #expect(refusal(catalog.apply(again, at: 7))?.sqlState == "42P07")
    #expect(catalog.snapshot.version == version)
  }
  @Test func aNamedProducerKeepsItsSessionForSevenDays() {
    var catalog = made().catalog
    func open(_ time: Int64, _ fingerprint: Hash128 = .zero, anew: Bool = false, at index: UInt64) -> CatalogOutcome {
      catalog.apply(
        .openProducer(
          ProducerRequest(name: "f", chunkBytes: 1, fingerprint: fingerprint, time: time, isAnew: anew)
        ),
        at: index
      )
    }
    guard case .producer(let first, true) = open(0, at: 7) else { return #expect(Bool(false)) }
    guard case .producer(let same, false) = open(KeyLifetimes.namedProducer - 1, at: 8) else { return #expect(Bool(false)) }
    #expect(first == same)
    #expect(refusal(open(5, Hash128(high: 1, low: 1), at: 9))?.status == .keyConflict)
    #expect(refusal(open(KeyLifetimes.namedProducer, at: 10))?.status == .keyExpired)
    guard case .producer(let fresh, true) = open(KeyLifetimes.namedProducer, anew: true, at: 11) else { return #expect(Bool(false)) }
    #expect(fresh.session > first.session)
  }
  @Test func commandsAndStateSurviveTheirBytes() throws {
    let (catalog, commands) = made()
    var replayed = Catalog()
    for (at, command) in commands.enumerated() {
      let bytes = CatalogCommandFormat.encode(command)
      #expect(CatalogCommandFormat.encode(try CatalogCommandFormat.decode(bytes)) == bytes)
      _ = replayed.apply(try CatalogCommandFormat.decode(bytes), at: UInt64(at + 1))
      for cut in 0..<bytes.count {
        #expect(throws: DecodingFailure.self) { try CatalogCommandFormat.decode(Array(bytes[..<cut])) }
      }
    }
    #expect(replayed.snapshot == catalog.snapshot)
    let state = CatalogCommandFormat.encode(catalog)
    #expect(CatalogCommandFormat.encode(try CatalogCommandFormat.decodeState(state)) == state)
  }
}
