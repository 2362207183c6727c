// TextScan.swift — fast scans over text bytes: CSV fields and records, byte counts, UTF-8. The loops are C in CShims.
internal import CShims

/// Scans over bytes.
public enum TextScan {
  /// Bits of a field entry that hold the offset of the next field.
  public static let offsetMask: UInt32 = 0x3fff_ffff
  /// Bit of a field entry: the field ends its record.
  public static let recordEnd: UInt32 = 0x4000_0000
  /// Bit of a field entry: the field has a quote somewhere.
  public static let quoted: UInt32 = 0x8000_0000

  /// Writes an entry for each CSV field that ends in `bytes` (fewer than 2^30) with a delimiter or newline outside of quotes.
  ///
  /// `out` has room for `bytes.count + 1` entries; the one behind the last returned holds the quoted bit of the field left
  /// open. `inQuotes` is the state before and after.
  public static func csvFields(
    _ bytes: UnsafeRawBufferPointer,
    delimiter: UInt8,
    quote: UInt8 = 0x22,
    into out: UnsafeMutablePointer<UInt32>,
    inQuotes: inout Bool
  ) -> Int {
    invariant(bytes.count <= Int(offsetMask) - 64, "CSV chunk of \(bytes.count) bytes")
    var state: UInt8 = inQuotes ? 1 : 0
    let count = tally_csv_fields(bytes.baseAddress, bytes.count, delimiter, quote, out, &state)
    inQuotes = state != 0
    return count
  }
  /// The same for text in which a backslash takes the meaning of the byte behind it: the quoted bit tells of backslashes.
  public static func escapedFields(
    _ bytes: UnsafeRawBufferPointer,
    delimiter: UInt8,
    into out: UnsafeMutablePointer<UInt32>
  ) -> Int {
    invariant(bytes.count <= Int(offsetMask) - 64, "COPY chunk of \(bytes.count) bytes")
    return tally_escaped_fields(bytes.baseAddress, bytes.count, delimiter, out)
  }
  /// The offset of the first `first` with `second` right behind it; nil if there is none.
  public static func find(_ first: UInt8, _ second: UInt8, in bytes: UnsafeRawBufferPointer) -> Int? {
    if bytes.isEmpty { return nil }
    let found = tally_find_pair(bytes.baseAddress, bytes.count, first, second)
    return found < bytes.count ? found : nil
  }
  /// How often a byte occurs.
  public static func count(_ byte: UInt8, in bytes: UnsafeRawBufferPointer) -> Int {
    bytes.isEmpty ? 0 : tally_count_byte(bytes.baseAddress, bytes.count, byte)
  }
  /// Length of the longest prefix that is UTF-8 without U+0000.
  public static func utf8Prefix(_ bytes: UnsafeRawBufferPointer) -> Int {
    bytes.isEmpty ? 0 : tally_utf8_prefix(bytes.baseAddress, bytes.count)
  }
}
