// OutputNames.swift — names of unnamed select-list items, as PostgreSQL chooses them.
import SQL

enum OutputNames {
  static func name(_ expression: ExpressionSyntax) -> String { find(expression) ?? "?column?" }
  /// The name of something that has one of its own; nil where it is only that of a type or of CASE, which what stands around it replaces.
  private static func strong(_ expression: ExpressionSyntax) -> String? {
    switch expression.kind {
    case .cast(let inner, _): strong(inner)
    case .caseWhen(_, _, let otherwise): otherwise.flatMap { strong($0) }
    default: find(expression)
    }
  }

  /// A scalar subquery is named as its column.
  private static func first(of select: SelectSyntax) -> String? {
    switch select.body {
    case .plain(let plain): plain.items.first.flatMap { $0.alias ?? find($0.expression) }
    case .values: "column1"
    case .setOperation(_, _, let left, _): first(of: left)
    }
  }
  private static func find(_ expression: ExpressionSyntax) -> String? {
    switch expression.kind {
    case .column(let names): names.last
    case .call(let call): call.name
    case .cast(let inner, let type): strong(inner) ?? type.name
    case .caseWhen(_, _, let otherwise): otherwise.flatMap { strong($0) } ?? "case"
    case .coalesce: "coalesce"
    case .extreme(_, let isGreatest): isGreatest ? "greatest" : "least"
    case .array: "array"
    case .element(let array, _), .slice(let array, _, _): find(array)
    case .nullIf: "nullif"
    case .field(_, let name): name
    case .scalarSubquery(let select): first(of: select)
    case .exists: "exists"
    case .arraySubquery: "array"
    case .row: "row"
    case .grouping: "grouping"
    case .currentTime(.date): "current_date"
    case .currentTime(.timestamp): "current_timestamp"
    case .currentTime(.localTimestamp): "localtimestamp"
    default: nil
    }
  }
}
