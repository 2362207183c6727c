// TextSplitting.swift — string_to_table: the parts of texts between separators.
import Bytes
import Columns
import Model

enum TextSplitting {
  /// The parts of each text. An empty text has none, an empty separator cuts nothing, a NULL one cuts between all characters.
  static func rows(_ texts: Operand, _ separators: Operand, count: Int) throws -> FlatRows {
    var offsets: [UInt32] = [0]
    var parts = TextColumn()
    try texts.withTexts { rowTexts in
      try separators.withTexts { rowSeparators in
        for row in 0..<count {
          if texts.validity(at: row) {
            let text = rowTexts[row & texts.mask]
            let separator = separators.validity(at: row) ? rowSeparators[row & separators.mask] : nil
            split(text, separator, &parts)
          }
          guard let end = UInt32(exactly: parts.count), UInt32(exactly: parts.bytes.count) != nil else {
            throw TallyError(.overloaded, "texts of a block over 4 GiB")
          }
          offsets.append(end)
        }
      }
    }
    return FlatRows(offsets: offsets, columns: [ColumnVector(.text, .text(parts))])
  }
  private static func split(_ text: UnsafeRawBufferPointer, _ separator: UnsafeRawBufferPointer?, _ parts: inout TextColumn) {
    if text.isEmpty { return }
    func append(_ range: Range<Int>) { parts.append(UnsafeRawBufferPointer(rebasing: text[range])) }
    guard let separator else {
      var start = 0
      for at in 1...text.count where at == text.count || text[at] & 0xc0 != 0x80 {
        append(start..<at)
        start = at
      }
      return
    }
    if separator.isEmpty { return append(0..<text.count) }
    var (start, at) = (0, 0)
    while at + separator.count <= text.count {
      if text[at] == separator[0] && text[at..<at + separator.count].elementsEqual(separator) {
        append(start..<at)
        at += separator.count
        start = at
      } else {
        at += 1
      }
    }
    append(start..<text.count)
  }
}
