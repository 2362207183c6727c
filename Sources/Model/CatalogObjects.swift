// CatalogObjects.swift — what the catalog knows beside tables and rollups: views, functions, sequences, jobs. Bytes:
// CatalogObjectsFormat.swift.
//
// Views, sequences and functions are numbered with tables (`TableID`), so that numbers of objects never meet.

/// A view: a query with a name.
public struct ViewRecord: Equatable, Sendable {
  /// Never reused.
  public var id: TableID
  /// Schema.
  public var schemaName: String
  /// Its name, among those of relations.
  public var name: String
  /// Columns; names may differ from the query's.
  public var columns: [Column]
  /// Text of the query.
  public var sql: String
  /// Makes a view.
  public init(id: TableID, schemaName: String, name: String, columns: [Column], sql: String) {
    self.id = id
    self.schemaName = schemaName
    self.name = name
    self.columns = columns
    self.sql = sql
  }
}

/// A function or procedure that a user wrote.
public struct FunctionRecord: Equatable, Sendable {
  /// How an argument is used.
  public enum Mode: UInt8, Sendable {
    case `in` = 1
    case out = 2
    case `inout` = 3
    /// A column of RETURNS TABLE.
    case table = 4
  }
  /// An argument.
  public struct Argument: Equatable, Sendable {
    /// Empty when it has none.
    public var name: String
    /// SQL type.
    public var type: DataType
    /// Use.
    public var mode: Mode
    /// Text of its default.
    public var defaultSQL: String?
    /// Makes an argument.
    public init(name: String, type: DataType, mode: Mode, defaultSQL: String? = nil) {
      self.name = name
      self.type = type
      self.mode = mode
      self.defaultSQL = defaultSQL
    }
  }
  /// IMMUTABLE, STABLE, VOLATILE.
  public enum Volatility: UInt8, Sendable {
    case immutable = 1
    case stable = 2
    case volatile = 3
  }
  /// Never reused.
  public var id: TableID
  /// Schema.
  public var schemaName: String
  /// Its name; several may have one, with other types of arguments.
  public var name: String
  /// Arguments in written order.
  public var arguments: [Argument]
  /// Type of the result; nil for void, and for a record that the OUT arguments make.
  public var result: DataType?
  /// RETURNS SETOF, RETURNS TABLE.
  public var returnsSet: Bool
  /// CREATE PROCEDURE.
  public var isProcedure: Bool
  /// `sql` or `plpgsql`.
  public var language: String
  /// Between the dollar quotes.
  public var body: String
  /// What it may do.
  public var volatility: Volatility
  /// STRICT: NULL for a NULL argument.
  public var isStrict: Bool
  /// Makes a function.
  public init(
    id: TableID,
    schemaName: String,
    name: String,
    arguments: [Argument],
    result: DataType?,
    returnsSet: Bool = false,
    isProcedure: Bool = false,
    language: String,
    body: String,
    volatility: Volatility = .volatile,
    isStrict: Bool = false
  ) {
    self.id = id
    self.schemaName = schemaName
    self.name = name
    self.arguments = arguments
    self.result = result
    self.returnsSet = returnsSet
    self.isProcedure = isProcedure
    self.language = language
    self.body = body
    self.volatility = volatility
    self.isStrict = isStrict
  }
}

/// A sequence of numbers. What was given out is the catalog's own (`CatalogCommand.takeNumbers`): it does not move the version.
public struct SequenceRecord: Equatable, Sendable {
  /// Never reused.
  public var id: TableID
  /// Schema.
  public var schemaName: String
  /// Its name, among those of relations.
  public var name: String
  /// Type of its numbers: smallint, integer, bigint.
  public var type: DataType
  /// START.
  public var start: Int64
  /// INCREMENT.
  public var increment: Int64
  /// MINVALUE.
  public var least: Int64
  /// MAXVALUE.
  public var greatest: Int64
  /// CYCLE.
  public var isCycling: Bool
  /// The column it goes with.
  public var owner: (table: TableID, column: Int)?
  /// Makes a sequence.
  public init(
    id: TableID,
    schemaName: String,
    name: String,
    type: DataType = .bigint,
    start: Int64 = 1,
    increment: Int64 = 1,
    least: Int64 = 1,
    greatest: Int64 = .max,
    isCycling: Bool = false,
    owner: (table: TableID, column: Int)? = nil
  ) {
    self.id = id
    self.schemaName = schemaName
    self.name = name
    self.type = type
    self.start = start
    self.increment = increment
    self.least = least
    self.greatest = greatest
    self.isCycling = isCycling
    self.owner = owner
  }
  /// Field by field.
  public static func == (a: SequenceRecord, b: SequenceRecord) -> Bool {
    a.id == b.id && a.schemaName == b.schemaName && a.name == b.name && a.type == b.type && a.start == b.start
      && a.increment == b.increment && a.least == b.least && a.greatest == b.greatest && a.isCycling == b.isCycling
      && a.owner?.table == b.owner?.table && a.owner?.column == b.owner?.column
  }
}

/// A statement that runs by the clock (`cron.schedule`).
public struct JobRecord: Equatable, Sendable {
  /// Never reused; jobs count by themselves from 1.
  public var id: Int64
  /// Its name; empty when it has none.
  public var name: String
  /// Five fields of cron, or `n seconds`.
  public var schedule: String
  /// What it runs.
  public var command: String
  /// Who scheduled it, and as whom it runs.
  public var user: String
  /// False: it is not run.
  public var isActive: Bool
  /// Makes a job.
  public init(id: Int64, name: String, schedule: String, command: String, user: String, isActive: Bool = true) {
    self.id = id
    self.name = name
    self.schedule = schedule
    self.command = command
    self.user = user
    self.isActive = isActive
  }
}
