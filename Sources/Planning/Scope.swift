// Scope.swift — the names that a SELECT's expressions may use: relations of FROM with their columns, and columns merged by USING.
//
// Column numbers are those of the plan that FROM became; a merged column may be an expression over them.
import Model

/// Names of one SELECT.
struct Scope {
  /// A FROM item.
  struct Relation {
    /// Alias; nil for one that cannot be named.
    var name: String?
    /// The relation's own name where an alias hides it.
    var hidden: String?
    /// Its columns, by name.
    var columns: [(name: String, index: Int)]
    /// The table or view that it is, and which of its columns these are.
    var origin: (relation: TableID, columns: [Int])?
    /// What `time_bucket(ts)` without a width means of its columns.
    var defaultBucket: Interval?
  }
  /// A column that needs no qualifier, in the order of `*`.
  struct Visible {
    var name: String
    var expression: Expression
  }

  /// Columns of the plan.
  var columns: [OutputColumn] = []
  var relations: [Relation] = []
  var visible: [Visible] = []
  /// Names that the alias of a join hides.
  var masked: [String] = []
  /// Left of a RIGHT or FULL join, whose right side cannot be LATERAL.
  var isUnjoinable = false
  static let empty = Scope()

  init() {}
  /// One relation.
  init(
    qualifier: String?,
    columns: [OutputColumn],
    defaultBucket: Interval? = nil,
    hidden: String? = nil,
    origin: (relation: TableID, columns: [Int])? = nil
  ) {
    self.columns = columns
    relations = [
      Relation(
        name: qualifier,
        hidden: hidden,
        columns: columns.enumerated().map { ($1.name, $0) },
        origin: origin,
        defaultBucket: defaultBucket
      )
    ]
    visible = columns.enumerated().map { Visible(name: $1.name, expression: .column($0, $1.type)) }
  }
  /// Two FROM items side by side.
  init(_ left: Scope, _ right: Scope) {
    let shift = left.columns.count
    columns = left.columns + right.columns
    masked = left.masked + right.masked
    relations =
      left.relations
      + right.relations.map { relation in
        var moved = relation
        moved.columns = relation.columns.map { ($0.name, $0.index + shift) }
        return moved
      }
    visible =
      left.visible
      + right.visible.map { Visible(name: $0.name, expression: $0.expression.renumbered { $0 + shift }) }
  }

  /// The bucket of the relations that have one; nil when they differ.
  var defaultBucket: Interval? {
    let widths = relations.compactMap(\.defaultBucket)
    return widths.allSatisfy { $0 == widths.first } ? widths.first : nil
  }
  /// The one relation's name, where there is one relation.
  var qualifier: String? { relations.count == 1 ? relations[0].name : nil }

  /// The column of a table or view that a name means here.
  func origin(_ qualifier: String?, _ name: String, _ column: Int) -> (relation: TableID, column: Int)? {
    for relation in relations where qualifier == nil || relation.name == qualifier {
      guard let origin = relation.origin, let at = relation.columns.firstIndex(where: { $0.index == column && $0.name == name }) else {
        continue
      }
      return (origin.relation, origin.columns[at])
    }
    return nil
  }
  /// A column of `*` as it can be written; nil where no name means it alone.
  func written(_ column: Visible, _ qualifier: String?) -> String? {
    let name = SQLQuoting.identifier(column.name)
    if let index = column.expression.columnIndex {
      for relation in relations where qualifier == nil || relation.name == qualifier {
        guard let own = relation.name, relation.columns.contains(where: { $0.index == index && $0.name == column.name }) else { continue }
        return relation.columns.count { $0.name == column.name } == 1 ? "\(SQLQuoting.identifier(own)).\(name)" : nil
      }
    }
    return qualifier == nil && visible.count { $0.name == column.name } == 1 ? name : nil
  }
  /// How messages name a column.
  func shown(_ column: Int) -> String {
    for relation in relations {
      guard let place = relation.columns.first(where: { $0.index == column }) else { continue }
      return relation.name.map { "\($0).\(place.name)" } ?? place.name
    }
    return column < columns.count ? columns[column].name : "?column?"
  }

  /// What a name means here; nil where it means nothing. Throws 42702 for one that means several things, 42703 for a column that its
  /// relation has not.
  func find(_ qualifier: String?, _ name: String, _ position: Int) throws(TallyError) -> Expression? {
    guard let qualifier else {
      let matches = visible.filter { $0.name == name }
      guard matches.count <= 1 else {
        throw .sql("42702", "column reference \"\(name)\" is ambiguous", position: position)
      }
      return matches.first?.expression
    }
    guard let relation = relations.first(where: { $0.name == qualifier }) else { return nil }
    let matches = relation.columns.filter { $0.name == name }
    guard let match = matches.first else {
      throw .sql("42703", "column \(qualifier).\(name) does not exist", hint: nearMiss(qualifier, name), position: position)
    }
    guard matches.count == 1 else {
      throw .sql("42702", "column reference \"\(name)\" is ambiguous", position: position)
    }
    return .column(match.index, columns[match.index].type)
  }

  /// PostgreSQL's hint for a misspelt name.
  func nearMiss(_ qualifier: String?, _ name: String) -> String? {
    var best = Int.max
    var found: [String] = []
    for relation in relations {
      var penalty = 0
      if let qualifier, let own = relation.name { penalty = EditDistance.between(qualifier, own) }
      for column in relation.columns {
        let own = EditDistance.between(column.name, name)
        guard own <= max(1, name.utf8.count / 2), own < name.utf8.count else { continue }
        let shown = relation.name.map { "\($0).\(column.name)" } ?? column.name
        if own + penalty < best {
          best = own + penalty
          found = [shown]
        } else if own + penalty == best, relations.count > 1 {
          found.append(shown)
        }
      }
    }
    switch found.count {
    case 1: return "Perhaps you meant to reference the column \"\(found[0])\"."
    case 2: return "Perhaps you meant to reference the column \"\(found[0])\" or the column \"\(found[1])\"."
    default: return nil
    }
  }
}

/// Column numbers that stand for values made later.
enum Placeholder {
  static let aggregates = 1 << 20
  static let distincts = 1 << 21
  static let expansions = 1 << 22
  /// Columns of functions that give rows, in a select list.
  static let sets = 1 << 23
  static let windows = 1 << 24
  /// Results of subqueries: eight columns each.
  static let subqueries = 1 << 25
  /// Parameters that have no type yet: `coerce` replaces them.
  static let parameters = 1 << 26
  /// Columns of an outer query, by their number in `StatementBinding`: `Unnesting` replaces them.
  static let outer = 1 << 27
  /// GROUPING(…).
  static let groupings = 1 << 28
  /// Values that are computed once a row, by their number in `ExpressionBinder.onces`.
  static let onces = 1 << 29
  static func expansion(_ index: Int, _ field: Int) -> Int { expansions + index * 8 + field }
  static func subquery(_ index: Int, _ field: Int = 0) -> Int { subqueries + index * 8 + field }
  static func isAggregate(_ index: Int) -> Bool { index >= aggregates && index < expansions || index >= groupings && index < onces }
  static func isSet(_ index: Int) -> Bool { index >= expansions && index < windows }
  static func isWindow(_ index: Int) -> Bool { index >= windows && index < subqueries }
  static func isSubquery(_ index: Int) -> Bool { index >= subqueries && index < parameters }
  static func isOuter(_ index: Int) -> Bool { index >= outer && index < groupings }
}

/// What is numbered throughout one statement: outer references and shared plans.
final class StatementBinding {
  struct Outer {
    /// Number of the binder whose column it is.
    var owner: Int
    var column: Int
    var type: DataType
    /// Where it was first written.
    var position: Int
  }
  /// Relations of a statement, those of the views that it names among them.
  final class RelationCount {
    private var count = 0
    static let max = 1024
    func add(at position: Int) throws(TallyError) {
      count += 1
      guard count <= Self.max else {
        throw .sql(
          "54001",
          "more than \(Self.max) relations in one statement are not supported",
          detail: "Those that its views read count.",
          position: position
        )
      }
    }
  }
  let relations: RelationCount
  private(set) var outers: [Outer] = []
  private var binders = 0
  private var sharedPlans = 0

  init(counting relations: RelationCount = RelationCount()) { self.relations = relations }
  func nextBinder() -> Int {
    binders += 1
    return binders
  }
  func nextShared() -> Int {
    sharedPlans += 1
    return sharedPlans
  }
  /// The column of an outer query as an expression of an inner one.
  func reference(owner: Int, _ column: Int, _ type: DataType, _ position: Int) -> Expression {
    if let known = outers.firstIndex(where: { $0.owner == owner && $0.column == column }) {
      return .column(Placeholder.outer + known, type)
    }
    outers.append(Outer(owner: owner, column: column, type: type, position: position))
    return .column(Placeholder.outer + outers.count - 1, type)
  }
  /// The outer references of a plan that belong to a binder, by placeholder.
  func references(in plan: PlanNode, of owner: Int) -> [Int: Outer] {
    var found: Set<Int> = []
    plan.collectOuter(into: &found)
    var result: [Int: Outer] = [:]
    for index in found where outers[index - Placeholder.outer].owner == owner {
      result[index] = outers[index - Placeholder.outer]
    }
    return result
  }
}
