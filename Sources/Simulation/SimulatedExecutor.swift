// SimulatedExecutor.swift — one thread, virtual time: every job of a simulated cluster runs here.
//
// Jobs run in the order they were queued; when none is left, time jumps to the earliest timer. Same seed, same trace.
// Every job, timer and noted event is mixed into a running hash, by which two runs are compared. A job belongs to an
// owner (a node's incarnation, or none): jobs of a dead owner are not part of the run. They are put aside and run by
// `unwind`, where the dead node's tasks see every capability fail and release what they hold. Jobs of a stopped owner wait.
// What it does not do: draw random numbers (SeededGenerator), deliver messages (SimulatedNetwork), fail disks (SimulatedDisk).
internal import Bytes

/// Runs every task that prefers it, one job at a time, in a repeatable order.
public final class SimulatedExecutor: TaskExecutor, SerialExecutor, @unchecked Sendable {
  // Safe: touched by the one thread that calls `run`; `enqueue` checks it.
  private struct Job {
    var job: UnownedJob
    var owner: OwnedExecutor?
  }
  private var thread: UInt = 0
  private var ready: [Job] = []
  private var head = 0
  private var dead: [Job] = []
  private var timers = TimerHeap()
  private var isUnwinding = false
  /// Virtual nanoseconds since the start of the run.
  public private(set) var now: UInt64 = 0
  /// Jobs run so far, without those of dead nodes.
  public private(set) var jobs: UInt64 = 0
  /// The hash of everything that happened so far.
  public private(set) var eventHash: UInt64 = 0x7411_7A11

  /// Makes an executor at virtual time zero; it belongs to the thread that runs it.
  public init() {}

  /// Queues a job behind all that are ready.
  public func enqueue(_ job: consuming ExecutorJob) { append(UnownedJob(job), nil) }

  func append(_ job: UnownedJob, _ owner: OwnedExecutor?) {
    invariant(
      thread == 0 || EscapeHook.thread == thread,
      "a simulated task was resumed by another thread"
    )
    if let owner, owner.isDead {
      dead.append(Job(job: job, owner: owner))
    } else if let owner, owner.isStopped {
      owner.held.append(job)
    } else {
      ready.append(Job(job: job, owner: owner))
    }
  }

  /// Mixes an event into the hash of the run.
  public func note(_ kind: StaticString, _ first: UInt64 = 0, _ second: UInt64 = 0) {
    if isUnwinding { return }
    var hash = eventHash
    kind.withUTF8Buffer { for byte in $0 { hash = SeededGenerator.mix(hash ^ UInt64(byte)) } }
    eventHash = SeededGenerator.mix(
      SeededGenerator.mix(SeededGenerator.mix(hash ^ now) ^ first) &+ second
    )
  }

  /// Calls `fire` after `delay` virtual nanoseconds, unless the returned timer is cancelled.
  @discardableResult
  public func schedule(after delay: UInt64, _ fire: @escaping () -> Void) -> SimulatedTimer {
    let entry = SimulatedTimer(fire)
    let sum = now.addingReportingOverflow(delay)
    timers.add(entry, at: sum.overflow ? .max : sum.partialValue)
    return entry
  }

  /// Why `run` returned.
  public enum Outcome: Sendable, Equatable {
    /// The condition came true.
    case done
    /// Nothing is runnable and no timer is set.
    case idle
    /// The next timer lies beyond the limit.
    case limit
    /// More jobs than allowed ran without time moving on.
    case livelock
  }

  /// Runs jobs and timers until `isDone`, or until none is left, or the next timer lies beyond `limit`.
  public func run(until limit: UInt64 = .max, isDone: () -> Bool = { false }) -> Outcome {
    thread = EscapeHook.thread
    return EscapeHook.watching {
      var jobsAtOnce = 0
      while true {
        while head < ready.count {
          if isDone() { return .done }
          let next = ready[head]
          head += 1
          if head >= 4096 {
            ready.removeFirst(head)
            head = 0
          }
          if let owner = next.owner, owner.isDead {
            dead.append(next)
            continue
          }
          if let owner = next.owner, owner.isStopped {
            owner.held.append(next.job)
            continue
          }
          jobs += 1
          jobsAtOnce += 1
          if jobsAtOnce > 50_000_000 { return .livelock }
          // One step: most of what happens is jobs, and time moves by noted timers only.
          eventHash = SeededGenerator.mix(eventHash &+ (next.owner?.number ?? 0) &+ 1)
          execute(next)
          if !dead.isEmpty { unwind() }
        }
        ready.removeAll(keepingCapacity: true)
        head = 0
        if !dead.isEmpty { unwind() }
        if isDone() { return .done }
        guard head == ready.count else { continue }
        guard let timer = timers.pop() else { return .idle }
        if timer.at > limit {
          now = limit
          return .limit
        }
        if timer.at > now { jobsAtOnce = 0 }
        now = timer.at
        note("timer", timer.sequence)
        timer.entry.fire()
      }
    }
  }

  /// Runs what is ready, without timers and outside of the run's hash, so that ended tasks release their memory.
  func drain() {
    EscapeHook.watching {
      isUnwinding = true
      var ran = 0
      while head < ready.count || !dead.isEmpty {
        var batch: [Job] = []
        swap(&batch, &dead)
        batch += ready[head...]
        ready.removeAll()
        head = 0
        for job in batch {
          ran += 1
          invariant(
            ran < 10_000_000,
            "a flow goes on for ever after its run ended: does it swallow cancellation?"
          )
          execute(job)
        }
      }
      isUnwinding = false
    }
  }

  /// Runs the jobs of dead owners until they are quiet: their capabilities all fail, and nothing of it counts.
  private func unwind() {
    invariant(!isUnwinding, "unwinding inside of unwinding")
    isUnwinding = true
    defer { isUnwinding = false }
    var ran = 0
    while !dead.isEmpty {
      var batch: [Job] = []
      swap(&batch, &dead)
      for job in batch {
        ran += 1
        invariant(
          ran < 10_000_000,
          "a crashed node's flow goes on for ever: does it swallow cancellation?"
        )
        execute(job)
      }
    }
  }

  private func execute(_ job: Job) {
    if let owner = job.owner {
      job.job.runSynchronously(on: owner.asUnownedTaskExecutor())
    } else {
      job.job.runSynchronously(
        isolatedTo: asUnownedSerialExecutor(),
        taskExecutor: asUnownedTaskExecutor()
      )
    }
  }
}

/// A scheduled call that can be taken back.
public final class SimulatedTimer: @unchecked Sendable {
  // Safe: touched by the simulation's thread only.
  private var action: (() -> Void)?
  init(_ action: @escaping () -> Void) { self.action = action }
  /// True once cancelled or fired.
  var isCancelled: Bool { action == nil }
  /// Takes the call back.
  public func cancel() { action = nil }
  fileprivate func fire() {
    let action = self.action
    self.action = nil
    action?()
  }
}

/// The executor of one incarnation of a node: the simulated executor, with the owner written on each job.
final class OwnedExecutor: TaskExecutor, @unchecked Sendable {
  // Safe: touched by the simulation's thread only.
  let number: UInt64
  private let executor: SimulatedExecutor
  /// Set when the node crashed: from then on its jobs only unwind.
  private(set) var isDead = false

  init(_ executor: SimulatedExecutor, number: UInt64) {
    self.executor = executor
    self.number = number
  }
  func enqueue(_ job: consuming ExecutorJob) { executor.append(UnownedJob(job), self) }
  func die() {
    isDead = true
    isStopped = true
    resume()
  }

  /// While it is stopped (SIGSTOP) its jobs wait, and so do its alarms' calls; its timers' calls become jobs.
  private(set) var isStopped = false
  fileprivate var held: [UnownedJob] = []
  var heldCalls: [() -> Void] = []
  func stop() { isStopped = true }
  /// Lets what waited run, in the order it became ready.
  func resume() {
    guard isStopped else { return }
    isStopped = false
    let (jobs, calls) = (held, heldCalls)
    (held, heldCalls) = ([], [])
    for job in jobs { executor.append(job, self) }
    if !isDead { for call in calls { call() } }
  }
}
