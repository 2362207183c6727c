// Step.swift — what can happen in one step, and how a trace tells it.

/// One step of the model.
public enum Step: Equatable, Sendable {
  /// The coordinators appoint a primary in a new epoch and drop whom they suspect.
  case elect(UInt8, inSync: ReplicaSet)
  /// The coordinators apply a proposal.
  case applyProposal(UInt8, inSync: ReplicaSet)
  /// A replica crashes.
  case crash(UInt8)
  /// A replica crashes and loses an entry it had acknowledged before it was synced.
  case crashLosingTail(UInt8)
  /// A replica restarts as a follower.
  case restart(UInt8)
  /// A restarted primary goes on in its old epoch.
  case resume(UInt8)
  /// A disk is wiped; what comes back has a new identity.
  case wipe(UInt8)
  /// A disk is wiped and comes back under the old identity.
  case wipeKeepingIdentity(UInt8)
  /// A replica learns that it is primary, persists the epoch and appends its EpochStart.
  case takeOffice(UInt8)
  /// A strong read returns the committed values.
  case read(UInt8)
  /// A client's value is appended.
  case append(UInt8, value: UInt8)
  /// A replica accepts the primary's log; what it acknowledges is durable there.
  case replicate(UInt8, to: UInt8)
  /// A follower cuts its log to the commit position it had heard.
  case cutToOwnCommit(UInt8)
  /// The commit position moves up.
  case commit(UInt8, position: UInt8)
  /// A primary proposes an in-sync set.
  case propose(UInt8, inSync: ReplicaSet)
  /// A primary learns the coordinators' record.
  case learnRecord(UInt8)
}

extension ReplicaSet: CustomStringConvertible {
  /// `{r0 r2}`.
  public var description: String {
    "{" + (0..<ShardState.identities).filter(contains).map { "r\($0)" }.joined(separator: " ") + "}"
  }
}

extension Step: CustomStringConvertible {
  /// One line of a trace.
  public var description: String {
    switch self {
    case .elect(let r, let set): "coordinators elect r\(r), in-sync set \(set)"
    case .applyProposal(let r, let set): "coordinators apply the proposal of r\(r), in-sync set \(set)"
    case .crash(let r): "r\(r) crashes"
    case .crashLosingTail(let r): "r\(r) crashes and loses its unsynced last entry"
    case .restart(let r): "r\(r) restarts"
    case .resume(let r): "r\(r) restarts and goes on as primary of its old epoch"
    case .wipe(let r): "the disk of r\(r) is wiped and comes back as r\(ShardState.freshIdentity)"
    case .wipeKeepingIdentity(let r): "the disk of r\(r) is wiped and comes back as r\(r)"
    case .takeOffice(let r): "r\(r) becomes primary and appends EpochStart"
    case .read(let r): "a strong read at r\(r) returns what is committed"
    case .append(let r, let value): "r\(r) appends value \(value)"
    case .replicate(let r, let other): "r\(r) brings its log to r\(other), which acknowledges"
    case .cutToOwnCommit(let r): "r\(r) cuts its log to the commit position it had heard"
    case .commit(let r, let position): "r\(r) commits up to position \(position)"
    case .propose(let r, let set): "r\(r) proposes in-sync set \(set)"
    case .learnRecord(let r): "r\(r) learns the coordinators' record"
    }
  }
}

/// A state that follows another, and the step that leads there.
public struct Successor: Sendable {
  /// What happened.
  public var step: Step
  /// What it led to.
  public var state: ShardState
}
