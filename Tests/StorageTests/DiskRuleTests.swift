// DiskRuleTests.swift — failed syncs, unfit volumes, scrubs, quarantine: what a node does when its disk is not what it should be.
import Bytes
import Capabilities
import Model
import Simulation
import Testing

@testable import Storage

/// A volume that says of itself what a test wants.
private struct OddVolume: Disk {
  let disk: SimulatedDisk
  var facts: VolumeFacts
  func volume() async throws -> VolumeFacts { facts }
  func open(_ path: String, _ mode: OpenMode, lane: DiskLane) async throws -> any DiskFile {
    try await disk.open(path, mode, lane: lane)
  }
  func map(_ path: String) async throws -> FileImage { try await disk.map(path) }
  func list(_ directory: String) async throws -> [DirectoryEntry] { try await disk.list(directory) }
  func createDirectory(_ path: String) async throws { try await disk.createDirectory(path) }
  func rename(_ from: String, to: String) async throws { try await disk.rename(from, to: to) }
  func remove(_ path: String) async throws { try await disk.remove(path) }
  func syncDirectory(_ path: String) async throws { try await disk.syncDirectory(path) }
  func dropCached(_ path: String) async throws { try await disk.dropCached(path) }
  func lock(_ path: String) async throws -> any DiskLock { try await disk.lock(path) }
}

private func refusal(_ body: () async throws -> Void) async -> TallyError? {
  do { try await body() } catch { return error as? TallyError }
  return nil
}

struct DiskRuleTests {
  @Test func aVolumeThatCannotBeTrustedIsRefused() async throws {
    let fine = VolumeFacts(freeBytes: 1 << 34, totalBytes: 1 << 36)
    func check(allowVolatile: Bool = false, _ change: (inout VolumeFacts) -> Void) async -> TallyError? {
      var facts = fine
      change(&facts)
      let disk = OddVolume(disk: SimulatedDisk(seed: 1), facts: facts)
      return await refusal { try await DataDirectory.checkVolume(disk: disk, allowVolatile: allowVolatile) }
    }
    #expect(await check { _ in } == nil)
    #expect(await check { $0.isOwn = false }?.sqlState == "55000")
    #expect(await check { $0.mode = 0o777 }?.message.contains("777") == true)
    #expect(await check { $0.mode = 0o755 } == nil)
    #expect(await check { $0.isVolatile = true }?.hint?.contains("--allow-volatile") == true)
    #expect(await check { $0.isRemote = true } != nil)
    #expect(await check(allowVolatile: true) { $0.isVolatile = true } == nil)
    #expect(await check { $0.freeBytes = 1 << 20 }?.status == .diskFull)
    // A hundredth of a large volume is more than 256 MiB.
    #expect(await check { $0.freeBytes = 1 << 29 }?.status == .diskFull)
  }
  @Test func twoFailedSyncsInTenMinutesKeepANodeDown() async throws {
    let disk = SimulatedDisk(seed: 1)
    #expect(try await DataDirectory.syncFailures(disk: disk).needsVerification == false)
    let first = SyncFailures.line(at: 1_000_000_000, "fdatasync", "wal/1")
    try await disk.writeDurably(SyncFailures.path, [first])
    #expect(try await DataDirectory.syncFailures(disk: disk).needsVerification)
    try await DataDirectory.noteVerified(disk: disk, at: 1_100_000_000)
    let marks = try await DataDirectory.syncFailures(disk: disk)
    #expect(!marks.needsVerification && marks.failures == [1_000_000_000])
    let verified = try await disk.readAll(SyncFailures.path)
    // Within ten minutes of the first: down, until an operator removes the marks.
    try await disk.writeDurably(SyncFailures.path, [verified, SyncFailures.line(at: 1_599_000_000, "fsync", "x")])
    let error = await refusal { _ = try await DataDirectory.syncFailures(disk: disk) }
    #expect(error?.status == .dataDamaged && error?.hint?.contains(SyncFailures.path) == true)
    // Later than that: verified again.
    try await disk.writeDurably(SyncFailures.path, [verified, SyncFailures.line(at: 1_700_000_000, "fsync", "x")])
    #expect(try await DataDirectory.syncFailures(disk: disk).needsVerification)
    // A line that was cut off counts as a failure.
    try await disk.writeDurably(SyncFailures.path, [verified, Array("fail".utf8)])
    #expect(try await DataDirectory.syncFailures(disk: disk).needsVerification)
  }
  @Test func aScrubFindsEveryFlippedByteOfAFile() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 2)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      for store in stores { #expect(try await store.flush(store.sole(journal), compute: fixture.compute)) }
      let unit = try #require(stores[0].scrubUnits.first)
      func findings() async throws -> [ScrubFinding] {
        try await Scrub.check(unit, disk: fixture.disk, compute: fixture.compute)
      }
      #expect(try await findings().isEmpty)
      let bytes = try await fixture.disk.readAll(unit.path)
      for at in stride(from: 0, to: bytes.count, by: 61) {
        try fixture.disk.corrupt(unit.path, at: at, xor: 0x10)
        let found = try await findings()
        #expect(found.count == 1 && found.first?.shards == [ShardID(1)] && found.first?.path == unit.path, "byte \(at)")
        try fixture.disk.corrupt(unit.path, at: at, xor: 0x10)
      }
      #expect(try await findings().isEmpty)
      let gone = ScrubUnit(path: unit.path + "x", bytes: 1, shard: ShardID(1))
      #expect(try await Scrub.check(gone, disk: fixture.disk, compute: fixture.compute).isEmpty)
    }
    // A journal file: the shard whose entry is broken is named.
    let path = "wal/0000000000000001.journal"
    let groups = try await fixture.disk.readAll(path).withUnsafeBytes {
      GroupScan.scan($0, file: 1, expecting: .anything, grows: false).groups
    }
    let victim = try #require(groups.flatMap(\.records).first { $0.shard == ShardID(2) && $0.body.count > 100 })
    try fixture.disk.corrupt(path, at: victim.body.lowerBound + 50, xor: 1)
    let unit = ScrubUnit(path: path, bytes: 1, shard: nil)
    let found = try await Scrub.check(unit, disk: fixture.disk, compute: fixture.compute)
    #expect(found.map(\.shards) == [[ShardID(2)]])
  }
  @Test func rotThatAStartDoesNotSeeIsFoundAfterAFailedSync() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 2)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      for store in stores { #expect(try await store.flush(store.sole(journal), compute: fixture.compute)) }
    }
    let path = "shards/1/" + (try await fixture.segment(1))
    // The first block, which nothing reads at a start.
    try fixture.disk.corrupt(path, at: 100, xor: 1)
    #expect(try await fixture.recover(try await openJournal(fixture.disk)).count == 2)
    let usual = try await fixture.recover(try await openJournal(fixture.disk))
    #expect(throws: Never.self) { try usual[0].outcome.get() }
    let careful = try await Recovery.openShards(
      disk: fixture.disk,
      clock: fixture.clock,
      cluster: testCluster,
      journal: try await openJournal(fixture.disk),
      verifying: fixture.compute
    )
    #expect(throws: TallyError.self) { try careful[0].outcome.get() }
    #expect(throws: Never.self) { try careful[1].outcome.get() }
  }
  @Test func aRottenFileThatCanBeMadeAgainGoesToQuarantine() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 2)
    var path = ""
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let plan = try #require(stores[0].planFlush())
      let image = try plan.build()
      let file = try await stores[0].install(image, number: 1)
      path = stores[0].path(file)
      // The entry is logged; the manifest does not name the file yet.
      let change = LayoutChange(
        source: .log(after: plan.after, through: plan.through),
        settledBefore: plan.settledBefore,
        files: [file],
        drops: []
      )
      _ = try await stores[0].write(.layout(change), journal: journal)
    }
    try fixture.disk.corrupt(path, at: 20, xor: 1)
    try await fixture.start { (stores: [ShardStore], _: Journal) async throws -> Void in
      #expect(try stores[0].eventRows().count == 800 && stores[0].fileCount == 1)
      #expect(try await Scrub.check(stores[0].scrubUnits[0], disk: fixture.disk, compute: fixture.compute).isEmpty)
    }
    let kept = try await fixture.disk.list("quarantine")
    #expect(kept.count == 1 && kept[0].name.hasSuffix(path.split(separator: "/").last ?? ""))
    #expect(try await Quarantine.trim(disk: fixture.disk, clock: fixture.clock).isEmpty)
    fixture.clock.pass(wall: 7 * dayMicroseconds, real: 1)
    #expect(try await Quarantine.trim(disk: fixture.disk, clock: fixture.clock) == kept.map(\.name))
  }
  @Test func aFullQuarantineLetsTheOldestGo() async throws {
    let clock = HandClock()
    let disk = SimulatedDisk(seed: 1, capacity: 100_000)
    for at in 0..<4 {
      try await disk.writeDurably("f\(at)", [[UInt8](repeating: 1, count: 2000)])
      try await Quarantine.put(disk: disk, clock: clock, shard: ShardID(1), path: "f\(at)")
      clock.pass(wall: 1_000_000, real: 1_000_000)
    }
    // A twentieth of the volume is 5,000 bytes: two files stay.
    #expect(try await Quarantine.trim(disk: disk, clock: clock).count == 2)
    #expect(try await disk.list("quarantine").map { String($0.name.suffix(2)) } == ["f2", "f3"])
  }
}
