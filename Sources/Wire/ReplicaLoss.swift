// ReplicaLoss.swift — what an operator gave up of a shard on a worker (Storage/Salvage), as the worker tells it when it registers.
import Bytes
public import Model

/// What an operator gave up of a shard on a worker.
///
/// Bytes: shard · replica · kept · known · i64 time · string reason · string what.
public struct ReplicaLoss: Sendable, Equatable {
  /// The shard.
  public var shard: ShardID
  /// Which of its copies; 0 = its name was lost too.
  public var replica: ReplicaID
  /// The last entry of the log that was kept.
  public var kept: LogPosition
  /// The highest entry that is known to be lost; 0 when none is.
  public var known: LogPosition
  /// When, microseconds since 1970 UTC.
  public var time: Int64
  /// The operator's words.
  public var reason: String
  /// What is lost, in words.
  public var what: String
  /// Makes a loss.
  public init(shard: ShardID, replica: ReplicaID, kept: LogPosition, known: LogPosition, time: Int64, reason: String, what: String) {
    self.shard = shard
    self.replica = replica
    self.kept = kept
    self.known = known
    self.time = time
    self.reason = reason
    self.what = what
  }
  /// Longest text.
  static let textMax = 8192
  /// Most that one message names.
  static let listMax = 1 << 14
  func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.id(replica)
    out.id(kept)
    out.id(known)
    out.i64(time)
    out.string(reason)
    out.string(what)
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> ReplicaLoss {
    ReplicaLoss(
      shard: try reader.id(),
      replica: try reader.id(),
      kept: try reader.id(),
      known: try reader.id(),
      time: try reader.i64(),
      reason: try reader.string(max: textMax),
      what: try reader.string(max: textMax)
    )
  }
}
