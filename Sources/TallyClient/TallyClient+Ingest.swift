// TallyClient+Ingest.swift — a program's rows into a table: each row once, however often it is tried.
//
// Rows are cut into chunks of `batchRows`, chunks are split by shard, and the parts go straight to the shards' workers, several chunks
// at once. A named producer keeps its keys: when the program runs again with the same name and gives the same rows in the same order,
// what is stored already is recognised and the rest completed. Without a name the keys last for this call. A batch under an idempotency
// key of the program's own is known again for a day, whoever sends it.
import Bytes
import Capabilities
import ClientCore
import Model
import Wire

extension TallyClient {
  /// Loads the rows that `body` appends to the sink; returns when all of them are durable.
  ///
  /// - columns: the columns that rows give, in order; nil: all of the table's. Others get their defaults.
  /// - producer: a name under which the same rows, given again in the same order, are stored once. It is remembered for seven days.
  /// - batchRows: rows of a chunk. A producer that is known keeps its first.
  /// - idempotencyKey: a UUIDv7 under which these rows, one batch at most, are stored once: for 24 hours, from any program.
  /// - again: store the rows anew although the producer is known.
  /// - patience: how long an outage may last before the ingest fails.
  /// - acknowledged: told the number of each batch, from 0, as soon as it is durable; batches may overtake each other.
  ///
  /// Throws the error of `body`, or the one that ended the delivery. Rows appended before may be stored then; running the same named
  /// producer again completes them.
  public func ingest(
    into table: String,
    columns: [String]? = nil,
    producer name: String? = nil,
    batchRows: Int = 5000,
    idempotencyKey: String? = nil,
    again: Bool = false,
    patience: Duration = .seconds(120),
    acknowledged: (@Sendable (_ batch: Int) -> Void)? = nil,
    _ body: (IngestSink) async throws -> Void
  ) async throws -> IngestSummary {
    guard batchRows > 0 && batchRows <= Limits.batchRowsMax else {
      throw TallyError.sql("22023", "batchRows is 1 to \(Limits.batchRowsMax), not \(batchRows)")
    }
    if let name, name.isEmpty || name.utf8.count > OpenProducer.nameBytesMax {
      throw TallyError.sql("22023", "a producer's name has 1 to \(OpenProducer.nameBytesMax) bytes")
    }
    let id = try idempotencyKey.map { text throws(TallyError) in try BatchID(text) }
    if id != nil, name != nil || again {
      throw TallyError.sql("22023", "an idempotency key is given instead of a producer's name")
    }
    let deadline = surroundings.clock.now + patience
    try await awaitCoordinator(deadline)
    var routing = try await map.refresh(after: map.known, deadline: deadline)
    guard var schema = routing.catalog.table(named: table) else {
      throw TallyError.sql("42P01", "relation \"\(table)\" does not exist")
    }
    if schema.distribution.group == nil {
      // A session gives the table its place, whoever uses it.
      _ = try await open(
        OpenProducer(table: table, name: "", chunkBytes: UInt64(batchRows), fingerprint: Self.fingerprint(columns), again: false),
        deadline
      )
      routing = try await map.refresh(after: map.known, deadline: deadline)
      if let placed = routing.catalog.table(schema.id) { schema = placed }
    }
    guard let group = schema.distribution.group else { throw TallyError(.staleCatalog, "table \(table) has no place") }
    let plan = try RowPlan(
      table: schema,
      shards: routing.shards(of: group),
      columns: columns,
      constants: try await defaults(of: schema, besides: columns)
    )
    let (keys, chunkRows): (ProducerKeys, Int)
    if let id {
      // One more than a batch holds: what is too much is refused before any of it is stored.
      (keys, chunkRows) = (.id(id), Limits.batchRowsMax + 1)
    } else {
      (keys, chunkRows) = try await open(
        OpenProducer(
          table: table,
          name: name ?? "",
          chunkBytes: UInt64(batchRows),
          fingerprint: Self.fingerprint(columns),
          again: again
        ),
        deadline
      )
    }
    var options = ProducerOptions()
    options.patience = patience
    let producer = Producer(
      keys: keys,
      table: schema.id,
      stride: RowPlan.stride,
      map: map,
      options: options
    )
    let sink = IngestSink(plan, batchRows: chunkRows)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask(executorPreference: loop) { try await self.deliver(sink, producer, acknowledged) }
      do {
        try await body(sink)
        try await sink.finish()
      } catch {
        // When the delivery failed first, its error is the cause of what `body` threw.
        throw sink.failure ?? error
      }
      try await group.waitForAll()
    }
    let total = producer.total
    var summary = IngestSummary()
    summary.rowsDurable = total.rowsDurable
    summary.rowsDuplicate = total.rowsDuplicate
    summary.batches = producer.doneBelow
    summary.retries = total.retries
    return summary
  }

  /// A producer's session, and the rows of its chunks.
  private func open(_ request: OpenProducer, _ deadline: Instant) async throws -> (ProducerKeys, chunkRows: Int) {
    let session = try await Producer.open(request, map: map, deadline: deadline)
    guard session.chunkBytes > 0, session.chunkBytes <= UInt64(Limits.batchRowsMax) else {
      throw TallyError.sql(
        "55000",
        "producer \"\(request.name)\" is known with chunks of \(session.chunkBytes) bytes",
        hint: "The name belongs to a load of a file; use another."
      )
    }
    return (.session(session.session, request), Int(session.chunkBytes))
  }
  private func deliver(
    _ sink: IngestSink,
    _ producer: Producer,
    _ acknowledged: (@Sendable (Int) -> Void)?
  ) async throws {
    let compute = surroundings.compute
    let width = min(producer.chunksInFlightMax, 2 * compute.width + 4)
    let plan = sink.plan
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        var inFlight = 0
        while let chunk = try await sink.chunks.receive() {
          // `doneBelow` bounds how far ahead of the oldest unacknowledged chunk this may run.
          while inFlight >= width || chunk.number - producer.doneBelow >= producer.chunksInFlightMax {
            guard try await group.next() != nil else { break }
            inFlight -= 1
          }
          inFlight += 1
          group.addTask {
            let (batches, hash) = try await compute.attempt { try plan.build(chunk) }
            try await producer.deliver(chunk: chunk.number, contentHash: hash, batches: batches)
            acknowledged?(chunk.number)
          }
        }
        try await group.waitForAll()
      }
    } catch {
      sink.fail(error)
      throw error
    }
  }
  /// Everything but the rows and their number that decides what the chunks become.
  private static func fingerprint(_ columns: [String]?) -> Hash128 {
    var out = ByteWriter()
    out.string("rows 1")
    out.bool(columns != nil)
    for column in columns ?? [] { out.string(column) }
    return Murmur3.hash(out.finish())
  }
  /// The values of the defaults of columns that rows do not give, evaluated once by a coordinator.
  private func defaults(
    of table: TableSchema,
    besides columns: [String]?
  ) async throws -> [Int: Value] {
    guard let columns else { return [:] }
    let missing = table.columns.indices.filter { at in
      !columns.contains(table.columns[at].name) && table.columns[at].defaultSQL != nil
    }
    if missing.isEmpty { return [:] }
    let list = missing.map {
      "CAST((\(table.columns[$0].defaultSQL ?? "NULL")) AS \(table.columns[$0].type.name))"
    }
    // Twice: a default that differs from row to row shows itself.
    let text = "SELECT " + list.joined(separator: ", ") + " FROM generate_series(1, 2) AS n"
    let rows = try await run(text, deadline: .seconds(30))
    var seen: [String?]?
    for result in rows {
      for row in result {
        let values = missing.indices.map { row[$0].text }
        if let at = seen.flatMap({ first in values.indices.first { first[$0] != values[$0] } }) {
          throw TallyError.sql(
            "0A000",
            "the default of column \"\(table.columns[missing[at]].name)\" differs from row to row",
            hint: "Give the column in the rows, or use INSERT."
          )
        }
        seen = values
      }
    }
    guard let row = rows.first?.makeIterator().firstRow, row.count == missing.count else {
      throw TallyError(
        .protocolViolation,
        "a coordinator did not evaluate the defaults of \"\(table.name)\""
      )
    }
    return Dictionary(uniqueKeysWithValues: missing.enumerated().map { ($1, row[$0].content) })
  }
}

extension Rows.Iterator {
  /// The first row.
  fileprivate var firstRow: Row? {
    var copy = self
    return copy.next()
  }
}
