// Whole groups under faults, many seeds: the laws hold in every state, and a healed group serves.
//
// TALLY_RAFT_SEEDS sets the number of seeds of each kind (default 150), TALLY_RAFT_SEED runs one alone.
import Bytes
import Consensus
import Foundation
import Model
import Testing
import Wire

struct GroupTests {
  static let seeds: [UInt64] = {
    let environment = ProcessInfo.processInfo.environment
    if let one = environment["TALLY_RAFT_SEED"].flatMap({ UInt64($0) }) { return [one] }
    return Array(1...(environment["TALLY_RAFT_SEEDS"].flatMap { UInt64($0) } ?? 150))
  }()

  /// One seed: faults for a while, then healing and the demand that everything converges.
  static func disturb(seed: UInt64, changesMembers: Bool) -> Group {
    let group = Group(seed: seed, voters: [1, 3, 3, 5][Int(seed % 4)])
    var spare = UInt64(group.nodes.count)
    // Each class of faults on or off.
    let (crashes, partitions, losses) = (group.chance.percent(70), group.chance.percent(60), group.chance.percent(60))
    let compacts = group.chance.percent(50)
    if losses {
      group.faults.loss = group.chance.below(30)
      group.faults.doubling = group.chance.below(30)
      group.faults.delay = [5_000_000, 50_000_000, 250_000_000][group.chance.below(3)]
    }
    for _ in 0..<60 {
      group.run(UInt64(group.chance.below(400)) * 1_000_000)
      if !group.violations.isEmpty { return group }
      let node = group.nodes[group.chance.below(group.nodes.count)]
      switch group.chance.below(12) {
      case 0, 1, 2, 3:
        // Whoever believes it leads is asked, the real leader or not.
        for leader in group.nodes where leader.core?.role == .leader { group.propose(leader, 1 + group.chance.below(5)) }
      case 4: for leader in group.nodes where leader.core?.role == .leader { group.read(leader) }
      case 5, 6:
        if crashes {
          if node.core == nil { group.start(node) } else { group.crash(node) }
        }
      case 7: if node.core == nil { group.start(node) }
      case 8:
        if partitions {
          group.cuts = []
          let isolated = group.nodes[group.chance.below(group.nodes.count)].id.rawValue
          for other in group.nodes.map(\.id.rawValue) where other != isolated {
            let kind = group.chance.below(4)
            if kind != 0 { group.cuts.insert([isolated, other]) }
            if kind != 1 { group.cuts.insert([other, isolated]) }
          }
        }
      case 9: group.cuts = []
      case 10:
        if compacts, let core = node.core, core.log.last > core.log.snapshot.index { group.step(node, .compact(state: node.state)) }
        if group.chance.percent(20), let leader = group.leader { group.step(leader, .handOver) }
      default:
        guard changesMembers, let leader = group.leader, let core = leader.core else { continue }
        let learners = core.log.members.all.filter { !$0.isVoter }
        if let learner = learners.first, group.chance.percent(80) {
          group.change(leader, .promote(learner.id))
        } else if core.log.members.all.count < 5, group.chance.percent(60) {
          spare += 1
          group.nodes.append(Node(spare))
          group.start(group.nodes[group.nodes.count - 1])
          group.change(leader, .set(Member(id: MemberID(spare), name: "c\(spare)", address: "h:\(spare)", isVoter: true)))
        } else if core.log.members.voters.count > 1 {
          group.change(leader, .remove(core.log.members.all[group.chance.below(core.log.members.all.count)].id))
        }
      }
      group.checkMatching()
    }
    heal(group)
    return group
  }
  /// No more faults: within ten seconds a leader serves, and every member holds the same.
  static func heal(_ group: Group) {
    group.cuts = []
    group.faults = Group.Faults()
    for node in group.nodes where node.core == nil { group.start(node) }
    group.run(5_000_000_000)
    guard group.violations.isEmpty else { return }
    guard let leader = group.leader else { return group.violated("nobody leads after healing: \(group.summary)") }
    let before = leader.count
    group.propose(leader)
    group.read(leader)
    group.run(3_000_000_000)
    let answers = group.readsAnswered
    guard let core = leader.core, core.role == .leader, core.isEstablished, leader.count > before, answers > 0 else {
      return group.violated("the healed group does not serve: \(leader.count) after \(before), \(answers) reads: \(group.summary)")
    }
    for member in core.log.members.all {
      guard let other = group.node(member.id), let theirs = other.core else { return group.violated("member \(member.id) is not there") }
      if other.hash != leader.hash || theirs.applied != core.applied {
        group.violated("member \(member.id) is at \(theirs.applied), the leader at \(core.applied)")
      }
    }
    group.checkMatching()
  }

  @Test func theLawsHoldUnderFaults() {
    var (elections, reads, snapshots, commands) = (0, 0, 0, 0)
    for seed in Self.seeds {
      let group = Self.disturb(seed: seed, changesMembers: false)
      #expect(group.violations == [], "seed \(seed)")
      if !group.violations.isEmpty { break }
      elections += group.elections
      reads += group.readsAnswered
      snapshots += group.snapshots
      commands += group.nodes.map(\.count).max() ?? 0
    }
    print("\(Self.seeds.count) seeds: \(elections) elections, \(commands) commands, \(reads) reads, \(snapshots) snapshots installed")
    if Self.seeds.count > 50 { #expect(elections > Self.seeds.count && reads > Self.seeds.count && snapshots > 0) }
  }
  @Test func theLawsHoldWhileMembersChange() {
    var (changes, elections) = (0, 0)
    for seed in Self.seeds {
      let group = Self.disturb(seed: seed, changesMembers: true)
      #expect(group.violations == [], "seed \(seed)")
      if !group.violations.isEmpty { break }
      changes += group.changes
      elections += group.elections
    }
    print("\(Self.seeds.count) seeds: \(changes) changes of members, \(elections) elections")
    if Self.seeds.count > 50 { #expect(changes > Self.seeds.count) }
  }
  @Test func theSameSeedIsTheSameRun() {
    for seed: UInt64 in [3, 17, 40] {
      let (a, b) = (Self.disturb(seed: seed, changesMembers: true), Self.disturb(seed: seed, changesMembers: true))
      #expect(a.now == b.now && a.nextLetter == b.nextLetter && a.nodes.map(\.hash) == b.nodes.map(\.hash))
    }
  }
}
