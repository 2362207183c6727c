// TypeBinding.swift — written type names to types.
import Model
import SQL

enum TypeBinding {
  static func type(_ syntax: TypeSyntax) throws(TallyError) -> DataType {
    let isInternalArray = syntax.name.hasPrefix("_") && syntax.name.count > 1
    guard syntax.isArray || isInternalArray else { return try scalar(syntax) }
    var element = syntax
    if isInternalArray { element.name.removeFirst() }
    let type = try scalar(element)
    guard let array = type.arrayType else {
      throw .sql("0A000", "arrays of type \(type.name) are not supported", position: syntax.position)
    }
    return array
  }
  /// The type of a cast: `interval '1' day` has fields, which the cast applies.
  static func cast(_ syntax: TypeSyntax) throws(TallyError) -> DataType {
    syntax.name == "interval" && !syntax.isArray ? .interval : try type(syntax)
  }
  /// The mask of INTERVAL (precision), without fields.
  private static let allFields = 0x7fff
  private static func scalar(_ syntax: TypeSyntax) throws(TallyError) -> DataType {
    let modifiers = syntax.modifiers
    func plain(_ type: DataType) throws(TallyError) -> DataType {
      guard modifiers.isEmpty else {
        // What it holds are microseconds.
        if type == .interval, modifiers.count == 2, modifiers[0] == Self.allFields, modifiers[1] >= 6 { return type }
        if type == .interval {
          throw .sql(
            "0A000",
            "interval fields and precision are not supported",
            hint: "Write interval '1 day'.",
            position: syntax.position
          )
        }
        if type.isTime {
          throw .sql("0A000", "a precision of \(type.name) is not supported", position: syntax.position)
        }
        throw .sql(
          "42601",
          "type modifier is not allowed for type \"\(syntax.name)\"",
          position: syntax.position
        )
      }
      return type
    }
    switch syntax.name {
    case "bool": return try plain(.boolean)
    case "int2": return try plain(.smallint)
    case "int4": return try plain(.integer)
    case "int8": return try plain(.bigint)
    case "float4": return try plain(.real)
    case "bytea": return try plain(.bytea)
    case "uuid": return try plain(.uuid)
    case "inet": return try plain(.inet)
    case "json": return try plain(.json)
    case "jsonb": return try plain(.jsonb)
    case "time": return try plain(.time)
    case "oid": return try plain(.oid)
    case "name": return try plain(.name)
    case "char": return try plain(.char)
    case "regclass": return try plain(.regclass)
    case "regtype": return try plain(.regtype)
    case "regproc": return try plain(.regproc)
    case "regnamespace": return try plain(.regnamespace)
    case "regrole": return try plain(.regrole)
    case "void": return try plain(.void)
    case "float8": return try plain(.double)
    case "text": return try plain(.text)
    case "date": return try plain(.date)
    case "timestamp": return try plain(.timestamp)
    case "timestamptz": return try plain(.timestamptz)
    case "interval": return try plain(.interval)
    case "hll_hashval": return try plain(.hllHashval)
    case "numeric": return try numeric(syntax)
    case "varchar", "bpchar":
      let shown = syntax.name == "bpchar" ? "char" : "varchar"
      guard modifiers.count <= 1, modifiers.first.map({ $0 >= 1 }) ?? true else {
        throw .sql("22023", "length for type \(shown) must be at least 1", position: syntax.position)
      }
      guard (modifiers.first ?? 0) <= 10_485_760 else {
        throw .sql("22023", "length for type \(shown) cannot exceed 10485760", position: syntax.position)
      }
      let limit = UInt32(modifiers.first ?? 0)
      return syntax.name == "bpchar" ? .bpchar(limit) : .varchar(limit)
    case "hll": return .hll(try hll(modifiers, position: syntax.position))
    case "topn": return .topn(try topn(modifiers, position: syntax.position))
    case "cidr", "timetz", "bit", "varbit", "money", "xml", "point", "macaddr", "box", "circle", "line", "lseg", "path", "polygon",
      "tsvector", "tsquery", "tstzrange", "tsrange", "int4range", "int8range", "numrange", "daterange", "regoper", "regprocedure", "xid",
      "record":
      throw .sql("0A000", "type \(syntax.name) is not supported", position: syntax.position)
    case "serial", "serial4", "serial8", "bigserial", "smallserial", "serial2":
      throw .sql("0A000", "type \(syntax.name) is not supported", hint: "Use bigint.", position: syntax.position)
    default:
      throw .sql("42704", "type \"\(syntax.name)\" does not exist", position: syntax.position)
    }
  }

  private static func numeric(_ syntax: TypeSyntax) throws(TallyError) -> DataType {
    let modifiers = syntax.modifiers
    guard let precision = modifiers.first else { return .plainNumeric }
    let scale = modifiers.count > 1 ? modifiers[1] : 0
    guard modifiers.count <= 2 else {
      throw .sql("22023", "invalid NUMERIC type modifier", position: syntax.position)
    }
    guard (1...1000).contains(precision) else {
      throw .sql("22023", "NUMERIC precision \(precision) must be between 1 and 1000", position: syntax.position)
    }
    guard precision <= Numeric.digitsMax else {
      throw .sql(
        "0A000",
        "a NUMERIC precision over \(Numeric.digitsMax) is not supported",
        position: syntax.position
      )
    }
    guard (0...precision).contains(scale) else {
      throw .sql(
        "0A000",
        "NUMERIC scale \(scale) outside 0 … precision \(precision) is not supported",
        position: syntax.position
      )
    }
    return .numeric(precision: UInt8(precision), scale: UInt8(scale))
  }
  /// log2m, regwidth, expthresh, sparseon, as far as they are given.
  static func hll(_ modifiers: [Int], position: Int) throws(TallyError) -> HLLParameters {
    var result = HLLParameters()
    guard modifiers.count <= 4 else { throw .sql("22023", "hll has at most four parameters", position: position) }
    if modifiers.count > 0 {
      guard (4...17).contains(modifiers[0]) else {
        throw .sql("22023", "log2m modifier must be between 4 and 17", position: position)
      }
      result.log2m = UInt8(modifiers[0])
    }
    if modifiers.count > 1 {
      guard (1...8).contains(modifiers[1]) else {
        throw .sql("22023", "regwidth modifier must be between 1 and 8", position: position)
      }
      result.regwidth = UInt8(modifiers[1])
    }
    if modifiers.count > 2 {
      let limit = modifiers[2]
      guard limit == -1 || limit == 0 || (1...8192).contains(limit) && limit & (limit - 1) == 0 else {
        throw .sql("22023", "expthresh modifier must be -1, 0, or a power of 2 up to 8192", position: position)
      }
      result.expthresh = Int32(limit)
    }
    if modifiers.count > 3 {
      guard (0...1).contains(modifiers[3]) else {
        throw .sql("22023", "sparseon modifier must be 0 or 1", position: position)
      }
      result.sparseon = modifiers[3] == 1
    }
    return result
  }
  private static func topn(_ modifiers: [Int], position: Int) throws(TallyError) -> TopNParameters {
    var result = TopNParameters()
    guard modifiers.count <= 2 else { throw .sql("22023", "topn has at most two parameters", position: position) }
    if modifiers.count > 0 {
      guard (1...Limits.topNItemsMax / 16).contains(modifiers[0]) else {
        throw .sql("22023", "topn counters must be between 1 and \(Limits.topNItemsMax / 16)", position: position)
      }
      result.counters = UInt32(modifiers[0])
    }
    if modifiers.count > 1 {
      guard (4...65535).contains(modifiers[1]) else {
        throw .sql("22023", "topn key bytes must be between 4 and 65535", position: position)
      }
      result.keyBytesMax = UInt32(modifiers[1])
    }
    return result
  }
}
