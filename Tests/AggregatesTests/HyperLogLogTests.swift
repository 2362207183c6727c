import Aggregates
import Columns
import Foundation
import Model
import Testing

/// A small deterministic random source.
struct TestRandom: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state = state &+ 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

func hex(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

@Suite struct HyperLogLogTests {
  static func hashes(_ values: [Int64], width: Int = 4) -> [Int64] {
    HLLHash.integers(values, width: width)
  }
  static func state(_ p: HLLParameters, _ hashes: [Int64]) -> HyperLogLog {
    var state = HyperLogLog(p)
    for hash in hashes { state.add(hash) }
    return state
  }

  @Test func hashesAreThoseOfPostgresql() throws {
    func one(_ type: DataType, _ value: Int64, seed: Int32 = 0) throws -> Int64? {
      guard
        case .fixed(let v) = try HLLHash.hash(ColumnVector(type, .fixed([value])), seed: seed)
          .values
      else { return nil }
      return v[0]
    }
    #expect(try one(.boolean, 0) == 5_048_724_184_180_415_669)
    #expect(try one(.boolean, 1) == 8_849_112_093_580_131_862)
    #expect(try one(.smallint, 0) == 3_478_107_235_931_676_136)
    #expect(try one(.smallint, 100) == 4_631_120_266_694_327_276)
    #expect(try one(.smallint, -100) == 5_357_168_029_120_347_761)
    #expect(try one(.integer, 0) == -3_485_513_579_396_041_028)
    #expect(try one(.integer, 1) == -8_604_791_237_420_463_362)
    #expect(try one(.integer, 100) == -5_003_248_654_201_747_171)
    #expect(try one(.bigint, 0) == 2_945_182_322_382_062_539)
    #expect(try one(.bigint, 100) == 8_349_353_095_166_695_771)
    #expect(try one(.bigint, -100) == -886_862_857_196_634_693)
    #expect(try one(.bigint, 0, seed: 1) == 8_297_479_994_805_284_640)
    #expect(try one(.bigint, 0, seed: .max) == -4_042_198_036_618_575_253)
    #expect(try one(.bigint, 0, seed: -1) == -8_352_849_679_461_500_862)
    // Obtained from PostgreSQL: dates and times count from 2000-01-01 there.
    let day = Calendar.days(year: 2020, month: 1, day: 2)
    let time = day * 86_400_000_000 + 11_045_678_000
    #expect(try one(.date, day) == 4_425_278_247_192_261_828)
    #expect(try one(.timestamp, time) == -9_101_359_666_233_938_756)
    #expect(try one(.timestamptz, time) == -9_101_359_666_233_938_756)
    #expect(try one(.date, TimeLimits.infinity) == 8_594_212_086_801_530_782)
    #expect(try one(.timestamp, TimeLimits.minusInfinity) == 78_142_285_821_850_151)
    #expect(try one(.timestamp, TimeLimits.infinity) == 7_815_693_464_130_447_828)
    func first(_ column: ColumnVector) throws -> Int64? {
      if case .fixed(let v) = try HLLHash.hash(column).values { v[0] } else { nil }
    }
    #expect(try first(ColumnVector(.double, .double([1.5]))) == -981_000_774_749_194_061)
    #expect(
      try first(
        ColumnVector(.interval, .interval([Interval(months: 1, days: 2, microseconds: 3_000_000)]))
      )
        == 3_082_520_369_492_930_336
    )
    let texts: [(String, Int64)] = [
      ("", 0), ("A", 243_126_998_722_523_514), ("B", -4_837_624_800_923_759_386),
      ("AB", 5_365_230_931_951_287_672),
    ]
    for (text, hash) in texts {
      let plain = TextColumn(offsets: [0, UInt32(text.utf8.count)], bytes: Array(text.utf8))
      #expect(try first(ColumnVector(.text, .text(plain))) == hash)
      let dictionary = TextDictionary(offsets: plain.offsets, bytes: plain.bytes)
      #expect(try first(ColumnVector(.text, .codes([0], dictionary))) == hash)
    }
    #expect(throws: TallyError.self) {
      try HLLHash.hash(ColumnVector(.plainNumeric, .numeric([Numeric(1)])))
    }
  }
  @Test func packedBytesAreThoseOfPostgresql() throws {
    let values = HLLHash.integers(Array(0...17), width: 4)
    let p12: (Int32) -> HLLParameters = {
      HLLParameters(log2m: 12, regwidth: 5, expthresh: $0, sparseon: true)
    }
    #expect(hex(HLLFormat.encode(HyperLogLog())) == "118b7f")
    #expect(hex(HLLFormat.encode(Self.state(p12(256), [values[1]]))) == "128c498895a3f5af28cafe")
    #expect(hex(HLLFormat.encode(Self.state(p12(0), [values[1]]))) == "138c40afe180")
    #expect(
      hex(HLLFormat.encode(Self.state(p12(0), [values[1], values[2]]))) == "138c40afe1db0040"
    )
    #expect(
      hex(HLLFormat.encode(Self.state(p12(2), Array(values[1...3])))) == "138c4213b157f0ed8020"
    )
    let p5 = HLLParameters(log2m: 5, regwidth: 5)
    #expect(
      hex(HLLFormat.encode(Self.state(p5, values[1...15] + [values[17]])))
        == "13857f00421204e18064298ae6c1722d0b61e13c1f84"
    )
    let single = try #require(try HLLEstimate.cardinality(HLLFunctions.parse("\\x138b7f0001")))
    #expect(abs(single - 1.00024422012692) < 1e-12)
    for (n, type, bytes, count) in [
      (160, 2, 1283, 160.0), (161, 3, 313, 161.179), (1000, 4, 1283, 978.630),
      (5000, 4, 1283, 5156.049),
      (1_000_000, 4, 1283, 995_263.715),
    ] {
      let packed = HLLFormat.encode(
        Self.state(HLLParameters(), HLLHash.integers(Array(1...Int64(n)), width: 8))
      )
      #expect(packed.count == bytes && Int(packed[0] & 15) == type)
      let estimate = try #require(try HLLEstimate.cardinality(HLLFormat.decode(packed)))
      #expect(abs(estimate - count) < 0.0006)
    }
  }
  @Test func statesEqualThoseOfPostgresOverManyParameters() throws {
    var bigints: [Int64: [Int64]] = [:]
    func range(_ from: Int64, _ n: Int) -> [Int64] {
      let all = bigints[from] ?? HLLHash.integers(Array(from..<from + 300_000), width: 8)
      bigints[from] = all
      return Array(all[0..<n])
    }
    func compare(_ state: HyperLogLog, _ bytes: Substring, _ cardinality: Substring) throws {
      let packed = HLLFormat.encode(state)
      if bytes.first == "#" {
        let hash = packed.withUnsafeBytes { HLLHash.text($0) }
        #expect("#\(packed.count):\(hash)" == bytes)
      } else {
        #expect(hex(packed) == bytes)
      }
      #expect(try HLLFormat.decode(packed) == state)
      let expected = try #require(Double(cardinality))
      let estimate = try #require(try HLLEstimate.cardinality(state))
      #expect(abs(estimate - expected) <= 1e-12 * expected || (estimate.isNaN && expected.isNaN))
      let column = ColumnVector(hll: [state, nil], state.parameters)
      guard case .double(let v) = try HLLEstimate.cardinalities(column).values else { return }
      #expect(v[0].bitPattern == estimate.bitPattern)
    }
    func parameters(_ f: [Substring]) throws -> HLLParameters {
      let numbers = f[0..<4].map { Int64($0) ?? -9 }
      return try HLLFunctions.parameters(
        log2m: numbers[0],
        regwidth: numbers[1],
        expthresh: numbers[2],
        sparseon: numbers[3]
      )
    }
    for line in PostgresVectors.adds.split(separator: "\n") {
      let f = line.split(separator: " ")
      try compare(Self.state(parameters(f), range(1, Int(f[4])!)), f[5], f[6])
    }
    for line in PostgresVectors.unions.split(separator: "\n") {
      let f = line.split(separator: " ")
      let (a, b) = (
        Self.state(try parameters(f), range(1, Int(f[4])!)),
        Self.state(try parameters(f), range(1_000_000, Int(f[5])!))
      )
      try compare(HLLFunctions.union(a, b), f[6], f[7])
    }
  }
  /// Lines of a gzipped fixture of postgresql-hll, or nil where the shared data is not there.
  static func fixture(_ name: String) throws -> [[Substring]]? {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent()
      .deletingLastPathComponent()
    let shared =
      ProcessInfo.processInfo.environment["TALLY_SHARED"]
      ?? root.appendingPathComponent("../shared").path
    let path = shared + "/data/hll-vectors/" + name
    guard FileManager.default.fileExists(atPath: path) else {
      print("skipped: no \(path); set TALLY_SHARED to the shared data")
      return nil
    }
    let gzip = Process()
    gzip.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    gzip.arguments = ["gzip", "-dc", path]
    let pipe = Pipe()
    gzip.standardOutput = pipe
    try gzip.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    gzip.waitUntilExit()
    return String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline).dropFirst().map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
  }
  @Test func murmurFixtureOfPostgresqlHLL() throws {
    for line in try Self.fixture("murmur_bigint.csv.gz") ?? [] {
      let seed = Int32(truncatingIfNeeded: Int64(line[0])!)
      #expect(HLLHash.integers([Int64(line[1])!], width: 8, seed: seed)[0] == Int64(line[2])!)
    }
  }
  @Test func cumulativeAddFixtureOfPostgresqlHLL() throws {
    var state: HyperLogLog?
    for line in try Self.fixture("cumulative_add_sparse_random.csv.gz") ?? [] {
      if state == nil {
        state = try HLLFunctions.parse(line[2].lowercased())
      } else {
        state?.add(Int64(line[1])!)
      }
      let now = try #require(state)
      #expect(
        "\\x" + hex(HLLFormat.encode(now, sparse: .filledAtMost(512))) == line[2].lowercased()
      )
      #expect(abs(try #require(try HLLEstimate.cardinality(now)) - Double(line[0])!) < 1e-9)
    }
  }
  @Test func cumulativeUnionFixturesOfPostgresqlHLL() throws {
    for name in [
      "cumulative_union_explicit_explicit.csv.gz", "cumulative_union_sparse_sparse.csv.gz",
    ] {
      var running: HyperLogLog?
      for line in try Self.fixture(name) ?? [] {
        let one = try HLLFunctions.parse(line[1].lowercased())
        #expect(abs(try #require(try HLLEstimate.cardinality(one)) - Double(line[0])!) < 1e-9)
        running = try running.map { try HLLFunctions.union($0, one) } ?? one
        let now = try #require(running)
        #expect(
          "\\x" + hex(HLLFormat.encode(now, sparse: .filledAtMost(512))) == line[3].lowercased()
        )
        #expect(abs(try #require(try HLLEstimate.cardinality(now)) - Double(line[2])!) < 1e-9)
      }
    }
  }
  @Test func differentParametersDoNotUnite() throws {
    func message(_ p: HLLParameters) -> String {
      do throws(TallyError) {
        return "\(try HLLFunctions.union(HyperLogLog(), HyperLogLog(p)))"
      } catch { return error.message }
    }
    #expect(
      message(HLLParameters(regwidth: 4))
        == "register width does not match: source uses 4 and dest uses 5"
    )
    #expect(
      message(HLLParameters(log2m: 10))
        == "register count does not match: source uses 1024 and dest uses 2048"
    )
    #expect(
      message(HLLParameters(expthresh: 256))
        == "explicit threshold does not match: source uses 256 and dest uses -1"
    )
    #expect(
      message(HLLParameters(sparseon: false))
        == "sparse enable does not match: source uses 0 and dest uses 1"
    )
  }
  @Test func undefinedAbsorbsAndEmptyIsNeutral() throws {
    let undefined = HyperLogLog(HLLParameters(), .undefined)
    let one = Self.state(HLLParameters(), [5])
    #expect(try HLLFunctions.union(undefined, one) == undefined)
    #expect(try HLLFunctions.union(one, undefined) == undefined)
    #expect(try HLLFunctions.union(one, HyperLogLog()) == one)
    #expect(try HLLFunctions.union(HyperLogLog(), one) == one)
    #expect(HLLFunctions.add(undefined, 7) == undefined)
    #expect(try HLLEstimate.cardinality(undefined) == nil)
    #expect(try HLLEstimate.cardinality(HyperLogLog()) == 0)
    #expect(throws: TallyError.self) {
      try HLLEstimate.cardinality(Self.state(HLLParameters(log2m: 3, expthresh: 0), [1]))
    }
  }
  @Test func wideRegistersEstimateWithoutOverflow() throws {
    for width: UInt8 in 6...8 {
      let p = HLLParameters(log2m: 11, regwidth: width, expthresh: 0)
      let state = Self.state(p, HLLHash.integers(Array(1...100_000), width: 8))
      let estimate = try #require(try HLLEstimate.cardinality(state))
      #expect(abs(estimate - 100_000) < 7000)
      #expect(try HLLFormat.decode(HLLFormat.encode(state)) == state)
    }
  }
  @Test func metadataPrintsLikeTheExtension() throws {
    #expect(
      HLLFunctions.print(HyperLogLog())
        == "EMPTY, nregs=2048, nbits=5, expthresh=-1(160), sparseon=1"
    )
    #expect(
      HLLFunctions.print(HyperLogLog(HLLParameters(), .undefined))
        == "UNDEFINED nregs=2048, nbits=5, expthresh=-1(160), sparseon=1"
    )
    let two = Self.state(HLLParameters(), [5, 5_208_657_608_173_592_891])
    #expect(
      HLLFunctions.print(two)
        == "EXPLICIT, 2 elements, nregs=2048, nbits=5, expthresh=-1(160), sparseon=1:\n0:                    5 \n1:  5208657608173592891 "
    )
    let registers = Self.state(HLLParameters(log2m: 5, expthresh: 0), Self.hashes([1, 2]))
    #expect(
      HLLFunctions.print(registers)
        == "COMPRESSED, 2 filled nregs=32, nbits=5, expthresh=0, sparseon=1:\n   0:  1 "
        + String(repeating: " 0 ", count: 29) + " 1  0 "
    )
    #expect(
      HLLFunctions.type(two) == 2 && HLLFunctions.isExact(two) && !HLLFunctions.isExact(registers)
    )
    #expect(HLLFunctions.expthresh(two).effective == 160)
    #expect(throws: TallyError.self) { try HLLFunctions.parameters(log2m: 18) }
    #expect(throws: TallyError.self) { try HLLFunctions.parameters(expthresh: 3) }
  }
  @Test func damagedBytesAreRefusedOrDecodeToSomethingThatEncodes() throws {
    let states = [
      Self.state(HLLParameters(), Self.hashes(Array(1...5))),
      Self.state(HLLParameters(log2m: 5), Self.hashes(Array(1...12))),
      Self.state(HLLParameters(log2m: 5, sparseon: false), Self.hashes(Array(1...400))),
      HyperLogLog(),
    ]
    for state in states {
      let bytes = HLLFormat.encode(state)
      for n in 0..<bytes.count where n != 3 && (n - 3) % 8 != 0 {
        do {
          #expect(HLLFormat.encode(try HLLFormat.decode(Array(bytes[..<n]))).count <= bytes.count)
        } catch {}
      }
      for at in bytes.indices {
        for flip: UInt8 in [1, 2, 0x10, 0x40, 0x80, 0xff] {
          var copy = bytes
          copy[at] ^= flip
          do {
            let back = try HLLFormat.decode(copy)
            #expect(try HLLFormat.decode(HLLFormat.encode(back)) == back)
          } catch {}
        }
      }
    }
    for text in [
      "\\x", "\\x2b8b7f", "\\x158b7f", "\\x138b7f00", "\\x148b7f00", "\\x128b7f00",
      "\\x128b7f00000000000000010000000000000001", "\\x11927f", "\\x118bff", "\\x118b7f00", "11",
      "\\x1", "\\x1g",
    ] {
      #expect(throws: TallyError.self) { try HLLFunctions.parse(text) }
    }
  }
  @Test func columnsKeepStates() throws {
    let p = HLLParameters(log2m: 6)
    let states: [HyperLogLog?] = [
      HyperLogLog(p), nil, Self.state(p, [3]), Self.state(p, Self.hashes(Array(1...9))),
      Self.state(p, Self.hashes(Array(1...900))), HyperLogLog(p, .undefined),
    ]
    let column = ColumnVector(hll: states, p)
    guard case .hll(let hll) = column.values else { return }
    #expect(hll.firstInvalidRow() == nil)
    for (row, state) in states.enumerated() {
      #expect(column.isNull(row) == (state == nil))
      if let state { #expect(hll.state(row) == state) }
    }
  }
}
