// TextKernels.swift — concatenation, ASCII case and length of texts.
import Bytes
import Columns
import Model
import Planning

enum TextKernels {
  static func concatenate(
    _ a: Operand,
    _ b: Operand,
    count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    var out = TextColumn()
    try a.withTexts { x in
      try b.withTexts { y in
        for row in 0..<count {
          if validity?[row] ?? true {
            let (first, second) = (x[row & a.mask], y[row & b.mask])
            guard first.count + second.count <= Limits.textBytesMax else { throw tooLong() }
            out.bytes.append(contentsOf: first)
            out.bytes.append(contentsOf: second)
          }
          try close(&out)
        }
      }
    }
    return .text(out)
  }
  /// Bytes of text that the rows of a block may have together, when they are made and not read.
  static let blockBytesMax = 256 << 20
  static func tooManyBytes() -> TallyError {
    TallyError(
      .overloaded,
      "out of memory",
      detail: "The texts of one block of rows take more than \(blockBytesMax >> 20) MiB.",
      hint: "Make shorter texts, or of fewer rows at once."
    )
  }
  private static func tooLong() -> TallyError {
    .sql("54000", "text would be longer than \(Limits.textBytesMax) bytes")
  }
  private static func close(_ out: inout TextColumn) throws {
    guard out.bytes.count <= blockBytesMax, let end = UInt32(exactly: out.bytes.count) else { throw tooManyBytes() }
    out.offsets.append(end)
  }
  /// Letters A-Z and a-z only.
  static func changeCase(_ a: Operand, toUpper: Bool, count: Int) -> ColumnVector.Values {
    var out = TextColumn()
    a.withTexts { texts in
      for row in 0..<count {
        let first: UInt8 = toUpper ? 0x61 : 0x41
        for byte in texts[row & a.mask] {
          out.bytes.append(byte &- first < 26 ? byte ^ 0x20 : byte)
        }
        out.offsets.append(UInt32(out.bytes.count))
      }
    }
    return .text(out)
  }
  /// In characters: bytes that do not continue one.
  static func length(_ a: Operand, count: Int, _ validity: Bitmap?) -> ColumnVector.Values {
    a.withTexts { texts in
      .fixed(
        mapRows(count, validity, empty: 0) { row in
          var characters: Int64 = 0
          for byte in texts[row & a.mask] where byte & 0xc0 != 0x80 { characters += 1 }
          return characters
        }
      )
    }
  }
}
