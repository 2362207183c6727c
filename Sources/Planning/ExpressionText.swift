// ExpressionText.swift — expressions and aggregates for people: EXPLAIN lines and golden tests.
import Model

enum ExpressionText {
  static func text(_ expression: Expression, _ columns: [OutputColumn]) -> String {
    func inner(_ part: Expression) -> String { text(part, columns) }
    func list(_ parts: [Expression]) -> String { parts.map(inner).joined(separator: ", ") }
    switch expression.node {
    case .column(let index): return index < columns.count ? columns[index].name : "$\(index)"
    case .constant(let value): return literal(value, expression.type)
    case .parameter(let number): return number == 0 ? "now()" : "$\(number)"
    case .call(let function, let arguments):
      if let symbol = symbols[function], arguments.count == 2 {
        return "(\(inner(arguments[0])) \(symbol) \(inner(arguments[1])))"
      }
      switch function {
      case .dateTrunc, .extract:
        if case .constant(.fixed(let raw)) = arguments[0].node, let number = UInt8(exactly: raw) {
          let name = function == .extract ? TimeField(rawValue: number).map { "\($0)" } : TimeUnit(rawValue: number).map { "\($0)" }
          return "\(function)(\(name ?? "?"), \(inner(arguments[1])))"
        }
        return "\(function)(\(list(arguments)))"
      default: return "\(function)(\(list(arguments)))"
      }
    case .and(let parts): return "(" + parts.map(inner).joined(separator: " AND ") + ")"
    case .or(let parts): return "(" + parts.map(inner).joined(separator: " OR ") + ")"
    case .not(let part): return "(NOT \(inner(part)))"
    case .isNull(let part): return "(\(inner(part)) IS NULL)"
    case .coalesce(let parts): return "COALESCE(\(list(parts)))"
    case .inList(let part, let values, let hasNull):
      let items = values.map { literal($0, part.type) } + (hasNull ? ["NULL"] : [])
      return "(\(inner(part)) IN (\(items.joined(separator: ", "))))"
    case .like(let part, let pattern): return "(\(inner(part)) LIKE \(quoted(pattern)))"
    case .hosted(let function, let arguments): return "\(function.name)(\(list(arguments)))"
    case .cast(let part): return "\(inner(part))::\(expression.type.name)"
    case .caseWhen(let branches, let otherwise):
      let whens = branches.map { " WHEN \(inner($0.condition)) THEN \(inner($0.result))" }.joined()
      return "CASE\(whens)\(otherwise.map { " ELSE \(inner($0))" } ?? "") END"
    }
  }
  static func text(_ call: AggregateCall, _ columns: [OutputColumn]) -> String {
    var arguments = (call.isDistinct ? "DISTINCT " : "") + call.arguments.map { text($0, columns) }.joined(separator: ", ")
    if !call.order.isEmpty {
      let keys = call.order.map { text($0.expression, columns) + ($0.isAscending ? "" : " DESC") }
      arguments += (arguments.isEmpty ? "" : " ") + "ORDER BY \(keys.joined(separator: ", "))"
    }
    let filter = call.filter.map { " FILTER (WHERE \(text($0, columns)))" } ?? ""
    return call.function == .countStar ? "count(*)\(filter)" : "\(call.function)(\(arguments))\(filter)"
  }
  static func literal(_ value: Value, _ type: DataType) -> String {
    switch value {
    case .null: return "NULL"
    case .fixed(let flag) where type == .boolean: return flag != 0 ? "true" : "false"
    case .hll(let bytes): return "hll of \(bytes.count) bytes"
    case .topn(let bytes): return "topn of \(bytes.count) bytes"
    default:
      let shown = ValueText.print(value, as: type) ?? "NULL"
      return type.isNumber ? shown : quoted(shown)
    }
  }
  private static func quoted(_ text: String) -> String {
    "'" + text.map { $0 == "'" ? "''" : String($0) }.joined() + "'"
  }
  private static let symbols: [Function: String] = [
    .equal: "=", .notEqual: "<>", .less: "<", .lessOrEqual: "<=", .greater: ">", .greaterOrEqual: ">=", .add: "+",
    .subtract: "-", .multiply: "*", .divide: "/", .modulo: "%", .addDays: "+", .subtractDays: "-", .dateDifference: "-",
    .addInterval: "+", .subtractInterval: "-", .timeDifference: "-", .intervalAdd: "+", .intervalSubtract: "-",
    .intervalMultiply: "*", .intervalDivide: "/", .concatenate: "||", .hllUnion: "||", .hllAdd: "||", .topnUnion: "+",
  ]
}
