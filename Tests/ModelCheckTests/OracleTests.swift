// OracleTests.swift — the product's replication values against the model: the same random steps, and after each the same state.
//
// The model's transition function says what may happen; a seed chooses among it, kind by kind; the product takes the step too. Commits are
// no choice: the product's primaries commit what they can at once, so the model's do. Then logs, promises, sets, record, commit positions
// must agree, what the model forbids must be refused, and the model's invariants hold. TALLY_SCHEDULES=n runs so many.
import Foundation
import Model
import Replication
import ReplicationModel
import Testing

@testable import CoordinatorNode

/// One random schedule.
struct Schedule {
  let rules: Rules
  let seed: UInt64
  private var bits: UInt64
  private(set) var trace: [Step] = []
  private(set) var stricter: Set<Stricter> = []
  private(set) var kinds: Set<String> = []

  init(_ rules: Rules, seed: UInt64) {
    self.rules = rules
    self.seed = seed
    bits = seed &* 0x9E37_79B9_7F4A_7C15
  }
  private mutating func pick(_ count: Int) -> Int {
    bits &+= 0x9E37_79B9_7F4A_7C15
    var mixed = bits
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int(truncatingIfNeeded: (mixed ^ (mixed >> 31)) % UInt64(count))
  }

  /// Runs it; what differs first, nil when nothing does.
  mutating func run(_ shard: ProductionShard) throws -> String? {
    var (shard, state) = (shard, ShardState(copies: rules.bounds.copies))
    if let difference = difference(shard, state) { return difference }
    for _ in 0..<80 {
      var successors: [Successor] = []
      rules.successors(of: state, into: &successors)
      successors.removeAll { if case .read = $0.step { true } else { false } }
      guard !successors.isEmpty else { return nil }
      let kinds = Dictionary(grouping: successors) { Self.kind($0.step) }.sorted { $0.key < $1.key }
      let chosen = kinds[pick(kinds.count)]
      let next = chosen.value[pick(chosen.value.count)]
      // A primary that restarts gets a new epoch with its registration: in the model an election of the same copy.
      var following = next.state
      if case .restart(let r) = next.step, state.primary == Int(r) {
        guard let elected = successor(of: following, { $0 == .elect(r, inSync: following.inSync) }) else { continue }
        following = elected
      }
      let before = shard
      switch try shard.take(next.step) {
      case .done: break
      case .stricter(let reason):
        stricter.insert(reason)
        shard = before
        continue
      case .refused(let reason):
        trace.append(next.step)
        return "the product does not take the step: \(reason)"
      }
      trace.append(next.step)
      self.kinds.insert(chosen.key)
      while let committed = successor(of: following, { if case .commit = $0 { true } else { false } }) { following = committed }
      state = following
      let again = pick(1 << 16)
      shard.hearAgain { again % $0 }
      if let difference = difference(shard, state) { return difference }
      if let forbidden = shard.forbidden(by: state) { return forbidden }
      if let broken = rules.brokenInvariant(in: state) { return broken.rawValue }
    }
    return nil
  }
  private func successor(of state: ShardState, _ isWanted: (Step) -> Bool) -> ShardState? {
    var successors: [Successor] = []
    rules.successors(of: state, into: &successors)
    return successors.first { isWanted($0.step) }?.state
  }
  private static func kind(_ step: Step) -> String { Mirror(reflecting: step).children.first?.label ?? "" }

  /// Where the product's state is not the model's.
  private func difference(_ shard: ProductionShard, _ state: ShardState) -> String? {
    let record = shard.record
    func epoch(_ epoch: Epoch) -> Int { shard.modelEpochs[epoch] ?? 0 }
    func differ(_ what: String, _ product: some Equatable, _ model: some Equatable) -> String? {
      "\(product)" == "\(model)" ? nil : "\(what): \(product), in the model \(model)"
    }
    if let found = differ("epoch of the record", epoch(record.epoch), state.epoch) { return found }
    if let found = differ("in-sync set", shard.set(record.inSync.map(\.id)), state.inSync) { return found }
    if let found = differ("eligible set", shard.set(record.eligible.map(\.id)), state.eligible) { return found }
    let primary = shard.at(UInt8(state.primary)).map { shard.copies[$0].node }
    if primary != record.primary { return "primary: node \(record.primary), in the model copy \(state.primary)" }
    for at in shard.copies.indices {
      let (copy, number) = (shard.copies[at], shard.number(at))
      let model = state.replicas[number]
      if let found = differ("copy \(number) is gone", copy.isGone, model.isGone) { return found }
      if copy.isGone { continue }
      let entries = (0..<model.log.count).map { model.log.entry(at: $0 + 1) }
      let own = copy.log.map { (epoch: epoch($0.epoch), value: $0.value) }
      if !own.elementsEqual(entries, by: ==) { return "log of copy \(number): \(own), in the model \(entries)" }
      if let found = differ("copy \(number) is alive", copy.isAlive, model.isAlive) { return found }
      if copy.isAlive, let found = differ("promise of copy \(number)", epoch(copy.core.promised), model.promised) { return found }
      if let found = differ("copy \(number) leads", copy.primary != nil, model.isPrimary) { return found }
      guard let core = copy.primary else { continue }
      if let found = differ("copy \(number)'s in-sync set", shard.set(core.inSync), model.inSync) { return found }
      if let found = differ("copy \(number)'s addition", shard.set(core.adding.map { [$0] } ?? []), model.addition) { return found }
      if let found = differ("copy \(number) is established", core.isEstablished, model.isEstablished) { return found }
      if model.isEstablished, let found = differ("copy \(number)'s commit position", Int(core.committed.rawValue), model.commit) {
        return found
      }
    }
    return nil
  }
}

@Suite("The model as an oracle of the replication values") struct OracleTests {
  static let schedules = UInt64(ProcessInfo.processInfo.environment["TALLY_SCHEDULES"] ?? "") ?? 1000
  static let rules = [
    Rules(Bounds(copies: 2, minimum: 1, elections: 3, values: 3, wipes: 1, crashes: 6, proposals: 6)),
    Rules(Bounds(copies: 3, minimum: 2, elections: 3, values: 3, wipes: 1, crashes: 6, proposals: 6)),
  ]

  @Test("after every step of a random schedule catalog, primaries and copies are where the model is")
  func agreement() throws {
    var (kinds, stricter, steps): (Set<String>, Set<Stricter>, Int) = ([], [], 0)
    for rules in Self.rules {
      let shard = try ProductionShard(copies: rules.bounds.copies)
      for seed in 1...Self.schedules {
        var schedule = Schedule(rules, seed: seed)
        if let difference = try schedule.run(shard) {
          let trace = schedule.trace.map { "  \($0)" }.joined(separator: "\n")
          Issue.record("copies \(rules.bounds.copies), seed \(seed): \(difference)\n\(trace)")
          return
        }
        kinds.formUnion(schedule.kinds)
        stricter.formUnion(schedule.stricter)
        steps += schedule.trace.count
      }
    }
    #expect(kinds.count == 10, "every kind of step was taken: \(kinds.sorted())")
    #expect(stricter == [.copyIsNotInTheRecord, .addedCopyRestarted, .lastCopy])
    #expect(steps > 10 * Int(Self.schedules))
  }

  @Test("a planted defect is found", arguments: PlantedDefect.allCases)
  func planted(_ defect: PlantedDefect) throws {
    let rules = Self.rules[1]
    let shard = try ProductionShard(copies: 3, defect: defect)
    let found = try (1...200).contains { (seed: UInt64) in
      var schedule = Schedule(rules, seed: seed)
      return try schedule.run(shard) != nil
    }
    #expect(found)
  }
}
