// Limits.swift — every bound that shapes bytes: what a reader checks before it allocates.

/// Bounds on stored and sent bytes.
public enum Limits {
  /// Rows of one batch.
  public static let batchRowsMax = 65536
  /// Bytes of one encoded batch.
  public static let batchBytesMax = 64 << 20
  /// Highest number of a batch that a statement stages on one shard.
  public static let stageOrdinalMax = 1 << 20
  /// Payload bytes of one frame.
  public static let frameBytesMax = 16 << 20
  /// Payload bytes of a frame before the hello is accepted.
  public static let helloBytesMax = 4096
  /// Requests in flight on one connection.
  public static let requestsInFlightMax = 1024
  /// Bytes of one text value.
  public static let textBytesMax = 1 << 20
  /// Bytes of a name.
  public static let nameBytesMax = 63
  /// Columns of a table.
  public static let columnsMax = 1600
  /// Bytes of SQL text.
  public static let sqlBytesMax = 65536
  /// Depth of an expression or plan.
  public static let depthMax = 256
  /// Body bytes of one log entry.
  public static let logBodyBytesMax = 80 << 20
  /// Shards of a colocation group.
  public static let shardsMax = 1024
  /// Levels of a rollup.
  public static let levelsMax = 8
  /// HLL registers.
  public static let hllRegistersMax = 1 << 17
  /// Items of one TopN state.
  public static let topNItemsMax = 1 << 20
}
