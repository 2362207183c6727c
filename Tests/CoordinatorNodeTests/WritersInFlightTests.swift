// WritersInFlightTests.swift — who waits for writers of a table waits for those that were there, and for none else.
import Capabilities
import Model
import Synchronization
import Testing

@testable import CoordinatorNode

/// Time that stands still until an alarm is rung by hand.
private final class StillClock: Clock {
  private struct NoAlarm: Alarm { func cancel() {} }
  let alarms = Mutex<[@Sendable () -> Void]>([])
  var now: Instant { Instant(nanoseconds: 1) }
  var wallMicroseconds: Int64 { 0 }
  func sleep(until deadline: Instant) async throws {}
  func alarm(at deadline: Instant, _ fire: @escaping @Sendable () -> Void) -> any Alarm {
    alarms.withLock { $0.append(fire) }
    return NoAlarm()
  }
  var count: Int { alarms.withLock { $0.count } }
  func ring() { for alarm in alarms.withLock({ $0 }) { alarm() } }
}

@Suite struct WritersInFlightTests {
  private let writers = WritersInFlight()
  private let clock = StillClock()
  private let ours = TableID(1)
  private let theirs = TableID(2)

  private func wait(of tables: Set<TableID>, but own: Set<UInt64> = []) async throws {
    try await writers.untilGone(of: tables, but: own, until: .distantFuture, clock) { TallyError(.timedOut, "late") }
  }
  /// Lets `body` end a wait that has begun.
  private func during(_ tables: Set<TableID>, but own: Set<UInt64> = [], _ body: @Sendable (Promise<Void>) async -> Void) async throws {
    let over = Promise<Void>()
    let before = clock.count
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await self.wait(of: tables, but: own)
        over.fulfil(())
      }
      while clock.count == before { await Task.yield() }
      await body(over)
      try await group.waitForAll()
    }
    #expect(over.isSettled)
  }

  @Test func whoIsThereIsWaitedForAndWhoComesLaterIsNot() async throws {
    let unknown = writers.begin()
    let other = writers.begin()
    writers.know(other, [theirs])
    let own = writers.begin()
    try await during([ours], but: [own]) { over in
      let later = self.writers.begin()
      self.writers.know(later, [self.ours])
      self.writers.know(unknown, [self.ours, self.theirs])
      #expect(!over.isSettled)
      self.writers.end(unknown)
    }
    // The later one is there now, and brings rows of ours only.
    writers.end(other)
    try await wait(of: [theirs], but: [own])
  }
  @Test func whatAStatementOfATransactionWroteIsWaitedForUntilThatEnds() async throws {
    // The transaction has written another table; its statement now writes ours, and ends before the transaction does.
    let transaction = writers.begin()
    writers.know(transaction, [theirs])
    let statement = writers.begin()
    writers.know(statement, [ours])
    try await during([ours]) { over in
      self.writers.know(transaction, [self.theirs, self.ours])
      self.writers.end(statement, into: transaction)
      #expect(!over.isSettled)
      self.writers.end(transaction)
    }
    // One that did not write ours does not hold anybody up.
    let other = writers.begin()
    writers.know(other, [theirs])
    let last = writers.begin()
    writers.know(last, [ours])
    try await during([ours]) { _ in self.writers.end(last, into: other) }
  }
  @Test func whoTurnsOutToWriteOthersIsNotWaitedFor() async throws {
    let unknown = writers.begin()
    try await during([ours]) { _ in self.writers.know(unknown, [self.theirs]) }
    try await wait(of: [ours])
    // One that ended is not known again.
    writers.end(unknown)
    writers.know(unknown, [ours])
    try await wait(of: [ours])
  }
  @Test func waitingHasAnEnd() async throws {
    _ = writers.begin()
    let clock = clock
    await #expect(throws: TallyError.self) { try await during([ours]) { _ in clock.ring() } }
  }
}
