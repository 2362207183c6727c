// Identifiers.swift — names for things that are numbers, so that an epoch cannot be passed for a position.

/// A 64-bit number that means one kind of thing.
@frozen public struct ID<Tag>: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The number.
  public var rawValue: UInt64
  /// Wraps a number.
  @inlinable public init(_ rawValue: UInt64) { self.rawValue = rawValue }
  /// By number.
  @inlinable public static func < (a: ID, b: ID) -> Bool { a.rawValue < b.rawValue }
  /// The number in decimal.
  public var description: String { String(rawValue) }
  /// The next number.
  @inlinable public var next: ID { ID(rawValue + 1) }
}

/// Tag of `NodeID`.
public enum NodeTag {}
/// A coordinator or worker.
public typealias NodeID = ID<NodeTag>
/// Tag of `ShardID`.
public enum ShardTag {}
/// One hash range of one colocation group.
public typealias ShardID = ID<ShardTag>
/// Tag of `ReplicaID`.
public enum ReplicaTag {}
/// One copy of a shard on one node; given by the catalog, never reused: a disk that was wiped comes back with another one.
public typealias ReplicaID = ID<ReplicaTag>
/// Tag of `GroupID`.
public enum GroupTag {}
/// A colocation group.
public typealias GroupID = ID<GroupTag>
/// Tag of `TableID`.
public enum TableTag {}
/// A table or a rollup (one number space), or a rollup's level as `RollupDefinition.levelTable` numbers it.
public typealias TableID = ID<TableTag>
/// Tag of `Epoch`.
public enum EpochTag {}
/// Counts the appointments of a shard's primary.
public typealias Epoch = ID<EpochTag>
/// Tag of `LogPosition`.
public enum PositionTag {}
/// Position of an entry in a shard's log (LSN); dense from 1, 0 is "before the first".
public typealias LogPosition = ID<PositionTag>
/// Tag of `CatalogVersion`.
public enum CatalogTag {}
/// Index of the last command applied to the catalog.
public typealias CatalogVersion = ID<CatalogTag>
/// Tag of `SessionID`.
public enum SessionTag {}
/// A producer's session.
public typealias SessionID = ID<SessionTag>
/// Tag of `Incarnation`.
public enum IncarnationTag {}
/// Counts a worker's registrations; issued by the coordinators.
public typealias Incarnation = ID<IncarnationTag>
/// Tag of `MemberID`.
public enum MemberTag {}
/// One data directory of one coordinator, drawn at random when it is made: a wiped disk cannot come back under it (never 0).
public typealias MemberID = ID<MemberTag>

/// 128 random bits that tell clusters apart.
@frozen public struct ClusterID: Hashable, Sendable, CustomStringConvertible {
  /// First half.
  public var high: UInt64
  /// Second half.
  public var low: UInt64
  /// Makes an identifier from its halves.
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }
  /// No cluster; in a hello it means "whichever you are".
  public static let none = ClusterID(high: 0, low: 0)
  /// 32 hexadecimal digits.
  public var description: String { Self.hexadecimal(high) + Self.hexadecimal(low) }
  /// Parses 32 hexadecimal digits.
  public init?(_ text: String) {
    guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
  }
  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
