// Quarantine.swift — where files go that failed their hashes and were made anew (rule D13): `quarantine/`, to be looked at by people.
//
// A name is the time it came (microseconds since 1970, 16 hexadecimal digits), its shard, and its old name, joined by `-`. Files are
// kept seven days; earlier than that the oldest go only while all together take more than a twentieth of the volume.
public import Capabilities
import Model

/// Damaged files that were replaced.
public enum Quarantine {
  static let directory = "quarantine"
  static let keep: Int64 = 7 * 86_400_000_000

  /// Moves a shard's file here.
  static func put(disk: any Disk, clock: any Clock, shard: ShardID, path: String) async throws {
    try await disk.createDirectory(directory)
    try await disk.syncDirectory("")
    let name = path.split(separator: "/").last.map(String.init) ?? path
    let time = hexadecimal16(UInt64(max(0, clock.wallMicroseconds)))
    try await disk.rename(path, to: "\(directory)/\(time)-\(shard)-\(name)")
    try await disk.syncDirectory(directory)
  }
  /// Removes what has been here long enough, or must make room; gives the names of what went.
  public static func trim(disk: any Disk, clock: any Clock) async throws -> [String] {
    let entries: [DirectoryEntry]
    do { entries = try await disk.list(directory).filter { !$0.isDirectory } } catch let failure as DiskFailure
      where failure.kind == .notFound
    { return [] }
    let limit = try await disk.volume().totalBytes / 20
    var bytes = entries.reduce(UInt64(0)) { $0 + $1.size }
    var removed: [String] = []
    // Names begin with the time: sorted, the oldest are first.
    for entry in entries {
      guard let time = parseHexadecimal16(String(entry.name.prefix(16))) else { continue }
      let isOld = clock.wallMicroseconds - Int64(clamping: time) >= keep
      guard isOld || bytes > limit else { continue }
      try await disk.remove(directory + "/" + entry.name)
      bytes -= entry.size
      removed.append(entry.name)
    }
    return removed
  }
}
