// CopyFlow.swift — COPY … FROM STDIN: data in, rows to their shards, all or nothing.
//
// client → pieces of about 4 MiB, the chunks of `tally ingest` (CopyCutter) → batches by shard (CopyParser, on Compute) → staged as they
// come (StatementRun) → decided and committed at the end. A few pieces are under way at a time, and nothing is read from the client while
// they are: a slow shard holds the client up, not this node's memory. Data of one piece with rows of one batch of one shard is ingested at
// once, without a statement of its own.
//
// Pieces may finish in any order; what is wrong in the first that is wrong is the error, and its line counts those of the pieces before.
// After an error, a cancellation or a client that went nothing is left (StatementRun.abandon, or the shards by themselves).
import Bytes
import Capabilities
import ClientCore
public import Columns
public import Model
import Planning
import SQL
import Wire

/// What a COPY wrote.
public struct CopyOutcome: Sendable {
  /// Rows.
  public var rows: Int
  /// Where the shards' logs hold them.
  public var seen: SessionToken
}

extension Coordinator {
  /// Bytes of a piece.
  private static let copyPieceBytes = 4 << 20

  /// Copies what a client sends into a table; the rows are durable then. Throws `CopyFailure` for what is wrong with the data.
  func copyIn(
    _ plan: CopyInPlan,
    _ client: any CopyClient,
    values: any ExternalValues,
    deadline: Instant,
    transaction: OpenTransaction? = nil,
    late: CopyLateValues? = nil
  ) async throws -> CopyOutcome {
    let (parser, intake) = try await beginCopy(plan, client, values, late)
    if let transaction { return try await copyIn(plan, intake, in: transaction) }
    guard let first = try await intake.first(), !first.isAll || !first.parsed.parts.isEmpty else {
      return CopyOutcome(rows: 0, seen: SessionToken())
    }
    if first.isAll {
      let parts = first.parsed.parts
      if parts.count == 1, parts[0].batches.count == 1 {
        let written = try await insert(parts[0].batches[0].bytes, parts[0].shard, plan.table.id, nil, deadline: deadline)
        return CopyOutcome(rows: written.rows, seen: written.seen)
      }
    }
    let table = plan.table.id
    let written = try await carryOut(on: parser.shards, deadline: deadline) { run in
      _ = try await intake.run(from: first.parsed) { parsed in try await Self.stage(parsed, of: table, run) }
    }
    return CopyOutcome(rows: written.rows, seen: written.seen)
  }
  /// Copies what a client sends, or to it, as the statement says.
  public func copy(_ request: StatementRequest, with client: any CopyClient, values: any ExternalValues) async throws -> CopyOutcome {
    if let objects = request.facts.temporary { try await settleTemporary(objects) }
    let outcome = try await copied(request, with: client, values: values)
    if request.transaction == nil { await endTemporary(request.facts.temporary, [], changed: nil) }
    return outcome
  }
  private func copied(
    _ asked: StatementRequest,
    with client: any CopyClient,
    values: any ExternalValues
  ) async throws -> CopyOutcome {
    if case .copy(let syntax) = asked.statement.statement, let change = syntax.change {
      return try await copyOut(change, syntax, asked, to: client, values: values)
    }
    var request = asked
    // Defaults are bound over the numbers that they take.
    request.facts.numbers = StatementNumbers()
    request.voidsBefore = numberBlocks.voids
    let ticket = writers.begin()
    defer { writers.end(ticket, into: request.transaction?.ticket) }
    let bound = try await boundAtRest(request)
    try request.checkReadOnly(bound)
    writers.know(ticket, bound.rowsAdded)
    guard case .copyIn(let plan) = bound else { return try await copyOut(request, to: client, values: values) }
    let late = plan.late.isEmpty ? nil : CopyLateValues(self, plan, request)
    do {
      let outcome = try await copyIn(
        plan,
        client,
        values: values,
        deadline: request.deadline,
        transaction: request.transaction,
        late: late
      )
      try await settleNumbers(request)
      return outcome
    } catch {
      giveBackNumbers(request)
      throw error
    }
  }
  private func beginCopy(
    _ bound: CopyInPlan,
    _ client: any CopyClient,
    _ values: any ExternalValues,
    _ late: CopyLateValues?
  ) async throws -> (CopyParser, CopyIntake) {
    for column in bound.table.columns where column.type.layout == .hll || column.type.layout == .topn {
      throw TallyError.sql("0A000", "COPY into a table with a column of type \(column.type.name) is not supported")
    }
    var plan = bound
    plan.table = try await placed(bound.table)
    let parser = try CopyParser(plan, await log.catalog.snapshot, values)
    let source = try await client.beginCopyIn(columns: plan.columns.count, isBinary: plan.options.format == .binary)
    return (parser, CopyIntake(plan, parser, source, surroundings.compute, late, pieceBytes: Self.copyPieceBytes))
  }
  /// Ordinals of a shard that one piece may take: 4 MiB of lines are 2 Mi rows at most, so 33 batches.
  private static let copyStride = 64

  /// The ordinal of a piece's batch, both counted from 0; 54000 where a stage has no more of them.
  static func copyOrdinal(piece: Int, batch: Int) throws(TallyError) -> Int {
    guard batch < copyStride else { throw TallyError(.internalError, "\(batch + 1) batches of one piece of COPY for one shard") }
    guard piece < Limits.stageOrdinalMax / copyStride else {
      throw .sql(
        "54000",
        "COPY of more than 64 GiB in one statement is not supported",
        hint: "Split the data, or load files with tally ingest."
      )
    }
    return piece * copyStride + batch + 1
  }

  static func stage(_ parsed: CopyParsed, of table: TableID, _ run: StatementRun) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for part in parsed.parts {
        group.addTask {
          for (at, batch) in part.batches.enumerated() {
            let rows = StageRows.Rows(table: table, key: nil, contentHash: Murmur3.hash(batch.bytes), batch: batch.bytes)
            try await run.stage(part.shard, ordinal: copyOrdinal(piece: parsed.number, batch: at), .rows(rows))
          }
        }
      }
      try await group.waitForAll()
    }
  }
}

/// The data of one COPY on its way: reads, has pieces parsed, hands them on; bounded.
actor CopyIntake {
  private let plan: CopyInPlan
  private let parser: CopyParser
  private let source: any CopySource
  private let compute: any Compute
  private let late: CopyLateValues?
  private var cutter: CopyCutter
  private var isRead = false
  /// Why there is no more data, when it did not end.
  private var sourceFailure: TallyError?
  /// Lines of each piece that was parsed.
  private var lines: [Int] = []
  /// Rows of each.
  private var rows: [Int] = []
  private var fault: (number: Int, fault: CopyFault)?
  /// The data has ended before its bytes.
  private var hasEnded = false

  init(
    _ plan: CopyInPlan,
    _ parser: CopyParser,
    _ source: any CopySource,
    _ compute: any Compute,
    _ late: CopyLateValues? = nil,
    pieceBytes: Int
  ) {
    self.plan = plan
    self.late = late
    self.parser = parser
    self.source = source
    self.compute = compute
    cutter = CopyCutter(plan.options, fields: plan.columns.count, pieceBytes: pieceBytes)
  }

  /// The first piece, parsed, and whether it is all there is; nil when there is no data.
  func first() async throws -> (parsed: CopyParsed, isAll: Bool)? {
    guard let piece = try await piece() ?? emptyPiece() else {
      try await checkSource()
      if plan.options.format == .binary {
        throw CopyFailure(error: .sql("22P04", "COPY file signature not recognized"))
      }
      return nil
    }
    let (parser, compute) = (parser, compute)
    var parsed = try await compute.attempt { try parser.parse(piece) }
    note(parsed)
    try throwFault()
    if let late { parsed = try await late.filled(parsed) }
    if hasEnded { try await drain() }
    try await checkSource()
    return (parsed, hasEnded || isRead && cutter.waiting == 0)
  }
  /// Hands on the first piece and all others; returns the number of rows.
  func run(from first: CopyParsed, _ use: @escaping @Sendable (CopyParsed) async throws -> Void) async throws -> Int {
    // Each piece takes a compute thread or waits for shards; one more is being read.
    let width = compute.width + 2
    let (parser, compute, late) = (parser, compute, late)
    try await withThrowingTaskGroup(of: CopyParsed.self) { group in
      group.addTask {
        try await use(first)
        return first
      }
      var underWay = 1
      while fault == nil, !hasEnded, let piece = try await piece() {
        group.addTask {
          var parsed = try await compute.attempt { try parser.parse(piece) }
          if let late { parsed = try await late.filled(parsed) }
          if parsed.fault == nil { try await use(parsed) }
          return parsed
        }
        underWay += 1
        // Behind what may be the end of the data nothing is read before that is known.
        while underWay >= width || (piece.mayEnd && underWay > 0), let parsed = try await group.next() {
          note(parsed)
          underWay -= 1
        }
      }
      for try await parsed in group { note(parsed) }
    }
    try throwFault()
    if hasEnded { try await drain() }
    try await checkSource()
    return rows.reduce(0, +)
  }
  private func note(_ parsed: CopyParsed) {
    while lines.count <= parsed.number {
      lines.append(0)
      rows.append(0)
    }
    (lines[parsed.number], rows[parsed.number]) = (parsed.lines, parsed.rows)
    if parsed.isEnd { hasEnded = true }
    if let own = parsed.fault, fault.map({ parsed.number < $0.number }) ?? true { fault = (parsed.number, own) }
  }
  private func throwFault() throws(CopyFailure) {
    guard let fault else { return }
    throw fault.fault.failure(plan.table, linesBefore: lines[..<fault.number].reduce(0, +))
  }
  /// Throws why there is no more data; what is wrong in the data before that comes first.
  private func checkSource() async throws {
    guard let sourceFailure else { return }
    if !hasEnded, let piece = cutter.rest() {
      let (parser, compute) = (parser, compute)
      note(try await compute.attempt { try parser.parse(piece) })
      try throwFault()
    }
    // The line that would have been read next.
    let line = lines.reduce(0, +) + 1
    throw CopyFailure(error: sourceFailure, context: "COPY \(plan.table.name), line \(line)")
  }
  /// No data, where a header that must match is missing then.
  private func emptyPiece() -> CopyPiece? {
    guard plan.options.header == .match, sourceFailure == nil else { return nil }
    return CopyPiece(number: 0, bytes: [], ends: .unknown, mayEnd: true)
  }
  /// The next piece; nil at the end of the data.
  private func piece() async throws -> CopyPiece? {
    while sourceFailure == nil {
      try Task.checkCancellation()
      if let piece = try cutter.next(isEnd: isRead) { return piece }
      if isRead || cutter.isOver { return nil }
      if let bytes = try await read() { cutter.append(bytes) } else { isRead = sourceFailure == nil }
    }
    return nil
  }
  private func read() async throws -> [UInt8]? {
    do { return try await source.next() } catch let error as TallyError {
      // What was read before may hold what is wrong first.
      sourceFailure = error
      return nil
    }
  }
  /// Reads what is behind the end of the data, which means nothing.
  private func drain() async throws {
    while sourceFailure == nil, try await read() != nil {}
    isRead = true
  }
}
