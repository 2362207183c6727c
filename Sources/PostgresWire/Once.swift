// Once.swift — says yes the first time.

internal import Synchronization

final class Once: Sendable {
  private let isSpent = Atomic(false)
  /// True once.
  func first() -> Bool { !isSpent.exchange(true, ordering: .relaxed) }
}
