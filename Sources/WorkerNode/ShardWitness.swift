// ShardWitness.swift — who hears what the copies of shards on a worker do, in the step in which they do it: the simulation's judge.
//
// What it hears are facts; it changes nothing. Without one each of them costs a comparison with nil. The judge:
// Simulation/InvariantWitness.
public import Bytes
import Capabilities
public import Model
import Replication
public import Storage

/// An entry of a log, and by its chain everything before it.
public struct LogMark: Equatable, Sendable {
  /// Position of the entry.
  public var position: LogPosition
  /// Its epoch.
  public var epoch: Epoch
  /// Hash of everything up to it.
  public var chain: Hash128
  /// Makes a mark.
  public init(position: LogPosition, epoch: Epoch, chain: Hash128) {
    self.position = position
    self.epoch = epoch
    self.chain = chain
  }
}

/// What a copy of a shard did.
public enum ShardEvent: Sendable {
  /// It has this log now: the entry that is applied last, and all above it.
  case log([LogMark])
  /// It had another number before: the same copy under a new one, which counts for nothing that the old one said.
  case renamed(from: ReplicaID)
  /// As the primary it made an entry.
  case made(LogMark)
  /// It took an entry of its primary over.
  case took(LogMark)
  /// It took back its entries from a position on.
  case cut(from: LogPosition)
  /// It knows that an entry is committed, and is about to apply it. `isDurable`: its disk has everything up to there. `inSync`: the copies
  /// that count, where it is the primary; else none.
  case committed(LogMark, isDurable: Bool, inSync: [ReplicaID])
  /// It is about to apply an entry that does this to the rows rollups count.
  case applies(LogPosition, [AppliedWork])
  /// It serves as the primary of an epoch.
  case serves(Epoch)
}

/// Hears what copies do; called on the worker's loop.
public protocol ShardWitness: Sendable {
  /// A copy of a shard did something.
  func saw(_ event: ShardEvent, shard: ShardID, replica: ReplicaID)
}

/// What a copy keeps for its witness.
struct WitnessedCopy {
  let witness: any ShardWitness
  /// What was handed to the journal and may not be on disk, by the order it was handed over.
  private var unsynced: [(position: LogPosition, durable: Promise<JournalPlace>)] = []

  init(_ witness: any ShardWitness) { self.witness = witness }

  mutating func noteHanded(_ position: LogPosition, _ durable: Promise<JournalPlace>) { unsynced.append((position, durable)) }
  mutating func isDurable(_ position: LogPosition) -> Bool {
    unsynced.removeAll { $0.durable.isSettled }
    return !unsynced.contains { $0.position <= position }
  }
}

extension ShardHost {
  func tell(_ event: ShardEvent) { witnessed?.witness.saw(event, shard: id, replica: store.replica) }
  private func mark(_ position: LogPosition) -> LogMark? {
    place(at: position).map { LogMark(position: position, epoch: $0.epoch, chain: $0.chain) }
  }
  /// Tells the whole log: after a start or an installation. From then on it tells what it applies.
  func tellLog() {
    if witnessed == nil { return }
    store.judge = { [weak self] position, work in
      if !work.isEmpty { self?.tell(.applies(position, work)) }
    }
    tell(.log((store.applied.position.rawValue...store.head.position.rawValue).compactMap { mark(LogPosition($0)) }))
  }
  /// Tells which entries up to a position are committed now and were not before.
  func tellCommits(through position: LogPosition) {
    guard witnessed != nil, position > store.committed else { return }
    let inSync = primary?.inSync.sorted() ?? []
    for number in store.committed.rawValue + 1...position.rawValue {
      guard let mark = mark(LogPosition(number)) else { continue }
      tell(.committed(mark, isDurable: witnessed?.isDurable(mark.position) ?? true, inSync: inSync))
    }
  }
}

extension LogEntry {
  var mark: LogMark { LogMark(position: position, epoch: epoch, chain: chain) }
}
