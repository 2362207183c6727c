import Bytes
import Capabilities
import Columns
import Model
import Testing

@testable import Storage

@Suite struct SegmentFormatTests {
  @Test func everyTypeComesBack() throws {
    let batch = Samples.everyTypeBatch(700)
    let image = SegmentWriter.write(Samples.identity, sections: [Samples.input(batch, Samples.everyType, keeps: true)])
    let sections = try Samples.open(image)
    #expect(sections.map(\.summary) == image.sections)
    #expect(sections.map(\.summary.slice.day) == [19000, 19001, 19002, DaySlice.unsliced.day])
    #expect(try sections.flatMap { try Samples.allRows($0) }.sorted() == Samples.describe(batch).sorted())
    try SegmentReader.verify(image: FileImage(copying: image.joined()))
    #expect(try SegmentReader.contentHash(of: FileImage(copying: image.joined())) == image.hash)
  }
  @Test func rowsAreSortedByTenantAndTimeInLogOrderAmongEquals() throws {
    let batch = Samples.eventBatch(20_000)
    let section = try #require(
      try Samples.open(SegmentWriter.write(Samples.identity, sections: [Samples.input(batch, Samples.events)])).first
    )
    guard case .fixed(let tenants) = batch.columns[0].values, case .fixed(let times) = batch.columns[1].values else { return }
    let order = (0..<batch.count).sorted { (tenants[$0], times[$0], $0) < (tenants[$1], times[$1], $1) }
    let sorted = batch.gather(order.map { UInt32($0) })
    #expect(try Samples.allRows(section) == Samples.describe(sorted))
    #expect(section.summary.minTime == times.min())
    #expect(section.summary.maxTime == times.max())
  }
  @Test func aFileIsTheSameHoweverItsRowsWereGathered() throws {
    let batch = Samples.eventBatch(9000, days: 3)
    let whole = SegmentWriter.write(Samples.identity, sections: [Samples.input(batch, Samples.events)])
    func gathered(_ step: Int) throws -> SegmentImage {
      let table = MemTable(layout: Samples.events)
      for start in stride(from: 0, to: batch.count, by: 100) {
        table.append(batch.slice(start..<min(start + 100, batch.count)), at: LogPosition(UInt64(10 + start / 100)))
        if start % step == 0 { table.seal() }
      }
      let input = try #require(
        try Compaction.flush(
          table.snapshot(),
          layout: Samples.events,
          through: LogPosition(1 << 40),
          keepPositions: false
        )
      )
      return SegmentWriter.write(Samples.identity, sections: [input])
    }
    #expect(try gathered(700).hash == whole.hash)
    #expect(try gathered(5000).joined() == whole.joined())
  }
  @Test func goldenBytesOfVersionOne() throws {
    let image = SegmentWriter.write(
      Samples.identity,
      sections: [Samples.input(Samples.everyTypeBatch(12), Samples.everyType, keeps: true)]
    )
    try Golden.expect(image.joined(), "segment-v1")
    let bytes = try Golden.read("segment-v1")
    let sections = try SegmentReader.open(image: FileImage(copying: bytes), expecting: Samples.identity)
    #expect(
      try sections.flatMap { try Samples.allRows($0) }.sorted() == Samples.describe(Samples.everyTypeBatch(12)).sorted()
    )
  }
  @Test func everyFlippedBitIsFoundByAChecksum() throws {
    let image = SegmentWriter.write(
      Samples.identity,
      sections: [Samples.input(Samples.everyTypeBatch(60), Samples.everyType, keeps: true)]
    )
    let bytes = image.joined()
    var random = SampleRandom(5)
    let header = 0..<SegmentFormat.headerBytes
    let tail = max(0, bytes.count - 100)..<bytes.count
    let some = (0..<200).map { _ in random.below(bytes.count) }
    for at in Array(header) + Array(tail) + some {
      var damaged = bytes
      damaged[at] ^= UInt8(1 << random.below(8))
      do {
        try SegmentReader.verify(image: FileImage(copying: damaged))
        Issue.record("a flipped bit at \(at) went unseen")
      } catch {
        #expect(error.kind == .checksum, "byte \(at): \(error)")
      }
    }
  }
  @Test func aDamagedBlockIsNamedWhenItIsReadAndOthersStillRead() throws {
    let image = SegmentWriter.write(
      Samples.identity,
      sections: [Samples.input(Samples.eventBatch(20_000), Samples.events)]
    )
    let sections = try Samples.open(image)
    let extent = sections[0].directory.columns[2].blocks[1]
    var bytes = image.joined()
    bytes[extent.offset + extent.count / 2] ^= 4
    let section = try SegmentReader.open(image: FileImage(copying: bytes))[0]
    #expect(throws: Never.self) { try section.readBlock(0, columns: [2]) }
    do {
      _ = try section.readBlock(1, columns: [2])
      Issue.record("damage went unseen")
    } catch {
      #expect(error.kind == .checksum)
      #expect(error.position == extent.offset)
      #expect(error.message.contains("block 1 of column 2 of relation 12"))
    }
  }
  @Test func truncatedFilesAreRefused() throws {
    let image = SegmentWriter.write(
      Samples.identity,
      sections: [Samples.input(Samples.everyTypeBatch(20), Samples.everyType)]
    )
    let bytes = image.joined()
    for count in stride(from: 0, to: bytes.count, by: 7) {
      #expect(throws: DecodingFailure.self) {
        try SegmentReader.verify(image: FileImage(copying: Array(bytes[0..<count])))
      }
    }
  }
  @Test func anotherShardsFileIsRefused() throws {
    let image = SegmentWriter.write(Samples.identity, sections: [])
    var other = Samples.identity
    other.shard = ShardID(4)
    #expect(throws: DecodingFailure.self) {
      try SegmentReader.open(image: FileImage(copying: image.joined()), expecting: other)
    }
  }
  @Test func damagedFootersWithRightHashesNeverTrap() throws {
    // Footers that only a broken writer could make: decoders must refuse or accept them, never trap.
    let image = SegmentWriter.write(
      Samples.identity,
      sections: [Samples.input(Samples.everyTypeBatch(60), Samples.everyType, keeps: true)]
    )
    let bytes = image.joined()
    let range = try bytes.withUnsafeBytes { try SegmentFormat.footerRange($0) }
    var random = SampleRandom(9)
    for _ in 0..<2000 {
      var footer = Array(bytes[range])
      for _ in 0...random.below(3) { footer[random.below(footer.count)] = UInt8(truncatingIfNeeded: random.next()) }
      do throws(DecodingFailure) {
        _ = try footer.withReader { reader throws(DecodingFailure) in
          try SegmentFormat.decodeFooter(&reader, end: range.lowerBound)
        }
      } catch { continue }
    }
  }
}
