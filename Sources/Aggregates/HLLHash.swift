// HLLHash.swift — values to the 64-bit hashes HyperLogLog states hold, as postgresql-hll makes them.
//
// MurmurHash3 x64 128, first half, over the bytes PostgreSQL has for a value: integers in their own width (so integer 1 and
// bigint 1 differ), dates and times counted from 2000-01-01, doubles by bit pattern, intervals as their binary send form,
// texts as UTF-8, an inet as PostgreSQL stores it. numeric is refused: its hash is over PostgreSQL's internal digits.
import Bytes
public import Columns
public import Model

/// Hashes for HyperLogLog.
public enum HLLHash {
  /// Days from 1970-01-01 to PostgreSQL's epoch.
  static let epochDays: Int64 = 10957
  /// Microseconds from 1970-01-01 to PostgreSQL's epoch.
  static let epochMicroseconds: Int64 = 10957 * 86_400_000_000

  /// `hll_hash_any`: hashes of all values of a column; NULLs stay NULL.
  public static func hash(
    _ column: ColumnVector,
    seed: Int32 = 0
  ) throws(TallyError) -> ColumnVector {
    let hashes: [Int64]
    switch (column.type, column.values) {
    case (.date, .fixed(let v)):
      // Infinite dates are the extremes of their four bytes.
      hashes = integers(
        v.map {
          $0 == TimeLimits.infinity
            ? Int64(Int32.max) : $0 == TimeLimits.minusInfinity ? Int64(Int32.min) : $0 - epochDays
        },
        width: 4,
        seed: seed
      )
    case (.timestamp, .fixed(let v)), (.timestamptz, .fixed(let v)):
      hashes = integers(
        v.map {
          $0 == TimeLimits.infinity || $0 == TimeLimits.minusInfinity ? $0 : $0 &- epochMicroseconds
        },
        width: 8,
        seed: seed
      )
    case (_, .fixed(let v)): hashes = integers(v, width: width(of: column.type), seed: seed)
    case (_, .double(let v)):
      hashes = integers(v.map { Int64(bitPattern: $0.bitPattern) }, width: 8, seed: seed)
    case (_, .interval(let v)): hashes = v.map { interval($0, seed: seed) }
    case (.inet, _):
      // PostgreSQL's stored form, not the one here.
      hashes = addresses(column, seed: seed)
    case (_, .codes(let codes, let dictionary)): hashes = texts(codes, dictionary, seed: seed)
    case (_, .text(let texts)):
      let unsignedSeed = UInt32(bitPattern: seed)
      hashes = texts.bytes.withUnsafeBytes { raw in
        (0..<texts.count).map { row in
          let range = Int(texts.offsets[row])..<Int(texts.offsets[row + 1])
          return Int64(
            bitPattern: Murmur3.hash(
              UnsafeRawBufferPointer(rebasing: raw[range]),
              seed: unsignedSeed
            ).high
          )
        }
      }
    default:
      throw .sql(
        "0A000",
        "hashing of type \(column.type.name) is not supported",
        hint: "Cast the value to text, bigint or double precision first."
      )
    }
    return ColumnVector(
      .hllHashval,
      .fixed(clear(hashes, column.validity)),
      validity: column.validity
    )
  }
  /// Bytes of a fixed-layout type in PostgreSQL.
  public static func width(of type: DataType) -> Int {
    switch type {
    case .boolean: 1
    case .smallint: 2
    case .integer, .date: 4
    default: 8
    }
  }
  /// Hashes of integers as values of `width` bytes (1, 2, 4 or 8): `hll_hash_boolean`, `_smallint`, `_integer`, `_bigint`.
  public static func integers(_ values: [Int64], width: Int, seed: Int32 = 0) -> [Int64] {
    let seed = UInt32(bitPattern: seed)
    return values.withUnsafeBufferPointer { source in
      [Int64](unsafeUninitializedCapacity: source.count) { out, written in
        written = source.count
        // One loop a width, so that the width is a constant in each.
        switch width {
        case 1: for i in 0..<source.count { out[i] = integer(source[i], width: 1, seed: seed) }
        case 2: for i in 0..<source.count { out[i] = integer(source[i], width: 2, seed: seed) }
        case 4: for i in 0..<source.count { out[i] = integer(source[i], width: 4, seed: seed) }
        default: for i in 0..<source.count { out[i] = integer(source[i], width: 8, seed: seed) }
        }
      }
    }
  }
  @inline(__always) private static func integer(_ value: Int64, width: Int, seed: UInt32) -> Int64 {
    Int64(bitPattern: Murmur3.hashInteger(value, width: width, seed: seed))
  }
  /// Hash of one text or byte string: `hll_hash_text`, `hll_hash_bytea`.
  public static func text(_ bytes: UnsafeRawBufferPointer, seed: Int32 = 0) -> Int64 {
    Int64(bitPattern: Murmur3.hash(bytes, seed: UInt32(bitPattern: seed)).high)
  }
  /// `interval_send`: microseconds, days, months, big-endian.
  private static func interval(_ value: Interval, seed: Int32) -> Int64 {
    var bytes: [UInt8] = []
    withUnsafeBytes(of: value.microseconds.bigEndian) { bytes.append(contentsOf: $0) }
    withUnsafeBytes(of: value.days.bigEndian) { bytes.append(contentsOf: $0) }
    withUnsafeBytes(of: value.months.bigEndian) { bytes.append(contentsOf: $0) }
    return Int64(bitPattern: Murmur3.hash(bytes, seed: UInt32(bitPattern: seed)).high)
  }
  /// Hashes each text once: all of the dictionary when it is small beside the rows, else those met.
  private static func texts(_ codes: [UInt32], _ dictionary: TextDictionary, seed: Int32) -> [Int64] {
    if dictionary.count == 0 { return [Int64](repeating: 0, count: codes.count) }
    let seed = UInt32(bitPattern: seed)
    var known = [Int64](repeating: 0, count: dictionary.count)
    var isKnown = [Bool](repeating: false, count: dictionary.count)
    return dictionary.bytes.withUnsafeBytes { raw in
      dictionary.offsets.withUnsafeBufferPointer { starts in
        codes.withUnsafeBufferPointer { codes in
          known.withUnsafeMutableBufferPointer { known in
            isKnown.withUnsafeMutableBufferPointer { isKnown in
              [Int64](unsafeUninitializedCapacity: codes.count) { out, written in
                written = codes.count
                for row in 0..<codes.count {
                  let code = Int(codes[row])
                  if !isKnown[code] {
                    let text = UnsafeRawBufferPointer(
                      rebasing: raw[Int(starts[code])..<Int(starts[code + 1])]
                    )
                    known[code] = Int64(bitPattern: Murmur3.hash(text, seed: seed).high)
                    isKnown[code] = true
                  }
                  out[row] = known[code]
                }
              }
            }
          }
        }
      }
    }
  }
  private static func addresses(_ column: ColumnVector, seed: Int32) -> [Int64] {
    func hash(_ bytes: UnsafeRawBufferPointer) -> Int64 {
      guard let address = InetValue(bytes) else { return 0 }
      return address.hashed.withUnsafeBytes { text($0, seed: seed) }
    }
    switch column.values {
    case .codes(let codes, let dictionary): return codes.map { dictionary.withText($0, hash) }
    case .text(let texts):
      return texts.bytes.withUnsafeBytes { raw in
        (0..<texts.count).map { hash(UnsafeRawBufferPointer(rebasing: raw[Int(texts.offsets[$0])..<Int(texts.offsets[$0 + 1])])) }
      }
    default: return [Int64](repeating: 0, count: column.count)
    }
  }
  /// NULL rows carry 0.
  private static func clear(_ hashes: [Int64], _ validity: Bitmap?) -> [Int64] {
    guard let validity else { return hashes }
    var hashes = hashes
    for row in hashes.indices where !validity[row] { hashes[row] = 0 }
    return hashes
  }
}
