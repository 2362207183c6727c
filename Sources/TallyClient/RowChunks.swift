// RowChunks.swift — rows of single values become encoded batches for a table's shards.
//
// What a chunk becomes depends on its rows, the table and the shards only, so that a named producer makes the same batches in every
// run. The content hash covers the chunk as the program gave it, before it was split.
import Bytes
import ClientCore
import Columns
import Model

/// Some rows of an ingest, by column.
struct RowChunk: Sendable {
  /// 0, 1, … within the producer.
  var number: Int
  var rows: Int
  /// Values of the columns that the sink takes, in its order.
  var values: [[Value]]
}

/// How the rows of one ingest become batches.
struct RowPlan: Sendable {
  /// A shard may get so many batches of one chunk; a chunk's rows for it are split until each fits a frame.
  static let stride = 16
  private static let batchBytesMax = Limits.frameBytesMax - 4096

  let table: TableSchema
  /// Columns of the table that the sink takes, in its order.
  let targets: [Int]
  private let plan: CSVPlan
  private let shards: [ShardID]

  /// Plans the rows of one ingest.
  ///
  /// `columns` nil: all of the table's. `constants` are the evaluated defaults of columns that are not taken.
  init(
    table: TableSchema,
    shards: [ShardRecord],
    columns: [String]?,
    constants: [Int: Value]
  ) throws(TallyError) {
    // The rules for columns, keys and shards are those of a load from CSV.
    plan = try CSVPlan(table: table, shards: shards, columns: columns, constants: constants)
    self.table = table
    self.shards = shards.map(\.id)
    let names = columns ?? table.liveColumns.map { table.columns[$0].name }
    targets = names.compactMap { table.columnIndex($0) }
  }

  /// A value for the sink's column `at`, checked.
  func value(_ value: some TallyEncodable, _ at: Int) throws(TallyError) -> Value {
    let column = table.columns[targets[at]]
    var result: Value
    do throws(TallyError) { result = try value.value(as: column.type) } catch {
      var failure = error
      failure.detail = "column \(column.name)"
      throw failure
    }
    if result.isNull && (column.isNotNull || targets[at] == plan.key) {
      throw .sql(
        "23502",
        "null value in column \"\(column.name)\" of relation \"\(table.name)\" violates not-null constraint",
        subject: ErrorSubject(table, column: column.name)
      )
    }
    return result
  }

  /// The chunk's batches and content hash; on a compute thread.
  func build(_ chunk: RowChunk) throws(TallyError) -> (batches: [ShardBatch], hash: Hash128) {
    var columns: [ColumnVector] = []
    for (at, column) in table.columns.enumerated() {
      let values =
        targets.firstIndex(of: at).map { chunk.values[$0] }
        ?? [Value](repeating: plan.constants[at], count: chunk.rows)
      columns.append(ColumnVector(column.type, values: values))
    }
    let all = Batch(count: chunk.rows, columns: columns)
    let hash = Murmur3.hash(BatchFormat.encode(all))
    var rowsOfShard = [[UInt32]](repeating: [], count: shards.count)
    if let key = plan.key, let keyField = targets.firstIndex(of: key) {
      for (row, value) in chunk.values[keyField].enumerated() {
        rowsOfShard[plan.shard(ofHash: try Self.hash(value, table.columns[key].type, plan))].append(UInt32(row))
      }
    } else {
      rowsOfShard[0] = Array(0..<UInt32(chunk.rows))
    }
    var batches: [ShardBatch] = []
    for (shard, rows) in rowsOfShard.enumerated() where !rows.isEmpty {
      var part = 0
      try encode(all.gather(rows), shards[shard], &part, &batches)
    }
    return (batches, hash)
  }
  private func encode(
    _ batch: Batch,
    _ shard: ShardID,
    _ part: inout Int,
    _ batches: inout [ShardBatch]
  ) throws(TallyError) {
    let bytes = BatchFormat.encode(batch)
    if bytes.count > Self.batchBytesMax && batch.count > 1 {
      let middle = batch.count / 2
      try encode(batch.slice(0..<middle), shard, &part, &batches)
      return try encode(batch.slice(middle..<batch.count), shard, &part, &batches)
    }
    guard part < Self.stride else {
      throw .sql(
        "54000",
        "a batch of \(batch.count) rows gives shard \(shard) more than \(Self.stride) messages",
        hint: "Use a smaller batchRows."
      )
    }
    batches.append(ShardBatch(shard: shard, part: part, rows: batch.count, bytes: bytes))
    part += 1
  }
  private static func hash(_ value: Value, _ type: DataType, _ plan: CSVPlan) throws(TallyError) -> UInt64 {
    switch value {
    case .fixed(let number): return StableHash.hash(number)
    case .text(var text): return text.withUTF8 { StableHash.hash(UnsafeRawBufferPointer($0)) }
    default:
      throw .sql(
        "0A000",
        "a distribution column of type \(type.name) is not supported"
      )
    }
  }
}
