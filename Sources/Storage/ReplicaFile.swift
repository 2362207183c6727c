// ReplicaFile.swift — which copy of a shard a directory holds, in `replica` and once more in `replica-twin` beside the manifest.
//
//   decimal number, blank, CRC32C of shard and number (8 bytes each, little-endian) as 8 hexadecimal digits, newline
//
// A wiped disk comes back without it, so that it cannot pass for the copy it was (rule R8); nor can one whose digits rotted pass for
// another. Twice, because a copy that does not know which it is must begin again from another one, and perhaps there is none: rot in a few
// bytes is no reason for that. `replica` is written first and believed first; the twin counts where that is damaged or missing. Version 0.1
// wrote the number alone and once, or no file.
import Bytes
import Capabilities
import Model

enum ReplicaFile {
  static func path(_ shard: ShardID) -> String { ManifestFormat.directory(shard) + "/replica" }
  static func twin(_ shard: ShardID) -> String { path(shard) + "-twin" }

  /// The number; 0 where there is none. Throws XX001 when neither file is ours.
  static func read(of shard: ShardID, _ disk: any Disk) async throws -> ReplicaID { try await look(shard, disk).number }
  /// The same, and both files are whole when it returns.
  static func mend(of shard: ShardID, _ disk: any Disk) async throws -> ReplicaID {
    let found = try await look(shard, disk)
    if !found.isWhole { try await write(found.number, of: shard, disk) }
    return found.number
  }
  static func write(_ replica: ReplicaID, of shard: ShardID, _ disk: any Disk) async throws {
    for path in [path(shard), twin(shard)] { try await disk.writeDurably(path, [Array(text(replica, shard).utf8)]) }
  }

  private enum Content: Equatable {
    case missing
    case damaged
    /// Without a checksum.
    case bare(ReplicaID)
    case sound(ReplicaID)
  }
  private static func look(_ shard: ShardID, _ disk: any Disk) async throws -> (number: ReplicaID, isWhole: Bool) {
    switch (try await content(of: path(shard), shard, disk), try await content(of: twin(shard), shard, disk)) {
    case (.sound(let number), let other): return (number, other == .sound(number))
    case (_, .sound(let number)): return (number, false)
    case (.bare(let number), _): return (number, false)
    case (.missing, .missing): return (ReplicaID(0), true)
    default: throw TallyError(.dataDamaged, "\(path(shard)) is damaged", hint: "Restore the shard from a copy.")
    }
  }
  private static func content(of path: String, _ shard: ShardID, _ disk: any Disk) async throws -> Content {
    let bytes: [UInt8]
    do { bytes = try await disk.readAll(path) } catch let failure as DiskFailure where [.notFound, .io].contains(failure.kind) {
      return failure.kind == .notFound ? .missing : .damaged
    }
    let text = String(decoding: bytes, as: UTF8.self)
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    guard let number = UInt64(parts.count == 1 ? text.dropLast() : parts[0]) else { return .damaged }
    if text == Self.text(ReplicaID(number), shard) { return .sound(ReplicaID(number)) }
    return text == "\(number)\n" ? .bare(ReplicaID(number)) : .damaged
  }
  static func text(_ replica: ReplicaID, _ shard: ShardID) -> String {
    var summed = ByteWriter(capacity: 16)
    summed.u64(shard.rawValue)
    summed.u64(replica.rawValue)
    let digits = String(CRC32C.checksum(summed.finish()), radix: 16)
    return "\(replica) " + String(repeating: "0", count: 8 - digits.count) + digits + "\n"
  }
}
