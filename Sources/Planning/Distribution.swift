// Distribution.swift — splits a logical plan into fragments for workers and a plan for the coordinator.
//
// Works upward from the scans. A subplan stays on the workers while every shard (or any union of shards) can do its part alone; where it
// cannot, it is cut: what lies below becomes a fragment, its rows the coordinator's input. Joins of one colocation group whose keys hold
// the tenant keys, windows and set operations that hold it, stay on the workers (Distribution+Joins.swift); other joins gather both
// sides, each with its filter and no column too many. Functions of the coordinator, its relations, shared and recursive plans stay there.
import Bytes
public import Model

struct Distribution {
  let catalog: CatalogSnapshot
  private(set) var fragments: [Fragment] = []
  private var hasPartials = false
  /// Shared plans that are placed already: their fragments are sent once.
  private var sharedPlans: [Int: PlanNode] = [:]
  /// Numbers for plans that a recursive term reads in every round.
  private var nextShared: Int
  /// Inside a recursive term.
  private(set) var isRepeated = false
  /// Constant rows of at most so many are part of a fragment's plan.
  static let constantRowsMax = 1000
  /// Whether rows may be gathered before a fragment and sent along with it.
  let sendsRows: Bool
  var hasSentRows = false

  /// Where a subplan runs.
  enum Placement {
    case coordinator(PlanNode)
    case shards(Sharded)
  }
  struct Sharded {
    var plan: PlanNode
    var group: GroupID
    /// All rows have tenants of this hash.
    var hash: UInt64?
    /// Output columns that hold the tenant key, none of them NULL: all rows with one value of one of them are of one shard.
    var tenants: Set<Int> = []

    /// Whether rows that are equal in these columns are of one shard.
    func holds(_ columns: [Int]) -> Bool { hash != nil || columns.contains { tenants.contains($0) } }
    var fragment: Fragment {
      let shards: FragmentShards = if let hash { .one(hash: hash) } else { .all }
      return Fragment(plan: plan, group: group, shards: shards)
    }
  }

  init(_ plan: PlanNode, catalog: CatalogSnapshot, sendsRows: Bool = true) {
    self.catalog = catalog
    self.sendsRows = sendsRows
    nextShared = (SharedPlans.inputs(of: plan).keys.max() ?? 0) + 1
  }

  /// Distributes a rewritten plan. `output` names what the client sees.
  static func distributed(
    _ plan: PlanNode,
    output: [OutputColumn],
    catalog: CatalogSnapshot
  ) throws(TallyError) -> DistributedPlan {
    var (result, hasSentRows) = try distributed(plan, output: output, catalog: catalog, sendsRows: true)
    if hasSentRows { result.gathered = [try distributed(plan, output: output, catalog: catalog, sendsRows: false).plan] }
    return result
  }
  /// The plan as the shards of one group can do it, all of it, each its part, and the fragments whose rows are sent along; nil where they
  /// cannot. Rows of other relations are always sent to a scan that gives places (`ScanNode.placeColumn`).
  static func onShards(_ plan: PlanNode, catalog: CatalogSnapshot) throws(TallyError) -> (inputs: [Fragment], fragment: Fragment)? {
    var distribution = Distribution(plan, catalog: catalog)
    guard case .shards(let part) = try distribution.place(plan) else { return nil }
    return (distribution.fragments, part.fragment)
  }
  private static func distributed(
    _ plan: PlanNode,
    output: [OutputColumn],
    catalog: CatalogSnapshot,
    sendsRows: Bool
  ) throws(TallyError) -> (plan: DistributedPlan, hasSentRows: Bool) {
    var distribution = Distribution(plan, catalog: catalog, sendsRows: sendsRows)
    let top = distribution.onCoordinator(try distribution.place(plan))
    let fragments = distribution.fragments
    var planClass = PlanClass.pushDown
    if fragments.isEmpty {
      planClass = .coordinatorOnly
    } else if fragments.count == 1, case .one = fragments[0].shards, case .fragmentInput = top {
      planClass = .router
    } else if distribution.hasPartials {
      planClass = .twoPhase
    } else if top.contains(Self.gathers) {
      planClass = .gather
    }
    let result = DistributedPlan(planClass: planClass, fragments: fragments, coordinatorPlan: top, output: output)
    return (result, distribution.hasSentRows)
  }
  /// Whether a node of the coordinator's plan needs rows that shards have not finished.
  private static func gathers(_ plan: PlanNode) -> Bool {
    switch plan {
    case .join, .window, .setOperation, .aggregate, .shared, .recursive: true
    default: false
    }
  }

  /// Cuts a subplan off: its rows come to the coordinator. `asFragment`: as those of a fragment, before the coordinator's own plan runs.
  mutating func onCoordinator(_ placement: Placement, asFragment: Bool = false) -> PlanNode {
    switch placement {
    case .coordinator(let plan):
      guard asFragment else { return plan }
      fragments.append(Fragment(plan: plan, group: GroupID(0), shards: .coordinator))
      return .fragmentInput(FragmentInputNode(fragment: fragments.count - 1, output: plan.columns))
    case .shards(let part):
      fragments.append(part.fragment)
      let input = PlanNode.fragmentInput(FragmentInputNode(fragment: fragments.count - 1, output: part.plan.columns))
      guard isRepeated else { return input }
      nextShared += 1
      return .shared(SharedNode(id: nextShared - 1, input: input, isMaterialized: true))
    }
  }

  mutating func place(_ plan: PlanNode) throws(TallyError) -> Placement {
    switch plan {
    case .scan(let scan): return try self.scan(scan)
    case .values, .fragmentInput, .workingRows, .systemScan: return .coordinator(plan)
    case .filter, .project, .expandTopN, .tableFunction: return try above(plan)
    case .unionAll(let inputs): return try union(inputs)
    case .aggregate(let node): return try aggregate(node)
    case .sort(let node): return try sort(node)
    case .limit(let node): return try limit(node)
    case .join(let node): return try join(node)
    case .window(var node):
      switch try place(node.input) {
      case .coordinator(let input):
        node.input = input
        return .coordinator(.window(node))
      case .shards(var part):
        guard part.holds(node.partitions), !isHosted(plan) else {
          node.input = onCoordinator(.shards(part))
          return .coordinator(.window(node))
        }
        node.input = part.plan
        part.plan = .window(node)
        return .shards(part)
      }
    case .setOperation(let node): return try setOperation(node)
    case .distinctOn(let node): return try distinctOn(node)
    case .shared(var node):
      if let known = sharedPlans[node.id] { return .coordinator(known) }
      // What is shared is gathered once, outside of any round.
      let outer = isRepeated
      isRepeated = false
      node.input = onCoordinator(try place(node.input))
      isRepeated = outer
      sharedPlans[node.id] = .shared(node)
      return .coordinator(.shared(node))
    case .recursive(var node):
      node.base = onCoordinator(try place(node.base))
      let outer = isRepeated
      isRepeated = true
      node.step = onCoordinator(try place(node.step))
      isRepeated = outer
      return .coordinator(.recursive(node))
    }
  }
  func isHosted(_ plan: PlanNode) -> Bool { plan.ownExpressions.contains(where: \.isHosted) }

  /// Nodes that work row by row: they stay where their input is, unless only the coordinator can compute them.
  private mutating func above(_ plan: PlanNode) throws(TallyError) -> Placement {
    switch try place(plan.inputs[0]) {
    case .coordinator(let input): return .coordinator(plan.mapInputs { _ in input })
    case .shards(var part):
      if isHosted(plan) {
        let input = onCoordinator(.shards(part))
        return .coordinator(plan.mapInputs { _ in input })
      }
      let input = part.plan
      if case .project(let node) = plan {
        part.tenants = Set(
          node.expressions.indices.filter { node.expressions[$0].columnIndex.map(part.tenants.contains) ?? false }
        )
      }
      part.plan = plan.mapInputs { _ in input }
      return .shards(part)
    }
  }

  private func scan(_ scan: ScanNode) throws(TallyError) -> Placement {
    if case .table(let id) = scan.source, let table = catalog.table(id) {
      // Without a place it has no rows.
      if case .local = table.distribution { return .coordinator(.values(ValuesNode(output: scan.output, rows: []))) }
      // A group of one shard: any hash names it.
      if case .single(let group, _) = table.distribution { return .shards(Sharded(plan: .scan(scan), group: group, hash: 0)) }
    }
    guard let group = Relations.group(of: scan.source, catalog: catalog),
      let tenant = Relations.tenantColumn(of: scan.source, catalog: catalog)
    else { throw TallyError(.staleCatalog, "the relation of a scan is not in the catalog") }
    let places = scan.storedColumns.indices.filter { scan.storedColumns[$0] == tenant }
    var hash: UInt64?
    if let place = places.first {
      for condition in scan.filter?.conjuncts ?? [] {
        if let value = fixedValue(condition, place) { hash = TenantHash.hash(value) }
      }
    }
    return .shards(Sharded(plan: .scan(scan), group: group, hash: hash, tenants: Set(places)))
  }
  /// The constant that a condition fixes a column to.
  private func fixedValue(_ condition: Expression, _ column: Int) -> Value? {
    switch condition.node {
    case .call(.equal, let sides):
      if sides[0].columnIndex == column { return sides[1].constantValue }
      if sides[1].columnIndex == column { return sides[0].constantValue }
      return nil
    case .inList(let inner, let values, _):
      return inner.columnIndex == column && values.count == 1 ? values[0] : nil
    default: return nil
    }
  }

  // MARK: Several inputs

  private mutating func union(_ inputs: [PlanNode]) throws(TallyError) -> Placement {
    var placements: [Placement] = []
    for input in inputs { placements.append(try place(input)) }
    var parts: [Sharded] = []
    for placement in placements { if case .shards(let part) = placement { parts.append(part) } }
    if let first = parts.first, parts.count == inputs.count,
      parts.allSatisfy({ $0.group == first.group && $0.hash == first.hash })
    {
      let tenants = parts.reduce(first.tenants) { $0.intersection($1.tenants) }
      return .shards(
        Sharded(plan: .unionAll(parts.map(\.plan)), group: first.group, hash: first.hash, tenants: tenants)
      )
    }
    var sources: [PlanNode] = []
    for placement in placements { sources.append(onCoordinator(placement)) }
    return .coordinator(.unionAll(sources))
  }

  private mutating func setOperation(_ node: SetOperationNode) throws(TallyError) -> Placement {
    var node = node
    let (left, right) = (try place(node.left), try place(node.right))
    if case .shards(var part) = left, case .shards(let other) = right, part.group == other.group, part.hash == other.hash {
      // Equal rows are equal in the tenant key, where both sides have it in one column.
      let common = part.tenants.intersection(other.tenants)
      if part.hash != nil || !common.isEmpty {
        node.left = part.plan
        node.right = other.plan
        part.plan = .setOperation(node)
        return .shards(part)
      }
    }
    node.left = onCoordinator(left)
    node.right = onCoordinator(right)
    return .coordinator(.setOperation(node))
  }

  // MARK: Aggregates

  private mutating func aggregate(_ node: AggregateNode) throws(TallyError) -> Placement {
    var node = node
    switch try place(node.input) {
    case .coordinator(let input):
      node.input = input
      return .coordinator(.aggregate(node))
    case .shards(var part):
      let isHere = isHosted(.aggregate(node))
      let tenantGroups = node.groups.indices.filter { node.groups[$0].columnIndex.map(part.tenants.contains) ?? false }
      // Groups of one tenant lie in one shard: each shard finishes its own.
      if !isHere, part.hash != nil || !tenantGroups.isEmpty {
        node.input = part.plan
        part.plan = .aggregate(node)
        part.tenants = Set(tenantGroups)
        return .shards(part)
      }
      guard !isHere, node.calls.allSatisfy(\.isMergeable) else {
        node.input = onCoordinator(.shards(part))
        return .coordinator(.aggregate(node))
      }
      node.input = part.plan
      part.plan = .aggregate(node)
      part.tenants = []
      hasPartials = true
      let input = onCoordinator(.shards(part))
      let merged = AggregateNode(
        input: input,
        groups: node.groups.indices.map { .column($0, node.groups[$0].type) },
        calls: node.calls.enumerated().map { $1.merging(column: node.groups.count + $0) },
        names: node.names
      )
      return .coordinator(.aggregate(merged))
    }
  }

  // MARK: Order

  private mutating func sort(_ node: SortNode) throws(TallyError) -> Placement {
    var node = node
    switch try place(node.input) {
    case .coordinator(let input):
      node.input = input
      return .coordinator(.sort(node))
    case .shards(var part):
      if part.hash != nil {
        node.input = part.plan
        part.plan = .sort(node)
        return .shards(part)
      }
      if let first = node.first {
        let sorted = PlanNode.sort(SortNode(input: part.plan, keys: node.keys, first: first))
        part.plan = .limit(LimitNode(input: sorted, count: first))
      }
      node.input = onCoordinator(.shards(part))
      return .coordinator(.sort(node))
    }
  }

  private mutating func limit(_ node: LimitNode) throws(TallyError) -> Placement {
    var node = node
    switch try place(node.input) {
    case .coordinator(let input):
      node.input = input
      return .coordinator(.limit(node))
    case .shards(var part):
      if part.hash != nil {
        node.input = part.plan
        part.plan = .limit(node)
        return .shards(part)
      }
      if let count = node.count {
        let (most, overflow) = count.addingReportingOverflow(node.offset)
        if !overflow { part.plan = .limit(LimitNode(input: part.plan, count: most)) }
      }
      node.input = onCoordinator(.shards(part))
      return .coordinator(.limit(node))
    }
  }

  /// Workers keep the first row of each of their runs, the coordinator the first of those.
  private mutating func distinctOn(_ node: DistinctOnNode) throws(TallyError) -> Placement {
    var node = node
    guard case .sort(var sort) = node.input, sort.first == nil else {
      node.input = onCoordinator(try place(node.input))
      return .coordinator(.distinctOn(node))
    }
    switch try place(sort.input) {
    case .coordinator(let input):
      sort.input = input
      node.input = .sort(sort)
      return .coordinator(.distinctOn(node))
    case .shards(var part):
      let keys = sort.keys
      sort.input = part.plan
      part.plan = .distinctOn(DistinctOnNode(input: .sort(sort), columns: node.columns))
      if part.hash != nil { return .shards(part) }
      node.input = .sort(SortNode(input: onCoordinator(.shards(part)), keys: keys))
      return .coordinator(.distinctOn(node))
    }
  }
}

/// The placement hash of a tenant key's value.
public enum TenantHash {
  /// Integers by number, texts by bytes; nil for NULL and types that cannot be a tenant key.
  public static func hash(_ value: Value) -> UInt64? {
    switch value {
    case .fixed(let number): return StableHash.hash(number)
    case .text(let text):
      var text = text
      return text.withUTF8 { StableHash.hash(UnsafeRawBufferPointer($0)) }
    default: return nil
    }
  }
}
