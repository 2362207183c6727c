// IngestFlow.swift — loads a file of CSV or JSON lines as a named producer: read → cut → build → deliver, several chunks at once.
//
// A chunk is delivered only after all chunks before it were built without a wrong row. So when a row is wrong,
// exactly the chunks before its own are stored, and after the file is corrected from that row on, the same command
// completes the load. Running a load again builds the same chunks with the same keys; the shards answer those they
// have as duplicates.

import Bytes
public import Capabilities
import Columns
import Model
internal import Synchronization
import Wire

/// Loads files.
public struct IngestFlow: Sendable {
  private let map: ClusterMap
  private let disk: any Disk
  private let compute: any Compute
  private let clock: any Clock

  /// Makes a flow; `disk` is where the files are.
  public init(map: ClusterMap, disk: any Disk, compute: any Compute, clock: any Clock) {
    self.map = map
    self.disk = disk
    self.compute = compute
    self.clock = clock
  }

  /// What a chunk came to.
  private enum ChunkEnd: Sendable {
    case delivered(Delivered, rejects: [CSVReject])
    /// An earlier chunk failed first.
    case held
    case failed(chunk: Int, IngestFailure)
  }

  /// Loads a file; returns also when it failed, saying what is stored.
  ///
  /// `progress` is told after every chunk.
  public func run(
    _ request: IngestRequest,
    progress: @escaping @Sendable (IngestProgress) -> Void = { _ in }
  ) async -> IngestReport {
    var report = IngestReport(path: request.path)
    do {
      try await load(request, &report, progress)
    } catch {
      report.failure = failure(error, report)
    }
    return report
  }
  private func failure(_ error: any Error, _ report: IngestReport) -> IngestFailure {
    IngestFailure(
      error: TallyError(ofLoad: error),
      line: nil,
      column: nil,
      acknowledged: Self.stored(report)
    )
  }
  private static func stored(_ report: IngestReport) -> String {
    let all = report.rowsDurable + report.rowsDuplicate
    if all == 0 { return "no row of the file was acknowledged" }
    return
      "\(all) rows of the file are stored: \(report.rowsDurable) by this load, \(report.rowsDuplicate) by an earlier one"
  }

  /// The coordinators' catalog; a coordinator that dies meanwhile is waited for.
  private func newestCatalog(_ giveUp: Instant) async throws -> RequestRouting {
    var retry = RetryState(RetryPolicy(), giveUp: giveUp)
    while true {
      do { return try await map.refresh(after: map.known, deadline: giveUp) } catch let error as TallyError where error.isRetryable {
        guard let pause = retry.pause(now: clock.now, random: map.random) else { throw error }
        try await clock.sleep(for: pause)
      }
    }
  }
  private func load(
    _ request: IngestRequest,
    _ report: inout IngestReport,
    _ progress: @escaping @Sendable (IngestProgress) -> Void
  ) async throws {
    guard request.chunkBytes >= 1024, request.chunkBytes <= 64 << 20 else {
      throw TallyError.sql("22023", "a chunk has 1 KiB to 64 MiB, not \(request.chunkBytes) bytes")
    }
    var routing = try await newestCatalog(clock.now + request.producer.patience)
    guard var table = routing.catalog.table(named: request.table) else {
      throw TallyError.sql("42P01", "relation \"\(request.table)\" does not exist")
    }
    guard request.rejectPath != request.path else {
      throw TallyError.sql("22023", "the reject file is the file itself")
    }
    let opening = OpenProducer(
      table: request.table,
      name: request.source ?? request.path,
      chunkBytes: UInt64(request.chunkBytes),
      fingerprint: request.fingerprint,
      again: request.again
    )
    let session = try await Producer.open(
      opening,
      map: map,
      deadline: clock.now + request.producer.patience
    )
    report.firstLoad = session.isNew ? "" : session.firstLoad
    if table.distribution.group == nil {
      // Opening the session gave the table its place.
      routing = try await newestCatalog(clock.now + request.producer.patience)
      if let placed = routing.catalog.table(table.id) { table = placed }
    }
    guard let group = table.distribution.group else { throw TallyError(.staleCatalog, "table \(table.name) has no place") }
    guard session.chunkBytes >= 1024, session.chunkBytes <= 64 << 20 else {
      throw TallyError(.protocolViolation, "the session has chunks of \(session.chunkBytes) bytes")
    }
    let reader = try await ChunkReader.open(
      request.path,
      disk: disk,
      compute: compute,
      chunkBytes: Int(session.chunkBytes),
      hasHeader: request.encoding == .csv && request.hasHeader,
      hasQuotes: request.encoding == .csv
    )
    do {
      try await load(request, routing.shards(of: group), table, session, opening, reader, &report, progress)
    } catch {
      await reader.close()
      throw error
    }
    await reader.close()
  }

  private func load(
    _ request: IngestRequest,
    _ shards: [ShardRecord],
    _ table: TableSchema,
    _ session: ProducerSession,
    _ opening: OpenProducer,
    _ reader: ChunkReader,
    _ report: inout IngestReport,
    _ progress: @escaping @Sendable (IngestProgress) -> Void
  ) async throws {
    // The header comes with the first chunk.
    var waiting: [CSVChunk] = []
    var atEnd = false
    while waiting.isEmpty && !atEnd {
      if let chunks = try await reader.next() { waiting += chunks } else { atEnd = true }
    }
    let plan = try await plan(request, table, shards, header: reader.header)
    let building = ChunkBuilding(
      plan,
      shards: shards.map(\.id),
      chunkBytes: Int(session.chunkBytes)
    )
    let producer = Producer(
      keys: .session(session.session, opening),
      table: table.id,
      stride: building.stride,
      map: map,
      options: request.producer
    )
    guard request.isAtomic else {
      return try await carry(request, building, reader, waiting, atEnd, producer, nil, &report, progress)
    }
    let load = try await AtomicLoad.begin(
      table,
      shards,
      session: session.session,
      stride: building.stride,
      map: map,
      options: request.producer
    )
    do {
      _ = try await load.run.carryOut { _ in
        try await carry(request, building, reader, waiting, atEnd, producer, load, &report, progress)
        // A wrong row or a chunk that could not be staged: nothing is stored.
        if report.failure != nil { throw CancellationError() }
      }
      map.session.merge(load.run.written)
    } catch {
      report.rowsDurable = 0
      if !Task.isCancelled, !load.run.mayBeDecided { try await load.run.abandon() }
      if report.failure == nil {
        let isOpen = (error as? TallyError)?.status == .unknownOutcome
        report.failure = IngestFailure(
          error: TallyError(ofLoad: error),
          line: nil,
          column: nil,
          acknowledged: isOpen ? "all rows of the file or none; repeat the load to know" : ""
        )
      }
      if report.failure?.acknowledged.isEmpty ?? false { report.failure?.acknowledged = "no row of the file is stored by this load" }
    }
  }

  private func plan(
    _ request: IngestRequest,
    _ table: TableSchema,
    _ shards: [ShardRecord],
    header: [UInt8]?
  ) async throws -> LoadPlan {
    if case .ndjson(let ignoresUnknownFields) = request.encoding {
      guard request.columns == nil else { throw TallyError.sql("22023", "the fields of JSON objects have names: columns cannot be given") }
      let defaults = try await defaults(of: table, besides: [])
      return .ndjson(
        try NDJSONPlan(table: table, shards: shards, defaults: defaults, ignoresUnknownFields: ignoresUnknownFields)
      )
    }
    let columns =
      try request.columns
      ?? header.map { bytes throws(TallyError) in
        try CSVRecords.header(bytes, format: request.format)
      }
    return .csv(
      try CSVPlan(
        table: table,
        shards: shards,
        columns: columns,
        format: request.format,
        constants: try await defaults(of: table, besides: columns),
        rejectsRows: true
      )
    )
  }

  /// Reads, builds and delivers all chunks: to the shards, or into the statement of a load that is stored whole.
  private func carry(
    _ request: IngestRequest,
    _ building: ChunkBuilding,
    _ reader: ChunkReader,
    _ first: [CSVChunk],
    _ isRead: Bool,
    _ producer: Producer,
    _ whole: AtomicLoad?,
    _ report: inout IngestReport,
    _ progress: @escaping @Sendable (IngestProgress) -> Void
  ) async throws {
    var (waiting, atEnd) = (first, isRead)
    var rejectFile: RejectFile?
    if let path = request.rejectPath { rejectFile = try await RejectFile.create(path, disk: disk) }
    let rejects = rejectFile
    let width = whole == nil ? min(producer.chunksInFlightMax, 2 * compute.width + 4) : 2 * compute.width + 4

    var staged = Delivered()
    var chunksRead = 0
    var ends: [ChunkEnd] = []
    var state = IngestProgress(bytesRead: 0, bytesTotal: reader.size, rowsAcknowledged: 0)
    var rejected: [CSVReject] = []
    var readFailure: (any Error)?
    try await withThrowingTaskGroup(of: ChunkEnd.self) { group in
      var inFlight = 0
      func note(_ end: ChunkEnd) {
        inFlight -= 1
        switch end {
        case .delivered(let delivered, let found):
          staged += delivered
          state.rowsAcknowledged += delivered.rowsDurable + delivered.rowsDuplicate
          report.rowsRejected += UInt64(found.count)
          rejected += found.prefix(10)
          rejected.sort { $0.line < $1.line }
          rejected.removeLast(max(0, rejected.count - 10))
          progress(state)
        case .held: break
        case .failed: ends.append(end)
        }
      }
      var previous: Promise<Bool>?
      reading: while ends.isEmpty {
        for chunk in waiting {
          // `doneBelow` bounds how far ahead of the oldest unacknowledged chunk this may run.
          while inFlight >= width || (whole == nil && chunk.number - producer.doneBelow >= producer.chunksInFlightMax) {
            guard let end = try await group.next() else { break }
            note(end)
            if !ends.isEmpty { break reading }
          }
          let (before, mine) = (previous, Promise<Bool>())
          previous = mine
          inFlight += 1
          chunksRead += 1
          group.addTask {
            await carry(
              chunk,
              before,
              mine,
              building,
              producer,
              whole,
              rejects,
              isRejecting: request.rejectPath != nil
            )
          }
        }
        waiting = []
        if atEnd { break }
        do {
          if let chunks = try await reader.next() { waiting = chunks } else { atEnd = true }
        } catch {
          readFailure = error
          break
        }
        state.bytesRead = reader.bytesRead
      }
      while let end = try await group.next() { note(end) }
    }
    if let rejectFile { try await rejectFile.close() }
    let total = whole == nil ? producer.total : staged
    report.rowsDurable = total.rowsDurable
    report.rowsDuplicate = total.rowsDuplicate
    report.retries = total.retries
    report.chunks = whole == nil ? producer.doneBelow : chunksRead
    report.bytesRead = reader.bytesRead
    report.firstRejects = rejected
    let first = ends.compactMap { end -> (Int, IngestFailure)? in
      if case .failed(let chunk, let failure) = end { (chunk, failure) } else { nil }
    }.min { $0.0 < $1.0 }
    if var failure = first?.1 {
      failure.acknowledged = whole == nil ? Self.stored(report) + failure.acknowledged : ""
      report.failure = failure
    } else if let readFailure {
      throw readFailure
    }
  }

  /// Builds a chunk, waits until all before it are built, delivers it.
  private func carry(
    _ chunk: CSVChunk,
    _ before: Promise<Bool>?,
    _ mine: Promise<Bool>,
    _ building: ChunkBuilding,
    _ producer: Producer,
    _ whole: AtomicLoad?,
    _ rejectFile: RejectFile?,
    isRejecting: Bool
  ) async -> ChunkEnd {
    func fails(
      _ error: any Error,
      line: Int? = nil,
      column: String? = nil,
      note: String = ""
    ) -> ChunkEnd {
      mine.fulfil(false)
      return .failed(
        chunk: chunk.number,
        IngestFailure(
          error: TallyError(ofLoad: error),
          line: line,
          column: column,
          acknowledged: note
        )
      )
    }
    do {
      let (built, hash) = try await compute.attempt {
        (try building.build(chunk), Murmur3.hash(chunk.bytes))
      }
      // Every promise of the chain is settled by its own task, whatever becomes of it.
      if let before, try await !before.value {
        mine.fulfil(false)
        return .held
      }
      if !isRejecting, let reject = built.rejects.first {
        return fails(reject.error, line: reject.line, column: reject.column)
      }
      try await rejectFile?.append(built.rejects)
      mine.fulfil(true)
      do {
        let delivered =
          if let whole {
            try await whole.stage(chunk: chunk.number, contentHash: hash, batches: built.batches)
          } else {
            try await producer.deliver(chunk: chunk.number, contentHash: hash, batches: built.batches)
          }
        return .delivered(delivered, rejects: built.rejects)
      } catch {
        if whole != nil { return fails(error) }
        return fails(
          error,
          note: "; rows of the part that begins on line \(chunk.firstLine) may be stored as well"
        )
      }
    } catch {
      return fails(error)
    }
  }

  /// The values of the defaults of columns that are not in the file, evaluated once by a coordinator.
  private func defaults(
    of table: TableSchema,
    besides columns: [String]?
  ) async throws -> [Int: Value] {
    guard let columns else { return [:] }
    let given = Set(columns)
    let missing = table.columns.indices.filter { at in
      !given.contains(table.columns[at].name) && table.columns[at].defaultSQL != nil
    }
    if missing.isEmpty { return [:] }
    let list = missing.map {
      "CAST((\(table.columns[$0].defaultSQL ?? "NULL")) AS \(table.columns[$0].type.name))"
    }
    let call = try await QueryCall.open(
      // Twice: a default that differs from row to row shows itself.
      QueryRequest(sql: "SELECT " + list.joined(separator: ", ") + " FROM generate_series(1, 2) AS n"),
      map: map,
      deadline: clock.now + .seconds(30)
    )
    var values: [Int: Value] = [:]
    while let event = try await call.next() {
      guard case .batch(let batch) = event, batch.columns.count == missing.count else { continue }
      for row in 0..<batch.count {
        for (at, vector) in zip(missing, batch.slice(row..<(row + 1)).columns) {
          let isSame = values[at].map { ValueText.print($0, as: vector.type) == ValueText.print(vector.firstValue, as: vector.type) }
          guard isSame ?? true else {
            throw TallyError.sql(
              "0A000",
              "the default of column \"\(table.columns[at].name)\" differs from row to row",
              hint: "Give the column in the data, or load it with COPY or INSERT."
            )
          }
          values[at] = vector.firstValue
        }
      }
    }
    guard values.count == missing.count else {
      throw TallyError(
        .protocolViolation,
        "a coordinator did not evaluate the defaults of \"\(table.name)\""
      )
    }
    return values
  }
}

extension IngestRequest {
  /// Everything but the bytes and the chunk size that decides what the chunks become.
  var fingerprint: Hash128 {
    var out = ByteWriter()
    if case .ndjson(let ignoresUnknownFields) = encoding {
      out.string("ndjson 1")
      out.bool(ignoresUnknownFields)
      return Murmur3.hash(out.finish())
    }
    out.string("csv 1")
    out.bool(hasHeader)
    out.u8(format.delimiter)
    out.prefixedBytes(format.nullText)
    out.bool(columns != nil)
    for column in columns ?? [] { out.string(column) }
    return Murmur3.hash(out.finish())
  }
}

extension TallyError {
  /// The error of a load, whatever it was.
  init(ofLoad error: any Error) {
    switch error {
    case let error as TallyError: self = error
    case let failure as DiskFailure:
      self.init(.invalid, failure.message, sqlState: failure.kind == .notFound ? "58P01" : "58030")
    case is CancellationError: self.init(.cancelled, "the load was cancelled")
    case is DeadlineExceeded: self.init(.timedOut, "the deadline passed")
    default: self.init(.internalError, "\(error)")
    }
  }
}

extension ColumnVector {
  /// The first row's value, for types that a default can have.
  var firstValue: Value {
    if isNull(0) { return .null }
    switch values {
    case .fixed(let v): return .fixed(v[0])
    case .double(let v): return .double(v[0])
    case .numeric(let v): return .numeric(v[0])
    case .interval(let v): return .interval(v[0])
    case .text(let v): return .text(String(decoding: v.bytes[..<Int(v.offsets[1])], as: UTF8.self))
    case .codes(let codes, let dictionary):
      let code = Int(codes[0])
      let range = Int(dictionary.offsets[code])..<Int(dictionary.offsets[code + 1])
      return .text(String(decoding: dictionary.bytes[range], as: UTF8.self))
    case .hll, .topn: return .null
    }
  }
}
