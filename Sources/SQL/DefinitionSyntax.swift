// DefinitionSyntax.swift — ALTER TABLE, CREATE VIEW, CREATE INDEX, CREATE SCHEMA, DROP of everything and their kin, as written.
public import Model

/// A statement that changes what exists, beside CREATE TABLE and rollups.
public enum DefinitionSyntax: Sendable {
  case alterTable(AlterTableSyntax)
  case rename(RenameSyntax)
  case setSchema(kind: ObjectKind, name: NameSyntax, schema: NameSyntax, ifExists: Bool)
  case createView(ViewSyntax)
  case createIndex(IndexSyntax)
  case createSchema(name: String, ifNotExists: Bool)
  case createExtension(name: String, ifNotExists: Bool, position: Int)
  case dropExtension(names: [String], ifExists: Bool)
  case createTableAs(TableAsSyntax)
  case drop(DropObjectsSyntax)
  /// TRUNCATE of several tables.
  case truncate([NameSyntax])
  case comment(CommentSyntax)
  /// REFRESH MATERIALIZED VIEW.
  case refresh(NameSyntax)
  /// What needs no doing: the tag, and why.
  case accepted(tag: String, notice: String)

  /// PostgreSQL's tag; of CREATE TABLE AS that of its rows comes when they are there.
  public var tag: String {
    switch self {
    case .alterTable: "ALTER TABLE"
    case .rename(let syntax): syntax.kind == .view ? "ALTER VIEW" : syntax.kind == .index ? "ALTER INDEX" : "ALTER TABLE"
    case .setSchema: "ALTER TABLE"
    case .createView: "CREATE VIEW"
    case .createIndex: "CREATE INDEX"
    case .createSchema: "CREATE SCHEMA"
    case .createExtension: "CREATE EXTENSION"
    case .dropExtension: "DROP EXTENSION"
    case .createTableAs: "CREATE TABLE AS"
    case .drop(let syntax): "DROP \(syntax.kind.word.uppercased())"
    case .truncate: "TRUNCATE TABLE"
    case .comment: "COMMENT"
    case .refresh: "REFRESH MATERIALIZED VIEW"
    case .accepted(let tag, _): tag
    }
  }
}

/// What kind of object a statement names.
public enum ObjectKind: Sendable, Equatable {
  case table
  case view
  case rollup
  case index
  case schema
  case sequence
  /// In messages.
  public var word: String {
    switch self {
    case .table: "table"
    case .view: "view"
    case .rollup: "materialized view"
    case .index: "index"
    case .schema: "schema"
    case .sequence: "sequence"
    }
  }
}

/// ALTER TABLE.
public struct AlterTableSyntax: Sendable {
  /// What it does, one after the other.
  public enum Action: Sendable {
    case addColumn(CreateTableSyntax.Column, [ConstraintSyntax], ifNotExists: Bool)
    case dropColumn(NameSyntax, ifExists: Bool, cascades: Bool)
    /// SET DEFAULT; nil drops it.
    case setDefault(NameSyntax, ExpressionSyntax?, text: String?)
    case setNotNull(NameSyntax, Bool)
    case setType(NameSyntax, TypeSyntax, hasUsing: Bool)
    case addConstraint(ConstraintSyntax)
    case dropConstraint(NameSyntax, ifExists: Bool)
    /// SET (…); RESET has options without values.
    case setOptions([OptionSyntax], isReset: Bool)
    case owner(String)
  }
  /// The table.
  public var table: NameSyntax
  /// IF EXISTS.
  public var ifExists: Bool
  /// Actions in order.
  public var actions: [Action]
}

/// ALTER … RENAME.
public struct RenameSyntax: Sendable {
  /// What is renamed.
  public enum Part: Sendable {
    case whole
    case column(NameSyntax)
    case constraint(NameSyntax)
  }
  /// Kind of the object; a relation of any kind may be named by ALTER TABLE.
  public var kind: ObjectKind
  /// The object.
  public var name: NameSyntax
  /// Of it.
  public var part: Part
  /// The new name.
  public var newName: String
  /// IF EXISTS.
  public var ifExists: Bool
}

/// CREATE VIEW.
public struct ViewSyntax: Sendable {
  /// Its name.
  public var name: NameSyntax
  /// OR REPLACE.
  public var replaces: Bool
  /// TEMPORARY.
  public var isTemporary: Bool
  /// Names of the columns, of the first ones at least; empty when there is no list.
  public var columns: [String]
  /// The query.
  public var select: SelectSyntax
  /// Its text.
  public var text: String
}

/// CREATE INDEX.
public struct IndexSyntax: Sendable {
  /// Its name; nil when it is made up.
  public var name: NameSyntax?
  /// The table.
  public var table: NameSyntax
  /// UNIQUE.
  public var isUnique: Bool
  /// IF NOT EXISTS.
  public var ifNotExists: Bool
  /// What it is made of.
  public struct Element: Sendable {
    /// A plain column; nil for an expression.
    public var column: NameSyntax?
    /// As written, without its order.
    public var text: String
    /// DESC.
    public var isDescending: Bool
    /// NULLS FIRST, said or by default.
    public var nullsFirst: Bool
  }
  /// What it is made of.
  public var elements: [Element]
  /// Plain columns by name, nil for an expression.
  public var columns: [NameSyntax?] { elements.map(\.column) }
  /// Whether it has WHERE.
  public var isPartial: Bool
  /// btree, brin, gin, hash, gist, spgist.
  public var method: String
  /// Text from USING on.
  public var text: String
  /// In characters from 1.
  public var position: Int
}

/// COMMENT ON.
public struct CommentSyntax: Sendable {
  /// What it is about.
  public enum Subject: Sendable {
    case table(NameSyntax)
    case column(String, of: NameSyntax)
    case constraint(String, on: NameSyntax)
    case index(NameSyntax)
  }
  /// What it is about.
  public var subject: Subject
  /// The text; nil or empty takes it away.
  public var text: String?
}

/// CREATE TABLE … AS.
public struct TableAsSyntax: Sendable {
  /// Its name.
  public var name: NameSyntax
  /// IF NOT EXISTS.
  public var ifNotExists: Bool
  /// Names of the columns; empty when there is no list.
  public var columns: [String]
  /// WITH (…).
  public var options: [OptionSyntax]
  /// The query.
  public var select: SelectSyntax
  /// Its text.
  public var text: String
  /// WITH NO DATA.
  public var isEmpty: Bool
  /// TEMPORARY: what becomes of it at the end of a transaction; nil for a table that lasts.
  public var temporary: OnCommit?
  /// CREATE MATERIALIZED VIEW, that of no rollup.
  public var isMaterialized = false
}

/// DROP of one or more objects.
public struct DropObjectsSyntax: Sendable {
  /// Kind.
  public var kind: ObjectKind
  /// Names.
  public var names: [NameSyntax]
  /// IF EXISTS.
  public var ifExists: Bool
  /// CASCADE.
  public var cascades: Bool
}
