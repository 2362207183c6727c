// TableFunctionNode.swift — functions that give rows, in FROM and (ProjectSet) in a select list, and relations that are no tables.
import Model

/// A function that gives rows.
public enum TableFunction: UInt16, Sendable, CaseIterable {
  /// (integer or bigint: start, stop, step) → value of that type. 22023 "step size cannot equal zero".
  case generateIntegers = 1
  /// (numeric: start, stop, step) → numeric.
  case generateNumerics = 2
  /// (timestamp or timestamptz: start, stop; interval step) → value; of timestamptz also with a zone whose clocks the step goes by.
  case generateTimes = 3
  /// (array) → element. Arrays come with their type.
  case unnest = 4
  /// (text, text pattern, text flags) → text: regexp_split_to_table.
  case regexpSplit = 5
  /// (text, text separator or NULL) → text: string_to_table.
  case stringToTable = 6
  /// (jsonb) → jsonb; and as text.
  case jsonbArrayElements = 7
  case jsonbArrayElementsText = 8
  /// (jsonb) → key text, value jsonb; and value text.
  case jsonbEach = 9
  case jsonbEachText = 10
  /// (jsonb) → text.
  case jsonbObjectKeys = 11
  /// (text, text pattern, text flags) → text[]: regexp_matches.
  case regexpMatches = 12
  /// (array, integer dimension) → integer: generate_subscripts.
  case generateSubscripts = 13
}

/// For each row of the input the rows of its functions, side by side; shorter ones are filled with NULLs (ROWS FROM, select list).
public struct TableFunctionNode: Sendable {
  /// One function and its columns.
  public struct Call: Sendable {
    /// Which.
    public var function: TableFunction
    /// Over the input; a NULL argument gives no rows.
    public var arguments: [Expression]
    /// Columns it gives.
    public var output: [OutputColumn]
    /// Makes a call.
    public init(_ function: TableFunction, _ arguments: [Expression], output: [OutputColumn]) {
      self.function = function
      self.arguments = arguments
      self.output = output
    }
  }
  /// Rows; one empty row where nothing is LATERAL.
  public var input: PlanNode
  /// At least one.
  public var calls: [Call]
  /// WITH ORDINALITY: a bigint from 1 comes last, by this name.
  public var ordinality: String?
  /// LEFT JOIN LATERAL … ON TRUE: an input row without rows gives one with NULLs.
  public var keepsLonely: Bool
  /// Makes a node.
  public init(input: PlanNode, calls: [Call], ordinality: String? = nil, keepsLonely: Bool = false) {
    self.input = input
    self.calls = calls
    self.ordinality = ordinality
    self.keepsLonely = keepsLonely
  }
  /// The input's columns, then the functions', then the ordinality.
  public var output: [OutputColumn] {
    input.columns + calls.flatMap(\.output) + (ordinality.map { [OutputColumn($0, .bigint)] } ?? [])
  }
}

/// A relation whose rows the coordinator makes: a catalog, a view of the cluster. On the coordinator only.
public struct SystemScanNode: Sendable {
  /// `schema.name`.
  public var relation: String
  /// Columns of the relation to return, by index.
  public var storedColumns: [Int]
  /// Names and types, one for each of `storedColumns`.
  public var output: [OutputColumn]
  /// Makes a scan.
  public init(relation: String, storedColumns: [Int], output: [OutputColumn]) {
    self.relation = relation
    self.storedColumns = storedColumns
    self.output = output
  }
}
