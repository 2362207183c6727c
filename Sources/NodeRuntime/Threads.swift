// Threads.swift — POSIX threads and the one condition variable of the project.
//
// Owns: starting named-purpose threads with a known stack, a queue of synchronous functions worked off by a fixed number
// of them (`WorkThreads`), and a gate that a plain thread can wait at (`Gate`). Nothing here knows loops or tasks.
internal import Bytes
internal import CUV
internal import Glibc

/// A mutex and a condition variable at stable addresses.
final class Monitor: @unchecked Sendable {
  // Safe: both objects are made for use by many threads; the pointers never change.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  init() {
    mutex = .allocate(capacity: 1)
    condition = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    condition.initialize(to: pthread_cond_t())
    invariant(pthread_mutex_init(mutex, nil) == 0, "pthread_mutex_init failed")
    invariant(pthread_cond_init(condition, nil) == 0, "pthread_cond_init failed")
  }
  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }
  /// Runs `body` under the mutex.
  func locked<R>(_ body: () -> R) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }
  /// Gives the mutex up until somebody signals; only inside `locked`.
  func wait() { pthread_cond_wait(condition, mutex) }
  /// Wakes one waiter.
  func signal() { pthread_cond_signal(condition) }
  /// Wakes all waiters.
  func broadcast() { pthread_cond_broadcast(condition) }
}

/// State behind a POSIX mutex: cheaper than Synchronization's Mutex, and visible to the thread sanitizer.
final class Guarded<State>: @unchecked Sendable {
  // Safe: `state` is touched under the monitor only.
  private let monitor = Monitor()
  private var state: State
  init(_ state: State) { self.state = state }
  /// Runs `body` with the state under the mutex.
  func withLock<R>(_ body: (inout State) -> R) -> R { monitor.locked { body(&state) } }
}

/// A thread that runs one function and can be joined.
struct Thread: Sendable {
  private final class Start {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  private let identity: pthread_t

  /// Starts a thread with a stack of 8 MiB, whatever the process's limits say.
  init(_ body: @escaping @Sendable () -> Void) {
    var attributes = pthread_attr_t()
    invariant(pthread_attr_init(&attributes) == 0, "pthread_attr_init failed")
    invariant(
      pthread_attr_setstacksize(&attributes, 8 << 20) == 0,
      "pthread_attr_setstacksize failed"
    )
    var identity = pthread_t()
    let code = pthread_create(
      &identity,
      &attributes,
      { context in
        if let context { Unmanaged<Start>.fromOpaque(context).takeRetainedValue().body() }
        return nil
      },
      Unmanaged.passRetained(Start(body)).toOpaque()
    )
    invariant(code == 0, "pthread_create failed: \(code)")
    pthread_attr_destroy(&attributes)
    self.identity = identity
  }
  /// Waits for the thread's end.
  func join() { invariant(pthread_join(identity, nil) == 0, "pthread_join failed") }
}

/// A fixed number of threads that work off one first-in first-out queue.
final class WorkThreads: @unchecked Sendable {
  // Safe: the queue is touched under the monitor only; `threads` is written once, before anybody else sees the object.
  private let monitor = Monitor()
  private var queue: [@Sendable () -> Void] = []
  private var head = 0
  private var isFinished = false
  private var threads: [Thread] = []

  init(count: Int) {
    for _ in 0..<count { threads.append(Thread { [self] in work() }) }
  }
  /// Queues `work`.
  func submit(_ work: @escaping @Sendable () -> Void) {
    monitor.locked {
      invariant(!isFinished, "work submitted to threads that were stopped")
      queue.append(work)
      monitor.signal()
    }
  }
  /// Works off what is queued, then ends the threads and waits for them.
  func finish() {
    monitor.locked {
      isFinished = true
      monitor.broadcast()
    }
    for thread in threads { thread.join() }
  }
  private func next() -> (@Sendable () -> Void)? {
    monitor.locked {
      while head == queue.count && !isFinished { monitor.wait() }
      guard head < queue.count else { return nil }
      let work = queue[head]
      head += 1
      if head == queue.count {
        queue.removeAll(keepingCapacity: true)
        head = 0
      } else if head >= 1024 {
        queue.removeFirst(head)
        head = 0
      }
      return work
    }
  }
  private func work() {
    while let work = next() { work() }
  }
}

/// Lets a plain thread wait for one value.
final class Gate<Value: Sendable>: @unchecked Sendable {
  // Safe: `value` is touched under the monitor only.
  private let monitor = Monitor()
  private var value: Value?

  /// Hands the value over.
  func open(_ value: Value) {
    monitor.locked {
      self.value = value
      monitor.broadcast()
    }
  }
  /// Blocks the thread until the value is there.
  func wait() -> Value {
    monitor.locked {
      while true {
        if let value { return value }
        monitor.wait()
      }
    }
  }
}
