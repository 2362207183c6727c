// PosixDiskTests.swift — files of a real file system: round trips, order, names, locks, refusals.
import Capabilities
import Glibc
import NodeRuntime
import Testing

private func onDisk(_ body: @escaping @Sendable (PosixDisk) async throws -> Void) async throws {
  try await withDirectory { path in
    let disk = try PosixDisk(root: path)
    defer { disk.stop() }
    try await onLoop { loop in
      try await body(disk)
      #expect(loop.isCurrent)
    }
  }
}

struct PosixDiskTests {
  @Test func writtenPiecesReadBack() async throws {
    try await onDisk { disk in
      for lane in [DiskLane.journal, .general] {
        let file = try await disk.open("f-\(lane)", .create, lane: lane)
        let pieces = (0..<300).map {
          [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: $0 * 7)
        }
        try await file.write(pieces, at: 3, sync: true)
        let all: [UInt8] = [0, 0, 0] + pieces.flatMap { $0 }
        #expect(try await file.size() == UInt64(all.count))
        #expect(try await file.read(at: 0, count: all.count) == all)
        #expect(try await file.read(at: UInt64(all.count - 2), count: 1 << 40).count == 2)
        #expect(try await file.read(at: 1 << 50, count: 10) == [])
        try await file.write([[], [1]], at: 0, sync: false)
        try await file.sync()
        #expect(try await file.read(at: 0, count: 2) == [1, 0])
        await file.close()
        await file.close()
        await #expect(throws: DiskFailure.self) { _ = try await file.size() }
      }
    }
  }

  @Test func overlappingOperationsOfAFileRunInOrder() async throws {
    try await onDisk { disk in
      let file = try await disk.open("f", .create)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for value in 0..<200 {
          group.addTask { try await file.write([[UInt8(value)]], at: 0, sync: false) }
        }
        try await group.waitForAll()
      }
      #expect(try await file.read(at: 0, count: 1) == [199])
    }
  }

  @Test func namesAreMadeListedRenamedAndRemoved() async throws {
    try await onDisk { disk in
      try await disk.createDirectory("a/b")
      try await disk.createDirectory("a/b")
      try await disk.syncDirectory("a")
      try await disk.writeDurably("a/b/two", [[1, 2], [3]])
      try await disk.writeDurably("a/b/one", [[9]])
      try await disk.writeDurably("a/b/one", [[8]])
      #expect(try await disk.list("a") == [DirectoryEntry(name: "b", isDirectory: true, size: 0)])
      #expect(try await disk.list("a/b").map(\.name) == ["one", "two"])
      #expect(try await disk.list("a/b").map(\.size) == [1, 3])
      #expect(try await disk.readAll("a/b/one") == [8])
      try await disk.rename("a/b/two", to: "a/b/one")
      let image = try await disk.map("a/b/one")
      #expect(Array(image.bytes) == [1, 2, 3])
      await expect(.exists) { try await disk.remove("a/b") }
      try await disk.remove("a/b/one")
      #expect(Array(image.bytes) == [1, 2, 3])
      try await disk.remove("a/b")
      #expect(try await disk.list("a") == [])
      #expect(try await disk.volume().freeBytes > 0)
    }
  }

  @Test func failuresNameTheirKind() async throws {
    try await onDisk { disk in
      await expect(.notFound) { _ = try await disk.open("none", .read) }
      await expect(.notFound) { _ = try await disk.map("none") }
      await expect(.notFound) { try await disk.remove("none") }
      await expect(.notFound) { try await disk.rename("none", to: "x") }
      _ = try await disk.open("f", .create)
      await expect(.exists) { _ = try await disk.open("f", .create) }
      for path in ["../f", "/etc/passwd", "a//b", "./f", "a/../../f"] {
        await expect(.io) { _ = try await disk.open(path, .read) }
      }
      let empty = try await disk.map("f")
      #expect(empty.bytes.isEmpty)
    }
  }

  @Test func lockExcludesOthersUntilReleased() async throws {
    try await withDirectory { path in
      let first = try PosixDisk(root: path)
      let second = try PosixDisk(root: path)
      let held = try await first.lock("lock")
      await expect(.locked) { _ = try await second.lock("lock") }
      held.release()
      held.release()
      let taken = try await second.lock("lock")
      taken.release()
      first.stop()
      second.stop()
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
