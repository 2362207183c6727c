// NumericBinary.swift — `numeric` in the binary format: digits of base 10000 around a decimal point.
//
//   u16 n, i16 weight (power of 10000 of the first digit), u16 sign (0 plus, 0x4000 minus, 0xc000 NaN, 0xd000 and 0xf000
//   infinities), u16 places to display, n × u16 digit
//
// Ours have at most 38 decimal digits and neither NaN nor infinities; those are refused on reading.

internal import Bytes
internal import Model

enum NumericBinary {
  private static let bound: UInt128 = 100_000_000_000_000_000_000_000_000_000_000_000_000

  static func write(_ value: Numeric, into out: inout ByteWriter) {
    let scale = Int(value.scale)
    var magnitude = value.coefficient.magnitude
    // Digits are aligned at the point: the fraction is filled up to whole groups of four.
    let fractionGroups = (scale + 3) / 4
    var group: InlineArray<12, UInt16> = InlineArray(repeating: 0)
    var count = 0
    // The last group of the fraction has fewer places than four when the scale says so.
    var width = scale % 4 == 0 ? 4 : scale % 4
    if scale == 0 { width = 4 }
    while magnitude > 0 {
      let power: UInt128 = width == 4 ? 10_000 : width == 3 ? 1000 : width == 2 ? 100 : 10
      let (quotient, rest) = magnitude.quotientAndRemainder(dividingBy: power)
      group[count] = UInt16(rest) * UInt16(10_000 / power)
      count += 1
      magnitude = quotient
      width = 4
    }
    // group[0] is the least significant; its power of 10000 is -fractionGroups.
    var low = 0
    while low < count && group[low] == 0 { low += 1 }
    let weight = count == low ? 0 : count - 1 - fractionGroups
    out.big(UInt16(count - low))
    out.big(Int16(weight))
    out.big(UInt16(value.coefficient < 0 ? 0x4000 : 0))
    out.big(UInt16(scale))
    var at = count
    while at > low {
      at -= 1
      out.big(group[at])
    }
  }

  static func read(_ reader: inout ByteReader) throws(TallyError) -> Numeric {
    let header: (count: Int, weight: Int, sign: UInt16, scale: Int)
    do {
      header = (
        Int(try reader.big(UInt16.self)), Int(try reader.big(Int16.self)), try reader.big(UInt16.self),
        Int(try reader.big(UInt16.self))
      )
    } catch { throw ParameterDecoder.insufficient }
    switch header.sign {
    case 0, 0x4000: break
    case 0xc000, 0xd000, 0xf000:
      let name = header.sign == 0xc000 ? "NaN" : header.sign == 0xd000 ? "Infinity" : "-Infinity"
      throw .sql("0A000", "numeric \"\(name)\" is not supported", hint: "Use double precision for NaN and infinities.")
    default: throw .sql("22P03", "invalid sign in external \"numeric\" value")
    }
    guard header.scale <= 0x3fff else { throw .sql("22P03", "invalid scale in external \"numeric\" value") }
    let overflow = TallyError.sql(
      "22003",
      "value overflows numeric format",
      detail: "Numbers have at most 38 decimal digits."
    )
    var magnitude: UInt128 = 0
    // Decimal places of the digits read so far; digits behind the displayed places are cut, as PostgreSQL does.
    var isBehind = false
    var places = -4 * (header.weight + 1)
    for _ in 0..<header.count {
      let digit: UInt16
      do { digit = try reader.big(UInt16.self) } catch { throw ParameterDecoder.insufficient }
      guard digit < 10_000 else { throw .sql("22P03", "invalid digit in external \"numeric\" value") }
      if isBehind { continue }
      var (factor, part): (UInt128, UInt128) = (10_000, UInt128(digit))
      var step = 4
      if places + 4 > header.scale {
        step = max(0, header.scale - places)
        let cut: UInt128 = step == 0 ? 10_000 : step == 1 ? 1000 : step == 2 ? 100 : 10
        (factor, part) = (10_000 / cut, part / cut)
        isBehind = true
      }
      guard magnitude <= bound / factor else { throw overflow }
      magnitude = magnitude * factor + part
      places += step
      guard magnitude < bound else { throw overflow }
    }
    // Whole groups of zeros before the point, or displayed places that have no digits.
    guard magnitude != 0 else { return Numeric(coefficient: 0, scale: UInt8(min(header.scale, Numeric.digitsMax))) }
    while places < header.scale {
      guard magnitude < bound / 10 else {
        // More zeros behind the point than fit change no value; zeros before it do.
        guard places >= 0 else { throw overflow }
        break
      }
      magnitude *= 10
      places += 1
    }
    while places > Numeric.digitsMax {
      let (quotient, rest) = magnitude.quotientAndRemainder(dividingBy: 10)
      guard rest == 0 else { throw overflow }
      magnitude = quotient
      places -= 1
    }
    return Numeric(
      coefficient: header.sign == 0 ? Int128(magnitude) : -Int128(magnitude),
      scale: UInt8(places)
    )
  }
}
