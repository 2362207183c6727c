// EscapeHook.swift — makes it fatal when a task started during a simulated run leaves the simulated executor.
//
// The Swift runtime calls `swift_task_enqueueGlobal_hook`, when set, for every job bound for the global pool: that is
// what `Task {}` and `Task.detached` do. The hook looks only at the calling thread: other threads of the process (other
// tests) go on as ever. `Task.sleep` and hops to the main actor do not pass here; the source check bans them.
internal import CShims
internal import Glibc

/// The runtime's hook for jobs that go to the global pool.
enum EscapeHook {
  private typealias Original = @convention(c) (UnsafeRawPointer?) -> Void
  private typealias Hook = @convention(c) (UnsafeRawPointer?, UnsafeRawPointer?) -> Void

  /// Thread-specific: not null while the thread runs a simulation.
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    if pthread_key_create(&key, nil) != 0 { fatalError("pthread_key_create failed") }
    return key
  }()
  private static let hook: Hook = { job, original in
    if pthread_getspecific(EscapeHook.key) != nil {
      fatalError("a task escaped the simulated executor: no Task {} or Task.detached in flows")
    }
    unsafeBitCast(original, to: Original.self)(job)
  }

  /// True when the hook could be installed.
  static let isInstalled: Bool = {
    guard let symbol = tally_task_hook() else { return false }
    symbol.assumingMemoryBound(to: UnsafeRawPointer?.self).pointee = unsafeBitCast(
      hook,
      to: UnsafeRawPointer.self
    )
    return true
  }()

  /// Runs `body` with this thread under watch.
  static func watching<R>(_ body: () throws -> R) rethrows -> R {
    _ = isInstalled
    let before = pthread_getspecific(key)
    pthread_setspecific(key, UnsafeRawPointer(bitPattern: 1))
    defer { pthread_setspecific(key, before) }
    return try body()
  }
  /// The calling thread, to tell it from others.
  static var thread: UInt { UInt(pthread_self()) }
}
