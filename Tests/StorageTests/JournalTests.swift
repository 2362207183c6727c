// JournalTests.swift — group commit, rotation, release, torn tails and rot of the journal on a simulated disk.
import Bytes
import Capabilities
import Model
import Simulation
import Testing

@testable import Storage

@Suite struct JournalTests {
  @Test func appendedRecordsComeBackInOrder() async throws {
    let disk = SimulatedDisk(seed: 1)
    let opened = try await openJournal(disk)
    #expect(opened.shards == [] && !opened.hadTornTail)
    let sent = try await withRunning(opened.journal) { () -> [JournalRecord] in
      var (a, b) = (TestLog(1), TestLog(2))
      var sent: [JournalRecord] = []
      for i in 0..<20 {
        let records = [a.next(noise(i * 37, UInt64(i))), b.next([UInt8](repeating: 0, count: i * 300))]
        _ = try await opened.journal.append(records)
        sent += records
      }
      return sent
    }
    let again = try await openJournal(disk)
    #expect(again.damages == [] && !again.hadTornTail)
    #expect(again.positions(of: ShardID(1)) == LogPosition(1)...LogPosition(20))
    #expect(try await allRecords(again) == sent)
  }
  @Test func callersAtTheSameTimeShareAGroup() async throws {
    let disk = SimulatedDisk(seed: 1)
    let opened = try await openJournal(disk)
    try await withRunning(opened.journal) {
      var log = TestLog(1)
      let promises = (0..<10).map { _ in opened.journal.enqueue([log.next(noise(100, 1))]) }
      var groups = Set<UInt64>()
      for promise in promises { groups.insert(try await promise.value.group) }
      #expect(groups.count <= 2)
      #expect(opened.journal.bytesInFlight == 0)
    }
  }
  /// Found by simulation: clients heard of an internal error, though other copies may have the records (D5).
  @Test func aFailedWriteLeavesTheOutcomeOpenAndEndsTheJournal() async throws {
    let disk = SimulatedDisk(seed: 1)
    let opened = try await openJournal(disk)
    let journal = opened.journal
    await #expect(throws: DiskFailure.self) {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await journal.run() }
        var log = TestLog(1)
        _ = try await journal.append([log.next(noise(100, 1))])
        // What the journal still does for the first must be over: the next operation is the write that fails.
        var seen: UInt64
        repeat {
          seen = disk.operations
          for _ in 0..<1000 { await Task.yield() }
        } while disk.operations != seen
        disk.fail(operation: disk.operations + 1, .io)
        let failed = journal.enqueue([log.next(noise(100, 2))])
        do { _ = try await failed.value } catch let error as TallyError { #expect(error.status == .unknownOutcome) }
        while try await group.next() != nil {}
      }
    }
    #expect(journal.diskFailure?.kind == .io)
    var late = TestLog(2)
    do { _ = try await journal.append([late.next(noise(100, 3))]) } catch let error as TallyError {
      #expect(error.status == .unknownOutcome)
    }
  }
  @Test func roomIsGivenInTheOrderOfCalls() async throws {
    let disk = SimulatedDisk(seed: 1)
    var settings = smallJournal()
    settings.inFlightBytesMax = 1000
    let opened = try await openJournal(disk, settings)
    try await withRunning(opened.journal) {
      var log = TestLog(1)
      for i in 0..<50 {
        try await opened.journal.reserve(600)
        _ = opened.journal.enqueue([log.next(noise(500, UInt64(i)))])
        #expect(opened.journal.bytesInFlight <= 1000 + 600)
      }
    }
    #expect(try await allRecords(try await openJournal(disk, settings)).count == 50)
  }
  @Test func filesRotateAndAreUnlinkedOldestFirst() async throws {
    let disk = SimulatedDisk(seed: 1)
    let opened = try await openJournal(disk)
    let journal = opened.journal
    try await withRunning(journal) {
      var (a, b) = (TestLog(1), TestLog(2))
      _ = try await journal.append([b.next(noise(10, 9))])
      for i in 0..<40 { _ = try await journal.append([a.next(noise(9000, UInt64(i)))]) }
      #expect(journal.pinnedBytes >= 6 * 64 << 10)
      #expect(journal.shardsPinningOldestFile == [ShardID(1), ShardID(2)])
      journal.release(ShardID(1), through: LogPosition(40))
      #expect(journal.shardsPinningOldestFile == [ShardID(2)])
      journal.release(ShardID(2), through: LogPosition(1))
      while journal.pinnedBytes > 64 << 10 { _ = try await journal.append([a.next([1])]) }
    }
    let names = try await disk.list("wal").map(\.name)
    #expect(names.count <= 3 && !names.contains("0000000000000001.journal"))
    let again = try await openJournal(disk)
    #expect(again.positions(of: ShardID(2)) == nil)
  }
  /// A tail that was cut away keeps no file, now and after a start.
  @Test func aTailThatWasCutAwayKeepsNothing() async throws {
    let disk = SimulatedDisk(seed: 1)
    let journal = try await openJournal(disk).journal
    try await withRunning(journal) {
      var log = TestLog(1)
      for i in 0..<3 { _ = try await journal.append([log.next(noise(100, UInt64(i)))]) }
      journal.release(ShardID(1), through: LogPosition(2))
      #expect(journal.shardsPinningOldestFile == [ShardID(1)])
      _ = try await journal.append([JournalRecord(shard: ShardID(1), entry: .cut(from: LogPosition(3), epoch: Epoch(2)))])
      #expect(journal.shardsPinningOldestFile == [])
    }
    let again = try await openJournal(disk).journal
    #expect(again.shardsPinningOldestFile == [ShardID(1)])
    again.release(ShardID(1), through: LogPosition(2))
    #expect(again.shardsPinningOldestFile == [])
  }
  /// A copy that begins again writes positions that were given back of its log before; after a removal there is nothing to find.
  @Test func aLogThatBeginsAgainIsKept() async throws {
    let disk = SimulatedDisk(seed: 1)
    let opened = try await openJournal(disk)
    let journal = opened.journal
    try await withRunning(journal) {
      var (log, anew, other) = (TestLog(1), TestLog(1), TestLog(2))
      for i in 0..<10 { _ = try await journal.append([log.next(noise(100, UInt64(i)))]) }
      journal.release(ShardID(1), through: LogPosition(10))
      _ = try await journal.append([JournalRecord(shard: ShardID(1), entry: .cut(from: LogPosition(1), epoch: Epoch(9)))])
      for i in 0..<3 { _ = try await journal.append([anew.next(noise(100, UInt64(i)))]) }
      #expect(journal.shardsPinningOldestFile == [ShardID(1)])
      for i in 0..<40 {
        _ = try await journal.append([other.next(noise(9000, UInt64(i)))])
        journal.release(ShardID(2), through: LogPosition(UInt64(i + 1)))
      }
      #expect(try await journal.entries(of: ShardID(1), from: LogPosition(1)).count == 3)
    }
    let again = try await openJournal(disk)
    #expect(again.positions(of: ShardID(1)) == LogPosition(1)...LogPosition(3))
    try await withRunning(again.journal) {
      let cut = JournalRecord(shard: ShardID(1), entry: .cut(from: LogPosition(1), epoch: Epoch(10)))
      _ = try await again.journal.append([cut])
      again.journal.forget(ShardID(1))
    }
    #expect(try await openJournal(disk).shards == [ShardID(2)])
  }
  @Test func aFileIsFullOfZerosBeforeItIsUsed() async throws {
    let disk = SimulatedDisk(seed: 1)
    let journal = try await openJournal(disk).journal
    try await withRunning(journal) {
      var log = TestLog(1)
      _ = try await journal.append([log.next([1])])
      // A write into it never changes its size, so that a torn one leaves zeros and not the end of the file (D3).
      #expect(try await disk.list("wal").filter { $0.name.hasSuffix(".journal") }.allSatisfy { $0.size == 64 << 10 })
      #expect(!journal.isOverCap)
    }
  }
  @Test func aCutVoidsWhatFollowsItAlsoWhenNothingReplacesIt() async throws {
    let disk = SimulatedDisk(seed: 1)
    let journal = try await openJournal(disk).journal
    try await withRunning(journal) {
      var log = TestLog(1)
      for body in 0..<5 { _ = try await journal.append([log.next([UInt8(body)])]) }
      _ = try await journal.append([JournalRecord(shard: ShardID(1), entry: .cut(from: LogPosition(3), epoch: Epoch(2)))])
    }
    let again = try await openJournal(disk)
    #expect(again.positions(of: ShardID(1)) == LogPosition(1)...LogPosition(2))
  }
  @Test func aRecordLargerThanAFileIsKept() async throws {
    let disk = SimulatedDisk(seed: 1)
    let opened = try await openJournal(disk)
    let sent = try await withRunning(opened.journal) { () -> [JournalRecord] in
      var log = TestLog(1)
      let sent = [log.next(noise(10, 1)), log.next(noise(300_000, 2)), log.next(noise(10, 3))]
      for record in sent { _ = try await opened.journal.append([record]) }
      return sent
    }
    #expect(try await allRecords(try await openJournal(disk)) == sent)
  }
  @Test func anotherNodesJournalIsRefused() async throws {
    let disk = SimulatedDisk(seed: 1)
    let opened = try await openJournal(disk)
    try await withRunning(opened.journal) {
      var log = TestLog(1)
      _ = try await opened.journal.append([log.next([1])])
    }
    await #expect(throws: TallyError.self) {
      try await Journal.open(disk: disk, cluster: testCluster, node: NodeID(8), settings: smallJournal())
    }
  }
  @Test func aHigherEpochVoidsWhatItReplaces() async throws {
    let disk = SimulatedDisk(seed: 1)
    let opened = try await openJournal(disk)
    let expected = try await withRunning(opened.journal) { () -> [JournalRecord] in
      var log = TestLog(1)
      let first = log.next([1])
      var fork = log
      let voided = [log.next([2]), log.next([3])]
      fork.epoch = Epoch(2)
      let kept = [fork.next([4]), fork.next([5])]
      for record in [first] + voided + kept { _ = try await opened.journal.append([record]) }
      return [first] + kept
    }
    #expect(try await allRecords(try await openJournal(disk)) == expected)
  }
  @Test func anUnfinishedGroupIsRemovedAndWrittenOver() async throws {
    for missing in 0..<11 {
      let (disk, sent) = try await fourGroups()
      let last = try #require(try await groups(disk).last)
      let sector = last.offset + 512 * missing
      if sector >= last.offset + last.header.bytes { break }
      try await blank(disk, sector..<min(sector + 512, last.offset + last.header.bytes))
      let again = try await openJournal(disk)
      #expect(again.hadTornTail && again.damages == [])
      #expect(try await allRecords(again) == Array(sent.prefix(3)))
      try await withRunning(again.journal) { _ = try await again.journal.append([sent[3]]) }
      let third = try await openJournal(disk)
      #expect(!third.hadTornTail)
      #expect(try await allRecords(third) == sent)
    }
  }
  @Test func nothingIsLeftOfAnUnfinishedGroupBehindAShorterOne() async throws {
    let (disk, sent) = try await fourGroups()
    let last = try #require(try await groups(disk).last)
    try await blank(disk, last.offset..<last.offset + 512)
    let again = try await openJournal(disk)
    #expect(again.hadTornTail)
    var log = TestLog(3)
    let short = log.next([1])
    try await withRunning(again.journal) { _ = try await again.journal.append([short]) }
    // The power was lost twice, and nothing else happened: no rot, and no second torn tail.
    let third = try await openJournal(disk)
    #expect(!third.hadTornTail && third.damages == [])
    #expect(try await allRecords(third) == sent.prefix(3) + [short])
  }
  @Test func aRottenBodyConcernsItsShardAlone() async throws {
    let (disk, _) = try await fourGroups()
    try disk.corrupt(firstFile, at: try await groups(disk)[1].offset + 3000, xor: 0x10)
    let opened = try await openJournal(disk)
    #expect(opened.damages.count == 1 && opened.damages.first?.shards == [ShardID(2)])
    #expect(opened.damage(concerning: ShardID(2)) != nil && opened.damage(concerning: ShardID(1)) == nil)
    #expect(try await allRecords(opened).count == 3)
  }
  @Test func aRottenHeaderConcernsAllThatNothingBehindItProves() async throws {
    let (disk, _) = try await fourGroups()
    try disk.corrupt(firstFile, at: try await groups(disk)[1].offset + 20, xor: 0x10)
    let opened = try await openJournal(disk)
    #expect(opened.damages.count == 1 && opened.damages.first?.shards == nil)
    #expect(opened.damage(concerning: ShardID(3)) != nil && opened.damage(concerning: ShardID(1)) == nil)
    #expect(opened.positions(of: ShardID(2)) == LogPosition(2)...LogPosition(2))
  }
  @Test func aRottenLastGroupMayHaveBeenAcknowledged() async throws {
    let (disk, _) = try await fourGroups()
    try disk.corrupt(firstFile, at: try await groups(disk)[3].offset + 250, xor: 0x10)
    let opened = try await openJournal(disk)
    #expect(!opened.hadTornTail && opened.damages.count == 1)
    #expect(opened.damage(concerning: ShardID(2)) != nil)
    // Writing goes on elsewhere and leaves the damage as it is.
    try await withRunning(opened.journal) {
      var log = TestLog(3)
      _ = try await opened.journal.append([log.next([1])])
    }
    let again = try await openJournal(disk)
    #expect(again.damages.count >= 1 && again.positions(of: ShardID(3)) != nil)
    #expect(again.damage(concerning: ShardID(2)) != nil)
  }
  /// Seeds 2356 and 2852: a write that went elsewhere hit a header, and the worker ended at every start.
  @Test func aBrokenHeaderIsWrittenAgainAndNothingIsLost() async throws {
    let (disk, _) = try await fourGroups()
    try disk.corrupt(firstFile, at: 9, xor: 0xff)
    try disk.corrupt(firstFile, at: 700, xor: 0xff)
    let opened = try await openJournal(disk)
    #expect(opened.mendedHeaders == [1] && opened.damages == [] && !opened.hadTornTail)
    #expect(opened.shards == [ShardID(1), ShardID(2)])
    let again = try await openJournal(disk)
    #expect(again.mendedHeaders == [] && again.damages == [])
  }
  /// Seed 3592: the write that went elsewhere brought a header that is sound, of another file.
  @Test func aHeaderOfAnotherFileIsWrittenAgainWhereTheGroupsTellWhoseItIs() async throws {
    let (disk, _) = try await fourGroups()
    for (magic, owner, number) in [(GroupFormat.journalMagic, testNode.rawValue, UInt64(9)), (GroupFormat.manifestMagic, 1, 1)] {
      try await put(
        GroupFormat.encode(GroupFormat.FileHeader(magic: magic, cluster: testCluster, owner: owner, number: number)),
        at: 0,
        in: firstFile,
        on: disk
      )
      let opened = try await openJournal(disk)
      #expect(opened.mendedHeaders == [1] && opened.damages == [] && !opened.hadTornTail)
      #expect(opened.shards == [ShardID(1), ShardID(2)])
    }
    // All of another file under this name is refused: its groups are not this one's.
    let whole = try await disk.readAll(firstFile)
    let number = UInt64(try await disk.list(JournalFormat.directory).count + 1)
    let other = try await disk.open(JournalFormat.path(number), .create)
    try await other.write([whole], at: 0, sync: true)
    await other.close()
    await #expect(throws: TallyError.self) { _ = try await openJournal(disk) }
  }
  @Test func aMissingFileIsRefused() async throws {
    let disk = SimulatedDisk(seed: 1)
    let opened = try await openJournal(disk)
    try await withRunning(opened.journal) {
      var log = TestLog(1)
      for i in 0..<20 { _ = try await opened.journal.append([log.next(noise(9000, UInt64(i)))]) }
    }
    try await disk.remove("wal/0000000000000002.journal")
    await #expect(throws: TallyError.self) { try await openJournal(disk) }
  }
  /// A copy that began again owes nothing to the log it had before: neither rot in that keeps it from starting, nor does it pin its files.
  @Test func rotOfALogThatBeganAgainConcernsItNoMore() async throws {
    let (disk, _) = try await fourGroups()
    let rotten = try await groups(disk)[1].offset
    try disk.corrupt(firstFile, at: rotten + 3000, xor: 0x10)
    let opened = try await openJournal(disk)
    #expect(opened.damage(concerning: ShardID(2)) != nil)
    try await withRunning(opened.journal) {
      var anew = TestLog(2)
      _ = try await opened.journal.append([JournalRecord(shard: ShardID(2), entry: .cut(from: LogPosition(1), epoch: Epoch(2)))])
      for i in 0..<2 { _ = try await opened.journal.append([anew.next(noise(5000, UInt64(i)))]) }
    }
    let again = try await openJournal(disk)
    #expect(again.damages.count == 1 && again.damage(concerning: ShardID(2)) == nil)
    #expect(again.positions(of: ShardID(2)) == LogPosition(1)...LogPosition(2))
    // A header is not readable either: then it is the place that tells.
    try disk.corrupt(firstFile, at: rotten + 20, xor: 0x10)
    let third = try await openJournal(disk)
    #expect(third.damages.first?.shards == nil && third.damage(concerning: ShardID(2)) == nil)
    // What rots behind the new beginning concerns it.
    try disk.corrupt(firstFile, at: try #require(try await groups(disk).last).offset + 3000, xor: 0x10)
    #expect(try await openJournal(disk).damage(concerning: ShardID(2)) != nil)
  }
  @Test func aLogThatBeganAgainNeedsNoFileFromBefore() async throws {
    let disk = SimulatedDisk(seed: 1)
    let opened = try await openJournal(disk)
    let finding = ScrubFinding(path: firstFile, shards: [ShardID(1)], message: "rot")
    try await withRunning(opened.journal) {
      var log = TestLog(1)
      for i in 0..<20 { _ = try await opened.journal.append([log.next(noise(9000, UInt64(i)))]) }
      #expect(opened.journal.concerned(by: finding).map(\.shard) == [ShardID(1)])
      _ = try await opened.journal.append([JournalRecord(shard: ShardID(1), entry: .cut(from: LogPosition(1), epoch: Epoch(2)))])
      #expect(opened.journal.concerned(by: finding).isEmpty)
    }
    #expect(try await openJournal(disk).journal.shardsPinningOldestFile == [])
  }
  private let firstFile = "wal/0000000000000001.journal"
  /// Four groups of one record of 5,000 bytes each, of shards 1, 2, 1, 2.
  private func fourGroups() async throws -> (SimulatedDisk, [JournalRecord]) {
    let disk = SimulatedDisk(seed: 1)
    let opened = try await openJournal(disk)
    return try await withRunning(opened.journal) {
      var logs = [TestLog(1), TestLog(2)]
      let sent = (0..<4).map { logs[$0 % 2].next(noise(5000, UInt64($0))) }
      for record in sent { _ = try await opened.journal.append([record]) }
      return (disk, sent)
    }
  }
  private func groups(_ disk: SimulatedDisk) async throws -> [GroupScan.Group] {
    try await disk.readAll(firstFile).withUnsafeBytes {
      GroupScan.scan($0, file: 1, expecting: .init(number: nil, previous: nil), grows: false).groups
    }
  }
  private func blank(_ disk: SimulatedDisk, _ range: Range<Int>) async throws {
    try await put([UInt8](repeating: 0, count: range.count), at: range.lowerBound, in: firstFile, on: disk)
  }
  private func put(_ bytes: [UInt8], at offset: Int, in path: String, on disk: SimulatedDisk) async throws {
    let file = try await disk.open(path, .readWrite)
    try await file.write([bytes], at: UInt64(offset), sync: true)
    await file.close()
  }
  @Test func aCrashAfterAnyOperationLosesNothingAcknowledged() throws {
    var cut: UInt64 = 1
    var runs = 0
    while true {
      var isDone = false
      for seed in 0..<4 as Range<UInt64> {
        let acknowledged = Shared<[JournalRecord]>([])
        let sent = Shared<[JournalRecord]>([])
        let world = SimulatedWorld(seed: seed &* 1000 &+ cut)
        let (count, cutAt) = (8, cut)
        let finished = try world.run { world -> Bool in
          let node = world.node("worker", host: "10.0.0.1")
          node.disk.crashAfter(operation: cutAt)
          var isFinished = true
          do {
            try await node.run { near in
              let opened = try await openJournal(near.disk, smallJournal(32 << 10))
              try await withRunning(opened.journal) {
                var logs = [TestLog(1), TestLog(2), TestLog(3)]
                for i in 0..<count {
                  let records = (0..<3).map { logs[$0].next(noise(i % 3 * 2500 + 10, UInt64(i * 3 + $0))) }
                  sent.update { $0 += records }
                  _ = try await opened.journal.append(records)
                  acknowledged.update { $0 += records }
                  if i == 5 { for log in logs { opened.journal.release(log.shard, through: LogPosition(3)) } }
                }
              }
            }
          } catch { isFinished = false }
          if node.isUp { node.crash() }
          node.restart()
          try await node.run { near in
            let opened = try await openJournal(near.disk, smallJournal(32 << 10))
            #expect(opened.damages == [])
            let found = try await allRecords(opened)
            for shard in 1...3 as ClosedRange<UInt64> {
              let of = { (records: [JournalRecord]) in records.filter { $0.shard == ShardID(shard) } }
              let (own, all, acked) = (of(found), of(sent.value), of(acknowledged.value))
              // A suffix may be there unacknowledged, a released prefix may be gone; in between everything is.
              let first = Int(own.first?.entry.position.rawValue ?? 1) - 1
              #expect(first <= 3)
              #expect(own == Array(all.dropFirst(first).prefix(own.count)))
              #expect(own.isEmpty ? acked.count <= 3 : own.count + first >= acked.count)
            }
          }
          return isFinished
        }
        runs += 1
        isDone = finished
      }
      if isDone { break }
      cut += 1
    }
    #expect(cut > 30, "only \(cut) operations")
  }
  @Test func theBytesOfAGroupStayAsTheyAre() {
    var log = TestLog(5)
    let group = GroupFormat.encode(
      file: 3,
      number: 9,
      knownDurable: 8,
      previous: Hash128(high: 1, low: 2),
      records: [log.next([1, 2, 3]), log.next([UInt8](repeating: 0, count: 1024))]
    )
    let bytes = Array(group.pieces.joined())
    #expect(bytes.count == group.bytes)
    #expect(Array(bytes.prefix(48)).map { String($0, radix: 16) }.joined(separator: " ") == goldenGroupStart)
    #expect(Murmur3.hash(bytes).description == goldenGroupHash)
    let header = GroupFormat.encode(
      GroupFormat.FileHeader(magic: GroupFormat.journalMagic, cluster: testCluster, owner: 7, number: 3)
    )
    #expect(header.count == 4096)
    #expect(header.prefix(48).map { String($0, radix: 16) }.joined(separator: " ") == goldenFileHeader)
  }
  @Test func everyBrokenHeaderIsAnError() {
    var log = TestLog(5)
    let group = GroupFormat.encode(
      file: 3,
      number: 9,
      knownDurable: 8,
      previous: .zero,
      records: [log.next(noise(700, 1))]
    )
    let bytes = Array(group.pieces.joined())
    for at in 0..<96 {
      var broken = bytes
      broken[at] ^= 0x40
      #expect(throws: DecodingFailure.self) { try broken.withUnsafeBytes { try GroupFormat.decodeHeader($0) } }
    }
    for count in 0..<96 {
      #expect(throws: DecodingFailure.self) {
        try Array(bytes.prefix(count)).withUnsafeBytes { try GroupFormat.decodeHeader($0) }
      }
    }
  }
}

private let goldenGroupStart =
  "54 47 52 31 db 5b 7e 93 60 0 0 0 2 0 0 0 3 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0 3 5 0 0 0 0 0 0 8 0 0 0 0 0 0 0"
private let goldenGroupHash = "6cacee3c7e4cab942d16818e5322afc8"
private let goldenFileHeader =
  "54 4a 46 31 1 0 0 0 ef cd ab 89 67 45 23 1 10 32 54 76 98 ba dc fe 7 0 0 0 0 0 0 0 3 0 0 0 0 0 0 0 0 0 0 0 89 74 12 80"
