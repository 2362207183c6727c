import Bytes
import Columns
import Model
import Testing

@testable import Storage

@Suite struct SegmentEncodingTests {
  static func encoded(_ values: [Int64]) -> [UInt8] {
    var out = ByteWriter()
    ColumnEncoding.encode(values, into: &out)
    return out.finish()
  }
  static func decoded(_ bytes: [UInt8], _ count: Int) throws(DecodingFailure) -> [Int64] {
    try bytes.withReader { reader throws(DecodingFailure) in
      let values = try IntegerEncoding.decode(&reader, count: count)
      try reader.expectEnd()
      return values
    }
  }
  static func shapes() -> [[Int64]] {
    var random = SampleRandom(3)
    var shapes: [[Int64]] = [[], [5], [.min], [.min, .max], [.max, .min, 0], [Int64](repeating: -7, count: 3000)]
    for bits in 0..<64 {
      for count in [1, 63, 1024, 1025, 3000] {
        shapes.append((0..<count).map { _ in Int64(bitPattern: random.next()) >> Int64(bits) })
      }
    }
    shapes.append((0..<8192).map { Int64($0 / 100) * 60_000_000 })
    shapes.append((0..<8192).map { Int64($0 % 700) * 1_000_000 + Int64($0 / 700) })
    shapes.append((0..<8192).map { _ in Int64(random.below(60) == 0 ? random.below(1 << 40) : random.below(30)) })
    shapes.append((0..<5000).map { $0 % 2 == 0 ? .min : .max })
    shapes.append((0..<5000).map { Int64($0) &* 0x1234_5678_9abc })
    return shapes
  }
  @Test func integersOfEveryShapeComeBack() throws {
    for values in Self.shapes() { #expect(try Self.decoded(Self.encoded(values), values.count) == values) }
  }
  @Test func sizesAreWhatTheDataNeeds() {
    #expect(Self.encoded([Int64](repeating: 1_709_510_400_000_000, count: 8192)).count <= 12)
    let seconds = (0..<8192).map { 1_709_510_400_000_000 + Int64($0 * 3) * 1_000_000 }
    #expect(Self.encoded(seconds).count < 120)
    var random = SampleRandom(11)
    let skewed = (0..<8192).map { _ in Int64(random.below(100) == 0 ? 90_000 : random.below(256)) }
    #expect(Self.encoded(skewed).count < 8192 * 10 / 8)
  }
  @Test func theChoiceIsDeterministic() {
    for values in Self.shapes() { #expect(Self.encoded(values) == Self.encoded(values)) }
  }
  @Test func truncatedIntegersAreRefused() {
    for values in Self.shapes() where values.count > 1 && values.count < 1100 {
      let bytes = Self.encoded(values)
      for cut in Set([0, 1, 2, bytes.count / 2, bytes.count - 1]) where cut < bytes.count {
        #expect(throws: DecodingFailure.self) { try Self.decoded(Array(bytes[0..<cut]), values.count) }
      }
    }
  }
  @Test func damagedBlocksNeverTrap() throws {
    var random = SampleRandom(13)
    let batch = Samples.everyTypeBatch(150)
    for column in batch.columns {
      let stored = PreparedColumn(column).vector
      var dictionary: TextDictionary?
      if case .codes(_, let own) = stored.values { dictionary = own }
      if case .topn(let own) = stored.values { dictionary = own.dictionary }
      var out = ByteWriter()
      ColumnEncoding.encode(stored, into: &out)
      let bytes = out.finish()
      let back = try bytes.withReader { reader throws(DecodingFailure) in
        try ColumnEncoding.decode(&reader, type: column.type, rows: 150, dictionary: dictionary)
      }
      #expect(Samples.describe(Batch(count: 150, columns: [back])) == Samples.describe(Batch(count: 150, columns: [column])))
      for _ in 0..<300 {
        var damaged = bytes
        for _ in 0...random.below(3) { damaged[random.below(damaged.count)] = UInt8(truncatingIfNeeded: random.next()) }
        if random.below(4) == 0 { damaged.removeLast(random.below(damaged.count)) }
        do throws(DecodingFailure) {
          _ = try damaged.withReader { reader throws(DecodingFailure) in
            try ColumnEncoding.decode(&reader, type: column.type, rows: 150, dictionary: dictionary)
          }
        } catch { continue }
      }
    }
  }
  @Test func doublesKeepEveryBit() throws {
    let values: [Double] = [0, -0.0, 1.25, 1e300, .infinity, .nan, -7, 0.1, 3.3]
    for list in [values, [1.5, 2.25, -3.75], [0.1, 0.2, 12.3], [-0.0], []] {
      var out = ByteWriter()
      ColumnEncoding.encode(ColumnVector(.double, .double(list)), into: &out)
      let back = try out.finish().withReader { reader throws(DecodingFailure) in
        try ColumnEncoding.decode(&reader, type: .double, rows: list.count, dictionary: nil)
      }
      guard case .double(let doubles) = back.values else { return }
      #expect(doubles.map(\.bitPattern) == list.map(\.bitPattern))
    }
  }
  @Test func dictionariesComeBackInPages() throws {
    var interner = TextInterner()
    for i in 0..<12_000 { _ = Array("text \(i * 7)".utf8).withUnsafeBytes { interner.intern($0) } }
    _ = [UInt8](repeating: 65, count: 200_000).withUnsafeBytes { interner.intern($0) }
    let dictionary = interner.dictionary()
    var offsets: [UInt32] = [0]
    var bytes: [UInt8] = []
    for page in DictionaryEncoding.encode(dictionary) {
      try page.withReader { reader throws(DecodingFailure) in
        try DictionaryEncoding.decodePage(&reader, offsets: &offsets, bytes: &bytes)
      }
    }
    #expect(offsets == dictionary.offsets)
    #expect(bytes == dictionary.bytes)
  }
  @Test func bytesOfEveryShapeComeBack() throws {
    var random = SampleRandom(21)
    var shapes: [[UInt8]] = [[], [7], [UInt8](repeating: 9, count: 5000), Array("a rose is a rose".utf8)]
    shapes.append((0..<3000).map { _ in UInt8(random.below(256)) })
    shapes.append((0..<40_000).map { _ in UInt8(97 + min(random.below(26), random.below(26))) })
    // Counts like Fibonacci numbers make codes longer than twelve bits before they are cut.
    var (a, b) = (1, 1)
    var steep: [UInt8] = []
    for symbol in 0..<22 {
      steep += [UInt8](repeating: UInt8(symbol), count: a)
      (a, b) = (b, a + b)
    }
    shapes.append(steep)
    for bytes in shapes {
      for huffman in [false, true] where !huffman || !bytes.isEmpty {
        var out = ByteWriter()
        if huffman {
          bytes.withUnsafeBytes { raw in
            let counts = HuffmanCode.counts(raw)
            let lengths = HuffmanCode.lengths(counts)
            HuffmanCode.encode(raw, lengths, into: &out)
            #expect(out.count == HuffmanCode.byteCount(counts, lengths))
          }
          let stored = out.finish()
          #expect(try stored.withUnsafeBytes { try HuffmanCode.decode($0, count: bytes.count, at: 0) } == bytes)
        } else {
          bytes.withUnsafeBytes { ColumnEncoding.encodeBytes($0, into: &out) }
          let back = try out.finish().withReader { reader throws(DecodingFailure) in
            try ColumnEncoding.decodeBytes(&reader, count: bytes.count)
          }
          #expect(back == bytes)
        }
      }
    }
  }
  @Test func damagedHuffmanCodesNeverTrap() {
    var random = SampleRandom(22)
    let bytes = (0..<600).map { _ in UInt8(97 + min(random.below(26), random.below(26))) }
    var out = ByteWriter()
    bytes.withUnsafeBytes { HuffmanCode.encode($0, HuffmanCode.lengths(HuffmanCode.counts($0)), into: &out) }
    let stored = out.finish()
    for _ in 0..<1000 {
      var damaged = stored
      for _ in 0...random.below(3) { damaged[random.below(damaged.count)] = UInt8(truncatingIfNeeded: random.next()) }
      if random.below(3) == 0 { damaged.removeLast(random.below(damaged.count)) }
      do throws(DecodingFailure) {
        let size = 600 + random.below(3) - 1
        _ = try damaged.withReader { reader throws(DecodingFailure) in
          try HuffmanCode.decode(reader.base, count: size, at: 0)
        }
      } catch { continue }
    }
  }

  /// Chunks are cut by memory and restarts, so what lies under a NULL differs between replicas; their files must not.
  @Test func whatLiesUnderANullIsNotWritten() {
    let dictionary = TextDictionary(offsets: [0, 1, 2], bytes: Array("ba".utf8))
    func ranked(_ codes: [UInt32]) -> ColumnVector {
      PreparedColumn.ranked(ColumnVector(.text, .codes(codes, dictionary), validity: Bitmap(words: [0b1011], count: 4)))
    }
    guard case .codes(let a, _) = ranked([0, 1, 0, 1]).values, case .codes(let b, _) = ranked([0, 1, 1, 1]).values else {
      Issue.record("texts without codes")
      return
    }
    #expect(a == [1, 0, 0, 0] && a == b)
  }
}
