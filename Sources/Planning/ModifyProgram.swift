// ModifyProgram.swift — a change of one table's rows as one shard's primary evaluates it. Bytes: ModifyFormat.swift.
//
// The rows to work on come with the request (`rows`: in the table's columns) or from a plan that reads the shard. What the plan of an
// UPDATE or DELETE gives begins with `ScanNode.placeColumn`: where the row lies in the snapshot that the plan reads, a number that means
// something within this one evaluation only. Nothing here is evaluated again at replay: the log has the rows.
import Bytes
public import Model

/// A change of rows.
public struct ModifyProgram: Sendable {
  /// Where the rows come from.
  public enum Source: Sendable {
    /// With the request.
    case rows
    /// From a plan over the shard. INSERT: the table's columns. UPDATE: the place, then the table's columns as they will be. DELETE: the
    /// place.
    case plan(PlanNode)
  }
  /// What an INSERT does with a row whose key is there.
  public enum Conflict: Sendable {
    /// 23505.
    case fail
    /// ON CONFLICT DO NOTHING; of the key with that number in `TableSchema.keys`, nil for all keys.
    case nothing(key: Int?)
    /// ON CONFLICT … DO UPDATE. Expressions are over the row that is there, then the row that was to be inserted; `row` gives all the
    /// table's columns; where `condition` is not TRUE the row stays as it is.
    case update(key: Int, row: [Expression], condition: Expression?)
  }
  /// What happens to the table.
  public enum Action: Sendable {
    case insert(Conflict)
    case update
    case delete
  }
  /// A CHECK constraint, over the table's columns: FALSE is 23514.
  public struct Check: Sendable {
    /// Of the constraint.
    public var name: String
    /// The condition.
    public var condition: Expression
    /// Makes a check.
    public init(name: String, condition: Expression) {
      self.name = name
      self.condition = condition
    }
  }
  /// The table.
  public var table: TableID
  /// Of the table's definition that it was made for: numbers of columns and keys, and the checks, are that one's.
  public var fingerprint: UInt32
  /// Where the rows come from.
  public var source: Source
  /// What happens.
  public var action: Action
  /// What new rows must satisfy, beside NOT NULL and keys, which the schema says.
  public var checks: [Check]
  /// Whether the answer brings the rows (RETURNING).
  public var returnsRows: Bool
  /// Makes a program.
  public init(table: TableSchema, source: Source, action: Action, checks: [Check] = [], returnsRows: Bool = false) {
    self.table = table.id
    self.fingerprint = Self.fingerprint(of: table)
    self.source = source
    self.action = action
    self.checks = checks
    self.returnsRows = returnsRows
  }

  /// Of a table's definition, wherever its rows are.
  public static func fingerprint(of table: TableSchema) -> UInt32 {
    var table = table
    var out = ByteWriter()
    table.distribution = .local
    CatalogFormat.encode(table, into: &out)
    return CRC32C.checksum(out.finish())
  }
}

extension ScanNode {
  /// In `storedColumns` of a table's scan: not a column, but the row's place in the snapshot, a bigint.
  public static let placeColumn = Limits.columnsMax
}
