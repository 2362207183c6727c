// BlockSyntax.swift — PL/pgSQL as written: blocks, declarations and statements, with their lines. BlockParser makes them.
//
// Expressions and statements of SQL are parsed already, so that a body whose SQL is wrong is refused when it is created; their names are
// looked up when they run, as PostgreSQL does. Lines count from 1 at the body's first line, a leading line break counted.
import Model

/// The body of a function, procedure or DO.
public struct BlockSyntax: Sendable {
  /// `<<label>>`.
  public var label: String?
  /// DECLARE, in order.
  public var declarations: [DeclarationSyntax] = []
  /// BEGIN …
  public var statements: [BlockStatementSyntax] = []
  /// EXCEPTION; nil when it has none.
  public var handlers: [CatchSyntax]?
  /// The line of its BEGIN.
  public var line: Int
}

/// What a name that is both a variable and a column means (#variable_conflict).
public enum NameConflict: Sendable {
  case error
  case useVariable
  case useColumn
}

/// A variable's declaration.
public struct DeclarationSyntax: Sendable {
  /// What it declares.
  public enum Kind: Sendable {
    case variable(TypeSyntax)
    /// `t.c%TYPE`, `v%TYPE`.
    case typeOf([String])
    /// `t%ROWTYPE`, or a relation's name.
    case rowOf([String])
    case record
    /// ALIAS FOR: a name, or `$n`.
    case alias(String)
  }
  /// Its name.
  public var name: String
  /// What it is.
  public var kind: Kind
  /// CONSTANT.
  public var isConstant = false
  /// NOT NULL.
  public var isNotNull = false
  /// DEFAULT or :=.
  public var initial: BlockExpression?
  /// Its line.
  public var line: Int
}

/// An expression: what stands behind SELECT, so that it may have a FROM.
public struct BlockExpression: Sendable {
  /// As written.
  public var text: String
  /// `SELECT text`.
  public var select: SelectSyntax
}

/// Where a value goes: `v`, `r.f`, `a[1]`.
public struct TargetSyntax: Sendable {
  /// The names.
  public var path: [String]
  /// Subscripts of an array.
  public var subscripts: [BlockExpression] = []
  /// A variable or field.
  public init(path: [String]) { self.path = path }
}

/// Where a row goes.
public struct IntoSyntax: Sendable {
  /// One variable a column, or one record.
  public var targets: [TargetSyntax]
  /// STRICT: exactly one row.
  public var isStrict: Bool
}

/// WHEN … THEN of an EXCEPTION clause.
public struct CatchSyntax: Sendable {
  /// SQLSTATEs; nil is OTHERS. Those that end in 000 stand for their class.
  public var conditions: [String?]
  /// What it does.
  public var statements: [BlockStatementSyntax]
  /// Its line.
  public var line: Int
}

/// Text of EXECUTE and its kin, with USING.
public struct DynamicSyntax: Sendable {
  /// Gives the text.
  public var text: BlockExpression
  /// USING.
  public var arguments: [BlockExpression]
}

/// RAISE.
public struct RaiseSyntax: Sendable {
  /// DEBUG to EXCEPTION.
  public enum Level: String, Sendable {
    case debug = "DEBUG"
    case log = "LOG"
    case info = "INFO"
    case notice = "NOTICE"
    case warning = "WARNING"
    case exception = "EXCEPTION"
  }
  /// Options of USING.
  public enum Option: String, Sendable {
    case errcode
    case message
    case detail
    case hint
    case column
    case constraint
    case datatype
    case table
    case schema
  }
  /// Its level.
  public var level: Level
  /// The text with its `%`; nil when there is none.
  public var format: String?
  /// What goes in for `%`.
  public var arguments: [BlockExpression] = []
  /// A condition's name or SQLSTATE, and its SQLSTATE.
  public var condition: (name: String, state: String)?
  /// USING.
  public var options: [(Option, BlockExpression)] = []
  /// RAISE alone: the error that is being handled.
  public var isAgain: Bool { format == nil && condition == nil && options.isEmpty }
}

/// A statement of a block with its place.
public struct BlockStatementSyntax: Sendable {
  /// What it is.
  public var kind: Kind
  /// Its line.
  public var line: Int

  /// What GET DIAGNOSTICS asks for.
  public enum Diagnostic: String, Sendable {
    case rowCount = "row_count"
    case sqlState = "returned_sqlstate"
    case message = "message_text"
    case detail = "pg_exception_detail"
    case hint = "pg_exception_hint"
    case context = "pg_exception_context"
    case column = "column_name"
    case constraint = "constraint_name"
    case datatype = "pg_datatype_name"
    case table = "table_name"
    case schema = "schema_name"
  }
  /// Kinds of statements.
  public indirect enum Kind: Sendable {
    case block(BlockSyntax)
    case assign(TargetSyntax, BlockExpression)
    case ifThen([(condition: BlockExpression, statements: [BlockStatementSyntax])], otherwise: [BlockStatementSyntax]?)
    case select(
      BlockExpression?,
      branches: [(values: [BlockExpression], statements: [BlockStatementSyntax])],
      otherwise: [BlockStatementSyntax]?
    )
    case loop(label: String?, [BlockStatementSyntax])
    case whileLoop(label: String?, BlockExpression, [BlockStatementSyntax])
    case forInteger(
      label: String?,
      String,
      from: BlockExpression,
      to: BlockExpression,
      by: BlockExpression?,
      isReverse: Bool,
      [BlockStatementSyntax]
    )
    case forQuery(label: String?, [TargetSyntax], ParsedStatement, [BlockStatementSyntax])
    case forDynamic(label: String?, [TargetSyntax], DynamicSyntax, [BlockStatementSyntax])
    case forEach(label: String?, TargetSyntax, BlockExpression, [BlockStatementSyntax])
    case exit(label: String?, condition: BlockExpression?)
    case continueLoop(label: String?, condition: BlockExpression?)
    case giveBack(BlockExpression?)
    case giveNext(BlockExpression?)
    case giveQuery(ParsedStatement)
    case giveDynamic(DynamicSyntax)
    case raise(RaiseSyntax)
    case assert(BlockExpression, message: BlockExpression?)
    case sql(ParsedStatement, into: IntoSyntax?)
    case dynamic(DynamicSyntax, into: IntoSyntax?)
    case perform(BlockExpression)
    case call(ParsedStatement)
    case diagnostics(isStacked: Bool, [(TargetSyntax, Diagnostic)])
    case commit(chain: Bool)
    case rollback(chain: Bool)
    case null
  }
}
