// Distribution+Joins.swift — which joins the shards compute, each its part: co-located ones, and those whose other side is sent along.
//
// A side is sent when it lies on one shard (a reference or local table, one tenant) or on the coordinator (a subquery's result, constants,
// a system relation): its rows are gathered first, by a fragment before, and travel inside of the fragment that reads them. That is right
// where the side that stays keeps its lonely rows, so never with the sent side preserved. Rows of a plan that gives rows' places
// (`ScanNode.placeColumn`) never move; all that is joined to it is sent.
import Model

extension Distribution {
  mutating func join(_ node: JoinNode) throws(TallyError) -> Placement {
    var node = node
    let (left, right) = (try place(node.left), try place(node.right))
    if !isHosted(.join(node)), let placed = joined(node, left, right) { return .shards(placed) }
    node.left = onCoordinator(left)
    node.right = onCoordinator(right)
    return .coordinator(.join(node))
  }

  /// The join as the shards can compute it, each its part; nil where they cannot.
  private mutating func joined(_ node: JoinNode, _ left: Placement, _ right: Placement) -> Sharded? {
    switch (left, right) {
    case (.shards(let part), .coordinator):
      guard node.kind != .right, node.kind != .full, let rows = sent(right) else { return nil }
      return Self.joined(node, part, sent: rows)
    case (.coordinator, .shards(let part)):
      guard node.kind == .inner || node.kind == .right, let rows = sent(left) else { return nil }
      return Self.joined(node, sent: rows, part)
    case (.shards(let a), .shards(let b)):
      if let together = Self.colocated(node, a, b) { return together }
      let (isFixed, isOtherFixed) = (Self.givesPlaces(a.plan), Self.givesPlaces(b.plan))
      if b.hash != nil || isFixed, !isOtherFixed, node.kind != .right, node.kind != .full, let rows = sent(right) {
        return Self.joined(node, a, sent: rows)
      }
      if a.hash != nil || isOtherFixed, !isFixed, node.kind == .inner || node.kind == .right, let rows = sent(left) {
        return Self.joined(node, sent: rows, b)
      }
      return nil
    case (.coordinator, .coordinator): return nil
    }
  }
  private static func joined(_ node: JoinNode, _ part: Sharded, sent rows: PlanNode) -> Sharded {
    var (node, part) = (node, part)
    node.left = part.plan
    node.right = rows
    part.plan = .join(node)
    return part
  }
  /// The rows that are sent are few: they become the right side, which is gathered, and the columns get their places back.
  private static func joined(_ node: JoinNode, sent rows: PlanNode, _ part: Sharded) -> Sharded {
    var part = part
    let (left, right) = (rows.columns.count, part.plan.columns.count)
    let turned = JoinNode(
      node.kind == .right ? .left : .inner,
      left: part.plan,
      right: rows,
      keys: node.keys.map { key in
        var turned = key
        (turned.left, turned.right) = (key.right, key.left)
        return turned
      },
      condition: node.condition?.renumbered { $0 < left ? $0 + right : $0 - left }
    )
    part.plan = PlanNode.join(turned).selecting((0..<left).map { $0 + right } + (0..<right))
    part.tenants = Set(part.tenants.map { $0 + left })
    return part
  }
  /// A join of one group whose rows with equal keys lie in one shard.
  private static func colocated(_ node: JoinNode, _ a: Sharded, _ b: Sharded) -> Sharded? {
    guard a.group == b.group else { return nil }
    var node = node
    let width = a.plan.columns.count
    let isTied = node.keys.contains { key in
      key.left.withoutWidening.columnIndex.map(a.tenants.contains) ?? false
        && key.right.withoutWidening.columnIndex.map(b.tenants.contains) ?? false
    }
    let isOne = a.hash != nil && a.hash == b.hash
    guard isOne || isTied else { return nil }
    let shifted = Set(b.tenants.map { $0 + width })
    var result = Sharded(plan: .join(node), group: a.group)
    switch node.kind {
    case .inner:
      result.hash = a.hash ?? b.hash
      result.tenants = isTied ? a.tenants.union(shifted) : a.tenants
    case .left, .single, .semi, .anti, .mark:
      result.hash = a.hash
      result.tenants = a.tenants
    case .right:
      result.hash = b.hash
      result.tenants = shifted
    case .full:
      guard a.hash == b.hash else { return nil }
      result.hash = a.hash
    }
    node.left = a.plan
    node.right = b.plan
    result.plan = .join(node)
    return result
  }

  // MARK: Rows that are sent

  /// The rows of a subplan as a fragment of other shards gets them; nil where they cannot be known before it.
  private mutating func sent(_ placement: Placement) -> PlanNode? {
    if case .coordinator(let plan) = placement {
      if Self.isConstant(plan) { return plan }
      // Every round of a recursion has rows of its own, and what is shared is computed once, by the coordinator's plan.
      guard sendsRows, !isRepeated, !plan.contains(Self.isShared) else { return nil }
      hasSentRows = true
      if case .fragmentInput = plan { return plan }
      return onCoordinator(.coordinator(plan), asFragment: true)
    }
    guard sendsRows, !isRepeated else { return nil }
    hasSentRows = true
    return onCoordinator(placement)
  }
  private static func isShared(_ plan: PlanNode) -> Bool {
    switch plan {
    case .shared, .workingRows: true
    default: false
    }
  }
  private static func givesPlaces(_ plan: PlanNode) -> Bool {
    plan.contains { node in
      if case .scan(let scan) = node { scan.storedColumns.contains(ScanNode.placeColumn) } else { false }
    }
  }
  private static func isConstant(_ plan: PlanNode) -> Bool {
    switch plan {
    case .values(let node): node.rows.count <= constantRowsMax
    case .project(let node): isConstant(node.input) && !node.expressions.contains(where: \.isHosted)
    case .filter(let node): isConstant(node.input) && !node.condition.isHosted
    default: false
    }
  }
}

extension PlanNode {
  /// The fragments whose rows it reads.
  public var fragmentsRead: Set<Int> {
    var found: Set<Int> = []
    var open = [self]
    while let node = open.popLast() {
      if case .fragmentInput(let input) = node { found.insert(input.fragment) }
      open += node.inputs
    }
    return found
  }
}
