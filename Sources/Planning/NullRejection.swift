// NullRejection.swift — whether a condition cannot be TRUE where some columns are NULL: then an outer join need not make such rows.
import Model

struct NullRejection {
  /// Columns that are all NULL.
  let columns: (Int) -> Bool

  /// Whether the condition is FALSE or NULL then.
  func rejects(_ condition: Expression) -> Bool {
    switch condition.node {
    case .and(let parts): return parts.contains(where: rejects)
    case .or(let parts): return parts.allSatisfy(rejects)
    case .not(let inner):
      if case .isNull(let subject) = inner.node { return isNull(subject) }
      return isNull(inner)
    case .constant(let value): return value.isNull || { if case .fixed(0) = value { true } else { false } }()
    case .coalesce(let parts):
      // IS TRUE is COALESCE(x, FALSE).
      return parts.allSatisfy(rejects) && parts.contains { !$0.columnsRead.isEmpty }
    default: return isNull(condition)
    }
  }
  /// Whether the expression is NULL then.
  func isNull(_ expression: Expression) -> Bool {
    switch expression.node {
    case .column(let index): return columns(index)
    case .constant(let value): return value.isNull
    case .call(let function, let arguments): return Self.isStrict(function) && arguments.contains(where: isNull)
    case .cast(let inner), .not(let inner), .inList(let inner, _, _), .like(let inner, _): return isNull(inner)
    case .coalesce(let parts), .or(let parts), .and(let parts): return parts.allSatisfy(isNull)
    case .hosted(let function, let arguments): return function.isStrict && arguments.contains(where: isNull)
    case .isNull, .caseWhen, .parameter: return false
    }
  }
  /// Functions that give NULL for any NULL argument: those that the file of functions says nothing else of.
  private static func isStrict(_ function: Function) -> Bool { function.rawValue <= Function.topnUnion.rawValue }
}
