// InvariantWitness.swift — the judge of invariants: it hears what each copy of each shard and each coordinator does, and knows all of it.
//
// Laws (protocol.md §2.5): what is committed is the same entry on every copy, for ever (I3); when a primary commits an entry, every copy
// of its in-sync set has it (I1); who serves in an epoch has everything that was committed before (I2); one copy alone makes entries in an
// epoch (I5); nothing is applied before it is on the copy's disk (I6). A shard's record always names a copy that counts, and while fewer
// than the least number are in sync it forgets none but those whose disk was lost; it is the same on every coordinator (I4). A delta of a
// rollup begins where the one before it ended, and takes in every row in between, no more and no less (I7); no row goes before all rollups
// have taken it in (I8). The ledger sees a broken law when a client does; this one where it is broken. Each law is told once a shard. What
// a copy has is what it said last: a machine that lost its power may have less, so that the first law errs on the side of silence.
//
// I7 and I8 are judged once an entry, when the first copy applies it: the others apply the same one (I3).
import Bytes
import CoordinatorNode
import Model
import Storage
import WorkerNode

/// Hears all copies of a run.
final class InvariantWitness: ShardWitness, CatalogWitness, @unchecked Sendable {
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
  /// How far a rollup of a shard came.
  private struct Rolled {
    var source: TableID
    var watermark: LogPosition
    var isBackfilled: Bool
  }
  /// What the entries of a shard did, in order.
  private struct History {
    /// The last entry that was heard of.
    var last = LogPosition(0)
    /// By table: rows that each entry brought, by rising position.
    var rows: [TableID: [(position: LogPosition, count: Int)]] = [:]
    var rollups: [TableID: Rolled] = [:]
    /// When a tenant was deleted last: a delta from before that may lack rows.
    var erased = LogPosition(0)

    /// Rows of a table that entries above `after` up to `through` brought.
    func count(_ table: TableID, after: LogPosition, through: LogPosition) -> Int {
      var count = 0
      for entry in (rows[table] ?? []).reversed() where entry.position <= through {
        if entry.position <= after { break }
        count += entry.count
      }
      return count
    }
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
  private var histories: [ShardID: History] = [:]
  /// Records of shards by version.
  private var records: [ShardID: [UInt64: ShardRecord]] = [:]
  private var told: Set<Told> = []
  /// Entries that were seen committed.
  private(set) var commits = 0
  /// Deltas and changes of records that were judged.
  private(set) var (deltas, changes) = (0, 0)

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
    case .applies(let position, let work): judge(position, work, shard)
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

  // MARK: Rollups

  private func judge(_ position: LogPosition, _ work: [AppliedWork], _ shard: ShardID) {
    guard position > histories[shard]?.last ?? LogPosition(0) else { return }
    var history = histories.removeValue(forKey: shard) ?? History()
    history.last = position
    for step in work {
      switch step {
      case .brings(let table, let rows): history.rows[table, default: []].append((position, rows))
      case .defines(let rollups):
        history.rollups = history.rollups.filter { rollups[$0.key] != nil }
        for (id, source) in rollups where history.rollups[id] == nil {
          history.rollups[id] = Rolled(source: source, watermark: position, isBackfilled: history.rows[source] == nil)
        }
      case .rolls(let id, let from, let to, let rows):
        deltas += 1
        guard let rollup = history.rollups[id] else {
          broken(7, shard, "entry \(position) is of rollup \(id), which is not there")
          break
        }
        if from != rollup.watermark || to < from || to >= position {
          broken(7, shard, "entry \(position) brings rollup \(id) from \(from) to \(to), which is at \(rollup.watermark)")
        }
        let all = history.count(rollup.source, after: from, through: to)
        if rows > all || rows < all && history.erased <= from {
          broken(7, shard, "entry \(position) takes \(rows) of the \(all) rows from \(from) to \(to) into rollup \(id)")
        }
        history.rollups[id]?.watermark = to
      case .backfills(let id, let from): history.rollups[id]?.isBackfilled = from == .min
      case .removes(let table, let through): judgeGone(table, through, position, history, shard, "deletes")
      case .expires(let table, let through):
        judgeGone(table, through, position, history, shard, "lets expire")
        for (id, rollup) in history.rollups.sorted(by: { $0.key < $1.key }) where rollup.source == table && !rollup.isBackfilled {
          broken(8, shard, "entry \(position) lets rows of table \(table) expire while rollup \(id) is backfilled")
        }
      case .erases: history.erased = position
      }
    }
    histories[shard] = history
  }
  private func judgeGone(
    _ table: TableID,
    _ through: LogPosition,
    _ position: LogPosition,
    _ history: History,
    _ shard: ShardID,
    _ how: String
  ) {
    for (id, rollup) in history.rollups.sorted(by: { $0.key < $1.key }) where rollup.source == table && rollup.watermark < through {
      broken(8, shard, "entry \(position) \(how) rows up to \(through), of which rollup \(id) has those up to \(rollup.watermark)")
    }
  }

  // MARK: Records

  func saw(_ before: ShardRecord, became after: ShardRecord, leastInSync: Int, isForced: Bool) {
    if let known = records[after.id]?.updateValue(after, forKey: after.version) {
      // Another coordinator, or a later life of one, applies the same command.
      if known != after, !isBegunAlone(known, after) { broken(4, after.id, "coordinators have two records of version \(after.version)") }
      return
    }
    records[after.id, default: [:]][after.version] = after
    changes += 1
    let counting = after.inSync + after.eligible
    if counting.isEmpty { return broken(4, after.id, "no copy counts in version \(after.version) of its record") }
    if isForced || after.inSync.count >= leastInSync { return }
    for copy in before.inSync + before.eligible where !counting.contains(copy) {
      // One whose disk was lost has another number there.
      if let other = after.replica(on: copy.node), other.id != copy.id { continue }
      broken(4, after.id, "copy \(copy.id) does not count any more, with \(after.inSync.count) of \(leastInSync) in sync")
    }
  }
  /// Whether two records differ in nothing but that one of the shards has been written to: that does not move the version.
  private func isBegunAlone(_ a: ShardRecord, _ b: ShardRecord) -> Bool {
    var other = a
    other.isBegun = b.isBegun
    return other == b
  }

  private func broken(_ law: Int, _ shard: ShardID, _ what: String) {
    if told.insert(Told(law: law, shard: shard)).inserted { ledger.violated("I\(law), shard \(shard): \(what)") }
  }
}
