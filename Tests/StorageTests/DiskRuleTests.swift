// DiskRuleTests.swift — failed syncs, unfit volumes, scrubs, quarantine: what a node does when its disk is not what it should be.
import Bytes
import Capabilities
import Model
import Simulation
import Testing

@testable import Storage

/// A volume that says of itself what a test wants.
private struct OddVolume: WrappedDisk {
  let disk: SimulatedDisk
  var facts: VolumeFacts
  func volume() async throws -> VolumeFacts { facts }
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
  @Test func aJournalThatFindsNoRoomWaitsAndGoesOn() async throws {
    let disk = SimulatedDisk(seed: 1, capacity: 400_000)
    let journal = try await openJournal(disk).journal
    var log = TestLog(1)
    try await withRunning(journal) {
      _ = try await journal.append([log.next(noise(1000, 1))])
      let filler = try await disk.open("filler", .create)
      var at: UInt64 = 0
      do {
        while true {
          try await filler.write([[UInt8](repeating: 1, count: 1000)], at: at, sync: false)
          at += 1000
        }
      } catch let failure as DiskFailure { #expect(failure.kind == .full) }
      // The present file takes what comes, then the one prepared ahead; the next is not to be had, and nothing ends.
      var pending: [Promise<JournalPlace>] = []
      for seed in 2..<20 { pending.append(journal.enqueue([log.next(noise(12_000, UInt64(seed)))])) }
      while !journal.isStarved { await Task.yield() }
      #expect(!pending[0].isSettled || pending.contains { !$0.isSettled })
      #expect(try await !disk.list("wal").contains { $0.name.hasSuffix(".tmp") })
      journal.tryAgain()
      await filler.close()
      try await disk.remove("filler")
      while journal.isStarved {
        journal.tryAgain()
        await Task.yield()
      }
      for promise in pending { _ = try await promise.value }
    }
    #expect(try await allRecords(try await openJournal(disk)).count == 19)
  }
  @Test func roomIsJudgedAndKeptBack() async throws {
    func space(_ free: UInt64) -> DiskSpace { DiskSpace(VolumeFacts(freeBytes: free, totalBytes: 1000), floor: 50) }
    #expect(space(50) == .ample && space(49) == .scarce && space(30) == .scarce && space(29) == .nearlyFull)
    #expect(DiskReserve.bytes(of: VolumeFacts(freeBytes: 0, totalBytes: 1 << 30)) == (1 << 30) / 20)
    #expect(DiskReserve.bytes(of: VolumeFacts(freeBytes: 0, totalBytes: 1 << 36)) == (1 << 36) / 100)
    #expect(DiskReserve.bytes(of: VolumeFacts(freeBytes: 0, totalBytes: 1 << 44)) == 1 << 30)
    let disk = SimulatedDisk(seed: 1, capacity: 100_000)
    try await DiskReserve.make(disk: disk, bytes: 60_000)
    #expect(try await DiskReserve.held(disk: disk) == 60_000)
    #expect(try await disk.volume().freeBytes == 40_000)
    await #expect(throws: DiskFailure.self) { try await disk.writeDurably("f", [[UInt8](repeating: 1, count: 50_000)]) }
    #expect(try await DiskReserve.release(disk: disk))
    try await disk.writeDurably("f", [[UInt8](repeating: 1, count: 50_000)])
    // Half a reserve is none.
    await #expect(throws: DiskFailure.self) { try await DiskReserve.make(disk: disk, bytes: 60_000) }
    #expect(try await DiskReserve.held(disk: disk) == 0)
    #expect(try await DiskReserve.release(disk: disk) == false)
  }
  @Test func aFlushThatFindsNoRoomIsRefusedAndSucceedsLater() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 2)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let rows = try stores[0].eventRows().count
      for ahead in 1...3 {
        fixture.disk.fail(operation: fixture.disk.operations + UInt64(ahead), .full)
        do {
          _ = try await stores[0].flush(stores[0].sole(journal), compute: fixture.compute)
        } catch let error as TallyError { #expect(error.status == .diskFull && error.isRetryable) }
        #expect(try stores[0].eventRows().count == rows)
      }
      _ = try await stores[0].flush(stores[0].sole(journal), compute: fixture.compute)
      #expect(try stores[0].eventRows().count == rows && stores[0].fileCount > 0)
    }
  }
  @Test func aDoctorTellsWhatIsBrokenAndWhom() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 2)
    let identity = DataDirectory.Identity(cluster: testCluster, node: testNode, name: "worker-1", role: .worker)
    try await fixture.disk.writeDurably(DataDirectory.identityPath, [DataDirectory.encode(identity)])
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      #expect(try await stores[0].flush(stores[0].sole(journal), compute: fixture.compute))
    }
    func examine() async throws -> Diagnosis { try await Diagnosis.examine(fixture.disk, compute: fixture.compute) }
    let sound = try await examine()
    #expect(sound.isSound && sound.shards.map(\.verdict) == [.sound, .sound], "\(sound.findings)")
    // A block of a file: its shard alone.
    let path = "shards/1/" + (try await fixture.segment(1))
    try fixture.disk.corrupt(path, at: 100, xor: 1)
    var found = try await examine()
    #expect(!found.isSound && found.shards.map(\.verdict) == [.damaged, .sound])
    #expect(found.findings.contains { $0.subject == "shard 1" && $0.message.contains(path) && $0.advice == Diagnosis.repair })
    try fixture.disk.corrupt(path, at: 100, xor: 1)
    // An entry of the journal: the shard whose it is.
    let journal = "wal/0000000000000001.journal"
    let groups = try await fixture.disk.readAll(journal).withUnsafeBytes {
      GroupScan.scan($0, file: 1, expecting: .anything, grows: false).groups
    }
    let victim = try #require(groups.flatMap(\.records).first { $0.shard == ShardID(2) && $0.body.count > 100 })
    try fixture.disk.corrupt(journal, at: victim.body.lowerBound + 50, xor: 1)
    found = try await examine()
    #expect(found.shards.map(\.verdict) == [.sound, .damaged])
    try fixture.disk.corrupt(journal, at: victim.body.lowerBound + 50, xor: 1)
    // A missing file, a mark, and something that is not ours.
    try await fixture.disk.rename(path, to: "elsewhere")
    let marks = [SyncFailures.line(at: 1, "fsync", "x"), SyncFailures.line(at: 2, "fsync", "y")]
    try await fixture.disk.writeDurably(SyncFailures.path, marks)
    found = try await examine()
    #expect(found.shards.map(\.verdict) == [.damaged, .sound])
    #expect(found.findings.contains { $0.subject == SyncFailures.path && !$0.isNote })
    #expect(found.findings.contains { $0.subject == "elsewhere" && $0.isNote })
  }
}
