// ClientCall.swift — one request of a client and what came back for it so far.
//
// The connection's reader puts items in; one task takes them out and so earns the server new credit. What is buffered
// is bounded by the window and one frame: a server that sends more breaks the protocol.

import Capabilities
import Model
internal import Synchronization
public import Wire

final class ClientCall: Sendable {
  private struct State {
    var items: [(message: Message, bytes: Int)] = []
    var head = 0
    var buffered = 0
    var consumed = 0
    var isEnded = false
    var failure: TallyError?
  }
  enum Taken {
    case item(Message, credit: Int)
    case ended
    case failed(TallyError)
    case nothing
  }
  let stream: UInt64
  let mayChangeState: Bool
  let signal = Signal()
  private let state = Mutex(State())

  init(stream: UInt64, mayChangeState: Bool) {
    self.stream = stream
    self.mayChangeState = mayChangeState
  }
  /// An item of a stream; false when the server sent beyond its credit.
  func deliver(_ message: Message, bytes: Int, isLast: Bool) -> Bool {
    let isWithinCredit = state.withLock { state in
      state.items.append((message, bytes))
      state.buffered += bytes
      if isLast { state.isEnded = true }
      return state.buffered <= FrameFormat.streamWindow + Limits.frameBytesMax
    }
    signal.notify()
    return isWithinCredit
  }
  func end() {
    state.withLock { $0.isEnded = true }
    signal.notify()
  }
  func fail(_ error: TallyError) {
    state.withLock { state in
      guard !state.isEnded, state.failure == nil else { return }
      state.failure = error
    }
    signal.notify()
  }
  var failure: TallyError? { state.withLock { $0.failure } }
  func take() -> Taken {
    state.withLock { state in
      if state.head < state.items.count {
        let item = state.items[state.head]
        state.head += 1
        if state.head == state.items.count {
          state.items.removeAll(keepingCapacity: true)
          state.head = 0
        }
        state.buffered -= item.bytes
        state.consumed += item.bytes
        guard state.consumed >= FrameFormat.streamWindow / 2, !state.isEnded else {
          return .item(item.message, credit: 0)
        }
        defer { state.consumed = 0 }
        return .item(item.message, credit: state.consumed)
      }
      if state.isEnded { return .ended }
      if let failure = state.failure { return .failed(failure) }
      return .nothing
    }
  }
}

/// The messages that answer one request, in order.
///
/// One task reads it; dropping it before its end cancels the request.
public final class MessageStream: AsyncSequence, Sendable {
  /// The elements.
  public typealias Element = Message
  private let call: ClientCall
  private let connection: RPCConnection

  init(_ call: ClientCall, _ connection: RPCConnection) {
    self.call = call
    self.connection = connection
  }
  deinit { connection.abandon(call) }

  /// The next message; nil after the last.
  ///
  /// Throws `TallyError`, or `CancellationError` after which the request is cancelled.
  public func next() async throws -> Message? {
    while true {
      switch call.take() {
      case .item(let message, let credit):
        if credit > 0 { connection.grant(call, credit) }
        return message
      case .ended: return nil
      case .failed(let error): throw error
      case .nothing: break
      }
      if Task.isCancelled {
        connection.abandon(call)
        throw CancellationError()
      }
      await call.signal.wait()
    }
  }
  /// Gives the request up.
  public func cancel() { connection.abandon(call) }

  /// Reads the stream by `for try await`.
  public func makeAsyncIterator() -> Iterator { Iterator(stream: self) }
  /// Reads a stream.
  public struct Iterator: AsyncIteratorProtocol {
    let stream: MessageStream
    /// The next message.
    public mutating func next() async throws -> Message? { try await stream.next() }
    /// The next message.
    public mutating func next(isolation actor: isolated (any Actor)?) async throws -> Message? {
      try await stream.next()
    }
  }
}
