// ReplicaRecordTests.swift — who may lead a shard and who counts: what the catalog refuses (protocol.md §2.5, R2, R8, R9, R12).
import Model
import Testing

@testable import CoordinatorNode

private let workers = [NodeID(1), NodeID(2), NodeID(3)]

@Suite struct ReplicaRecordTests {
  private var catalog: Catalog
  private var index: UInt64 = 0
  private var shard: ShardRecord { catalog.snapshot.shards[0] }
  private func incarnation(_ node: NodeID) throws -> Incarnation { try #require(catalog.snapshot.node(node)).incarnation }

  /// Three workers with one shard, of which three copies are wanted and two must be in sync.
  init() {
    catalog = Catalog()
    _ = apply(.bootstrap(cluster: ClusterID(high: 7, low: 9)))
    for number in 1...3 { _ = apply(.registerNode(name: "w\(number)", role: .worker, address: "h:\(number)", previous: Incarnation(0))) }
    let columns = [Column(name: "tenant", type: .bigint), Column(name: "n", type: .bigint)]
    _ = apply(.createTable(TableSchema(id: TableID(0), name: "events", columns: columns)))
    _ = apply(.distributeTable(TableID(1), key: 0, group: .standard, placement: [workers], copies: 3))
    _ = apply(.beginShards([shard.id]))
  }
  private mutating func apply(_ command: CatalogCommand) -> CatalogOutcome {
    index += 1
    return catalog.apply(command, at: index)
  }
  private func isRefused(_ outcome: CatalogOutcome) -> Bool { if case .refused = outcome { true } else { false } }
  /// The primary asks for another in-sync set.
  private mutating func alter(_ inSync: [ReplicaRecord], version: UInt64? = nil, added: [NodeID: Incarnation] = [:]) throws -> Bool {
    !isRefused(
      apply(
        .alterInSync(
          shard.id,
          shard.epoch,
          version: version ?? shard.version,
          primary: try incarnation(shard.primary),
          inSync: inSync.map(\.id),
          added: added
        )
      )
    )
  }

  @Test mutating func aDiskThatWentBackInTimeJoinsAgainWithCopiesThatDoNotCount() throws {
    let first = try incarnation(workers[0])
    func register(_ previous: Incarnation) -> CatalogCommand {
      .registerNode(name: "w1", role: .worker, address: "h:1", previous: previous)
    }
    _ = apply(.confirmNode(workers[0], first))
    #expect(!isRefused(apply(register(first))))
    _ = apply(.confirmNode(workers[0], try incarnation(workers[0])))
    let (before, epoch) = (try #require(shard.replica(on: workers[0])), shard.epoch)
    #expect(shard.inSync.contains(before))
    #expect(!isRefused(apply(register(first))))
    let after = try #require(shard.replica(on: workers[0]))
    #expect(after.id != before.id && shard.learners == [after] && shard.inSync.count == 2 && shard.eligible.isEmpty)
    // Its primary says nothing any more until another epoch.
    #expect(shard.epoch > epoch && shard.primary == workers[0])
    let other = shard.inSync[0]
    #expect(!isRefused(apply(.elect(shard.id, version: shard.version, other.id, alive: workers))))
  }
  private func given(up replica: ReplicaRecord, at time: Int64) -> LossRecord {
    var loss = LossRecord(
      shard: shard.id,
      replica: replica.id,
      node: replica.node,
      kept: LogPosition(7),
      known: LogPosition(9),
      time: time,
      reason: "rot"
    )
    loss.what = "much"
    return loss
  }
  @Test mutating func aSalvagedCopyDoesNotCountWhereAnotherOneDoes() throws {
    let copy = try #require(shard.inSync.first { $0.node != shard.primary })
    let loss = given(up: copy, at: 5)
    #expect(!isRefused(apply(.noteSalvage(loss))))
    #expect(!shard.inSync.contains(copy) && shard.inSync.count == 2)
    // It learns anew, under a new number.
    #expect(shard.learners.map(\.node) == [copy.node] && shard.learners[0].id != copy.id)
    // The worker tells it with every registration.
    let after = shard
    #expect(!isRefused(apply(.noteSalvage(loss))))
    #expect(shard == after && catalog.losses.count == 1 && catalog.losses[0].extent == "much")
    let restored = try CatalogCommandFormat.decodeState(CatalogCommandFormat.encode(catalog))
    #expect(restored.losses == catalog.losses && restored.generation == 1)
    guard case .noteSalvage(let again) = try CatalogCommandFormat.decode(CatalogCommandFormat.encode(.noteSalvage(loss))) else {
      return #expect(Bool(false))
    }
    #expect(again == loss)
  }
  @Test mutating func theOnlyCopyThatCountsStaysAndTheOthersBeginAgain() throws {
    let primary = try #require(shard.replica(on: shard.primary))
    let others = shard.inSync.filter { $0 != primary }
    let loss = given(up: primary, at: 6)
    let second = given(up: primary, at: 7)
    for other in others { #expect(!isRefused(apply(.noteSalvage(given(up: other, at: Int64(other.id.rawValue) + 100))))) }
    #expect(shard.inSync == [primary] && shard.learners.count == 2)
    let learners = shard.learners
    #expect(!isRefused(apply(.noteSalvage(loss))))
    #expect(shard.inSync == [primary] && shard.primary == primary.node)
    // They may have what it has not any more.
    #expect(shard.learners.count == 2 && shard.learners.allSatisfy { new in !learners.contains { $0.id == new.id } })
    // Another loss of the same copy is another record.
    #expect(!isRefused(apply(.noteSalvage(second))) && catalog.losses.count == 4)
  }
  @Test mutating func aCoordinatorIsForgottenAndAWorkerIsNot() throws {
    _ = apply(.registerNode(name: "c1", role: .coordinator, address: "h:9", previous: Incarnation(0)))
    #expect(catalog.snapshot.nodes.count == 4)
    for name in ["w1", "c1", "c1"] { #expect(!isRefused(apply(.removeCoordinator(name)))) }
    #expect(catalog.snapshot.nodes.map(\.name) == ["w1", "w2", "w3"])
    #expect(CatalogCommandFormat.encode(.removeCoordinator("c1")) == [1, 61, 2] + Array("c1".utf8))
  }
  @Test mutating func anOperatorMakesALearnerPrimaryAndTheLossIsKept() throws {
    let learner = try #require(shard.inSync.first { $0.node != shard.primary })
    #expect(try alter(shard.inSync.filter { $0 != learner }))
    let before = shard
    let loss = LossRecord(
      shard: shard.id,
      replica: learner.id,
      node: learner.node,
      kept: LogPosition(7),
      known: LogPosition(9),
      time: 5,
      reason: "fire"
    )
    #expect(isRefused(apply(.forcePrimary(loss, version: before.version - 1))) && catalog.losses.isEmpty)
    #expect(!isRefused(apply(.forcePrimary(loss, version: before.version))))
    #expect(shard.primary == learner.node && shard.inSync == [learner] && shard.eligible.isEmpty && shard.epoch > before.epoch)
    // The others are new copies: nothing that they said before counts.
    #expect(shard.learners.count == 2 && shard.learners.allSatisfy { new in !before.replicas.contains { $0.id == new.id } })
    #expect(catalog.losses.map(\.epoch) == [shard.epoch] && catalog.losses[0].extent == "entries 8 to at least 9")
    let restored = try CatalogCommandFormat.decodeState(CatalogCommandFormat.encode(catalog))
    #expect(restored.losses == catalog.losses && restored.snapshot.shards == catalog.snapshot.shards)
    guard
      case .forcePrimary(let again, before.version) = try CatalogCommandFormat.decode(
        CatalogCommandFormat.encode(.forcePrimary(loss, version: before.version))
      )
    else { return #expect(Bool(false)) }
    #expect(again == loss)
  }
  @Test mutating func aLearnerIsNotElected() throws {
    #expect(shard.inSync.count == 3)
    let other = try #require(shard.inSync.first { $0.node != shard.primary })
    #expect(try alter(shard.inSync.filter { $0 != other }))
    #expect(shard.learners == [other] && shard.eligible.isEmpty)
    let before = shard
    #expect(isRefused(apply(.elect(shard.id, version: shard.version, other.id, alive: workers))))
    #expect(shard == before)
  }
  @Test mutating func aChangeUponAnOlderRecordIsRefused() throws {
    let (old, all) = (shard.version, shard.inSync)
    let others = all.filter { $0.node != shard.primary }
    #expect(try alter(all.filter { $0 != others[0] }))
    #expect(try !alter(all.filter { $0 != others[1] }, version: old))
    #expect(isRefused(apply(.elect(shard.id, version: old, others[1].id, alive: workers))))
    #expect(isRefused(apply(.dropReplica(shard.id, version: old, others[0].id))))
  }
  @Test mutating func aCopyWhoseNodeRestartedSinceDoesNotComeIn() throws {
    let all = shard.inSync
    let other = try #require(all.first { $0.node != shard.primary })
    #expect(try alter(all.filter { $0 != other }))
    let life = try incarnation(other.node)
    let name = try #require(catalog.snapshot.node(other.node)).name
    #expect(!isRefused(apply(.registerNode(name: name, role: .worker, address: "h:9", previous: life))))
    #expect(try !alter(all, added: [other.node: life]))
    #expect(try !alter(all))
    #expect(try alter(all, added: [other.node: try incarnation(other.node)]))
    #expect(shard.inSync.count == 3)
  }
  @Test mutating func whoLeftMayLeadWhileTooFewAreLeft() throws {
    let others = shard.inSync.filter { $0.node != shard.primary }
    #expect(try alter(shard.inSync.filter { $0 != others[0] }))
    // Alone nothing commits, so the one that leaves has all that is committed.
    #expect(try alter(shard.inSync.filter { $0 != others[1] }))
    #expect(shard.eligible == [others[1]] && shard.learners == [others[0]])
    #expect(!isRefused(apply(.elect(shard.id, version: shard.version, others[1].id, alive: [others[1].node]))))
    #expect(shard.primary == others[1].node)
  }
  @Test mutating func aLostCopyDoesNotCount() throws {
    let other = try #require(shard.inSync.first { $0.node != shard.primary })
    #expect(!isRefused(apply(.loseReplicas(other.node, try incarnation(other.node), [other.id]))))
    #expect(shard.inSync.count == 2 && !shard.replicas.contains(other))
    let fresh = try #require(shard.learners.first)
    #expect(fresh.node == other.node && fresh.id != other.id)
  }
  @Test mutating func eachRestartOfThePrimaryBeginsAnEpoch() throws {
    let (before, primary) = (shard.epoch, shard.primary)
    let name = try #require(catalog.snapshot.node(primary)).name
    _ = apply(.registerNode(name: name, role: .worker, address: "h:9", previous: try incarnation(primary)))
    #expect(shard.epoch == before.next)
  }
  @Test func aRecordNeverForgetsWhoMayHaveWhatIsCommitted() throws {
    // Three count and two must be in sync: one may go, with two gone both go on counting.
    var after = shard
    let all = shard.inSync
    after.inSync = Array(all.prefix(2))
    try Catalog.requireCounting(shard, after, leastInSync: 2)
    (after.inSync, after.eligible) = (Array(all.prefix(1)), Array(all.suffix(2)))
    try Catalog.requireCounting(shard, after, leastInSync: 2)
    after.eligible = Array(all.suffix(1))
    #expect(throws: TallyError.self) { try Catalog.requireCounting(shard, after, leastInSync: 2) }
    (after.inSync, after.eligible) = ([], [])
    #expect(throws: TallyError.self) { try Catalog.requireCounting(shard, after, leastInSync: 0) }
  }
}
