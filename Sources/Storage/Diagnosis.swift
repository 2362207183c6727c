// Diagnosis.swift — whether a stopped node's data directory keeps the disk rules, and what to do where it does not. Changes nothing.
//
// More than Inspection tells: every byte of every segment file is verified, damage of the journal is laid at the doors of the shards
// that it concerns, and the volume, the marks of failed syncs and a node's own small files are looked at. Whether another copy of a shard
// exists only the cluster knows: a damaged shard repairs itself from one when the node starts, and needs a backup without one.
import Bytes
public import Capabilities
public import Model

/// What was found in a data directory.
public struct Diagnosis: Sendable {
  /// How a shard is.
  public enum Verdict: String, Sendable {
    /// It will start.
    case sound
    /// It will not start, or meet what it cannot read: another copy repairs it.
    case damaged
  }
  /// One thing that is not as it should be.
  public struct Finding: Sendable, Equatable {
    /// `volume`, a path, or `shard 3`.
    public var subject: String
    /// What is wrong.
    public var message: String
    /// What to do; empty when a start sees to it.
    public var advice: String
    /// Whether it is only to be known: nothing is broken.
    public var isNote = false
    /// Makes a finding.
    public init(_ subject: String, _ message: String, advice: String = "", isNote: Bool = false) {
      self.subject = subject
      self.message = message
      self.advice = advice
      self.isNote = isNote
    }
  }
  /// Whose it is; nil when it has no IDENTITY.
  public var identity: DataDirectory.Identity?
  /// The volume.
  public var volume: VolumeFacts
  /// By shard.
  public var shards: [(shard: ShardID, verdict: Verdict)] = []
  /// In the order in which they were found.
  public var findings: [Finding] = []
  /// Nothing is broken.
  public var isSound: Bool { findings.allSatisfy(\.isNote) }

  static let repair = "start the node: another copy of the shard repairs it; without one restore it from a backup, or use tally salvage"
  /// Names at the top of a data directory.
  static let known = Set(
    DataDirectory.parts + [
      DataDirectory.identityPath, DataDirectory.lockPath, Quarantine.directory, Salvage.directory, DiskReserve.path, SyncFailures.path,
    ]
  )

  /// Looks at a directory, which the caller has locked. Throws when IDENTITY cannot be read (XX001, 0A000 when it is of a newer format).
  public static func examine(_ disk: any Disk, compute: any Compute, floor: UInt64? = nil) async throws -> Diagnosis {
    let report = try await DataDirectoryReport.read(disk)
    var found = Diagnosis(identity: report.identity, volume: try await disk.volume())
    found.judgeVolume(floor)
    try await found.judgeMarks(disk)
    for entry in try await disk.list("") where !known.contains(entry.name) {
      found.findings.append(Finding(entry.name, "not of Tally, or of a later version", advice: "move it elsewhere", isNote: true))
    }
    let quarantined = try await count(disk, Quarantine.directory)
    if quarantined > 0 {
      found.findings.append(
        Finding(Quarantine.directory, "\(quarantined) damaged files that were replaced; removed after seven days", isNote: true)
      )
    }
    for file in report.journal { found.judge(file) }
    for shard in report.shards { try await found.judge(shard, report, disk, compute) }
    return found
  }
  private static func count(_ disk: any Disk, _ directory: String) async throws -> Int {
    do { return try await disk.list(directory).count } catch let failure as DiskFailure where failure.kind == .notFound { return 0 }
  }

  private mutating func judgeVolume(_ wanted: UInt64?) {
    if !volume.isOwn {
      findings.append(Finding("volume", "the directory belongs to another user", advice: "run the node as its owner, or chown it"))
    }
    if volume.mode & 0o022 != 0 {
      findings.append(Finding("volume", "others may write (mode \(String(volume.mode, radix: 8)))", advice: "chmod 700"))
    }
    if volume.isVolatile || volume.isRemote {
      findings.append(
        Finding("volume", "it lies on \(volume.fileSystem), where nothing is durable for sure", advice: "move it to a local disk")
      )
    }
    let floor = DiskSpace.floor(of: volume, wanted: wanted)
    switch DiskSpace(volume, floor: floor) {
    case .ample: break
    case .scarce: findings.append(Finding("volume", "too little room: it takes no rows", advice: "free \(floor - volume.freeBytes) bytes"))
    case .nearlyFull, .full:
      findings.append(
        Finding("volume", "too little room: it takes no rows and merges nothing", advice: "free \(floor - volume.freeBytes) bytes")
      )
    }
  }
  private mutating func judgeMarks(_ disk: any Disk) async throws {
    let text: String
    do { text = String(decoding: try await disk.readAll(SyncFailures.path), as: UTF8.self) } catch let failure as DiskFailure
      where failure.kind == .notFound
    { return }
    let marks = SyncFailures(text)
    if marks.isBroken {
      findings.append(
        Finding(
          SyncFailures.path,
          "two syncs failed within ten minutes: the node does not start",
          advice: "replace the disk; to start on this one all the same, remove the file"
        )
      )
    } else if marks.needsVerification {
      findings.append(Finding(SyncFailures.path, "a sync failed: the next start reads everything back", isNote: true))
    } else if !marks.failures.isEmpty {
      findings.append(Finding(SyncFailures.path, "\(marks.failures.count) syncs failed in the past", isNote: true))
    }
  }
  private mutating func judge(_ file: JournalFileReport) {
    for fault in file.faults {
      let isTorn = file.damages.isEmpty && !file.isForeign
      findings.append(
        Finding(
          file.path,
          fault,
          advice: isTorn ? "" : file.isForeign ? "move it elsewhere; a file of this node is missing" : Self.repair,
          isNote: isTorn
        )
      )
    }
  }
  private mutating func judge(
    _ shard: ShardDirectoryReport,
    _ report: DataDirectoryReport,
    _ disk: any Disk,
    _ compute: any Compute
  ) async throws {
    let name = "shard \(shard.shard)"
    var damage = shard.damages
    for (file, _) in shard.files {
      let path = ManifestFormat.directory(shard.shard) + "/" + ManifestFormat.segmentName(file)
      // Missing files and wrong sizes are told already.
      do {
        let image = try await disk.map(path)
        let failure = await compute.run { () -> String? in
          do throws(DecodingFailure) {
            try SegmentReader.verify(image: image)
            return try SegmentReader.contentHash(of: image) == file.hash ? nil : "not the file that the manifest names"
          } catch { return "\(error)" }
        }
        if let failure { damage.append("\(path): \(failure)") }
      } catch let failure as DiskFailure where failure.kind != .notFound {
        damage.append(failure.message)
      } catch is DiskFailure {}
    }
    for (at, file) in report.journal.enumerated() {
      for (message, shards) in file.damages {
        // Where nobody can tell whose entries were lost, it may concern each that has none further on.
        let goesOn = report.journal[(at + 1)...].contains { $0.positions.contains { $0.shard == shard.shard } }
        guard shards.map({ $0.contains(shard.shard) }) ?? !goesOn else { continue }
        damage.append("\(file.path): \(message): acknowledged entries may be missing")
      }
    }
    for what in damage { findings.append(Finding(name, what, advice: Self.repair)) }
    for fault in shard.faults where !shard.damages.contains(fault) { findings.append(Finding(name, fault, isNote: true)) }
    shards.append((shard.shard, damage.isEmpty ? .sound : .damaged))
  }
}
