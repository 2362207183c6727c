// Expression.swift — a bound, typed expression over the columns of one input.
//
// Everything is resolved: columns are indexes, operators are `Function`s, casts are explicit, statement-time functions are
// constants. Evaluation can fail only by data (22003, 22012, 22P02, …). Bytes: ExpressionFormat.swift.
public import Model

/// A typed expression.
public struct Expression: Sendable {
  /// Type of the result.
  public var type: DataType
  /// How to compute it.
  public var node: Node

  /// Kinds of expressions.
  public indirect enum Node: Sendable {
    /// Column of the input.
    case column(Int)
    /// A value; its content matches `type.layout` or is NULL.
    case constant(Value)
    /// A value that is not known yet: the statement's parameter of that number, or its time (0). Only in a GenericPlan.
    case parameter(Int)
    /// A strict function, unless `Function` says otherwise.
    case call(Function, [Expression])
    /// Three-valued AND of two or more; evaluation may stop at the first FALSE.
    case and([Expression])
    /// Three-valued OR of two or more; evaluation may stop at the first TRUE.
    case or([Expression])
    /// Three-valued NOT.
    case not(Expression)
    /// TRUE or FALSE, never NULL.
    case isNull(Expression)
    /// The result of the first branch whose condition is TRUE, else `otherwise`, else NULL. A result is evaluated only for its rows.
    case caseWhen([CaseBranch], otherwise: Expression?)
    /// The first that is not NULL; all of the expression's type (or integers of lesser width).
    case coalesce([Expression])
    /// Whether the operand equals one of the constants, all of its type and none NULL; `hasNull`: the list held a NULL too.
    case inList(Expression, [Value], hasNull: Bool)
    /// text LIKE a constant pattern with `%`, `_` and `\`.
    case like(Expression, pattern: String)
    /// To the expression's type, as PostgreSQL's cast of that pair.
    case cast(Expression)
    /// A function of the coordinator, over the catalog that the statement is planned under; never in a fragment.
    case hosted(HostedFunction, [Expression])
  }

  /// Makes an expression.
  public init(_ type: DataType, _ node: Node) {
    self.type = type
    self.node = node
  }
  /// A column of the input.
  public static func column(_ index: Int, _ type: DataType) -> Expression { Expression(type, .column(index)) }
  /// A constant.
  public static func constant(_ type: DataType, _ value: Value) -> Expression { Expression(type, .constant(value)) }
  /// A boolean constant.
  public static func boolean(_ value: Bool) -> Expression { .constant(.boolean, .fixed(value ? 1 : 0)) }
}

/// WHEN condition THEN result.
public struct CaseBranch: Sendable {
  /// When TRUE …
  public var condition: Expression
  /// … this is the result; of the CASE's type.
  public var result: Expression
  /// Makes a branch.
  public init(condition: Expression, result: Expression) {
    self.condition = condition
    self.result = result
  }
}

extension Expression {
  /// The constant's value, if it is one.
  public var constantValue: Value? {
    if case .constant(let value) = node { return value }
    return nil
  }
  /// The column's index, if it is a bare column.
  public var columnIndex: Int? {
    if case .column(let index) = node { return index }
    return nil
  }
  /// Direct operands, in order of evaluation.
  public var operands: [Expression] {
    switch node {
    case .column, .constant, .parameter: []
    case .call(_, let arguments), .hosted(_, let arguments): arguments
    case .and(let parts), .or(let parts), .coalesce(let parts): parts
    case .not(let inner), .isNull(let inner), .cast(let inner): [inner]
    case .inList(let inner, _, _), .like(let inner, _): [inner]
    case .caseWhen(let branches, let otherwise):
      branches.flatMap { [$0.condition, $0.result] } + (otherwise.map { [$0] } ?? [])
    }
  }
  /// The same expression with each direct operand replaced.
  public func mapOperands<E: Error>(_ change: (Expression) throws(E) -> Expression) throws(E) -> Expression {
    func all(_ list: [Expression]) throws(E) -> [Expression] {
      var result: [Expression] = []
      for item in list { result.append(try change(item)) }
      return result
    }
    var copy = self
    switch node {
    case .column, .constant, .parameter: break
    case .call(let function, let arguments): copy.node = .call(function, try all(arguments))
    case .hosted(let function, let arguments): copy.node = .hosted(function, try all(arguments))
    case .and(let parts): copy.node = .and(try all(parts))
    case .or(let parts): copy.node = .or(try all(parts))
    case .coalesce(let parts): copy.node = .coalesce(try all(parts))
    case .not(let inner): copy.node = .not(try change(inner))
    case .isNull(let inner): copy.node = .isNull(try change(inner))
    case .cast(let inner): copy.node = .cast(try change(inner))
    case .inList(let inner, let values, let hasNull):
      copy.node = .inList(try change(inner), values, hasNull: hasNull)
    case .like(let inner, let pattern): copy.node = .like(try change(inner), pattern: pattern)
    case .caseWhen(let branches, let otherwise):
      var fresh: [CaseBranch] = []
      for branch in branches {
        fresh.append(CaseBranch(condition: try change(branch.condition), result: try change(branch.result)))
      }
      var last: Expression?
      if let otherwise { last = try change(otherwise) }
      copy.node = .caseWhen(fresh, otherwise: last)
    }
    return copy
  }
  /// The same expression over renumbered columns.
  public func renumbered(_ index: (Int) -> Int) -> Expression {
    if case .column(let old) = node { return Expression(type, .column(index(old))) }
    return mapOperands { $0.renumbered(index) }
  }
  /// The same expression with columns replaced by expressions: what a projection's consumer means in terms of its input.
  public func substituting(_ columns: [Expression]) -> Expression {
    if case .column(let index) = node { return columns[index] }
    return mapOperands { $0.substituting(columns) }
  }
  /// Adds the columns it reads to a set.
  public func collectColumns(into set: inout Set<Int>) {
    if case .column(let index) = node {
      set.insert(index)
    } else {
      for operand in operands { operand.collectColumns(into: &set) }
    }
  }
  /// The columns it reads.
  public var columnsRead: Set<Int> {
    var set: Set<Int> = []
    collectColumns(into: &set)
    return set
  }
  /// The parts of a conjunction, or the expression itself.
  public var conjuncts: [Expression] {
    if case .and(let parts) = node { return parts.flatMap(\.conjuncts) }
    return [self]
  }
  /// The conjunction of conditions; nil for none.
  public static func conjunction(_ parts: [Expression]) -> Expression? {
    switch parts.count {
    case 0: nil
    case 1: parts[0]
    default: Expression(.boolean, .and(parts))
    }
  }
}
