// ManifestTests.swift — edits, rollover, torn and rotten tails of a shard's manifest; data directories and who may use them.
import Bytes
import Capabilities
import Model
import Simulation
import Testing

@testable import Storage

private func file(_ number: UInt64) -> FileRecord {
  FileRecord(
    number: number,
    bytes: 100 * number,
    hash: Hash128(high: number, low: 1),
    sections: [
      SectionSummary(
        relation: TableID(10),
        slice: DaySlice(day: 3),
        rows: 5,
        low: LogPosition(1),
        high: LogPosition(2),
        hasPositions: false,
        minTime: 1,
        maxTime: 2,
        bytes: 10
      )
    ]
  )
}
private func state(_ position: UInt64) -> ShardState {
  var state = ShardState()
  state.position = LogPosition(position)
  state.schema = Events.schema(2, rollups: [Events.rollup()])
  state.rollups[TableID(20)] = RollupState(
    watermark: LogPosition(position),
    cut: LogPosition(1),
    coveredFrom: .min,
    floors: [3, .min]
  )
  state.rowsLogged[TableID(10)] = 7
  state.retention[TableID(10)] = RetentionState(before: 1, logTime: 2)
  return state
}

struct ManifestTests {
  private let shard = ShardID(4)
  private func make(_ disk: SimulatedDisk, rollover: Int = Manifest.rolloverBytes) async throws -> Manifest {
    let manifest = try await Manifest.create(disk: disk, cluster: testCluster, shard: shard, rollover: rollover)
    for number in 1...6 as ClosedRange<UInt64> {
      try await manifest.append(
        ManifestEdit(
          layoutPosition: LogPosition(number),
          added: [file(number)],
          dropped: number == 3 ? [SectionReference(file: 2, section: 0)] : [],
          removed: number == 5 ? [1, 2] : [],
          checkpoint: number % 2 == 0 ? state(number) : nil
        )
      )
    }
    return manifest
  }
  @Test func editsAddUp() async throws {
    let disk = SimulatedDisk(seed: 1)
    let made = try await make(disk)
    let opened = try await Manifest.open(disk: disk, cluster: testCluster, shard: shard)
    #expect(opened.contents == made.contents)
    #expect(opened.contents.files.keys.sorted() == [3, 4, 5, 6] && opened.contents.dropped == [])
    #expect(opened.contents.checkpoint == state(6) && opened.contents.layoutPosition == LogPosition(6))
  }
  @Test func aLongManifestIsReplacedAndTwoBeforeItAreKept() async throws {
    let disk = SimulatedDisk(seed: 1)
    let made = try await make(disk, rollover: 8192)
    let opened = try await Manifest.open(disk: disk, cluster: testCluster, shard: shard)
    #expect(opened.contents == made.contents)
    let names = try await disk.list("shards/4").map(\.name)
    #expect(names.filter { $0.hasPrefix("manifest-") }.count == 3 && names.contains("CURRENT"))
  }
  /// Found by simulation, seed 3: the disk was full while a long manifest was replaced; the next edit went into a file that was not
  /// there, or was not the one in use.
  @Test func anEditThatFindsNoRoomForANewFileIsMadeLater() async throws {
    var failures = 0
    for operation in 1...12 as ClosedRange<UInt64> {
      let disk = SimulatedDisk(seed: 1)
      let manifest = try await make(disk, rollover: 1)
      let before = manifest.contents
      disk.fail(operation: disk.operations + operation, .full)
      let edit = ManifestEdit(layoutPosition: LogPosition(7), added: [file(7)])
      do { try await manifest.append(edit) } catch let failure as DiskFailure where failure.kind == .full {
        failures += 1
        if manifest.contents == before { try await manifest.append(edit) }
      } catch is SimulatedCrash { continue }
      try await manifest.append(ManifestEdit(layoutPosition: LogPosition(8), added: [file(8)]))
      let opened = try await Manifest.open(disk: disk, cluster: testCluster, shard: shard)
      #expect(opened.contents == manifest.contents, "operation \(operation)")
      #expect(opened.contents.layoutPosition == LogPosition(8) && opened.contents.files.keys.sorted() == [3, 4, 5, 6, 7, 8])
    }
    #expect(failures > 4)
  }
  @Test func anUnfinishedEditIsLeftOutAndARottenOneIsRefused() async throws {
    let path = "shards/4/manifest-0000000000000001"
    for sector in 0..<3 {
      let disk = SimulatedDisk(seed: 1)
      _ = try await make(disk)
      let last = try await disk.readAll(path).withUnsafeBytes {
        GroupScan.scan($0, file: 1, expecting: .init(number: 1, previous: .zero), grows: true).groups[6]
      }
      let start = last.offset + sector * 512
      if start >= last.offset + last.header.bytes { break }
      let opened = try await disk.open(path, .readWrite)
      let zeros = [UInt8](repeating: 0, count: min(512, last.offset + last.header.bytes - start))
      try await opened.write([zeros], at: UInt64(start), sync: true)
      let torn = try await Manifest.open(disk: disk, cluster: testCluster, shard: shard)
      #expect(torn.contents.layoutPosition == LogPosition(5))
      try await torn.append(ManifestEdit(layoutPosition: LogPosition(9)))
      let again = try await Manifest.open(disk: disk, cluster: testCluster, shard: shard)
      #expect(again.contents.layoutPosition == LogPosition(9))
    }
    let disk = SimulatedDisk(seed: 1)
    _ = try await make(disk)
    try disk.corrupt(path, at: 4096 + 130, xor: 1)
    await #expect(throws: TallyError.self) { try await Manifest.open(disk: disk, cluster: testCluster, shard: shard) }
  }
  @Test func anotherShardsManifestIsRefused() async throws {
    let disk = SimulatedDisk(seed: 1)
    _ = try await make(disk)
    await #expect(throws: TallyError.self) {
      try await Manifest.open(disk: disk, cluster: ClusterID(high: 1, low: 1), shard: shard)
    }
  }
  @Test func theBytesOfAnEditStayAsTheyAre() throws {
    var contents = ManifestContents()
    contents.apply(ManifestEdit(layoutPosition: LogPosition(2), added: [file(1), file(2)], checkpoint: state(2)))
    let bytes = ManifestFormat.encode(contents.whole)
    #expect(Murmur3.hash(bytes).description == goldenEdit)
    #expect(try ManifestFormat.decode(bytes) == contents.whole)
    for count in bytes.indices {
      #expect(throws: DecodingFailure.self) { try ManifestFormat.decode(Array(bytes.prefix(count))) }
    }
    #expect(String(decoding: ManifestFormat.encodeCurrent(3), as: UTF8.self) == goldenCurrent)
  }
}

struct DataDirectoryTests {
  private let identity = DataDirectory.Identity(cluster: testCluster, node: testNode, name: "worker-1", role: .worker)

  @Test func aDirectoryKeepsItsOwner() async throws {
    let disk = SimulatedDisk(seed: 1)
    let first = try await DataDirectory.open(disk: disk, identity: identity)
    await #expect(throws: TallyError.self) { try await DataDirectory.open(disk: disk, identity: identity) }
    first.lock.release()
    let (lock, found) = try await DataDirectory.lock(disk: disk)
    #expect(found == identity)
    lock.release()
    for change in [
      { $0.cluster = ClusterID(high: 1, low: 1) }, { $0.node = NodeID(9) }, { $0.name = "worker-2" },
      { $0.role = .coordinator },
    ] as [(inout DataDirectory.Identity) -> Void] {
      var other = identity
      change(&other)
      await #expect { try await DataDirectory.open(disk: disk, identity: other) } throws: {
        ($0 as? TallyError)?.status == .wrongCluster
      }
    }
    try await DataDirectory.open(disk: disk, identity: identity).lock.release()
  }
  @Test func foreignFilesAndNewerFormatsAreRefused() async throws {
    let disk = SimulatedDisk(seed: 1)
    try await disk.writeDurably("notes.txt", [[1]])
    await #expect { try await DataDirectory.open(disk: disk, identity: identity) } throws: {
      ($0 as? TallyError)?.sqlState == "55000"
    }
    let other = SimulatedDisk(seed: 1)
    let text = String(decoding: DataDirectory.encode(identity), as: UTF8.self)
    try await other.writeDurably("IDENTITY", [Array(text.replacing("format 1", with: "format 2").utf8)])
    await #expect { try await DataDirectory.open(disk: other, identity: identity) } throws: {
      ($0 as? TallyError)?.status == .unsupported
    }
    let damaged = SimulatedDisk(seed: 1)
    try await damaged.writeDurably("IDENTITY", [Array(text.replacing("worker-1", with: "worker-7").utf8)])
    await #expect { try await DataDirectory.open(disk: damaged, identity: identity) } throws: {
      ($0 as? TallyError)?.status == .dataDamaged
    }
  }
}

private let goldenEdit = "1fe590597344209807b083f454af153f"
private let goldenCurrent = "manifest-0000000000000003 fdff4bbf\n"
