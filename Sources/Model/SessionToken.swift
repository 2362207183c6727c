// SessionToken.swift — how far a session has seen each shard's log: what its next reads must show at least (protocol.md §2.8).
//
// Entries are ordered by (epoch, position): a copy that has applied an entry of an epoch has every committed entry of the epochs before
// it, so the greater of two places covers the other. A token holds at most one place a shard; shards are never removed, so its size is
// bounded by the shards there are.

/// An entry of a shard's log that is committed.
public struct LogPoint: Hashable, Sendable, Comparable {
  /// Its epoch, or a later one that began behind it.
  public var epoch: Epoch
  /// Its position.
  public var position: LogPosition
  /// Names an entry.
  public init(epoch: Epoch, position: LogPosition) {
    self.epoch = epoch
    self.position = position
  }
  /// Before the first entry.
  public static let start = LogPoint(epoch: Epoch(0), position: LogPosition(0))
  /// By epoch, then by position.
  public static func < (a: LogPoint, b: LogPoint) -> Bool { (a.epoch, a.position) < (b.epoch, b.position) }
}

/// A place in a shard's log.
public struct ShardPoint: Hashable, Sendable {
  /// The shard.
  public var shard: ShardID
  /// The place.
  public var point: LogPoint
  /// Names a place.
  public init(shard: ShardID, point: LogPoint) {
    self.shard = shard
    self.point = point
  }
}

/// What a session has seen.
public struct SessionToken: Equatable, Sendable {
  private var places: [ShardID: LogPoint] = [:]
  /// Nothing was seen.
  public init() {}
  /// These places were seen.
  public init(_ points: [ShardPoint]) { for point in points { note(point) } }
  /// By rising shard.
  public var points: [ShardPoint] { places.sorted { $0.key < $1.key }.map { ShardPoint(shard: $0.key, point: $0.value) } }
  /// Number of shards.
  public var count: Int { places.count }
  /// How far a shard was seen; the start when it was not.
  public subscript(shard: ShardID) -> LogPoint { places[shard] ?? .start }
  /// A shard was seen up to a place.
  public mutating func note(_ seen: ShardPoint) { places[seen.shard] = max(seen.point, self[seen.shard]) }
  /// What another token has seen was seen.
  public mutating func merge(_ other: SessionToken) { places.merge(other.places) { max($0, $1) } }
}
