// Support.swift — a loop for one test, and a scratch directory that goes away.
import Capabilities
import Glibc
import NodeRuntime
import Testing

/// Runs `body` on a loop of its own and stops the loop.
func onLoop<R: Sendable>(_ body: @escaping @Sendable (UVLoop) async throws -> R) async throws -> R {
  let loop = UVLoop()
  defer { loop.stop() }
  return try await loop.run { try await body(loop) }
}

/// Makes an empty directory, calls `body`, and removes the directory with its files.
func withDirectory<R: Sendable>(_ body: @Sendable (String) async throws -> R) async throws -> R {
  var template = Array("/tmp/tally-runtime-XXXXXX".utf8CString)
  let path = try #require(
    template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) }.map { String(cString: $0) }
  )
  defer { removeTree(path) }
  return try await body(path)
}

private func removeTree(_ path: String) {
  guard let directory = opendir(path) else { return }
  while let entry = readdir(directory) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name == "." || name == ".." { continue }
    if entry.pointee.d_type == UInt8(DT_DIR) {
      removeTree(path + "/" + name)
    } else {
      unlink(path + "/" + name)
    }
  }
  closedir(directory)
  rmdir(path)
}
