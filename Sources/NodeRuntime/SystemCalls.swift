// SystemCalls.swift — file system calls with their loops (EINTR, short counts) and their errors as DiskFailure.
//
// Runs on disk threads. Rule D8: a failed fsync, fdatasync or close means that what was acknowledged may not be on disk,
// and the page cache may pretend otherwise: the process ends with status 86, no retry.
internal import CUV
internal import Capabilities
internal import Glibc

/// System calls on files.
enum SystemCalls {
  /// The failure behind an errno.
  static func failure(_ operation: String, _ path: String, _ code: Int32) -> DiskFailure {
    let kind: DiskFailure.Kind
    switch code {
    case ENOENT, ENOTDIR: kind = .notFound
    case EEXIST, ENOTEMPTY: kind = .exists
    case ENOSPC, EDQUOT, EFBIG: kind = .full
    case EWOULDBLOCK: kind = .locked
    default: kind = .io
    }
    return DiskFailure(kind, "\(operation) \(path): \(String(cString: strerror(code)))")
  }
  /// Ends the process: durability was promised and cannot be kept.
  static func die(_ operation: String, _ path: String, _ code: Int32) -> Never {
    writeLine(
      "level=error event=disk-sync-failed operation=\(operation) path=\"\(path)\" reason=\"\(String(cString: strerror(code)))\"",
      to: 2
    )
    // Best effort: the next start verifies everything when it finds this (rule D8).
    if let mark = failureMark.withLock({ $0 }) {
      var now = timespec()
      clock_gettime(CLOCK_REALTIME, &now)
      let line = SyncFailures.line(at: Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000, operation, path)
      let descriptor = Glibc.open(mark, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
      if descriptor >= 0 { _ = line.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) } }
    }
    _exit(86)
  }
  private static let failureMark = Guarded<String?>(nil)
  /// Where `die` leaves its mark.
  static func markFailures(in path: String) { failureMark.withLock { $0 = path } }
  /// Repeats a call while it is interrupted; throws what it fails with.
  @discardableResult
  static func retrying<N: BinaryInteger>(
    _ operation: String,
    _ path: String,
    _ call: () -> N
  ) throws -> N {
    while true {
      let result = call()
      if result >= 0 { return result }
      let code = errno
      if code != EINTR { throw failure(operation, path, code) }
    }
  }

  /// Reads up to `count` bytes, fewer only at the end of the file; never allocates more than the file holds.
  static func read(
    _ descriptor: Int32,
    _ path: String,
    at position: UInt64,
    count: Int
  ) throws -> [UInt8] {
    let size = try size(descriptor, path)
    if position >= size || count <= 0 { return [] }
    let wanted = Int(min(UInt64(count), size - position))
    return try [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
      while filled < wanted {
        let got = try retrying("read", path) {
          pread(
            descriptor,
            buffer.baseAddress! + filled,
            wanted - filled,
            off_t(position) + off_t(filled)
          )
        }
        if got == 0 { return }
        filled += got
      }
    }
  }
  /// Writes pieces one after the other, up to 128 in one system call.
  static func write(
    _ descriptor: Int32,
    _ path: String,
    _ pieces: [[UInt8]],
    at position: UInt64
  ) throws {
    var position = position
    var index = 0
    while index < pieces.count {
      let next = min(index + 128, pieces.count)
      var vectors: [iovec] = []
      try withVectors(pieces[index..<next], &vectors) { vectors in
        position += try write(descriptor, path, &vectors, at: position)
      }
      index = next
    }
  }
  /// Pins one piece after the other, then runs `body` with all of them.
  private static func withVectors(
    _ pieces: ArraySlice<[UInt8]>,
    _ vectors: inout [iovec],
    _ body: (inout [iovec]) throws -> Void
  ) throws {
    guard let first = pieces.first else { return try body(&vectors) }
    if first.isEmpty { return try withVectors(pieces.dropFirst(), &vectors, body) }
    try first.withUnsafeBytes { bytes in
      vectors.append(
        iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
      )
      try withVectors(pieces.dropFirst(), &vectors, body)
    }
  }
  private static func write(
    _ descriptor: Int32,
    _ path: String,
    _ vectors: inout [iovec],
    at start: UInt64
  ) throws -> UInt64 {
    var (first, done) = (0, UInt64(0))
    while first < vectors.count {
      var written = try vectors.withUnsafeBufferPointer { all in
        try retrying("write", path) {
          pwritev(
            descriptor,
            all.baseAddress! + first,
            Int32(all.count - first),
            off_t(start + done)
          )
        }
      }
      if written == 0 { throw failure("write", path, EIO) }
      done += UInt64(written)
      while written > 0 {
        let length = vectors[first].iov_len
        if written < length {
          vectors[first].iov_base = vectors[first].iov_base.map { $0 + written }
          vectors[first].iov_len = length - written
          break
        }
        written -= length
        first += 1
      }
    }
    return done
  }
  /// fdatasync, or the end of the process.
  static func syncData(_ descriptor: Int32, _ path: String) {
    while fdatasync(descriptor) != 0 {
      if errno != EINTR { die("fdatasync", path, errno) }
    }
  }
  /// fsync, or the end of the process.
  static func sync(_ descriptor: Int32, _ path: String) {
    while fsync(descriptor) != 0 {
      if errno != EINTR { die("fsync", path, errno) }
    }
  }
  /// Closes; on Linux an interrupted close has closed.
  static func close(_ descriptor: Int32, _ path: String) {
    if Glibc.close(descriptor) != 0 && errno != EINTR { die("close", path, errno) }
  }
  /// Bytes in an open file.
  static func size(_ descriptor: Int32, _ path: String) throws -> UInt64 {
    var status = stat()
    try retrying("stat", path) { fstat(descriptor, &status) }
    return UInt64(status.st_size)
  }
  /// A directory and the volume it lies on.
  static func volume(_ path: String) throws -> VolumeFacts {
    var space = statvfs()
    try retrying("statvfs", path) { statvfs(path, &space) }
    func bytes(_ blocks: UInt) -> UInt64 { UInt64(blocks).multipliedReportingOverflow(by: UInt64(space.f_frsize)).partialValue }
    var facts = VolumeFacts(freeBytes: bytes(UInt(space.f_bavail)), totalBytes: bytes(UInt(space.f_blocks)))
    var request = uv_fs_t()
    let code = uv_fs_statfs(nil, &request, path, nil)
    defer { uv_fs_req_cleanup(&request) }
    guard code == 0, let system = request.ptr?.assumingMemoryBound(to: uv_statfs_t.self) else {
      throw failure("statfs", path, -code)
    }
    // Numbers from statfs(2) and linux/magic.h.
    switch UInt32(truncatingIfNeeded: system.pointee.f_type) {
    case 0x0102_1994: (facts.fileSystem, facts.isVolatile) = ("tmpfs", true)
    case 0x8584_58f6: (facts.fileSystem, facts.isVolatile) = ("ramfs", true)
    case 0x0000_6969: (facts.fileSystem, facts.isRemote) = ("nfs", true)
    case 0xff53_4d42: (facts.fileSystem, facts.isRemote) = ("cifs", true)
    case 0xfe53_4d42: (facts.fileSystem, facts.isRemote) = ("smb2", true)
    case 0x0000_517b: (facts.fileSystem, facts.isRemote) = ("smb", true)
    case 0x00c3_6400: (facts.fileSystem, facts.isRemote) = ("ceph", true)
    case 0x0102_1997: (facts.fileSystem, facts.isRemote) = ("9p", true)
    default: break
    }
    var status = stat()
    try retrying("stat", path) { stat(path, &status) }
    facts.isOwn = status.st_uid == geteuid()
    facts.mode = UInt32(status.st_mode) & 0o7777
    return facts
  }
  /// Maps a whole file for reading.
  static func map(_ path: String) throws -> FileImage {
    let descriptor = try retrying("open", path) { Glibc.open(path, O_RDONLY | O_CLOEXEC) }
    defer { close(descriptor, path) }
    let count = Int(try size(descriptor, path))
    if count == 0 { return FileImage(copying: []) }
    guard let start = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0), start != MAP_FAILED
    else {
      throw failure("mmap", path, errno)
    }
    let address = UInt(bitPattern: start)
    return FileImage(UnsafeRawBufferPointer(start: start, count: count)) {
      munmap(UnsafeMutableRawPointer(bitPattern: address), count)
    }
  }
  /// The names in a directory, sorted.
  static func list(_ path: String) throws -> [DirectoryEntry] {
    guard let directory = opendir(path) else { throw failure("list", path, errno) }
    defer { closedir(directory) }
    var entries: [DirectoryEntry] = []
    while true {
      errno = 0
      guard let entry = readdir(directory) else {
        if errno != 0 { throw failure("list", path, errno) }
        return entries.sorted { $0.name < $1.name }
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name == "." || name == ".." { continue }
      var status = stat()
      if fstatat(dirfd(directory), name, &status, AT_SYMLINK_NOFOLLOW) != 0 {
        if errno == ENOENT { continue }  // removed meanwhile
        throw failure("stat", path + "/" + name, errno)
      }
      let isDirectory = status.st_mode & S_IFMT == S_IFDIR
      entries.append(
        DirectoryEntry(
          name: name,
          isDirectory: isDirectory,
          size: isDirectory ? 0 : UInt64(status.st_size)
        )
      )
    }
  }
}
