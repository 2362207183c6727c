// FrameQueue.swift — frames on their way out of one connection, in order.
//
// One task per connection sends: whatever was queued while it was busy goes out in one `send`, so the answers of one
// turn share a system call. Bounded: who carries data waits for room first; control frames do not wait (they are
// small and few).

import Capabilities
import Model
internal import Synchronization
import Wire

final class FrameQueue: Sendable {
  private struct State {
    var pieces = FramePieces()
    var sending = 0
    /// Bytes handed to the network since the other end was heard last.
    var unanswered = 0
    var isFinished = false
    var isDone = false
    var waiters: [Signal] = []
  }
  static let byteLimit = 2 << 20
  private let state = Mutex(State())
  private let ready = Signal()
  private let drained = Signal()
  private let packs: Bool

  init(packs: Bool) { self.packs = packs }

  /// Queues a frame; false when nothing is sent any more.
  @discardableResult
  func post(_ frame: consuming Frame, pack: Bool = false) throws(TallyError) -> Bool {
    append(try FrameFormat.encode(frame, pack: pack && packs))
  }
  /// Queues a frame that cannot be too large.
  func post(control frame: consuming Frame) {
    do { try post(frame) } catch { fatalError("a control frame is too large: \(error)") }
  }
  /// True when there is room; else `waiter` is notified when there is, or when sending ended.
  func hasRoom(_ waiter: Signal) -> Bool {
    state.withLock { state in
      if state.isFinished || state.pieces.byteCount + state.sending < Self.byteLimit { return true }
      state.waiters.append(waiter)
      return false
    }
  }
  private func append(_ frame: consuming EncodedFrame) -> Bool {
    var frame = Optional(frame)
    let isFirst = state.withLock { state -> Bool? in
      guard !state.isFinished, let taken = frame.take() else { return nil }
      let wasEmpty = state.pieces.isEmpty
      state.pieces.append(taken)
      return wasEmpty
    }
    guard let isFirst else { return false }
    if isFirst { ready.notify() }
    return true
  }
  /// Bytes that the other end has not reacted to: queued, or sent since `heard`.
  var backlog: Int { state.withLock { $0.pieces.byteCount + $0.sending + $0.unanswered } }
  /// Notes that the other end was heard.
  func heard() { state.withLock { $0.unanswered = 0 } }
  /// Takes nothing more; what is queued is still sent.
  func finish() {
    let waiters = state.withLock { state in
      state.isFinished = true
      defer { state.waiters = [] }
      return state.waiters
    }
    ready.notify()
    for waiter in waiters { waiter.notify() }
  }
  /// Sends until finished and empty, or until the connection fails.
  func run(on connection: any Connection) async {
    while true {
      let (pieces, isFinished) = state.withLock { state in
        state.sending = state.pieces.byteCount
        return (state.pieces.take(), state.isFinished)
      }
      if pieces.isEmpty {
        if isFinished { break }
        if Task.isCancelled { break }
        await ready.wait()
        continue
      }
      do {
        for piece in pieces {
          try await connection.send(piece)
          release(piece.count)
        }
      } catch {
        // The reader sees the same end of the connection and tells the requests.
        break
      }
    }
    state.withLock { $0.isDone = true }
    finish()
    drained.notify()
  }
  private func release(_ bytes: Int) {
    let waiters = state.withLock { state -> [Signal] in
      state.sending -= bytes
      state.unanswered += bytes
      guard !state.waiters.isEmpty, state.pieces.byteCount + state.sending < Self.byteLimit else {
        return []
      }
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.notify() }
  }
  /// Finishes, and waits until everything was handed to the network, or a second has passed.
  func flush(_ clock: any Clock) async {
    finish()
    let limit = clock.now + .seconds(1)
    while !state.withLock({ $0.isDone }) && clock.now < limit && !Task.isCancelled {
      await drained.wait(until: limit, clock)
    }
  }
}
