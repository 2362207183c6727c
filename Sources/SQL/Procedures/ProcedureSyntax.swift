// ProcedureSyntax.swift — CREATE and DROP FUNCTION or PROCEDURE, DO and CALL as written. Bodies are text here.
import Model

/// A type that may be told by reference: `t.c%TYPE`.
public struct ReferringTypeSyntax: Sendable {
  /// The type as written; of a reference only its place matters.
  public var type: TypeSyntax
  /// Table (perhaps with its schema before it) and column of %TYPE.
  public var reference: [String]?
}

/// CREATE [OR REPLACE] FUNCTION or PROCEDURE.
public struct CreateFunctionSyntax: Sendable {
  /// How an argument is used.
  public enum Mode: Sendable {
    case `in`
    case out
    case `inout`
    /// A column of RETURNS TABLE.
    case table
  }
  /// An argument.
  public struct Argument: Sendable {
    /// Empty when it has none.
    public var name: String
    /// Its type.
    public var type: ReferringTypeSyntax
    /// Its use.
    public var mode: Mode
    /// Text of its default.
    public var defaultText: String?
    /// In characters from 1.
    public var position: Int
  }
  /// IMMUTABLE, STABLE, VOLATILE.
  public enum Volatility: Sendable {
    case immutable
    case stable
    case volatile
  }
  /// Its name.
  public var name: NameSyntax
  /// OR REPLACE.
  public var replaces: Bool
  /// CREATE PROCEDURE.
  public var isProcedure: Bool
  /// Arguments in order, columns of RETURNS TABLE behind them.
  public var arguments: [Argument]
  /// RETURNS; nil when absent, and for RETURNS TABLE.
  public var result: ReferringTypeSyntax?
  /// RETURNS SETOF, RETURNS TABLE.
  public var returnsSet: Bool
  /// LANGUAGE, in lower case.
  public var language: String
  /// Between the quotes, or the text of a body of SQL's standard.
  public var body: String
  /// What it may do.
  public var volatility: Volatility
  /// STRICT.
  public var isStrict: Bool
}

/// DROP FUNCTION, PROCEDURE or ROUTINE.
public struct DropFunctionSyntax: Sendable {
  /// What DROP says that they are.
  public enum Kind: String, Sendable {
    case function
    case procedure
    case routine
  }
  /// One of them.
  public struct Item: Sendable {
    /// Its name.
    public var name: NameSyntax
    /// Types of its arguments; nil when the name alone tells it.
    public var arguments: [ReferringTypeSyntax]?
  }
  /// What they are.
  public var kind: Kind
  /// What to drop.
  public var items: [Item]
  /// IF EXISTS.
  public var ifExists: Bool
}

/// DO.
public struct DoSyntax: Sendable {
  /// LANGUAGE, in lower case.
  public var language: String
  /// Between the quotes.
  public var body: String
}
