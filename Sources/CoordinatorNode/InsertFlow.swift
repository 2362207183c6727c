// InsertFlow.swift — INSERT … VALUES of one tenant: one batch to one shard, once.
//
// The statement gets a key of this coordinator's own session, so that repeating it after a lost answer cannot write it twice.
import Bytes
import Capabilities
import Columns
import Model
import Planning
import RPC
import Wire

extension Coordinator {
  /// Inserts rows; returns how many. The rows are durable then.
  func insert(_ plan: InsertPlan, deadline: Instant) async throws -> Int {
    guard let shard = plan.shard else { return 0 }
    guard plan.rows.count <= Limits.batchRowsMax else {
      throw TallyError.sql(
        "54000",
        "INSERT of \(plan.rows.count) rows",
        hint: "insert at most \(Limits.batchRowsMax) rows a statement, or use tally ingest"
      )
    }
    for column in plan.table.columns where column.type.layout == .hll || column.type.layout == .topn {
      throw TallyError.sql("0A000", "INSERT into a table with a column of type \(column.type.name) is not supported")
    }
    let batch = Batch(
      count: plan.rows.count,
      columns: plan.table.columns.indices.map { at in ColumnVector(plan.table.columns[at].type, values: plan.rows.map { $0[at] }) }
    )
    let bytes = BatchFormat.encode(batch)
    let hash = Murmur3.hash(bytes)
    let sequence = nextStatement
    nextStatement += 1
    openStatements.insert(sequence)
    defer { openStatements.remove(sequence) }
    let key = BatchKey(session: statementSession, sequence: sequence, doneBelow: openStatements.min() ?? sequence)
    let (table, pool) = (plan.table.id, pool)
    let answer = try await untilServed(deadline) { snapshot in
      guard let record = snapshot.shard(shard), let node = snapshot.node(record.primary), let address = NetworkAddress(node.address)
      else { throw TallyError(.unavailable, "shard \(shard) has no primary") }
      return try await pool.call(
        .ingest(
          Ingest(
            shard: shard,
            epoch: record.epoch,
            version: snapshot.version,
            table: table,
            key: key,
            contentHash: hash,
            batch: bytes
          )
        ),
        to: address,
        deadline: deadline
      )
    }
    guard case .ingested(let done) = answer else {
      throw TallyError(.protocolViolation, "a worker answered an ingest request with \(answer.name)")
    }
    return Int(done.rows)
  }
}
