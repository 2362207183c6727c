// WrappedDisk.swift — a simulated disk of which a test changes one thing: everything else is passed on.
import Capabilities
import Simulation

/// A disk before another.
protocol WrappedDisk: Disk {
  var disk: SimulatedDisk { get }
}

extension WrappedDisk {
  func open(_ path: String, _ mode: OpenMode, lane: DiskLane) async throws -> any DiskFile {
    try await disk.open(path, mode, lane: lane)
  }
  func map(_ path: String) async throws -> FileImage { try await disk.map(path) }
  func list(_ directory: String) async throws -> [DirectoryEntry] { try await disk.list(directory) }
  func createDirectory(_ path: String) async throws { try await disk.createDirectory(path) }
  func rename(_ from: String, to: String) async throws { try await disk.rename(from, to: to) }
  func remove(_ path: String) async throws { try await disk.remove(path) }
  func syncDirectory(_ path: String) async throws { try await disk.syncDirectory(path) }
  func volume() async throws -> VolumeFacts { try await disk.volume() }
  func dropCached(_ path: String) async throws { try await disk.dropCached(path) }
  func lock(_ path: String) async throws -> any DiskLock { try await disk.lock(path) }
}
