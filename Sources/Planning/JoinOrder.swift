// JoinOrder.swift — inner joins of several relations: their conditions together, constants along equalities, and an order.
//
// The order is greedy: from the greatest input on, always the smallest of those that a key ties to what is joined already; tables of
// one colocation group by their tenant keys first, so that shards can join them. What is small stands on the right, where a join keeps
// it in memory. Estimates are crude: rows of a table are not known, only that conditions make fewer of them.
import Model

struct JoinOrder {
  let rewriting: PlanRewriting

  /// An input, with the number of its first column.
  private struct Leaf {
    var plan: PlanNode
    var first: Int
    var width: Int
    var rows = 0.0
    /// Columns that hold the tenant key of a group.
    var tenants: Set<Int> = []
    var group: GroupID?
  }

  /// A tree of inner joins and filters under conditions.
  func ordered(_ plan: PlanNode, _ above: [Expression]) -> PlanNode {
    let columns = plan.columns
    var leaves: [Leaf] = []
    var conditions: [Expression] = []
    flatten(plan, 0, &leaves, &conditions)
    conditions += above
    conditions = conditions.filter { if case .fixed(1)? = $0.constantValue { false } else { true } }
    conditions += constants(conditions, leaves, columns)

    var owner = [Int](repeating: 0, count: columns.count)
    for (index, leaf) in leaves.enumerated() {
      for column in leaf.first..<(leaf.first + leaf.width) { owner[column] = index }
    }
    var own = [[Expression]](repeating: [], count: leaves.count)
    var rest: [Expression] = []
    for condition in conditions {
      let owners = Set(condition.columnsRead.map { owner[$0] })
      switch owners.count {
      case 0: own[0].append(condition)
      case 1:
        let index = owners.first ?? 0
        own[index].append(condition.renumbered { $0 - leaves[index].first })
      default: rest.append(condition)
      }
    }
    for index in leaves.indices {
      leaves[index].plan = rewriting.pushed(leaves[index].plan, own[index])
      leaves[index].rows = Cardinality.rows(leaves[index].plan)
      let tenant = TenantColumns.find(leaves[index].plan, rewriting.catalog)
      leaves[index].tenants = Set(tenant.columns.map { $0 + leaves[index].first })
      leaves[index].group = tenant.group
    }
    return joined(leaves, rest, owner, columns)
  }

  private func flatten(_ plan: PlanNode, _ offset: Int, _ leaves: inout [Leaf], _ conditions: inout [Expression]) {
    switch plan {
    case .join(let node) where node.kind == .inner && !node.keys.contains { $0.matchesNulls }:
      let left = node.left.columns.count
      flatten(node.left, offset, &leaves, &conditions)
      flatten(node.right, offset + left, &leaves, &conditions)
      for key in node.keys {
        let sides = [key.left.renumbered { $0 + offset }, key.right.renumbered { $0 + offset + left }]
        conditions.append(Expression(.boolean, .call(.equal, sides)))
      }
      conditions += (node.condition?.conjuncts ?? []).map { $0.renumbered { $0 + offset } }
    case .filter(let node):
      flatten(node.input, offset, &leaves, &conditions)
      conditions += node.condition.conjuncts.map { $0.renumbered { $0 + offset } }
    default: leaves.append(Leaf(plan: plan, first: offset, width: plan.columns.count))
    }
  }

  /// What follows from equalities of columns of which one is fixed.
  private func constants(_ conditions: [Expression], _ leaves: [Leaf], _ columns: [OutputColumn]) -> [Expression] {
    var classOf: [Int: Int] = [:]
    var classes: [[Int]] = []
    func place(_ column: Int) -> Int {
      if let known = classOf[column] { return known }
      classOf[column] = classes.count
      classes.append([column])
      return classes.count - 1
    }
    for condition in conditions {
      guard case .call(.equal, let sides) = condition.node, sides.count == 2, let a = sides[0].withoutWidening.columnIndex,
        let b = sides[1].withoutWidening.columnIndex
      else { continue }
      let (x, y) = (place(a), place(b))
      guard x != y else { continue }
      for column in classes[y] { classOf[column] = x }
      classes[x] += classes[y]
      classes[y] = []
    }
    var result: [Expression] = []
    for members in classes where members.count > 1 {
      var found: Expression?
      var fixed: Set<Int> = []
      for column in members {
        let leaf = leaves.first { column >= $0.first && column < $0.first + $0.width }
        let inside = leaf.flatMap { PlanRewriting.constant(of: column - $0.first, in: $0.plan, []) }
        let own =
          conditions.lazy.compactMap { PlanRewriting.fixedColumn($0) }.first { $0.column.columnIndex == column }?.constant ?? inside
        guard let own else { continue }
        fixed.insert(column)
        found = found ?? own
      }
      guard let found else { continue }
      for column in members where !fixed.contains(column) {
        if let equality = PlanRewriting.equality(.column(column, columns[column].type), found) { result.append(equality) }
      }
    }
    return result
  }

  private func joined(_ leaves: [Leaf], _ conditions: [Expression], _ owner: [Int], _ columns: [OutputColumn]) -> PlanNode {
    var remaining = Array(leaves.indices)
    var rest = conditions
    // Of several equally great ones the first: small statements keep their order.
    let start = remaining.max { leaves[$0].rows < leaves[$1].rows || (leaves[$0].rows == leaves[$1].rows && $0 > $1) } ?? 0
    remaining.removeAll { $0 == start }
    var plan = leaves[start].plan
    var rows = leaves[start].rows
    var places = Array(leaves[start].first..<(leaves[start].first + leaves[start].width))
    var done: Set<Int> = [start]
    var tenants = leaves[start].tenants
    let group = leaves[start].group

    /// Keys between what is joined and a leaf: the columns of each side.
    func ties(_ leaf: Int) -> [(Expression, Expression)] {
      rest.compactMap { condition -> (Expression, Expression)? in
        guard case .call(.equal, let sides) = condition.node, sides.count == 2, !condition.isHosted else { return nil }
        let owners = sides.map { Set($0.columnsRead.map { owner[$0] }) }
        guard !owners[0].isEmpty, !owners[1].isEmpty else { return nil }
        if owners[0].isSubset(of: done), owners[1] == [leaf] { return (sides[0], sides[1]) }
        if owners[1].isSubset(of: done), owners[0] == [leaf] { return (sides[1], sides[0]) }
        return nil
      }
    }
    while !remaining.isEmpty {
      func rank(_ leaf: Int) -> (Int, Double, Int) {
        let ties = ties(leaf)
        let isLocal =
          group != nil && leaves[leaf].group == group
          && ties.contains { pair in
            pair.0.withoutWidening.columnIndex.map { tenants.contains($0) } ?? false
              && pair.1.withoutWidening.columnIndex.map { leaves[leaf].tenants.contains($0) } ?? false
          }
        return (isLocal ? 0 : ties.isEmpty ? 2 : 1, leaves[leaf].rows, leaf)
      }
      let next = remaining.min { rank($0) < rank($1) } ?? remaining[0]
      if rank(next).0 == 0 { tenants.formUnion(leaves[next].tenants) }
      remaining.removeAll { $0 == next }
      done.insert(next)
      let leaf = leaves[next]
      let own = Array(leaf.first..<(leaf.first + leaf.width))
      let isSwapped = rows < leaf.rows
      let order = isSwapped ? own + places : places + own
      var at: [Int: Int] = [:]
      for (index, column) in order.enumerated() { at[column] = index }
      let ready = rest.filter { Set($0.columnsRead.map { owner[$0] }).isSubset(of: done) }
      rest.removeAll { Set($0.columnsRead.map { owner[$0] }).isSubset(of: done) }
      let left = isSwapped ? leaf.width : places.count
      var node = JoinNode(.inner, left: isSwapped ? leaf.plan : plan, right: isSwapped ? plan : leaf.plan, keys: [])
      var other: [Expression] = []
      var above: [Expression] = []
      for condition in ready {
        let moved = condition.renumbered { at[$0] ?? $0 }
        if let key = PlanRewriting.key(moved, left) {
          node.keys.append(key)
        } else if moved.isHosted {
          above.append(moved)
        } else {
          other.append(moved)
        }
      }
      node.condition = Expression.conjunction(other)
      plan = rewriting.filtered(.join(node), above)
      rows = Cardinality.joined(rows, leaf.rows, keys: node.keys.count)
      places = order
    }
    if places == Array(columns.indices) { return plan }
    var at = [Int](repeating: 0, count: columns.count)
    for (index, column) in places.enumerated() { at[column] = index }
    return plan.selecting(at)
  }
}

/// Rows that a plan may give, as a number to compare with others.
enum Cardinality {
  static func rows(_ plan: PlanNode) -> Double {
    switch plan {
    case .scan(let node):
      let base = if case .table = node.source { 1e6 } else { 1e5 }
      return max(1, base * selectivity(node.filter))
    case .values(let node): return Double(node.rows.count)
    case .filter(let node): return max(1, rows(node.input) * selectivity(node.condition))
    case .aggregate(let node): return node.groups.isEmpty ? 1 : max(1, rows(node.input) / 10)
    case .limit(let node): return min(rows(node.input), node.count.map(Double.init) ?? .infinity)
    case .sort(let node): return min(rows(node.input), node.first.map(Double.init) ?? .infinity)
    case .project(let node): return rows(node.input)
    case .window(let node): return rows(node.input)
    case .distinctOn(let node): return rows(node.input) / 10
    case .setOperation(let node): return rows(node.left)
    case .unionAll(let inputs): return inputs.reduce(0) { $0 + rows($1) }
    case .expandTopN(let node): return rows(node.input) * Double(node.count)
    case .tableFunction(let node): return rows(node.input) * 100
    case .shared(let node): return rows(node.input)
    case .recursive(let node): return rows(node.base) * 10
    case .workingRows: return 100
    case .systemScan: return 1000
    case .fragmentInput: return 1e5
    case .join(let node):
      let left = rows(node.left)
      switch node.kind {
      case .semi, .anti: return left / 2
      case .mark, .single, .left: return left
      default: return joined(left, rows(node.right), keys: node.keys.count)
      }
    }
  }
  static func joined(_ left: Double, _ right: Double, keys: Int) -> Double { keys > 0 ? max(left, right) : left * right }
  private static func selectivity(_ condition: Expression?) -> Double {
    (condition?.conjuncts ?? []).reduce(1.0) { result, part in
      switch part.node {
      case .call(.equal, _), .inList, .isNull: result * 0.05
      case .call(let function, _) where function.isComparison: result * 0.4
      default: result * 0.5
      }
    }
  }
}

/// Columns of a plan that hold the tenant key of the tables that it reads.
enum TenantColumns {
  static func find(_ plan: PlanNode, _ catalog: CatalogSnapshot) -> (columns: Set<Int>, group: GroupID?) {
    switch plan {
    case .scan(let node):
      let stored = Relations.tenantColumn(of: node.source, catalog: catalog)
      let columns = node.storedColumns.indices.filter { node.storedColumns[$0] == stored }
      return (Set(columns), Relations.group(of: node.source, catalog: catalog))
    case .filter(let node): return find(node.input, catalog)
    case .sort(let node): return find(node.input, catalog)
    case .window(let node): return find(node.input, catalog)
    case .project(let node):
      let inner = find(node.input, catalog)
      let columns = node.expressions.indices.filter { index in
        node.expressions[index].columnIndex.map { inner.columns.contains($0) } ?? false
      }
      return (Set(columns), inner.group)
    case .aggregate(let node):
      let inner = find(node.input, catalog)
      let columns = node.groups.indices.filter { index in
        node.groups[index].columnIndex.map { inner.columns.contains($0) } ?? false
      }
      return (Set(columns), inner.group)
    case .join(let node) where node.kind != .right && node.kind != .full: return find(node.left, catalog)
    default: return ([], nil)
    }
  }
}
