// OperatorMessages.swift — what an operator orders by hand and no flow does by itself.
public import Bytes
public import Model

/// Makes a copy that does not count the primary of its shard, and gives up what only the others had. Answered by `done`.
///
/// Head: shard · string node · string reason · bool certain.
public struct ForcePrimary: MessageContent {
  /// Characters of a reason.
  public static let reasonMax = 1000
  /// The shard.
  public var shard: ShardID
  /// Name of the node whose copy shall lead.
  public var node: String
  /// Why; kept in the loss record.
  public var reason: String
  /// Without it nothing is done, and the answer tells what would be lost.
  public var isCertain: Bool
  /// Makes the message.
  public init(shard: ShardID, node: String, reason: String, isCertain: Bool) {
    self.shard = shard
    self.node = node
    self.reason = reason
    self.isCertain = isCertain
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.string(node)
    out.string(reason)
    out.bool(isCertain)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> ForcePrimary {
    ForcePrimary(shard: try reader.id(), node: try reader.string(), reason: try reader.string(), isCertain: try reader.bool())
  }
}

/// Takes a coordinator out of the group for good. Answered by `done`.
///
/// Head: string node.
public struct RemoveCoordinator: MessageContent {
  /// Its name.
  public var node: String
  /// Makes the message.
  public init(node: String) { self.node = node }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) { out.string(node) }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> RemoveCoordinator {
    RemoveCoordinator(node: try reader.string())
  }
}
