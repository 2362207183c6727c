// SimulatedCapabilities.swift — clock, compute and log of one incarnation of a simulated node.
public import Capabilities
internal import Synchronization

/// A machine's wall clock, which may be wrong, jump, and run fast or slow. The monotonic clock never does.
final class WallClock: @unchecked Sendable {
  // Safe: touched by the simulation's thread only.
  /// 2026-01-01 00:00 UTC in microseconds: wall time of every run begins here.
  static let epoch: Int64 = 1_767_225_600_000_000
  private var offset: Int64 = 0
  private var drift: Int64 = 0
  private var driftsSince: UInt64 = 0

  func microseconds(at now: UInt64) -> Int64 {
    Self.epoch + Int64(now / 1000) + offset + Int64((now - min(now, driftsSince)) / 1_000_000) * drift / 1000
  }
  /// Sets it so far from the true time.
  func set(offset: Int64) { self.offset = offset }
  func jump(by microseconds: Int64) { offset += microseconds }
  /// From `now` on it gains so many microseconds a second, or loses them.
  func run(fastBy microsecondsPerSecond: Int64, from now: UInt64) {
    offset = microseconds(at: now) - Self.epoch - Int64(now / 1000)
    (drift, driftsSince) = (microsecondsPerSecond, now)
  }
}

/// Virtual time; the wall clock starts at a fixed date plus the node's offset.
struct SimulatedClock: Clock {
  let lifeline: Lifeline
  let wall: WallClock
  /// Whose clock it is; nil: the run's.
  var owner: OwnedExecutor?

  var now: Instant { Instant(nanoseconds: lifeline.now) }
  var wallMicroseconds: Int64 { wall.microseconds(at: lifeline.now) }

  func sleep(until deadline: Instant) async throws {
    try lifeline.requireAlive()
    if deadline <= now { return try Task.checkCancellation() }
    let executor = lifeline.executor
    try await lifeline.suspend("sleep") { (waiter: SimulatedWaiter<Void>) in
      // Without a timer a sleep for ever cannot hide a deadlock.
      if deadline == .distantFuture { return }
      waiter.expire(
        executor.schedule(after: deadline.nanoseconds - executor.now) {
          waiter.settle(.success(()))
        }
      )
    }
  }
}

extension SimulatedClock {
  func alarm(at deadline: Instant, _ fire: @escaping @Sendable () -> Void) -> any Alarm {
    let (executor, lifeline, owner) = (lifeline.executor, lifeline, owner)
    return executor.schedule(after: deadline.nanoseconds - min(deadline.nanoseconds, executor.now)) {
      if lifeline.isDead { return }
      if let owner, owner.isStopped { owner.heldCalls.append(fire) } else { fire() }
    }
  }
}
extension SimulatedTimer: Alarm {}

/// Runs functions inline after a delay drawn from the seed.
struct SimulatedCompute: Compute {
  let lifeline: Lifeline
  let random: SeededGenerator
  let width = 2

  func run<R: Sendable>(_ work: @escaping @Sendable () -> R) async -> R {
    do {
      try await lifeline.pause("compute", random.next(in: 1_000...200_000))
      lifeline.executor.note("compute")
    } catch {
      // The node died. Its result reaches nobody, but the call has no other way to return.
    }
    return work()
  }
}

/// Events of all nodes of a run, in the order they were recorded.
public final class SimulatedEventLog: Sendable {
  /// One event.
  public struct Event: Sendable {
    /// Virtual nanoseconds.
    public var time: UInt64
    /// Who recorded it.
    public var node: String
    /// How much it matters.
    public var level: EventLevel
    /// Its name.
    public var event: String
    /// Its fields.
    public var fields: [(String, String)]
    /// The field's value.
    public subscript(_ key: String) -> String? { fields.first { $0.0 == key }?.1 }
  }
  private let state = Mutex<[Event]>([])
  /// Everything recorded so far.
  public var events: [Event] { state.withLock { $0 } }
  func append(_ event: Event) { state.withLock { $0.append(event) } }
}

/// The log of one incarnation.
struct SimulatedNodeLog: EventLog {
  let lifeline: Lifeline
  let log: SimulatedEventLog
  func record(_ level: EventLevel, _ event: String, _ fields: [(String, String)]) {
    if lifeline.isDead { return }
    var hash: UInt64 = UInt64(level.rawValue)
    func mix(_ text: String) { for byte in text.utf8 { hash = SeededGenerator.mix(hash ^ UInt64(byte)) } }
    mix(lifeline.node)
    mix(event)
    for (name, value) in fields {
      mix(name)
      mix(value)
    }
    lifeline.executor.note("log", hash)
    log.append(
      SimulatedEventLog.Event(
        time: lifeline.now,
        node: lifeline.node,
        level: level,
        event: event,
        fields: fields
      )
    )
  }
}
