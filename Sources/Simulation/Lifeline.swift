// Lifeline.swift — the life of one incarnation of a node, and every call that waits on behalf of it.
//
// What a crash means: from that moment the incarnation's jobs are no part of the run any more. Its tasks are cancelled,
// each call that waits fails with CancellationError, and each later call does too, so that all it can do is unwind and
// release its memory. That happens at once, outside of virtual time and of the event hash, with no way to reach the
// network, the disk, the log or the clock. A flow that never ends its retries after cancellation is caught here.
internal import Bytes
internal import Capabilities

/// One incarnation of a node. Confined to the simulation's thread.
final class Lifeline: @unchecked Sendable {
  // Safe: touched by the simulation's thread only.
  private struct Waiting {
    var label: StaticString
    var order: UInt64
    var call: any SuspendedCall
  }
  let node: String
  let executor: SimulatedExecutor
  private var waiting: [Waiting?] = []
  private var freeSlots: [Int] = []
  private var nextOrder: UInt64 = 0
  private var refusals = 0
  private(set) var diedAt: UInt64?

  init(node: String, _ executor: SimulatedExecutor) {
    self.node = node
    self.executor = executor
  }
  var isDead: Bool { diedAt != nil }
  /// Virtual time as this incarnation sees it: it stands still after death.
  var now: UInt64 { diedAt ?? executor.now }

  /// Fails everything that waits, in the order it began to wait.
  func die() {
    if isDead { return }
    diedAt = executor.now
    // A call that is failed lets its task run on later, not here.
    for entry in waiting.compactMap({ $0 }).sorted(by: { $0.order < $1.order }) { entry.call.abandon() }
  }
  /// The error of every call after death.
  func refuse() -> CancellationError {
    refusals += 1
    invariant(
      refusals < 1_000_000,
      "\(node) crashed, but a flow of it goes on for ever: does it swallow cancellation?"
    )
    return CancellationError()
  }
  func requireAlive() throws { if isDead { throw refuse() } }

  /// Suspends until `begin`'s waiter is settled, the task is cancelled (when `isCancellable`), or the node dies.
  func suspend<Value: Sendable>(
    _ label: StaticString,
    isCancellable: Bool = true,
    _ begin: @escaping @Sendable (SimulatedWaiter<Value>) -> Void
  ) async throws -> Value {
    try requireAlive()
    let waiter = SimulatedWaiter<Value>()
    let slot = enter(label, waiter)
    defer { leave(slot) }
    if !isCancellable {
      return try await withUnsafeThrowingContinuation { continuation in if waiter.attach(continuation) { begin(waiter) } }
    }
    return try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { continuation in if waiter.attach(continuation) { begin(waiter) } }
    } onCancel: {
      waiter.abandon()
    }
  }
  private func enter(_ label: StaticString, _ call: any SuspendedCall) -> Int {
    nextOrder += 1
    let entry = Waiting(label: label, order: nextOrder, call: call)
    if let slot = freeSlots.popLast() {
      waiting[slot] = entry
      return slot
    }
    waiting.append(entry)
    return waiting.count - 1
  }
  private func leave(_ slot: Int) {
    waiting[slot] = nil
    freeSlots.append(slot)
  }
  /// Lets virtual time pass; cancellation does not shorten it, death does.
  func pause(_ label: StaticString, _ nanoseconds: UInt64) async throws {
    try await suspend(label, isCancellable: false) { [executor] (waiter: SimulatedWaiter<Void>) in
      waiter.expire(executor.schedule(after: nanoseconds) { waiter.settle(.success(())) })
    }
  }
  /// What waits, for the report of a deadlock.
  var report: String {
    var counts: [String: Int] = [:]
    for entry in waiting.compactMap({ $0 }) { counts["\(entry.label)", default: 0] += 1 }
    let parts = counts.sorted { $0.key < $1.key }.map { "\($0.value) in \($0.key)" }
    return "\(node): "
      + (parts.isEmpty ? "nothing waits on a capability" : parts.joined(separator: ", "))
  }
}

/// A call that waits on behalf of an incarnation.
private protocol SuspendedCall: AnyObject {
  /// Fails it with CancellationError.
  func abandon()
}

/// One suspended call: settled once, by whoever comes first.
final class SimulatedWaiter<Value: Sendable>: SuspendedCall, @unchecked Sendable {
  // Safe: touched by the simulation's thread only. `isSettled` sees to it that the continuation is resumed once.
  private var continuation: UnsafeContinuation<Value, any Error>?
  private var early: Result<Value, any Error>?
  private var timer: SimulatedTimer?
  private(set) var isSettled = false

  fileprivate func abandon() { settle(.failure(CancellationError())) }
  fileprivate func attach(_ continuation: UnsafeContinuation<Value, any Error>) -> Bool {
    if let early {
      continuation.resume(with: early)
      return false
    }
    self.continuation = continuation
    return true
  }
  /// A timer that is pointless once the call is settled.
  func expire(_ timer: SimulatedTimer) {
    if isSettled { timer.cancel() } else { self.timer = timer }
  }
  /// Resumes the call; later results are ignored.
  func settle(_ result: Result<Value, any Error>) {
    if isSettled { return }
    isSettled = true
    timer?.cancel()
    timer = nil
    guard let continuation else {
      early = result
      return
    }
    self.continuation = nil
    continuation.resume(with: result)
  }
}
