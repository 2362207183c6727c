// SharedNode.swift — WITH: a plan that is evaluated once and read in several places, and one that reads itself. On the coordinator only.

/// A plan whose rows are gathered when they are first asked for; every node with its number gives the same rows.
public struct SharedNode: Sendable {
  /// Number within the statement.
  public var id: Int
  /// The same plan in every node of that number.
  public var input: PlanNode
  /// MATERIALIZED: stays shared where it is read only once.
  public var isMaterialized: Bool
  /// Makes a node.
  public init(id: Int, input: PlanNode, isMaterialized: Bool = false) {
    self.id = id
    self.input = input
    self.isMaterialized = isMaterialized
  }
}

/// WITH RECURSIVE: the rows of `base`, then those of `step` over the rows that the last round gave, until a round gives none.
/// UNION (not ALL) leaves out rows that there were before.
public struct RecursiveNode: Sendable {
  /// Number within the statement.
  public var id: Int
  /// First round.
  public var base: PlanNode
  /// Further rounds: reads a `WorkingRowsNode` of this number.
  public var step: PlanNode
  /// UNION instead of UNION ALL.
  public var isDistinct: Bool
  /// Makes a node.
  public init(id: Int, base: PlanNode, step: PlanNode, isDistinct: Bool) {
    self.id = id
    self.base = base
    self.step = step
    self.isDistinct = isDistinct
  }
}

/// In the step of a recursion: the rows of the last round.
public struct WorkingRowsNode: Sendable {
  /// Of the recursion.
  public var id: Int
  /// Columns of its base.
  public var output: [OutputColumn]
  /// Makes a node.
  public init(id: Int, output: [OutputColumn]) {
    self.id = id
    self.output = output
  }
}
