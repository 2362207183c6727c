// ShardReadView.swift — all a fragment needs of one shard, frozen at one log position; and the scans over it.
//
// The worker makes it on its own thread and hands it to Compute. Nothing in it changes afterwards.
public import Bytes
import Columns
public import Model
public import Planning
public import Storage

/// A rollup as a shard has it at one position.
public struct RollupView: Sendable {
  /// The rollup.
  public var definition: RollupDefinition
  /// Decoded from the definition.
  public var program: RollupProgram
  /// One for each level, finest first.
  public var levels: [TableSnapshot]
  /// The source table at the same position.
  public var raw: TableSnapshot
  /// Raw rows above the cut and up to here are in the levels.
  public var watermark: LogPosition
  /// Raw rows at or below it are in the levels when backfill has covered them.
  public var cut: LogPosition
  /// Covered: rows at or below the cut whose time is not below this.
  ///
  /// `Int64.max`: none; `Int64.min`: all.
  public var coveredFrom: Int64
  /// For each level the start of the first bucket it holds, in the bucket column's units; `Int64.min`: everything.
  public var floors: [Int64]
  /// Makes a view.
  public init(
    definition: RollupDefinition,
    program: RollupProgram,
    levels: [TableSnapshot],
    raw: TableSnapshot,
    watermark: LogPosition,
    cut: LogPosition,
    coveredFrom: Int64,
    floors: [Int64]
  ) {
    invariant(
      levels.count == definition.levels.count && floors.count == levels.count,
      "levels and floors of another rollup"
    )
    self.definition = definition
    self.program = program
    self.levels = levels
    self.raw = raw
    self.watermark = watermark
    self.cut = cut
    self.coveredFrom = coveredFrom
    self.floors = floors
  }
}

/// One shard at one position.
public struct ShardReadView: Sendable {
  /// The shard.
  public var shard: ShardID
  /// Everything in the view is as of this entry.
  public var position: LogPosition
  /// Raw tables by number.
  public var tables: [TableID: TableSnapshot]
  /// Rollups by their own number.
  public var rollups: [TableID: RollupView]
  /// Tables that an open statement, whose parts are seen here, has changed: their rollups are not read.
  public var changed: Set<TableID> = []
  /// Makes a view.
  public init(
    shard: ShardID,
    position: LogPosition,
    tables: [TableID: TableSnapshot],
    rollups: [TableID: RollupView]
  ) {
    self.shard = shard
    self.position = position
    self.tables = tables
    self.rollups = rollups
  }
  /// The shard as an open statement sees it, with its own parts. A pure function, for Compute.
  public func seen(by statement: OpenStatement, _ schema: ShardSchema) throws(DecodingFailure) -> ShardReadView {
    var seen = self
    seen.changed = statement.tables
    for table in seen.changed.sorted() { seen.tables[table] = try tables[table]?.seen(by: statement, schema) }
    return seen
  }
}

/// Rows of a worker's shards.
struct ShardSource: RelationSource {
  /// Rows a morsel has at most.
  static let morselRows = 16384
  let views: [ShardReadView]

  func scan(_ node: ScanNode, _ context: ExecutionContext, _ body: (Batch) throws -> Void) throws {
    for view in views {
      try context.cancel.check()
      switch node.source {
      case .table(let id):
        guard let table = view.tables[id] else { throw Self.missing("table", id, view) }
        let counts = try table.scan(
          columns: node.storedColumns,
          where: node.zoneConditions.compactMap(\.predicate),
          morselRows: Self.morselRows,
          body
        )
        context.counts.add(counts)
      case .rollup(let id, let use):
        guard let rollup = view.rollups[id] else { throw Self.missing("rollup", id, view) }
        if view.changed.contains(rollup.definition.source) {
          throw TallyError.sql(
            "0A000",
            "rollup \(rollup.definition.name) cannot be read in a transaction that has changed its table",
            hint: "Read it before, or after COMMIT; the table itself can be read."
          )
        }
        try RollupScan(rollup, node, use, context).run(body)
      }
    }
  }
  func fragmentRows(
    _ node: FragmentInputNode,
    _ context: ExecutionContext,
    _ body: (Batch) throws -> Void
  ) throws {
    throw TallyError(.protocolViolation, "a fragment's plan that reads fragment \(node.fragment)")
  }
  private static func missing(_ what: String, _ id: TableID, _ view: ShardReadView) -> TallyError {
    TallyError(
      .staleCatalog,
      "\(what) \(id) is not in shard \(view.shard)",
      detail: "The shard is at position \(view.position)."
    )
  }
}

extension ZoneCondition {
  /// The condition as Storage asks zone maps; strict bounds become inclusive ones, as zones are advice.
  var predicate: ZonePredicate? { predicate(on: storedColumn) }
  func predicate(on column: Int) -> ZonePredicate? {
    let isLow = comparison == .equal || comparison == .greater || comparison == .greaterOrEqual
    let isHigh = comparison == .equal || comparison == .less || comparison == .lessOrEqual
    switch value {
    case .fixed(let v):
      return ZonePredicate(column: column, .fixed(low: isLow ? v : nil, high: isHigh ? v : nil))
    case .double(let v):
      return ZonePredicate(column: column, .double(low: isLow ? v : nil, high: isHigh ? v : nil))
    case .numeric(let v):
      return ZonePredicate(column: column, .numeric(low: isLow ? v : nil, high: isHigh ? v : nil))
    case .text(let v):
      let bytes = Array(v.utf8)
      return ZonePredicate(
        column: column,
        .text(low: isLow ? bytes : nil, high: isHigh ? bytes : nil)
      )
    case .bytes(let bytes):
      return ZonePredicate(column: column, .text(low: isLow ? bytes : nil, high: isHigh ? bytes : nil))
    case .null, .interval, .hll, .topn: return nil
    }
  }
}
