import Bytes
import Capabilities
import Columns
import Model
import Testing

@testable import Storage

@Suite struct SnapshotTests {
  /// Rows 0 ..< 20 000 in a file with positions, 20 000 ..< 26 000 in memory; 100 rows a position from 1 on.
  static func snapshot(keeps: Bool = true) throws -> (TableSnapshot, Batch) {
    let batch = Samples.eventBatch(26_000)
    let table = MemTable(layout: Samples.events)
    for start in stride(from: 0, to: 26_000, by: 100) {
      table.append(batch.slice(start..<start + 100), at: LogPosition(UInt64(start / 100 + 1)))
    }
    let input = try #require(
      try Compaction.flush(table.snapshot(), layout: Samples.events, through: LogPosition(200), keepPositions: keeps)
    )
    table.cut(upTo: LogPosition(200))
    let sections = try Samples.open(SegmentWriter.write(Samples.identity, sections: [input]))
    return (
      TableSnapshot(layout: Samples.events, position: LogPosition(260), chunks: table.snapshot(), sections: sections),
      batch
    )
  }
  static func collect(
    _ snapshot: TableSnapshot,
    after: Int = 0,
    through: Int? = nil,
    where predicates: [ZonePredicate] = [],
    morselRows: Int = 4096
  ) throws -> (rows: [String], counts: ScanCounts) {
    var rows: [String] = []
    let counts = try snapshot.scan(
      columns: Array(Samples.events.columns.indices),
      after: LogPosition(UInt64(after)),
      through: through.map { LogPosition(UInt64($0)) },
      where: predicates,
      morselRows: morselRows
    ) { batch in
      #expect(batch.count <= morselRows)
      rows += Samples.describe(batch)
    }
    return (rows, counts)
  }
  @Test func everyRowIsReadOnce() throws {
    let (snapshot, batch) = try Self.snapshot()
    for morsel in [100, 4096, 65536] {
      let (rows, counts) = try Self.collect(snapshot, morselRows: morsel)
      #expect(rows.sorted() == Samples.describe(batch).sorted())
      #expect(counts.rowsRead == 26_000)
      #expect(counts.blocksRead == 3)
    }
    #expect(snapshot.rowCount == 26_000)
    var byUnits = 0
    for unit in snapshot.units(blocks: 1) { byUnits += try snapshot.scan(unit, columns: [0]) { _ in }.rowsRead }
    #expect(byUnits == 26_000)
  }
  @Test func positionsCutFilesAndMemory() throws {
    let (snapshot, batch) = try Self.snapshot()
    for (after, through) in [(0, 200), (0, 57), (57, 133), (150, 230), (200, 260), (240, 241), (260, 260), (0, 0)] {
      let (rows, _) = try Self.collect(snapshot, after: after, through: through)
      #expect(rows.sorted() == Samples.describe(batch.slice(after * 100..<through * 100)).sorted())
    }
  }
  @Test func filesWithoutPositionsAreReadWholeOrRefused() throws {
    let (snapshot, _) = try Self.snapshot(keeps: false)
    #expect(try Self.collect(snapshot, after: 0, through: 200).rows.count == 20_000)
    #expect(try Self.collect(snapshot, after: 200).rows.count == 6000)
    #expect(throws: TallyError.self) { try Self.collect(snapshot, after: 100) }
  }
  @Test func oneTenantTouchesOneOrTwoBlocks() throws {
    let (whole, batch) = try Self.snapshot()
    let snapshot = TableSnapshot(layout: whole.layout, position: whole.position, chunks: [], sections: whole.sections)
    guard case .fixed(let tenants) = batch.columns[0].values else { return }
    for tenant in stride(from: Int64(1000), to: 1440, by: 37) {
      let (rows, counts) = try Self.collect(snapshot, where: [.equal(0, tenant)])
      let expected = (0..<20_000).filter { tenants[$0] == tenant }
      #expect(rows.sorted() == Samples.describe(batch.gather(expected.map { UInt32($0) })).sorted())
      #expect(counts.blocksRead <= 2)
      #expect(counts.blocksRead + counts.blocksSkipped == 3)
    }
    #expect(try Self.collect(snapshot, where: [.equal(0, 5)]).counts.blocksRead == 0)
  }
  @Test func timeWithinATenantIsNarrowed() throws {
    let (whole, batch) = try Self.snapshot()
    let snapshot = TableSnapshot(layout: whole.layout, position: whole.position, chunks: [], sections: whole.sections)
    guard case .fixed(let tenants) = batch.columns[0].values, case .fixed(let times) = batch.columns[1].values else { return }
    let (low, high) = (times[4000], times[9000])
    let (rows, _) = try Self.collect(
      snapshot,
      where: [.equal(0, 1033), ZonePredicate(column: 1, .fixed(low: low, high: high))]
    )
    let expected = (0..<20_000).filter { tenants[$0] == 1033 && times[$0] >= low && times[$0] <= high }
    #expect(rows.sorted() == Samples.describe(batch.gather(expected.map { UInt32($0) })).sorted())
  }
  @Test func zonesNeverExcludeAMatchingRow() throws {
    let batch = Samples.everyTypeBatch(3000)
    let sections = try Samples.open(
      SegmentWriter.write(Samples.identity, sections: [Samples.input(batch, Samples.everyType)])
    )
    let snapshot = TableSnapshot(
      layout: Samples.everyType,
      position: LogPosition(1 << 40),
      chunks: [],
      sections: sections
    )
    func count(_ predicates: [ZonePredicate], _ column: Int, _ matches: (String) -> Bool) throws -> Int {
      var found = 0
      try snapshot.scan(columns: [column], where: predicates) { batch in
        found += Samples.describe(batch).filter(matches).count
      }
      return found
    }
    let all = Samples.describe(batch).map { $0.split(separator: "|", omittingEmptySubsequences: false).map(String.init) }
    let tenant = Array("tenant 2".utf8)
    #expect(try count([.equal(0, text: tenant)], 0) { $0 == "tenant 2" } == all.filter { $0[0] == "tenant 2" }.count)
    #expect(
      try count([ZonePredicate(column: 0, .textAny([Array("a".utf8), tenant]))], 0) { $0 == "tenant 2" }
        == all.filter { $0[0] == "tenant 2" }.count
    )
    #expect(try count([ZonePredicate(column: 1, .isNull)], 1) { $0 == "NULL" } == all.filter { $0[1] == "NULL" }.count)
    #expect(try count([ZonePredicate(column: 0, .isNull)], 0) { $0 == "NULL" } == 0)
    #expect(
      try count([ZonePredicate(column: 1, .fixedAny([18000, 19001]))], 1) { $0 == "19001" }
        == all.filter { $0[1] == "19001" }.count
    )
    let note = all.first { $0[7] != "NULL" }?[7] ?? ""
    #expect(try count([.equal(7, text: Array(note.utf8))], 7) { $0 == note } == all.filter { $0[7] == note }.count)
  }
  @Test func textZonesKnowOnlySixteenBytes() {
    let zone = Zone(Samples.texts(["aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbzz"]))
    #expect(ZonePredicate.equal(0, text: Array("bbbbbbbbbbbbbbbbzz".utf8)).mayMatch(zone))
    #expect(ZonePredicate.equal(0, text: Array("bbbbbbbbbbbbbbbbzzzzz".utf8)).mayMatch(zone))
    #expect(!ZonePredicate.equal(0, text: Array("bbbbbbbbbbbbbbbc".utf8)).mayMatch(zone))
    #expect(!ZonePredicate.equal(0, text: Array("aaaa".utf8)).mayMatch(zone))
    #expect(!ZonePredicate(column: 0, .isNull).mayMatch(zone))
  }
  @Test func numericZonesCompareByValue() {
    func n(_ coefficient: Int128, _ scale: UInt8) -> Numeric { Numeric(coefficient: coefficient, scale: scale) }
    #expect(Zone.compare(n(10, 1), n(1, 0)) == 0)
    #expect(Zone.compare(n(11, 1), n(1, 0)) == 1)
    #expect(Zone.compare(n(-11, 1), n(-1, 0)) == -1)
    let huge: Int128 = 99_999_999_999_999_999_999_999_999_999_999_999_999
    #expect(Zone.compare(n(huge, 0), n(huge, 38)) == 1)
    #expect(Zone.compare(n(-huge, 0), n(huge, 38)) == -1)
    #expect(Zone.compare(n(huge, 38), n(huge, 0)) == -1)
  }
}
