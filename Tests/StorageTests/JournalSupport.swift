// JournalSupport.swift — what the journal, manifest and recovery tests share.
import Bytes
import Capabilities
import Model
import Simulation
import Synchronization

@testable import Storage

let testCluster = ClusterID(high: 0x0123_4567_89ab_cdef, low: 0xfedc_ba98_7654_3210)
let testNode = NodeID(7)

/// A value shared by the flows of a test.
final class Shared<Value: Sendable>: Sendable {
  private let state: Mutex<Value>
  init(_ value: Value) { state = Mutex(value) }
  var value: Value { state.withLock { $0 } }
  func update<R: Sendable>(_ body: (inout sending Value) -> sending R) -> R { state.withLock { body(&$0) } }
}

/// Makes entries of one shard's log.
struct TestLog {
  var shard: ShardID
  var position = LogPosition(0)
  var epoch = Epoch(1)
  var chain = Hash128.zero
  init(_ shard: UInt64) { self.shard = ShardID(shard) }
  mutating func next(_ body: [UInt8]) -> JournalRecord {
    let entry = LogEntry(
      position: position.next,
      epoch: epoch,
      kind: .batch,
      logTime: Int64(position.rawValue) + 1000,
      catalogVersion: CatalogVersion(3),
      body: body,
      after: chain
    )
    (position, chain) = (entry.position, entry.chain)
    return JournalRecord(shard: shard, entry: entry)
  }
}

func smallJournal(_ fileBytes: Int = 64 << 10) -> JournalSettings {
  var settings = JournalSettings()
  settings.fileBytes = fileBytes
  settings.groupBytes = 16 << 10
  return settings
}
func openJournal(_ disk: any Disk, _ settings: JournalSettings = smallJournal()) async throws -> OpenedJournal {
  try await Journal.open(disk: disk, cluster: testCluster, node: testNode, settings: settings)
}
/// Runs the journal's flow while `body` uses it, and closes it.
func withRunning<R>(_ journal: Journal, _ body: () async throws -> R) async throws -> R {
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await journal.run() }
    do {
      let result = try await body()
      journal.close()
      try await group.waitForAll()
      return result
    } catch {
      group.cancelAll()
      throw error
    }
  }
}
/// All records a journal holds, in order.
func allRecords(_ opened: OpenedJournal) async throws -> [JournalRecord] {
  var found: [JournalRecord] = []
  var above: [ShardID: LogPosition] = [:]
  for shard in opened.shards { above[shard] = LogPosition(0) }
  try await opened.replay(above: above) { found.append($0) }
  return found
}
/// Bytes that do not compress and hold no long run of zeros, by seed.
func noise(_ count: Int, _ seed: UInt64) -> [UInt8] {
  let random = SeededGenerator(seed: seed)
  return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next() | 1) }
}
/// A clock that a test moves.
final class HandClock: Clock {
  private let state = Mutex((wall: newYear, now: UInt64(0)))
  var now: Instant { Instant(nanoseconds: state.withLock { $0.now }) }
  var wallMicroseconds: Int64 { state.withLock { $0.wall } }
  func sleep(until deadline: Instant) async throws { throw CancellationError() }
  func alarm(at deadline: Instant, _ fire: @escaping @Sendable () -> Void) -> any Alarm {
    fatalError("nothing waits by a clock that a test moves")
  }
  func pass(wall: Int64, real: Int64) {
    state.withLock {
      $0.wall += wall
      $0.now += UInt64(real) * 1000
    }
  }
}
/// Runs work where it is called.
struct InlineCompute: Compute {
  let width = 1
  func run<R: Sendable>(_ work: @escaping @Sendable () -> R) async -> R { work() }
}
