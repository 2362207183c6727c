// ChunkBuilding.swift — a chunk of CSV or JSON lines → encoded batches for its shards, on compute threads; and where wrong rows
// are written.

import Bytes
import Capabilities
import Columns
import Model
internal import Synchronization
import Wire

/// A chunk ready to be delivered.
struct BuiltChunk: Sendable {
  var batches: [ShardBatch]
  var rejects: [CSVReject]
}

/// How the records of a file become rows.
enum LoadPlan: Sendable {
  case csv(CSVPlan)
  case ndjson(NDJSONPlan)
  /// Bytes that a record has at least: a CSV record as many as fields, an object a name, a value and their signs.
  var recordBytesMin: Int {
    switch self {
    case .csv(let plan): max(1, plan.fieldCount)
    case .ndjson: 8
    }
  }
}

/// Builds chunks; keeps as many builders as were ever used at once, because each keeps its memory.
final class ChunkBuilding: Sendable {
  /// One builder; between `take` and `give` it belongs to one compute thread.
  private final class Builder: @unchecked Sendable {
    private var csv: CSVBatchBuilder?
    private var lines: NDJSONBatchBuilder?
    init(_ plan: LoadPlan) {
      switch plan {
      case .csv(let plan): csv = CSVBatchBuilder(plan)
      case .ndjson(let plan): lines = NDJSONBatchBuilder(plan)
      }
    }
    func build(_ chunk: CSVChunk) throws(TallyError) -> CSVBuilt {
      if let built = try csv?.build(chunk.bytes, firstLine: chunk.firstLine) { return built }
      guard let built = try lines?.build(chunk.bytes, firstLine: chunk.firstLine) else { fatalError("a builder without a plan") }
      return built
    }
  }
  private let plan: LoadPlan
  private let shards: [ShardID]
  private let free = Mutex<[Builder]>([])
  /// Batches a chunk may give one shard.
  let stride: Int
  /// Longest batch: a frame holds it with its head.
  private static let batchBytesMax = Limits.frameBytesMax - 4096

  init(_ plan: LoadPlan, shards: [ShardID], chunkBytes: Int) {
    self.plan = plan
    self.shards = shards
    // Twice the rows' need leaves room to split batches that are too long to send.
    stride = min(2 * (chunkBytes / plan.recordBytesMin / Limits.batchRowsMax + 1), 256)
  }
  func build(_ chunk: CSVChunk) throws(TallyError) -> BuiltChunk {
    let builder = free.withLock { $0.popLast() } ?? Builder(plan)
    defer { free.withLock { $0.append(builder) } }
    let built = try builder.build(chunk)
    var batches: [ShardBatch] = []
    var parts = [Int](repeating: 0, count: shards.count)
    for part in built.parts { try encode(part.batch, part.shard, &parts, &batches) }
    return BuiltChunk(batches: batches, rejects: built.rejects)
  }
  private func encode(
    _ batch: Batch,
    _ shard: Int,
    _ parts: inout [Int],
    _ batches: inout [ShardBatch]
  ) throws(TallyError) {
    let bytes = BatchFormat.encode(batch)
    if bytes.count > Self.batchBytesMax && batch.count > 1 {
      let middle = batch.count / 2
      try encode(batch.slice(0..<middle), shard, &parts, &batches)
      return try encode(batch.slice(middle..<batch.count), shard, &parts, &batches)
    }
    guard parts[shard] < stride else {
      throw .sql(
        "54000",
        "a chunk gives shard \(shards[shard]) more than \(stride) batches",
        hint: "Load with smaller chunks."
      )
    }
    batches.append(
      ShardBatch(shard: shards[shard], part: parts[shard], rows: batch.count, bytes: bytes)
    )
    parts[shard] += 1
  }
}

/// A file of wrong rows: CSV with a header, `line,column,sqlstate,reason,record`; `record` is the row as it was written.
final class RejectFile: Sendable {
  private let file: any DiskFile
  private let position: Mutex<UInt64>
  private static let header = Array("line,column,sqlstate,reason,record\n".utf8)

  private init(_ file: any DiskFile) {
    self.file = file
    position = Mutex(UInt64(Self.header.count))
  }
  static func create(_ path: String, disk: any Disk) async throws -> RejectFile {
    do { try await disk.remove(path) } catch let failure as DiskFailure
      where failure.kind == .notFound
    {}
    let file = try await disk.open(path, .create)
    try await file.write([header], at: 0, sync: false)
    return RejectFile(file)
  }
  /// Appends records; calls follow one another.
  func append(_ rejects: [CSVReject]) async throws {
    if rejects.isEmpty { return }
    var bytes: [UInt8] = []
    for reject in rejects {
      bytes += Array("\(reject.line),".utf8)
      Self.quote(Array((reject.column ?? "").utf8), into: &bytes)
      bytes += Array(",\(reject.error.sqlState),".utf8)
      Self.quote(Array(reject.error.message.utf8), into: &bytes)
      bytes.append(0x2c)
      Self.quote(reject.record, into: &bytes)
      bytes.append(0x0a)
    }
    let count = UInt64(bytes.count)
    let start = position.withLock { position in
      defer { position += count }
      return position
    }
    try await file.write([bytes], at: start, sync: false)
  }
  private static func quote(_ field: [UInt8], into bytes: inout [UInt8]) {
    guard field.contains(where: { $0 == 0x22 || $0 == 0x2c || $0 == 0x0a || $0 == 0x0d }) else {
      bytes += field
      return
    }
    bytes.append(0x22)
    for byte in field {
      if byte == 0x22 { bytes.append(0x22) }
      bytes.append(byte)
    }
    bytes.append(0x22)
  }
  func close() async throws {
    try await file.sync()
    await file.close()
  }
}
