import Columns
import Model
import Testing

@testable import Storage

@Suite struct BlockCacheTests {
  /// Three blocks of 20,000 rows, none in memory.
  private static func files() throws -> TableSnapshot {
    let (whole, _) = try SnapshotTests.snapshot()
    return TableSnapshot(layout: whole.layout, position: whole.position, chunks: [], sections: whole.sections)
  }
  private static func tenant(_ tenant: Int) -> [ZonePredicate] { [.equal(0, Int64(1000 + tenant))] }

  @Test func scansGiveTheSameFromCacheAndFile() throws {
    let (plain, _) = try SnapshotTests.snapshot()
    // Of a budget that holds a few columns only, so that blocks come and go.
    for bytesMax in [1 << 30, 2 << 20] {
      var cached = plain
      let cache = BlockCache(bytesMax: bytesMax)
      cached.cache = cache
      for turn in 0..<40 {
        let low = 1_709_510_400_000_000 + Int64(turn % 5) * 7_200_000_000
        let time = ZonePredicate(column: 1, .fixed(low: low, high: low + 10_800_000_000))
        let predicates = turn % 3 == 0 ? Self.tenant(turn * 23 % 440) : Self.tenant(turn * 23 % 440) + [time]
        let (after, through) = turn % 4 == 0 ? (57, 133) : (0, 260)
        let expected = try SnapshotTests.collect(plain, after: after, through: through, where: predicates)
        let found = try SnapshotTests.collect(cached, after: after, through: through, where: predicates)
        #expect(found.rows == expected.rows)
        #expect(found.counts == expected.counts)
        #expect(cache.bytes <= bytesMax)
      }
      #expect(cache.bytes > 0)
    }
  }
  @Test func wholeScansKeepNothing() throws {
    var snapshot = try Self.files()
    let cache = BlockCache(bytesMax: 1 << 30)
    snapshot.cache = cache
    _ = try SnapshotTests.collect(snapshot)
    #expect(cache.bytes == 0)
    _ = try SnapshotTests.collect(snapshot, where: Self.tenant(33))
    #expect(cache.bytes > 0)
  }
  @Test func whatIsUsedStays() throws {
    let snapshot = try Self.files()
    let section = try #require(snapshot.sections.first)
    func vector(_ rows: Int) -> ColumnVector { ColumnVector(.bigint, .fixed([Int64](repeating: 1, count: rows))) }
    // Ten columns of 1,128 bytes fit.
    let cache = BlockCache(bytesMax: 11_300)
    for block in 0..<5 { cache.keep(vector(50), section, block, 0) }
    #expect(cache.bytes == 5 * 528)
    for block in 5..<200 {
      _ = cache.find(section, 2, 0)
      cache.keep(vector(50), section, block, 0)
      #expect(cache.bytes <= 11_300)
    }
    #expect(cache.holds(section, 2, 0))
    #expect(!cache.holds(section, 3, 0))
    #expect(cache.holds(section, 199, 0))
    // Above a sixteenth of the budget.
    cache.keep(vector(100), section, 300, 0)
    #expect(!cache.holds(section, 300, 0))
  }
  @Test func estimatesAreNeverBelowWhatIsRead() throws {
    var (snapshot, _) = try SnapshotTests.snapshot()
    snapshot.cache = BlockCache(bytesMax: 1 << 30)
    let columns = Array(snapshot.layout.columns.indices)
    for turn in 0..<60 {
      let predicates = Self.tenant(turn * 11 % 440)
      let (after, through) = turn % 2 == 0 ? (LogPosition(0), LogPosition(260)) : (LogPosition(40), LogPosition(230))
      let before = snapshot.estimate(columns: columns, after: after, through: through, where: predicates, rowsMax: 1 << 30)
      let counts = try snapshot.scan(columns: columns, after: after, through: through, where: predicates) { _ in }
      let after2 = snapshot.estimate(columns: columns, after: after, through: through, where: predicates, rowsMax: 1 << 30)
      #expect(before.rows >= counts.rowsRead)
      #expect(after2.rows >= counts.rowsRead)
    }
    // Decoded blocks cost the tenant's rows alone.
    let files = try {
      var files = try Self.files()
      files.cache = BlockCache(bytesMax: 1 << 30)
      return files
    }()
    let first = files.estimate(columns: columns, where: Self.tenant(33), rowsMax: 1 << 30)
    let read = try files.scan(columns: columns, where: Self.tenant(33)) { _ in }
    let second = files.estimate(columns: columns, where: Self.tenant(33), rowsMax: 1 << 30)
    #expect(first.rows >= 2 << 10)
    #expect(second.rows == read.rowsRead)
    #expect(second.bytes * 10 < first.bytes)
  }
  @Test func anEstimateStopsAtItsBound() throws {
    let snapshot = try Self.files()
    let all = snapshot.estimate(columns: [0], rowsMax: 1 << 30)
    #expect(all.rows == 20_000)
    #expect(snapshot.estimate(columns: [0], rowsMax: 100).rows < 20_000)
  }
}
