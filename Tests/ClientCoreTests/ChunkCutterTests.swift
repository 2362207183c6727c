// ChunkCutterTests.swift — chunk borders depend on the content and the chunk size only.
import ClientCore
import Model
import Testing

private func cut(
  _ text: [UInt8],
  chunk: Int,
  pieces: Int,
  header: Bool = false
) throws -> ([CSVChunk], [UInt8]?) {
  var cutter = ChunkCutter(chunkBytes: chunk, hasHeader: header)
  var chunks: [CSVChunk] = []
  var at = 0
  while at < text.count {
    try Array(text[at..<min(at + pieces, text.count)]).withUnsafeBytes { raw in
      try cutter.append(raw) { chunks.append($0) }
    }
    at += pieces
  }
  try cutter.finish { chunks.append($0) }
  return (chunks, cutter.header)
}

@Suite struct ChunkBorders {
  static let text: [UInt8] = {
    var out = ""
    for i in 0..<500 {
      out +=
        "\(i),\"a\nb \"\"\(i * 7919 % 1000)\"\"\",\(String(repeating: "x", count: i % 23))\(i % 3 == 0 ? "\r\n" : "\n")"
    }
    return Array(out.utf8)
  }()

  @Test(arguments: [1, 2, 64, 100, 1000, 100_000]) func piecesDoNotMatter(chunk: Int) throws {
    let (whole, _) = try cut(Self.text, chunk: chunk, pieces: 1 << 20)
    #expect(whole.flatMap(\.bytes) == Self.text)
    #expect(whole.map(\.number) == Array(0..<whole.count))
    var line = 1
    for piece in whole {
      #expect(piece.firstLine == line)
      #expect(piece.bytes.last == 0x0a)
      // Each chunk is whole records: three fields in each.
      #expect(try CSVRecords.parse(piece.bytes).allSatisfy { $0.count == 3 })
      line += piece.bytes.filter { $0 == 0x0a }.count
    }
    #expect(whole.dropLast().allSatisfy { $0.bytes.count >= chunk })
    for pieces in [1, 3, 17, 999] {
      #expect(try cut(Self.text, chunk: chunk, pieces: pieces).0 == whole)
    }
  }
  @Test func aHeaderIsTakenOffAndCountsAsLines() throws {
    let text = Array("\u{feff}id,\"two\nlines\"\r\n1,2\n3,4".utf8)
    for pieces in 1...text.count {
      let (chunks, header) = try cut(text, chunk: 4, pieces: pieces, header: true)
      #expect(try CSVRecords.header(header ?? []) == ["id", "two\nlines"])
      #expect(chunks.map { String(decoding: $0.bytes, as: UTF8.self) } == ["1,2\n", "3,4"])
      #expect(chunks.map(\.firstLine) == [3, 4])
    }
  }
  @Test func emptyFilesHaveNoChunks() throws {
    #expect(try cut([], chunk: 10, pieces: 1).0.isEmpty)
    let (chunks, header) = try cut(Array("a,b".utf8), chunk: 10, pieces: 2, header: true)
    #expect(chunks.isEmpty)
    #expect(header == Array("a,b".utf8))
  }
  @Test func anEndlessRecordIsRefused() {
    let text =
      [UInt8](repeating: 0x22, count: 1)
      + [UInt8](repeating: 0x0a, count: ChunkCutter.recordBytesMax + 1000)
    #expect(throws: TallyError.self) { try cut(text, chunk: 100, pieces: 1 << 20) }
  }
}
