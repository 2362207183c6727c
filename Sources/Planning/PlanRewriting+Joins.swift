// PlanRewriting+Joins.swift — conditions and joins: which side a condition may go to, outer joins that are none, marks that only choose.
import Model

extension PlanRewriting {
  /// A join below conditions over its output.
  func join(_ written: JoinNode, _ conditions: [Expression]) -> PlanNode {
    var node = simplified(written, conditions)
    let left = node.left.columns.count
    let right = node.right.columns.count
    func isLeft(_ condition: Expression) -> Bool { condition.columnsRead.allSatisfy { $0 < left } }
    func isRight(_ condition: Expression) -> Bool {
      let read = condition.columnsRead
      return !read.isEmpty && read.allSatisfy { $0 >= left && $0 < left + right }
    }
    switch node.kind {
    case .inner:
      guard !node.keys.contains(where: { $0.matchesNulls }) else { return matched(node, conditions) }
      return JoinOrder(rewriting: self).ordered(.join(node), conditions)
    case .mark:
      if let chosen = choosing(node, conditions, left) { return chosen }
      return sided(&node, conditions, left, lefts: isLeft, rights: { _ in false })
    case .semi, .anti, .left, .single:
      return sided(&node, conditions, left, lefts: isLeft, rights: { _ in false })
    case .right: return sided(&node, conditions, left, lefts: { _ in false }, rights: isRight)
    case .full: return sided(&node, conditions, left, lefts: { _ in false }, rights: { _ in false })
    }
  }

  /// An inner join whose keys match NULLs: no other order, but its sides get what is theirs.
  private func matched(_ node: JoinNode, _ conditions: [Expression]) -> PlanNode {
    var node = node
    let left = node.left.columns.count
    let all = conditions + (node.condition?.conjuncts ?? [])
    var rest: [Expression] = []
    var (lefts, rights): ([Expression], [Expression]) = ([], [])
    for condition in all {
      let read = condition.columnsRead
      if condition.isHosted {
        rest.append(condition)
      } else if read.allSatisfy({ $0 < left }) {
        lefts.append(condition)
      } else if read.allSatisfy({ $0 >= left }) {
        rights.append(condition.renumbered { $0 - left })
      } else {
        rest.append(condition)
      }
    }
    node.left = pushed(node.left, lefts)
    node.right = pushed(node.right, rights)
    node.condition = nil
    return filtered(.join(node), rest)
  }

  /// Conditions to the sides where they may go, equalities of ON to the keys.
  private func sided(
    _ node: inout JoinNode,
    _ conditions: [Expression],
    _ left: Int,
    lefts: (Expression) -> Bool,
    rights: (Expression) -> Bool
  ) -> PlanNode {
    var toLeft: [Expression] = []
    var toRight: [Expression] = []
    var above: [Expression] = []
    for condition in conditions {
      if lefts(condition) {
        toLeft.append(condition)
      } else if rights(condition) {
        toRight.append(condition.renumbered { $0 - left })
      } else {
        above.append(condition)
      }
    }
    var rest: [Expression] = []
    for part in node.condition?.conjuncts ?? [] {
      let read = part.columnsRead
      if let value = part.constantValue, case .fixed(1) = value { continue }
      // What ON says of one side alone chooses rows of the side that is not kept whole.
      let mayRight = node.kind != .right && node.kind != .full
      let mayLeft = node.kind == .right || node.kind == .semi
      if !read.isEmpty, read.allSatisfy({ $0 >= left }), mayRight {
        toRight.append(part.renumbered { $0 - left })
      } else if !read.isEmpty, read.allSatisfy({ $0 < left }), mayLeft {
        toLeft.append(part)
      } else if let key = Self.key(part, left) {
        node.keys.append(key)
      } else {
        rest.append(part)
      }
    }
    node.condition = Expression.conjunction(rest)
    // A key that one side fixes is fixed on the other: rows with another value match nothing.
    if node.kind != .full {
      for key in node.keys where !key.marksNulls && !key.matchesNulls {
        if node.kind == .right {
          if let fixed = Self.fixed(key.left, as: key.right, in: node.right, toRight) { toLeft.append(fixed) }
        } else if let fixed = Self.fixed(key.right, as: key.left, in: node.left, toLeft) {
          toRight.append(fixed)
        }
      }
    }
    node.left = pushed(node.left, toLeft)
    node.right = pushed(node.right, toRight)
    return filtered(.join(node), above)
  }

  /// An equality of the two sides as a key.
  static func key(_ condition: Expression, _ left: Int) -> JoinNode.Key? {
    guard case .call(.equal, let sides) = condition.node, sides.count == 2 else { return nil }
    let (a, b) = (sides[0].columnsRead, sides[1].columnsRead)
    guard !a.isEmpty, !b.isEmpty, !condition.isHosted else { return nil }
    func shifted(_ expression: Expression) -> Expression { expression.renumbered { $0 - left } }
    if a.allSatisfy({ $0 < left }), b.allSatisfy({ $0 >= left }) { return JoinKeys.key(sides[0], shifted(sides[1])) }
    if b.allSatisfy({ $0 < left }), a.allSatisfy({ $0 >= left }) { return JoinKeys.key(sides[1], shifted(sides[0])) }
    return nil
  }

  // MARK: Kinds

  /// The join as what it is under the conditions: rows that it makes with NULLs and that they reject need not be made.
  private func simplified(_ node: JoinNode, _ conditions: [Expression]) -> JoinNode {
    guard node.kind == .left || node.kind == .right || node.kind == .full else { return node }
    var node = node
    let left = node.left.columns.count
    let rejectsRight = conditions.contains(where: NullRejection(columns: { $0 >= left }).rejects)
    let rejectsLeft = conditions.contains(where: NullRejection(columns: { $0 < left }).rejects)
    switch node.kind {
    case .left: if rejectsRight { node.kind = .inner }
    case .right: if rejectsLeft { node.kind = .inner }
    default:
      if rejectsLeft, rejectsRight {
        node.kind = .inner
      } else if rejectsLeft {
        node.kind = .left
      } else if rejectsRight {
        node.kind = .right
      }
    }
    return node
  }

  /// A mark that a condition asks for alone: the rows that have it, or that have it not.
  private func choosing(_ node: JoinNode, _ conditions: [Expression], _ left: Int) -> PlanNode? {
    for (index, condition) in conditions.enumerated() {
      var chosen = node
      if condition.columnIndex == left {
        chosen.kind = .semi
        for k in chosen.keys.indices { chosen.keys[k].marksNulls = false }
      } else if case .not(let inner) = condition.node, inner.columnIndex == left, !node.keys.contains(where: { $0.marksNulls }) {
        chosen.kind = .anti
      } else {
        continue
      }
      var others = conditions
      others.remove(at: index)
      let low = others.filter { $0.columnsRead.allSatisfy { $0 < left } }
      let above = others.filter { !$0.columnsRead.allSatisfy { $0 < left } }
      let plan = join(chosen, low).appending([.boolean(chosen.kind == .semi)], names: ["mark"])
      return filtered(plan, above)
    }
    return nil
  }

  // MARK: Constants

  /// `target = constant` where `source`, a column of the plan, is fixed by its conditions or filters.
  private static func fixed(
    _ target: Expression,
    as source: Expression,
    in plan: PlanNode,
    _ conditions: [Expression]
  ) -> Expression? {
    guard let column = source.withoutWidening.columnIndex else { return nil }
    let bare = target.withoutWidening
    guard bare.columnIndex != nil, let constant = constant(of: column, in: plan, conditions) else { return nil }
    return equality(bare, constant)
  }
  /// `column = constant`, if the constant is of a type that such a column is compared with as it is.
  static func equality(_ column: Expression, _ constant: Expression) -> Expression? {
    guard constant.isFixed, constant.constantValue?.isNull != true else { return nil }
    let isAlike =
      column.type == constant.type || column.type.isInteger && constant.type.isInteger || column.type.isText && constant.type.isText
    guard isAlike else { return nil }
    return Expression(.boolean, .call(.equal, [column, constant]))
  }
  /// The constant that a condition fixes a bare column to.
  static func fixedColumn(_ condition: Expression) -> (column: Expression, constant: Expression)? {
    switch condition.node {
    case .call(.equal, let sides) where sides.count == 2:
      let (a, b) = (sides[0].withoutWidening, sides[1].withoutWidening)
      if a.columnIndex != nil, b.isFixed { return (a, b) }
      if b.columnIndex != nil, a.isFixed { return (b, a) }
      return nil
    case .inList(let inner, let values, _) where values.count == 1:
      guard inner.columnIndex != nil else { return nil }
      return (inner, .constant(inner.type, values[0]))
    default: return nil
    }
  }
  /// The constant that a plan's column has in all rows, as far as filters on the way down tell.
  static func constant(of column: Int, in plan: PlanNode, _ conditions: [Expression]) -> Expression? {
    for condition in conditions {
      if let fixed = fixedColumn(condition), fixed.column.columnIndex == column { return fixed.constant }
    }
    switch plan {
    case .scan(let node): return node.filter.flatMap { constant(of: column, in: .values(ValuesNode(output: [], rows: [])), $0.conjuncts) }
    case .filter(let node): return constant(of: column, in: node.input, node.condition.conjuncts)
    case .project(let node):
      let expression = node.expressions[column]
      if expression.isFixed { return expression }
      return expression.withoutWidening.columnIndex.flatMap { constant(of: $0, in: node.input, []) }
    case .aggregate(let node):
      guard column < node.groups.count else { return nil }
      return node.groups[column].withoutWidening.columnIndex.flatMap { constant(of: $0, in: node.input, []) }
    case .sort(let node): return constant(of: column, in: node.input, [])
    case .limit(let node): return constant(of: column, in: node.input, [])
    case .distinctOn(let node): return constant(of: column, in: node.input, [])
    case .window(let node): return column < node.input.columns.count ? constant(of: column, in: node.input, []) : nil
    case .join(let node):
      let left = node.left.columns.count
      switch node.kind {
      case .right, .full: return nil
      default: break
      }
      if column < left { return constant(of: column, in: node.left, node.kind == .inner ? node.condition?.conjuncts ?? [] : []) }
      return node.kind == .inner ? constant(of: column - left, in: node.right, []) : nil
    default: return nil
    }
  }
}
