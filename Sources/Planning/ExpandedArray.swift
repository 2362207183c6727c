// ExpandedArray.swift — information_schema._pg_expandarray(array), as pgjdbc asks for keys and indexes: rows (x, n) of elements and their
// numbers.
//
// A row is no value here. `(_pg_expandarray(a)).x` is a set of elements, `….n` one of numbers; a select list advances all its sets side by
// side. A subquery in FROM that gives the rows themselves under a name gives their two fields instead, and `(name).x` finds them. The row
// as a value anywhere else is refused.
import Model
import SQL

enum ExpandedArray {
  static let function = "_pg_expandarray"
  static let fields = ["x", "n"]
  /// What a field of rows called `name` is called: no name of a client has such a character.
  static func column(_ name: String, _ field: String) -> String { "\(name)\u{1}\(field)" }

  /// A subquery with the fields of such rows in their place.
  static func spread(_ select: SelectSyntax) -> SelectSyntax {
    guard case .plain(var plain) = select.body, plain.items.contains(where: isRow) else { return select }
    plain.items = plain.items.flatMap { item -> [PlainSelectSyntax.Item] in
      guard isRow(item) else { return [item] }
      return fields.map { field in
        PlainSelectSyntax.Item(
          alias: column(item.alias ?? function, field),
          expression: ExpressionSyntax(kind: .field(item.expression, field), position: item.expression.position)
        )
      }
    }
    var spread = select
    spread.body = .plain(plain)
    return spread
  }
  private static func isRow(_ item: PlainSelectSyntax.Item) -> Bool {
    if case .call(let call) = item.expression.kind { call.name == function } else { false }
  }
}

extension ExpressionBinder {
  /// A field of `_pg_expandarray`'s rows; nil for fields of anything else.
  func expandedField(_ inner: ExpressionSyntax, _ name: String, _ position: Int) throws(TallyError) -> Expression? {
    switch inner.kind {
    case .call(var call) where call.name == ExpandedArray.function && call.arguments.count == 1:
      let array = try bind(call.arguments[0])
      guard case .array(let element) = array.type else { throw noFunction(call, [array], inner.position) }
      guard ExpandedArray.fields.contains(name) else {
        throw .sql("42703", "column \"\(name)\" not found in data type record", position: position)
      }
      call.schema = nil
      call.name = "unnest"
      if name == "n" {
        call.name = "generate_subscripts"
        call.arguments.append(ExpressionSyntax(kind: .integer(1), position: inner.position))
      }
      guard let values = try setFunction(call, inner.position) else { return nil }
      // The catalogs' vectors begin at 0, n at 1.
      guard name == "n", element.isVector else { return values }
      return Expression(.integer, .call(.add, [values, .constant(.integer, .fixed(1))]))
    case .column(let names):
      guard let last = names.last, ExpandedArray.fields.contains(name) else { return nil }
      let field = ExpandedArray.column(last, name)
      guard scope.relations.contains(where: { $0.columns.contains { $0.name == field } }) else { return nil }
      return try bind(ExpressionSyntax(kind: .column(Array(names.dropLast()) + [field]), position: inner.position))
    default: return nil
    }
  }
}
