// Results.swift — what comes with rows: columns, notices, cost; and the names of the lists.
//
// The library's own types, so that its users need no other module of Tally but Model, which comes along (errors, SQL types, numbers).
@_exported public import Model
import Wire

/// A column of a result.
public struct ResultColumn: Sendable, Equatable {
  /// Its name.
  public var name: String
  /// Its SQL type.
  public var type: DataType
  init(_ column: Wire.ResultColumn) {
    name = column.name
    type = column.type
  }
}

/// Something a server tells beside the result.
public struct ServerNotice: Sendable, Equatable {
  /// Five characters.
  public var sqlState: String
  /// One sentence.
  public var message: String
  /// What to do.
  public var hint: String?
}

/// What a statement cost.
public struct StatementCost: Sendable, Equatable {
  /// Parsing, binding and planning.
  public var planMicroseconds: UInt64 = 0
  /// From the request to the last row, on the coordinator.
  public var totalMicroseconds: UInt64 = 0
  /// Merging partial results.
  public var mergeMicroseconds: UInt64 = 0
  /// Shards asked.
  public var shards: UInt64 = 0
  /// Rows read on them.
  public var rowsRead: UInt64 = 0
  /// Blocks read on them.
  public var blocks: UInt64 = 0
  /// Of those rows, the ones no rollup had yet.
  public var freshRows: UInt64 = 0
  /// Microseconds: nothing acknowledged longer ago is missing in what was read; nil when that is not known.
  public var age: UInt64?
}

/// What stands at the end of a statement's rows.
public struct StatementEnd: Sendable, Equatable {
  /// PostgreSQL's command tag, for example `SELECT 3` or `CREATE TABLE`.
  public var tag = ""
  /// Rows returned or stored.
  public var rows: UInt64 = 0
  /// Notices.
  public var notices: [ServerNotice] = []
  /// What it cost.
  public var cost = StatementCost()

  init() {}
  init(_ end: ResultEnd) {
    tag = end.tag
    rows = end.rows
    notices = end.notices.map {
      ServerNotice(sqlState: $0.sqlState, message: $0.message, hint: $0.hint)
    }
    let s = end.statistics
    cost = StatementCost(
      planMicroseconds: s.planMicroseconds,
      totalMicroseconds: s.totalMicroseconds,
      mergeMicroseconds: s.mergeMicroseconds,
      shards: s.shards,
      rowsRead: s.rowsRead,
      blocks: s.blocks,
      freshRows: s.freshRows,
      age: s.age
    )
  }
}

/// What can be listed.
public enum ListKind: Sendable, CaseIterable {
  case nodes
  case shards
  case tables
  case rollups
  case status
  case statements
  case losses
  var requested: ListRequest.Kind {
    switch self {
    case .nodes: .nodes
    case .shards: .shards
    case .tables: .tables
    case .rollups: .rollups
    case .status: .status
    case .statements: .statements
    case .losses: .losses
    }
  }
}
