import Bytes
import Columns
import Model
import Testing

@testable import Storage

@Suite struct MemTableTests {
  static func rows(_ chunks: [MemChunk]) -> [String] {
    chunks.flatMap {
      Samples.describe(
        $0.batch(columns: Array(0..<$0.columnCount), rows: 0..<$0.count, layout: Samples.events)
      )
    }
  }
  @Test func smallBatchesAreGatheredInLogOrder() {
    let batch = Samples.eventBatch(3000)
    let table = MemTable(layout: Samples.events)
    for start in stride(from: 0, to: 3000, by: 30) {
      table.append(batch.slice(start..<start + 30), at: LogPosition(UInt64(start / 30 + 1)))
    }
    let chunks = table.snapshot()
    #expect(chunks.count == 1)
    #expect(Self.rows(chunks) == Samples.describe(batch))
    #expect(chunks[0].borders.count == 100)
    #expect(chunks[0].rows(through: LogPosition(7)) == 210)
    #expect(chunks[0].rows(through: LogPosition(0)) == 0)
    #expect(chunks[0].rows(through: LogPosition(500)) == 3000)
    #expect((table.rows, table.low, table.high) == (3000, LogPosition(1), LogPosition(100)))
  }
  @Test func laterAppendsNeverDisturbASnapshot() {
    let batch = Samples.eventBatch(12_000)
    let table = MemTable(layout: Samples.events)
    var snapshots: [(chunks: [MemChunk], count: Int)] = []
    for start in stride(from: 0, to: 12_000, by: 400) {
      table.append(batch.slice(start..<start + 400), at: LogPosition(UInt64(start + 1)))
      snapshots.append((table.snapshot(), start + 400))
    }
    let all = Samples.describe(batch)
    for snapshot in snapshots {
      #expect(Self.rows(snapshot.chunks) == Array(all[0..<snapshot.count]))
      #expect(snapshot.chunks.last?.borders.last?.position == LogPosition(UInt64(snapshot.count - 399)))
    }
  }
  @Test func bigBatchesFillChunksOf64KiRows() {
    let batch = Samples.eventBatch(50_000)
    let table = MemTable(layout: Samples.events)
    for i in 1...3 { table.append(batch, at: LogPosition(UInt64(i))) }
    let chunks = table.snapshot()
    #expect(chunks.map(\.count) == [65536, 65536, 18928])
    let all = Samples.describe(batch)
    #expect(Self.rows(chunks) == all + all + all)
    #expect(chunks[0].rows(through: LogPosition(1)) == 50_000)
  }
  @Test func aCutForgetsExactlyTheFlushedRows() {
    let batch = Samples.eventBatch(40_000)
    for (upTo, seals) in [(0, false), (17, true), (39, false), (99, true)] {
      let table = MemTable(layout: Samples.events)
      for i in 0..<40 {
        table.append(batch.slice(i * 1000..<i * 1000 + 1000), at: LogPosition(UInt64(i + 1)))
        if seals && i % 7 == 3 { table.seal() }
      }
      let before = table.snapshot()
      let total = table.bytes
      table.cut(upTo: LogPosition(UInt64(upTo)))
      let left = max(0, 40 - upTo)
      #expect(table.rows == left * 1000)
      #expect(Self.rows(table.snapshot()) == Array(Samples.describe(batch).suffix(left * 1000)))
      #expect(Self.rows(before).count == 40_000)
      #expect(left == 0 ? table.bytes == 0 : upTo == 0 ? table.bytes == total : table.bytes < total)
      if left > 0 {
        let first = table.snapshot()[0]
        #expect(first.low == LogPosition(UInt64(upTo + 1)))
        #expect(first.rows(through: LogPosition(UInt64(upTo + 1))) == 1000)
      }
      table.append(batch.slice(0..<10), at: LogPosition(100))
      #expect(Self.rows(table.snapshot()).suffix(10) == Samples.describe(batch.slice(0..<10))[...])
    }
  }
  @Test func columnsGainedLaterAreNullInOlderRows() throws {
    let old = Samples.eventBatch(10).select([0, 1, 2])
    let table = MemTable(layout: Samples.events)
    table.append(old, at: LogPosition(1))
    table.append(Samples.eventBatch(10), at: LogPosition(2))
    let chunks = table.snapshot()
    #expect(chunks.map(\.columnCount) == [3, 8])
    let snapshot = TableSnapshot(layout: Samples.events, position: LogPosition(2), chunks: chunks, sections: [])
    var nulls = 0
    try snapshot.scan(columns: [3, 0]) { batch in nulls += (0..<batch.count).filter { batch.columns[0].isNull($0) }.count }
    #expect(nulls == 10)
  }
  @Test func everyTypeIsGathered() {
    let batch = Samples.everyTypeBatch(100)
    let table = MemTable(layout: Samples.everyType)
    for start in stride(from: 0, to: 100, by: 10) {
      table.append(batch.slice(start..<start + 10), at: LogPosition(UInt64(start + 1)))
    }
    let rows = table.snapshot().flatMap {
      Samples.describe($0.batch(columns: Array(0..<10), rows: 0..<$0.count, layout: Samples.everyType))
    }
    #expect(rows == Samples.describe(batch))
  }
}
