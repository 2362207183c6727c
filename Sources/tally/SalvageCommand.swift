// SalvageCommand.swift — `tally salvage DIR`: gives up what cannot be read of a shard that has no other copy, so that the rest serves.
//
// Without --accept-loss it tells what would be lost and changes nothing. Exit codes: 0 nothing to give up, or done; 1 something would be
// lost, or the order was refused; 64 no data directory, 78 it cannot be judged (in use, of another role or a newer format, damaged).
import ArgumentParser
import Bytes
import Capabilities
import Foundation
import Model
import NodeRuntime
import Storage

struct SalvageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "salvage",
    abstract: "Gives up what cannot be read of a damaged shard in the data directory of a stopped worker. Acknowledged rows are lost.",
    discussion: """
      Only for a shard without a sound copy elsewhere: another copy repairs it by itself. Without --accept-loss it tells what would \
      be lost, and changes nothing. What is damaged is kept below salvaged/; what was lost is listed by tally shard losses once the \
      worker is up.
      """
  )
  @Argument(help: "The worker's data directory.") var directory: String
  @Option(help: "Number of the shard. Default: every shard, which only looks.") var shard: UInt64?
  @Flag(help: "Does it.") var acceptLoss = false
  @Option(help: "Why; it is kept.") var reason = ""
  @Flag(help: "Does it although other copies of the shard count: they are lost too.") var insist = false
  @Flag(help: "Prints one JSON object a shard.") var json = false

  func validate() throws {
    guard acceptLoss else { return }
    if shard == nil { throw ValidationError("--accept-loss needs --shard") }
    if reason.isEmpty || reason.utf8.count > SalvageRecord.reasonMax {
      throw ValidationError("--accept-loss needs --reason, 1 to \(SalvageRecord.reasonMax) bytes")
    }
  }
  func run() throws {
    guard FileManager.default.isReadableFile(atPath: directory + "/IDENTITY") else {
      complain("ERROR:  \(directory) has no readable IDENTITY: it is not a node's data directory, or it is empty")
      throw ExitCode(DoctorCommand.notADirectory)
    }
    let disk = try PosixDisk(root: directory)
    let (loop, compute) = (UVLoop(), ComputePool())
    defer {
      loop.stop()
      disk.stop()
    }
    let isAllSound: Bool
    do {
      isAllSound = try loop.runBlocking { try await work(disk, SystemClock(loop), compute) }
    } catch let error as TallyError {
      complain(error)
      throw ExitCode(["42704", "55000"].contains(error.sqlState) ? ExitStatus.failed : DoctorCommand.cannotJudge)
    }
    if !isAllSound { throw ExitCode(ExitStatus.failed) }
  }
  /// Whether nothing has to be given up (any more).
  private func work(_ disk: any Disk, _ clock: any Clock, _ compute: any Compute) async throws -> Bool {
    let (lock, found) = try await DataDirectory.lock(disk: disk)
    defer { lock.release() }
    guard let identity = found, identity.role == .worker else {
      throw TallyError(.invalid, "\(directory) is not a worker's data directory", hint: "only workers have shards")
    }
    let looked = try await Journal.open(disk: disk, cluster: identity.cluster, node: identity.node, mending: false)
    let shards = if let shard { [ShardID(shard)] } else { try await Salvage.shards(disk: disk) }
    var isAllSound = true
    for shard in shards {
      let findings: SalvageFindings
      do {
        findings = try await Salvage.examine(
          shard,
          disk: disk,
          clock: clock,
          compute: compute,
          cluster: identity.cluster,
          journal: looked
        )
      } catch let error as TallyError where self.shard == nil {
        // One of which nothing can be told hides none of the others; one that was never made whole is none.
        if error.sqlState == "42704" { continue }
        complain(error)
        isAllSound = false
        continue
      }
      guard acceptLoss, !findings.isSound else {
        json ? print(Self.json(findings)) : show(findings)
        if !findings.isSound { isAllSound = false }
        continue
      }
      try await requireAlone(shard, identity, disk)
      show(try await carryOut(findings, identity, disk, clock, compute))
    }
    return isAllSound
  }
  /// Refuses a shard with other copies that count, as far as the catalog tells that the worker keeps.
  private func requireAlone(_ shard: ShardID, _ identity: DataDirectory.Identity, _ disk: any Disk) async throws {
    guard !insist, let known = try await CatalogCopyFile.read(cluster: identity.cluster, disk: disk)?.snapshot,
      let record = known.shard(shard)
    else { return }
    let others = (record.inSync + record.eligible).filter { $0.node != identity.node }
    if others.isEmpty { return }
    let names = others.map { known.node($0.node)?.name ?? "node \($0.node)" }.joined(separator: ", ")
    throw TallyError(
      .invalid,
      "shard \(shard) has copies that count on \(names)",
      sqlState: "55000",
      hint: "start this worker: its copy is repaired from one of them. If they are lost too, say --insist"
    )
  }
  private func carryOut(
    _ findings: SalvageFindings,
    _ identity: DataDirectory.Identity,
    _ disk: any Disk,
    _ clock: any Clock,
    _ compute: any Compute
  ) async throws -> SalvageRecord {
    let opened = try await Journal.open(disk: disk, cluster: identity.cluster, node: identity.node)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await opened.journal.run() }
      do {
        let record = try await Salvage.carryOut(
          findings,
          reason: reason,
          disk: disk,
          clock: clock,
          compute: compute,
          cluster: identity.cluster,
          journal: opened
        )
        opened.journal.close()
        try await group.waitForAll()
        return record
      } catch {
        group.cancelAll()
        throw error
      }
    }
  }

  // MARK: Telling

  private func show(_ record: SalvageRecord) {
    if json {
      print("{\"shard\":\(record.shard),\"kept_through\":\(record.kept),\"lost\":\(jsonText(record.what)),\"done\":true}")
    } else {
      print("shard \(record.shard): given up: \(record.what)")
      print("what was damaged is kept below \(directory)/\(Salvage.directory); start the worker")
    }
  }
  private func show(_ findings: SalvageFindings) {
    if findings.isSound { return print("shard \(findings.shard): sound, nothing to give up") }
    print("shard \(findings.shard), copy \(findings.replica):")
    if findings.isUnfinished { print("  a salvage was begun and not finished") }
    if !findings.stops.isEmpty {
      let time = ValueText.print(.fixed(findings.keptTime), as: .timestamptz) ?? "?"
      print("  kept: the log up to entry \(findings.kept)" + (findings.kept.rawValue > 0 ? ", of \(time)" : ""))
      for stop in findings.stops { print("  it ends there: \(stop)") }
      for entry in findings.unreadable { print("  lost, cannot be read: entry \(entry.position), \(entry.kind)") }
      for group in findings.stranded { print("  lost, behind that: " + Self.text(group)) }
      if findings.known <= findings.kept { print("  nothing behind it is known; what may have been there is lost") }
    }
    for file in findings.files {
      print("  \(file.path): \(file.message)")
      for section in file.sections { print("    " + Self.text(section)) }
    }
    if !acceptLoss {
      print("  nothing was changed; --shard \(findings.shard) --accept-loss --reason TEXT gives it up")
    }
  }
  private static func text(_ group: SalvageFindings.Stranded) -> String {
    var text = "\(group.entries) \(group.kind) entries, \(group.positions.lowerBound) to \(group.positions.upperBound)"
    if !group.relation.isEmpty { text += ", of \(group.relation)" }
    if group.rows > 0 { text += ": \(group.rows) rows" }
    if let times = group.times { text += ", times \(times.low) to \(times.high)" }
    if !group.tenants.isEmpty { text += ", tenants " + group.tenants.joined(separator: ", ") + (group.hasMoreTenants ? ", …" : "") }
    return text
  }
  private static func text(_ section: SalvageFindings.Section) -> String {
    var text = "\(section.relation): \(section.lost) of \(section.rows) rows are lost"
    text += ", of entries \(section.positions.lowerBound) to \(section.positions.upperBound)"
    if section.lost == 0 { return text }
    if let times = section.times { text += ", times \(times.low) to \(times.high)" }
    if let tenants = section.tenants { text += ", tenants \(tenants.low) to \(tenants.high)" }
    return text
  }
  private static func json(_ findings: SalvageFindings) -> String {
    func span(_ name: String, _ bounds: (low: String, high: String)?) -> String {
      bounds.map { ",\"\(name)\":[\(jsonText($0.low)),\(jsonText($0.high))]" } ?? ""
    }
    let stranded = findings.stranded.map { group in
      "{\"kind\":\(jsonText(group.kind)),\"relation\":\(jsonText(group.relation)),\"entries\":\(group.entries),\"rows\":\(group.rows)"
        + ",\"first\":\(group.positions.lowerBound),\"last\":\(group.positions.upperBound)" + span("times", group.times)
        + ",\"tenants\":[\(group.tenants.map(jsonText).joined(separator: ","))],\"more_tenants\":\(group.hasMoreTenants)}"
    }
    let unreadable = findings.unreadable.map { "{\"position\":\($0.position),\"kind\":\(jsonText($0.kind))}" }
    let files = findings.files.map { file in
      let sections = file.sections.map { section in
        "{\"relation\":\(jsonText(section.relation)),\"rows\":\(section.rows),\"lost\":\(section.lost)" + span("times", section.times)
          + span("tenants", section.tenants) + "}"
      }
      return "{\"path\":\(jsonText(file.path)),\"message\":\(jsonText(file.message)),\"sections\":[\(sections.joined(separator: ","))]}"
    }
    return
      "{\"shard\":\(findings.shard),\"sound\":\(findings.isSound),\"kept_through\":\(findings.kept),\"known_through\":\(findings.known)"
      + ",\"stops\":[\(findings.stops.map(jsonText).joined(separator: ","))],\"unreadable\":[\(unreadable.joined(separator: ","))]"
      + ",\"stranded\":[\(stranded.joined(separator: ","))],\"files\":[\(files.joined(separator: ","))]}"
  }
}
