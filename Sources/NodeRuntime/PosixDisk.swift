// PosixDisk.swift — the Disk capability on a directory of a real file system.
//
// Blocking calls run on the disk's own threads: one for the journal lane (so that an append and its fdatasync are one
// hop, and never wait behind reads), a few for everything else. Operations of one file run in the order of their calls.
// Paths are relative to the root, and cannot leave it. Files are private to the user (0600, directories 0700).
internal import Bytes
internal import CUV
public import Capabilities
internal import Glibc

/// Files below a directory.
public final class PosixDisk: Disk {
  private let root: String
  private let general: WorkThreads
  private let journal: WorkThreads

  /// Uses `root`, creating it when missing.
  public init(root: String, threads: Int = 3) throws {
    self.root = root
    if mkdir(root, 0o700) != 0 && errno != EEXIST {
      throw SystemCalls.failure("mkdir", root, errno)
    }
    SystemCalls.markFailures(in: root + "/" + SyncFailures.path)
    general = WorkThreads(count: max(1, threads))
    journal = WorkThreads(count: 1)
  }
  /// Finishes queued operations and ends the threads; nothing may be called afterwards.
  public func stop() {
    journal.finish()
    general.finish()
  }

  private func resolve(_ path: String) throws -> String {
    if path.isEmpty { return root }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    if parts.contains("") || parts.contains(".") || parts.contains("..") || path.utf8.contains(0) {
      throw DiskFailure(.io, "'\(path)' is not a plain path below the data directory")
    }
    return root + "/" + path
  }
  private func inGeneral<R: Sendable>(_ work: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
      general.submit { continuation.resume(with: Result { try work() }) }
    }
  }

  /// Opens a file.
  public func open(_ path: String, _ mode: OpenMode, lane: DiskLane) async throws -> any DiskFile {
    let full = try resolve(path)
    let threads = lane == .journal ? journal : general
    return try await inGeneral {
      let flags: Int32
      switch mode {
      case .read: flags = O_RDONLY
      case .readWrite: flags = O_RDWR
      case .create: flags = O_RDWR | O_CREAT | O_EXCL
      }
      let descriptor = try SystemCalls.retrying("open", full) {
        Glibc.open(full, flags | O_CLOEXEC, 0o600)
      }
      return PosixFile(descriptor, full, threads)
    }
  }
  /// Maps a file.
  public func map(_ path: String) async throws -> FileImage {
    let full = try resolve(path)
    return try await inGeneral { try SystemCalls.map(full) }
  }
  /// Lists a directory.
  public func list(_ directory: String) async throws -> [DirectoryEntry] {
    let full = try resolve(directory)
    return try await inGeneral { try SystemCalls.list(full) }
  }
  /// Creates a directory and its parents.
  public func createDirectory(_ path: String) async throws {
    _ = try resolve(path)
    let root = self.root
    try await inGeneral {
      var full = root
      for part in path.split(separator: "/") {
        full += "/" + part
        if mkdir(full, 0o700) != 0 && errno != EEXIST {
          throw SystemCalls.failure("mkdir", full, errno)
        }
      }
    }
  }
  /// Renames, replacing the target.
  public func rename(_ from: String, to: String) async throws {
    let (old, new) = (try resolve(from), try resolve(to))
    try await inGeneral { _ = try SystemCalls.retrying("rename", old) { Glibc.rename(old, new) } }
  }
  /// Removes a file or an empty directory.
  public func remove(_ path: String) async throws {
    let full = try resolve(path)
    try await inGeneral { _ = try SystemCalls.retrying("remove", full) { Glibc.remove(full) } }
  }
  /// Makes names durable.
  public func syncDirectory(_ path: String) async throws {
    let full = try resolve(path)
    try await inGeneral {
      let descriptor = try SystemCalls.retrying("open", full) {
        Glibc.open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      }
      SystemCalls.sync(descriptor, full)
      SystemCalls.close(descriptor, full)
    }
  }
  /// The data directory and its volume.
  public func volume() async throws -> VolumeFacts {
    let root = self.root
    return try await inGeneral { try SystemCalls.volume(root) }
  }
  /// Forgets cached pages of a file.
  public func dropCached(_ path: String) async throws {
    let full = try resolve(path)
    try await inGeneral {
      let descriptor = try SystemCalls.retrying("open", full) { Glibc.open(full, O_RDONLY | O_CLOEXEC) }
      defer { SystemCalls.close(descriptor, full) }
      let code = posix_fadvise(descriptor, 0, 0, Int32(POSIX_FADV_DONTNEED))
      if code != 0 { throw SystemCalls.failure("posix_fadvise", full, code) }
    }
  }
  /// Reserves blocks, without writing them where the file system can.
  public func allocate(_ path: String, bytes: UInt64) async throws {
    let full = try resolve(path)
    try await inGeneral {
      let descriptor = try SystemCalls.retrying("open", full) { Glibc.open(full, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }
      defer { SystemCalls.close(descriptor, full) }
      let code = posix_fallocate(descriptor, 0, off_t(clamping: bytes))
      if code != 0 { throw SystemCalls.failure("posix_fallocate", full, code) }
    }
  }
  /// Locks a file (flock); the kernel gives the lock back when the process ends.
  public func lock(_ path: String) async throws -> any DiskLock {
    let full = try resolve(path)
    return try await inGeneral {
      let descriptor = try SystemCalls.retrying("open", full) {
        Glibc.open(full, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
      }
      do {
        try SystemCalls.retrying("lock", full) { flock(descriptor, LOCK_EX | LOCK_NB) }
      } catch {
        SystemCalls.close(descriptor, full)
        throw error
      }
      return PosixLock(descriptor, full)
    }
  }
}
