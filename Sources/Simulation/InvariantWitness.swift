// InvariantWitness.swift — the judge of replication itself: it hears what every copy of every shard does, and knows all logs at once.
//
// Laws (protocol.md §2.5): what is committed is the same entry on every copy, for ever (I3); when a primary commits an entry, every copy
// of its in-sync set has it (I1); who serves in an epoch has everything that was committed before (I2); one copy alone makes entries in an
// epoch (I5); nothing is applied before it is on the copy's disk (I6). The ledger sees a broken law when a client does; this one where it
// is broken. Each law is told once a shard. What a copy has is what it said last: a machine that lost its power may have less, so that
// the first law errs on the side of silence.
import Bytes
import Model
import WorkerNode

/// Hears all copies of a run.
final class InvariantWitness: ShardWitness, @unchecked Sendable {
  // Safe: touched by the simulation's thread only.
  private struct Copy: Hashable {
    var shard: ShardID
    var replica: ReplicaID
  }
  private struct Log {
    /// What it had applied when it told its log: there it equals every other.
    var base = LogPosition(0)
    var chains: [LogPosition: Hash128] = [:]
    func has(_ position: LogPosition, _ chain: Hash128) -> Bool { position <= base || chains[position] == chain }
  }
  private struct Reign: Hashable {
    var shard: ShardID
    var epoch: Epoch
  }
  private struct Agreement {
    var last = LogPosition(0)
    var chains: [LogPosition: Hash128] = [:]
  }
  private struct Told: Hashable {
    var law: Int
    var shard: ShardID
  }
  private let ledger: Ledger
  /// False where disks may be put back or lost: a copy that said it had an entry need not have it any more (R8 sees to it later).
  private let keepsDisks: Bool
  private var logs: [Copy: Log] = [:]
  private var agreed: [ShardID: Agreement] = [:]
  private var makers: [Reign: ReplicaID] = [:]
  private var told: Set<Told> = []
  /// Entries that were seen committed.
  private(set) var commits = 0

  init(_ ledger: Ledger, keepsDisks: Bool) {
    self.ledger = ledger
    self.keepsDisks = keepsDisks
  }

  func saw(_ event: ShardEvent, shard: ShardID, replica: ReplicaID) {
    let copy = Copy(shard: shard, replica: replica)
    switch event {
    case .log(let marks):
      let base = marks.first?.position ?? LogPosition(0)
      logs[copy] = Log(base: base, chains: Dictionary(marks.map { ($0.position, $0.chain) }) { $1 })
      if let applied = marks.first { compare(applied, shard, replica) }
    case .renamed(let old):
      logs[copy] = logs.removeValue(forKey: Copy(shard: shard, replica: old))
      for (reign, maker) in makers where reign.shard == shard && maker == old { makers[reign] = replica }
    case .made(let mark):
      let maker = makers[Reign(shard: shard, epoch: mark.epoch), default: replica]
      if maker != replica { broken(5, shard, "copies \(maker) and \(replica) made entries in epoch \(mark.epoch)") }
      makers[Reign(shard: shard, epoch: mark.epoch)] = maker
      logs[copy, default: Log()].chains[mark.position] = mark.chain
    case .took(let mark): logs[copy, default: Log()].chains[mark.position] = mark.chain
    case .cut(let position):
      var log = logs[copy] ?? Log()
      for (at, chain) in log.chains.sorted(by: { $0.key < $1.key }) where at >= position {
        // What others committed in its place it never had.
        if agreed[shard]?.chains[at] == chain { broken(3, shard, "copy \(replica) cuts entry \(at), which is committed") }
      }
      log.chains = log.chains.filter { $0.key < position }
      logs[copy] = log
    case .committed(let mark, let isDurable, let inSync):
      commits += 1
      if !isDurable { broken(6, shard, "copy \(replica) applies entry \(mark.position), which is not on its disk") }
      if keepsDisks {
        for other in inSync where logs[Copy(shard: shard, replica: other)]?.has(mark.position, mark.chain) != true {
          broken(1, shard, "copy \(replica) commits entry \(mark.position), which copy \(other) of its in-sync set does not have")
        }
      }
      compare(mark, shard, replica)
    case .serves(let epoch):
      guard let known = agreed[shard], let chain = known.chains[known.last] else { return }
      if logs[copy]?.has(known.last, chain) != true {
        broken(2, shard, "copy \(replica) serves in epoch \(epoch) without entry \(known.last), which is committed")
      }
    }
  }
  /// What one copy holds for committed, all do.
  private func compare(_ mark: LogMark, _ shard: ShardID, _ replica: ReplicaID) {
    if mark.position.rawValue == 0 { return }
    let known = agreed[shard, default: Agreement()].chains.updateValue(mark.chain, forKey: mark.position)
    if mark.position > agreed[shard]?.last ?? LogPosition(0) { agreed[shard]?.last = mark.position }
    if let known, known != mark.chain { broken(3, shard, "copy \(replica) has another entry \(mark.position) than was committed") }
  }
  private func broken(_ law: Int, _ shard: ShardID, _ what: String) {
    if told.insert(Told(law: law, shard: shard)).inserted { ledger.violated("I\(law), shard \(shard): \(what)") }
  }
}
