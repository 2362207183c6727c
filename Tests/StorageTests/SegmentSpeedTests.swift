// SegmentSpeedTests.swift — sizes and speeds of segments over search events; runs only when TALLY_SEGMENT_EVENTS names a CSV
// file of Tools' generator, and is meaningful in release builds only.
import Bytes
import Capabilities
import Columns
import Foundation
import Model
import Testing

@testable import Storage

@Suite struct SegmentSpeedTests {
  static let path = ProcessInfo.processInfo.environment["TALLY_SEGMENT_EVENTS"]

  static func load(_ path: String) throws -> Batch {
    let data = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
    var numbers = [[Int64]](repeating: [], count: 8)
    var texts = [[UInt32]](repeating: [], count: 8)
    var query = TextInterner()
    var country = TextInterner()
    var device = TextInterner()
    var start = 0
    var rows = 0
    while start < data.count {
      for column in 0..<8 {
        var end = start
        while data[end] != 44 && data[end] != 10 { end += 1 }
        let field = data[start..<end]
        func digits(_ range: Range<Int>) -> Int64 { range.reduce(Int64(0)) { $0 * 10 + Int64(data[start + $1] - 48) } }
        switch column {
        case 1:
          let seconds = digits(11..<13) * 3600 + digits(14..<16) * 60 + digits(17..<19)
          numbers[1].append(((19786 + digits(8..<10) - 4) * 86400 + seconds) * 1_000_000)
        case 3: texts[3].append(Array(field).withUnsafeBytes { query.intern($0) })
        case 5: texts[5].append(Array(field).withUnsafeBytes { country.intern($0) })
        case 6: texts[6].append(Array(field).withUnsafeBytes { device.intern($0) })
        default: numbers[column].append(digits(0..<field.count))
        }
        start = end + 1
      }
      rows += 1
    }
    let dictionaries: [Int: TextDictionary] = [3: query.dictionary(), 5: country.dictionary(), 6: device.dictionary()]
    return Batch(
      count: rows,
      columns: Samples.events.columns.enumerated().map { at, column in
        ColumnVector(column.type, dictionaries[at].map { .codes(texts[at], $0) } ?? .fixed(numbers[at]))
      }
    )
  }
  static func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
  @Test(.enabled(if: path != nil)) func sizesAndSpeeds() throws {
    guard let path = Self.path else { return }
    let batch = try Self.load(path)
    /// Seconds of this thread's own processor time: other work on the machine does not count.
    func best(_ times: Int, _ body: () throws -> Void) rethrows -> Double {
      var best = Double.infinity
      for _ in 0..<times {
        let start = Self.processorSeconds()
        try body()
        best = min(best, Self.processorSeconds() - start)
      }
      return best
    }
    let rows = Double(batch.count)
    let table = MemTable(layout: Samples.events)
    let pieces = stride(from: 0, to: batch.count, by: 2048).map { batch.slice($0..<min($0 + 2048, batch.count)) }
    let appending = best(3) {
      table.removeAll()
      for (i, piece) in pieces.enumerated() { table.append(piece, at: LogPosition(UInt64(i + 1))) }
    }
    print("memtable append: \(rows / appending / 1e6) M rows/s, \(Double(table.bytes) / rows) bytes/row")
    let chunks = table.snapshot()
    var input: SectionInput?
    let gathering = try best(3) {
      input = try Compaction.flush(
        chunks,
        layout: Samples.events,
        through: LogPosition(1 << 40),
        keepPositions: false
      )
    }
    guard let input else { return }
    print("flush gather: \(rows / gathering / 1e6) M rows/s")
    var image = SegmentWriter.write(Samples.identity, sections: [input])
    let writing = best(5) { image = SegmentWriter.write(Samples.identity, sections: [input]) }
    print("write: \(rows / writing / 1e6) M rows/s, \(Double(image.byteCount) / rows) bytes/row, \(image.sections.count) sections")
    let sections = try Samples.open(image)
    for column in 0..<8 {
      let blocks = sections.reduce(0) { $0 + $1.directory.columns[column].blocks.reduce(0) { $0 + $1.count } }
      let pages = sections.reduce(0) { $0 + $1.directory.columns[column].pages.reduce(0) { $0 + $1.count } }
      let texts = sections.reduce(0) { $0 + $1.directory.columns[column].dictionaryTexts }
      let scan = try best(5) {
        for section in sections {
          for block in 0..<section.blockCount { _ = try section.readBlock(block, columns: [column]) }
        }
      }
      print(
        "  \(Samples.events.columns[column].name): \(Double(blocks) / rows) + \(Double(pages) / rows) bytes/row, "
          + "\(texts) texts, decode \(rows / scan / 1e6) M rows/s"
      )
    }
    let bytes = image.joined()
    let cold = try best(5) {
      let section = try SegmentReader.open(image: FileImage(copying: bytes))
      for part in section { for block in 0..<part.blockCount { _ = try part.readBlock(block, columns: [5]) } }
    }
    print("open, verify and decode country: \(rows / cold / 1e6) M rows/s")
    let dictionary = try best(5) {
      let parts = try SegmentReader.open(image: FileImage(copying: bytes))
      for part in parts { _ = try part.readBlock(0, columns: [3]) }
    }
    print("open and first block of query: \(dictionary * 1e6) us for \(sections.count) sections")
    guard case .fixed(let tenants) = batch.columns[0].values else { return }
    let snapshot = TableSnapshot(layout: Samples.events, position: LogPosition(1 << 40), chunks: [], sections: [sections[0]])
    for columns in [[1, 2], [1, 2, 3]] {
      var worst = ScanCounts()
      let lookup = try best(5) {
        for i in 0..<100 {
          worst = try snapshot.scan(columns: columns, where: [.equal(0, tenants[i * 997 % batch.count])]) { _ in }
        }
      }
      print("tenant lookup of columns \(columns): \(lookup * 1e4) us, blocks \(worst.blocksRead), rows \(worst.rowsRead)")
    }
    let merging = try best(2) {
      _ = try Compaction.merge(sections, layout: Samples.events, dropPositions: true)
    }
    print("merge inputs: \(rows / merging / 1e6) M rows/s")
  }
}
