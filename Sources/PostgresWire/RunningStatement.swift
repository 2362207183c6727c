// RunningStatement.swift — the statement that a connection runs now, as those see it who may end it: a cancel request, its time
// limit, the reader that finds the client gone, a shutdown.
//
// Between statements a cancellation does nothing, as in PostgreSQL. The reference to the task is used under the lock and
// forgotten before the task ends, which is what the runtime asks for.

internal import Model
internal import Synchronization

/// Why a statement is ended from outside.
enum StopReason: Sendable {
  case request
  case timeout
  case clientGone
  case shutdown

  /// What the client is told.
  var error: TallyError {
    switch self {
    case .request: TallyError(.cancelled, "canceling statement due to user request")
    case .timeout: TallyError(.timedOut, "canceling statement due to statement timeout")
    case .clientGone: TallyError(.cancelled, "connection to client lost", sqlState: "08006")
    case .shutdown: PostgresServer.terminated
    }
  }
}

final class RunningStatement: Sendable {
  private struct TaskReference: @unchecked Sendable {
    // Safe: used under the lock, between `attach` and `detach`.
    var task: UnsafeCurrentTask
  }
  private struct State {
    var isRunning = false
    var readsOnly = false
    var task: TaskReference?
    var reason: StopReason?
    var isClientGone = false
    var number: UInt64 = 0
  }
  private let state = Mutex(State())

  /// Returns the statement's number.
  func begin(readsOnly: Bool) -> UInt64 {
    state.withLock { state -> UInt64 in
      let isGone = state.isClientGone
      state = State(
        isRunning: true,
        readsOnly: readsOnly,
        reason: isGone && readsOnly ? .clientGone : nil,
        isClientGone: isGone,
        number: state.number + 1
      )
      return state.number
    }
  }
  func attach(_ task: UnsafeCurrentTask?) {
    state.withLock { state in
      state.task = task.map { TaskReference(task: $0) }
      if state.reason != nil { task?.cancel() }
    }
  }
  func detach() { state.withLock { $0.task = nil } }
  /// The reason, if somebody ended it.
  func end() -> StopReason? {
    state.withLock { state in
      state.isRunning = false
      return state.reason
    }
  }
  var isRunning: Bool { state.withLock { $0.isRunning } }
  /// Ends the statement, or only one of a number. One that writes goes on when its client has gone: it may have been meant to.
  func stop(_ reason: StopReason, only number: UInt64? = nil) {
    state.withLock { state in
      guard number == nil || number == state.number else { return }
      // Nobody waits for the answers of statements that are still to come, either.
      if reason == .clientGone { state.isClientGone = true }
      guard state.isRunning, state.reason == nil, reason != .clientGone || state.readsOnly else { return }
      state.reason = reason
      state.task?.task.cancel()
    }
  }
}
