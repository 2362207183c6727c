// ErrorSubject.swift — what an error is about, by name: the fields s, t, c, d, n of PostgreSQL's error messages, which programs read
// to tell one violated constraint from another. The names stand in the error's message too; nobody should have to parse that.

/// The object that an error is about.
public struct ErrorSubject: Equatable, Sendable {
  /// What has a name.
  public enum Part: Int, CaseIterable, Sendable {
    /// The table's schema.
    case schema
    case table
    case column
    /// The type.
    case dataType
    /// The constraint, or the index that enforces it.
    case constraint
  }
  // One word: errors lie in every frame of a binder's recursion.
  private var names = [String?](repeating: nil, count: Part.allCases.count)

  /// Nothing yet.
  public init() {}
  /// A table's column.
  public init(_ table: TableSchema, column: String) {
    self.init(table)
    self[.column] = column
  }
  /// A table's constraint.
  public init(_ table: TableSchema, constraint: String) {
    self.init(table)
    self[.constraint] = constraint
  }
  private init(_ table: TableSchema) {
    self[.schema] = table.schemaName
    self[.table] = table.name
  }
  /// The name of one part; nil without.
  public subscript(part: Part) -> String? {
    get { names[part.rawValue] }
    set { names[part.rawValue] = newValue }
  }
  /// Whether it names nothing.
  public var isEmpty: Bool { names.allSatisfy { $0 == nil } }
}
