// JournalIndexTests.swift — entries read back from the journal for other copies: the live ones, in order, as long as they are pinned.
import Bytes
import Capabilities
import Model
import Simulation
import Testing

@testable import Storage

struct JournalIndexTests {
  @Test func entriesAreReadBackWhatWasVoidedIsNot() async throws {
    let disk = SimulatedDisk(seed: 3)
    let opened = try await openJournal(disk)
    let journal = opened.journal
    var logs = [TestLog(1), TestLog(2)]
    var expected: [ShardID: [LogEntry]] = [:]
    try await withRunning(journal) {
      for step in 0..<120 {
        let record = logs[step % 2].next(noise(10 + step * 37, UInt64(step)))
        _ = try await journal.append([record])
        expected[record.shard, default: []].append(record.entry)
        if step == 61 {
          // Shard 1 loses its last five entries and gets others in a later epoch; shard 2 is cut.
          logs[0] = TestLog(1)
          for entry in expected[ShardID(1), default: []].dropLast(5) { (logs[0].position, logs[0].chain) = (entry.position, entry.chain) }
          expected[ShardID(1)]?.removeLast(5)
          logs[0].epoch = Epoch(2)
          let cut = LogEntry.cut(from: LogPosition(30), epoch: Epoch(2))
          _ = try await journal.append([JournalRecord(shard: ShardID(2), entry: cut)])
          expected[ShardID(2)]?.removeLast(2)
          logs[1] = TestLog(2)
          for entry in expected[ShardID(2), default: []] { (logs[1].position, logs[1].chain) = (entry.position, entry.chain) }
          logs[1].epoch = Epoch(2)
        }
      }
      try await check(journal, expected)
      // What was released goes with its file, unless a copy still needs it.
      journal.pin(ShardID(1), above: LogPosition(0), for: 7)
      for shard in 1...2 as ClosedRange<UInt64> { journal.release(ShardID(shard), through: LogPosition(.max)) }
      #expect(try await !journal.entries(of: ShardID(1), from: LogPosition(1)).isEmpty)
      journal.unpin(ShardID(1), for: 7)
    }
    let again = try await openJournal(disk)
    #expect(try await again.journal.entries(of: ShardID(1), from: LogPosition(1)).isEmpty)
    #expect(try await again.journal.entries(of: ShardID(3), from: LogPosition(1)).isEmpty)
  }
  /// A cut and what replaces it travel in one group; the cut has no body, so both begin at the same byte.
  @Test func aReplayGivesWhatReplacedACutNotTheCut() async throws {
    let disk = SimulatedDisk(seed: 5)
    var log = TestLog(1)
    var expected: [LogEntry] = []
    let journal = try await openJournal(disk).journal
    try await withRunning(journal) {
      for step in 0..<4 {
        let record = log.next(noise(20, UInt64(step)))
        _ = try await journal.append([record])
        if step < 2 { expected.append(record.entry) }
      }
      log = TestLog(1)
      for entry in expected { (log.position, log.chain) = (entry.position, entry.chain) }
      log.epoch = Epoch(2)
      let replacement = log.next(noise(30, 9))
      let cut = LogEntry.cut(from: replacement.entry.position, epoch: Epoch(2))
      _ = try await journal.append([JournalRecord(shard: ShardID(1), entry: cut), replacement])
      expected.append(replacement.entry)
    }
    var found: [LogEntry] = []
    try await openJournal(disk).replay(above: [ShardID(1): LogPosition(0)]) { found.append($0.entry) }
    #expect(found == expected)
  }
  private func check(_ journal: Journal, _ expected: [ShardID: [LogEntry]]) async throws {
    for (shard, entries) in expected {
      var next = LogPosition(1)
      var found: [LogEntry] = []
      while true {
        let some = try await journal.entries(of: shard, from: next, bytes: 9000)
        if some.isEmpty { break }
        found += some
        next = LogPosition(found[found.count - 1].position.rawValue + 1)
      }
      #expect(found == entries)
    }
  }
}
