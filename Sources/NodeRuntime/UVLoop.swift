// UVLoop.swift — one thread, one libuv loop, and the executor that async flows are pinned to.
//
// Owns: the loop's thread, its job queue, the mailbox other threads post to, and the order of one turn:
// timers, jobs, flush of dirty connections, poll, jobs, flush. Sleeping lives in LoopTimers, sockets in TCPStream.
//
// Rules: a task that prefers the loop (`Task(executorPreference:)`) never leaves it, nor do its children, nor default
// actors it calls. libuv runs prepare and check handles last-registered-first, so there is exactly one of each, and it
// drains jobs, then flushes. C callbacks are written in nonisolated methods only: in code isolated to the main actor
// they would carry an executor check and crash on the loop's thread.
internal import Bytes
internal import CUV
internal import Glibc
internal import Synchronization

/// Something open on a loop that must be ended before the loop can be closed.
protocol LoopResource: AnyObject {
  /// Fails whoever waits and closes the handles; on the loop's thread.
  func shutDown()
}

/// A libuv loop on a thread of its own; tasks that prefer it run only there.
public final class UVLoop: TaskExecutor, SerialExecutor, @unchecked Sendable {
  // Safe: all mutable state belongs to the loop's thread, but for `mailbox`, `thread` and the thread-safe uv_async_send.
  private struct Mail {
    var jobs: [UnownedJob] = []
    var calls: [@Sendable () -> Void] = []
    /// True while the loop is certain to look into the mailbox before it blocks.
    var isAwake = true
    var isClosed = false
  }
  private let mailbox = Guarded(Mail())
  private let thread = Atomic<UInt>(0)
  private let joinable = Guarded<Thread?>(nil)

  let handles = LoopHandles()
  private(set) lazy var timers = LoopTimers(handles)
  private var local: [UnownedJob] = []
  private var head = 0
  private var dirty: [TCPStream] = []
  private var resources: [ObjectIdentifier: any LoopResource] = [:]
  private var isIdling = false
  /// True from the moment `stop` reached the loop: nothing new may be opened.
  private(set) var isStopping = false
  /// Where sockets read to and small messages are gathered; used within one callback only.
  let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)

  /// Jobs that run between two polls at most, so that a busy flow cannot starve the sockets.
  private static let jobsPerTurn = 4096

  /// Makes the loop and starts its thread.
  public init() {
    let me = Unmanaged.passUnretained(self).toOpaque()
    handles.open(
      context: me,
      beforePoll: { handle in UVLoop.of(handle?.pointee.data).turn(mayBlock: true) },
      afterPoll: { handle in UVLoop.of(handle?.pointee.data).turn(mayBlock: false) },
      timer: { handle in UVLoop.of(handle?.pointee.data).timers.fire() }
    )
    let started = Gate<Bool>()
    let thread = Thread { [self] in
      self.thread.store(UInt(pthread_self()), ordering: .releasing)
      started.open(true)
      work()
    }
    joinable.withLock { $0 = thread }
    _ = started.wait()
  }

  deinit { scratch.deallocate() }

  private static func of(_ context: UnsafeMutableRawPointer?) -> UVLoop {
    guard let context else { fatalError("a loop handle without its loop") }
    return Unmanaged<UVLoop>.fromOpaque(context).takeUnretainedValue()
  }

  // MARK: Executor

  /// True on the loop's thread.
  public var isCurrent: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

  /// Traps when called elsewhere.
  public func checkIsolated() { invariant(isCurrent, "not on the loop's thread") }

  /// Queues a job; wakes the loop when it comes from another thread and the loop may be blocked.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    if isCurrent {
      local.append(job)
    } else {
      // A job for a loop that was stopped is never run: its task was not awaited by anybody who stopped the loop.
      _ = post { $0.jobs.append(job) }
    }
  }

  /// Runs `call` on the loop's thread: at once when already there. False when the loop was stopped.
  func perform(_ call: @escaping @Sendable () -> Void) -> Bool {
    if isCurrent {
      call()
      return true
    }
    return post { $0.calls.append(call) }
  }

  private func post(_ put: (inout Mail) -> Void) -> Bool {
    mailbox.withLock { mail in
      if mail.isClosed { return false }
      put(&mail)
      if !mail.isAwake {
        mail.isAwake = true
        // Under the lock, so that the handle cannot be closed in between.
        handles.wakeUp()
      }
      return true
    }
  }

  /// Runs `body` on the loop and returns its result; cancelling the caller cancels the body.
  public func run<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
    let task = Task(executorPreference: self) { try await body() }
    return try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
  }

  /// Runs `body` on the loop and blocks the calling thread until it is done; for `main`, never for a task.
  public func runBlocking<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) throws -> R {
    invariant(!isCurrent, "a loop cannot wait for itself")
    let gate = Gate<Result<R, any Error>>()
    Task(executorPreference: self) {
      do { gate.open(.success(try await body())) } catch { gate.open(.failure(error)) }
    }
    return try gate.wait().get()
  }

  // MARK: The loop's thread

  private func work() {
    handles.run()
    // Stopped: fail everything that waits, let the tasks see it, then close all handles.
    for resource in Array(resources.values) { resource.shutDown() }
    timers.failAll()
    var rounds = 0
    while rounds < 1000, takeMail() || head < local.count {
      runJobs(Self.jobsPerTurn)
      timers.failAll()
      rounds += 1
    }
    mailbox.withLock { $0.isClosed = true }
    handles.close()
  }

  private func turn(mayBlock: Bool) {
    var budget = Self.jobsPerTurn
    repeat {
      _ = takeMail()
      budget -= runJobs(budget)
      flush()
    } while head < local.count && budget > 0
    if isStopping {
      handles.stop()
      return
    }
    guard mayBlock else { return }
    timers.arm()
    let isBusy = head < local.count || !dirty.isEmpty || !fallAsleep()
    if isBusy != isIdling {
      isIdling = isBusy
      handles.setIdling(isBusy)
    }
  }

  private func takeMail() -> Bool {
    var calls: [@Sendable () -> Void] = []
    let hasJobs = mailbox.withLock { mail in
      mail.isAwake = true
      swap(&calls, &mail.calls)
      defer { mail.jobs.removeAll(keepingCapacity: true) }
      local.append(contentsOf: mail.jobs)
      return !mail.jobs.isEmpty
    }
    for call in calls { call() }
    return hasJobs || !calls.isEmpty
  }

  /// True when the mailbox is empty; from then on posting wakes the loop.
  private func fallAsleep() -> Bool {
    mailbox.withLock { mail in
      mail.isAwake = !mail.jobs.isEmpty || !mail.calls.isEmpty
      return !mail.isAwake
    }
  }

  @discardableResult
  private func runJobs(_ budget: Int) -> Int {
    let (serial, task) = (asUnownedSerialExecutor(), asUnownedTaskExecutor())
    var ran = 0
    while head < local.count && ran < budget {
      let job = local[head]
      head += 1
      ran += 1
      job.runSynchronously(isolatedTo: serial, taskExecutor: task)
    }
    if head == local.count {
      local.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= Self.jobsPerTurn {
      local.removeFirst(head)
      head = 0
    }
    return ran
  }

  private func flush() {
    if dirty.isEmpty { return }
    var streams: [TCPStream] = []
    swap(&streams, &dirty)
    for stream in streams { stream.flush() }
  }

  /// Asks for `stream.flush()` at the end of this turn; the stream sees to it that it asks once.
  func markDirty(_ stream: TCPStream) { dirty.append(stream) }

  /// Registers something that must be shut down before the loop closes.
  func adopt(_ resource: any LoopResource) { resources[ObjectIdentifier(resource)] = resource }

  /// Forgets a resource that is closed.
  func disown(_ resource: any LoopResource) { resources[ObjectIdentifier(resource)] = nil }

  /// Fails everything that still waits on the loop, closes all handles, and joins the thread. Idempotent.
  public func stop() {
    invariant(!isCurrent, "a loop cannot be stopped from its own thread")
    let thread = joinable.withLock { thread in
      defer { thread = nil }
      return thread
    }
    guard let thread else { return }
    _ = perform { self.isStopping = true }
    thread.join()
  }
}
