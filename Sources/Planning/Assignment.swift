// Assignment.swift — values as columns keep them: DEFAULT expressions, and the casts of assignments.
//
// Differs from an explicit cast: varchar(n) and character(n) cut blanks only (22001), and only assignment casts are taken (42804).
public import Model
import SQL

/// A column's DEFAULT.
public enum DefaultValue {
  /// Binds a DEFAULT expression: a constant, or what is computed for every row (nextval, random).
  static func bind(
    _ syntax: ExpressionSyntax,
    name: String,
    type: DataType,
    context: PlanningContext
  ) throws(TallyError) -> Expression {
    let binder = ExpressionBinder(scope: .empty, context: context)
    binder.clause = .default
    let bound = try binder.bind(syntax, towards: type)
    return try Assignment.expression(bound, binder, name: name, type: type, position: syntax.position)
  }
  /// The text of a DEFAULT as the catalog keeps it: a time without an offset is one of the session's zone.
  static func kept(_ text: String?, name: String, type: DataType, context: PlanningContext) throws(TallyError) -> String? {
    guard let text, !context.zone.isUTC else { return text }
    return try LastingText.expression(text, context) { syntax, own throws(TallyError) in
      _ = try bind(syntax, name: name, type: type, context: own)
    }
  }
  /// The default of a column at a statement's time; NULL when it has none.
  static func expression(of column: Column, context: PlanningContext) throws(TallyError) -> Expression {
    guard let text = column.defaultSQL, !column.isDropped else { return .constant(column.type, .null) }
    let syntax = try TableChecks.expression(text, what: "the default of column \"\(column.name)\"")
    // Its places are those of the text that it stands in, which is not the statement's.
    do throws(TallyError) { return try bind(syntax, name: column.name, type: column.type, context: context) } catch {
      var error = error
      error.position = nil
      throw error
    }
  }
  /// The value of a column's default at a statement's time; NULL when it has none. Ingest fills omitted columns with it.
  public static func value(of column: Column, context: PlanningContext) throws(TallyError) -> Value {
    guard let value = try expression(of: column, context: context).constantValue else {
      throw .sql(
        "0A000",
        "the default of column \"\(column.name)\", which differs from row to row, is not supported here",
        hint: "Give values for the column, or use INSERT."
      )
    }
    return value
  }
}

enum Assignment {
  /// The value as the column keeps it; 42804 when its type does not assign.
  static func expression(
    _ bound: Expression,
    _ binder: ExpressionBinder,
    name: String,
    type: DataType,
    position: Int
  ) throws(TallyError) -> Expression {
    // An untyped parameter is of the column's type without its limits.
    let bound = bound.untypedParameter == nil ? bound : try binder.coerce(bound, to: type.withoutModifiers, at: position)
    if bound.type != type, bound.type != .unknown {
      let context = Casts.context(from: bound.type, to: type)
      guard let context, context <= .assignment else {
        throw .sql(
          "42804",
          "column \"\(name)\" is of type \(type.name) but expression is of type \(bound.type.name)",
          hint: "You will need to rewrite or cast the expression.",
          position: position
        )
      }
    }
    return try limited(bound, binder, type, position)
  }
  /// The cast of an assignment, which may cut blanks only where an explicit cast cuts anything.
  static func limited(
    _ bound: Expression,
    _ binder: ExpressionBinder,
    _ type: DataType,
    _ position: Int
  ) throws(TallyError) -> Expression {
    let limit: Int64
    switch type {
    case .varchar(let count) where count > 0 && bound.type != type: limit = Int64(count)
    case .bpchar(let count) where count > 0 && bound.type != type: limit = -Int64(count)
    default: return try binder.coerce(bound, to: type, at: position, .assignment)
    }
    let text = try binder.coerce(bound, to: .text, at: position, .assignment)
    switch text.constantValue {
    // PostgreSQL finds out when the row is made, and tells no place.
    case .text(let long)?: return .constant(type, try ValueText.parse(long, as: type))
    case .null?: return .constant(type, .null)
    default:
      let cut = Expression(.text, .call(.assignText, [text, .constant(.integer, .fixed(limit))]))
      return Expression(type, .cast(cut))
    }
  }
}
