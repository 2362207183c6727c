// Scenario+Disk.swift — what befalls disks in a scenario and what must come of it: volumes that others fill, files that rot.
//
// A process that runs keeps what it has mapped of its files, as the system's cache does: it meets rot when it reads a file anew, by a
// scrub or after a start.
import Capabilities
import Model
import Storage
import Wire

/// A file as it was, and as rot left it.
struct RottenFile: Sendable {
  let path: String
  let sound: [UInt8]
  let rotten: [UInt8]
  /// Events of the run before it rotted.
  let events: Int
}

extension SimulatedDisk {
  /// The bytes of a file; nil when there is none of that name.
  func content(of path: String) throws -> [UInt8]? {
    do { return try look { state in try state.tree.file(path).content } } catch let failure as DiskFailure where failure.kind == .notFound {
      return nil
    }
  }
  /// Flips a bit at some places of a file.
  func rot(_ path: String, at places: [Int], after events: Int) throws -> RottenFile {
    try look { state in
      let file = try state.tree.file(path)
      let sound = file.content
      for place in places { file.content[place] ^= 1 }
      return RottenFile(path: path, sound: sound, rotten: file.content, events: events)
    }
  }
  /// Gives a file the bytes that it had.
  func mend(_ file: RottenFile) throws { try look { state in try state.tree.file(file.path).content = file.sound } }
}

extension Scenario {
  // MARK: Room

  /// Other files leave so much of a process's volume.
  func leave(_ bytes: UInt64, on process: SimulatedProcess, as role: String) {
    process.node.disk.leaveFree(bytes)
    let rest = bytes == 0 ? "nothing" : "\(bytes >> 30) GiB of 1024"
    say("other files fill the volume of \(role): \(rest) is left")
  }
  func makeRoom(on process: SimulatedProcess, as role: String) {
    process.node.disk.leaveFree(nil)
    say("there is room again on the volume of \(role)")
  }
  /// A client writes for `length` and meets the end of what fits: its last try is answered with one of the statuses.
  func writesCease(by client: Int = 0, within length: Duration, with statuses: [StatusCode]) async throws {
    say("what still fits is acknowledged; within \(Self.text(length)) writes cease: \(Self.list(statuses))")
    let seen = try await clients[client].write(for: length)
    for status in seen.refusals where !statuses.contains(status) { fail("a write was answered with \(status): \(seen)") }
    if seen.refusals.isEmpty { fail("writes go on: \(seen)") }
    try await past(length + .seconds(2))
  }
  /// DELETE takes away rows of which all are acknowledged, by their ids.
  func deletionTakesEffect(of ids: ClosedRange<Int>) async throws {
    say("DELETE of \(ids.count) rows takes effect")
    let rows = Array(ledger.rows[ids.lowerBound - 1..<ids.upperBound])
    if !ledger.isAcknowledged(rows) { fail("not all of these rows are acknowledged") }
    do {
      let sql = "DELETE FROM events WHERE id BETWEEN \(ids.lowerBound) AND \(ids.upperBound)"
      _ = try await clients[0].client.query(sql, timeout: .seconds(6))
      ledger.noteDeleted(rows)
    } catch let error as TallyError { fail("it fails with \(error.status): \(error)") }
    try await past(.seconds(8))
  }
  /// A tenant is deleted.
  func tenantIsDeleted(_ tenant: Int64) async throws {
    say("a tenant is deleted")
    do {
      let request = TenantRequest(deletes: true, relation: "events", tenant: "\(tenant)")
      let receipt = try await clients[0].client.tenant(request, timeout: .seconds(8))
      if receipt.contains(where: { $0[0] == .text("tenant") && $0[2] == .text("deleted") }) {
        ledger.noteErased(tenant: tenant)
      } else {
        fail("it was not: \(receipt)")
      }
    } catch let error as TallyError { fail("it fails with \(error.status): \(error)") }
    try await past(.seconds(10))
  }

  // MARK: Rot

  /// Has the segment file with the most raw rows rot, where it holds their ids.
  func rotSegment(of process: SimulatedProcess, as role: String) async throws -> RottenFile {
    guard let table = try await record()?.catalog.table(named: "events"), let id = table.columns.firstIndex(where: { $0.name == "id" })
    else { throw TallyError(.unavailable, "no coordinator tells of the table") }
    let disk = process.node.disk
    var found: (path: String, places: [Int], rows: Int)?
    for path in try disk.closedFiles() where path.hasSuffix(".seg") {
      guard let content = try disk.content(of: path) else { continue }
      let sections = try SegmentReader.open(image: FileImage(copying: content)).filter { $0.summary.relation == table.id }
      let rows = sections.reduce(0) { $0 + $1.summary.rows }
      let places = sections.flatMap { section in (0..<section.blockCount).map { section.place(ofBlock: $0, column: id) } }
      if rows > found?.rows ?? 0 { found = (path, places.map { ($0.lowerBound + $0.upperBound) / 2 }, rows) }
    }
    guard let found else { throw TallyError(.internalError, "no segment file holds raw rows") }
    say("a segment file of \(role) rots")
    return try disk.rot(found.path, at: found.places, after: world.log.events.count)
  }
  /// Has an entry in the middle of the journal rot.
  func rotJournal(of process: SimulatedProcess, as role: String) throws -> RottenFile {
    let disk = process.node.disk
    let files = try disk.closedFiles().filter { $0.hasSuffix(".journal") }
    // The first group of a file begins in its second block; the last of its bytes belong to an entry.
    guard files.count > 2, let content = try disk.content(of: files[files.count / 2]),
      let place = content[4096..<8192].lastIndex(where: { $0 != 0 })
    else { throw TallyError(.internalError, "the journal has \(files.count) files that are full") }
    say("an entry in the journal of \(role) rots, whose rows are in no segment file yet")
    return try disk.rot(files[files.count / 2], at: [place], after: world.log.events.count)
  }
  /// Has the disk of a process that is down lose the end of what it had taken: a sector of the journal's last group is as before.
  func loseTail(of process: SimulatedProcess, as role: String) throws {
    let disk = process.node.disk
    for path in try disk.look({ state in try state.tree.list("wal").map { "wal/" + $0.name } }).sorted().reversed() {
      guard path.hasSuffix(".journal"), let content = try disk.content(of: path), content.count > 4096,
        let last = content[4096...].lastIndex(where: { $0 != 0 })
      else { continue }
      let sector = last / 512 * 512
      for at in sector..<sector + 512 { try disk.corrupt(path, at: at, xor: content[at]) }
      return say("the disk of \(role) has lost the end of its journal, which it had said was there")
    }
    throw TallyError(.internalError, "the journal is empty")
  }
  /// An operator gives a process that is down its file back.
  func restore(_ file: RottenFile, on process: SimulatedProcess, as role: String) throws {
    try process.node.disk.mend(file)
    say("an operator restores the file of \(role)")
  }
  /// Whether a process has told of damage since a file of it rotted.
  private func isFound(_ file: RottenFile, by process: SimulatedProcess) -> Bool {
    world.log.events[file.events...].contains { $0.node == process.node.name && $0.event == "damage-found" }
  }
  /// A scrub of a process's files finds what rotted.
  func scrubFinds(_ file: RottenFile, on process: SimulatedProcess, as role: String, within limit: Duration) async throws {
    say("a scrub of \(role) finds it within \(Self.text(limit))")
    let end = world.clock.now + limit + .milliseconds(-200)
    while !isFound(file, by: process), world.clock.now < end { try await world.clock.sleep(for: .milliseconds(100)) }
    if !isFound(file, by: process) { fail("it does not") }
    try await past(limit)
  }
  /// What rotted was found and is gone, and every segment file there verifies.
  func isWhole(_ file: RottenFile, on process: SimulatedProcess, as role: String) throws {
    say("every segment file of \(role) is whole")
    let disk = process.node.disk
    if !isFound(file, by: process) { fail("the damage was not found") }
    if try disk.content(of: file.path) == file.rotten { fail("\(file.path) is as it was") }
    for path in try disk.closedFiles() where path.hasSuffix(".seg") {
      guard let content = try disk.content(of: path) else { continue }
      do { try SegmentReader.verify(image: FileImage(copying: content)) } catch { fail("\(path): \(error)") }
    }
  }
  /// A start refused the copy whose journal rotted, and it began again from another copy since.
  func beganAgain(_ file: RottenFile, on process: SimulatedProcess, as role: String) {
    say("\(role) refused its copy and had it begin again from another")
    let own = world.log.events[file.events...].filter { $0.node == process.node.name }
    for event in ["shard-refused", "copy-installed"] where !own.contains(where: { $0.event == event }) { fail("it has no event \(event)") }
  }
  /// A query that needs nothing of the raw rows that are in files.
  func rollupIsRead() async throws {
    say("the rollup, which lies elsewhere in the files, is read")
    do {
      let before = ledger.known
      let counted = try await clients[0].client.query("SELECT sum(n) FROM activity", timeout: .seconds(2)).first?.first ?? .null
      let bounds = ledger.bounds(nil, since: before)
      if !bounds.contains(Int(counted.integer ?? 0)) { fail("it counts \(counted), not \(bounds)") }
    } catch let error as TallyError { fail("\(error)") }
    try await past(.seconds(3))
  }
  /// Ends a worker and starts it again, and gives it time to serve.
  func restart(_ process: SimulatedProcess, as role: String) async throws {
    end([(process, as: role)], .kill)
    try await past(.seconds(1))
    start([(process, as: role)])
    try await past(.seconds(3))
  }
}
