// ServerCall.swift — one request as the node that answers it sees it.
//
// Answered by exactly one `reply`, or by any number of `send` and the responder's return; a thrown error is sent as
// such. The task that carries the request is cancelled when the client gives it up, its deadline passes or the
// connection ends.

import Bytes
public import Capabilities
import Model
internal import Synchronization
public import Wire

/// Answers requests.
///
/// Called in a task of its own for each request.
public protocol RPCResponder: Sendable {
  /// Answers `request` through `call`; what it throws is sent to the client as the answer.
  func respond(to request: Message, call: ServerCall) async throws
}

/// A request being answered.
///
/// One task at a time uses it.
public final class ServerCall: Sendable {
  /// A reference to the request's own task, to cancel it from the connection's reader.
  ///
  /// The runtime allows `cancel` from any thread while the task has not ended; `detach` forgets it, under the same
  /// lock, before it does.
  private struct TaskReference: @unchecked Sendable {
    var task: UnsafeCurrentTask
  }
  private struct State {
    var task: TaskReference?
    var stopped: TallyError?
    var credit = FrameFormat.streamWindow
    var isAnswered = false
    var hasItems = false
  }
  /// Who asks.
  public let peer: PeerIdentity
  /// The other end's address, for logs.
  public let peerAddress: String
  /// When the client stops waiting; the task is cancelled then.
  public let deadline: Instant
  let stream: UInt64
  let bodyBytes: Int
  private let outgoing: FrameQueue
  private let signal = Signal()
  private let state = Mutex(State())

  init(
    stream: UInt64,
    peer: PeerIdentity,
    peerAddress: String,
    deadline: Instant,
    bodyBytes: Int,
    outgoing: FrameQueue
  ) {
    self.stream = stream
    self.peer = peer
    self.peerAddress = peerAddress
    self.deadline = deadline
    self.bodyBytes = bodyBytes
    self.outgoing = outgoing
  }

  /// Sends the one answer.
  ///
  /// `pack` false says that its body is not worth packing.
  public func reply(_ message: Message, pack: Bool = true) async throws {
    try await waitForRoom(credit: false)
    state.withLock { state in
      invariant(
        !state.isAnswered && !state.hasItems,
        "a request was answered twice (\(message.name))"
      )
      state.isAnswered = true
    }
    let (head, body) = MessageFormat.encode(message)
    try post(Frame(.response, stream: stream, head: head, body: body), pack)
  }
  /// Sends one of several answers; suspends until the client has room for it.
  ///
  /// `isLast` ends the stream with it.
  public func send(_ item: Message, isLast: Bool = false, pack: Bool = true) async throws {
    try await waitForRoom(credit: true)
    let (head, body) = MessageFormat.encode(item)
    state.withLock { state in
      invariant(!state.isAnswered, "an item was sent behind the answer (\(item.name))")
      state.hasItems = true
      state.isAnswered = isLast
      state.credit -= head.count + body.count
    }
    try post(Frame(.streamItem, stream: stream, isLast: isLast, head: head, body: body), pack)
  }
  private func post(_ frame: consuming Frame, _ pack: Bool) throws {
    do {
      guard try outgoing.post(frame, pack: pack) else { throw CancellationError() }
    } catch let error as TallyError {
      // Too large to send: nothing was, and the error is the answer.
      state.withLock { $0.isAnswered = false }
      throw error
    }
  }
  private func waitForRoom(credit needsCredit: Bool) async throws {
    while true {
      try Task.checkCancellation()
      let (stopped, hasCredit) = state.withLock { ($0.stopped, $0.credit > 0) }
      if let stopped { throw stopped }
      if (hasCredit || !needsCredit) && outgoing.hasRoom(signal) { return }
      await signal.wait()
    }
  }

  func attach(_ task: UnsafeCurrentTask?) {
    let isStopped = state.withLock { state in
      state.task = task.map { TaskReference(task: $0) }
      return state.stopped != nil
    }
    if isStopped { task?.cancel() }
  }
  func detach() { state.withLock { $0.task = nil } }
  /// Cancels the request's task.
  func stop(_ reason: TallyError) {
    state.withLock { state in
      if state.stopped == nil { state.stopped = reason }
      state.task?.task.cancel()
    }
    signal.notify()
  }
  func grant(_ bytes: Int) {
    state.withLock { $0.credit = min($0.credit + bytes, FrameFormat.streamWindow) }
    signal.notify()
  }
  /// Ends a stream of items that the responder has returned from.
  func complete() {
    let isOpen = state.withLock { state in
      defer { state.isAnswered = true }
      return !state.isAnswered
    }
    if isOpen { outgoing.post(control: Frame(.end, stream: stream)) }
  }
  func fail(_ error: any Error) {
    let (isOpen, stopped) = state.withLock { state in
      defer { state.isAnswered = true }
      return (!state.isAnswered, state.stopped)
    }
    guard isOpen else { return }
    let answer =
      error is CancellationError
      ? stopped ?? TallyError(.cancelled, "the request was cancelled") : TallyError(from: error)
    outgoing.post(control: Frame(.error, stream: stream, head: ErrorFormat.encode(answer)))
  }
}

extension TallyError {
  /// The error that travels for whatever a responder threw.
  init(from error: any Error) {
    switch error {
    case let error as TallyError: self = error
    case is DeadlineExceeded: self.init(.timedOut, "the deadline passed")
    case let failure as NetworkFailure: self.init(.unavailable, failure.message)
    case let failure as DecodingFailure:
      self.init(.protocolViolation, "the request cannot be read: \(failure)")
    case let failure as DiskFailure where failure.kind == .full:
      self.init(.diskFull, failure.message)
    default: self.init(.internalError, "\(error)")
    }
  }
}
