// TypeNumbers.swift — our types as numbers and modifiers of pg_type, and the names that format_type prints.
import Model

enum TypeNumbers {
  /// A type's number and its modifier, -1 without: varchar(n) is n + 4, numeric(p,s) is (p << 16 | s) + 4.
  static func number(of type: DataType) -> (oid: Int64, modifier: Int64) {
    switch type {
    case .boolean: (16, -1)
    case .smallint: (21, -1)
    case .integer: (23, -1)
    case .bigint: (20, -1)
    case .real: (700, -1)
    case .double: (701, -1)
    case .numeric(let precision?, let scale): (1700, (Int64(precision) << 16 | Int64(scale ?? 0)) + 4)
    case .numeric: (1700, -1)
    case .text: (25, -1)
    case .varchar(let limit): (1043, limit == 0 ? -1 : Int64(limit) + 4)
    case .bpchar(let limit): (1042, limit == 0 ? -1 : Int64(limit) + 4)
    case .char: (18, -1)
    case .name: (19, -1)
    case .bytea: (17, -1)
    case .uuid: (2950, -1)
    case .inet: (869, -1)
    case .json: (114, -1)
    case .jsonb: (3802, -1)
    case .oid: (26, -1)
    case .regclass: (2205, -1)
    case .regtype: (2206, -1)
    case .regproc: (24, -1)
    case .regnamespace: (4089, -1)
    case .regrole: (4096, -1)
    case .date: (1082, -1)
    case .time: (1083, -1)
    case .timestamp: (1114, -1)
    case .timestamptz: (1184, -1)
    case .interval: (1186, -1)
    case .hll: (ObjectNumbers.hll, -1)
    case .hllHashval: (ObjectNumbers.hllHashval, -1)
    case .topn: (ObjectNumbers.topn, -1)
    case .unknown: (705, -1)
    case .topnRecord: (2249, -1)
    case .void: (2278, -1)
    case .array(let element) where element.isVector: (element == .oidVector ? 30 : 22, -1)
    case .array(let element): array(of: number(of: element.type))
    }
  }
  private static func array(of element: (oid: Int64, modifier: Int64)) -> (oid: Int64, modifier: Int64) {
    (PostgresTypes.all[oid: element.oid]?.array ?? 0, element.modifier)
  }

  /// What format_type prints; a nil modifier is none given, which is not the same as -1.
  static func text(of oid: Int64, modifier: Int64?, isVisible: (Int64) -> Bool) -> String {
    if oid == 0 { return "-" }
    guard let type = PostgresTypes.all[oid: oid] else { return "???" }
    if type.element != 0, type.name.hasPrefix("_"), type.length == -1 {
      return text(of: type.element, modifier: modifier, isVisible: isVisible) + "[]"
    }
    let given = modifier.flatMap { $0 >= 0 ? $0 : nil }
    func sized(_ name: String) -> String { given.map { "\(name)(\($0 - 4))" } ?? name }
    func timed(_ name: String, _ zone: String) -> String { name + (given.map { "(\($0))" } ?? "") + " " + zone }
    switch oid {
    case 16: return "boolean"
    case 20: return "bigint"
    case 21: return "smallint"
    case 23: return "integer"
    case 700: return "real"
    case 701: return "double precision"
    case 1042: return given == nil ? modifier == nil ? "character" : "bpchar" : sized("character")
    case 1043: return sized("character varying")
    case 1083: return timed("time", "without time zone")
    case 1114: return timed("timestamp", "without time zone")
    case 1184: return timed("timestamp", "with time zone")
    case 1266: return timed("time", "with time zone")
    case 1186: return "interval" + (given.flatMap { $0 >> 16 == 0x7fff && $0 & 0xffff != 0xffff ? "(\($0 & 0xffff))" : nil } ?? "")
    case 1700:
      guard let given else { return "numeric" }
      return "numeric(\((given - 4) >> 16 & 0xffff),\((given - 4) & 0x7ff))"
    default:
      let schema = SchemaEntry.all.first { $0.oid == type.namespace }?.name ?? "?"
      let name = (isVisible(type.namespace) ? "" : schema + ".") + SystemName.quoted(type.name)
      // A modifier of a type that has none is shown as it is.
      return given.map { "\(name)(\($0))" } ?? name
    }
  }

  /// Spellings of SQL's own type names, with blanks as one; what pg_type itself calls its types is found there.
  static let spellings: [String: Int64] = [
    "boolean": 16, "smallint": 21, "int": 23, "integer": 23, "bigint": 20, "real": 700, "float": 701, "double precision": 701,
    "decimal": 1700, "dec": 1700, "character varying": 1043, "char varying": 1043, "character": 1042, "char": 1042, "nchar": 1042,
    "timestamp without time zone": 1114, "timestamp with time zone": 1184, "time without time zone": 1083,
    "time with time zone": 1266, "national character": 1042, "national character varying": 1043,
  ]
  /// The number of a type by any of its names, array brackets and modifiers included; nil when there is none.
  static func number(named text: String, in schemas: [String]) throws(TallyError) -> Int64? {
    var body = text[...]
    var isArray = false
    while body.hasSuffix("]"), let open = body.lastIndex(of: "["),
      body[body.index(after: open)...].dropLast().allSatisfy({ $0.isNumber })
    {
      isArray = true
      body = body[..<open]
      while body.last == " " { body.removeLast() }
    }
    func arrayed(_ oid: Int64) -> Int64? {
      guard isArray else { return oid }
      let array = PostgresTypes.all[oid: oid]?.array ?? 0
      return array == 0 ? nil : array
    }
    // Modifiers change nothing about the number: "timestamp(3) with time zone".
    if !body.contains("\""), let open = body.firstIndex(of: "("), let close = body.lastIndex(of: ")"), open < close {
      body = body[..<open] + body[body.index(after: close)...]
    }
    let words = body.lowercased().split(whereSeparator: { $0.isWhitespace }).joined(separator: " ")
    if !body.contains("\""), let oid = spellings[words] { return arrayed(oid) }
    let name = try SystemName(String(body))
    if name.schema == "pg_catalog", !body.contains("\""), name.name != "char", let oid = spellings[name.name] { return arrayed(oid) }
    guard let type = PostgresTypes.all[name: name.name] else { return nil }
    let home = SchemaEntry.all.first { $0.oid == type.namespace }?.name ?? ""
    if let schema = name.schema {
      guard SchemaEntry.all.contains(where: { $0.name == schema }) else { throw .sql("3F000", "schema \"\(schema)\" does not exist") }
      guard schema == home else { return nil }
    } else {
      guard home == "pg_catalog" || schemas.contains(home) else { return nil }
    }
    return arrayed(type.oid)
  }
}
