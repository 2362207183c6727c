// SetOperationNode.swift — INTERSECT and EXCEPT, and DISTINCT ON. (UNION ALL is a plan node of its own; UNION is an aggregate without
// calls over it.)

/// Rows of two inputs with the same types, compared whole; NULLs are equal.
public struct SetOperationNode: Sendable {
  /// Which rows stay.
  public enum Kind: UInt8, Sendable {
    /// Those in both: once, or with ALL as often as in the rarer input.
    case intersect = 1
    /// Those of the left that are not in the right: once, or with ALL as often as the left has more of them.
    case except = 2
  }
  /// Kind.
  public var kind: Kind
  /// ALL.
  public var isAll: Bool
  /// Names come from here.
  public var left: PlanNode
  /// The other.
  public var right: PlanNode
  /// Makes an operation.
  public init(_ kind: Kind, isAll: Bool, left: PlanNode, right: PlanNode) {
    self.kind = kind
    self.isAll = isAll
    self.left = left
    self.right = right
  }
}

/// DISTINCT ON: of rows that come sorted by at least these columns (in any order of them), the first of each run of equal ones.
public struct DistinctOnNode: Sendable {
  /// Sorted rows.
  public var input: PlanNode
  /// Columns that are compared; NULLs are equal.
  public var columns: [Int]
  /// Makes a node.
  public init(input: PlanNode, columns: [Int]) {
    self.input = input
    self.columns = columns
  }
}
