// ShardLog.swift — how a shard's own flows (flush, merge, expiry) get an entry into its log; who owns the shard knows the way.
import Model

/// The log of a shard, as its primary writes it.
public protocol ShardLog: AnyObject {
  /// The node's journal.
  var journal: Journal { get }
  /// Appends an entry and returns once it is committed and applied. Throws, with no entry left behind, when it does not fit the head;
  /// any other error leaves open whether the entry takes effect.
  func write(_ body: EntryBody) async throws -> LogEntry
}
