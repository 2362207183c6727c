// ValueFormat.swift — bytes of types and single values, version 1; used inside other formats, which carry the version.
//
//   DataType   := u8 tag, then parameters
//     1 boolean  2 smallint  3 integer  4 bigint  5 double  7 text  9 date  10 timestamp  11 timestamptz  12 interval
//     15 hll_hashval  16 unknown  17 topn_record  18 real  20 "char"  21 name  22 bytea  23 uuid  24 json  25 jsonb  26 oid
//     27 regclass  28 regtype  29 regproc  30 regnamespace  31 regrole  32 time  33 void: nothing more
//     19 bpchar: u32 limit · 34 array: the element's DataType (a scalar type, no array)
//     6 numeric: u8 flags (1 precision given, 2 scale given), u8 precision, u8 scale (0 where not given)
//     8 varchar: u32 limit · 13 hll: u8 log2m, u8 regwidth, i32 expthresh, u8 sparseon · 14 topn: u32 counters, u32 key bytes
//   Value      := u8 tag, then content
//     0 null · 1 fixed: signed varint · 2 double: f64 bits · 3 numeric: Numeric · 4 text: string · 5 interval: Interval
//     6 hll, 7 topn, 8 bytes (bytea, uuid, ArrayValue): byte string
//   Numeric    := u8 scale, i128 coefficient (16 bytes)
//   Interval   := i32 months, i32 days, i64 microseconds
//   TypedValue := DataType, Value (null, or the case that the type's layout asks for)
public import Bytes

/// Bytes of `DataType`, `Value`, `TypedValue`, `Numeric` and `Interval`.
public enum ValueFormat {
  /// Bytes of one sketch value.
  static let sketchBytesMax = Limits.frameBytesMax

  /// Appends a type.
  public static func encode(_ type: DataType, into writer: inout ByteWriter) {
    switch type {
    case .boolean: writer.u8(1)
    case .smallint: writer.u8(2)
    case .integer: writer.u8(3)
    case .bigint: writer.u8(4)
    case .double: writer.u8(5)
    case .numeric(let precision, let scale):
      writer.u8(6)
      writer.u8((precision == nil ? 0 : 1) | (scale == nil ? 0 : 2))
      writer.u8(precision ?? 0)
      writer.u8(scale ?? 0)
    case .text: writer.u8(7)
    case .varchar(let limit):
      writer.u8(8)
      writer.u32(limit)
    case .date: writer.u8(9)
    case .timestamp: writer.u8(10)
    case .timestamptz: writer.u8(11)
    case .interval: writer.u8(12)
    case .hll(let parameters):
      writer.u8(13)
      writer.u8(parameters.log2m)
      writer.u8(parameters.regwidth)
      writer.integer(parameters.expthresh)
      writer.bool(parameters.sparseon)
    case .topn(let parameters):
      writer.u8(14)
      writer.u32(parameters.counters)
      writer.u32(parameters.keyBytesMax)
    case .hllHashval: writer.u8(15)
    case .unknown: writer.u8(16)
    case .topnRecord: writer.u8(17)
    case .real: writer.u8(18)
    case .bpchar(let limit):
      writer.u8(19)
      writer.u32(limit)
    case .char: writer.u8(20)
    case .name: writer.u8(21)
    case .bytea: writer.u8(22)
    case .uuid: writer.u8(23)
    case .json: writer.u8(24)
    case .jsonb: writer.u8(25)
    case .oid: writer.u8(26)
    case .regclass: writer.u8(27)
    case .regtype: writer.u8(28)
    case .regproc: writer.u8(29)
    case .regnamespace: writer.u8(30)
    case .regrole: writer.u8(31)
    case .time: writer.u8(32)
    case .void: writer.u8(33)
    case .inet: writer.u8(35)
    case .array(let element):
      writer.u8(34)
      encode(element.type, into: &writer)
    }
  }
  /// Reads a type; parameters outside their documented ranges are malformed.
  public static func decodeType(from reader: inout ByteReader) throws(DecodingFailure) -> DataType {
    let start = reader.position
    let tag = try reader.u8()
    if tag == 34 {
      let inner = try decodeScalarType(try reader.u8(), at: start, from: &reader)
      guard let element = ElementType(inner) else {
        throw DecodingFailure(.malformed, at: start, "an array of \(inner.name)")
      }
      return .array(element)
    }
    return try decodeScalarType(tag, at: start, from: &reader)
  }
  private static func decodeScalarType(
    _ tag: UInt8,
    at start: Int,
    from reader: inout ByteReader
  ) throws(DecodingFailure) -> DataType {
    switch tag {
    case 1: return .boolean
    case 2: return .smallint
    case 3: return .integer
    case 4: return .bigint
    case 5: return .double
    case 6: return try decodeNumericType(from: &reader)
    case 7: return .text
    case 8: return .varchar(try reader.u32())
    case 9: return .date
    case 10: return .timestamp
    case 11: return .timestamptz
    case 12: return .interval
    case 13: return .hll(try decodeHLLParameters(from: &reader))
    case 14:
      let parameters = TopNParameters(counters: try reader.u32(), keyBytesMax: try reader.u32())
      guard parameters.counters >= 1, parameters.counters <= UInt32(Limits.topNItemsMax),
        parameters.keyBytesMax >= 1, parameters.keyBytesMax <= UInt32(Limits.textBytesMax)
      else { throw DecodingFailure(.malformed, at: start, "parameters of topn: \(parameters)") }
      return .topn(parameters)
    case 15: return .hllHashval
    case 16: return .unknown
    case 17: return .topnRecord
    case 18: return .real
    case 19: return .bpchar(try reader.u32())
    case 20: return .char
    case 21: return .name
    case 22: return .bytea
    case 23: return .uuid
    case 24: return .json
    case 25: return .jsonb
    case 26: return .oid
    case 27: return .regclass
    case 28: return .regtype
    case 29: return .regproc
    case 30: return .regnamespace
    case 31: return .regrole
    case 32: return .time
    case 33: return .void
    case 35: return .inet
    default: throw DecodingFailure(.unknown, at: start, "type \(tag)")
    }
  }
  private static func decodeNumericType(
    from reader: inout ByteReader
  ) throws(DecodingFailure) -> DataType {
    let start = reader.position
    let (flags, precision, scale) = (try reader.u8(), try reader.u8(), try reader.u8())
    guard flags <= 3, flags & 1 != 0 || precision == 0, flags & 2 != 0 || scale == 0, flags != 2,
      flags == 0 || (precision >= 1 && precision <= 38), scale <= 38
    else {
      throw DecodingFailure(
        .malformed,
        at: start,
        "numeric(\(precision),\(scale)) with flags \(flags)"
      )
    }
    return .numeric(
      precision: flags & 1 != 0 ? precision : nil,
      scale: flags & 2 != 0 ? scale : nil
    )
  }
  private static func decodeHLLParameters(
    from reader: inout ByteReader
  ) throws(DecodingFailure) -> HLLParameters {
    let start = reader.position
    let parameters = HLLParameters(
      log2m: try reader.u8(),
      regwidth: try reader.u8(),
      expthresh: try reader.integer(Int32.self),
      sparseon: try reader.bool()
    )
    let limit = parameters.expthresh
    guard parameters.log2m >= 4, parameters.log2m <= 17, parameters.regwidth >= 1,
      parameters.regwidth <= 8,
      limit == -1 || limit == 0 || (limit > 0 && limit <= 8192 && limit & (limit - 1) == 0)
    else { throw DecodingFailure(.malformed, at: start, "parameters of hll: \(parameters)") }
    return parameters
  }

  /// Appends a numeric.
  public static func encode(_ value: Numeric, into writer: inout ByteWriter) {
    writer.u8(value.scale)
    writer.integer(value.coefficient)
  }
  /// Reads a numeric; more than 38 digits or places are malformed.
  public static func decodeNumeric(from reader: inout ByteReader) throws(DecodingFailure) -> Numeric {
    let start = reader.position
    let scale = try reader.u8()
    let coefficient = try reader.integer(Int128.self)
    guard scale <= 38, coefficient.magnitude < Numeric.bound else {
      throw DecodingFailure(.malformed, at: start, "numeric of \(coefficient) at scale \(scale)")
    }
    return Numeric(coefficient: coefficient, scale: scale)
  }
  /// Appends an interval.
  public static func encode(_ value: Interval, into writer: inout ByteWriter) {
    writer.integer(value.months)
    writer.integer(value.days)
    writer.i64(value.microseconds)
  }
  /// Reads an interval.
  public static func decodeInterval(
    from reader: inout ByteReader
  ) throws(DecodingFailure) -> Interval {
    Interval(
      months: try reader.integer(Int32.self),
      days: try reader.integer(Int32.self),
      microseconds: try reader.i64()
    )
  }

  /// Appends a value.
  public static func encode(_ value: Value, into writer: inout ByteWriter) {
    switch value {
    case .null: writer.u8(0)
    case .fixed(let fixed):
      writer.u8(1)
      writer.signedVarint(fixed)
    case .double(let double):
      writer.u8(2)
      writer.f64(double)
    case .numeric(let numeric):
      writer.u8(3)
      encode(numeric, into: &writer)
    case .text(let text):
      writer.u8(4)
      writer.string(text)
    case .interval(let interval):
      writer.u8(5)
      encode(interval, into: &writer)
    case .hll(let bytes):
      writer.u8(6)
      writer.prefixedBytes(bytes)
    case .topn(let bytes):
      writer.u8(7)
      writer.prefixedBytes(bytes)
    case .bytes(let bytes):
      writer.u8(8)
      writer.prefixedBytes(bytes)
    }
  }
  /// Reads a value.
  public static func decodeValue(from reader: inout ByteReader) throws(DecodingFailure) -> Value {
    let start = reader.position
    switch try reader.u8() {
    case 0: return .null
    case 1: return .fixed(try reader.signedVarint())
    case 2: return .double(try reader.f64())
    case 3: return .numeric(try decodeNumeric(from: &reader))
    case 4: return .text(try reader.string(max: Limits.textBytesMax))
    case 5: return .interval(try decodeInterval(from: &reader))
    case 6: return .hll(try reader.prefixedBytes(max: sketchBytesMax))
    case 7: return .topn(try reader.prefixedBytes(max: sketchBytesMax))
    case 8: return .bytes(try reader.prefixedBytes(max: Limits.textBytesMax))
    case let tag: throw DecodingFailure(.unknown, at: start, "value \(tag)")
    }
  }
  /// Appends a value with its type.
  public static func encode(_ typed: TypedValue, into writer: inout ByteWriter) {
    encode(typed.type, into: &writer)
    encode(typed.value, into: &writer)
  }
  /// Reads a value with its type; a content of another layout is malformed.
  public static func decodeTypedValue(
    from reader: inout ByteReader
  ) throws(DecodingFailure) -> TypedValue {
    let type = try decodeType(from: &reader)
    let start = reader.position
    let value = try decodeValue(from: &reader)
    guard value.fits(type) else {
      throw DecodingFailure(.malformed, at: start, "content does not fit type \(type.name)")
    }
    return TypedValue(type, value)
  }
}

extension Value {
  /// The layout the content belongs to; nil for NULL, which fits all.
  public var layout: VectorLayout? {
    switch self {
    case .null: nil
    case .fixed: .fixed
    case .double: .double
    case .numeric: .numeric
    case .text, .bytes: .text
    case .interval: .interval
    case .hll: .hll
    case .topn: .topn
    }
  }
  /// Whether a value of the type can have this content: NULL, or the case of the type's layout and, for bytes, well-formed ones.
  public func fits(_ type: DataType) -> Bool {
    switch self {
    case .null: true
    case .fixed(let number): type.layout == .fixed && (type != .boolean || number == 0 || number == 1)
    case .text: type.layout == .text && !type.isBinary
    case .bytes(let bytes): bytes.withUnsafeBytes { BinaryForm.isValid($0, type) }
    default: layout == type.layout
    }
  }
}
