// CopyCore.swift — what a copy that is not the primary answers to an append: a pure judgement on its promise and its log.
//
// A copy never takes entries of an epoch below the highest it heard of (R1). It finds out where its log parts from the primary's by
// chain hashes; what it applied is equal everywhere (I3), so only entries above that are ever compared or cut (R7).
public import Bytes
public import Model

/// A place of a log: an entry, and everything before it.
public struct LogPlace: Equatable, Sendable {
  /// Position of the entry.
  public var position: LogPosition
  /// Its epoch.
  public var epoch: Epoch
  /// Hash of everything up to it.
  public var chain: Hash128
  /// Makes a place.
  public init(position: LogPosition, epoch: Epoch, chain: Hash128) {
    self.position = position
    self.epoch = epoch
    self.chain = chain
  }
  /// A place that a copy has applied: what lies there need not be said, it is equal everywhere.
  public static func applied(_ position: LogPosition) -> LogPlace { LogPlace(position: position, epoch: Epoch(0), chain: .zero) }
}

/// What a copy does with an append.
public enum AppendVerdict: Equatable, Sendable {
  /// A later epoch was promised.
  case reject
  /// The entry before the first one sent is not here, or is another one.
  case mismatch
  /// The logs are equal up to `previous`; entries may follow.
  case accept
}

/// A copy's promise.
public struct CopyCore: Equatable, Sendable {
  /// The highest epoch heard of. It is on disk with the first entry of that epoch; before, nothing of that epoch was acknowledged.
  public private(set) var promised: Epoch
  /// A copy whose log ends in an epoch.
  public init(promised: Epoch) { self.promised = promised }

  /// Hears of an epoch; true when it is a later one.
  public mutating func hear(_ epoch: Epoch) -> Bool {
    guard epoch > promised else { return false }
    promised = epoch
    return true
  }
  /// Judges an append of `epoch` behind `previous`. `known` is this log's entry at that position, nil below what is applied or above
  /// the head.
  public func judge(epoch: Epoch, previous: LogPlace, applied: LogPosition, known: LogPlace?) -> AppendVerdict {
    if epoch < promised, !isPlanted(.promiseForgotten) { return .reject }
    if previous.position <= applied { return .accept }
    return known == previous ? .accept : .mismatch
  }
}
