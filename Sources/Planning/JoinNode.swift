// JoinNode.swift — joins, and the forms of them that subqueries become.
//
// Literature: Neumann, Kemper, "Unnesting Arbitrary Queries", BTW 2015 (single and mark joins).
import Model

/// Combines rows of two inputs.
public struct JoinNode: Sendable {
  /// What comes out for matching and for lonely rows.
  public enum Kind: UInt8, Sendable, CaseIterable {
    /// Each pair that matches: left columns, right columns.
    case inner = 1
    /// Also left rows without a match, with NULLs.
    case left = 2
    /// Also right rows without a match, with NULLs.
    case right = 3
    /// Both.
    case full = 4
    /// Left rows that have a match, once: left columns.
    case semi = 5
    /// Left rows that have none: left columns.
    case anti = 6
    /// As `left`, but a left row with several matches is an error: 21000 "more than one row returned by a subquery used as an
    /// expression". What a scalar subquery is.
    case single = 7
    /// All left rows, once: left columns, then a boolean that tells whether there is a match. What EXISTS and IN are.
    case mark = 8
  }
  /// A pair of expressions that must be equal, of one type.
  public struct Key: Sendable {
    /// Over the left columns.
    public var left: Expression
    /// Over the right columns.
    public var right: Expression
    /// NULL matches NULL (IS NOT DISTINCT FROM); otherwise it matches nothing.
    public var matchesNulls: Bool
    /// Of a mark join: a comparison with NULL makes the mark NULL where nothing matches (IN); at most one key of a join has it.
    public var marksNulls: Bool
    /// Makes a pair.
    public init(left: Expression, right: Expression, matchesNulls: Bool = false, marksNulls: Bool = false) {
      self.left = left
      self.right = right
      self.matchesNulls = matchesNulls
      self.marksNulls = marksNulls
    }
  }
  /// Kind.
  public var kind: Kind
  /// Its rows keep their order where the kind is not right or full.
  public var left: PlanNode
  /// What is gathered in memory.
  public var right: PlanNode
  /// All must be equal; without keys every pair is tried.
  public var keys: [Key]
  /// What else a pair must meet: over the left columns, then the right ones.
  public var condition: Expression?
  /// Makes a join.
  public init(_ kind: Kind, left: PlanNode, right: PlanNode, keys: [Key], condition: Expression? = nil) {
    self.kind = kind
    self.left = left
    self.right = right
    self.keys = keys
    self.condition = condition
  }
  /// Output columns.
  public var output: [OutputColumn] {
    switch kind {
    case .inner, .left, .right, .full, .single: left.columns + right.columns
    case .semi, .anti: left.columns
    case .mark: left.columns + [OutputColumn("mark", .boolean)]
    }
  }
}
