import Bytes
import Testing

@Suite struct ChecksumAndHashTests {
  /// RFC 3720, appendix B.4.
  @Test func crc32cMatchesItsPublishedVectors() {
    #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
    #expect(CRC32C.checksum([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
    #expect(CRC32C.checksum((0..<32).map { UInt8($0) }) == 0x46dd_794e)
    #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xe306_9283)
  }
  @Test func checksumsContinue() {
    let bytes = (0..<999).map { UInt8(truncatingIfNeeded: $0 * 7) }
    for cut in [0, 1, 8, 500, 999] {
      let first = CRC32C.checksum(Array(bytes[..<cut]))
      #expect(CRC32C.checksum(Array(bytes[cut...]), seed: first) == CRC32C.checksum(bytes))
    }
  }
  /// The hashes that postgresql-hll gives (first half of MurmurHash3 x64 128).
  @Test func murmurMatchesPostgresHLL() {
    #expect(Murmur3.hash([]).high == 0)
    #expect(Int64(bitPattern: Murmur3.hash(Array("A".utf8)).high) == 243_126_998_722_523_514)
    #expect(Int64(bitPattern: Murmur3.hashInteger(0, width: 8)) == 2_945_182_322_382_062_539)
    #expect(Int64(bitPattern: Murmur3.hashInteger(-100, width: 2)) == 5_357_168_029_120_347_761)
    let bytes: [UInt8] = [156, 255, 255, 255]
    #expect(Murmur3.hashInteger(-100, width: 4) == Murmur3.hash(bytes).high)
  }
  /// Placement never changes: these values are stored in every cluster's shard map.
  @Test func thePlacementHashIsFrozen() {
    #expect(StableHash.hash(0) == 0xe220_a839_7b1d_cdaf)
    #expect(StableHash.hash(42) == StableHash.hash(Int64(42)))
    let text = Array("UA".utf8).withUnsafeBytes { StableHash.hash($0) }
    #expect(text == Murmur3.hash(Array("UA".utf8), seed: 0x7461_6c6c).high)
  }
}

@Suite struct ReaderAndWriterTests {
  @Test func fieldsComeBackAndEveryTruncationIsTold() throws {
    var out = ByteWriter(capacity: 1)
    out.u8(7)
    out.u16(0xbeef)
    out.u32(0xdead_beef)
    out.i64(.min)
    out.f64(-0.5)
    out.bool(true)
    out.varint(.max)
    out.signedVarint(-3)
    out.string("né")
    out.prefixedBytes([1, 2, 3])
    let bytes = out.finish()
    func read(_ bytes: [UInt8]) throws(DecodingFailure) {
      try bytes.withReader { reader throws(DecodingFailure) in
        #expect(try reader.u8() == 7)
        #expect(try reader.u16() == 0xbeef)
        #expect(try reader.u32() == 0xdead_beef)
        #expect(try reader.i64() == .min)
        #expect(try reader.f64() == -0.5)
        #expect(try reader.bool())
        #expect(try reader.varint() == .max)
        #expect(try reader.signedVarint() == -3)
        #expect(try reader.string() == "né")
        #expect(try reader.prefixedBytes(max: 3) == [1, 2, 3])
        try reader.expectEnd()
      }
    }
    try read(bytes)
    for cut in 0..<bytes.count { #expect(throws: (any Error).self) { try read(Array(bytes[..<cut])) } }
  }
  @Test func lengthsAreCheckedBeforeMemoryIsTaken() {
    var out = ByteWriter()
    out.varint(1 << 60)
    let bytes = out.finish()
    #expect(throws: DecodingFailure.self) {
      try bytes.withReader { reader throws(DecodingFailure) in _ = try reader.prefixedBytes(max: .max) }
    }
    #expect(throws: DecodingFailure.self) {
      try bytes.withReader { reader throws(DecodingFailure) in _ = try reader.array(of: UInt64.self, count: 1 << 60) }
    }
    #expect(throws: DecodingFailure.self) {
      try [UInt8](repeating: 0xff, count: 11).withReader { reader throws(DecodingFailure) in _ = try reader.varint() }
    }
  }
  @Test func blocksCompressAndDamageIsTold() throws {
    let text = Array(String(repeating: "tally counts once. ", count: 200).utf8)
    guard let packed = text.withUnsafeBytes({ LZ4Block.compress($0) }) else { return #expect(Bool(false)) }
    #expect(packed.count * 5 < text.count)
    #expect(try packed.withUnsafeBytes { try LZ4Block.decompress($0, size: text.count) } == text)
    #expect(throws: DecodingFailure.self) { try packed.withUnsafeBytes { try LZ4Block.decompress($0, size: text.count + 1) } }
    #expect(throws: DecodingFailure.self) { try packed.withUnsafeBytes { try LZ4Block.decompress($0, size: 1 << 30) } }
    #expect((0..<64).map { UInt8($0) }.withUnsafeBytes { LZ4Block.compress($0) } == nil)
  }
}
