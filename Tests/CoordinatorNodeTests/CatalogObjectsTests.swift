// CatalogObjectsTests.swift — views, functions, sequences, jobs, schemas and places of tables as commands on the catalog, and their bytes.
import Bytes
import Model
import Testing

@testable import CoordinatorNode

@Suite struct CatalogObjectsTests {
  private func refusal(_ outcome: CatalogOutcome) -> TallyError? {
    if case .refused(let error) = outcome { error } else { nil }
  }
  private let table = TableSchema(id: TableID(0), name: "t", columns: [Column(name: "a", type: .bigint)])
  private func sequence(_ change: (inout SequenceRecord) -> Void = { _ in }) -> SequenceRecord {
    var sequence = SequenceRecord(id: TableID(0), schemaName: "public", name: "s")
    change(&sequence)
    return sequence
  }
  private func function(_ types: [DataType], body: String = "SELECT 1") -> FunctionRecord {
    FunctionRecord(
      id: TableID(0),
      schemaName: "public",
      name: "f",
      arguments: types.map { FunctionRecord.Argument(name: "", type: $0, mode: .in) },
      result: .integer,
      language: "sql",
      body: body
    )
  }
  /// A catalog with a worker, and what applies to it in order.
  private func made(_ commands: [CatalogCommand]) -> (catalog: Catalog, outcomes: [CatalogOutcome]) {
    var catalog = Catalog()
    _ = catalog.apply(.bootstrap(cluster: ClusterID(high: 7, low: 9)), at: 1)
    _ = catalog.apply(.registerNode(name: "worker-1", role: .worker, address: "127.0.0.1:2", previous: Incarnation(0)), at: 2)
    let outcomes = commands.enumerated().map { catalog.apply($1, at: UInt64($0 + 3)) }
    return (catalog, outcomes)
  }

  @Test func localTablesShareOneShardAndReferenceTablesAnother() {
    var commands: [CatalogCommand] = []
    for name in ["a", "b", "c"] {
      var table = table
      table.name = name
      commands.append(.createTable(table))
    }
    for (id, isReference) in [(1, false), (2, true), (3, false)] {
      commands.append(.placeTable(TableID(UInt64(id)), isReference: isReference, placement: [NodeID(1)], copies: 0))
    }
    // A distributed table of one shard never joins them.
    commands.append(.createTable(TableSchema(id: TableID(0), name: "d", columns: [Column(name: "a", type: .bigint)])))
    commands.append(.distributeTable(TableID(4), key: 0, group: .standard, placement: [[NodeID(1)]], copies: 0))
    let (catalog, outcomes) = made(commands)
    #expect(outcomes.allSatisfy { refusal($0) == nil })
    let groups = catalog.snapshot.tables.map(\.distribution.group)
    #expect(groups[0] == groups[2] && Set(groups).count == 3)
    #expect(catalog.snapshot.tables[1].distribution == .single(group: catalog.referenceGroup!, isReference: true))
    #expect(catalog.snapshot.shards.count == 3 && catalog.snapshot.shards.allSatisfy { $0.lower == 0 && $0.upper == .max })
    let again = made(commands + [.placeTable(TableID(1), isReference: true, placement: [NodeID(1)], copies: 0)])
    #expect(again.outcomes.last.flatMap(refusal)?.sqlState == "55000")
  }
  /// A recovery does not know what was given out last: numbers enough are left out, and a sequence without so many is at its end.
  @Test func aRecoveryGivesNoNumberTwice() {
    func next(_ taken: Int64?, _ change: @escaping (inout SequenceRecord) -> Void = { _ in }) -> Int64? {
      let take = CatalogCommand.takeNumbers(TableID(1), count: taken ?? 0)
      var catalog = made([.createSequence(sequence(change))] + (taken == nil ? [] : [take])).catalog
      catalog.leap(by: 1000, [])
      guard case .numbers(let first, _) = catalog.apply(.takeNumbers(TableID(1), count: 1), at: 99) else { return nil }
      return first
    }
    #expect(next(500) == 10_000_501)
    #expect(next(nil) == 10_000_001, "made after the state that was found")
    #expect(next(500) { $0.greatest = 2_147_483_647 } == 10_000_501)
    #expect(next(500) { ($0.type, $0.greatest) = (.smallint, 32767) } == 10_501)
    #expect(next(30_000) { ($0.type, $0.greatest) = (.smallint, 32767) } == nil)
    #expect(next(30_000) { ($0.greatest, $0.isCycling) = (32767, true) } == 30_001)
    #expect(next(5) { ($0.start, $0.increment, $0.least, $0.greatest) = (-1, -2, .min, -1) } == -20_000_011)
  }
  @Test func sequencesGiveEveryNumberOnceAndStopAtTheirEnd() {
    func numbers(_ outcome: CatalogOutcome) -> [Int64]? {
      if case .numbers(let first, let count) = outcome { [first, count] } else { nil }
    }
    let take = CatalogCommand.takeNumbers(TableID(1), count: 32)
    var (catalog, outcomes) = made([.createSequence(sequence()), take, take, .setSequence(TableID(1), value: 500, isTaken: true), take])
    let version = catalog.snapshot.version
    #expect(outcomes.dropFirst().map(numbers) == [[1, 32], [33, 32], nil, [501, 32]])
    _ = catalog.apply(.setSequence(TableID(1), value: 7, isTaken: false), at: 50)
    #expect(numbers(catalog.apply(take, at: 51)) == [7, 32])
    #expect(catalog.snapshot.version == version)
    #expect(refusal(catalog.apply(.setSequence(TableID(1), value: 0, isTaken: false), at: 52))?.sqlState == "22003")

    (catalog, outcomes) = made([
      .createSequence(
        sequence {
          $0.greatest = .max
          $0.start = .max - 2
          $0.increment = 2
        }
      ), take, take,
    ])
    #expect(numbers(outcomes[1]) == [.max - 2, 2])
    #expect(refusal(outcomes[2])?.sqlState == "2200H")
    #expect(refusal(outcomes[2])?.message.contains("reached maximum value of sequence \"s\" (9223372036854775807)") == true)

    (catalog, outcomes) = made([
      .createSequence(
        sequence {
          ($0.least, $0.greatest, $0.start, $0.increment, $0.isCycling) = (.min, -1, -3, -4, true)
          $0.least = -8
        }
      ), take, take,
    ])
    #expect(numbers(outcomes[1]) == [-3, 2])
    #expect(numbers(outcomes[2]) == [-1, 2])
  }
  @Test func sequencesFollowTheirNewBoundsAndNoStepOverflows() {
    func numbers(_ outcome: CatalogOutcome) -> [Int64]? {
      if case .numbers(let first, let count) = outcome { [first, count] } else { nil }
    }
    let take = CatalogCommand.takeNumbers(TableID(1), count: 32)
    func bounded(_ greatest: Int64) -> CatalogCommand {
      .alterSequence(
        sequence {
          ($0.id, $0.greatest) = (TableID(1), greatest)
        }
      )
    }
    // 33 would be next, and the sequence ends at 10 now.
    var outcomes = made([.createSequence(sequence()), take, bounded(10), take]).outcomes
    #expect(refusal(outcomes[3])?.sqlState == "2200H")
    // It had ended, and goes on.
    outcomes = made([.createSequence(sequence { $0.greatest = 3 }), take, bounded(100), take]).outcomes
    #expect(numbers(outcomes[1]) == [1, 3] && numbers(outcomes[3]) == [4, 32])
    // Nothing was given out yet: the first stays the first.
    outcomes = made([.createSequence(sequence()), bounded(10), take]).outcomes
    #expect(numbers(outcomes[2]) == [1, 10])
    outcomes =
      made([
        .createSequence(
          sequence {
            ($0.increment, $0.least, $0.greatest, $0.start) = (.min, .min, -1, -1)
          }
        ), take, take,
      ]).outcomes
    #expect(numbers(outcomes[1]) == [-1, 1])
    #expect(refusal(outcomes[2])?.sqlState == "2200H")
  }
  @Test func functionsAreToldApartByTheTypesTheyTake() {
    let (catalog, outcomes) = made([
      .createFunction(function([.bigint]), replaces: false), .createFunction(function([.text]), replaces: false),
      .createFunction(function([.bigint]), replaces: false), .createFunction(function([.bigint], body: "SELECT 2"), replaces: true),
    ])
    #expect(refusal(outcomes[2])?.sqlState == "42723")
    #expect(catalog.snapshot.functions.map(\.body) == ["SELECT 2", "SELECT 1"])
  }
  @Test func aTableIsChangedOnlyFromWhatItIs() {
    var wide = table
    (wide.id, wide.columns) = (TableID(1), wide.columns + [Column(name: "b", type: .text, missing: "x")])
    var other = wide
    other.columns[1].name = "c"
    var old = table
    old.id = TableID(1)
    let (catalog, outcomes) = made([
      .createTable(table), .alterTable(from: old, to: wide), .alterTable(from: old, to: other), .createSequence(sequence()),
    ])
    #expect(refusal(outcomes[2])?.sqlState == "40001")
    #expect(catalog.snapshot.tables == [wide])
    var renamed = wide
    renamed.name = "s"
    var next = catalog
    #expect(refusal(next.apply(.alterTable(from: wide, to: renamed), at: 20))?.sqlState == "42P07")
  }
  @Test func aTableAndItsViewsChangeTogetherOrNotAtAll() {
    var (old, renamed) = (table, table)
    (old.id, renamed.id, renamed.name) = (TableID(1), TableID(1), "r")
    let view = ViewRecord(
      id: TableID(2),
      schemaName: "public",
      name: "v",
      columns: [Column(name: "a", type: .text)],
      sql: "SELECT a FROM t"
    )
    var (after, gone) = (view, view)
    (after.name, after.sql, gone.id) = ("w", "SELECT a FROM r AS t", TableID(9))
    let (catalog, outcomes) = made([
      .createTable(table), .createView(view, replaces: false), .alterTableAndViews(from: old, to: renamed, [after, gone]),
    ])
    #expect(refusal(outcomes[2]) != nil)
    #expect(catalog.snapshot.tables == [old] && catalog.snapshot.views == [view])
    var next = catalog
    #expect(refusal(next.apply(.alterTableAndViews(from: old, to: renamed, [after]), at: 20)) == nil)
    #expect(next.snapshot.tables == [renamed] && next.snapshot.views == [after])
    after.name = "r"
    #expect(refusal(next.apply(.alterViews([after]), at: 21))?.sqlState == "42P07")
  }
  @Test func schemasGoOnlyWhenTheyAreEmpty() {
    var inside = table
    inside.schemaName = "x"
    let (catalog, outcomes) = made([
      .createSchema("x"), .createSchema("x"), .createTable(inside), .createTable(table), .dropSchema("x"), .dropTable(TableID(1)),
      .dropSchema("x"), .dropSchema("x"),
    ])
    #expect(outcomes.map { refusal($0)?.sqlState } == [nil, "42P06", nil, nil, "2BP01", nil, nil, "3F000"])
    #expect(catalog.snapshot.schemas.isEmpty)
  }
  @Test func commandsAndStateSurviveTheirBytes() throws {
    var wide = table
    wide.id = TableID(1)
    wide.keys = [TableKey(name: "k", columns: [0], isPrimary: true)]
    var old = table
    old.id = TableID(1)
    let view = ViewRecord(id: TableID(0), schemaName: "public", name: "v", columns: [Column(name: "a", type: .text)], sql: "SELECT 1")
    let job = JobRecord(id: 0, name: "j", schedule: "* * * * *", command: "SELECT 1", user: "u")
    let commands: [CatalogCommand] = [
      .createTable(table), .alterTable(from: old, to: wide), .createView(view, replaces: true),
      .createFunction(function([.text]), replaces: false), .createSequence(sequence()), .alterSequence(sequence { $0.id = TableID(4) }),
      .takeNumbers(TableID(4), count: 5), .setSequence(TableID(4), value: 9, isTaken: true), .scheduleJob(job), .createSchema("x"),
      .placeTable(TableID(1), isReference: false, placement: [NodeID(1)], copies: 0),
    ]
    var known = view
    known.id = TableID(2)
    let together: [CatalogCommand] = [.alterViews([known]), .alterTableAndViews(from: wide, to: old, [known, view])]
    let drops: [CatalogCommand] = [
      .dropSchema("x"), .unscheduleJob(1), .dropSequence(TableID(4)), .dropFunction(TableID(3)), .dropView(TableID(2)),
    ]
    for command in commands + drops + together {
      let bytes = CatalogCommandFormat.encode(command)
      #expect(CatalogCommandFormat.encode(try CatalogCommandFormat.decode(bytes)) == bytes)
      for length in 0..<bytes.count { #expect(throws: DecodingFailure.self) { try CatalogCommandFormat.decode(Array(bytes[..<length])) } }
    }
    let (catalog, outcomes) = made(commands)
    #expect(outcomes.allSatisfy { refusal($0) == nil })
    let state = CatalogCommandFormat.encode(catalog)
    let read = try CatalogCommandFormat.decodeState(state)
    #expect(CatalogCommandFormat.encode(read) == state)
    #expect(read.given == catalog.given && read.localGroup == catalog.localGroup && read.nextJob == 2)
    #expect(made(commands + drops).outcomes.allSatisfy { refusal($0) == nil })
  }
}
