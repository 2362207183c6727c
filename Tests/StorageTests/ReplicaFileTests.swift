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
    for at in sound.indices {
      for bit in 0..<8 {
        var rotten = sound
        rotten[at] ^= 1 << bit
        try await disk.writeDurably(Self.path, [rotten])
        await #expect(throws: TallyError.self) { try await ReplicaFile.read(of: Self.shard, disk) }
      }
      try await disk.writeDurably(Self.path, [Array(sound[..<at])])
      await #expect(throws: TallyError.self) { try await ReplicaFile.read(of: Self.shard, disk) }
    }
    // That of another shard.
    try await disk.writeDurably(Self.path, [Array(ReplicaFile.text(ReplicaID(56), ShardID(2)).utf8)])
    await #expect(throws: TallyError.self) { try await ReplicaFile.read(of: Self.shard, disk) }
  }
}
