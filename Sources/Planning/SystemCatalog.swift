// SystemCatalog.swift — what the planner asks of the coordinator about relations and functions that are no tables' and no kernels'.
//
// pg_catalog, information_schema, our own views. Made for one statement, under one version of the catalog; rows are asked for when it runs.
public import Columns
public import Model

/// A relation whose rows the coordinator makes.
public struct SystemRelation: Sendable {
  /// `schema.name`.
  public var name: String
  /// All its columns.
  public var columns: [OutputColumn]
  /// Makes a relation.
  public init(name: String, columns: [OutputColumn]) {
    self.name = name
    self.columns = columns
  }
}

/// A function that is evaluated on the coordinator, a row at a time: for catalogs, not for data.
public struct HostedFunction: Sendable {
  /// Its name, for EXPLAIN and keys: equal names with equal argument types are equal functions.
  public var name: String
  /// Types of its arguments; the binder casts to them.
  public var arguments: [DataType]
  /// Type of its result.
  public var result: DataType
  /// Whether a NULL argument gives NULL without a call.
  public var isStrict: Bool
  /// The same arguments give the same result throughout a statement: constants are folded.
  public var isStable: Bool
  /// Evaluates it.
  public var evaluate: @Sendable ([Value]) throws(TallyError) -> Value
  /// Makes a function.
  public init(
    _ name: String,
    _ arguments: [DataType],
    _ result: DataType,
    isStrict: Bool = true,
    isStable: Bool = true,
    _ evaluate: @escaping @Sendable ([Value]) throws(TallyError) -> Value
  ) {
    self.name = name
    self.arguments = arguments
    self.result = result
    self.isStrict = isStrict
    self.isStable = isStable
    self.evaluate = evaluate
  }
}

/// The coordinator's own relations and functions.
public protocol SystemCatalog: Sendable {
  /// The relation of that name; without a schema pg_catalog is searched first, as by a search_path that does not name it.
  func relation(schema: String?, name: String) -> SystemRelation?
  /// A function without arguments in FROM that gives rows; `rows` takes its name as this tells it. By default there are none.
  func tableFunction(schema: String?, name: String) -> SystemRelation?
  /// Functions of that name; the binder chooses among them by PostgreSQL's rules.
  func functions(schema: String?, name: String) -> [HostedFunction]
  /// Rows of a relation: columns as `relation` told them, all of them or those asked for by index.
  func rows(of relation: String, columns: [Int]) throws(TallyError) -> Batch
  /// The object of a name given to a `reg…` type, and the name to show for an object.
  func lookUp(_ name: String, as type: DataType) throws(TallyError) -> Int64
  /// The text of a `reg…` value; the number itself when there is no such object.
  func text(of object: Int64, as type: DataType) -> String
  /// The sequence that has an object's number; by default there are none.
  func sequence(of object: Int64) -> TableID?
}

extension SystemCatalog {
  /// No function gives rows.
  public func tableFunction(schema: String?, name: String) -> SystemRelation? { nil }
  /// There are no sequences.
  public func sequence(of object: Int64) -> TableID? { nil }
}
