// DictionaryEncoding.swift — the bytes of a section's dictionary, in pages, and the sorting of texts.
//
//   page = varint texts · INTS(texts) lengths · BYTES(sum)     — up to 8192 texts and, unless one text is longer, 64 KiB
// Text columns have one dictionary a section, its texts rising by bytes, so that codes compare as texts do (zone maps, tenant order)
// and neighbours share what LZ4 finds; TopN columns have theirs in canonical order. Both hold only texts in use.
import Bytes
import Columns

enum DictionaryEncoding {
  static let pageTextsMax = 8192
  static let pageBytesMax = 65536

  /// The pages of a dictionary; none when it is empty.
  static func encode(_ dictionary: TextDictionary) -> [[UInt8]] {
    var pages: [[UInt8]] = []
    var first = 0
    while first < dictionary.count {
      var end = first + 1
      let base = dictionary.offsets[first]
      while end < dictionary.count, end - first < pageTextsMax,
        Int(dictionary.offsets[end + 1] - base) <= pageBytesMax
      { end += 1 }
      let bytes = Int(base)..<Int(dictionary.offsets[end])
      var out = ByteWriter(capacity: bytes.count + (end - first) * 2)
      out.count(end - first)
      ColumnEncoding.encodeLengths(Array(dictionary.offsets[first...end]), into: &out)
      dictionary.bytes.withUnsafeBytes {
        ColumnEncoding.encodeBytes(UnsafeRawBufferPointer(rebasing: $0[bytes]), into: &out)
      }
      pages.append(out.finish())
      first = end
    }
    return pages
  }
  /// Appends the texts of one page.
  static func decodePage(
    _ reader: inout ByteReader, offsets: inout [UInt32], bytes: inout [UInt8]
  ) throws(DecodingFailure) {
    let start = reader.position
    let count = try reader.count(max: pageTextsMax, "texts of a page")
    let own = try IntegerEncoding.decodeOffsets(&reader, count: count, max: ColumnEncoding.blockElementsMax)
    let texts = try ColumnEncoding.decodeBytes(&reader, count: Int(own[count]))
    try reader.expectEnd()
    let base = bytes.count
    guard base + texts.count <= Int(UInt32.max) else {
      throw DecodingFailure(.tooLarge, at: start, "dictionary of more than 4 GiB")
    }
    bytes.append(contentsOf: texts)
    for offset in own.dropFirst() { offsets.append(UInt32(base) + offset) }
  }
}

extension TextDictionary {
  /// The texts with the given codes, in that order.
  func subset(_ codes: [UInt32]) -> TextDictionary {
    var starts: [UInt32] = [0]
    starts.reserveCapacity(codes.count + 1)
    var total: UInt32 = 0
    for code in codes {
      total += offsets[Int(code) + 1] - offsets[Int(code)]
      starts.append(total)
    }
    let all = [UInt8](unsafeUninitializedCapacity: Int(total)) { out, written in
      written = Int(total)
      guard let target = out.baseAddress else { return }
      bytes.withUnsafeBufferPointer { source in
        for (i, code) in codes.enumerated() {
          let from = Int(offsets[Int(code)])
          let size = Int(offsets[Int(code) + 1]) - from
          if size > 0 { (target + Int(starts[i])).initialize(from: source.baseAddress! + from, count: size) }
        }
      }
    }
    return TextDictionary(offsets: starts, bytes: all)
  }
  /// The given codes by rising text.
  func sorted(_ codes: [UInt32]) -> [UInt32] {
    // Eight leading bytes as one big-endian number decide nearly every comparison.
    var keyed: [(head: UInt64, code: UInt32)] = []
    keyed.reserveCapacity(codes.count)
    return bytes.withUnsafeBytes { raw in
      offsets.withUnsafeBufferPointer { offsets in
        for code in codes {
          let from = Int(offsets[Int(code)])
          let size = Int(offsets[Int(code) + 1]) - from
          var head: UInt64 = 0
          if size >= 8 {
            head = UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: from, as: UInt64.self))
          } else {
            for i in 0..<size { head |= UInt64(raw[from + i]) << UInt64(56 - 8 * i) }
          }
          keyed.append((head, code))
        }
        keyed.sort { a, b in
          if a.head != b.head { return a.head < b.head }
          let x = UnsafeRawBufferPointer(rebasing: raw[Int(offsets[Int(a.code)])..<Int(offsets[Int(a.code) + 1])])
          let y = UnsafeRawBufferPointer(rebasing: raw[Int(offsets[Int(b.code)])..<Int(offsets[Int(b.code) + 1])])
          return compareBytes(x, y) < 0
        }
        return keyed.map(\.code)
      }
    }
  }
}
