// ColumnEncodingIntegers.swift — INTS(n): a block's integers in the smallest of four schemes.
//
//   INTS(n)  = u8 scheme · …                                            (n is known to the reader)
//   0 constant  zigzag value
//   1 frames    zigzag minimum · varint step · FRAME per 1024 values
//   2 deltas    zigzag minimum · varint step · varint first · FRAME per 1024 of the n - 1 differences
//   3 runs      varint count · INTS(count) values · INTS(count) lengths, neither of them runs
//   FRAME(m)    u8 width · varint exceptions e · zigzag base · PackedBits(m, width) · e × u16 place · e × varint high bits
// With q = (value - minimum) / step: a frame holds base + packed (+ high << width at an exception's place), wrapping at 64 bits;
// scheme 1 holds the q, scheme 2 their differences after `first`. `step` is the greatest common divisor, so that microseconds of
// whole seconds cost no more than seconds. The choice is by exact size; ties go to the lower scheme. n = 0 is one byte, 0.
import Bytes

enum IntegerEncoding {
  static let frameValues = 1024
  private static let (constant, frames, deltas, runs): (UInt8, UInt8, UInt8, UInt8) = (0, 1, 2, 3)

  // MARK: Encoding

  /// Appends the integers.
  static func encode(_ values: UnsafeBufferPointer<Int64>, into out: inout ByteWriter, mayRun: Bool = true) {
    guard let first = values.first else { return out.u8(constant) }
    var (low, high) = (first, first)
    var runCount = 1
    for i in 1..<values.count {
      let x = values[i]
      low = min(low, x)
      high = max(high, x)
      runCount &+= x == values[i &- 1] ? 0 : 1
    }
    if low == high {
      out.u8(constant)
      return out.signedVarint(low)
    }
    if mayRun && runCount &* 8 < values.count { return encodeRuns(values, runCount, into: &out) }
    let step = commonStep(values, low)
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: values.count * 2) { scratch in
      let q = UnsafeMutableBufferPointer(rebasing: scratch[0..<values.count])
      let d = UnsafeMutableBufferPointer(rebasing: scratch[values.count...])
      if step == 1 {
        for i in 0..<values.count { q[i] = UInt64(bitPattern: values[i] &- low) }
      } else {
        for i in 0..<values.count { q[i] = UInt64(bitPattern: values[i] &- low) / step }
      }
      for i in 1..<values.count { d[i &- 1] = q[i] &- q[i &- 1] }
      let plain = UnsafeBufferPointer(q)
      let differences = UnsafeBufferPointer(rebasing: d[0..<values.count - 1])
      let planned = plan(plain, signed: false)
      let plannedDeltas = plan(differences, signed: true)
      let byDeltas = plannedDeltas.bytes + 4 < planned.bytes
      out.u8(byDeltas ? deltas : frames)
      out.signedVarint(low)
      out.varint(step)
      if byDeltas {
        out.varint(q[0])
        write(differences, plannedDeltas.frames, into: &out)
      } else {
        write(plain, planned.frames, into: &out)
      }
    }
  }
  /// Appends unsigned integers.
  static func encode(_ values: UnsafeBufferPointer<UInt32>, into out: inout ByteWriter) {
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: max(1, values.count)) { wide in
      for i in 0..<values.count { wide[i] = Int64(values[i]) }
      encode(UnsafeBufferPointer(rebasing: wide[0..<values.count]), into: &out)
    }
  }
  private static func encodeRuns(_ values: UnsafeBufferPointer<Int64>, _ count: Int, into out: inout ByteWriter) {
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: count * 2) { scratch in
      var run = 0
      var start = 0
      for i in 1...values.count where i == values.count || values[i] != values[start] {
        scratch[run] = values[start]
        scratch[count &+ run] = Int64(i &- start)
        run &+= 1
        start = i
      }
      out.u8(runs)
      out.count(count)
      encode(UnsafeBufferPointer(rebasing: scratch[0..<count]), into: &out, mayRun: false)
      encode(UnsafeBufferPointer(rebasing: scratch[count..<count * 2]), into: &out, mayRun: false)
    }
  }
  private static func commonStep(_ values: UnsafeBufferPointer<Int64>, _ low: Int64) -> UInt64 {
    var step: UInt64 = 0
    for value in values {
      var a = UInt64(bitPattern: value &- low)
      if step != 0 && a % step == 0 { continue }
      while a != 0 { (step, a) = (a, step % a) }
      if step == 1 { return 1 }
    }
    return max(1, step)
  }

  private struct Frame {
    var base: UInt64
    var width: Int
    var exceptions: Int
    var bytes: Int
  }
  private static func plan(_ values: UnsafeBufferPointer<UInt64>, signed: Bool) -> (frames: [Frame], bytes: Int) {
    var frames: [Frame] = []
    var total = 0
    var start = 0
    while start < values.count {
      let part = UnsafeBufferPointer(rebasing: values[start..<min(start + frameValues, values.count)])
      var frame = frameOf(part, base: signed ? leastSigned(part) : leastUnsigned(part))
      // Sorted keys restart now and then: a few great falls must not spoil the base of all the small steps.
      if signed {
        let fromZero = frameOf(part, base: 0)
        if fromZero.bytes < frame.bytes { frame = fromZero }
      }
      frames.append(frame)
      total += frame.bytes
      start += part.count
    }
    return (frames, total)
  }
  private static func leastUnsigned(_ values: UnsafeBufferPointer<UInt64>) -> UInt64 {
    var low = UInt64.max
    for x in values { low = min(low, x) }
    return low
  }
  private static func leastSigned(_ values: UnsafeBufferPointer<UInt64>) -> UInt64 {
    var low = Int64.max
    for x in values { low = min(low, Int64(bitPattern: x)) }
    return UInt64(bitPattern: low)
  }
  /// The cheapest width over a base: values that need more bits become exceptions, at most one in eight.
  private static func frameOf(_ values: UnsafeBufferPointer<UInt64>, base: UInt64) -> Frame {
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 65) { bins in
      bins.initialize(repeating: 0)
      for x in values { bins[64 &- (x &- base).leadingZeroBitCount] &+= 1 }
      var bits = 64
      while bits > 0 && bins[bits] == 0 { bits -= 1 }
      let header = 3 + signedVarintBytes(base)
      var best = Frame(
        base: base,
        width: PackedBits.storable(bits),
        exceptions: 0,
        bytes: header + PackedBits.byteCount(values.count, width: PackedBits.storable(bits))
      )
      var width = min(bits - 1, 56)
      while width >= 0 {
        var exceptions = 0
        var extra = 0
        for b in (width + 1)...64 where bins[b] > 0 {
          exceptions += bins[b]
          extra += bins[b] * (2 + (b - width + 6) / 7)
        }
        if exceptions * 8 > values.count { break }
        let bytes = header + PackedBits.byteCount(values.count, width: width) + extra
        if bytes < best.bytes { best = Frame(base: base, width: width, exceptions: exceptions, bytes: bytes) }
        width -= 1
      }
      return best
    }
  }
  private static func signedVarintBytes(_ value: UInt64) -> Int {
    let signed = Int64(bitPattern: value)
    let zigzag = UInt64(bitPattern: (signed << 1) ^ (signed >> 63))
    return max(1, (64 - zigzag.leadingZeroBitCount + 6) / 7)
  }
  private static func write(_ values: UnsafeBufferPointer<UInt64>, _ frames: [Frame], into out: inout ByteWriter) {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: frameValues) { scratch in
      var start = 0
      for frame in frames {
        let count = min(frameValues, values.count - start)
        for i in 0..<count { scratch[i] = values[start &+ i] &- frame.base }
        let part = UnsafeBufferPointer(rebasing: scratch[0..<count])
        out.u8(UInt8(frame.width))
        out.count(frame.exceptions)
        out.signedVarint(Int64(bitPattern: frame.base))
        PackedBits.pack(part, width: frame.width, into: &out)
        if frame.exceptions > 0 {
          let limit: UInt64 = (1 << UInt64(frame.width)) - 1
          for i in 0..<count where part[i] > limit { out.integer(UInt16(i)) }
          for i in 0..<count where part[i] > limit { out.varint(part[i] >> UInt64(frame.width)) }
        }
        start += count
      }
    }
  }

  // MARK: Decoding

  /// Reads `count` integers; the caller has bounded `count`.
  static func decode(_ reader: inout ByteReader, count: Int) throws(DecodingFailure) -> [Int64] {
    var failure: DecodingFailure?
    let result = [Int64](unsafeUninitializedCapacity: count) { out, written in
      do throws(DecodingFailure) {
        try decode(&reader, count: count, into: out.baseAddress, mayRun: true)
        written = count
      } catch { failure = error }
    }
    if let failure { throw failure }
    return result
  }
  /// Reads `count` integers that must be below `bound`.
  static func decodeCodes(
    _ reader: inout ByteReader,
    count: Int,
    below bound: Int
  ) throws(DecodingFailure) -> [UInt32] {
    var failure: DecodingFailure?
    let start = reader.position
    let result = [UInt32](unsafeUninitializedCapacity: count) { out, written in
      do throws(DecodingFailure) {
        try decode(&reader, count: count, into: out.baseAddress, mayRun: true)
        written = count
      } catch {
        failure = error
        return
      }
      var highest: UInt32 = 0
      for i in 0..<count { highest = max(highest, out[i]) }
      if count > 0 && Int(highest) >= bound {
        failure = DecodingFailure(.malformed, at: start, "code \(highest) is not below \(bound)")
      }
    }
    if let failure { throw failure }
    return result
  }
  /// Reads `count` lengths as offsets whose last is at most `limit`.
  static func decodeOffsets(
    _ reader: inout ByteReader,
    count: Int,
    max limit: Int
  ) throws(DecodingFailure) -> [UInt32] {
    let start = reader.position
    let lengths = try decodeCodes(&reader, count: count, below: min(limit, Int(UInt32.max) - 1) + 1)
    var total = 0
    let offsets = [UInt32](unsafeUninitializedCapacity: count + 1) { out, written in
      out[0] = 0
      for i in 0..<count {
        total &+= Int(lengths[i])
        out[i &+ 1] = UInt32(truncatingIfNeeded: total)
      }
      written = count + 1
    }
    guard total <= limit else { throw DecodingFailure(.tooLarge, at: start, "lengths add up to \(total)") }
    return offsets
  }
  @inline(__always)
  private static func decode<T: FixedWidthInteger>(
    _ reader: inout ByteReader,
    count: Int,
    into out: UnsafeMutablePointer<T>?,
    mayRun: Bool
  ) throws(DecodingFailure) {
    let scheme = try reader.u8()
    guard count > 0, let out else {
      guard scheme == constant else { throw DecodingFailure(.malformed, at: reader.position - 1, "integers of no rows") }
      return
    }
    switch scheme {
    case constant: out.initialize(repeating: T(truncatingIfNeeded: try reader.signedVarint()), count: count)
    case frames:
      let low = UInt64(bitPattern: try reader.signedVarint())
      let step = try reader.varint()
      try readFrames(&reader, count: count, low: low, step: step, into: out)
    case deltas:
      let low = UInt64(bitPattern: try reader.signedVarint())
      let step = try reader.varint()
      var last = T(truncatingIfNeeded: low &+ step &* (try reader.varint()))
      out.initialize(to: last)
      try readFrames(&reader, count: count - 1, low: 0, step: step, into: out + 1)
      for i in 1..<max(1, count) {
        last = last &+ out[i]
        out[i] = last
      }
    case runs where mayRun: try decodeRuns(&reader, count: count, into: out)
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "integer scheme \(scheme)")
    }
  }
  @inline(__always)
  private static func readFrames<T: FixedWidthInteger>(
    _ reader: inout ByteReader,
    count: Int,
    low: UInt64,
    step: UInt64,
    into out: UnsafeMutablePointer<T>
  ) throws(DecodingFailure) {
    var start = 0
    while start < count {
      let m = min(frameValues, count - start)
      let width = Int(try reader.u8())
      guard width <= 56 || width == 64 else {
        throw DecodingFailure(.malformed, at: reader.position - 1, "bit width \(width)")
      }
      let exceptions = try reader.count(max: m, "exceptions")
      let base = UInt64(bitPattern: try reader.signedVarint())
      let readable = reader.remaining
      let packed = try reader.slice(PackedBits.byteCount(m, width: width))
      let target = out + start
      if let source = packed.baseAddress ?? reader.base.baseAddress {
        PackedBits.unpack(
          source,
          readable: readable,
          width: width,
          count: m,
          add: low &+ step &* base,
          step: step,
          into: target
        )
      }
      if exceptions > 0 {
        let places = try reader.slice(exceptions * 2)
        for e in 0..<exceptions {
          let place = Int(UInt16(littleEndian: places.loadUnaligned(fromByteOffset: e * 2, as: UInt16.self)))
          guard place < m else { throw DecodingFailure(.malformed, at: reader.position, "exception at \(place) of \(m)") }
          let high = try reader.varint()
          target[place] = target[place] &+ T(truncatingIfNeeded: step &* (high &<< UInt64(width & 63)))
        }
      }
      start += m
    }
  }
  @inline(__always)
  private static func decodeRuns<T: FixedWidthInteger>(
    _ reader: inout ByteReader,
    count: Int,
    into out: UnsafeMutablePointer<T>
  ) throws(DecodingFailure) {
    let start = reader.position
    let runCount = try reader.count(max: count, "runs")
    var values = [Int64](repeating: 0, count: runCount)
    var lengths = [Int64](repeating: 0, count: runCount)
    try fill(&reader, &values)
    try fill(&reader, &lengths)
    var at = 0
    for run in 0..<runCount {
      guard lengths[run] > 0, lengths[run] <= Int64(count - at) else {
        throw DecodingFailure(.malformed, at: start, "run of \(lengths[run]) rows at row \(at) of \(count)")
      }
      (out + at).initialize(repeating: T(truncatingIfNeeded: values[run]), count: Int(lengths[run]))
      at += Int(lengths[run])
    }
    guard at == count else { throw DecodingFailure(.malformed, at: start, "runs of \(at) rows for \(count)") }
  }
  private static func fill(_ reader: inout ByteReader, _ list: inout [Int64]) throws(DecodingFailure) {
    var failure: DecodingFailure?
    let count = list.count
    list.withUnsafeMutableBufferPointer { out in
      do throws(DecodingFailure) { try decode(&reader, count: count, into: out.baseAddress, mayRun: false) } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }
}
