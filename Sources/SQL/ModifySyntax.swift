// ModifySyntax.swift — statements that change rows, as written: INSERT with ON CONFLICT, UPDATE, DELETE, and their RETURNING.

/// INSERT … VALUES, INSERT … SELECT or INSERT … DEFAULT VALUES.
public struct InsertSyntax: Sendable {
  /// OVERRIDING … VALUE.
  public enum Overriding: Sendable {
    /// Given values of GENERATED ALWAYS columns are taken.
    case system
    /// Given values of identity columns are left out.
    case user
  }
  /// The table.
  public var table: NameSyntax
  /// Its alias.
  public var alias: String? = nil
  /// The column list; nil when absent.
  public var columns: [NameSyntax]?
  /// Rows; nil stands for DEFAULT. DEFAULT VALUES is one row without expressions.
  public var rows: [[ExpressionSyntax?]]
  /// The query that gives them instead.
  public var query: SelectSyntax?
  /// WITH before INSERT: for the query.
  public var with: WithSyntax? = nil
  /// OVERRIDING … VALUE.
  public var overriding: Overriding? = nil
  /// ON CONFLICT.
  public var conflict: ConflictSyntax? = nil
  /// RETURNING; nil when absent.
  public var returning: [PlainSelectSyntax.Item]? = nil
}

/// ON CONFLICT.
public struct ConflictSyntax: Sendable {
  /// What it is about.
  public enum Target: Sendable {
    /// Columns, and the condition behind them.
    case columns([NameSyntax], condition: ExpressionSyntax?)
    case constraint(NameSyntax)
  }
  /// What happens.
  public enum Action: Sendable {
    case nothing
    case update([AssignmentSyntax], condition: ExpressionSyntax?)
  }
  /// What it is about; nil for any key.
  public var target: Target?
  /// What happens.
  public var action: Action
  /// In characters from 1.
  public var position: Int
}

/// An item of SET.
public struct AssignmentSyntax: Sendable {
  /// What is assigned.
  public enum Source: Sendable {
    /// To one column; nil is DEFAULT.
    case value(ExpressionSyntax?)
    /// `(a, b) = (SELECT …)`.
    case query(SelectSyntax, position: Int)
  }
  /// Columns: one, or as many as the query gives.
  public var columns: [NameSyntax]
  /// What is assigned.
  public var source: Source
}

/// UPDATE.
public struct UpdateSyntax: Sendable {
  /// The table.
  public var table: NameSyntax
  /// Its alias.
  public var alias: String?
  /// SET.
  public var assignments: [AssignmentSyntax]
  /// FROM.
  public var from: FromSyntax?
  /// WHERE.
  public var condition: ExpressionSyntax?
  /// WITH.
  public var with: WithSyntax?
  /// RETURNING; nil when absent.
  public var returning: [PlainSelectSyntax.Item]?
}

/// DELETE FROM … [USING …] [WHERE …] or TRUNCATE.
public struct DeleteSyntax: Sendable {
  /// The table.
  public var table: NameSyntax
  /// Its alias.
  public var alias: String?
  /// USING.
  public var from: FromSyntax? = nil
  /// WHERE.
  public var condition: ExpressionSyntax?
  /// WITH.
  public var with: WithSyntax? = nil
  /// RETURNING; nil when absent.
  public var returning: [PlainSelectSyntax.Item]? = nil
  /// TRUNCATE.
  public var isTruncate: Bool
}

extension DeleteSyntax {
  /// TRUNCATE of a table.
  public init(truncating table: NameSyntax) { self.init(table: table, isTruncate: true) }
}
