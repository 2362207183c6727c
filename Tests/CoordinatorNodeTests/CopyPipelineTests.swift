// CopyPipelineTests.swift — COPY's data on its way: bounded, in order, all or nothing; and back again through every format.
import Bytes
import Capabilities
import ClientCore
import Columns
import Model
import Planning
import Simulation
import Synchronization
import Testing
import Wire

@testable import CoordinatorNode

private let events = [(name: "e", columns: "k bigint not null, s text, n numeric, f double precision, t timestamp, i interval, b boolean")]

/// Lines of COPY's text for `events`, numbered.
private func lines(_ numbers: Range<Int>) -> [UInt8] {
  numbers.flatMap { Array("\($0)\tname \($0 % 97)\t\($0).5\t0.25\t2024-01-02 03:04:05\t1 day\tt\n".utf8) }
}
private func text(_ batches: [Batch], _ table: TableSchema) async throws -> [UInt8] {
  try await CopySample.written(batches, CopySample.columns(table), CopyOptions()).flatMap { $0 }
}

/// A number that tasks share.
private final class Shared: Sendable {
  private let number = Mutex(0)
  var value: Int { number.withLock { $0 } }
  func add() { number.withLock { $0 += 1 } }
}

/// Shards that take what is staged and remember what they were asked for.
private final class PlayedShards: PrimaryCalls {
  struct Asked {
    var staged = 0
    var decided = 0
    var committed = 0
    var aborted = 0
  }
  let asked = Mutex(Asked())
  func call(
    _ shard: ShardID,
    giveUp: Instant,
    _ request: @escaping @Sendable (Epoch, CatalogVersion) -> Message
  ) async throws -> Message {
    let place = LogPoint.start
    switch request(Epoch(1), CatalogVersion(1)) {
    case .stageRows(let rows):
      guard case .rows = rows.content else { return .staged(Staged(rows: 0, isDuplicate: false, point: place)) }
      asked.withLock { $0.staged += 1 }
      return .staged(Staged(rows: 1, isDuplicate: false, point: place))
    case .decideStatement:
      asked.withLock { $0.decided += 1 }
      return .statementAnswer(StatementAnswer(.committed, point: place))
    case .endStatement(let end):
      asked.withLock { if end.commits { $0.committed += 1 } else { $0.aborted += 1 } }
      return .statementAnswer(StatementAnswer(end.commits ? .committed : .aborted, point: place))
    default: return .statementAnswer(StatementAnswer(.open, point: place))
    }
  }
}

@Suite struct CopyPipeline {
  /// What a slow shard holds up: nothing is read meanwhile beyond a few pieces.
  @Test func pieceNumbersFitAStage() throws {
    // A load of 64 MB was refused by the workers: its seventeenth piece had numbers that no stage has.
    #expect(try Coordinator.copyOrdinal(piece: 0, batch: 0) == 1)
    #expect(try Coordinator.copyOrdinal(piece: 16_383, batch: 63) == Limits.stageOrdinalMax)
    #expect(throws: TallyError.self) { try Coordinator.copyOrdinal(piece: 16_384, batch: 0) }
    #expect(throws: TallyError.self) { try Coordinator.copyOrdinal(piece: 1, batch: 64) }
  }
  @Test func aSlowShardHoldsTheClientUp() async throws {
    let catalog = try CopySample.catalog(events, shards: 1)
    let copy = try CopySample.copyIn("copy e from stdin", catalog)
    let data = lines(0..<20_000)
    let pieceBytes = 16 << 10
    let source = PlayedSource(data, by: 4096)
    let intake = CopyIntake(
      copy,
      try CopyParser(copy, catalog, CopySample.values),
      source,
      InlineCompute(),
      pieceBytes: pieceBytes
    )
    let first = try #require(try await intake.first())
    let gate = Promise<Void>()
    let waiting = Shared()
    try await withThrowingTaskGroup(of: Int.self) { group in
      group.addTask {
        try await intake.run(from: first.parsed) { _ in
          waiting.add()
          try await gate.value
        }
      }
      // Until as many pieces are held up as may be under way.
      while waiting.value < 4 { await Task.yield() }
      for _ in 0..<1000 { await Task.yield() }
      let read = source.sent.withLock { $0 }
      #expect(read < 7 * (pieceBytes + 8192), "\(read) bytes were read")
      #expect(read < data.count / 4)
      gate.fulfil(())
      let rows = try await group.next()
      #expect(rows == 20_000)
    }
    #expect(source.sent.withLock { $0 } == data.count)
  }
  @Test func theFirstLineThatIsWrongIsTheErrorHoweverPiecesFinish() async throws {
    let catalog = try CopySample.catalog(events, shards: 4)
    let copy = try CopySample.copyIn("copy e from stdin", catalog)
    var data = lines(0..<3000) + Array("x\ta\t1\t1\t2024-01-01\t1 day\tt\n".utf8) + lines(0..<3000)
    data += Array("y\ta\t1\t1\t2024-01-01\t1 day\tt\n".utf8)
    for pieceBytes in [100, 5000, 1 << 20] {
      let failure = await #expect(throws: CopyFailure.self) {
        _ = try await CopySample.rows(copy, catalog, PlayedSource(data, by: 700), pieceBytes: pieceBytes, width: 8)
      }
      #expect(failure?.context == "COPY e, line 3001, column k: \"x\"")
      #expect(failure?.error.sqlState == "22P02")
    }
  }
  @Test func rowsOfManyShardsAreTheSameRows() async throws {
    let data = lines(0..<2000)
    for (shards, pieceBytes) in [(1, 1 << 20), (7, 1 << 20), (7, 3000)] {
      let catalog = try CopySample.catalog(events, shards: shards)
      let copy = try CopySample.copyIn("copy e from stdin", catalog)
      let rows = try await CopySample.rows(copy, catalog, PlayedSource(data, by: 999), pieceBytes: pieceBytes)
      let written = try await text(rows, copy.table).split(separator: 0x0a).map { String(decoding: $0, as: UTF8.self) }
      let expected = data.split(separator: 0x0a).map { String(decoding: $0, as: UTF8.self) }
      #expect(written.sorted() == expected.sorted())
    }
  }
  /// One COPY as a statement over played shards.
  private func carryOut(
    _ source: PlayedSource,
    _ shards: PlayedShards,
    _ world: SimulatedWorld
  ) async throws -> UInt64 {
    let catalog = try CopySample.catalog(events, shards: 3)
    let copy = try CopySample.copyIn("copy e from stdin", catalog)
    let parser = try CopyParser(copy, catalog, CopySample.values)
    let intake = CopyIntake(copy, parser, source, InlineCompute(), pieceBytes: 2000)
    let first = try #require(try await intake.first())
    let run = StatementRun(
      StatementID(session: SessionID(1), number: 1),
      decider: try #require(parser.shards.min()),
      doneBelow: { 0 },
      calls: shards,
      clock: world.clock
    )
    do {
      return try await run.carryOut { run in
        _ = try await intake.run(from: first.parsed) { try await Coordinator.stage($0, of: copy.table.id, run) }
      }
    } catch {
      try await run.abandon()
      throw error
    }
  }
  @Test func allIsDecidedOnceOrNothingIs() throws {
    try SimulatedWorld(seed: 3).run { world in
      let good = PlayedShards()
      _ = try await self.carryOut(PlayedSource(lines(0..<500), by: 300), good, world)
      #expect(good.asked.withLock { $0.decided } == 1)
      #expect(good.asked.withLock { $0.staged } > 10)
      #expect(good.asked.withLock { $0.committed } == 3)

      // A line that is wrong, and a client that gives up, behind rows that are staged.
      let wrong = PlayedShards()
      await #expect(throws: CopyFailure.self) {
        _ = try await self.carryOut(PlayedSource(lines(0..<500) + Array("x\n".utf8), by: 300), wrong, world)
      }
      let gone = PlayedShards()
      let failure = TallyError(.invalid, "COPY from stdin failed: no", sqlState: "57014")
      let error = await #expect(throws: CopyFailure.self) {
        _ = try await self.carryOut(PlayedSource(lines(0..<500), by: 300, failure: failure), gone, world)
      }
      #expect(error?.error.sqlState == "57014")
      #expect(error?.context == "COPY e, line 501")
      for shards in [wrong, gone] {
        let asked = shards.asked.withLock { $0 }
        #expect(asked.staged > 0)
        #expect(asked.decided == 0 && asked.committed == 0)
        #expect(asked.aborted > 0)
      }
    }
  }
  @Test func aCancelledCopyEndsWithoutADecision() async throws {
    let catalog = try CopySample.catalog(events, shards: 1)
    let copy = try CopySample.copyIn("copy e from stdin", catalog)
    let source = PlayedSource(lines(0..<20_000), by: 512)
    let intake = CopyIntake(copy, try CopyParser(copy, catalog, CopySample.values), source, InlineCompute(), pieceBytes: 4096)
    let first = try #require(try await intake.first())
    let used = Shared()
    await withThrowingTaskGroup(of: Int.self) { group in
      group.addTask {
        try await intake.run(from: first.parsed) { _ in
          used.add()
          while !Task.isCancelled { await Task.yield() }
          try Task.checkCancellation()
        }
      }
      while used.value < 2 { await Task.yield() }
      group.cancelAll()
      do {
        let rows = try await group.next()
        Issue.record("a cancelled COPY took \(String(describing: rows)) rows")
      } catch { #expect(error is CancellationError) }
    }
    #expect(source.sent.withLock { $0 } < 100_000)
  }
  @Test func aRecordWithoutAnEndIsRefused() async throws {
    let catalog = try CopySample.catalog(events, shards: 1)
    let copy = try CopySample.copyIn("copy e from stdin (format csv)", catalog)
    let source = PlayedSource([Array("1,\"".utf8)] + (0..<40).map { _ in [UInt8](repeating: 0x78, count: 1 << 20) })
    let error = await #expect(throws: TallyError.self) {
      _ = try await CopySample.rows(copy, catalog, source, pieceBytes: 1 << 16)
    }
    #expect(error?.sqlState == "54000")
    #expect(source.sent.withLock { $0 } < 20 << 20)
  }
}

/// A generator of numbers that a seed decides.
private struct Seeded: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

@Suite struct CopyRoundTrip {
  private static let pieces = [
    "a", "\\", "\\.", "\\N", "\"", "'", ",", ";", "\t", "\n", "\r", "\r\n", "é", "😀", " ", "x", "NULL", "\u{1}", "", "|", "\u{b}", "12",
  ]
  private static func value(_ type: DataType, _ random: inout Seeded) throws -> Value {
    if Int.random(in: 0..<6, using: &random) == 0 { return .null }
    switch type {
    case .bigint: return .fixed(Bool.random(using: &random) ? Int64.random(in: -9...9, using: &random) : Int64(bitPattern: random.next()))
    case .boolean: return .fixed(Int64.random(in: 0...1, using: &random))
    case .timestamp: return .fixed(Int64.random(in: -62_000_000_000_000_000...200_000_000_000_000_000, using: &random))
    case .double: return .double(Double.random(in: -1e9...1e9, using: &random) * (Bool.random(using: &random) ? 1 : 1e-200))
    case .numeric:
      let scale = UInt8.random(in: 0...38, using: &random)
      let digits = Int128(random.next() >> UInt64.random(in: 0...63, using: &random))
      return .numeric(Numeric(coefficient: Bool.random(using: &random) ? digits : -digits, scale: scale))
    case .interval:
      return .interval(
        Interval(
          months: Int32.random(in: -900...900, using: &random),
          days: Int32.random(in: -900...900, using: &random),
          microseconds: Int64.random(in: -9_000_000_000_000...9_000_000_000_000, using: &random)
        )
      )
    default:
      return .text((0..<Int.random(in: 0...5, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined())
    }
  }
  @Test(
    arguments: [
      // (A NULL text of letters means NULL in text, even where a text was meant: that goes out and comes back otherwise.)
      "", "(delimiter '|')", "(delimiter ',', null '\\x')", "(header)", "(format csv)", "(format csv, null '\\N')", "(format csv, header)",
      "(format csv, delimiter ';', quote '''')", "(format csv, escape '\\')", "(format csv, quote 'x', null 'NULL')", "(format binary)",
      "(format csv, delimiter E'\\t', quote '|')",
    ]
  )
  func whatIsCopiedOutIsCopiedInAgain(_ options: String) async throws {
    let catalog = try CopySample.catalog(events, shards: 1)
    let copy = try CopySample.copyIn("copy e from stdin \(options)", catalog)
    let types = copy.table.columns.map(\.type)
    for seed in 0..<40 {
      var random = Seeded(state: UInt64(seed))
      let count = Int.random(in: 0...60, using: &random)
      let columns = try types.enumerated().map { at, type in
        ColumnVector(
          type,
          values: try (0..<count).map { row in
            let value = try Self.value(type, &random)
            return at == 0 && value.isNull ? .fixed(Int64(row)) : value
          }
        )
      }
      let batch = Batch(count: count, columns: columns)
      var data = try await CopySample.written([batch], CopySample.columns(copy.table), copy.options).flatMap { $0 }
      if options.contains("header"), data.isEmpty { data = [] }
      let rows = try await CopySample.rows(
        copy,
        catalog,
        PlayedSource(data, by: Int.random(in: 1...50, using: &random)),
        pieceBytes: Int.random(in: 1...2000, using: &random)
      )
      let before = try await text([batch], copy.table)
      let after = try await text(rows, copy.table)
      #expect(before == after, "seed \(seed)")
    }
  }
  /// Whatever bytes come, there are rows or an error, and the same for every way they are cut.
  @Test(arguments: ["", "(format csv)", "(format csv, escape '\\', header match)", "(format binary)"])
  func wrongBytesAreNeverMoreThanWrong(_ options: String) async throws {
    let catalog = try CopySample.catalog(events, shards: 1)
    let copy = try CopySample.copyIn("copy e from stdin \(options)", catalog)
    let good = try await CopySample.written(
      try await CopySample.rows(
        try CopySample.copyIn("copy e from stdin", catalog),
        catalog,
        PlayedSource(lines(0..<6), by: 100),
        pieceBytes: 1 << 20
      ),
      CopySample.columns(copy.table),
      copy.options
    ).flatMap { $0 }
    var random = Seeded(state: 11)
    let bytes: [UInt8] = [0, 1, 0x0a, 0x0d, 0x22, 0x2c, 0x5c, 0x2e, 0x80, 0xff, 0x7f, 0x09, 0x4e]
    for _ in 0..<400 {
      var data = good
      for _ in 0..<Int.random(in: 1...3, using: &random) where !data.isEmpty {
        let at = Int.random(in: 0..<data.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: data[at] = bytes.randomElement(using: &random) ?? 0
        case 1: data.insert(bytes.randomElement(using: &random) ?? 0, at: at)
        case 2: data.remove(at: at)
        default: data.removeSubrange(at...)
        }
      }
      var answers: Set<String> = []
      for (cut, pieceBytes) in [(1 << 20, 1 << 20), (1, 1), (5, 40)] {
        do {
          let rows = try await CopySample.rows(copy, catalog, PlayedSource(data, by: cut), pieceBytes: pieceBytes)
          answers.insert(String(decoding: try await text(rows, copy.table), as: UTF8.self))
        } catch let failure as CopyFailure {
          answers.insert("\(failure.error) \(failure.context ?? "")")
        }
      }
      #expect(answers.count == 1, "\(data): \(answers)")
    }
  }
}
