// Shared.swift — a value that test flows share.
import Synchronization

/// A value behind a lock.
final class Shared<Value: Sendable>: Sendable {
  private let state: Mutex<Value>
  init(_ value: Value) { state = Mutex(value) }
  /// The value now.
  var value: Value { state.withLock { $0 } }
  /// Changes the value.
  func update<R: Sendable>(_ body: (inout Value) -> R) -> R {
    state.withLock { value in body(&value) }
  }
}
