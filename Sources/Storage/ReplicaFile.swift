// ReplicaFile.swift — which copy of a shard a directory holds, in `replica` beside the manifest: decimal text and a newline.
//
// A wiped disk comes back without it, so that it cannot pass for the copy it was (rule R8). Directories that an older version made
// have none.
import Capabilities
import Model

enum ReplicaFile {
  static func path(_ shard: ShardID) -> String { ManifestFormat.directory(shard) + "/replica" }

  /// Throws XX001 when the file is not ours.
  static func read(of shard: ShardID, _ disk: any Disk) async throws -> ReplicaID {
    let bytes: [UInt8]
    do { bytes = try await disk.readAll(path(shard)) } catch let failure as DiskFailure where failure.kind == .notFound {
      return ReplicaID(0)
    }
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.last == "\n", let number = UInt64(text.dropLast()) else {
      throw TallyError(.dataDamaged, "\(path(shard)) is damaged", hint: "Restore the shard from a copy.")
    }
    return ReplicaID(number)
  }
  static func write(_ replica: ReplicaID, of shard: ShardID, _ disk: any Disk) async throws {
    try await disk.writeDurably(path(shard), [Array("\(replica)\n".utf8)])
  }
}
