// DiskUsage.swift — bytes of the files below a data directory, by what they are for.
import Foundation
import Glibc

/// Bytes on disk.
struct DiskUsage: Equatable, Sendable {
  var segments = 0
  var journal = 0
  var other = 0
  var total: Int { segments + journal + other }

  static func + (a: DiskUsage, b: DiskUsage) -> DiskUsage {
    DiskUsage(segments: a.segments + b.segments, journal: a.journal + b.journal, other: a.other + b.other)
  }
  /// Of a node's data directory: `shards/` is segments and their manifests, `wal/` the journal.
  static func of(dataDirectory: String) -> DiskUsage {
    DiskUsage(
      segments: bytes(below: dataDirectory + "/shards"),
      journal: bytes(below: dataDirectory + "/wal"),
      other: bytes(below: dataDirectory) - bytes(below: dataDirectory + "/shards") - bytes(below: dataDirectory + "/wal")
    )
  }
  /// Blocks that the files below a directory occupy, in bytes; a file that goes away meanwhile counts as nothing.
  static func bytes(below path: String) -> Int {
    guard let names = FileManager.default.enumerator(atPath: path) else { return 0 }
    var sum = 0
    while let name = names.nextObject() as? String {
      var status = stat()
      if lstat(path + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG { sum += Int(status.st_blocks) * 512 }
    }
    return sum
  }
}
