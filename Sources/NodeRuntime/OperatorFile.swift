// OperatorFile.swift — a file outside of the data directory that an operator may change while the node runs: passwords, certificates.
//
// Read whole, seldom, and small; where it holds a secret nobody but its owner may read it.
internal import CUV
internal import Capabilities
internal import Glibc
public import Model

/// A file named by an operator.
public struct OperatorFile: Sendable {
  /// Its path.
  public let path: String
  private let isSecret: Bool
  /// Longest that is read.
  private static let bytesMax = 1 << 20

  /// Names a file; one with a secret must be its owner's alone.
  public init(_ path: String, isSecret: Bool) {
    self.path = path
    self.isSecret = isSecret
  }
  /// What differs once the file was changed or replaced.
  public func version() throws(TallyError) -> [Int64] {
    var facts = stat()
    guard stat(path, &facts) == 0 else { throw failure("cannot be read: " + String(cString: strerror(errno))) }
    return [
      Int64(truncatingIfNeeded: facts.st_ino), Int64(facts.st_size), Int64(facts.st_mtim.tv_sec), Int64(facts.st_mtim.tv_nsec),
      Int64(facts.st_ctim.tv_sec), Int64(facts.st_ctim.tv_nsec), Int64(facts.st_mode),
    ]
  }
  /// Its bytes.
  public func read() throws(TallyError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("cannot be read: " + String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var facts = stat()
    guard fstat(descriptor, &facts) == 0 else { throw failure("cannot be read: " + String(cString: strerror(errno))) }
    if isSecret, facts.st_mode & 0o077 != 0 {
      throw failure("can be read by others", hint: "chmod 600 \(path)")
    }
    guard facts.st_size <= Self.bytesMax else { throw failure("has \(facts.st_size) bytes, more than \(Self.bytesMax)") }
    do { return try SystemCalls.read(descriptor, path, at: 0, count: Int(facts.st_size)) } catch { throw failure("\(error)") }
  }
  private func failure(_ what: String, hint: String? = nil) -> TallyError {
    TallyError(.invalid, "\(path) \(what)", sqlState: "F0000", hint: hint)
  }
}
