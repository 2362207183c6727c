// Group.swift — a Raft group on a small network that loses, doubles, delays and reorders letters, with disks that forget what was not
// synced; and the laws that hold in every state of it (Raft figure 3).
import Bytes
import Consensus
import Model
import Testing
import Wire

/// SplitMix64: equal seeds give equal runs.
struct Chance {
  var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  mutating func percent(_ p: Int) -> Bool { below(100) < p }
}

/// What lies on a member's disk.
struct Platter {
  var hard = HardState()
  var snapshot = RaftSnapshot.empty(Members())
  var records: [CommandRecord] = []
  mutating func take(_ write: RaftWrite) {
    if let hard = write.hardState { self.hard = hard }
    if let snapshot = write.snapshot {
      self.snapshot = snapshot
      records = write.records
    } else if let first = write.records.first {
      records.removeAll { $0.index >= first.index }
      records += write.records
    }
  }
  func log() -> RaftLog {
    var log = RaftLog(snapshot)
    for record in records { log.restore(record) }
    return log
  }
}

/// A member: core, disk, state machine.
final class Node {
  let id: MemberID
  var core: RaftCore?
  var disk = Platter()
  var unwritten: [RaftWrite] = []
  /// The state machine: number of commands applied and a hash of them in order.
  var count = 0
  var hash = Hash128.zero
  var members = Members()
  var stalledUntil: UInt64 = 0
  init(_ id: UInt64) { self.id = MemberID(id) }
  var state: [UInt8] {
    var out = ByteWriter()
    out.u64(UInt64(count))
    out.u64(hash.high)
    out.u64(hash.low)
    return out.finish()
  }
  func restore(_ bytes: [UInt8]) throws {
    guard !bytes.isEmpty else { return (count, hash) = (0, .zero) }
    (count, hash) = try bytes.withReader { reader throws(DecodingFailure) in
      (Int(try reader.u64()), Hash128(high: try reader.u64(), low: try reader.u64()))
    }
  }
  func apply(_ body: [UInt8]) {
    count += 1
    var out = ByteWriter()
    out.u64(hash.high)
    out.u64(hash.low)
    out.bytes(body)
    hash = out.withBytes { Murmur3.hash($0) }
  }
}

/// A run.
final class Group {
  struct Letter {
    var at: UInt64
    var number: UInt64
    var from: MemberID
    var to: MemberID
    var message: RaftMessage
  }
  struct Faults {
    var loss = 0
    var doubling = 0
    var delay: UInt64 = 5_000_000
    var syncDelay: UInt64 = 5_000_000
  }
  var chance: Chance
  var now: UInt64 = 1_000_000_000
  var nodes: [Node] = []
  var letters: [Letter] = []
  var faults = Faults()
  /// Pairs that do not hear each other, one way.
  var cuts: Set<[UInt64]> = []
  var nextLetter: UInt64 = 0
  var nextTicket: UInt64 = 1
  // What the laws remember.
  var leaders: [UInt64: MemberID] = [:]
  var committed: [UInt64: (term: UInt64, chain: Hash128)] = [:]
  var lastCommitted: UInt64 = 0
  /// State machine after each command index, equal everywhere.
  var states: [UInt64: Hash128] = [:]
  /// Proposals by ticket: where they stand, and the greatest index that was answered when a read was asked.
  var accepted: [UInt64: (first: UInt64, term: UInt64)] = [:]
  var reads: [UInt64: UInt64] = [:]
  var answered: UInt64 = 0
  var readsAnswered = 0
  var elections = 0
  var snapshots = 0
  var changes = 0
  var violations: [String] = []
  static let settings = RaftSettings(heartbeat: 50_000_000, electionMin: 300_000_000, electionSpread: 300_000_000)

  init(seed: UInt64, voters: Int) {
    chance = Chance(seed: seed)
    nodes = (1...UInt64(voters)).map { Node($0) }
    let members = Members(nodes.map { Member(id: $0.id, name: "c\($0.id)", address: "h:\($0.id)", isVoter: true) })
    for node in nodes {
      node.disk.hard = HardState(term: 1)
      node.disk.records = [CommandRecord(index: 1, term: 1, kind: .members, body: members.encoded())]
    }
    for node in nodes { start(node) }
  }
  func violated(_ text: String) { violations.append("at \(now): \(text)") }
  func node(_ id: MemberID) -> Node? { nodes.first { $0.id == id } }

  func start(_ node: Node) {
    let log = node.disk.log()
    do { try node.restore(log.snapshot.state) } catch { violated("\(error)") }
    node.core = RaftCore(id: node.id, settings: Self.settings, hard: node.disk.hard, log: log)
    step(node, .start)
  }
  /// Some of what was under way may have reached the disk, in order.
  func crash(_ node: Node) {
    node.core = nil
    let kept = node.unwritten.isEmpty ? 0 : chance.below(node.unwritten.count + 1)
    for write in node.unwritten.prefix(kept) { node.disk.take(write) }
    node.unwritten = []
  }
  @discardableResult func step(_ node: Node, _ event: RaftEvent) -> UInt64 {
    guard node.core != nil else { return 0 }
    let wasLeader = node.core?.role == .leader
    let effects = node.core?.handle(event, now: now, chance: chance.next()) ?? []
    guard let core = node.core else { return 0 }
    if core.role == .leader, !wasLeader {
      elections += 1
      if let other = leaders[core.hard.term], other != node.id { violated("term \(core.hard.term) has leaders \(other) and \(node.id)") }
      leaders[core.hard.term] = node.id
      // Leader completeness: everything committed in earlier terms is in its log.
      for (index, entry) in committed where entry.term < core.hard.term && index > core.log.snapshot.index {
        if core.log.chain(at: index) != entry.chain { violated("leader \(node.id) of term \(core.hard.term) lacks entry \(index)") }
      }
    }
    for effect in effects { carryOut(effect, node, core) }
    if !(core.applied <= core.commit && core.applied <= core.durable && core.durable <= core.log.last) {
      violated("\(node.id): applied \(core.applied), commit \(core.commit), durable \(core.durable), last \(core.log.last)")
    }
    return 0
  }
  private func carryOut(_ effect: RaftEffect, _ node: Node, _ core: RaftCore) {
    switch effect {
    case .persist(let write): node.unwritten.append(write)
    case .send(let to, let message): post(node.id, to, message)
    case .apply(let records):
      for record in records {
        let chain = core.log.chain(at: record.index) ?? .zero
        if let known = committed[record.index], known.chain != chain || known.term != record.term {
          violated("entry \(record.index) is committed twice, differently (\(node.id))")
        }
        committed[record.index] = (record.term, chain)
        lastCommitted = max(lastCommitted, record.index)
        if record.kind == .command { node.apply(record.body) }
        if let state = states[record.index], state != node.hash { violated("state machines differ at \(record.index)") }
        states[record.index] = node.hash
      }
      if core.role == .leader { answered = max(answered, records.last?.index ?? 0) }
    case .restore(let snapshot):
      snapshots += 1
      do { try node.restore(snapshot.state) } catch { violated("\(error)") }
      if let known = committed[snapshot.index], known.chain != snapshot.chain {
        violated("snapshot \(snapshot.index) is of another history")
      }
      if let state = states[snapshot.index], state != node.hash { violated("snapshot state differs at \(snapshot.index)") }
    case .accepted(let ticket, let first, let term): accepted[ticket] = (first, term)
    case .readable(let ticket, let index):
      readsAnswered += 1
      if let least = reads[ticket], index < least { violated("read \(ticket) gave \(index), but \(least) was answered before it") }
    case .refused, .standing: break
    }
  }
  func post(_ from: MemberID, _ to: MemberID, _ message: RaftMessage) {
    let copies = chance.percent(faults.loss) ? 0 : chance.percent(faults.doubling) ? 2 : 1
    for _ in 0..<copies {
      nextLetter += 1
      let delay = 100_000 + chance.next() % faults.delay
      letters.append(Letter(at: now + delay, number: nextLetter, from: from, to: to, message: message))
    }
  }
  func isCut(_ from: MemberID, _ to: MemberID) -> Bool { cuts.contains([from.rawValue, to.rawValue]) }

  /// The next thing that is due, at most until `limit`; false when nothing is.
  func advance(until limit: UInt64) -> Bool {
    var (at, what) = (limit, -1)
    for (i, letter) in letters.enumerated() where letter.at < at { (at, what) = (letter.at, i) }
    var waker: Node?
    for node in nodes {
      if let wake = node.core?.wakeAt, max(wake, node.stalledUntil) < at { (at, waker, what) = (max(wake, node.stalledUntil), node, -1) }
    }
    if what < 0, waker == nil {
      now = max(now, limit)
      return false
    }
    now = max(now, at)
    if let waker {
      step(waker, .tick)
    } else {
      let letter = letters.remove(at: what)
      if let target = node(letter.to), target.core != nil, !isCut(letter.from, letter.to) {
        step(target, .receive(from: letter.from, letter.message))
      }
    }
    sync()
    return true
  }
  /// Disks finish some of what was asked for.
  private func sync() {
    for node in nodes where !node.unwritten.isEmpty && chance.percent(60) {
      let write = node.unwritten.removeFirst()
      node.disk.take(write)
      step(node, .persisted(write.number))
    }
  }
  func run(_ duration: UInt64) {
    let end = now + duration
    while advance(until: end), violations.isEmpty {}
    // Time alone lets disks finish too.
    for _ in 0..<50 { sync() }
  }
  /// Every member's standing, for a failure's message.
  var summary: String {
    nodes.map { node in
      guard let core = node.core else { return "\(node.id): down" }
      let voters = core.log.members.voters.map(\.id.description).joined(separator: ",")
      return "\(node.id): \(core.role) term \(core.hard.term) log \(core.log.snapshot.index)-\(core.log.last) durable \(core.durable)"
        + " commit \(core.commit) applied \(core.applied) voters [\(voters)] wake \(core.wakeAt) unwritten \(node.unwritten.count)"
    }
    .joined(separator: "\n")
  }
  var leader: Node? {
    nodes.filter { $0.core?.role == .leader }.max { $0.core?.hard.term ?? 0 < $1.core?.hard.term ?? 0 }
  }
  func propose(_ node: Node, _ count: Int = 1) {
    nextTicket += 1
    let ticket = nextTicket
    step(node, .propose(ticket: ticket, (0..<count).map { Array("command \(ticket).\($0)".utf8) }))
  }
  func read(_ node: Node) {
    nextTicket += 1
    reads[nextTicket] = answered
    step(node, .read(ticket: nextTicket))
  }
  func change(_ node: Node, _ change: MemberChange) {
    nextTicket += 1
    let ticket = nextTicket
    step(node, .change(ticket: ticket, change))
    if accepted[ticket] != nil { changes += 1 }
  }
  /// Log matching: equal term at an index means equal logs up to it.
  func checkMatching() {
    for (i, a) in nodes.enumerated() {
      guard let left = a.core?.log else { continue }
      for b in nodes[(i + 1)...] {
        guard let right = b.core?.log else { continue }
        let low = max(left.snapshot.index, right.snapshot.index)
        var index = min(left.last, right.last)
        while index > low {
          if left.term(at: index) == right.term(at: index), left.chain(at: index) != right.chain(at: index) {
            violated("logs of \(a.id) and \(b.id) differ at \(index) in one term")
          }
          index -= 1
        }
      }
    }
  }
}
