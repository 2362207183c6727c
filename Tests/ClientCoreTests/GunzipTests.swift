// GunzipTests.swift — gzip streams: members, padding, pieces of any size, damage.
import ClientCore
import Model
import Testing

private func bytes(_ hexadecimal: String) -> [UInt8] {
  var digits = Array(hexadecimal.utf8)[...]
  var out: [UInt8] = []
  while let high = digits.popFirst(), let low = digits.popFirst() {
    func value(_ digit: UInt8) -> UInt8 { digit < 0x40 ? digit - 0x30 : digit - 0x57 }
    out.append(value(high) << 4 | value(low))
  }
  return out
}

private func inflate(_ data: [UInt8], pieces: Int) throws(TallyError) -> [UInt8] {
  var gunzip = try Gunzip()
  var out: [UInt8] = []
  var at = 0
  while at < data.count {
    let piece = Array(data[at..<min(at + pieces, data.count)])
    var failure: TallyError?
    piece.withUnsafeBytes { raw in
      do throws(TallyError) { try gunzip.inflate(raw) { out.append(contentsOf: $0) } } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    at += pieces
  }
  try gunzip.finish()
  return out
}

@Suite struct GzipStreams {
  let hello = bytes(
    "1f8b0800000000000203cb48cdc9c9e7020020303a3606000000"
  )
  let world = bytes(
    "1f8b08000000000002032bcf2fca49e10200a86138dd06000000"
  )
  /// "abcdefgh" 80,000 times.
  let long = bytes(
    "1f8b0800000000000203edc5310100200800b0ac0808fd1358c3637b1627abef6cd8b66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66ddbb66d"
      + "dbb66d7ffa03f86d560200c40900"
  )

  @Test func membersFollowEachOtherInPiecesOfAnySize() throws {
    for pieces in [1, 2, 7, 1000] {
      #expect(try inflate(hello + world, pieces: pieces) == Array("hello\nworld\n".utf8))
    }
  }
  @Test func outputLargerThanTheBufferComesWhole() throws {
    let expected = [UInt8](repeating: 0, count: 640_000).indices.map { UInt8(0x61 + $0 % 8) }
    for pieces in [1, 100, 1 << 20] {
      #expect(try inflate(long + hello, pieces: pieces) == expected + Array("hello\n".utf8))
    }
  }
  @Test func zeroPaddingIsIgnored() throws {
    #expect(try inflate(hello + [0, 0, 0], pieces: 4) == Array("hello\n".utf8))
  }
  @Test func everyTruncationIsNoticed() {
    for length in 0..<hello.count {
      #expect(throws: TallyError.self) { try inflate(Array(hello[..<length]), pieces: 5) }
    }
  }
  @Test func damageIsReportedWithItsPlace() {
    var damaged = hello
    damaged[hello.count - 6] ^= 1
    do {
      _ = try inflate(damaged, pieces: 100)
      Issue.record("accepted")
    } catch {
      #expect(error.sqlState == "22P04")
      #expect(error.message == "gzip data is damaged: incorrect data check")
      #expect(error.detail?.hasPrefix("At byte ") == true)
    }
    #expect(throws: TallyError.self) { try inflate(Array("plain text".utf8), pieces: 100) }
    #expect(Gunzip.isGzip(hello))
    #expect(!Gunzip.isGzip(Array("a,b".utf8)))
  }
}
