// InsertFlow.swift — INSERT … VALUES and INSERT … SELECT: rows of one batch go to their shard at once, others are staged.
//
// A batch of one shard gets a key of this coordinator's own session, so that repeating it after a lost answer cannot write it twice.
// Rows of several shards, or more than a batch holds, are a statement of their own (StatementFlow): all or nothing. A client's key
// (UUIDv7) is remembered by one shard for the whole statement, so that the same key counts once whatever coordinator it is sent to.
import Bytes
import Capabilities
import Columns
import Execution
import Model
import Planning
import RPC
import Wire

/// The key that a client gave to an INSERT.
struct ClientKey: Sendable {
  var id: BatchID
  /// Of the statement's text: what the client sent, before defaults and times.
  var contentHash: Hash128
  /// The shard that remembers it, told by the id alone: rows of a repeated statement may belong to others than the first time.
  var home: ShardID

  /// Throws 22023 when the text is no UUIDv7.
  static func given(_ text: String, _ content: [UInt8], _ table: TableSchema, _ snapshot: CatalogSnapshot) throws(TallyError) -> ClientKey {
    let id = try BatchID(text)
    guard let group = table.distribution.group, let shards = snapshot.group(group)?.shards,
      let home = shards.lazy.compactMap({ snapshot.shard($0) }).first(where: {
        $0.lower <= StableHash.hash(Int64(bitPattern: id.low)) && StableHash.hash(Int64(bitPattern: id.low)) <= $0.upper
      })
    else { throw TallyError(.staleCatalog, "table \(table.name) has no place") }
    return ClientKey(id: id, contentHash: Murmur3.hash(content), home: home.id)
  }
}

/// What a statement wrote.
struct Written: Sendable {
  /// Rows: those of the first statement with its key, when that took effect before.
  var rows = 0
  /// Where the shards' logs hold it.
  var seen = SessionToken()
  /// A statement with its key took effect before; nothing was written now.
  var isDuplicate = false
}

extension Coordinator {
  /// Inserts rows of values; they are durable then.
  func insert(_ plan: InsertPlan, _ key: ClientKey?, deadline: Instant) async throws -> Written {
    if plan.rows.isEmpty { return Written() }
    return try await insert(try Self.rows(of: plan), plan.table, key, deadline: deadline)
  }
  /// The rows of INSERT … VALUES.
  static func rows(of plan: InsertPlan) throws -> [Batch] {
    try checkInsertable(plan.table)
    let columns = plan.table.columns.indices.map { at in
      ColumnVector(plan.table.columns[at].type, values: plan.rows.map { $0[at] })
    }
    return [Batch(count: plan.rows.count, columns: columns)]
  }
  /// Inserts what a query gives, once all of it is here.
  func insert(_ plan: InsertSelectPlan, _ rows: [Batch], _ key: ClientKey?, deadline: Instant) async throws -> Written {
    try await insert(try await checked(plan, rows), plan.table, key, deadline: deadline)
  }
  /// The rows of INSERT … SELECT, as the table keeps them.
  func checked(_ plan: InsertSelectPlan, _ rows: [Batch]) async throws -> [Batch] {
    try Self.checkInsertable(plan.table)
    let table = plan.table
    return try await surroundings.compute.attempt { try rows.map { try InsertedRows.checked($0, table) } }
  }
  static func checkInsertable(_ table: TableSchema) throws {
    for column in table.columns where column.type.layout == .hll || column.type.layout == .topn {
      throw TallyError.sql("0A000", "INSERT into a table with a column of type \(column.type.name) is not supported")
    }
  }
  func insert(_ batches: [Batch], _ table: TableSchema, _ key: ClientKey?, deadline: Instant) async throws -> Written {
    let table = try await placed(table)
    let snapshot = await log.catalog.snapshot
    let parts = try await parts(of: batches, table, snapshot)
    if parts.isEmpty, key == nil { return Written() }
    if let first = parts.first, parts.count == 1, first.batches.count == 1, key == nil || key?.home == first.shard {
      return try await insert(first.batches[0].bytes, first.shard, table.id, key, deadline: deadline)
    }
    return try await write([TableRows(table: table.id, parts: parts)], key, deadline: deadline)
  }
  func insert(
    _ bytes: [UInt8],
    _ shard: ShardID,
    _ table: TableID,
    _ given: ClientKey?,
    deadline: Instant
  ) async throws -> Written {
    try await needSession(until: deadline)
    let sequence = beginStatement()
    defer { openStatements.remove(sequence) }
    let hash = given?.contentHash ?? Murmur3.hash(bytes)
    let key =
      given.map { .id($0.id) }
      ?? BatchKey(session: statementSession, sequence: sequence, doneBelow: statementsDoneBelow)
    let answer = try await callPrimary(shard, giveUp: deadline) { epoch, version in
      .ingest(
        Ingest(shard: shard, epoch: epoch, version: version, table: table, key: key, contentHash: hash, batch: bytes)
      )
    }
    guard case .ingested(let done) = answer else {
      throw TallyError(.protocolViolation, "a worker answered an ingest request with \(answer.name)")
    }
    let seen = SessionToken([ShardPoint(shard: shard, point: done.point)])
    // Without a client's key a duplicate is a try of its own whose answer was lost.
    return Written(rows: Int(done.rows), seen: seen, isDuplicate: done.isDuplicate && given != nil)
  }
}

/// Rows of a query on their way into a table.
enum InsertedRows {
  /// The rows as the table keeps them. Throws 23502.
  static func checked(_ rows: Batch, _ table: TableSchema) throws -> Batch {
    var columns = rows.columns
    for (at, column) in table.columns.enumerated() where column.isNotNull {
      if columns[at].validity != nil, let row = (0..<rows.count).first(where: { columns[at].isNull($0) }) {
        throw TallyError.sql(
          "23502",
          "null value in column \"\(column.name)\" of relation \"\(table.name)\" violates not-null constraint",
          detail: InsertedRow.failing(try rows.columns.map { try $0.value(row) }, table),
          subject: ErrorSubject(table, column: column.name)
        )
      }
      // The same rows with and without a bitmap of nothing but ones are the same bytes.
      columns[at] = ColumnVector(column.type, columns[at].values)
    }
    return Batch(count: rows.count, columns: columns)
  }
}
