// DistributedPlan.swift — what runs where for one query. Made by Distribution.swift.
public import Model

/// How a query is spread.
public enum PlanClass: String, Sendable {
  /// The tenant key is fixed: the whole query runs on one shard.
  case router
  /// Each shard finishes its part; the coordinator appends, sorts and limits.
  case pushDown = "push-down"
  /// Workers return partial aggregates; the coordinator merges and finishes them.
  case twoPhase = "two-phase"
  /// The coordinator joins, groups or compares rows that it fetched.
  case gather
  /// No table is read.
  case coordinatorOnly = "coordinator"
}

/// Which shards of a group run a fragment.
public enum FragmentShards: Sendable, Equatable {
  case all
  /// The one shard that holds this hash.
  case one(hash: UInt64)
  /// None: the coordinator runs it over the rows of earlier fragments. What it gives is sent along with later ones.
  case coordinator
}

/// The part of a plan that workers run. Its plan may read the rows of earlier fragments (`FragmentInputNode`): they are sent along.
public struct Fragment: Sendable {
  /// What each worker runs over its shards.
  public var plan: PlanNode
  /// Colocation group.
  public var group: GroupID
  /// Shards.
  public var shards: FragmentShards
  /// Makes a fragment.
  public init(plan: PlanNode, group: GroupID, shards: FragmentShards) {
    self.plan = plan
    self.group = group
    self.shards = shards
  }
}

/// A planned query.
public struct DistributedPlan: Sendable {
  /// How it is spread.
  public var planClass: PlanClass
  /// What workers run, in this order where one needs the rows of another.
  public var fragments: [Fragment]
  /// What the coordinator runs over the fragments' rows.
  public var coordinatorPlan: PlanNode
  /// What the client sees: the coordinator plan's columns.
  public var output: [OutputColumn]
  /// Messages for the client beside the answer.
  public var notices: [String]
  /// The same query without rows sent along with fragments, at most one: for when they are too many.
  public var gathered: [DistributedPlan] = []
  /// What gives the rows of the coordinator's own relations.
  public var system: (any SystemCatalog)?
  /// What it holds until the end of its transaction (FOR UPDATE).
  public var lock: TableLock?
  /// Makes a plan.
  public init(
    planClass: PlanClass,
    fragments: [Fragment],
    coordinatorPlan: PlanNode,
    output: [OutputColumn],
    notices: [String] = []
  ) {
    self.planClass = planClass
    self.fragments = fragments
    self.coordinatorPlan = coordinatorPlan
    self.output = output
    self.notices = notices
  }
}
