// ScrubFlow.swift — reads all files back once a week, slowly, and tells what is damaged; keeps the quarantine in its bounds.
//
// The time of the last complete round stands in `meta/scrub`: decimal microseconds since 1970 and a newline. A round that a stop cut
// off begins again.
import Capabilities
import Model
import Storage

extension Worker {
  /// Bytes a second that a round reads at most.
  static let scrubRate: UInt64 = 8 << 20

  /// Scrubs until cancelled.
  func keepScrubbing() async throws {
    var last = try await ScrubRecord.read(surroundings.disk)
    var round = surroundings.clock.now
    while true {
      if isScrubDue(last, round) {
        // A new node has nothing to read yet: its first round only sets the time.
        if last != nil { try await scrub() }
        (last, round) = (surroundings.clock.wallMicroseconds, surroundings.clock.now)
        do { try await ScrubRecord.write(surroundings.clock.wallMicroseconds, surroundings.disk) } catch let failure as DiskFailure
          where failure.kind == .full
        { surroundings.log.warning("scrub-not-noted", ("reason", failure.message)) }
      }
      for name in try await Quarantine.trim(disk: surroundings.disk, clock: surroundings.clock) {
        surroundings.log.info("quarantine-removed", ("file", name))
      }
      try await surroundings.clock.sleep(for: settings.scrubLook)
    }
  }
  /// Whether a round is due. A wall clock that was set back while the node was down would put it off for years; while it is up the
  /// monotonic clock tells as well.
  private func isScrubDue(_ last: Int64?, _ round: Instant) -> Bool {
    let now = surroundings.clock.wallMicroseconds
    guard let last, now >= last else { return true }
    let (age, isBeyond) = now.subtractingReportingOverflow(last)
    return isBeyond || age >= settings.scrubPeriod || surroundings.clock.now - round >= .microseconds(settings.scrubPeriod)
  }
  private func scrub() async throws {
    let started = surroundings.clock.now
    var (files, found) = (0, 0)
    for unit in journal.scrubUnits + orderedHosts.flatMap(\.store.scrubUnits) {
      // Load goes first.
      while journal.bytesInFlight > 0 { try await surroundings.clock.sleep(for: .milliseconds(200)) }
      let findings = try await Scrub.check(unit, disk: surroundings.disk, compute: surroundings.compute)
      files += 1
      found += findings.count
      for finding in findings { note(finding) }
      try await surroundings.clock.sleep(for: .milliseconds(Int(unit.bytes * 1000 / Self.scrubRate)))
    }
    surroundings.log.info(
      "scrubbed",
      ("files", String(files)),
      ("damaged", String(found)),
      ("after", "\(surroundings.clock.now - started)")
    )
  }
  private func note(_ finding: ScrubFinding) {
    let concerned = finding.shards.map { $0.map(\.description).joined(separator: ",") } ?? "unknown"
    surroundings.log.error("damage-found", ("file", finding.path), ("shards", concerned), ("what", finding.message))
    let error = TallyError(.dataDamaged, "\(finding.path): \(finding.message)")
    if finding.isJournal {
      // It concerns those whose entries there are in no file yet.
      for (shard, through) in journal.concerned(by: finding) {
        if let host = hosts[shard] { noteDamage(host, error, inJournalThrough: through) }
      }
    } else {
      for shard in finding.shards ?? [] { if let host = hosts[shard] { noteDamage(host, error) } }
    }
  }
}

/// When the last round ended.
enum ScrubRecord {
  static let path = "meta/scrub"
  static func read(_ disk: any Disk) async throws -> Int64? {
    do {
      let text = String(decoding: try await disk.readAll(path), as: UTF8.self)
      // An unreadable record costs a round, no more.
      return Int64(text.dropLast()) ?? 0
    } catch let failure as DiskFailure where failure.kind == .notFound { return nil }
  }
  static func write(_ time: Int64, _ disk: any Disk) async throws {
    try await disk.writeDurably(path, [Array("\(time)\n".utf8)])
  }
}
