// QuerySyntax.swift — queries as written: SELECT, VALUES, set operations, WITH, FROM items, groups and windows.
import Model

/// A query with what applies to the whole of it.
public struct SelectSyntax: Sendable {
  /// Body.
  public indirect enum Body: Sendable {
    case plain(PlainSelectSyntax)
    case setOperation(SetOperator, isAll: Bool, SelectSyntax, SelectSyntax)
    /// VALUES: rows, and where the word stands.
    case values([[ExpressionSyntax]], position: Int)
  }
  /// How two queries are combined.
  public enum SetOperator: String, Sendable {
    case union = "UNION"
    case intersect = "INTERSECT"
    case except = "EXCEPT"
  }
  /// A sort key.
  public struct SortKey: Sendable {
    /// What to sort by.
    public var expression: ExpressionSyntax
    /// ASC.
    public var isAscending: Bool
    /// NULLS FIRST or LAST as written; nil for the default.
    public var nullsFirst: Bool?
  }
  /// WITH.
  public var with: WithSyntax?
  /// Body.
  public var body: Body
  /// ORDER BY.
  public var orderBy: [SortKey]
  /// LIMIT.
  public var limit: ExpressionSyntax?
  /// OFFSET.
  public var offset: ExpressionSyntax?
  /// FOR UPDATE and its kin, of a statement's own SELECT.
  public var locking: LockingSyntax?
  /// Puts a query together.
  public init(
    body: Body,
    orderBy: [SortKey],
    limit: ExpressionSyntax? = nil,
    offset: ExpressionSyntax? = nil,
    with: WithSyntax? = nil
  ) {
    self.body = body
    self.orderBy = orderBy
    self.limit = limit
    self.offset = offset
    self.with = with
  }
}

/// WITH.
public struct WithSyntax: Sendable {
  /// A named query.
  public struct Item: Sendable {
    /// Its name.
    public var name: NameSyntax
    /// Names of its columns, as far as they are given.
    public var columns: [String]
    /// MATERIALIZED or NOT MATERIALIZED; nil for neither.
    public var isMaterialized: Bool?
    /// The query.
    public var query: SelectSyntax
  }
  /// Queries, each of which may read those before it.
  public var items: [Item]
  /// RECURSIVE: each may read itself.
  public var isRecursive: Bool
}

/// SELECT … FROM … WHERE … GROUP BY … HAVING.
public struct PlainSelectSyntax: Sendable {
  /// A select-list item.
  public struct Item: Sendable {
    /// AS name.
    public var alias: String?
    /// What to compute.
    public var expression: ExpressionSyntax
    /// Puts an item together.
    public init(alias: String?, expression: ExpressionSyntax) {
      self.alias = alias
      self.expression = expression
    }
  }
  /// DISTINCT; with `distinctOn` too.
  public var isDistinct: Bool
  /// DISTINCT ON (…).
  public var distinctOn: [ExpressionSyntax]
  /// The select list; may be empty.
  public var items: [Item]
  /// FROM; several items are cross joins of them.
  public var from: FromSyntax?
  /// WHERE.
  public var condition: ExpressionSyntax?
  /// GROUP BY of plain expressions.
  public var groupBy: [ExpressionSyntax]
  /// The whole of a GROUP BY that has grouping sets; else empty.
  public var groupingSets: [GroupingSyntax]
  /// HAVING.
  public var having: ExpressionSyntax?
  /// WINDOW.
  public var windows: [WindowSyntax]
  /// Puts a SELECT together.
  public init(
    isDistinct: Bool,
    items: [Item],
    from: FromSyntax?,
    condition: ExpressionSyntax?,
    groupBy: [ExpressionSyntax],
    having: ExpressionSyntax?,
    distinctOn: [ExpressionSyntax] = [],
    groupingSets: [GroupingSyntax] = [],
    windows: [WindowSyntax] = []
  ) {
    self.isDistinct = isDistinct
    self.items = items
    self.from = from
    self.condition = condition
    self.groupBy = groupBy
    self.having = having
    self.distinctOn = distinctOn
    self.groupingSets = groupingSets
    self.windows = windows
  }
}

/// An item of a GROUP BY with grouping sets.
public indirect enum GroupingSyntax: Sendable {
  /// `a`, `(a, b)`, `()`: one set.
  case set([ExpressionSyntax])
  case rollup([[ExpressionSyntax]])
  case cube([[ExpressionSyntax]])
  case sets([GroupingSyntax])
}

/// A FROM item.
public indirect enum FromSyntax: Sendable {
  case relation(NameSyntax, alias: String?, columnAliases: [String])
  case subquery(SelectSyntax, alias: String, columnAliases: [String], position: Int, isLateral: Bool)
  case functions(TableFunctionsSyntax)
  case join(JoinSyntax)
}

/// `f(x)`, `ROWS FROM (f(x), g(y))` in FROM.
public struct TableFunctionsSyntax: Sendable {
  /// Calls, with their places.
  public var calls: [ExpressionSyntax]
  /// ROWS FROM.
  public var isRowsFrom: Bool
  /// WITH ORDINALITY.
  public var hasOrdinality: Bool
  /// Alias.
  public var alias: String?
  /// Names of the columns, as far as they are given.
  public var columnAliases: [String]
  /// In characters from 1.
  public var position: Int
  /// Puts functions together.
  public init(
    calls: [ExpressionSyntax],
    isRowsFrom: Bool = false,
    hasOrdinality: Bool = false,
    alias: String? = nil,
    columnAliases: [String] = [],
    position: Int
  ) {
    self.calls = calls
    self.isRowsFrom = isRowsFrom
    self.hasOrdinality = hasOrdinality
    self.alias = alias
    self.columnAliases = columnAliases
    self.position = position
  }
}

/// A join, or two items of a FROM list.
public struct JoinSyntax: Sendable {
  /// Kinds as written.
  public enum Kind: String, Sendable {
    case inner
    case left
    case right
    case full
  }
  /// Kind; CROSS JOIN and the comma are inner joins without a condition.
  public var kind: Kind
  /// Left item.
  public var left: FromSyntax
  /// Right item.
  public var right: FromSyntax
  /// NATURAL.
  public var isNatural: Bool
  /// USING (…).
  public var using: [String]
  /// ON.
  public var condition: ExpressionSyntax?
  /// Alias of a join in parentheses.
  public var alias: String?
  /// Names of its columns, as far as they are given.
  public var columnAliases: [String]
  /// In characters from 1.
  public var position: Int
}

/// A window: of OVER (…), of OVER name, or of the WINDOW clause.
public struct WindowSyntax: Sendable {
  /// Of the WINDOW clause, or of OVER name: its name.
  public var name: String?
  /// The window that it extends.
  public var base: String?
  /// PARTITION BY.
  public var partitionBy: [ExpressionSyntax]
  /// ORDER BY.
  public var orderBy: [SelectSyntax.SortKey]
  /// Frame, if one is written.
  public var frame: FrameSyntax?
  /// In characters from 1.
  public var position: Int
}

/// ROWS, RANGE or GROUPS BETWEEN … AND ….
public struct FrameSyntax: Sendable {
  /// What offsets count.
  public enum Unit: String, Sendable {
    case rows = "ROWS"
    case range = "RANGE"
    case groups = "GROUPS"
  }
  /// A border.
  public enum Bound: Sendable {
    case unboundedPreceding
    case preceding(ExpressionSyntax)
    case currentRow
    case following(ExpressionSyntax)
    case unboundedFollowing
  }
  /// EXCLUDE.
  public enum Exclusion: Sendable {
    case none
    case currentRow
    case group
    case ties
  }
  /// Unit.
  public var unit: Unit
  /// First row.
  public var start: Bound
  /// Last row.
  public var end: Bound
  /// What is left out.
  public var exclusion: Exclusion
}
