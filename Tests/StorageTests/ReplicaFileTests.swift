import Capabilities
import Model
import Simulation
import Testing

@testable import Storage

@Suite struct ReplicaFileTests {
  private static let shard = ShardID(1)
  private static let path = ReplicaFile.path(shard)
  /// A disk with the directory of a shard.
  private static func disk() async throws -> SimulatedDisk {
    let disk = SimulatedDisk(seed: 1)
    _ = try await ShardStore.create(disk: disk, clock: HandClock(), cluster: testCluster, shard: shard)
    return disk
  }

  @Test func theNumberIsReadAsItWasWritten() async throws {
    let disk = try await Self.disk()
    #expect(try await ReplicaFile.read(of: Self.shard, disk) == ReplicaID(0))
    for number: UInt64 in [1, 6, 4711, .max] {
      try await ReplicaFile.write(ReplicaID(number), of: Self.shard, disk)
      #expect(try await ReplicaFile.read(of: Self.shard, disk) == ReplicaID(number))
    }
    #expect(ReplicaFile.text(ReplicaID(6), Self.shard) == "6 0319ef37\n")
  }
  @Test func theNumberAloneIsReadToo() async throws {
    let disk = try await Self.disk()
    try await disk.writeDurably(Self.path, [Array("6\n".utf8)])
    #expect(try await ReplicaFile.read(of: Self.shard, disk) == ReplicaID(6))
  }
  /// Seed 5855: one digit rotted into another copy's number.
  @Test func noByteChangesIntoAnotherNumber() async throws {
    let disk = try await Self.disk()
    let sound = Array(ReplicaFile.text(ReplicaID(56), Self.shard).utf8)
    func put(_ bytes: [UInt8]) async throws {
      for path in [Self.path, ReplicaFile.twin(Self.shard)] { try await disk.writeDurably(path, [bytes]) }
    }
    for at in sound.indices {
      for bit in 0..<8 {
        var rotten = sound
        rotten[at] ^= 1 << bit
        try await put(rotten)
        await #expect(throws: TallyError.self) { try await ReplicaFile.read(of: Self.shard, disk) }
      }
      try await put(Array(sound[..<at]))
      await #expect(throws: TallyError.self) { try await ReplicaFile.read(of: Self.shard, disk) }
    }
    // That of another shard.
    try await put(Array(ReplicaFile.text(ReplicaID(56), ShardID(2)).utf8))
    await #expect(throws: TallyError.self) { try await ReplicaFile.read(of: Self.shard, disk) }
  }
  /// Seed 6212: the only copy that counted did not know which it was, for one bit.
  @Test func oneSoundFileIsEnough() async throws {
    let disk = try await Self.disk()
    let paths = [Self.path, ReplicaFile.twin(Self.shard)]
    let sound = Array(ReplicaFile.text(ReplicaID(56), Self.shard).utf8)
    for path in paths {
      for spoiled: [UInt8]? in [[UInt8](repeating: 0, count: sound.count), [], Array("56 0319ef37\n".utf8), nil] {
        try await ReplicaFile.write(ReplicaID(56), of: Self.shard, disk)
        if let spoiled { try await disk.writeDurably(path, [spoiled]) } else { try await disk.remove(path) }
        #expect(try await ReplicaFile.read(of: Self.shard, disk) == ReplicaID(56))
        #expect(try await disk.content(of: path) == spoiled, "reading changes nothing")
        #expect(try await ReplicaFile.mend(of: Self.shard, disk) == ReplicaID(56))
        for path in paths { #expect(try await disk.readAll(path) == sound) }
      }
    }
    // A crash between the two: the first is the newer one.
    try await disk.writeDurably(Self.path, [Array(ReplicaFile.text(ReplicaID(57), Self.shard).utf8)])
    #expect(try await ReplicaFile.mend(of: Self.shard, disk) == ReplicaID(57))
    #expect(try await disk.readAll(paths[1]) == Array(ReplicaFile.text(ReplicaID(57), Self.shard).utf8))
  }
}

extension SimulatedDisk {
  /// A file's bytes; nil without one.
  fileprivate func content(of path: String) async throws -> [UInt8]? {
    do { return try await readAll(path) } catch let failure as DiskFailure where failure.kind == .notFound { return nil }
  }
}
