// DoctorCommand.swift — `tally doctor DIR`: whether the data directory of a stopped node is sound, and what to do where it is not.
//
// Exit codes: 0 sound, 1 findings, 64 no data directory, 78 it cannot be judged (in use, of a newer format, IDENTITY damaged).
import ArgumentParser
import Bytes
import Capabilities
import Consensus
import Foundation
import Model
import NodeRuntime
import Storage

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Checks the data directory of a stopped node: every checksum, every rule, a verdict for each shard.",
    discussion: "Changes nothing. Exit codes: 0 sound, 1 findings, 64 no data directory, 78 it cannot be judged."
  )
  @Argument(help: "A node's data directory.") var directory: String
  @Flag(help: "Prints one JSON object.") var json = false
  static let notADirectory: Int32 = 64
  static let cannotJudge: Int32 = 78

  func run() throws {
    guard FileManager.default.isReadableFile(atPath: directory + "/IDENTITY") else {
      complain("ERROR:  \(directory) has no readable IDENTITY: it is not a node's data directory, or it is empty")
      throw ExitCode(Self.notADirectory)
    }
    let disk = try PosixDisk(root: directory)
    let (loop, compute) = (UVLoop(), ComputePool())
    defer {
      loop.stop()
      disk.stop()
    }
    let diagnosis: Diagnosis
    do {
      diagnosis = try loop.runBlocking {
        let (lock, _) = try await DataDirectory.lock(disk: disk)
        defer { lock.release() }
        var found = try await Diagnosis.examine(disk, compute: compute)
        if let identity = found.identity, identity.role == .coordinator {
          found.findings += try await Self.catalogFindings(disk, identity.cluster)
        }
        return found
      }
    } catch let error as TallyError {
      complain(error)
      throw ExitCode(Self.cannotJudge)
    }
    if json { print(Self.json(diagnosis)) } else { show(diagnosis) }
    if !diagnosis.isSound { throw ExitCode(ExitStatus.failed) }
  }

  /// What is wrong with a coordinator's vote file and command log, its snapshot included.
  private static func catalogFindings(_ disk: any Disk, _ cluster: ClusterID) async throws -> [Diagnosis.Finding] {
    let advice = "restore the directory from a backup, or let an empty one join the group"
    var findings: [Diagnosis.Finding] = []
    var term: UInt64?
    do {
      let vote = try VoteFormat.decode(try await disk.readAll("meta/vote"))
      term = vote.state.term
      if vote.cluster != cluster { findings.append(.init("meta/vote", "it belongs to cluster \(vote.cluster)", advice: advice)) }
    } catch let failure as DecodingFailure {
      findings.append(.init("meta/vote", "it cannot be read: \(failure)", advice: advice))
    } catch let failure as DiskFailure {
      let isMissing = failure.kind == .notFound
      findings.append(.init("meta/vote", failure.message, advice: isMissing ? "" : advice, isNote: isMissing))
    }
    do {
      let bytes = try await disk.readAll("meta/catalog.log")
      let log = try CommandRecordFormat.decode(bytes)
      if log.cluster != cluster { findings.append(.init("meta/catalog.log", "it belongs to cluster \(log.cluster)", advice: advice)) }
      if log.validBytes < bytes.count {
        let message = "an unfinished write of \(bytes.count - log.validBytes) bytes at its end"
        findings.append(.init("meta/catalog.log", message, isNote: true))
      }
      for (at, record) in log.records.enumerated() where record.kind == .snapshot {
        _ = try SnapshotFormat.decode(record.body, index: record.index, term: record.term, chain: log.chains[at])
      }
      if let term, let last = log.records.last, last.term > term {
        findings.append(.init("meta/vote", "it is of term \(term), the log of term \(last.term)", advice: advice))
      }
    } catch let failure as DecodingFailure {
      findings.append(.init("meta/catalog.log", "it cannot be read: \(failure)", advice: advice))
    } catch let failure as DiskFailure {
      let isMissing = failure.kind == .notFound
      findings.append(.init("meta/catalog.log", failure.message, advice: isMissing ? "" : advice, isNote: isMissing))
    }
    return findings
  }

  private func show(_ diagnosis: Diagnosis) {
    if let identity = diagnosis.identity {
      print("\(identity.role) \"\(identity.name)\", node \(identity.node) of cluster \(identity.cluster)")
    }
    let volume = diagnosis.volume
    print("volume: \(volume.fileSystem), \(volume.freeBytes) of \(volume.totalBytes) bytes free, mode \(String(volume.mode, radix: 8))")
    for (shard, verdict) in diagnosis.shards { print("shard \(shard): \(verdict.rawValue)") }
    for finding in diagnosis.findings {
      print("\(finding.isNote ? "note" : "FINDING"): \(finding.subject): \(finding.message)")
      if !finding.advice.isEmpty { print("  to do: \(finding.advice)") }
    }
    print(diagnosis.isSound ? "sound" : "\(diagnosis.findings.count { !$0.isNote }) findings")
  }
  private static func json(_ diagnosis: Diagnosis) -> String {
    var parts: [String] = []
    if let identity = diagnosis.identity {
      parts.append("\"role\":\(jsonText("\(identity.role)")),\"node\":\(jsonText(identity.name))")
      parts.append("\"cluster\":\(jsonText("\(identity.cluster)"))")
    }
    let volume = diagnosis.volume
    parts.append("\"free_bytes\":\(volume.freeBytes),\"total_bytes\":\(volume.totalBytes)")
    parts.append("\"file_system\":\(jsonText(volume.fileSystem)),\"sound\":\(diagnosis.isSound)")
    let shards = diagnosis.shards.map { "{\"shard\":\($0.shard),\"verdict\":\(jsonText($0.verdict.rawValue))}" }
    parts.append("\"shards\":[\(shards.joined(separator: ","))]")
    let findings = diagnosis.findings.map {
      "{\"subject\":\(jsonText($0.subject)),\"message\":\(jsonText($0.message)),\"advice\":\(jsonText($0.advice)),\"note\":\($0.isNote)}"
    }
    parts.append("\"findings\":[\(findings.joined(separator: ","))]")
    return "{\(parts.joined(separator: ","))}"
  }
}
