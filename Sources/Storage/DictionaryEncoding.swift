// DictionaryEncoding.swift — the bytes of a section's dictionary, in pages, and the sorting of texts.
//
//   page = varint texts · INTS(texts) shared · INTS(texts) suffix lengths · BYTES(sum of suffixes)
// A text is the first `shared` bytes of the one before it (0 for the first of a page) and its suffix. A page holds up to 8192
// texts and 128 KiB of them, or one longer text.
// Text columns have one dictionary a section, its texts rising by bytes, so that codes compare as texts do (zone maps, tenant order)
// and neighbours share what LZ4 finds; TopN columns have theirs in canonical order. Both hold only texts in use.
import Bytes
import Columns

enum DictionaryEncoding {
  static let pageTextsMax = 8192
  static let pageBytesMax = 131_072

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
      pages.append(page(dictionary, first..<end))
      first = end
    }
    return pages
  }
  private static func page(_ dictionary: TextDictionary, _ texts: Range<Int>) -> [UInt8] {
    var shared: [Int64] = []
    var lengths: [Int64] = []
    shared.reserveCapacity(texts.count)
    lengths.reserveCapacity(texts.count)
    var suffixes = ByteWriter(capacity: pageBytesMax)
    dictionary.bytes.withUnsafeBytes { raw in
      var last = UnsafeRawBufferPointer(start: nil, count: 0)
      for code in texts {
        let text = UnsafeRawBufferPointer(
          rebasing: raw[Int(dictionary.offsets[code])..<Int(dictionary.offsets[code + 1])]
        )
        var same = 0
        while same < min(text.count, last.count) && text[same] == last[same] { same &+= 1 }
        shared.append(Int64(same))
        lengths.append(Int64(text.count - same))
        suffixes.bytes(UnsafeRawBufferPointer(rebasing: text[same...]))
        last = text
      }
    }
    var out = ByteWriter(capacity: suffixes.count + texts.count * 2)
    out.count(texts.count)
    ColumnEncoding.encode(shared, into: &out)
    ColumnEncoding.encode(lengths, into: &out)
    suffixes.withBytes { ColumnEncoding.encodeBytes($0, into: &out) }
    return out.finish()
  }
  /// Appends the texts of one page.
  static func decodePage(
    _ reader: inout ByteReader,
    offsets: inout [UInt32],
    bytes: inout [UInt8]
  ) throws(DecodingFailure) {
    let start = reader.position
    let count = try reader.count(max: pageTextsMax, "texts of a page")
    let limit = count == 1 ? ColumnEncoding.blockElementsMax : pageBytesMax
    let shared = try IntegerEncoding.decodeCodes(&reader, count: count, below: limit + 1)
    let suffixes = try IntegerEncoding.decodeOffsets(&reader, count: count, max: limit)
    let texts = try ColumnEncoding.decodeBytes(&reader, count: Int(suffixes[count]))
    try reader.expectEnd()
    let base = bytes.count
    var total = 0
    var last = 0
    offsets.reserveCapacity(offsets.count + count)
    for i in 0..<count {
      guard Int(shared[i]) <= last else {
        throw DecodingFailure(.malformed, at: start, "text \(i) shares \(shared[i]) of \(last) bytes")
      }
      last = Int(shared[i]) + Int(suffixes[i + 1] - suffixes[i])
      total += last
      guard total <= limit, base + total <= Int(UInt32.max) else {
        throw DecodingFailure(.tooLarge, at: start, "texts of \(total) bytes in a page")
      }
      offsets.append(UInt32(base + total))
    }
    let joined = [UInt8](unsafeUninitializedCapacity: total) { out, written in
      written = total
      guard let target = out.baseAddress else { return }
      texts.withUnsafeBufferPointer { texts in
        var at = 0
        var before = 0
        for i in 0..<count {
          let (same, from) = (Int(shared[i]), Int(suffixes[i]))
          let own = Int(suffixes[i &+ 1]) &- from
          if same > 0 { (target + at).initialize(from: target + before, count: same) }
          if let source = texts.baseAddress, own > 0 { (target + at + same).initialize(from: source + from, count: own) }
          before = at
          at &+= same &+ own
        }
      }
    }
    bytes.append(contentsOf: joined)
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
