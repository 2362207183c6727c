// ConditionText.swift — a bound condition as SQL, as PostgreSQL's ruleutils write it: what pg_get_constraintdef and psql's \d show of a
// CHECK.
//
// The plain form has parentheses around every operation, the pretty one only where they are needed. Constants were folded, so a constant
// expression is shown as its value.
public import Model

/// Conditions as SQL.
public enum ConditionText {
  /// The text of a condition over a table's columns; as a whole in parentheses unless it is pretty.
  public static func text(_ condition: Expression, _ columns: [Column], isPretty: Bool) -> String {
    Printer(columns: columns, isPretty: isPretty).text(condition, in: .none)
  }

  /// What an expression stands in.
  private enum Surroundings {
    case none
    case and
    case or
    case not
    /// An operand of an operator or a cast.
    case operand
    /// An argument or a branch, between words of its own.
    case argument
  }
  private struct Printer {
    let columns: [Column]
    let isPretty: Bool

    func text(_ expression: Expression, in place: Surroundings) -> String {
      switch expression.node {
      case .column(let index): return columns.indices.contains(index) ? SQLQuoting.identifier(columns[index].name) : "?"
      case .constant(let value): return constant(value, expression.type)
      case .parameter(let number): return number == 0 ? "now()" : "$\(number)"
      case .and(let parts): return junction(parts, "AND", place, needs: place == .not || place == .operand)
      case .or(let parts): return junction(parts, "OR", place, needs: place == .not || place == .operand || place == .and)
      case .not(let inner):
        if case .isNull(let subject) = inner.node { return wrapped("\(text(subject, in: .operand)) IS NOT NULL", place) }
        return wrapped("NOT \(text(inner, in: .not))", place)
      case .isNull(let inner): return wrapped("\(text(inner, in: .operand)) IS NULL", place)
      case .coalesce(let parts): return "COALESCE(\(list(parts)))"
      case .inList(let inner, let values, let hasNull):
        let items = values.map { constant($0, inner.type) } + (hasNull ? ["NULL::\(inner.type.name)"] : [])
        return wrapped("\(operand(inner)) = ANY (ARRAY[\(items.joined(separator: ", "))])", place)
      case .like(let inner, let pattern): return wrapped("\(operand(inner)) ~~ \(quoted(pattern))::text", place)
      case .cast(let inner): return cast(inner, expression.type)
      case .caseWhen(let branches, let otherwise):
        var out = "CASE"
        for branch in branches { out += " WHEN \(text(branch.condition, in: .argument)) THEN \(text(branch.result, in: .argument))" }
        return out + " ELSE \(otherwise.map { text($0, in: .argument) } ?? "NULL::\(expression.type.name)") END"
      case .call(let function, let arguments): return call(function, arguments, expression, place)
      case .hosted(let function, let arguments): return "\(function.name)(\(list(arguments)))"
      }
    }
    private func list(_ parts: [Expression]) -> String { parts.map { text($0, in: .argument) }.joined(separator: ", ") }
    /// An operation in the parentheses that it needs here.
    private func wrapped(_ text: String, _ place: Surroundings) -> String {
      isPretty && place != .operand ? text : "(\(text))"
    }
    private func junction(_ parts: [Expression], _ word: String, _ place: Surroundings, needs: Bool) -> String {
      let inner = parts.map { text($0, in: word == "AND" ? .and : .or) }.joined(separator: " \(word) ")
      return isPretty && !needs ? inner : "(\(inner))"
    }
    /// An operand of an operator on texts: columns of type varchar are shown as the texts they are taken for.
    private func operand(_ expression: Expression) -> String {
      if case .column = expression.node {
        switch expression.type {
        case .varchar, .bpchar, .name: return cast(expression, .text)
        default: break
        }
      }
      return text(expression, in: .operand)
    }
    private func cast(_ inner: Expression, _ type: DataType) -> String {
      let shown = text(inner, in: .operand)
      return isPretty && isAtom(inner) ? "\(shown)::\(type.name)" : "(\(stripped(shown)))::\(type.name)"
    }
    private func isAtom(_ expression: Expression) -> Bool {
      switch expression.node {
      case .column, .constant: true
      default: false
      }
    }
    private func stripped(_ text: String) -> String {
      guard text.hasPrefix("("), text.hasSuffix(")") else { return text }
      var depth = 0
      for (at, character) in text.enumerated() {
        if character == "(" { depth += 1 }
        if character == ")" { depth -= 1 }
        if depth == 0, at < text.count - 1 { return text }
      }
      return String(text.dropFirst().dropLast())
    }

    private func call(_ function: Function, _ arguments: [Expression], _ whole: Expression, _ place: Surroundings) -> String {
      if let symbol = Self.symbols[function], arguments.count == 2 {
        return wrapped("\(operand(arguments[0])) \(symbol) \(operand(arguments[1]))", place)
      }
      if function == .negate { return wrapped("- \(operand(arguments[0]))", place) }
      let rows = FunctionTable.byFunction[function] ?? []
      // An operator of the table has no name but its sign.
      if let name = rows.first?.name, arguments.count == 2, let first = name.unicodeScalars.first, !Self.isLetter(first), first != "." {
        return wrapped("\(operand(arguments[0])) \(name) \(operand(arguments[1]))", place)
      }
      switch function {
      case .isDistinct: return wrapped("\(operand(arguments[0])) IS DISTINCT FROM \(operand(arguments[1]))", place)
      case .greatest: return "GREATEST(\(list(arguments)))"
      case .least: return "LEAST(\(list(arguments)))"
      case .makeArray: return "ARRAY[\(list(arguments))]"
      case .dateTrunc:
        if case .constant(.fixed(let unit)) = arguments[0].node, let known = TimeUnit(rawValue: UInt8(clamping: unit)) {
          return "date_trunc(\(quoted("\(known)"))::text, \(text(arguments[1], in: .argument)))"
        }
      case .extract:
        if case .constant(.fixed(let field)) = arguments[0].node, let known = TimeField(rawValue: UInt8(clamping: field)) {
          return "EXTRACT(\(known) FROM \(text(arguments[1], in: .argument)))"
        }
      default: break
      }
      return "\(rows.first?.name ?? "\(function)")(\(list(arguments)))"
    }
    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isAlphabetic || scalar == "_" }
    private static let symbols: [Function: String] = [
      .equal: "=", .notEqual: "<>", .less: "<", .lessOrEqual: "<=", .greater: ">", .greaterOrEqual: ">=", .add: "+", .subtract: "-",
      .multiply: "*", .divide: "/", .modulo: "%", .addDays: "+", .subtractDays: "-", .dateDifference: "-", .addInterval: "+",
      .subtractInterval: "-", .timeDifference: "-", .intervalAdd: "+", .intervalSubtract: "-", .intervalMultiply: "*",
      .intervalDivide: "/", .concatenate: "||",
    ]

    // MARK: Constants

    private func quoted(_ text: String) -> String { SQLQuoting.literal(text) }
    private func constant(_ value: Value, _ type: DataType) -> String {
      guard let text = ValueText.print(value, as: type) else { return "NULL::\(type.name)" }
      switch type {
      case .boolean: return text == "t" ? "true" : "false"
      case .smallint, .integer, .bigint: return text.hasPrefix("-") ? "'\(text)'::\(type.name)" : text
      case .numeric:
        // One that was written as an integer was cast.
        if text.contains(".") { return text.hasPrefix("-") ? "'\(text)'::numeric" : text }
        return suffixed(text.hasPrefix("-") ? "'\(text)'::integer" : text, "numeric")
      case .double, .real: return suffixed(text.hasPrefix("-") ? "'\(text)'" : text, type.name)
      case .varchar, .name, .unknown: return "\(quoted(text))::text"
      default: return "\(quoted(text))::\(type.name)"
      }
    }
    private func suffixed(_ text: String, _ type: String) -> String { isPretty ? "\(text)::\(type)" : "(\(text))::\(type)" }
  }
}
