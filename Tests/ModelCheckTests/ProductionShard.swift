// ProductionShard.swift — a shard made of the product's own values: the catalog, the primaries' and the copies' cores, and plain logs.
//
// It takes the model's steps one by one. What the flows do between the values (choose where to begin, cut, take over) is done here as they
// do it; what the values decide is never decided here. Copies 0 to 2 are on nodes of their own, copy 3 is the empty one that a wiped disk
// comes back with, as in the model. A registration may raise an epoch that nobody leads: `modelEpochs` says which of the model's it is.
import Bytes
import Model
import Replication
import ReplicationModel

@testable import CoordinatorNode

/// A mistake planted into the shard, for the comparison to find.
enum PlantedDefect: CaseIterable, Sendable {
  /// The primary commits what is on its own disk (R4).
  case commitsItsOwn
  /// A removal counts when it is asked for (R5).
  case removesUnconfirmed
  /// An addition under way does not count (R4).
  case ignoresAddition
  /// A restarted copy knows no promise (R1).
  case forgetsPromise
  /// A restarted primary goes on in its epoch (R10).
  case keepsEpoch
  /// A copy that hears of a new epoch cuts its log to what it has applied, before the primary's entries are there (R7).
  case cutsToApplied
}

/// How the product takes a step of the model.
enum Taken: Equatable {
  case done
  /// It is right not to do it: it knows more than the model, for the reason given.
  case stricter(Stricter)
  /// It differs.
  case refused(String)
}
/// What the product does not do although the model would.
enum Stricter: Hashable {
  /// A primary sends to copies that its record names.
  case copyIsNotInTheRecord
  /// A copy that restarted since it caught up does not come in (R8: incarnations).
  case addedCopyRestarted
  /// The last copy that counts stays in the record when its disk is lost.
  case lastCopy
}

struct ProductionShard {
  struct Entry: Equatable {
    var epoch: Epoch
    var value: Int
    var chain: Hash128
  }
  struct Copy {
    var id: ReplicaID
    var node: NodeID
    var isAlive = true
    var isGone = false
    var log: [Entry] = []
    var applied = 0
    var core = CopyCore(promised: Epoch(0))
    var primary: PrimaryCore?
    var proposal: InSyncProposal?
    /// Acknowledgements it got in this epoch; any of them may come once more.
    var heard: [(replica: ReplicaID, incarnation: Incarnation, position: LogPosition)] = []
  }
  private(set) var catalog = Catalog()
  private(set) var copies: [Copy] = []
  private(set) var modelEpochs: [Epoch: Int] = [:]
  let defect: PlantedDefect?
  private var commands: UInt64 = 0

  /// A shard whose first epoch is established on all its copies, as the model begins.
  init(copies count: Int, defect: PlantedDefect? = nil) throws {
    self.defect = defect
    try run(.bootstrap(cluster: ClusterID(high: 1, low: 2)))
    for number in 0..<count {
      try run(.registerNode(name: "worker-\(number)", role: .worker, address: "10.0.0.\(number):1", previous: Incarnation(0)))
    }
    try run(.createTable(TableSchema(id: TableID(0), name: "events", columns: [Column(name: "tenant", type: .bigint)])))
    let nodes = catalog.snapshot.nodes.map(\.id)
    try run(.distributeTable(TableID(1), key: 0, group: .standard, placement: [nodes], copies: count))
    for node in nodes { try run(.confirmNode(node, incarnation(of: node))) }
    try run(.beginShards([record.id]))
    modelEpochs[record.epoch] = 1
    for replica in record.replicas { copies.append(Copy(id: replica.id, node: replica.node)) }
    lead(0)
    for other in 1..<max(1, count) { _ = replicate(0, to: other) }
  }

  var record: ShardRecord { catalog.snapshot.shards[0] }
  private var least: Int { catalog.snapshot.groups[0].leastInSync }
  private func incarnation(of node: NodeID) -> Incarnation { catalog.snapshot.node(node)?.incarnation ?? Incarnation(0) }
  private mutating func run(_ command: CatalogCommand) throws {
    commands += 1
    if case .refused(let error) = catalog.apply(command, at: commands) { throw error }
  }
  /// Whether the catalog would refuse a command now.
  private func refuses(_ command: CatalogCommand) -> Bool {
    var trial = catalog
    if case .refused = trial.apply(command, at: commands + 1) { return true }
    return false
  }
  /// Copies by number, as the model's sets have them.
  func set(_ replicas: some Sequence<ReplicaID>) -> ReplicaSet {
    var bits: UInt8 = 0
    for id in replicas { if let at = copies.firstIndex(where: { $0.id == id }) { bits |= 1 << UInt8(number(at)) } }
    return ReplicaSet(bits: bits)
  }
  /// The number of a copy in the model; the one behind the first three, or the two there are, is the fresh one.
  func number(_ at: Int) -> Int { copies[at].isFresh(after: copies.prefix(at)) ? ShardState.freshIdentity : at }
  /// The copy with a number of the model.
  func at(_ number: UInt8) -> Int? { copies.indices.first { self.number($0) == Int(number) } }

  // MARK: Steps

  mutating func take(_ step: Step) throws -> Taken {
    switch step {
    case .elect(let r, let inSync):
      guard let r = at(r) else { return .refused("no copy \(r)") }
      let alive = copies.indices.filter { inSync.contains(number($0)) }.map { copies[$0].node }
      try run(.elect(record.id, version: record.version, copies[r].id, alive: alive))
      modelEpochs[record.epoch] = (modelEpochs.values.max() ?? 0) + 1
    case .crash(let r):
      guard let r = at(r) else { return .refused("no copy \(r)") }
      (copies[r].isAlive, copies[r].primary, copies[r].proposal) = (false, nil, nil)
    case .restart(let r):
      guard let r = at(r) else { return .refused("no copy \(r)") }
      try restart(r)
    case .wipe(let r):
      guard let r = at(r) else { return .refused("no copy \(r)") }
      return try wipe(r)
    case .takeOffice(let r):
      guard let r = at(r) else { return .refused("no copy \(r)") }
      guard record.primary == copies[r].node, record.epoch > copies[r].core.promised else { return .refused("it would not lead") }
      lead(r)
    case .append(let r, let value):
      guard let r = at(r) else { return .refused("no copy \(r)") }
      append(r, value: Int(value))
    case .replicate(let r, let other):
      guard let r = at(r), let other = at(other) else { return .refused("no such copies") }
      guard copies[r].primary?.others.contains(where: { $0.id == copies[other].id }) ?? false else {
        return .stricter(.copyIsNotInTheRecord)
      }
      return replicate(r, to: other) ? .done : .refused("copy \(other) rejected it")
    case .propose(let r, let inSync):
      guard let r = at(r) else { return .refused("no copy \(r)") }
      return propose(r, inSync)
    case .applyProposal(let r, _):
      guard let r = at(r), let proposal = copies[r].proposal else { return .refused("it proposed nothing") }
      if let added = proposal.added, incarnation(of: added.node) != added.incarnation { return .stricter(.addedCopyRestarted) }
      try run(command(proposal, of: r))
    case .learnRecord(let r):
      guard let r = at(r) else { return .refused("no copy \(r)") }
      let (record, least) = (record, least)
      copies[r].primary?.learn(record, leastInSync: least)
      copies[r].proposal = nil
      noteCommitted(r)
    default: return .refused("the whole protocol has no such step")
    }
    return .done
  }

  private mutating func lead(_ r: Int) {
    let epoch = record.epoch
    copies[r].primary = nil
    copies[r].proposal = nil
    copies[r].heard = []
    enter(r, Entry(epoch: epoch, value: 0, chain: .zero))
    _ = copies[r].core.hear(epoch)
    let start = LogPosition(UInt64(copies[r].log.count))
    let committed = LogPosition(UInt64(copies[r].applied))
    copies[r].primary = PrimaryCore(record, me: copies[r].id, start: start, committed: committed, leastInSync: least)
    noteDurable(r)
  }
  private mutating func append(_ r: Int, value: Int) {
    guard let epoch = copies[r].primary?.epoch else { return }
    enter(r, Entry(epoch: epoch, value: value, chain: .zero))
    noteDurable(r)
  }
  private mutating func enter(_ r: Int, _ entry: Entry) {
    let before = copies[r].log.last?.chain ?? .zero
    let text = "\(before.high) \(before.low) \(entry.epoch) \(entry.value)"
    copies[r].log.append(Entry(epoch: entry.epoch, value: entry.value, chain: Murmur3.hash(Array(text.utf8))))
  }
  private mutating func noteDurable(_ r: Int) {
    let position = LogPosition(UInt64(copies[r].log.count))
    copies[r].primary?.noteDurable(position)
    if defect == .commitsItsOwn {
      for other in copies[r].primary?.others ?? [] {
        let life = incarnation(of: other.node)
        copies[r].primary?.noteMatch(other.id, life, position, askedAt: 0)
      }
    }
    noteCommitted(r)
  }
  /// A primary applies what it commits.
  private mutating func noteCommitted(_ r: Int) {
    guard let primary = copies[r].primary, primary.isEstablished else { return }
    copies[r].applied = max(copies[r].applied, Int(primary.committed.rawValue))
  }
  private func place(_ r: Int, _ position: Int) -> LogPlace? {
    let copy = copies[r]
    guard position > 0, position >= copy.applied, position <= copy.log.count else { return nil }
    let entry = copy.log[position - 1]
    return LogPlace(position: LogPosition(UInt64(position)), epoch: entry.epoch, chain: entry.chain)
  }

  /// An Append of what the copy lacks, its answer, and what follows from that; false when it was rejected.
  private mutating func replicate(_ r: Int, to other: Int) -> Bool {
    guard let primary = copies[r].primary else { return false }
    let head = copies[r].log.count
    var previous = place(r, head) ?? .applied(LogPosition(0))
    func judge() -> AppendVerdict {
      copies[other].core.judge(
        epoch: primary.epoch,
        previous: previous,
        applied: LogPosition(UInt64(copies[other].applied)),
        known: place(other, Int(previous.position.rawValue))
      )
    }
    var verdict = judge()
    if verdict == .mismatch {
      previous = .applied(LogPosition(UInt64(copies[other].applied)))
      verdict = judge()
    }
    guard verdict == .accept else { return false }
    if copies[other].core.hear(primary.epoch) {
      (copies[other].primary, copies[other].proposal) = (nil, nil)
      if defect == .cutsToApplied {
        copies[other].log = Array(copies[other].log.prefix(copies[other].applied))
        return true
      }
    }
    if previous.position.rawValue < UInt64(head) {
      for position in (Int(previous.position.rawValue) + 1)...head where position > copies[other].applied {
        let entry = copies[r].log[position - 1]
        if position <= copies[other].log.count {
          if copies[other].log[position - 1] == entry { continue }
          copies[other].log = Array(copies[other].log.prefix(position - 1))
        }
        copies[other].log.append(entry)
      }
    }
    let answer = (replica: copies[other].id, incarnation: incarnation(of: copies[other].node), position: LogPosition(UInt64(head)))
    copies[r].heard.append(answer)
    copies[r].primary?.noteMatch(answer.replica, answer.incarnation, answer.position, askedAt: 0)
    noteCommitted(r)
    let committed = Int(copies[r].primary?.committed.rawValue ?? 0)
    copies[other].applied = max(copies[other].applied, min(committed, copies[other].log.count))
    return true
  }
  /// Answers of this epoch come once more, in any order: nothing may change by it.
  mutating func hearAgain(_ pick: (Int) -> Int) {
    for r in copies.indices where copies[r].primary != nil && !copies[r].heard.isEmpty {
      let answer = copies[r].heard[pick(copies[r].heard.count)]
      copies[r].primary?.noteMatch(answer.replica, answer.incarnation, answer.position, askedAt: 0)
    }
  }

  private mutating func propose(_ r: Int, _ wanted: ReplicaSet) -> Taken {
    guard var primary = copies[r].primary, copies[r].proposal == nil else { return .refused("it proposes already, or does not lead") }
    let differing = copies.indices.filter { wanted.contains(number($0)) != primary.inSync.contains(copies[$0].id) }
    guard differing.count == 1 else { return .refused("more than one copy differs") }
    let id = copies[differing[0]].id
    let isRemoval = primary.inSync.contains(id)
    if !isRemoval, !primary.others.contains(where: { $0.id == id }) { return .stricter(.copyIsNotInTheRecord) }
    guard let proposal = isRemoval ? primary.removal(of: id) : primary.addition(of: id) else { return .refused("it does not propose that") }
    copies[r].primary = primary
    copies[r].proposal = proposal
    if defect == .ignoresAddition { copies[r].primary?.forgetAddition() }
    if defect == .removesUnconfirmed, isRemoval {
      var early = record
      early.inSync.removeAll { $0.id == id }
      early.version += 1
      let least = least
      if early.epoch == primary.epoch { copies[r].primary?.learn(early, leastInSync: least) }
    }
    noteCommitted(r)
    return .done
  }
  private func command(_ proposal: InSyncProposal, of r: Int) -> CatalogCommand {
    .alterInSync(
      record.id,
      copies[r].primary?.epoch ?? Epoch(0),
      version: proposal.version,
      primary: incarnation(of: copies[r].node),
      inSync: proposal.inSync,
      added: proposal.added.map { [$0.node: $0.incarnation] } ?? [:]
    )
  }

  private mutating func restart(_ r: Int) throws {
    let node = copies[r].node
    let wasPrimary = record.primary == node
    try register(node, previous: incarnation(of: node))
    if wasPrimary { modelEpochs[record.epoch] = (modelEpochs.values.max() ?? 0) + 1 }
    copies[r].isAlive = true
    // What was applied since the last checkpoint is to be committed again.
    copies[r].applied = copies[r].applied / 2
    let promised = defect == .forgetsPromise ? Epoch(0) : copies[r].log.last?.epoch ?? Epoch(0)
    copies[r].core = CopyCore(promised: promised)
    if defect == .keepsEpoch, wasPrimary { lead(r) }
  }
  private mutating func register(_ node: NodeID, previous: Incarnation) throws {
    let known = catalog.snapshot.node(node)
    try run(.registerNode(name: known?.name ?? "", role: .worker, address: known?.address ?? "", previous: previous))
    try run(.confirmNode(node, incarnation(of: node)))
  }
  private mutating func wipe(_ r: Int) throws -> Taken {
    let (node, lost, epoch) = (copies[r].node, copies[r].id, record.epoch)
    guard (record.inSync + record.eligible).contains(where: { $0.id != lost }) else {
      let name = catalog.snapshot.node(node)?.name ?? ""
      let isRefused = refuses(.registerNode(name: name, role: .worker, address: "", previous: Incarnation(0)))
      return isRefused ? .stricter(.lastCopy) : .refused("an empty disk took the place of the last copy")
    }
    try register(node, previous: Incarnation(0))
    if record.epoch != epoch { modelEpochs[record.epoch] = modelEpochs[epoch] }
    try run(.loseReplicas(node, incarnation(of: node), [lost]))
    (copies[r].isGone, copies[r].log, copies[r].applied) = (true, [], 0)
    guard let fresh = record.replica(on: node), fresh.id != lost else { return .refused("no fresh copy") }
    copies.append(Copy(id: fresh.id, node: node))
    return .done
  }

  // MARK: What must be refused

  /// What the values would do now that the model's state forbids.
  func forbidden(by state: ShardState) -> String? {
    let candidates = state.inSync.bits | state.eligible.bits
    for at in copies.indices where candidates >> UInt8(number(at)) & 1 == 0 {
      if !refuses(.elect(record.id, version: record.version, copies[at].id, alive: [])) { return "copy \(number(at)) could be elected" }
    }
    if !refuses(.elect(record.id, version: record.version - 1, copies[0].id, alive: [])) { return "an election upon an old record" }
    for r in copies.indices {
      guard var primary = copies[r].primary else { continue }
      let model = state.replicas[number(r)]
      if let proposal = copies[r].proposal, primary.epoch != record.epoch || proposal.version != record.version,
        !refuses(command(proposal, of: r))
      {
        return "a proposal of copy \(number(r)) upon an old record would be applied"
      }
      for other in copies.indices where other != r && copies[other].isAlive && !copies[other].isGone {
        let follower = state.replicas[number(other)]
        let place = LogPlace.applied(LogPosition(0))
        let verdict = copies[other].core.judge(epoch: primary.epoch, previous: place, applied: LogPosition(0), known: nil)
        if follower.promised > model.promised, verdict != .reject { return "copy \(number(other)) takes entries of an old epoch" }
        let lacks = follower.acknowledged(in: model.promised) < max(model.commit, Int(primary.start.rawValue))
        if lacks, primary.addition(of: copies[other].id) != nil { return "copy \(number(other)) would come in, and lacks entries" }
      }
    }
    return nil
  }
}

extension ProductionShard.Copy {
  /// Whether it took the place of an earlier copy on its node.
  fileprivate func isFresh(after earlier: ArraySlice<Self>) -> Bool { earlier.contains { $0.node == node } }
}
