// TypeBinding.swift — written type names to types.
import Model
import SQL

enum TypeBinding {
  static func type(_ syntax: TypeSyntax) throws(TallyError) -> DataType {
    let modifiers = syntax.modifiers
    func plain(_ type: DataType) throws(TallyError) -> DataType {
      guard modifiers.isEmpty else {
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
    case "float8": return try plain(.double)
    case "text": return try plain(.text)
    case "date": return try plain(.date)
    case "timestamp": return try plain(.timestamp)
    case "timestamptz": return try plain(.timestamptz)
    case "interval": return try plain(.interval)
    case "hll_hashval": return try plain(.hllHashval)
    case "numeric": return try numeric(syntax)
    case "varchar":
      guard modifiers.count <= 1, modifiers.first.map({ $0 >= 1 }) ?? true else {
        throw .sql("22023", "length for type varchar must be at least 1", position: syntax.position)
      }
      guard (modifiers.first ?? 0) <= 10_485_760 else {
        throw .sql("22023", "length for type varchar cannot exceed 10485760", position: syntax.position)
      }
      return .varchar(UInt32(modifiers.first ?? 0))
    case "hll": return .hll(try hll(modifiers, position: syntax.position))
    case "topn": return .topn(try topn(modifiers, position: syntax.position))
    case "float4", "bpchar", "bytea", "uuid", "inet", "jsonb", "json", "time", "timetz", "bit", "varbit", "money", "xml", "cidr",
      "point", "oid", "regclass", "name", "char":
      let shown = ["float4": "real", "bpchar": "character"][syntax.name] ?? syntax.name
      throw .sql(
        "0A000",
        "type \(shown) is not supported",
        hint: syntax.name == "float4" ? "Use double precision." : syntax.name == "bpchar" ? "Use text or varchar." : nil,
        position: syntax.position
      )
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
