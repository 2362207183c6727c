// TableSchema.swift — what the catalog knows of a table. Bytes: CatalogFormat.swift.

/// A column of a table. Its place in `TableSchema.columns` is its number; columns are never removed in this version.
public struct Column: Equatable, Sendable {
  /// Lower-case unless quoted.
  public var name: String
  /// SQL type.
  public var type: DataType
  /// NULL is refused (23502).
  public var isNotNull: Bool
  /// SQL text of the default expression, if any.
  public var defaultSQL: String?
  /// Makes a column.
  public init(name: String, type: DataType, isNotNull: Bool = false, defaultSQL: String? = nil) {
    self.name = name
    self.type = type
    self.isNotNull = isNotNull
    self.defaultSQL = defaultSQL
  }
}

/// How a table's rows are spread.
public enum Distribution: Equatable, Sendable {
  /// Not distributed yet: refuses rows in this version.
  case local
  /// By the hash of column `key`, on the shards of `group`.
  case distributed(key: Int, group: GroupID)
}

/// A table.
public struct TableSchema: Equatable, Sendable {
  /// Never reused.
  public var id: TableID
  /// `public` in this version.
  public var schemaName: String
  /// Table name.
  public var name: String
  /// Columns in order.
  public var columns: [Column]
  /// Spread of the rows.
  public var distribution: Distribution
  /// Column that slices storage by day and that retention goes by.
  public var timeColumn: Int?
  /// Raw retention; nil = forever.
  public var keep: Interval?
  /// Makes a table.
  public init(
    id: TableID,
    schemaName: String = "public",
    name: String,
    columns: [Column],
    distribution: Distribution = .local,
    timeColumn: Int? = nil,
    keep: Interval? = nil
  ) {
    self.id = id
    self.schemaName = schemaName
    self.name = name
    self.columns = columns
    self.distribution = distribution
    self.timeColumn = timeColumn
    self.keep = keep
  }
  /// Number of the column with that name.
  public func columnIndex(_ name: String) -> Int? { columns.firstIndex { $0.name == name } }
}
