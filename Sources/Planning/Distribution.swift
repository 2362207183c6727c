// Distribution.swift — splits a logical plan into fragments for workers and a plan for the coordinator.
//
// Works upward from the scans. A subplan stays on the workers while every shard (or any union of shards) can do its part alone;
// where it cannot, it is cut: what lies below becomes a fragment, its rows the coordinator's input.
import Bytes
public import Model

struct Distribution {
  let catalog: CatalogSnapshot
  private var fragments: [Fragment] = []
  private var hasPartials = false

  /// Where a subplan runs.
  private enum Placement {
    case coordinator(PlanNode)
    case shards(Sharded)
  }
  private struct Sharded {
    var plan: PlanNode
    var group: GroupID
    /// All rows have tenants of this hash.
    var hash: UInt64?
    /// Output column that holds the tenant key.
    var tenant: Int?
  }

  private init(catalog: CatalogSnapshot) { self.catalog = catalog }

  /// Distributes a rewritten plan. `output` names what the client sees.
  static func distributed(
    _ plan: PlanNode,
    output: [OutputColumn],
    catalog: CatalogSnapshot
  ) throws(TallyError) -> DistributedPlan {
    var distribution = Distribution(catalog: catalog)
    let top = distribution.onCoordinator(try distribution.place(plan))
    let fragments = distribution.fragments
    var planClass = PlanClass.pushDown
    if fragments.isEmpty {
      planClass = .coordinatorOnly
    } else if fragments.count == 1, case .one = fragments[0].shards, case .fragmentInput = top {
      planClass = .router
    } else if distribution.hasPartials {
      planClass = .twoPhase
    }
    return DistributedPlan(planClass: planClass, fragments: fragments, coordinatorPlan: top, output: output)
  }

  /// Cuts a subplan off: its rows come to the coordinator.
  private mutating func onCoordinator(_ placement: Placement) -> PlanNode {
    switch placement {
    case .coordinator(let plan): return plan
    case .shards(let part):
      let shards: FragmentShards = if let hash = part.hash { .one(hash: hash) } else { .all }
      fragments.append(Fragment(plan: part.plan, group: part.group, shards: shards))
      return .fragmentInput(FragmentInputNode(fragment: fragments.count - 1, output: part.plan.columns))
    }
  }

  private mutating func place(_ plan: PlanNode) throws(TallyError) -> Placement {
    switch plan {
    case .scan(let scan): return .shards(try self.scan(scan))
    case .values, .fragmentInput: return .coordinator(plan)
    case .join, .window, .setOperation, .distinctOn, .tableFunction, .shared, .recursive, .workingRows, .systemScan:
      fatalError("SKELETON")
    case .filter(var node):
      switch try place(node.input) {
      case .coordinator(let input):
        node.input = input
        return .coordinator(.filter(node))
      case .shards(var part):
        node.input = part.plan
        part.plan = .filter(node)
        return .shards(part)
      }
    case .project(var node):
      switch try place(node.input) {
      case .coordinator(let input):
        node.input = input
        return .coordinator(.project(node))
      case .shards(var part):
        node.input = part.plan
        if let tenant = part.tenant { part.tenant = node.expressions.firstIndex { $0.columnIndex == tenant } }
        part.plan = .project(node)
        return .shards(part)
      }
    case .expandTopN(var node):
      switch try place(node.input) {
      case .coordinator(let input):
        node.input = input
        return .coordinator(.expandTopN(node))
      case .shards(var part):
        node.input = part.plan
        part.plan = .expandTopN(node)
        return .shards(part)
      }
    case .unionAll(let inputs): return try union(inputs)
    case .aggregate(let node): return try aggregate(node)
    case .sort(let node): return try sort(node)
    case .limit(let node): return try limit(node)
    }
  }

  private func scan(_ scan: ScanNode) throws(TallyError) -> Sharded {
    guard let group = Relations.group(of: scan.source, catalog: catalog),
      let tenant = Relations.tenantColumn(of: scan.source, catalog: catalog)
    else { throw TallyError(.staleCatalog, "the relation of a scan is not in the catalog") }
    let place = scan.storedColumns.firstIndex(of: tenant)
    var hash: UInt64?
    if let place {
      for condition in scan.filter?.conjuncts ?? [] {
        if let value = fixedValue(condition, place) { hash = TenantHash.hash(value) }
      }
    }
    return Sharded(plan: .scan(scan), group: group, hash: hash, tenant: place)
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

  private mutating func union(_ inputs: [PlanNode]) throws(TallyError) -> Placement {
    var placements: [Placement] = []
    for input in inputs { placements.append(try place(input)) }
    var parts: [Sharded] = []
    for placement in placements { if case .shards(let part) = placement { parts.append(part) } }
    if let first = parts.first, parts.count == inputs.count,
      parts.allSatisfy({ $0.group == first.group && $0.hash == first.hash })
    {
      let tenant = parts.allSatisfy { $0.tenant == first.tenant } ? first.tenant : nil
      return .shards(
        Sharded(plan: .unionAll(parts.map(\.plan)), group: first.group, hash: first.hash, tenant: tenant)
      )
    }
    var sources: [PlanNode] = []
    for placement in placements { sources.append(onCoordinator(placement)) }
    return .coordinator(.unionAll(sources))
  }

  private mutating func aggregate(_ node: AggregateNode) throws(TallyError) -> Placement {
    var node = node
    switch try place(node.input) {
    case .coordinator(let input):
      node.input = input
      return .coordinator(.aggregate(node))
    case .shards(var part):
      node.input = part.plan
      let tenantGroup = part.tenant.flatMap { tenant in node.groups.firstIndex { $0.columnIndex == tenant } }
      // Groups of one tenant lie in one shard: each shard finishes its own.
      if part.hash != nil || tenantGroup != nil {
        part.plan = .aggregate(node)
        part.tenant = tenantGroup
        return .shards(part)
      }
      part.plan = .aggregate(node)
      part.tenant = nil
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
