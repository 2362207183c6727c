// Differential.swift — the program `differential`: random statements over random tables, answered by a simulated cluster on several
// numbers of shards and by PostgreSQL 15, or by a recording of it.
//
// A seed makes tables, rows and statements. Exits with 1 when an answer differs that is not in `KnownDifferences`. What Tally refuses by
// name (0A000) is counted by its reason and printed.
import ArgumentParser
import Foundation
import Model
import Simulation

@main struct Differential: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "differential",
    abstract: "Compares answers to random statements with PostgreSQL 15.",
    discussion: "A difference names its seed: --from SEED --seeds 1 runs it again."
  )
  @Option(help: "Number of seeds.") var seeds: UInt64 = 20
  @Option(help: "First seed.") var from: UInt64 = 1
  @Option(help: "Statements of a seed.") var statements = 50
  @Option(help: "Numbers of shards, with commas between.") var shards = "1,3,7"
  @Option(help: "Writes statements and PostgreSQL's answers to a file.") var record: String?
  @Option(help: "Compares with a recording instead of PostgreSQL.") var replay: String?
  @Flag(help: "Prints every statement.") var verbose = false

  func run() throws {
    let counts = shards.split(separator: ",").compactMap { Int($0) }
    guard !counts.isEmpty, counts.allSatisfy({ $0 > 0 }) else { throw ValidationError("--shards wants numbers") }
    var totals = Totals()
    if let replay {
      for seed in try Recording.read(replay) { try compare(seed, counts, &totals) }
    } else {
      let server = try PostgresServer()
      defer { server.stop() }
      if !server.hasHLL { print("without postgresql-hll: install postgresql-15-hll to compare sketches too") }
      var recorded: [RecordedSeed] = []
      for seed in from..<(from + seeds) {
        let made = try Self.make(seed, statements, server)
        if record != nil { recorded.append(made) }
        try compare(made, counts, &totals)
      }
      if let record { try Recording.write(recorded, to: record) }
    }
    totals.report()
    if totals.different > 0 { throw ExitCode(1) }
  }
  /// Makes a seed's statements and asks PostgreSQL.
  private static func make(_ seed: UInt64, _ count: Int, _ server: PostgresServer) throws -> RecordedSeed {
    var chance = Chance(seed)
    let tables = RandomTables(&chance)
    var maker = StatementMaker(chance, tables, hasHLL: server.hasHLL)
    var made: [Statement] = []
    while made.count < count { made += maker.next() }
    let prelude = tables.setUp(isDistributed: false)
    let answers = try server.answersInNewDatabase(
      (server.hasHLL ? ["CREATE EXTENSION IF NOT EXISTS hll"] : []) + prelude + made.map(\.sql),
      name: "seed_\(seed)"
    )
    let before = answers.dropLast(made.count)
    if let failed = before.first(where: { $0.state != nil }) { throw ProgramFailure(description: "seed \(seed): \(failed.message ?? "?")") }
    return RecordedSeed(
      seed: seed,
      setUp: tables.setUp(isDistributed: true),
      statements: made,
      answers: Array(answers.suffix(made.count))
    )
  }
  private func compare(_ seed: RecordedSeed, _ counts: [Int], _ totals: inout Totals) throws {
    totals.statements += seed.statements.count
    totals.failing += seed.answers.count { $0.state != nil }
    totals.rows += seed.answers.reduce(0) { $0 + $1.rows.count }
    for shards in counts {
      let prelude = seed.setUp.map { $0.replacingOccurrences(of: "§", with: "\(shards)") }
      let answers = try SQLTrial.run(seed: seed.seed, workers: min(shards, 2), prelude + seed.statements.map(\.sql))
      for (sql, answer) in zip(prelude, answers) {
        if let error = answer.error { totals.note(seed.seed, shards, sql, "\(error.sqlState) \(error.message)") }
      }
      for (at, (statement, answer)) in zip(seed.statements, answers.dropFirst(prelude.count)).enumerated() {
        if verbose { print("\(seed.seed)/\(at) \(statement.sql)") }
        switch Comparison.judge(statement, answer, seed.answers[at]) {
        case .same: totals.same += 1
        case .refused(let reason): totals.refused[Totals.pattern(reason), default: (0, statement.sql)].0 += 1
        case .different(let what):
          if let known = KnownDifference.all.first(where: { $0.covers(statement, what) }) {
            totals.known[known.reason, default: 0] += 1
          } else {
            totals.note(seed.seed, shards, statement.sql, what)
          }
        }
      }
    }
  }
}

/// What came of a run.
struct Totals {
  var statements = 0
  var failing = 0
  var rows = 0
  var same = 0
  var different = 0
  var refused: [String: (Int, String)] = [:]
  var known: [String: Int] = [:]

  mutating func note(_ seed: UInt64, _ shards: Int, _ sql: String, _ what: String) {
    different += 1
    print("DIFFERENT seed \(seed), \(shards) shards: \(what)\n    \(sql)")
  }
  /// A reason without its names.
  static func pattern(_ reason: String) -> String {
    reason.replacing(/"[^"]*"/, with: "\"…\"").replacing(/[a-z]+[0-9]+/, with: "…")
  }
  func report() {
    let refusals = refused.values.reduce(0) { $0 + $1.0 }
    print(
      "\(statements) statements (\(failing) that fail in PostgreSQL), \(rows) rows; answers: \(same) the same, \(different) different, "
        + "\(known.values.reduce(0, +)) known to differ, \(refusals) refused"
    )
    for (reason, count) in known.sorted(by: { $0.value > $1.value }) { print("  known \(count): \(reason)") }
    for (reason, example) in refused.sorted(by: { $0.value.0 > $1.value.0 }) {
      print("  refused \(example.0): \(reason)\n      e.g. \(example.1.prefix(300))")
    }
  }
}
