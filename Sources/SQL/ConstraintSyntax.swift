// ConstraintSyntax.swift — constraints of tables, identity columns and sequences, as written.
public import Model

/// A constraint of CREATE TABLE or ALTER TABLE … ADD.
public struct ConstraintSyntax: Sendable {
  /// What it demands.
  public enum Kind: Sendable {
    case primaryKey([NameSyntax])
    case unique([NameSyntax])
    /// The condition, and its text.
    case check(ExpressionSyntax, text: String)
    /// FOREIGN KEY: `referenced` is empty where the other table's primary key is meant.
    case foreignKey(columns: [NameSyntax], table: NameSyntax, referenced: [NameSyntax], restricts: ForeignKeyRestriction)
  }
  /// CONSTRAINT name.
  public var name: String?
  /// What it demands.
  public var kind: Kind
  /// Written behind a column: its name, which a name that is made up takes part in.
  public var column: String?
  /// In characters from 1.
  public var position: Int
  /// Makes a constraint.
  public init(name: String?, kind: Kind, column: String?, position: Int) {
    self.name = name
    self.kind = kind
    self.column = column
    self.position = position
  }
}

/// Which changes of the other table's rows RESTRICT is written for; the rest is NO ACTION, which comes to the same.
public struct ForeignKeyRestriction: Sendable {
  /// ON UPDATE RESTRICT.
  public var update: Bool
  /// ON DELETE RESTRICT.
  public var delete: Bool
}

/// GENERATED … AS IDENTITY.
public struct IdentitySyntax: Sendable {
  /// ALWAYS or BY DEFAULT.
  public var kind: ColumnIdentity
  /// What stands in parentheses.
  public var options: [SequenceOption]
  /// In characters from 1.
  public var position: Int
}

/// An option of a sequence.
public struct SequenceOption: Sendable {
  /// What it says.
  public enum Kind: Sendable {
    case type(TypeSyntax)
    case start(Int64)
    case increment(Int64)
    /// MINVALUE; nil is NO MINVALUE.
    case least(Int64?)
    /// MAXVALUE; nil is NO MAXVALUE.
    case greatest(Int64?)
    case cycle(Bool)
    /// CACHE: how many numbers are handed out at once is the cluster's choice.
    case cache(Int64)
    /// OWNED BY table.column; nil is NONE.
    case ownedBy(table: NameSyntax, column: String)
    case ownedByNone
    /// RESTART [WITH n].
    case restart(Int64?)
  }
  /// What it says.
  public var kind: Kind
  /// In characters from 1.
  public var position: Int
}

/// CREATE SEQUENCE or ALTER SEQUENCE.
public struct SequenceSyntax: Sendable {
  /// Its name.
  public var name: NameSyntax
  /// Options in written order.
  public var options: [SequenceOption]
  /// IF NOT EXISTS, of ALTER: IF EXISTS.
  public var isLenient: Bool
}
