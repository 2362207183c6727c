// SegmentTypeFormat.swift — the bytes of a column's type in a segment's directory, so that a file explains itself.
//
//   u8 tag · parameters: numeric u8 precision, u8 scale (255 = none) · varchar u32 · hll u8 log2m, u8 regwidth, i32 expthresh,
//   u8 sparseon · topn u32 counters, u32 key bytes · tags from 18 on: as ValueFormat writes them
import Bytes
import Model

enum SegmentTypeFormat {
  static func encode(_ type: DataType, into out: inout ByteWriter) {
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
    case .hll(let p):
      out.u8(13)
      out.u8(p.log2m)
      out.u8(p.regwidth)
      out.integer(p.expthresh)
      out.bool(p.sparseon)
    case .topn(let p):
      out.u8(14)
      out.u32(p.counters)
      out.u32(p.keyBytesMax)
    case .hllHashval: out.u8(15)
    case .unknown, .topnRecord, .void: fatalError("\(type.name) is never the type of a column")
    case .real, .bpchar, .char, .name, .bytea, .uuid, .inet, .json, .jsonb, .oid, .regclass, .regtype, .regproc, .regnamespace, .regrole,
      .time,
      .array:
      ValueFormat.encode(type, into: &out)
    }
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> DataType {
    let start = reader
    switch try reader.u8() {
    case 1: return .boolean
    case 2: return .smallint
    case 3: return .integer
    case 4: return .bigint
    case 5: return .double
    case 6:
      let (precision, scale) = (try reader.u8(), try reader.u8())
      return .numeric(precision: precision == 255 ? nil : precision, scale: scale == 255 ? nil : scale)
    case 7: return .text
    case 8: return .varchar(try reader.u32())
    case 9: return .date
    case 10: return .timestamp
    case 11: return .timestamptz
    case 12: return .interval
    case 13:
      let p = HLLParameters(
        log2m: try reader.u8(),
        regwidth: try reader.u8(),
        expthresh: try reader.integer(),
        sparseon: try reader.bool()
      )
      guard 4...17 ~= p.log2m, 1...8 ~= p.regwidth else {
        throw DecodingFailure(.malformed, at: reader.position, "hll of 2^\(p.log2m) registers of \(p.regwidth) bits")
      }
      return .hll(p)
    case 14: return .topn(TopNParameters(counters: try reader.u32(), keyBytesMax: try reader.u32()))
    case 15: return .hllHashval
    case 18...32, 34, 35:
      reader = start
      return try ValueFormat.decodeType(from: &reader)
    case let tag: throw DecodingFailure(.unknown, at: reader.position - 1, "column type \(tag)")
    }
  }
}
