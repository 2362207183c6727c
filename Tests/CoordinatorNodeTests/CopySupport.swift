// CopySupport.swift — a catalog of tables for COPY, clients that send what a test says, and the pipeline without a cluster.
import Bytes
import Capabilities
import Columns
import Model
import Planning
import PostgresWire
import SQL
import Synchronization

@testable import CoordinatorNode

/// Runs work where it is asked for.
struct InlineCompute: Compute {
  var width = 2
  func run<R: Sendable>(_ work: @escaping @Sendable () -> R) async -> R { work() }
}

/// Data in the given cuts, and how it ends.
final class PlayedSource: CopySource {
  private let chunks: Mutex<[[UInt8]]>
  private let failure: TallyError?
  /// Bytes that were asked for.
  let sent = Mutex(0)
  init(_ chunks: [[UInt8]], failure: TallyError? = nil) {
    self.chunks = Mutex(chunks.reversed())
    self.failure = failure
  }
  /// Data cut into chunks of `size` bytes.
  convenience init(_ bytes: [UInt8], by size: Int, failure: TallyError? = nil) {
    self.init(
      stride(from: 0, to: bytes.count, by: max(1, size)).map { Array(bytes[$0..<min($0 + max(1, size), bytes.count)]) },
      failure: failure
    )
  }
  func next() async throws -> [UInt8]? {
    if let chunk = chunks.withLock({ $0.popLast() }) {
      sent.withLock { $0 += chunk.count }
      return chunk
    }
    if let failure { throw failure }
    return nil
  }
}

/// What a COPY wrote to its client, message by message.
final class WrittenCopy: CopyClient {
  let messages = Mutex<[[UInt8]]>([])
  func beginCopyIn(columns: Int, isBinary: Bool) async throws -> any CopySource { PlayedSource([]) }
  func beginCopyOut(columns: Int, isBinary: Bool) async throws {}
  func sendCopyRows(_ bytes: [UInt8], ends: [Int]) async throws {
    var start = 0
    for end in ends {
      messages.withLock { $0.append(Array(bytes[start..<end])) }
      start = end
    }
  }
}

enum CopySample {
  static let context = PlanningContext(now: 1_700_000_000_000_000)
  static let values = PostgresValues { _, _ throws(TallyError) in throw TallyError(.internalError, "no sketches here") }

  /// A catalog of tables (`CREATE TABLE`'s parentheses by name), distributed by their first column over `shards` shards each.
  static func catalog(_ tables: [(name: String, columns: String)], shards: Int) throws -> CatalogSnapshot {
    var catalog = CatalogSnapshot(cluster: .none)
    for (at, table) in tables.enumerated() {
      guard
        case .createTable(let made) = try plan(
          try parse("create table \(table.name) (\(table.columns))")[0],
          catalog: catalog,
          context: context
        )
      else { throw TallyError(.internalError, "no table") }
      let group = GroupID(UInt64(at + 1))
      var schema = made.table
      schema.id = TableID(UInt64(at + 1))
      schema.distribution = .distributed(key: 0, group: group)
      let step = UInt64.max / UInt64(shards)
      let records = (0..<shards).map { i in
        ShardRecord(
          id: ShardID(UInt64(at * 1000 + i + 1)),
          group: group,
          lower: i == 0 ? 0 : UInt64(i) * step + 1,
          upper: i == shards - 1 ? .max : UInt64(i + 1) * step,
          epoch: Epoch(1),
          version: 1,
          primary: NodeID(1)
        )
      }
      catalog.groups.append(ColocationGroup(id: group, keyType: schema.columns[0].type, shards: records.map(\.id)))
      catalog.shards += records
      catalog.tables.append(schema)
    }
    return catalog
  }
  static func copyIn(_ sql: String, _ catalog: CatalogSnapshot) throws -> CopyInPlan {
    guard case .copyIn(let copy) = try plan(try parse(sql)[0], catalog: catalog, context: context) else {
      throw TallyError(.internalError, "no COPY FROM")
    }
    return copy
  }
  /// The rows that a COPY takes, in the order of pieces and shards; throws what it throws.
  static func rows(
    _ copy: CopyInPlan,
    _ catalog: CatalogSnapshot,
    _ source: any CopySource,
    pieceBytes: Int,
    width: Int = 2
  ) async throws -> [Batch] {
    let parser = try CopyParser(copy, catalog, values)
    let intake = CopyIntake(copy, parser, source, InlineCompute(width: width), pieceBytes: pieceBytes)
    guard let first = try await intake.first() else { return [] }
    let parsed = Mutex<[CopyParsed]>([])
    if first.isAll {
      parsed.withLock { $0.append(first.parsed) }
    } else {
      let taken = Taken()
      _ = try await intake.run(from: first.parsed) { await taken.add($0) }
      let all = await taken.parsed
      parsed.withLock { $0 = all }
    }
    let types = copy.table.columns.map(\.type)
    return try parsed.withLock { $0 }.sorted { $0.number < $1.number }.flatMap { piece in
      try piece.parts.flatMap { try $0.batches.map { try BatchFormat.decode($0.bytes, types: types) } }
    }
  }
  actor Taken {
    private(set) var parsed: [CopyParsed] = []
    func add(_ one: CopyParsed) { parsed.append(one) }
  }
  /// Rows as COPY writes them.
  static func written(_ batches: [Batch], _ columns: [OutputColumn], _ options: CopyOptions) async throws -> [[UInt8]] {
    let client = WrittenCopy()
    _ = try await CopyOutput.send(
      GatheredRows(batches),
      columns,
      options,
      to: client,
      values: values,
      compute: InlineCompute()
    )
    return client.messages.withLock { $0 }
  }
  static func columns(_ table: TableSchema) -> [OutputColumn] { table.columns.map { OutputColumn($0.name, $0.type) } }
}
