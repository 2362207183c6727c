// Scrub.swift — reading everything back from the device and checking it against its hashes (rule D14), one file at a time.
//
// What is damaged is reported, never changed: with one copy the rest of the file may be all there is.
public import Bytes
public import Capabilities
public import Model
import Synchronization

/// A file that a scrub reads.
public struct ScrubUnit: Sendable {
  /// Below the data directory.
  public let path: String
  /// Bytes to be read.
  public let bytes: UInt64
  /// The shard it belongs to; nil for the journal.
  public let shard: ShardID?
}

/// What a scrub found in a file.
public struct ScrubFinding: Sendable, Equatable {
  /// The file.
  public var path: String
  /// Shards whose data are damaged there; nil = cannot be told.
  public var shards: [ShardID]?
  /// What failed.
  public var message: String
  /// Whether the file is one of the journal.
  public var isJournal: Bool { journalFile != nil }
  /// The journal file's number.
  var journalFile: UInt64? { path.split(separator: "/").last.flatMap { JournalFormat.number(of: String($0)) } }
}

extension ShardStore {
  /// The shard's segment files.
  public var scrubUnits: [ScrubUnit] {
    files.values.sorted { $0.number < $1.number }.map { ScrubUnit(path: path($0), bytes: $0.bytes, shard: shard) }
  }
}
extension Journal {
  /// The shards whose entries in a damaged file no other file holds yet, with the highest of these.
  public func concerned(by finding: ScrubFinding) -> [(shard: ShardID, through: LogPosition)] {
    state.withLock { state in
      guard let file = state.used.first(where: { $0.number == finding.journalFile }) else { return [] }
      return file.highest.filter { shard, highest in
        highest > state.released[shard] ?? LogPosition(0) && finding.shards?.contains(shard) != false
      }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
  }
  /// Files that are full: nothing is written to them any more.
  public var scrubUnits: [ScrubUnit] {
    state.withLock { state in
      state.used.filter { $0.number < state.cursor.number }.map {
        ScrubUnit(path: JournalFormat.path($0.number), bytes: UInt64($0.bytes), shard: nil)
      }
    }
  }
}

/// Checks files.
public enum Scrub {
  /// Reads one file from the device and checks all of it; a file that is gone meanwhile is fine.
  public static func check(_ unit: ScrubUnit, disk: any Disk, compute: any Compute) async throws -> [ScrubFinding] {
    do {
      try await disk.dropCached(unit.path)
      guard let shard = unit.shard else { return try await journalFile(unit, disk, compute) }
      let image = try await disk.map(unit.path)
      let failure = await verify(image, compute)
      return failure.map { [ScrubFinding(path: unit.path, shards: [shard], message: "\($0)")] } ?? []
    } catch let failure as DiskFailure where failure.kind == .notFound {
      return []
    } catch let failure as DiskFailure where failure.kind == .io {
      return [ScrubFinding(path: unit.path, shards: unit.shard.map { [$0] }, message: failure.message)]
    }
  }
  /// What is wrong with a segment file; nil when every byte of it verifies.
  public static func verify(_ image: FileImage, _ compute: any Compute) async -> DecodingFailure? {
    await compute.run { () -> DecodingFailure? in
      do throws(DecodingFailure) { try SegmentReader.verify(image: image) } catch { return error }
      return nil
    }
  }
  private static func journalFile(_ unit: ScrubUnit, _ disk: any Disk, _ compute: any Compute) async throws -> [ScrubFinding] {
    let bytes = try await disk.readAll(unit.path)
    let name = unit.path.split(separator: "/").last.map(String.init) ?? ""
    let number = JournalFormat.number(of: name) ?? 0
    return await compute.run {
      let scan = bytes.withUnsafeBytes {
        GroupScan.scan($0, file: number, expecting: .init(number: nil, previous: nil), grows: false)
      }
      var damages = scan.damages
      if case .damaged(let damage) = scan.tail { damages.append(damage) }
      return damages.map { damage in
        ScrubFinding(
          path: unit.path,
          shards: damage.lost.map { Set($0.map(\.shard)).sorted() },
          message: "byte \(damage.offset): \(damage.message)"
        )
      }
    }
  }
}
