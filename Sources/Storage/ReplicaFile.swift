// ReplicaFile.swift — which copy of a shard a directory holds, in `replica` beside the manifest.
//
//   decimal number, blank, CRC32C of shard and number (8 bytes each, little-endian) as 8 hexadecimal digits, newline
//
// A wiped disk comes back without it, so that it cannot pass for the copy it was (rule R8); nor can one whose digits rotted pass for
// another. Version 0.1 wrote the number alone, or no file.
import Bytes
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
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    guard let number = UInt64(parts.count == 1 ? text.dropLast() : parts[0]),
      text == Self.text(ReplicaID(number), shard) || text == "\(number)\n"
    else { throw TallyError(.dataDamaged, "\(path(shard)) is damaged", hint: "Restore the shard from a copy.") }
    return ReplicaID(number)
  }
  static func text(_ replica: ReplicaID, _ shard: ShardID) -> String {
    var summed = ByteWriter(capacity: 16)
    summed.u64(shard.rawValue)
    summed.u64(replica.rawValue)
    let digits = String(CRC32C.checksum(summed.finish()), radix: 16)
    return "\(replica) " + String(repeating: "0", count: 8 - digits.count) + digits + "\n"
  }
  static func write(_ replica: ReplicaID, of shard: ShardID, _ disk: any Disk) async throws {
    try await disk.writeDurably(path(shard), [Array(text(replica, shard).utf8)])
  }
}
