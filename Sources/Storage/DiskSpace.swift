// DiskSpace.swift — how full a volume is, what a node does then, and the file that keeps some room back for the worst case.
//
//   free bytes          what goes on
//   from the floor on   everything; the floor is a twentieth of the volume, or what the operator says
//   below it            no new rows (53100, to be tried again); all else
//   below 3/5 of it     no merges either: expiry, deletion, flushes and rollups go on
//   none                `reserve`, a file of nothing, is removed: flushes then release the journal, and expiry the rest
//
// The reserve is made again once it fits above the floor.
public import Capabilities

/// How much room a volume has.
public enum DiskSpace: UInt8, Sendable, Comparable {
  /// Enough.
  case ample = 0
  /// Too little for new rows.
  case scarce = 1
  /// Too little for merges.
  case nearlyFull = 2
  /// The journal cannot get its next file.
  case full = 3

  /// Less room is more.
  public static func < (a: DiskSpace, b: DiskSpace) -> Bool { a.rawValue < b.rawValue }
  /// Free bytes below which no rows are taken.
  public static func floor(of facts: VolumeFacts, wanted: UInt64?) -> UInt64 { wanted ?? facts.totalBytes / 20 }
  /// What the volume's figures say.
  public init(_ facts: VolumeFacts, floor: UInt64) {
    self = facts.freeBytes >= floor ? .ample : facts.freeBytes >= floor / 5 * 3 ? .scarce : .nearlyFull
  }
}

/// The file that keeps room back.
public enum DiskReserve {
  static let path = "reserve"
  static let largest: UInt64 = 1 << 30

  /// Bytes of it: a hundredth of the volume, at least 256 MiB and at most 1 GiB, but never more than a twentieth of a small volume.
  public static func bytes(of facts: VolumeFacts) -> UInt64 {
    min(max(256 << 20, facts.totalBytes / 100), largest, facts.totalBytes / 20)
  }
  /// Bytes it holds now.
  public static func held(disk: any Disk) async throws -> UInt64 { try await disk.list("").first { $0.name == path }?.size ?? 0 }
  /// Makes it.
  public static func make(disk: any Disk, bytes: UInt64) async throws {
    do { try await disk.allocate(path, bytes: bytes) } catch {
      // Half a reserve would take room and say nothing.
      _ = try await release(disk: disk)
      throw error
    }
  }
  /// Gives its room up; false when there was none.
  public static func release(disk: any Disk) async throws -> Bool {
    do { try await disk.remove(path) } catch let failure as DiskFailure where failure.kind == .notFound { return false }
    return true
  }
}
