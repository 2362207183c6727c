// ComputePool.swift — the Compute capability on fixed threads, and the system's randomness.
//
// Work is handed over by continuation: when it is done, the waiting task resumes on the executor it prefers (its loop).
internal import Bytes
public import Capabilities
internal import Glibc

/// A fixed number of threads for CPU-heavy synchronous functions.
public final class ComputePool: Compute {
  private let threads: WorkThreads
  /// How many functions run at once.
  public let width: Int
  /// Starts `width` threads; by default one per online core.
  public init(width: Int? = nil) {
    self.width = max(1, width ?? Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    threads = WorkThreads(count: self.width)
  }
  /// Runs `work` on a pool thread.
  public func run<R: Sendable>(_ work: @escaping @Sendable () -> R) async -> R {
    await withCheckedContinuation { continuation in
      threads.submit { continuation.resume(returning: work()) }
    }
  }
  /// Finishes queued work and ends the threads; nothing may be run afterwards.
  public func stop() { threads.finish() }
}

/// Randomness from the operating system (getrandom).
public struct SystemRandom: Random {
  /// Makes the source.
  public init() {}
  /// 64 random bits.
  public func next() -> UInt64 {
    var generator = SystemRandomNumberGenerator()
    return generator.next()
  }
}
