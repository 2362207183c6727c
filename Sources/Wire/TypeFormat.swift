// TypeFormat.swift — a SQL type's bytes in a result header.
//
//   u8 number · parameters: numeric u8 precision, u8 scale (255 = not given); varchar u32 limit;
//   hll u8 log2m, u8 regwidth, i32 expthresh, bool sparseon; topn and nothing else u32 counters, u32 longest key
public import Bytes
public import Model

/// Encodes and decodes types.
public enum TypeFormat {
  /// Appends a type.
  public static func encode(_ type: DataType, into out: inout ByteWriter) {
    switch type {
    case .boolean: out.u8(1)
    case .smallint: out.u8(2)
    case .integer: out.u8(3)
    case .bigint: out.u8(4)
    case .double: out.u8(5)
    case .numeric(let precision, let scale):
      out.u8(6)
      out.u8(precision ?? 255)
      out.u8(scale ?? 255)
    case .text: out.u8(7)
    case .varchar(let limit):
      out.u8(8)
      out.u32(limit)
    case .date: out.u8(9)
    case .timestamp: out.u8(10)
    case .timestamptz: out.u8(11)
    case .interval: out.u8(12)
    case .hll(let parameters):
      out.u8(13)
      out.u8(parameters.log2m)
      out.u8(parameters.regwidth)
      out.integer(parameters.expthresh)
      out.bool(parameters.sparseon)
    case .topn(let parameters):
      out.u8(14)
      out.u32(parameters.counters)
      out.u32(parameters.keyBytesMax)
    case .hllHashval: out.u8(15)
    case .unknown: out.u8(16)
    case .topnRecord: out.u8(17)
    }
  }
  /// Reads a type.
  public static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> DataType {
    let start = reader.position
    switch try reader.u8() {
    case 1: return .boolean
    case 2: return .smallint
    case 3: return .integer
    case 4: return .bigint
    case 5: return .double
    case 6:
      let (precision, scale) = (try reader.u8(), try reader.u8())
      guard precision <= 38 || precision == 255, scale <= 38 || scale == 255 else {
        throw DecodingFailure(.malformed, at: start, "numeric(\(precision),\(scale))")
      }
      return .numeric(precision: precision == 255 ? nil : precision, scale: scale == 255 ? nil : scale)
    case 7: return .text
    case 8: return .varchar(try reader.u32())
    case 9: return .date
    case 10: return .timestamp
    case 11: return .timestamptz
    case 12: return .interval
    case 13:
      let parameters = HLLParameters(
        log2m: try reader.u8(), regwidth: try reader.u8(), expthresh: try reader.integer(), sparseon: try reader.bool())
      guard (4...17).contains(parameters.log2m), (1...8).contains(parameters.regwidth),
        (-1...8192).contains(parameters.expthresh)
      else { throw DecodingFailure(.malformed, at: start, "hll parameters") }
      return .hll(parameters)
    case 14:
      let parameters = TopNParameters(counters: try reader.u32(), keyBytesMax: try reader.u32())
      guard parameters.counters <= UInt32(Limits.topNItemsMax), parameters.keyBytesMax <= UInt32(Limits.textBytesMax) else {
        throw DecodingFailure(.malformed, at: start, "topn parameters")
      }
      return .topn(parameters)
    case 15: return .hllHashval
    case 16: return .unknown
    case 17: return .topnRecord
    case let number: throw DecodingFailure(.unknown, at: start, "type number \(number)")
    }
  }
}
