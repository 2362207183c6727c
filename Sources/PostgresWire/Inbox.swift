// Inbox.swift — bytes between a connection's reader and its session, bounded, with the ends of both sides.
//
// The reader reads ahead while a statement runs, so that it sees the client go; when enough bytes wait it stops, and TCP slows
// the client down.

internal import Capabilities
internal import Synchronization

final class Inbox: Sendable {
  /// The reader waits while more bytes than this are here.
  static let byteLimit = 512 << 10

  private struct State {
    var chunks: [[UInt8]] = []
    var bytes = 0
    var isEnded = false
    var isDiscarding = false
    var isStopped = false
  }
  enum Taken {
    case bytes([[UInt8]])
    case ended
    case stopped
    case nothing
  }
  private let state = Mutex(State())
  private let arrived = Signal()
  private let taken = Signal()

  // MARK: The reader's side

  func put(_ chunk: [UInt8]) async {
    let isFull = state.withLock { state in
      if state.isDiscarding { return false }
      state.chunks.append(chunk)
      state.bytes += chunk.count
      return state.bytes > Self.byteLimit
    }
    arrived.notify()
    if !isFull { return }
    while state.withLock({ $0.bytes > Self.byteLimit && !$0.isDiscarding }), !Task.isCancelled { await taken.wait() }
  }
  /// The client sends nothing any more.
  func end() {
    state.withLock { $0.isEnded = true }
    arrived.notify()
  }

  // MARK: The session's side

  /// What has come; `stopped` comes before bytes, is told until the connection ends, and not to who is within a statement.
  func take(withinStatement: Bool) -> Taken {
    let result = state.withLock { state -> Taken in
      if state.isStopped && !withinStatement { return .stopped }
      if !state.chunks.isEmpty {
        defer { (state.chunks, state.bytes) = ([], 0) }
        return .bytes(state.chunks)
      }
      return state.isEnded ? .ended : .nothing
    }
    if case .bytes = result { taken.notify() }
    return result
  }
  func wait(until deadline: Instant, _ clock: any Clock) async { await arrived.wait(until: deadline, clock) }
  var isStopped: Bool { state.withLock { $0.isStopped } }

  // MARK: Everybody's side

  /// Tells the session to end at its next message.
  func stop() {
    state.withLock { $0.isStopped = true }
    arrived.notify()
  }
  /// Whatever comes from now on is dropped; returns when the client has closed, or at the deadline.
  func drain(until deadline: Instant, _ clock: any Clock) async {
    state.withLock { state in
      (state.isDiscarding, state.chunks, state.bytes) = (true, [], 0)
    }
    taken.notify()
    while !state.withLock({ $0.isEnded }), clock.now < deadline, !Task.isCancelled { await arrived.wait(until: deadline, clock) }
  }
}
