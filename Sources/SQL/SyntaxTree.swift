// SyntaxTree.swift — statements as written, after PostgreSQL's grammar and before any name is looked up.
//
// Only what Tally supports has a shape here; the builder refuses the rest. Every node carries the position of its first
// token, in characters from 1, for error messages.
public import Model

/// One statement of a text.
public struct ParsedStatement: Sendable {
  /// What it says.
  public var statement: Statement
  /// Its text, without the semicolon.
  public var text: String
  /// Makes a statement.
  public init(statement: Statement, text: String) {
    self.statement = statement
    self.text = text
  }
}

/// A statement.
public enum Statement: Sendable {
  case createTable(CreateTableSyntax)
  case dropTable(DropSyntax)
  case createRollup(CreateRollupSyntax)
  case dropRollup(DropSyntax)
  case insert(InsertSyntax)
  case update(UpdateSyntax)
  case delete(DeleteSyntax)
  case createSequence(SequenceSyntax)
  case alterSequence(SequenceSyntax)
  case dropSequence(DropSyntax)
  case select(SelectSyntax)
  case explain(SelectSyntax, analyze: Bool)
  /// EXPLAIN of INSERT, UPDATE or DELETE.
  indirect case explainChange(Statement)
  case copy(CopySyntax)
  case lock(LockSyntax)
  case define(DefinitionSyntax)
  case createFunction(CreateFunctionSyntax)
  case dropFunction(DropFunctionSyntax)
  case doBlock(DoSyntax)
  /// CALL, and where the call stands.
  case call(CallSyntax, position: Int)
}

/// A name with its place.
public struct NameSyntax: Sendable {
  /// The name, folded to lower case unless it was quoted.
  public var name: String
  /// The schema before it.
  public var schema: String? = nil
  /// In characters from 1.
  public var position: Int
  /// Makes a name.
  public init(name: String, schema: String? = nil, position: Int) {
    self.name = name
    self.schema = schema
    self.position = position
  }
  /// As messages show it.
  public var text: String { schema.map { "\($0).\(name)" } ?? name }
}

/// A type name with its modifiers.
public struct TypeSyntax: Sendable {
  /// PostgreSQL's internal name (`int4`, `varchar`, `timestamptz`) or an extension's (`hll`).
  public var name: String
  /// What stands in parentheses.
  public var modifiers: [Int]
  /// `[]` or ARRAY behind it: the name is the elements' type.
  public var isArray = false
  /// In characters from 1.
  public var position: Int
}

/// CREATE TABLE.
public struct CreateTableSyntax: Sendable {
  /// A column.
  public struct Column: Sendable {
    /// Its name.
    public var name: NameSyntax
    /// Its type.
    public var type: TypeSyntax
    /// NOT NULL.
    public var isNotNull: Bool
    /// DEFAULT.
    public var defaultValue: ExpressionSyntax?
    /// Text of the DEFAULT expression.
    public var defaultText: String?
    /// GENERATED … AS IDENTITY.
    public var identity: IdentitySyntax? = nil
  }
  /// Table name.
  public var table: NameSyntax
  /// IF NOT EXISTS.
  public var ifNotExists: Bool
  /// Columns in order.
  public var columns: [Column]
  /// PRIMARY KEY, UNIQUE and CHECK of columns and of the table, in written order.
  public var constraints: [ConstraintSyntax] = []
  /// WITH (…).
  public var options: [OptionSyntax]
  /// TEMPORARY: what becomes of it at the end of a transaction; nil for a table that lasts.
  public var temporary: OnCommit?
  /// LIKE clauses, in order.
  public var likes: [Like] = []
  /// PARTITION BY RANGE (column).
  public var partitioned: NameSyntax?

  /// `LIKE table INCLUDING …`: the columns of another table.
  public struct Like: Sendable {
    /// Before which of the columns they stand.
    public var place: Int
    /// The other table.
    public var table: NameSyntax
    /// INCLUDING DEFAULTS.
    public var hasDefaults: Bool
    /// INCLUDING CONSTRAINTS: checks.
    public var hasChecks: Bool
    /// INCLUDING INDEXES: keys.
    public var hasKeys: Bool
  }
}

/// `name` or `name = value` in WITH (…).
public struct OptionSyntax: Sendable {
  /// Option name.
  public var name: NameSyntax
  /// Value as text; nil when absent.
  public var value: String?
}

/// DROP TABLE or DROP MATERIALIZED VIEW.
public struct DropSyntax: Sendable {
  /// What to drop.
  public var names: [NameSyntax]
  /// IF EXISTS.
  public var ifExists: Bool
}

/// CREATE MATERIALIZED VIEW … WITH (rollup, …) AS SELECT.
public struct CreateRollupSyntax: Sendable {
  /// Rollup name.
  public var name: NameSyntax
  /// IF NOT EXISTS.
  public var ifNotExists: Bool
  /// WITH (…).
  public var options: [OptionSyntax]
  /// The defining query.
  public var select: SelectSyntax
  /// Its text.
  public var selectText: String
}

/// An expression with its place.
public struct ExpressionSyntax: Sendable {
  /// What it is.
  public var kind: Kind
  /// In characters from 1.
  public var position: Int
  /// Makes an expression.
  public init(kind: Kind, position: Int) {
    self.kind = kind
    self.position = position
  }

  /// Kinds of expressions.
  public indirect enum Kind: Sendable {
    /// `a`, `t.a`.
    case column([String])
    /// `*`, `t.*`.
    case star(qualifier: String?)
    case integer(Int32)
    /// A number that is no 32-bit integer, as written.
    case decimal(String)
    case string(String)
    case boolean(Bool)
    case null
    /// `$n`.
    case parameter(Int)
    case prefix(String, ExpressionSyntax)
    case infix(String, ExpressionSyntax, ExpressionSyntax)
    case and([ExpressionSyntax])
    case or([ExpressionSyntax])
    case not(ExpressionSyntax)
    case isNull(ExpressionSyntax, negated: Bool)
    /// IS [NOT] TRUE, FALSE; nil for UNKNOWN.
    case isBoolean(ExpressionSyntax, Bool?, negated: Bool)
    case between(ExpressionSyntax, ExpressionSyntax, ExpressionSyntax, negated: Bool)
    case inList(ExpressionSyntax, [ExpressionSyntax], negated: Bool)
    case like(ExpressionSyntax, ExpressionSyntax, negated: Bool)
    case caseWhen(
      operand: ExpressionSyntax?,
      branches: [(condition: ExpressionSyntax, result: ExpressionSyntax)],
      otherwise: ExpressionSyntax?
    )
    case coalesce([ExpressionSyntax])
    case nullIf(ExpressionSyntax, ExpressionSyntax)
    /// IS [NOT] DISTINCT FROM.
    case isDistinct(ExpressionSyntax, ExpressionSyntax, negated: Bool)
    /// GREATEST (…), LEAST (…).
    case extreme([ExpressionSyntax], isGreatest: Bool)
    /// ARRAY[…].
    case array([ExpressionSyntax])
    /// `x operator ANY (array)` or ALL.
    case arrayComparison(ExpressionSyntax, String, ExpressionSyntax, isAll: Bool)
    /// `array[index]`.
    case element(ExpressionSyntax, ExpressionSyntax)
    /// `array[lower:upper]`, either left out.
    case slice(ExpressionSyntax, ExpressionSyntax?, ExpressionSyntax?)
    case cast(ExpressionSyntax, TypeSyntax)
    case call(CallSyntax)
    case currentTime(CurrentTime)
    /// `(expression).field`.
    case field(ExpressionSyntax, String)
    /// `(expression).*`.
    case allFields(ExpressionSyntax)
    /// `(SELECT …)` as a value.
    case scalarSubquery(SelectSyntax)
    case exists(SelectSyntax)
    /// `x operator ANY (SELECT …)` or ALL; IN is `= ANY`. The left side may be a row.
    case quantified(ExpressionSyntax, String, SelectSyntax, isAll: Bool)
    case arraySubquery(SelectSyntax)
    /// `(a, b)`, `ROW(a, b)`.
    case row([ExpressionSyntax])
    /// `GROUPING(a, b)`.
    case grouping([ExpressionSyntax])
  }
  /// CURRENT_DATE and its kin.
  public enum CurrentTime: Sendable {
    case date
    case timestamp
    case localTimestamp
    case localTime
  }
}

/// A function or aggregate call.
public struct CallSyntax: Sendable {
  /// Schema before the name; nil for none, and for `public`.
  public var schema: String? = nil
  /// Function name without schema.
  public var name: String
  /// Positional arguments.
  public var arguments: [ExpressionSyntax]
  /// `name => value` arguments.
  public var namedArguments: [(name: NameSyntax, value: ExpressionSyntax)]
  /// `f(*)`.
  public var isStar: Bool
  /// `f(DISTINCT …)`.
  public var isDistinct: Bool
  /// FILTER (WHERE …).
  public var filter: ExpressionSyntax?
  /// ORDER BY inside the parentheses, or of WITHIN GROUP.
  public var orderBy: [SelectSyntax.SortKey] = []
  /// WITHIN GROUP (ORDER BY …).
  public var isWithinGroup = false
  /// OVER.
  public var over: WindowSyntax?

  init(
    name: String,
    arguments: [ExpressionSyntax],
    namedArguments: [(name: NameSyntax, value: ExpressionSyntax)],
    isStar: Bool,
    isDistinct: Bool
  ) {
    self.name = name
    self.arguments = arguments
    self.namedArguments = namedArguments
    self.isStar = isStar
    self.isDistinct = isDistinct
  }
  /// A plain call.
  public init(name: String, arguments: [ExpressionSyntax]) {
    self.init(name: name, arguments: arguments, namedArguments: [], isStar: false, isDistinct: false)
  }
}
