// SalvageTests.swift — an operator gives up what cannot be read of a shard: what that costs is told before, the rest starts, nothing that
// was kept is taken twice, and a salvage that was cut off anywhere is completed by the same order.
import Bytes
import Capabilities
import Columns
import Model
import Simulation
import Synchronization
import Testing

@testable import Storage

struct SalvageTests {
  private static let shard = ShardID(1)
  private static let journalPath = "wal/0000000000000001.journal"

  /// Every file with its bytes.
  private func contents(_ disk: SimulatedDisk, below directory: String = "") async throws -> [String: [UInt8]] {
    var found: [String: [UInt8]] = [:]
    for entry in try await disk.list(directory) {
      let path = directory.isEmpty ? entry.name : directory + "/" + entry.name
      if entry.isDirectory {
        found.merge(try await contents(disk, below: path)) { $1 }
      } else {
        found[path] = try await disk.readAll(path)
      }
    }
    return found
  }
  private func examine(_ fixture: Fixture, mending: Bool = false) async throws -> SalvageFindings {
    let opened = try await Journal.open(
      disk: fixture.disk,
      cluster: testCluster,
      node: testNode,
      settings: smallJournal(),
      mending: mending
    )
    return try await Salvage.examine(
      Self.shard,
      disk: fixture.disk,
      clock: fixture.clock,
      compute: fixture.compute,
      cluster: testCluster,
      journal: opened
    )
  }
  @discardableResult private func salvage(_ fixture: Fixture, on disk: (any Disk)? = nil) async throws -> SalvageRecord {
    let disk = disk ?? fixture.disk
    let opened = try await openJournal(disk)
    return try await withRunning(opened.journal) {
      let found = try await Salvage.examine(
        Self.shard,
        disk: disk,
        clock: fixture.clock,
        compute: fixture.compute,
        cluster: testCluster,
        journal: opened
      )
      return try await Salvage.carryOut(
        found,
        reason: "a test",
        disk: disk,
        clock: fixture.clock,
        compute: fixture.compute,
        cluster: testCluster,
        journal: opened
      )
    }
  }
  /// Has the second of four batches rot.
  private func rotten() async throws -> Fixture {
    let fixture = Fixture()
    try await fixture.fill(days: 4)
    let groups = try await fixture.disk.readAll(Self.journalPath).withUnsafeBytes {
      GroupScan.scan($0, file: 1, expecting: .init(number: nil, previous: nil), grows: false).groups
    }
    let victim = try #require(groups.flatMap(\.records).first { $0.shard == Self.shard && $0.position == LogPosition(4) })
    try fixture.disk.corrupt(Self.journalPath, at: victim.body.lowerBound + 500, xor: 4)
    return fixture
  }
  private func isRefused(_ fixture: Fixture) async throws -> Bool {
    let recovered = try await fixture.recover(try await openJournal(fixture.disk))
    #expect(throws: Never.self) { try recovered[1].outcome.get() }
    do { _ = try recovered[0].outcome.get() } catch { return true }
    return false
  }
  /// The first batch is there and known, the others are not; they are taken anew, and all of that outlives a restart.
  private func goesOn(_ fixture: Fixture) async throws {
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      #expect(try stores[1].eventRows().count == 1600)
      let store = stores[0]
      #expect(try store.eventRows().map(\.id).sorted() == (0..<400).map { Int64($0) })
      let entry = try store.beginEpoch(Epoch(9), node: testNode)
      _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
      try store.commit(through: entry.position)
      let rows = try store.eventRows().sorted()
      guard case .duplicate = try await store.add(rows, sequence: 0, journal) else { return #expect(Bool(false), "taken twice") }
      let again = rows.map { EventRow(tenant: $0.tenant, time: $0.time + dayMicroseconds, id: $0.id + 1000) }
      guard case .appended = try await store.add(again, sequence: 1, journal) else { return #expect(Bool(false), "not taken") }
    }
    try await fixture.start { (stores: [ShardStore], _: Journal) async throws -> Void in
      #expect(try stores[0].eventRows().count == 800)
    }
  }

  @Test func theCostIsToldAndNothingChanges() async throws {
    let fixture = try await rotten()
    let before = try await contents(fixture.disk)
    let found = try await examine(fixture)
    #expect(try await contents(fixture.disk) == before)
    #expect(found.kept == LogPosition(3) && found.known == LogPosition(6) && found.lostEntries == 3 && !found.isSound)
    #expect(found.unreadable.map(\.position) == [LogPosition(4)] && found.unreadable.map(\.kind) == ["batch"])
    #expect(found.stranded.map(\.rows) == [800] && found.stranded.map(\.relation) == ["events"])
    #expect(found.stranded.map(\.tenants) == [(0..<7).map { "\($0)" }])
    #expect(found.stranded[0].times?.low == "2025-12-30 00:00:00+00" && found.stranded[0].positions == LogPosition(5)...LogPosition(6))
    #expect(found.what.hasPrefix("log entries 4 to at least 6; 800 rows of events in batch entries"))
  }
  @Test func aRottenEntryIsGivenUpAndWhatIsKeptIsNotTakenTwice() async throws {
    let fixture = try await rotten()
    #expect(try await isRefused(fixture))
    let journal = try await fixture.disk.readAll(Self.journalPath)
    let record = try await salvage(fixture)
    #expect(record.isDone && record.kept == LogPosition(3) && record.known == LogPosition(6) && record.entries == 3)
    #expect(try await SalvageFile.readAll(cluster: testCluster, disk: fixture.disk) == [record])
    let kept = try await contents(fixture.disk, below: Salvage.directory)
    #expect(Array(kept.values) == [journal])
    try await goesOn(fixture)
    // A second look finds nothing.
    #expect(try await examine(fixture).isSound)
  }
  /// Cut off after every step that can be told apart, then done again.
  @Test func aSalvageThatWasCutOffIsCompletedByTheSameOrder() async throws {
    var (steps, isDone) = (0, false)
    while !isDone {
      let fixture = try await rotten()
      let disk = EndingDisk(fixture.disk, after: steps)
      do {
        try await salvage(fixture, on: disk)
        isDone = true
      } catch {
        #expect(disk.isOver, "step \(steps): \(error)")
        // Only when its last step, the record's, was the one that failed is it done all the same.
        if try await isRefused(fixture) { try await salvage(fixture) }
      }
      let records = try await SalvageFile.readAll(cluster: testCluster, disk: fixture.disk)
      #expect(records.count == 1 && records[0].isDone && records[0].kept == LogPosition(3), "step \(steps): \(records)")
      try await goesOn(fixture)
      steps += 1
    }
    #expect(steps > 15)
  }
  /// One block of one of four sections: the other sections stay, in a file of their own.
  @Test func aRottenBlockIsGivenUpAndTheOthersStay() async throws {
    for place in ["a block", "the header", "missing"] {
      let fixture = Fixture()
      let rollup = Events.rollup()
      try await fixture.fill(days: 4, rollups: [rollup])
      var states: [BucketRow: [Int64]] = [:]
      try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
        for store in stores {
          try await store.roll(rollup, journal)
          #expect(try await store.flush(store.sole(journal), compute: fixture.compute))
        }
        states = try stores[0].buckets(rollup, 0)
      }
      let path = "shards/1/" + (try await fixture.segment(1))
      let image = FileImage(copying: try await fixture.disk.readAll(path))
      let section = try #require(try SegmentReader.open(image: image).first { $0.summary.relation == TableID(10) })
      switch place {
      case "a block": try fixture.disk.corrupt(path, at: section.place(ofBlock: 0, column: 2).lowerBound + 3, xor: 1)
      case "the header": try fixture.disk.corrupt(path, at: 20, xor: 1)
      default: try await fixture.disk.remove(path)
      }
      let found = try await examine(fixture)
      #expect(found.stops.isEmpty && found.files.map(\.path) == [path])
      let record = try await salvage(fixture)
      #expect(record.rows == UInt64(found.lostRows) && record.entries == 0)
      if place == "a block" {
        #expect(found.lostRows == 400 && record.what == "400 of 400 rows of events in \(path)")
        let lost = try #require(found.files[0].sections.first { $0.lost > 0 })
        #expect(lost.tenants?.low == "0" && lost.tenants?.high == "6" && lost.times?.low == "2025-12-28 00:00:00+00")
      }
      if place != "missing" { #expect(try await contents(fixture.disk, below: Salvage.directory).count == 1) }
      try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
        let store = stores[0]
        #expect(try store.eventRows().count == (place == "a block" ? 1200 : 0))
        #expect(try store.buckets(rollup, 0) == (place == "a block" ? states : [:]))
        let entry = try store.beginEpoch(Epoch(9), node: testNode)
        _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
        try store.commit(through: entry.position)
        // What was lost was taken before, and counted.
        let rows = (0..<400).map { EventRow(tenant: Int64($0 % 7), time: newYear - 4 * dayMicroseconds + Int64($0), id: Int64($0)) }
        guard case .duplicate = try await store.add(rows, sequence: 0, journal) else { return #expect(Bool(false), "taken twice") }
      }
      #expect(try await examine(fixture).isSound)
    }
  }
  @Test func recordsAreReadAsTheyWereWritten() throws {
    let record = SalvageRecord(
      shard: ShardID(3),
      replica: ReplicaID(4),
      isDone: true,
      kept: LogPosition(5),
      known: LogPosition(9),
      entries: 4,
      rows: 6,
      time: 7,
      reason: "fire",
      what: "much"
    )
    var out = ByteWriter()
    out.bytes([0x54, 0x53, 0x4c, 0x56, 1, 0, 0, 0])
    for number in [testCluster.high, testCluster.low, 3] { out.u64(number) }
    out.bytes([1, 1])
    for number in [4, 5, 9, 4, 6, 7] as [UInt64] { out.u64(number) }
    out.bytes([4] + Array("fire".utf8) + [4] + Array("much".utf8))
    out.u32(out.withBytes { CRC32C.checksum($0) })
    let bytes = out.finish()
    #expect(SalvageFile.encode(testCluster, ShardID(3), [record]) == bytes)
    #expect(try SalvageFile.decode(bytes).records == [record])
    for at in bytes.indices {
      var broken = bytes
      broken[at] ^= 1
      #expect(throws: DecodingFailure.self) { try SalvageFile.decode(broken) }
      #expect(throws: DecodingFailure.self) { try SalvageFile.decode(Array(bytes[..<at])) }
    }
  }
}

/// A disk that fails for good after so many changes of its names.
private final class EndingDisk: WrappedDisk {
  let disk: SimulatedDisk
  private let left: Mutex<Int>
  init(_ disk: SimulatedDisk, after count: Int) {
    self.disk = disk
    left = Mutex(count)
  }
  var isOver: Bool { left.withLock { $0 < 0 } }
  private func step() throws {
    let left = left.withLock { left in
      left -= 1
      return left
    }
    if left < 0 { throw DiskFailure(.io, "the disk is gone") }
  }
  func open(_ path: String, _ mode: OpenMode, lane: DiskLane) async throws -> any DiskFile {
    if mode != .read { try step() }
    return try await disk.open(path, mode, lane: lane)
  }
  func createDirectory(_ path: String) async throws {
    try step()
    try await disk.createDirectory(path)
  }
  func rename(_ from: String, to: String) async throws {
    try step()
    try await disk.rename(from, to: to)
  }
  func syncDirectory(_ path: String) async throws {
    try step()
    try await disk.syncDirectory(path)
  }
}
