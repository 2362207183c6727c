import Bytes
import Capabilities
import Columns
import Model
import Testing

@testable import Storage

@Suite struct SegmentCompactionTests {
  @Test func mergedSectionsEqualOneFlushOfAllRows() throws {
    let batch = Samples.eventBatch(12_000, days: 2)
    func flush(_ range: Range<Int>, keeps: Bool) throws -> [SegmentSection] {
      let table = MemTable(layout: Samples.events)
      for start in stride(from: range.lowerBound, to: range.upperBound, by: 100) {
        table.append(batch.slice(start..<start + 100), at: LogPosition(UInt64(start / 100 + 1)))
      }
      let input = try #require(
        try Compaction.flush(table.snapshot(), layout: Samples.events, through: LogPosition(1 << 40), keepPositions: keeps)
      )
      return try Samples.open(SegmentWriter.write(Samples.identity, sections: [input]))
    }
    let whole = try flush(0..<12_000, keeps: true)
    let parts = try flush(0..<3000, keeps: true) + flush(3000..<9000, keeps: true) + flush(9000..<12_000, keeps: true)
    #expect(whole.count == 2)
    for dropPositions in [false, true] {
      for day in whole {
        let inputs = parts.filter { $0.summary.slice == day.summary.slice }
        let merged = try #require(
          try Compaction.merge(inputs.reversed(), layout: Samples.events, dropPositions: dropPositions)
        )
        let sections = try Samples.open(SegmentWriter.write(Samples.identity, sections: [merged]))
        #expect(sections.count == 1)
        #expect(try Samples.allRows(sections[0]) == Samples.allRows(day))
        #expect(sections[0].summary.hasPositions == !dropPositions)
        #expect(sections[0].summary.low == day.summary.low && sections[0].summary.high == day.summary.high)
      }
    }
  }
  static let states = RelationLayout(
    id: TableID(21),
    columns: [
      Column(name: "app_id", type: .bigint), Column(name: "bucket", type: .timestamp), Column(name: "n", type: .bigint),
      Column(name: "top", type: .topn(TopNParameters())),
    ],
    sortKey: [0, 1],
    timeColumn: 1,
    isState: true,
    keyCount: 2,
    measures: [
      RollupMeasure(name: "n", kind: .count, type: .bigint),
      RollupMeasure(name: "top", kind: .topn, type: .topn(TopNParameters())),
    ]
  )
  /// One row for each (tenant, bucket), one item with the given weight.
  static func run(_ keys: [(Int64, Int64)], weight: Int64, item: String) -> Batch {
    let sorted = keys.sorted { $0 < $1 }
    guard case .codes(_, let dictionary) = Samples.texts([item]).values else { fatalError("texts are codes") }
    return Batch(
      count: sorted.count,
      columns: [
        ColumnVector(.bigint, .fixed(sorted.map(\.0))), ColumnVector(.timestamp, .fixed(sorted.map(\.1))),
        ColumnVector(.bigint, .fixed(sorted.map { _ in weight })),
        ColumnVector(
          .topn(TopNParameters()),
          .topn(
            TopNColumn(
              parameters: TopNParameters(),
              offsets: (0...UInt32(sorted.count)).map { $0 },
              codes: sorted.map { _ in 0 },
              uppers: sorted.map { _ in weight },
              errors: sorted.map { _ in 0 },
              absent: sorted.map { _ in 0 },
              totals: sorted.map { _ in weight },
              dictionary: dictionary
            )
          )
        ),
      ]
    )
  }
  @Test func stateRunsBecomeOneRunWithUniqueKeys() throws {
    let table = MemTable(layout: Self.states)
    table.append(Self.run([(1, 0), (1, 300), (2, 0)], weight: 2, item: "x"), at: LogPosition(4))
    table.append(Self.run([(1, 300), (3, 0), (2, .min)], weight: 5, item: "y"), at: LogPosition(6))
    #expect(table.snapshot().count == 2)
    let first = try #require(
      try Compaction.flush(table.snapshot(), layout: Self.states, through: LogPosition(9), keepPositions: false)
    )
    let sections = try Samples.open(SegmentWriter.write(Samples.identity, sections: [first]))
    let written = try Samples.allRows(sections[0])
    #expect(
      written.map { $0.split(separator: "|")[0..<3].joined(separator: "|") } == [
        "1|0|2", "1|300|7", "2|\(Int64.min)|5", "2|0|2", "3|0|5",
      ]
    )
    #expect(written[1].contains("x=2-0") && written[1].contains("y=5-0") && written[1].hasSuffix(" 0 7"))
    #expect(sections[0].summary.low == LogPosition(4) && sections[0].summary.high == LogPosition(6))
    let again = try #require(
      try Compaction.merge(sections + sections, layout: Self.states, dropPositions: true, floor: 100)
    )
    let merged = try Samples.open(SegmentWriter.write(Samples.identity, sections: [again]))
    let rows = try Samples.allRows(merged[0])
    #expect(rows.map { $0.split(separator: "|")[0..<3].joined(separator: "|") } == ["1|300|14", "2|\(Int64.min)|10"])
  }
  @Test func tenantsOfRunsAreFoundByTheirKeys() throws {
    let keys = (0..<5000).map { (Int64($0 / 10), Int64($0 % 10) * 300) }
    let table = MemTable(layout: Self.states)
    table.append(Self.run(keys, weight: 1, item: "x"), at: LogPosition(1))
    let input = try #require(
      try Compaction.flush(table.snapshot(), layout: Self.states, through: LogPosition(1), keepPositions: false)
    )
    let sections = try Samples.open(SegmentWriter.write(Samples.identity, sections: [input]))
    #expect(sections[0].blockCount == 3)
    for (chunks, files) in [(table.snapshot(), []), ([], sections)] {
      let snapshot = TableSnapshot(layout: Self.states, position: LogPosition(1), chunks: chunks, sections: files)
      let counts = try snapshot.scan(columns: [0, 2], where: [.equal(0, 217)]) { batch in #expect(batch.count == 10) }
      #expect(counts.rowsRead == 10)
    }
  }
  @Test func nothingToFlushIsNoInput() throws {
    #expect(try Compaction.flush([], layout: Samples.events, through: LogPosition(5), keepPositions: true).map { _ in 1 } == nil)
    #expect(try Compaction.merge([], layout: Samples.events, dropPositions: true).map { _ in 1 } == nil)
  }
}
