// Disk.swift — files as flows see them: positioned reads and writes, explicit syncs, atomic renames.
//
// Rules D5, D6 and D8 of the protocol: nothing is durable before `sync` (contents) and `syncDirectory` (names) returned;
// writes are at explicit positions; a failed sync never returns: the process ends with status 86.
import Bytes

/// Why a disk operation failed.
public struct DiskFailure: Error, Sendable, CustomStringConvertible {
  /// What callers react to.
  public enum Kind: Sendable, Equatable {
    /// No such file or directory.
    case notFound
    /// It exists already.
    case exists
    /// No space, or a quota is reached.
    case full
    /// Another process holds the lock.
    case locked
    /// The device failed or refused.
    case io
  }
  /// What went wrong.
  public var kind: Kind
  /// For people: operation, path and system message.
  public var message: String
  /// Makes a failure.
  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }
  /// The message.
  public var description: String { message }
}

/// How to open a file.
public enum OpenMode: Sendable, Equatable {
  /// Must exist; reads only.
  case read
  /// Must exist; reads and writes.
  case readWrite
  /// Must not exist; reads and writes.
  case create
}

/// Who waits for a file's operations; separate threads keep reads from waiting behind syncs.
public enum DiskLane: Sendable {
  /// The journal's own thread.
  case journal
  /// Everything else.
  case general
}

/// One name in a directory.
public struct DirectoryEntry: Sendable, Equatable {
  /// Name without a path.
  public var name: String
  /// True for a directory.
  public var isDirectory: Bool
  /// Bytes of a file.
  public var size: UInt64
  /// Makes an entry.
  public init(name: String, isDirectory: Bool, size: UInt64) {
    self.name = name
    self.isDirectory = isDirectory
    self.size = size
  }
}

/// A whole file's bytes, readable from any thread while the object lives (a memory map on real disks).
public final class FileImage: @unchecked Sendable {
  // Immutable after init; `release` runs once, in deinit.
  /// The bytes; valid while this object lives.
  public let bytes: UnsafeRawBufferPointer
  private let release: @Sendable () -> Void
  /// Takes over bytes and the way to give them back.
  public init(_ bytes: UnsafeRawBufferPointer, release: @escaping @Sendable () -> Void) {
    self.bytes = bytes
    self.release = release
  }
  deinit { release() }
  /// Copies an array into an image of its own.
  public convenience init(copying source: [UInt8]) {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, source.count), alignment: 64)
    memory.copyBytes(from: source)
    let address = UInt(bitPattern: memory.baseAddress)
    self.init(UnsafeRawBufferPointer(start: memory.baseAddress, count: source.count)) {
      UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
    }
  }
}

/// An open file. Operations on one file run in the order they were called.
public protocol DiskFile: AnyObject, Sendable {
  /// Reads exactly `count` bytes; fewer only at the end of the file.
  func read(at position: UInt64, count: Int) async throws -> [UInt8]
  /// Writes the pieces one after the other from `position`, then makes them durable when `sync` is true.
  func write(_ pieces: [[UInt8]], at position: UInt64, sync: Bool) async throws
  /// Makes contents (and size) durable (fdatasync).
  func sync() async throws
  /// Bytes in the file.
  func size() async throws -> UInt64
  /// Closes the file; later calls fail.
  func close() async
}

/// The right to use a data directory; released by `release` or by the end of the process.
public protocol DiskLock: AnyObject, Sendable {
  /// Gives the lock back.
  func release()
}

/// What the system says of a data directory and the volume it lies on.
public struct VolumeFacts: Sendable, Equatable {
  /// Bytes that may still be written.
  public var freeBytes: UInt64
  /// Bytes of the volume.
  public var totalBytes: UInt64
  /// Name of the file system as far as it is told apart, for people.
  public var fileSystem = "local"
  /// Its files end with the machine's power (tmpfs, ramfs).
  public var isVolatile = false
  /// It lies on another machine (NFS, SMB, …): syncs and locks are not what they seem.
  public var isRemote = false
  /// The directory belongs to the user this process runs as.
  public var isOwn = true
  /// The directory's permission bits.
  public var mode: UInt32 = 0o700
  /// A local volume of one's own.
  public init(freeBytes: UInt64, totalBytes: UInt64) {
    self.freeBytes = freeBytes
    self.totalBytes = totalBytes
  }
}

/// A file system below one node's data directory; paths are relative to it, with `/`.
public protocol Disk: Sendable {
  /// Opens a file.
  func open(_ path: String, _ mode: OpenMode, lane: DiskLane) async throws -> any DiskFile
  /// Maps a file that never changes again.
  func map(_ path: String) async throws -> FileImage
  /// Lists a directory, sorted by name.
  func list(_ directory: String) async throws -> [DirectoryEntry]
  /// Creates a directory and its missing parents; the caller syncs the parent. Existing is fine.
  func createDirectory(_ path: String) async throws
  /// Renames, replacing the target.
  func rename(_ from: String, to: String) async throws
  /// Removes a file, or an empty directory.
  func remove(_ path: String) async throws
  /// Makes a directory's names durable ("" is the data directory itself).
  func syncDirectory(_ path: String) async throws
  /// The data directory and its volume.
  func volume() async throws -> VolumeFacts
  /// Lets the system forget what it holds of a file in memory, so that the next read is from the device.
  func dropCached(_ path: String) async throws
  /// Makes a file whose bytes take their room on the volume; what they are is not said. Nothing is made durable.
  func allocate(_ path: String, bytes: UInt64) async throws
  /// Takes an exclusive lock on a file, creating it. Throws `DiskFailure(.locked)`.
  func lock(_ path: String) async throws -> any DiskLock
}

extension Disk {
  /// Writes zeros.
  public func allocate(_ path: String, bytes: UInt64) async throws {
    let file = try await open(path, .create)
    let piece = [UInt8](repeating: 0, count: 1 << 20)
    do {
      var at: UInt64 = 0
      while at < bytes {
        let count = Int(min(UInt64(piece.count), bytes - at))
        try await file.write([count == piece.count ? piece : Array(piece.prefix(count))], at: at, sync: false)
        at += UInt64(count)
      }
    } catch {
      await file.close()
      throw error
    }
    await file.close()
  }
  /// Opens a file on the general lane.
  public func open(_ path: String, _ mode: OpenMode) async throws -> any DiskFile {
    try await open(path, mode, lane: .general)
  }
  /// Reads a whole file.
  public func readAll(_ path: String) async throws -> [UInt8] {
    let file = try await open(path, .read)
    let bytes = try await file.read(at: 0, count: Int(try await file.size()))
    await file.close()
    return bytes
  }
  /// Writes a file that is complete and durable under its name, or not there at all (rule D6).
  public func writeDurably(_ path: String, _ pieces: [[UInt8]]) async throws {
    let temporary = path + ".tmp"
    do { try await remove(temporary) } catch let failure as DiskFailure where failure.kind == .notFound {}
    let file = try await open(temporary, .create)
    try await file.write(pieces, at: 0, sync: !isPlanted(.renameBeforeSync))
    await file.close()
    try await rename(temporary, to: path)
    if isPlanted(.directoryNotSynced) { return }
    let slash = path.lastIndex(of: "/")
    try await syncDirectory(slash.map { String(path[..<$0]) } ?? "")
  }
}
