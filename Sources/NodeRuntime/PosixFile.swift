// PosixFile.swift — an open file whose operations run one after the other on its lane's threads, and a file lock.
internal import Bytes
internal import Capabilities
internal import Glibc
internal import Synchronization

/// An open file.
final class PosixFile: DiskFile {
  private struct State {
    var pending: [@Sendable () -> Void] = []
    var isRunning = false
    var isClosed = false
  }
  private let descriptor: Int32
  private let path: String
  private let threads: WorkThreads
  private let state = Guarded(State())

  init(_ descriptor: Int32, _ path: String, _ threads: WorkThreads) {
    self.descriptor = descriptor
    self.path = path
    self.threads = threads
  }
  deinit {
    // Nothing is pending here: each pending operation keeps the file alive.
    if !state.withLock({ $0.isClosed }) { SystemCalls.close(descriptor, path) }
  }

  func read(at position: UInt64, count: Int) async throws -> [UInt8] {
    try await inOrder { file in
      try SystemCalls.read(file.descriptor, file.path, at: position, count: count)
    }
  }
  func write(_ pieces: [[UInt8]], at position: UInt64, sync: Bool) async throws {
    try await inOrder { file in
      try SystemCalls.write(file.descriptor, file.path, pieces, at: position)
      if sync { SystemCalls.syncData(file.descriptor, file.path) }
    }
  }
  func sync() async throws {
    try await inOrder { file in SystemCalls.syncData(file.descriptor, file.path) }
  }
  func size() async throws -> UInt64 {
    try await inOrder { file in try SystemCalls.size(file.descriptor, file.path) }
  }
  func close() async {
    await withCheckedContinuation { continuation in
      submit { [self] in
        let isFirst = state.withLock { state in
          defer { state.isClosed = true }
          return !state.isClosed
        }
        if isFirst { SystemCalls.close(descriptor, path) }
        continuation.resume()
      }
    }
  }

  private func inOrder<R: Sendable>(
    _ work: @escaping @Sendable (PosixFile) throws -> R
  ) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
      submit { [self] in
        if state.withLock({ $0.isClosed }) {
          continuation.resume(throwing: DiskFailure(.io, "\(path) is closed"))
        } else {
          continuation.resume(with: Result { try work(self) })
        }
      }
    }
  }
  /// Queues an operation; at most one of a file's operations is on a thread.
  private func submit(_ operation: @escaping @Sendable () -> Void) {
    let isFirst = state.withLock { state in
      state.pending.append(operation)
      defer { state.isRunning = true }
      return !state.isRunning
    }
    if isFirst { threads.submit { [self] in runPending() } }
  }
  private func runPending() {
    while true {
      let batch = state.withLock { state in
        defer { state.pending = [] }
        state.isRunning = !state.pending.isEmpty
        return state.pending
      }
      if batch.isEmpty { return }
      for operation in batch { operation() }
    }
  }
}

/// A held file lock.
final class PosixLock: DiskLock {
  private let descriptor: Int32
  private let path: String
  private let isReleased = Atomic<Bool>(false)

  init(_ descriptor: Int32, _ path: String) {
    self.descriptor = descriptor
    self.path = path
  }
  deinit { release() }
  func release() {
    if isReleased.exchange(true, ordering: .relaxed) { return }
    SystemCalls.close(descriptor, path)
  }
}
