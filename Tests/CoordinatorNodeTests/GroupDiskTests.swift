// What a coordinator has on its disk, through a kill or a power cut at every operation: nothing that was said to be durable is lost, and
// what a start has read stays read.
import Bytes
import Capabilities
import Consensus
import Model
import Simulation
import Testing

@testable import CoordinatorNode

private struct Killed: Error {}

/// A disk whose process is killed before its n-th operation that changes something; what the page cache holds stays.
private final class MortalDisk: Disk {
  let disk: SimulatedDisk
  private let left: Counter
  init(_ disk: SimulatedDisk, operations: Int) {
    self.disk = disk
    left = Counter(operations)
  }
  final class Counter: @unchecked Sendable {
    // Safe: one task uses it.
    var value: Int
    init(_ value: Int) { self.value = value }
    func spend() throws {
      value -= 1
      if value < 0 { throw Killed() }
    }
  }
  final class File: DiskFile {
    let file: any DiskFile
    let left: Counter
    init(_ file: any DiskFile, _ left: Counter) {
      self.file = file
      self.left = left
    }
    func read(at position: UInt64, count: Int) async throws -> [UInt8] { try await file.read(at: position, count: count) }
    func write(_ pieces: [[UInt8]], at position: UInt64, sync: Bool) async throws {
      try left.spend()
      try await file.write(pieces, at: position, sync: false)
      try left.spend()
      if sync { try await file.sync() }
    }
    func sync() async throws {
      try left.spend()
      try await file.sync()
    }
    func size() async throws -> UInt64 { try await file.size() }
    func close() async { await file.close() }
  }
  func open(_ path: String, _ mode: OpenMode, lane: DiskLane) async throws -> any DiskFile {
    if mode == .create { try left.spend() }
    return File(try await disk.open(path, mode, lane: lane), left)
  }
  func map(_ path: String) async throws -> FileImage { try await disk.map(path) }
  func list(_ directory: String) async throws -> [DirectoryEntry] { try await disk.list(directory) }
  func createDirectory(_ path: String) async throws {
    try left.spend()
    try await disk.createDirectory(path)
  }
  func rename(_ from: String, to: String) async throws {
    try left.spend()
    try await disk.rename(from, to: to)
  }
  func remove(_ path: String) async throws { try await disk.remove(path) }
  func syncDirectory(_ path: String) async throws {
    try left.spend()
    try await disk.syncDirectory(path)
  }
  func volume() async throws -> VolumeFacts { try await disk.volume() }
  func dropCached(_ path: String) async throws { try await disk.dropCached(path) }
  func lock(_ path: String) async throws -> any DiskLock { try await disk.lock(path) }
}

private struct Nowhere: Clock, Network, Random, Compute, EventLog {
  var now: Instant { Instant(nanoseconds: 0) }
  var wallMicroseconds: Int64 { 0 }
  func sleep(until deadline: Instant) async throws { throw CancellationError() }
  func alarm(at deadline: Instant, _ fire: @escaping @Sendable () -> Void) -> any Alarm { fatalError("no time passes nowhere") }
  func listen(on address: NetworkAddress) async throws -> any Listener { throw NetworkFailure(.refused, "nowhere") }
  func connect(to address: NetworkAddress, deadline: Instant) async throws -> any Connection { throw NetworkFailure(.refused, "nowhere") }
  func next() -> UInt64 { 77 }
  var width: Int { 1 }
  func run<R: Sendable>(_ work: @escaping @Sendable () -> R) async -> R { work() }
  func record(_ level: EventLevel, _ event: String, _ fields: [(String, String)]) {}
}

struct GroupDiskTests {
  private static let cluster = ClusterID(high: 3, low: 4)
  private static let founding = GroupOrigin.founding(name: "c", address: "h:1")
  private func surroundings(_ disk: any Disk) -> Surroundings {
    let nowhere = Nowhere()
    return Surroundings(clock: nowhere, network: nowhere, disk: disk, random: nowhere, compute: nowhere, log: nowhere)
  }
  /// What was said to be durable.
  private struct Promised {
    var hard = HardState()
    var last: UInt64 = 0
    var chain = Hash128.zero
  }
  /// Founds a log, votes, appends, replaces a tail, begins with a snapshot, appends; `promised` follows what is durable.
  private func live(on disk: any Disk, _ promised: inout Promised) async throws {
    let found = try await GroupDisk.open(surroundings(disk), cluster: Self.cluster, origin: Self.founding)
    var (group, log) = (found.disk, found.log)
    promised = Promised(hard: found.hard, last: log.last, chain: log.chain(at: log.last) ?? .zero)
    var number: UInt64 = 0
    func write(_ hard: HardState?, _ snapshot: RaftSnapshot?, _ records: [CommandRecord], _ promised: inout Promised) async throws {
      number += 1
      if let first = records.first, first.index <= log.last {
        // Until the new tail is durable neither is promised.
        promised.last = first.index - 1
        promised.chain = log.chain(at: first.index - 1) ?? .zero
        var shorter = RaftLog(log.snapshot)
        for record in log.records where record.index < first.index { shorter.restore(record) }
        log = shorter
      }
      for record in records { log.restore(record) }
      var all = records
      if let snapshot {
        let kept = log.records.filter { $0.index > snapshot.index }
        log = RaftLog(snapshot)
        for record in kept { log.restore(record) }
        all = kept
      }
      let chains = all.compactMap { log.chain(at: $0.index) }
      try await group.write([RaftWrite(number: number, hardState: hard, snapshot: snapshot, records: all, chains: chains)])
      if let hard { promised.hard = hard }
      promised.last = log.last
      promised.chain = log.chain(at: log.last) ?? .zero
    }
    func command(_ index: UInt64, _ term: UInt64) -> CommandRecord {
      CommandRecord(index: index, term: term, kind: .command, body: [UInt8](repeating: UInt8(index), count: 700))
    }
    try await write(HardState(term: 2, vote: MemberID(77)), nil, [], &promised)
    try await write(nil, nil, [command(2, 2), command(3, 2), command(4, 2)], &promised)
    try await write(HardState(term: 3), nil, [command(3, 3)], &promised)
    let snapshot = RaftSnapshot(index: 2, term: 2, chain: log.chain(at: 2) ?? .zero, members: log.members, state: [1, 2, 3])
    try await write(nil, snapshot, [], &promised)
    try await write(HardState(term: 4, vote: MemberID(5)), nil, [command(4, 4), command(5, 4)], &promised)
  }
  private func check(_ found: GroupDisk.Found, _ promised: Promised, _ what: String) {
    #expect(found.hard.term >= promised.hard.term, "\(what): term \(found.hard.term) of \(promised.hard.term)")
    if found.hard.term == promised.hard.term, promised.hard.vote != nil { #expect(found.hard.vote == promised.hard.vote, "\(what)") }
    if promised.last > 0 {
      #expect(found.log.last >= promised.last, "\(what): entries to \(found.log.last) of \(promised.last)")
      if promised.last >= found.log.snapshot.index {
        #expect(found.log.chain(at: promised.last) == promised.chain, "\(what): another history at \(promised.last)")
      }
    }
  }

  @Test func whatWasDurableSurvivesAKillAndThenAPowerCutAtEveryOperation() async throws {
    var kills = 0
    for operations in 0..<200 {
      let disk = SimulatedDisk(seed: UInt64(operations) &+ 5)
      var promised = Promised()
      do {
        try await live(on: MortalDisk(disk, operations: operations), &promised)
        break
      } catch is Killed { kills += 1 }
      let second = try await GroupDisk.open(surroundings(disk), cluster: Self.cluster, origin: Self.founding)
      check(second, promised, "killed at \(operations)")
      // The second process counts what it read as durable.
      let later = Promised(hard: second.hard, last: second.log.last, chain: second.log.chain(at: second.log.last) ?? .zero)
      let third = try await GroupDisk.open(surroundings(disk.crashAndRecover()), cluster: Self.cluster, origin: Self.founding)
      check(third, later, "killed at \(operations), power cut after a start")
      #expect(third.hard == second.hard && third.disk.member == second.disk.member)
    }
    #expect(kills > 25)
  }
  @Test func whatWasDurableSurvivesAPowerCutAtEveryOperation() async throws {
    var cuts = 0
    for operation in UInt64(1)..<200 {
      let disk = SimulatedDisk(seed: operation &* 31)
      disk.crashAfter(operation: operation)
      var promised = Promised()
      do {
        try await live(on: disk, &promised)
        break
      } catch is SimulatedCrash { cuts += 1 }
      let found = try await GroupDisk.open(surroundings(disk.crashAndRecover()), cluster: Self.cluster, origin: Self.founding)
      check(found, promised, "power cut at \(operation)")
    }
    #expect(cuts > 25)
  }
  @Test func howADirectoryCameToItsGroupIsToldFromWhatIsThere() async throws {
    let disk = SimulatedDisk(seed: 9)
    let near = surroundings(disk)
    func origin() async throws -> GroupOrigin? { try await GroupDisk.origin(near, cluster: Self.cluster, name: "c", address: "h:1") }
    #expect(try await origin() == nil)
    try await disk.createDirectory("meta")
    #expect(try await origin() == nil)
    // Killed after the vote file, before the log: a learner stays one, a founder founds.
    try await disk.writeDurably("meta/vote", [VoteFormat.encode(Self.cluster, member: MemberID(8), HardState())])
    if case .joining(let member)? = try await origin() { #expect(member == MemberID(8)) } else { Issue.record("not joining") }
    try await disk.writeDurably("meta/vote", [VoteFormat.encode(Self.cluster, member: MemberID(8), HardState(term: 1))])
    if case .founding? = try await origin() {} else { Issue.record("not founding") }
  }
  @Test func aLogOfVersion1BecomesTheSnapshotOfAGroupOfOne() async throws {
    let disk = SimulatedDisk(seed: 10)
    // As version 0.1 wrote it: bootstrap and a coordinator's registration, chained from zero.
    var bytes = CommandRecordFormat.header(Self.cluster)
    bytes[4] = 1
    var sum = CRC32C.checksum(Array(bytes[..<24]))
    for at in 0..<4 { bytes[24 + at] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * at)) }
    var (chain, catalog) = (Hash128.zero, Catalog())
    let commands: [CatalogCommand] = [
      .bootstrap(cluster: Self.cluster),
      .registerNode(name: "coordinator-1", role: .coordinator, address: "127.0.0.1:7400", previous: Incarnation(0)),
    ]
    for (at, command) in commands.enumerated() {
      let record = CommandRecord(index: UInt64(at + 1), term: 1, kind: .command, body: CatalogCommandFormat.encode(command))
      chain = CommandRecordFormat.link(record, after: chain)
      _ = catalog.apply(command, at: record.index)
      var encoded = CommandRecordFormat.encode(record, chain: chain, synced: 0)
      encoded.removeSubrange(41..<49)
      sum = CRC32C.checksum(Array(encoded[4...]))
      for place in 0..<4 { encoded[place] = UInt8(truncatingIfNeeded: sum >> UInt32(8 * place)) }
      bytes += encoded
    }
    try await disk.createDirectory("meta")
    try await disk.writeDurably("meta/catalog.log", [bytes])
    for _ in 0..<2 {
      let found = try await GroupDisk.open(surroundings(disk), cluster: Self.cluster, origin: Self.founding)
      #expect(found.log.snapshot.index == 2 && found.log.snapshot.chain == chain && found.hard.term == 1)
      #expect(found.log.snapshot.members.voters.map(\.id) == [found.disk.member])
      #expect(try CatalogCommandFormat.decodeState(found.log.snapshot.state).snapshot == catalog.snapshot)
    }
  }
}
