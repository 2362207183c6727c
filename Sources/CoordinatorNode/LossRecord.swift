// LossRecord.swift — what is kept for good when an operator made a copy primary that had missed entries, or gave up what could not be read
// of one (protocol.md §2.5, R2; §2.17).
//
// Bytes: u64 shard · u64 epoch · u64 replica · u64 node · u64 kept · u64 known · i64 time · string reason. What a salvage lost, in words,
// stands apart from that (CatalogCommandFormat).
import Bytes
import Model

/// Entries of a shard that may be lost.
struct LossRecord: Equatable, Sendable {
  /// The shard.
  var shard: ShardID
  /// The epoch that the copy leads from; set by the catalog.
  var epoch = Epoch(0)
  /// The copy that leads since then.
  var replica: ReplicaID
  /// Its node.
  var node: NodeID
  /// The last entry of its log that is kept: all that were above are lost.
  var kept: LogPosition
  /// The last entry that was known to be committed; 0 when the coordinator that was asked did not know.
  var known: LogPosition
  /// When, microseconds since 1970 UTC.
  var time: Int64
  /// The operator's words.
  var reason: String
  /// What a salvage lost, in words; empty for a copy that was made primary.
  var what = ""

  /// What may be lost, in words.
  var extent: String {
    if !what.isEmpty { return what }
    return known > kept ? "entries \(kept.next) to at least \(known)" : "entries above \(kept), if there were any"
  }
  func encode(into out: inout ByteWriter) {
    for number in [shard.rawValue, epoch.rawValue, replica.rawValue, node.rawValue, kept.rawValue, known.rawValue] { out.u64(number) }
    out.i64(time)
    out.string(reason)
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> LossRecord {
    LossRecord(
      shard: ShardID(try reader.u64()),
      epoch: Epoch(try reader.u64()),
      replica: ReplicaID(try reader.u64()),
      node: NodeID(try reader.u64()),
      kept: LogPosition(try reader.u64()),
      known: LogPosition(try reader.u64()),
      time: try reader.i64(),
      reason: try reader.string()
    )
  }
}
