// RowModification.swift — evaluates a change of one table's rows on one shard: what goes, what comes, what the client gets back (DESIGN
// §6).
//
// A function of the program, the rows that came with it and the shard's rows frozen at one position, as the statement sees them. The
// primary runs it once, under the table's lock and while no file changes, and logs what comes of it.
//
// All rows are looked at together: keys must be unique when the change is done, not after each row. As in PostgreSQL an UPDATE changes a
// row once however often its plan delivers it, and ON CONFLICT DO UPDATE refuses to.
import Bytes
public import Columns
public import Model
public import Planning
public import Storage

/// What an evaluated change comes to.
public struct ModifiedRows: Sendable {
  /// What is to be staged.
  public var change: RowChange
  /// The rows that come, decoded; nil for none.
  public var rows: Batch?
  /// What RETURNING is made of: the rows as they are now, of DELETE as they were (BatchFormat); empty when nobody asked, or there are none.
  public var returned: [UInt8]
}

/// A change and all that its evaluation reads.
public struct RowModification: Sendable {
  /// What to do.
  public var program: ModifyProgram
  /// The table.
  public var table: TableSchema
  /// The rows that came with the request (BatchFormat); empty for none.
  public var given: [UInt8]
  /// The table's rows.
  public var named: NamedRows
  /// The shard's tables, for a program with a plan.
  public var view: ShardReadView?
  /// The rows of tables that refer to this one or that it refers to; empty when there are none.
  public var related: [TableID: TableSnapshot]
  /// The open statement whose parts are seen as well.
  public var statement: OpenStatement?
  /// By which the parts are decoded.
  public var schema: ShardSchema
  /// No row above it is deleted.
  public var through: LogPosition
  /// Hashes of the tenants that the shard holds.
  public var range: ClosedRange<UInt64>
  /// Bounds of the plan's run.
  public var limits: ExecutionLimits

  /// Makes a change.
  public init(
    program: ModifyProgram,
    table: TableSchema,
    given: [UInt8],
    named: NamedRows,
    view: ShardReadView?,
    related: [TableID: TableSnapshot] = [:],
    statement: OpenStatement?,
    schema: ShardSchema,
    through: LogPosition,
    range: ClosedRange<UInt64>,
    limits: ExecutionLimits
  ) {
    self.program = program
    self.table = table
    self.given = given
    self.named = named
    self.view = view
    self.related = related
    self.statement = statement
    self.schema = schema
    self.through = through
    self.range = range
    self.limits = limits
  }

  /// Evaluates it. CPU work: run it through Compute.
  public func evaluate() throws(TallyError) -> ModifiedRows {
    try typed {
      let named = try named.seen()
      let input = try input(named)
      switch program.action {
      case .insert(let conflict): return try insert(input, conflict, named)
      case .update: return try update(input, named)
      case .delete: return try delete(input, named)
      }
    }
  }
  private var types: [DataType] { table.columns.map(\.type) }

  private func input(_ named: NamedRows) throws -> Batch {
    switch program.source {
    case .rows:
      return given.isEmpty ? Batch(emptyOf: types) : try BatchFormat.decode(given, types: types)
    case .plan(let plan):
      guard var view = try view.map({ view in try statement.map { try view.seen(by: $0, schema) } ?? view }) else {
        throw TallyError(.internalError, "a change of rows by a plan without its shard")
      }
      var own = named.snapshot
      if case .delete = program.action { own.position = min(own.position, through) }
      view.tables[table.id] = own
      let result = try FragmentExecution.execute(plan, view, limits: limits)
      return Self.joined(result.batches, plan.columns.map(\.type))
    }
  }
  private static func joined(_ batches: [Batch], _ types: [DataType]) -> Batch {
    let filled = batches.filter { $0.count > 0 }
    return filled.isEmpty ? Batch(emptyOf: types) : Batch.concatenate(filled, types: types)
  }

  // MARK: Actions

  private func delete(_ input: Batch, _ named: NamedRows) throws -> ModifiedRows {
    let (places, _) = Self.distinctPlaces(input)
    let change = named.change(places: places, through: through)
    let references = try references(named)
    let isRead = program.returnsRows || references != nil
    let old = isRead ? try named.snapshot.rows(at: places, columns: Array(table.columns.indices)) : nil
    if let references, let old { try references.checkOld(old, removed: Set(places), new: nil) }
    return ModifiedRows(change: change, rows: nil, returned: try returned(old))
  }
  private func update(_ input: Batch, _ named: NamedRows) throws -> ModifiedRows {
    let (places, kept) = Self.distinctPlaces(input)
    var rows = input.select(Array(1..<input.columns.count))
    if let kept { rows = rows.gather(kept) }
    try RowConstraints.check(rows, table, program.checks)
    try requireSameTenants(rows, as: places, named)
    return try finish(rows, removing: places, named)
  }
  private func insert(_ rows: Batch, _ conflict: ModifyProgram.Conflict, _ named: NamedRows) throws -> ModifiedRows {
    try RowConstraints.check(rows, table, program.checks)
    switch conflict {
    case .fail: return try finish(rows, removing: [], named)
    case .nothing(let key):
      let keys = key.map { [table.keys[$0]] } ?? table.keys
      let matches = try keys.map { try KeyMatches($0, rows, in: named.snapshot, limits.cancel) }
      var taken = matches.map { [Bool](repeating: false, count: $0.places.count) }
      var kept: [UInt32] = []
      for row in 0..<rows.count {
        let groups = matches.map { $0.groups[row] }
        let isThere = matches.indices.contains { at in
          groups[at] != KeyMatches.none && (matches[at].place(row) != nil || taken[at][Int(groups[at])])
        }
        if isThere { continue }
        for at in matches.indices where groups[at] != KeyMatches.none { taken[at][Int(groups[at])] = true }
        kept.append(UInt32(row))
      }
      // What is left meets nothing in the keys that were looked at.
      let settled = key.map { [$0] } ?? Set(table.keys.indices)
      return try finish(kept.count == rows.count ? rows : rows.gather(kept), removing: [], named, besides: settled)
    case .update(let key, let row, let condition):
      return try upsert(rows, key, row, condition, named)
    }
  }
  private func upsert(
    _ rows: Batch,
    _ number: Int,
    _ expressions: [Expression],
    _ condition: Expression?,
    _ named: NamedRows
  ) throws -> ModifiedRows {
    let key = table.keys[number]
    let matches = try KeyMatches(key, rows, in: named.snapshot, limits.cancel)
    var (inserted, hit, places): ([UInt32], [UInt32], [Int64]) = ([], [], [])
    var isTaken = [Bool](repeating: false, count: matches.places.count)
    for row in 0..<rows.count {
      if let place = matches.place(row) {
        hit.append(UInt32(row))
        places.append(place)
        continue
      }
      let group = matches.groups[row]
      if group != KeyMatches.none {
        if isTaken[Int(group)] { throw Self.secondTime }
        isTaken[Int(group)] = true
      }
      inserted.append(UInt32(row))
    }
    let old = try named.snapshot.rows(at: places, columns: Array(table.columns.indices))
    var both = Batch(count: hit.count, columns: old.columns + rows.gather(hit).columns)
    if let condition, both.count > 0, let passed = try ExpressionEvaluation.matching(condition, both) {
      both = both.gather(passed)
      hit = passed.map { hit[Int($0)] }
      places = passed.map { places[Int($0)] }
    }
    if Set(places).count < places.count { throw Self.secondTime }
    var updated = Batch(emptyOf: types)
    if both.count > 0 {
      updated = Batch(count: both.count, columns: try expressions.map { try ExpressionEvaluation.column($0, both) })
      try RowConstraints.check(updated, table, program.checks)
      try requireSameTenants(updated, as: places, named)
    }
    // In the order in which the rows were given.
    let all = Self.joined([rows.gather(inserted), updated], types)
    let order = (inserted + hit).enumerated().sorted { $0.element < $1.element }.map { UInt32($0.offset) }
    // Rows whose key stays as it is meet nothing in it: those that come have no match, those that are there are apart.
    let keepsKey = key.columns.allSatisfy { expressions[$0].columnIndex == $0 }
    return try finish(all.gather(order), removing: places, named, besides: keepsKey ? [number] : [])
  }
  private static let secondTime = TallyError(
    .invalid,
    "ON CONFLICT DO UPDATE command cannot affect row a second time",
    sqlState: "21000",
    hint: "Ensure that no rows proposed for insertion within the same command have duplicate constrained values."
  )

  // MARK: Steps

  /// The change that puts `rows` in the place of those at `places`.
  private func finish(
    _ rows: Batch,
    removing places: [Int64],
    _ named: NamedRows,
    besides settled: Set<Int> = []
  ) throws -> ModifiedRows {
    if let key = table.distribution.tenantKey, !TenantHashes.all(rows.columns[key], areWithin: range) {
      throw TallyError(
        .notPrimary,
        "a change of rows makes rows of tenants that belong to other shards than \(view?.shard.description ?? "this")"
      )
    }
    try KeyCheck.check(rows, table, in: named.snapshot, removed: Set(places), besides: settled, cancel: limits.cancel)
    if let references = try references(named) {
      let removed = Set(places)
      try references.checkNew(rows, removed: removed)
      let old = try named.snapshot.rows(at: places, columns: Array(table.columns.indices))
      try references.checkOld(old, removed: removed, new: rows)
    }
    var change = named.change(places: places, through: through)
    change.rows = RowChange.Rows.batches(of: rows)
    change.affected = rows.count
    return ModifiedRows(change: change, rows: rows.count > 0 ? rows : nil, returned: try returned(rows))
  }
  /// What looks at the rows of other tables; nil when none has to do with this one.
  private func references(_ named: NamedRows) throws -> ReferenceCheck? {
    guard ReferenceCheck.isNeeded(table, schema) else { return nil }
    var stored = related
    if let statement {
      for other in statement.tables where stored[other] != nil { stored[other] = try stored[other]?.seen(by: statement, schema) }
    }
    stored[table.id] = named.snapshot
    return ReferenceCheck(table: table, schema: schema, stored: stored, cancel: limits.cancel)
  }
  private func returned(_ rows: Batch?) throws -> [UInt8] {
    guard program.returnsRows, let rows, rows.count > 0 else { return [] }
    let bytes = rows.count > Limits.batchRowsMax ? [] : BatchFormat.encode(rows)
    guard !bytes.isEmpty, bytes.count <= Self.returnedBytesMax else {
      throw TallyError.sql(
        "54000",
        "\(rows.count) rows of one shard are too many to return",
        hint: "Change them in parts, or leave out RETURNING."
      )
    }
    return bytes
  }
  /// Bytes of the rows that one change may return: they travel in one frame.
  private static let returnedBytesMax = 12 << 20
  /// A row stays with its tenant: it would belong to another shard.
  private func requireSameTenants(_ rows: Batch, as places: [Int64], _ named: NamedRows) throws {
    guard let key = table.distribution.tenantKey, rows.count > 0 else { return }
    let old = try named.snapshot.rows(at: places, columns: [key])
    guard TenantHashes.of(old.columns[0]) == TenantHashes.of(rows.columns[key]) else {
      throw TallyError.sql(
        "0A000",
        "modifying the partition value of rows is not allowed",
        hint: "Column \"\(table.columns[key].name)\" is the tenant key of table \"\(table.name)\": delete the row and insert it anew."
      )
    }
  }
  /// The places of a plan's first column, each once, and the rows that have them first; nil when those are all.
  private static func distinctPlaces(_ input: Batch) -> (places: [Int64], kept: [UInt32]?) {
    guard case .fixed(let all)? = input.columns.first?.values else { return ([], nil) }
    var seen: Set<Int64> = []
    seen.reserveCapacity(all.count)
    var kept: [UInt32] = []
    for (row, place) in all.enumerated() where !input.columns[0].isNull(row) && seen.insert(place).inserted { kept.append(UInt32(row)) }
    if kept.count == all.count { return (all, nil) }
    return (kept.map { all[Int($0)] }, kept)
  }
}
