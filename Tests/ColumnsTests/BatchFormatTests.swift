import Bytes
import Columns
import Model
import Testing

@Suite struct BatchFormatTests {
  static func sample() -> Batch {
    var interner = TextInterner()
    let codes = ["ORD", "ATL", "", "ORD", "né"].map { text in
      Array(text.utf8).withUnsafeBytes { interner.intern($0) }
    }
    let hll = HLLColumn(
      parameters: HLLParameters(),
      forms: [1, 2, 3, 1, 0],
      offsets: [0, 0, 2, 4, 4, 4],
      words: [7, 0, 3 << 8 | 1, 9 << 8 | 4]
    )
    let (items, _) = interner.dictionary().canonical()
    let topn = TopNColumn(
      parameters: TopNParameters(),
      offsets: [0, 2, 2, 3, 3, 3],
      codes: [0, 2, 1],
      uppers: [5, 1, 9],
      errors: [0, 1, 0],
      absent: [0, 0, 3, 0, 0],
      totals: [6, 0, 9, 0, 0],
      dictionary: items
    )
    var validity = Bitmap(repeating: true, count: 5)
    validity[3] = false
    return Batch(
      count: 5,
      columns: [
        ColumnVector(.bigint, .fixed([1, -5, .max, 0, .min]), validity: validity),
        ColumnVector(.integer, .fixed([70, 70, 71, 72, 300])),
        ColumnVector(.double, .double([0, 1.5, -2, .infinity, 4])),
        ColumnVector(.plainNumeric, .numeric((0..<5).map { Numeric(coefficient: Int128($0) << 70, scale: 2) })),
        ColumnVector(.interval, .interval([Interval(months: 1), Interval(days: -3), Interval(), Interval(microseconds: 9), Interval()])),
        ColumnVector(.text, .codes(codes, interner.dictionary())),
        ColumnVector(.text, .text(TextColumn(offsets: [0, 1, 1, 3, 3, 4], bytes: Array("aébc".utf8.prefix(4))))),
        ColumnVector(.hll(HLLParameters()), .hll(hll)),
        ColumnVector(.topn(TopNParameters()), .topn(topn)),
      ]
    )
  }
  @Test func roundTripKeepsEveryByte() throws {
    let batch = Self.sample()
    let bytes = BatchFormat.encode(batch)
    let back = try BatchFormat.decode(bytes, types: batch.types)
    #expect(BatchFormat.encode(back) == bytes)
  }
  @Test func everyTruncationIsRefused() {
    let batch = Self.sample()
    let bytes = BatchFormat.encode(batch)
    for n in 0..<bytes.count {
      #expect(throws: DecodingFailure.self) { try BatchFormat.decode(Array(bytes[..<n]), types: batch.types) }
    }
  }
  @Test func damagedBytesNeverTrap() {
    let batch = Self.sample()
    let bytes = BatchFormat.encode(batch)
    for at in bytes.indices {
      for flip: UInt8 in [1, 0x80, 0xff] {
        var copy = bytes
        copy[at] ^= flip
        do { _ = try BatchFormat.decode(copy, types: batch.types) } catch {}
      }
    }
  }
  @Test func concatenationMergesDictionariesAndNulls() throws {
    let batch = Self.sample()
    let twice = Batch.concatenate([batch, batch.slice(1..<5), batch.gather([4, 0])], types: batch.types)
    #expect(twice.count == 11)
    #expect(twice.columns[0].isNull(3) && twice.columns[0].isNull(7) && !twice.columns[0].isNull(10))
    guard case .codes(let codes, let dictionary) = twice.columns[5].values else { return #expect(Bool(false)) }
    #expect(codes.map { dictionary.string($0) } == ["ORD", "ATL", "", "ORD", "né", "ATL", "", "ORD", "né", "né", "ORD"])
    guard case .topn(let topn) = twice.columns[8].values else { return #expect(Bool(false)) }
    #expect(topn.isWellFormed() && topn.totals == [6, 0, 9, 0, 0, 0, 9, 0, 0, 0, 6])
  }
}
