// Promise.swift — one value that tasks wait for; and BoundedQueue, the only queue between flows.
//
// Both resume waiters through continuations, so whoever fulfils runs on; no task is created here.
internal import Synchronization

/// A result that is set once and awaited by any number of tasks. Waiting is not cancelled by task cancellation: whoever
/// owns the promise must settle it.
public final class Promise<Value: Sendable>: Sendable {
  private struct State {
    var result: Result<Value, any Error>?
    var waiters: [CheckedContinuation<Value, any Error>] = []
  }
  private let state = Mutex(State())
  /// Makes an unsettled promise.
  public init() {}
  /// Settles the promise; later calls change nothing.
  public func settle(_ result: Result<Value, any Error>) {
    let waiters = state.withLock { state -> [CheckedContinuation<Value, any Error>] in
      guard state.result == nil else { return [] }
      state.result = result
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume(with: result) }
  }
  /// Settles with a value.
  public func fulfil(_ value: Value) { settle(.success(value)) }
  /// Settles with an error.
  public func fail(_ error: any Error) { settle(.failure(error)) }
  /// True once settled.
  public var isSettled: Bool { state.withLock { $0.result != nil } }
  /// The result, once settled.
  public var settled: Result<Value, any Error>? { state.withLock { $0.result } }
  /// Waits for the result.
  public var value: Value {
    get async throws {
      try await withCheckedThrowingContinuation { continuation in
        let settled = state.withLock { state -> Result<Value, any Error>? in
          if state.result == nil { state.waiters.append(continuation) }
          return state.result
        }
        if let settled { continuation.resume(with: settled) }
      }
    }
  }
}

/// A first-in first-out queue of bounded length between flows; the bound is back-pressure, never loss.
public final class BoundedQueue<Element: Sendable>: Sendable {
  private struct Waiter {
    var ticket: UInt64
    var continuation: CheckedContinuation<Void, any Error>
  }
  private struct State {
    var elements: [Element] = []
    var head = 0
    var isFinished = false
    var ticket: UInt64 = 0
    var senders: [Waiter] = []
    var receivers: [Waiter] = []
    var count: Int { elements.count - head }
    mutating func pop() -> Element {
      let element = elements[head]
      head += 1
      if head > 64 && head * 2 > elements.count {
        elements.removeFirst(head)
        head = 0
      }
      return element
    }
  }
  private let state = Mutex(State())
  private let capacity: Int
  /// Makes a queue of at most `capacity` elements.
  public init(capacity: Int) { self.capacity = max(1, capacity) }
  /// Elements waiting.
  public var count: Int { state.withLock { $0.count } }

  /// Appends; suspends while the queue is full. Throws `CancellationError`, also when the queue is finished.
  public func send(_ element: Element) async throws {
    while true {
      let sent: Bool = try state.withLock { state in
        if state.isFinished { throw CancellationError() }
        guard state.count < capacity else { return false }
        state.elements.append(element)
        return true
      }
      if sent {
        wakeReceiver()
        return
      }
      try await wait(asSender: true)
    }
  }
  /// Appends when there is room; false when full or finished.
  public func trySend(_ element: Element) -> Bool {
    let sent = state.withLock { state in
      guard !state.isFinished, state.count < capacity else { return false }
      state.elements.append(element)
      return true
    }
    if sent { wakeReceiver() }
    return sent
  }
  /// Takes the first element; suspends while empty; nil once finished and empty. Throws `CancellationError`.
  public func receive() async throws -> Element? {
    while true {
      let (element, ended): (Element?, Bool) = state.withLock { state in
        state.count > 0 ? (state.pop(), false) : (nil, state.isFinished)
      }
      if let element {
        state.withLock { $0.senders.isEmpty ? nil : $0.senders.removeFirst() }?.continuation.resume()
        return element
      }
      if ended { return nil }
      try await wait(asSender: false)
    }
  }
  /// Refuses further elements; receivers drain what is left.
  public func finish() {
    let waiters = state.withLock { state -> [Waiter] in
      state.isFinished = true
      defer { (state.senders, state.receivers) = ([], []) }
      return state.senders + state.receivers
    }
    for waiter in waiters { waiter.continuation.resume() }
  }
  private func wakeReceiver() {
    state.withLock { $0.receivers.isEmpty ? nil : $0.receivers.removeFirst() }?.continuation.resume()
  }
  private func wait(asSender: Bool) async throws {
    let ticket = state.withLock { state in
      state.ticket += 1
      return state.ticket
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        // Cancellation is flagged before its handler runs: either we see it here, or the handler finds the waiter.
        let settled = state.withLock { state -> Result<Void, any Error>? in
          if Task.isCancelled { return .failure(CancellationError()) }
          if state.isFinished || (asSender ? state.count < capacity : state.count > 0) { return .success(()) }
          let waiter = Waiter(ticket: ticket, continuation: continuation)
          if asSender { state.senders.append(waiter) } else { state.receivers.append(waiter) }
          return nil
        }
        if let settled { continuation.resume(with: settled) }
      }
    } onCancel: {
      cancel(ticket)
    }
  }
  private func cancel(_ ticket: UInt64) {
    let waiter = state.withLock { state -> Waiter? in
      if let at = state.senders.firstIndex(where: { $0.ticket == ticket }) { return state.senders.remove(at: at) }
      if let at = state.receivers.firstIndex(where: { $0.ticket == ticket }) { return state.receivers.remove(at: at) }
      return nil
    }
    waiter?.continuation.resume(throwing: CancellationError())
  }
}
