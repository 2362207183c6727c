// OutputNames.swift — names of unnamed select-list items, as PostgreSQL chooses them.
import SQL

enum OutputNames {
  static func name(_ expression: ExpressionSyntax) -> String { find(expression)?.name ?? "?column?" }

  /// A name that an expression has by itself, or a weak one, which gives way to that of a cast or a CASE around it.
  private struct Found {
    var name: String
    var isWeak = false
  }

  /// A scalar subquery is named as its column.
  private static func first(of select: SelectSyntax) -> String? {
    switch select.body {
    case .plain(let plain): plain.items.first.flatMap { $0.alias ?? find($0.expression)?.name }
    case .values: "column1"
    case .setOperation(_, _, let left, _): first(of: left)
    }
  }
  private static func find(_ expression: ExpressionSyntax) -> Found? {
    func strong(_ name: String?) -> Found? { name.map { Found(name: $0) } }
    switch expression.kind {
    case .column(let names): return strong(names.last)
    case .call(let call): return strong(call.name)
    case .cast(let inner, let type):
      if let found = find(inner), !found.isWeak { return found }
      return Found(name: type.name, isWeak: true)
    case .caseWhen(_, _, let otherwise):
      if let found = otherwise.flatMap({ find($0) }), !found.isWeak { return found }
      return Found(name: "case", isWeak: true)
    case .coalesce: return strong("coalesce")
    case .nullIf: return strong("nullif")
    case .extreme(_, let isGreatest): return strong(isGreatest ? "greatest" : "least")
    case .array: return strong("array")
    case .element(let array, _), .slice(let array, _, _): return find(array)
    case .field(_, let name): return strong(name)
    case .scalarSubquery(let select): return strong(first(of: select))
    case .exists: return strong("exists")
    case .arraySubquery: return strong("array")
    case .row: return strong("row")
    case .grouping: return strong("grouping")
    case .currentTime(.date): return strong("current_date")
    case .currentTime(.timestamp): return strong("current_timestamp")
    case .currentTime(.localTimestamp): return strong("localtimestamp")
    default: return nil
    }
  }
}
