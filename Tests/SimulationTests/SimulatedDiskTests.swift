// SimulatedDiskTests.swift — what survives crashes, crash points, injected failures.
import Capabilities
import Simulation
import Testing

struct SimulatedDiskTests {
  private func contents(_ disk: SimulatedDisk, _ path: String) async throws -> [UInt8]? {
    do { return try await disk.readAll(path) } catch let failure as DiskFailure
      where failure.kind == .notFound
    { return nil }
  }

  @Test func syncedDataSurvivesAndUnsyncedDataMayNot() async throws {
    var outcomes: Set<String> = []
    for seed in UInt64(0)..<200 {
      let disk = SimulatedDisk(seed: seed)
      let file = try await disk.open("f", .create)
      let old = [UInt8](repeating: 1, count: 4096)
      let new = [UInt8](repeating: 2, count: 4096)
      try await file.write([old], at: 0, sync: true)
      try await disk.syncDirectory("")
      try await file.write([new], at: 0, sync: false)
      let after = disk.crashAndRecover()
      await #expect(throws: SimulatedCrash.self) { _ = try await file.size() }
      let left = try #require(try await contents(after, "f"))
      #expect(left.count == 4096)
      for sector in 0..<8 {
        let bytes = left[sector * 512..<(sector + 1) * 512]
        #expect(bytes.allSatisfy { $0 == bytes.first })
      }
      outcomes.insert(left == old ? "lost" : left == new ? "kept" : "torn")
    }
    #expect(outcomes == ["lost", "kept", "torn"])
  }

  @Test func appendedDataMayLeaveZerosOrNothing() async throws {
    var outcomes: Set<String> = []
    for seed in UInt64(0)..<300 {
      let disk = SimulatedDisk(seed: seed)
      try await disk.writeDurably("f", [[UInt8](repeating: 1, count: 700)])
      let file = try await disk.open("f", .readWrite)
      try await file.write([[UInt8](repeating: 2, count: 3000)], at: 700, sync: false)
      let left = try #require(try await contents(disk.crashAndRecover(), "f"))
      #expect(left.prefix(700).allSatisfy { $0 == 1 })
      outcomes.insert(
        left.count == 700
          ? "lost" : left.count < 3700 ? "short" : left.contains(0) ? "holes" : "kept"
      )
    }
    #expect(outcomes == ["lost", "short", "holes", "kept"])
  }

  @Test func renameWithoutDirectorySyncMayBeLost() async throws {
    var outcomes: Set<String> = []
    for seed in UInt64(0)..<50 {
      let disk = SimulatedDisk(seed: seed)
      try await disk.writeDurably("f", [[1]])
      try await disk.writeDurably("g", [[2]])
      try await disk.rename("g", to: "f")
      let after = disk.crashAndRecover()
      let (f, g) = (try await contents(after, "f"), try await contents(after, "g"))
      #expect(f == [1] && g == [2] || f == [2] && g == nil)
      outcomes.insert(g == nil ? "kept" : "lost")
    }
    #expect(outcomes == ["kept", "lost"])
  }

  @Test func unsyncedDirectoriesTakeTheirFilesWithThem() async throws {
    var outcomes: Set<Bool> = []
    for seed in UInt64(0)..<50 {
      let disk = SimulatedDisk(seed: seed)
      try await disk.createDirectory("a/b")
      try await disk.writeDurably("a/b/f", [[1]])
      outcomes.insert(try await contents(disk.crashAndRecover(), "a/b/f") == [1])
      let synced = SimulatedDisk(seed: seed)
      try await synced.createDirectory("a/b")
      try await synced.syncDirectory("")
      try await synced.syncDirectory("a")
      try await synced.writeDurably("a/b/f", [[1]])
      #expect(try await contents(synced.crashAndRecover(), "a/b/f") == [1])
    }
    #expect(outcomes == [true, false])
  }

  @Test func crashAfterEveryOperationLeavesTheOldFileOrTheNew() async throws {
    let whole = SimulatedDisk(seed: 1)
    try await whole.writeDurably("f", [[1, 1, 1]])
    let before = whole.operations
    try await whole.writeDurably("f", [[2, 2, 2]])
    #expect(whole.operations > before)
    for point in (before + 1)...whole.operations {
      for seed in UInt64(0)..<20 {
        let disk = SimulatedDisk(seed: seed)
        try await disk.writeDurably("f", [[1, 1, 1]])
        disk.crashAfter(operation: point)
        await #expect(throws: SimulatedCrash.self) {
          try await disk.writeDurably("f", [[2, 2, 2]])
        }
        #expect(disk.isCrashed)
        let left = try await contents(disk.crashAndRecover(), "f")
        #expect(left == [1, 1, 1] || left == [2, 2, 2])
      }
    }
  }

  @Test func sameSeedSurvivesTheSameWay() async throws {
    func once() async throws -> [UInt8]? {
      let disk = SimulatedDisk(seed: 77)
      try await disk.writeDurably("f", [[UInt8](repeating: 1, count: 5000)])
      let file = try await disk.open("f", .readWrite)
      for index in 0..<10 {
        try await file.write(
          [[UInt8](repeating: UInt8(index), count: 900)],
          at: UInt64(index * 700),
          sync: false
        )
      }
      return try await contents(disk.crashAndRecover(), "f")
    }
    #expect(try await once() == once())
  }

  @Test func injectedFailuresCapacityLocksAndCorruption() async throws {
    let disk = SimulatedDisk(seed: 1, capacity: 1000)
    let file = try await disk.open("f", .create)
    disk.fail(operation: 2, .io)
    await expect(.io) { try await file.write([[1, 2, 3]], at: 0, sync: false) }
    try await file.write([[1, 2, 3]], at: 0, sync: true)
    await expect(.full) {
      try await file.write([[UInt8](repeating: 0, count: 2000)], at: 0, sync: false)
    }
    #expect(try await disk.volume().freeBytes == 997)
    disk.failRead(after: 0, .io)
    await expect(.io) { _ = try await file.read(at: 0, count: 3) }
    try disk.corrupt("f", at: 1, xor: 0xFF)
    #expect(try await file.read(at: 0, count: 3) == [1, 0xFD, 3])
    let lock = try await disk.lock("lock")
    await expect(.locked) { _ = try await disk.lock("lock") }
    lock.release()
    _ = try await disk.lock("lock")
    disk.fail(operation: disk.operations + 1, .io)
    await #expect(throws: SimulatedCrash.self) { try await file.sync() }
    #expect(disk.isCrashed)
  }

  @Test func crashPointOnANodeStopsTheNode() throws {
    let world = SimulatedWorld(seed: 5)
    try world.run { world in
      let node = world.node("n", host: "h")
      node.disk.crashAfter(operation: 3)
      let result = node.start { near in try await near.disk.writeDurably("f", [[1]]) }
      await #expect(throws: (any Error).self) { try await result.value }
      #expect(!node.isUp)
      node.restart()
      let entries = try await node.run { near in try await near.disk.list("") }
      #expect(entries.count <= 1)
      try await node.run { near in try await near.disk.writeDurably("f", [[2]]) }
      #expect(try await node.run { near in try await near.disk.readAll("f") } == [2])
    }
  }

  private func expect(_ kind: DiskFailure.Kind, _ body: () async throws -> Void) async {
    do {
      try await body()
      Issue.record("nothing failed")
    } catch {
      #expect((error as? DiskFailure)?.kind == kind)
    }
  }
}
