// PrintedDouble.swift — doubles rounded to a number of significant digits, as printf's %g writes them.
internal import CShims

extension ByteWriter {
  /// Appends a finite double with at most `significantDigits`, of which 17 tell any double from all others.
  public mutating func double(_ value: Double, significantDigits: Int) {
    withUnsafeTemporaryAllocation(byteCount: Int(TALLY_DOUBLE_BYTES), alignment: 1) { buffer in
      let text = buffer.bindMemory(to: CChar.self)
      guard let start = text.baseAddress else { return }
      let count = tally_print_double(value, Int32(min(max(significantDigits, 1), 17)), start)
      bytes(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]))
    }
  }
}
