// MetadataRecovery.swift — a catalog made anew from what workers keep, or from what one surviving coordinator has, when the coordinators'
// group is lost for good (protocol.md §2.15). It writes the directory of a coordinator that is alone; others join it as ever.
//
// The newest state wins; of each shard the newest record that anybody knows, in an epoch beyond all that was ever said, led by the copy
// with the longest log. What may have happened after the newest state cannot be known: every number that is given out leaps. The
// generation rises, and the workers are told: no coordinator of an earlier one is listened to any more (HelloFormat).
//
// A shard of which a copy that counts does not answer is a problem: it may have had what the others lack. So is one of which a copy that
// does not count has more than those that do: its record is an old one. Nothing is written until the operator accepts all of them.
import Bytes
public import Capabilities
import Consensus
public import Model
import RPC
import Storage
import Wire

/// What a catalog can be made of.
public struct MetadataRecovery: Sendable {
  /// A shard that may lose rows by it.
  public struct Problem: Sendable {
    /// The shard.
    public var shard: ShardID
    /// What is wrong.
    public var message: String
  }
  /// Whose catalog it is.
  public let cluster: ClusterID
  /// The generation that it begins.
  public let generation: UInt64
  /// Index of the last command that it holds for sure, in the generation before.
  public let foundIndex: UInt64
  /// Where that was found: names of workers, or `the survivor`.
  public let source: String
  /// Workers that answered.
  public let workers: [String]
  /// Workers of the catalog that did not.
  public let missing: [String]
  /// What may be lost.
  public let problems: [Problem]
  /// Tables, rollups and shards of the catalog.
  public var counts: (tables: Int, rollups: Int, shards: Int) {
    (catalog.snapshot.tables.count, catalog.snapshot.rollups.count, catalog.snapshot.shards.count)
  }
  let catalog: Catalog
  let index: UInt64
  let term: UInt64
  private let addresses: [NetworkAddress]

  /// By how much indexes, epochs and numbers leap.
  static let leap: UInt64 = 1000
  private static let patience = Duration.seconds(10)

  // MARK: The order

  /// What an operator wants.
  public struct Order: Sendable {
    /// Of the coordinator that is made.
    public var name: String
    /// Where it will listen.
    public var address: NetworkAddress
    /// Workers to ask.
    public var workers: [NetworkAddress]
    /// The directory is that of a coordinator that is left of a group; else it is empty.
    public var isSurvivor = false
    /// What may be lost is accepted.
    public var acceptsLoss = false
    /// The directory may be where nothing is durable.
    public var allowsVolatile = false
    /// Makes an order.
    public init(name: String, address: NetworkAddress, workers: [NetworkAddress]) {
      self.name = name
      self.address = address
      self.workers = workers
    }
  }
  /// What came of it.
  public struct Outcome: Sendable {
    /// What was found.
    public var found: MetadataRecovery
    /// Nothing was written: the problems have to be accepted.
    public var isWritten: Bool
    /// Workers that could not be told; the coordinator tells them once it leads.
    public var untold: [String]
  }
  /// Carries out the order in the data directory that is the disk.
  public static func carryOut(_ order: Order, _ surroundings: Surroundings) async throws -> Outcome {
    let (lock, found) = try await DataDirectory.lock(disk: surroundings.disk)
    defer { lock.release() }
    try await DataDirectory.checkVolume(disk: surroundings.disk, allowVolatile: order.allowsVolatile)
    guard order.isSurvivor == (found != nil), found.map({ $0.role == .coordinator && $0.name == order.name }) ?? true else {
      throw TallyError(
        .invalid,
        found.map { "the data directory belongs to \($0.role) \"\($0.name)\"" } ?? "the data directory is empty",
        sqlState: "55000",
        hint: "an empty directory, or with --from-survivor that of the coordinator of this --name which is left"
      )
    }
    let recovery = try await collect(surroundings, workers: order.workers, survivor: found)
    guard recovery.problems.isEmpty || order.acceptsLoss else { return Outcome(found: recovery, isWritten: false, untold: []) }
    let untold = try await recovery.write(surroundings, name: order.name, address: order.address, found: found)
    return Outcome(found: recovery, isWritten: true, untold: untold)
  }

  // MARK: Collecting

  /// Asks the workers, and reads the survivor's directory when the disk is one. Throws when they do not belong together, or when nobody has
  /// a state.
  static func collect(
    _ surroundings: Surroundings,
    workers addresses: [NetworkAddress],
    survivor identity: DataDirectory.Identity?
  ) async throws -> MetadataRecovery {
    let (copies, reached) = try await ask(addresses, surroundings)
    var sources: [(name: String, copy: CatalogCopyRecord)] = copies.compactMap { copy in
      copy.state.isEmpty
        ? nil : (copy.nodeName, CatalogCopyRecord(generation: copy.generation, index: copy.index, term: copy.term, state: copy.state))
    }
    if let identity { sources.append(("the survivor", try await survivor(surroundings.disk, identity.cluster))) }
    let clusters = Set(copies.map(\.cluster) + (identity.map { [$0.cluster] } ?? []))
    guard let cluster = clusters.first, clusters.count == 1 else {
      throw TallyError(
        .wrongCluster,
        clusters.isEmpty ? "no worker answers" : "these nodes belong to different clusters",
        detail: copies.map { "\($0.nodeName): \($0.cluster)" }.joined(separator: ", ")
      )
    }
    guard let newest = sources.max(by: { $1.copy.isNewer(than: $0.copy) }) else {
      throw TallyError(.unavailable, "no worker keeps a state of the coordinators", hint: "ask all workers; one that was up lately has it")
    }
    var base: Catalog
    do { base = try CatalogCommandFormat.decodeState(newest.copy.state) } catch {
      throw TallyError(.dataDamaged, "the state that \(newest.name) keeps cannot be read: \(error)")
    }
    var seen = [base.snapshot]
    for (name, copy) in sources where name != newest.name { if let snapshot = copy.snapshot { seen.append(snapshot) } }
    for copy in copies where !copy.catalog.isEmpty {
      seen.append(
        try copy.catalog.withReader { reader throws(DecodingFailure) in try CatalogFormat.decodeSnapshot(from: &reader) }
      )
    }
    // A worker may use a definition that no copy has yet.
    if let latest = seen.max(by: { $0.version < $1.version }), latest.version > base.snapshot.version { base.snapshot = latest }
    let index = max(newest.copy.index, seen.map(\.version.rawValue).max() ?? 0) + leap
    let problems = base.rebuild(
      copies,
      reached,
      seen: seen,
      index: index,
      generation: newest.copy.generation + 1,
      time: surroundings.clock.wallMicroseconds
    )
    let names = copies.map(\.nodeName)
    return MetadataRecovery(
      cluster: cluster,
      generation: base.generation,
      foundIndex: newest.copy.index,
      source: newest.name,
      workers: names,
      missing: base.snapshot.nodes.filter { $0.role == .worker && !names.contains($0.name) }.map(\.name),
      problems: problems,
      catalog: base,
      index: index,
      term: (sources.map(\.copy.term).max() ?? 0) + leap,
      addresses: reached
    )
  }
  private static func ask(
    _ addresses: [NetworkAddress],
    _ surroundings: Surroundings
  ) async throws -> (copies: [CatalogCopy], reached: [NetworkAddress]) {
    var (copies, reached): ([CatalogCopy], [NetworkAddress]) = ([], [])
    for address in addresses {
      // Each has its own time: one that is dead must not make those behind it silent.
      let limit = surroundings.clock.now + patience
      do {
        let reply = try await call(.fetchCatalogCopy(FetchCatalogCopy()), address, surroundings, until: limit)
        guard case .catalogCopy(let copy) = reply else { throw TallyError(.protocolViolation, "\(address) answered with \(reply.name)") }
        if copies.contains(where: { ($0.cluster, $0.node) == (copy.cluster, copy.node) }) { continue }
        copies.append(copy)
        reached.append(address)
      } catch let error as TallyError where error.isRetryable {
        surroundings.log.warning("worker-silent", ("address", address.description), ("reason", error.message))
      }
    }
    return (copies, reached)
  }
  /// One request on a connection of its own, again until the worker answers or the time is up.
  private static func call(
    _ request: Message,
    _ address: NetworkAddress,
    _ surroundings: Surroundings,
    until limit: Instant
  ) async throws -> Message {
    while true {
      do {
        let connection = try await RPCConnection.open(
          to: address,
          as: PeerIdentity(name: "recover-metadata"),
          network: surroundings.network,
          clock: surroundings.clock,
          deadline: limit
        )
        return try await withThrowingTaskGroup(of: Message?.self) { group in
          group.addTask {
            await connection.run()
            return nil
          }
          group.addTask { try await connection.call(request, deadline: limit) }
          defer {
            connection.close()
            group.cancelAll()
          }
          while let answer = try await group.next() { if let answer { return answer } }
          throw TallyError(.unavailable, "\(address) went away")
        }
      } catch let error as TallyError where error.isRetryable {
        guard surroundings.clock.now < limit else { throw error }
        try await surroundings.clock.sleep(for: .milliseconds(100))
      }
    }
  }
  /// What a coordinator's stopped directory holds, all of its log taken for committed.
  private static func survivor(_ disk: any Disk, _ cluster: ClusterID) async throws -> CatalogCopyRecord {
    guard let voted = try await GroupDisk.member(disk, cluster: cluster) else {
      throw TallyError(.dataDamaged, "the survivor's directory has no \(GroupDisk.votePath)")
    }
    var catalog = Catalog()
    let contents: CommandRecordFormat.Contents
    do {
      contents = try CommandRecordFormat.decode(try await disk.readAll(GroupDisk.logPath))
      for (at, record) in contents.records.enumerated() {
        switch record.kind {
        case .snapshot:
          let snapshot = try SnapshotFormat.decode(record.body, index: record.index, term: record.term, chain: contents.chains[at])
          catalog = snapshot.state.isEmpty ? Catalog() : try CatalogCommandFormat.decodeState(snapshot.state)
        case .command: _ = catalog.apply(try CatalogCommandFormat.decode(record.body), at: record.index)
        case .nothing, .members: break
        }
      }
    } catch let failure as DecodingFailure {
      throw TallyError(.dataDamaged, "the survivor's \(GroupDisk.logPath) cannot be read: \(failure)")
    }
    guard contents.cluster == cluster, let last = contents.records.last else {
      throw TallyError(.dataDamaged, "the survivor's \(GroupDisk.logPath) is empty, or of another cluster")
    }
    return CatalogCopyRecord(
      generation: catalog.generation,
      index: last.index,
      term: max(voted.hard.term, last.term),
      state: CatalogCommandFormat.encode(catalog)
    )
  }

  // MARK: Writing

  /// Makes a coordinator's directory of it, which is locked, and tells the workers. `found` is whose directory it was: nobody's, or the
  /// survivor's, whose own files are kept beside. Returns the workers that could not be told; a leader tells them.
  func write(
    _ surroundings: Surroundings,
    name: String,
    address: NetworkAddress,
    found: DataDirectory.Identity?
  ) async throws -> [String] {
    var catalog = catalog
    if let known = catalog.snapshot.nodes.first(where: { $0.name == name }), known.role != .coordinator {
      throw TallyError(
        .invalid,
        "\(name) is a \(known.role) of this cluster",
        sqlState: "55000",
        hint: "give the coordinator another --name"
      )
    }
    catalog.keepOnlyCoordinator(name, address: address.description)
    let disk = surroundings.disk
    try await disk.createDirectory("meta")
    try await disk.syncDirectory("")
    if found != nil {
      for path in [GroupDisk.votePath, GroupDisk.logPath] {
        try await disk.writeDurably(path + ".generation-\(generation - 1)", [try await disk.readAll(path)])
      }
    }
    let state = CatalogCommandFormat.encode(catalog)
    let member = GroupDisk.draw(surroundings)
    let snapshot = RaftSnapshot(
      index: index,
      term: term,
      chain: Murmur3.hash(state),
      members: Members([Member(id: member, name: name, address: address.description, isVoter: true)]),
      state: state
    )
    try await GroupDisk.install(snapshot, of: member, disk: disk, cluster: cluster)
    // Last: without it the directory is nobody's, and no coordinator starts on it.
    let identity = DataDirectory.Identity(cluster: cluster, node: NodeID(1), name: name, role: .coordinator)
    try await DataDirectory.adopt(disk: disk, found: found, identity: identity)
    let message = StoreCatalogCopy(CatalogCopyRecord(generation: generation, index: index, term: term, state: state))
    var untold: [String] = []
    for (worker, address) in zip(workers, addresses) {
      let limit = surroundings.clock.now + Self.patience
      do { _ = try await Self.call(.storeCatalogCopy(message), address, surroundings, until: limit) } catch let error as TallyError {
        surroundings.log.warning("worker-not-told", ("worker", worker), ("reason", error.message))
        untold.append(worker)
      }
    }
    return untold
  }
}

extension Catalog {
  /// Brings a found state beyond everything that may have followed it. Returns what may be lost.
  fileprivate mutating func rebuild(
    _ copies: [CatalogCopy],
    _ reached: [NetworkAddress],
    seen: [CatalogSnapshot],
    index: UInt64,
    generation: UInt64,
    time: Int64
  ) -> [MetadataRecovery.Problem] {
    self.generation = generation
    for (copy, address) in zip(copies, reached) {
      if let at = snapshot.nodes.firstIndex(where: { $0.id == copy.node }) {
        snapshot.nodes[at].incarnation = max(snapshot.nodes[at].incarnation, copy.incarnation)
      } else {
        let node = NodeRecord(
          id: copy.node,
          name: copy.nodeName,
          role: .worker,
          address: address.description,
          incarnation: copy.incarnation
        )
        snapshot.nodes.append(node)
      }
    }
    var problems: [MetadataRecovery.Problem] = []
    for at in snapshot.shards.indices {
      let known = seen.compactMap { $0.shard(snapshot.shards[at].id) }
      if let newest = known.max(by: { ($0.epoch, $0.version) < ($1.epoch, $1.version) }) {
        let isBegun = snapshot.shards[at].isBegun || known.contains(where: \.isBegun)
        snapshot.shards[at] = newest
        snapshot.shards[at].isBegun = isBegun
      }
    }
    leap(by: MetadataRecovery.leap, seen)
    // A registration that its worker never heard of stays in doubt; those that workers know of do not.
    for copy in copies where snapshot.node(copy.node)?.incarnation == copy.incarnation { confirm(copy.node) }
    repairSnapshot()
    for at in snapshot.shards.indices {
      if let message = settle(at, copies, time: time) { problems.append(.init(shard: snapshot.shards[at].id, message: message)) }
    }
    snapshot.version = CatalogVersion(index)
    return problems
  }
  /// Brings in line what a snapshot that came without its state names, and the state does not know.
  private mutating func repairSnapshot() {
    for at in snapshot.tables.indices {
      let table = snapshot.tables[at]
      // Without its move a fence is never lifted; what the move had not published is void.
      if table.isFenced, !moves.values.contains(where: { $0.source == table.id }) { snapshot.tables[at].isFenced = false }
      guard case .single(let group, let isReference) = table.distribution else { continue }
      if isReference, referenceGroup == nil { referenceGroup = group }
    }
  }
  /// Chooses the primary of a shard, in an epoch of its own; tells what may be lost by that.
  private mutating func settle(_ at: Int, _ copies: [CatalogCopy], time: Int64) -> String? {
    typealias Report = (replica: ReplicaRecord, position: ShardPosition)
    var shard = snapshot.shards[at]
    func report(_ replica: ReplicaRecord) -> Report? {
      copies.first { $0.node == replica.node }?.shards
        .first { $0.shard == shard.id && ($0.replica == replica.id || $0.replica.rawValue == 0) }.map { (replica, $0) }
    }
    func isLonger(_ a: Report, _ b: Report) -> Bool {
      (a.position.epoch, a.position.last) > (b.position.epoch, b.position.last)
    }
    func names(_ replicas: [ReplicaRecord]) -> String {
      replicas.map { snapshot.node($0.node)?.name ?? "node \($0.node)" }.joined(separator: ", ")
    }
    let epochs = copies.flatMap(\.shards).filter { $0.shard == shard.id }.map(\.epoch)
    shard.epoch = Epoch(max(shard.epoch, epochs.max() ?? Epoch(0)).rawValue + MetadataRecovery.leap)
    shard.version += MetadataRecovery.leap
    defer { snapshot.shards[at] = shard }
    let counting = shard.inSync + shard.eligible
    let missing = counting.filter { report($0) == nil }
    let longest = counting.compactMap(report).max { isLonger($1, $0) }
    let other = shard.learners.compactMap(report).max { isLonger($1, $0) }
    guard let best = [longest, other].compactMap({ $0 }).max(by: { isLonger($1, $0) }) else {
      return "no copy answers: those that count are on \(names(counting))"
    }
    if best.position.last.rawValue > 0 { shard.isBegun = true }
    shard.primary = best.replica.node
    let known = Set(shard.replicas.map(\.id))
    let strange = copies.filter { copy in
      copy.shards.contains {
        $0.shard == shard.id && $0.replica.rawValue > 0 && !known.contains($0.replica)
          && ($0.epoch, $0.last) > (best.position.epoch, best.position.last)
      }
    }
    if let longest, missing.isEmpty, strange.isEmpty, other.map({ !isLonger($0, longest) }) ?? true {
      shard.inSync = (shard.inSync.filter { $0 != longest.replica } + [longest.replica]).sorted { $0.id < $1.id }
      shard.eligible.removeAll { $0 == longest.replica }
      shard.primary = longest.replica.node
      return nil
    }
    // The longest log that can be had leads; what others may have beyond it is lost, so they begin again.
    let gone =
      if !missing.isEmpty {
        "no answer from \(names(missing))"
      } else if !strange.isEmpty {
        "\(strange.map(\.nodeName).joined(separator: ", ")) has more, under a number that no record knows"
      } else {
        "its record is older than the copy on \(names([best.replica]))"
      }
    let kept = counting.contains(best.replica) ? counting.filter { report($0) != nil } : [best.replica]
    let rest = shard.replicas.filter { !kept.contains($0) }
    (shard.inSync, shard.eligible, shard.learners) = (kept, [], [])
    for other in rest { shard.learners.append(newReplica(on: other.node)) }
    var loss = LossRecord(
      shard: shard.id,
      epoch: shard.epoch,
      replica: best.replica.id,
      node: best.replica.node,
      kept: best.position.last,
      known: LogPosition(0),
      time: time,
      reason: "recover-metadata"
    )
    loss.what = "entries above \(best.position.last), if there were any: \(gone)"
    losses.append(loss)
    return "\(gone): entries above \(best.position.last) of the copy on \(names([best.replica])), if there were any, are lost"
  }
}
