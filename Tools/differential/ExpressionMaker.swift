// ExpressionMaker.swift — random expressions of a wanted kind over the columns in scope.

/// What an expression may name.
struct Scope {
  /// Relations of this query: alias and columns.
  var relations: [(alias: String, columns: [ColumnName])] = []
  /// Those of the queries around it.
  var outer: [(alias: String, columns: [ColumnName])] = []

  func columns(_ kind: Kind, outerToo: Bool) -> [String] {
    (relations + (outerToo ? outer : [])).flatMap { relation in
      relation.columns.filter { $0.kind == kind || kind == .text && $0.kind == .varchar }.map { "\(relation.alias).\($0.name)" }
    }
  }
  var all: [(name: String, kind: Kind)] {
    relations.flatMap { relation in relation.columns.map { ("\(relation.alias).\($0.name)", $0.kind) } }
  }
}

extension StatementMaker {
  /// An expression of the kind that cannot fail. `subqueries`: whether one may stand in it.
  mutating func expression(_ kind: Kind, _ scope: Scope, depth: Int, subqueries: Bool = false) -> String {
    if subqueries, kind == .bool || kind.isInteger || kind == .text, chance.percent(6), let text = subquery(kind, scope) { return text }
    if depth <= 0 || chance.percent(30) { return leaf(kind, scope) }
    // Where ends of ranges lie in the tables, only what compares may see them: sums and casts of them fail.
    let all = tables.hasExtremes ? Template.comparing : Template.safe
    guard let templates = all[kind] else { return leaf(kind, scope) }
    return "(\(fill(chance.pick(templates), scope, depth: depth - 1, subqueries: subqueries)))"
  }
  mutating func fill(_ template: Template, _ scope: Scope, depth: Int, subqueries: Bool = false) -> String {
    let any = anyKind(scope)
    var text = ""
    for piece in template.pieces {
      switch piece {
      case .text(let part): text += part
      case .choice(let list): text += chance.pick(list)
      case .anyHole: text += expression(any, scope, depth: depth, subqueries: subqueries)
      case .hole(let kind): text += expression(kind, scope, depth: depth, subqueries: subqueries)
      }
    }
    return text
  }
  /// A kind that a column in scope has, mostly.
  mutating func anyKind(_ scope: Scope) -> Kind {
    let all = scope.all
    return all.isEmpty || chance.percent(10) ? chance.pick(Kind.allCases) : chance.pick(all).kind
  }
  /// A column or a literal.
  mutating func leaf(_ kind: Kind, _ scope: Scope) -> String {
    let columns = scope.columns(kind, outerToo: chance.percent(35))
    if !columns.isEmpty, chance.percent(80) { return chance.pick(columns) }
    if chance.percent(6) { return "NULL::\(kind.castName)" }
    return kind.literal(chance.pick(kind.usual))
  }
}
