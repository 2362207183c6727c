// CatalogMoveTests.swift — moves of tables' rows as commands on the catalog: the fence, the exchange, what is refused, their bytes.
import Bytes
import Model
import Planning
import SQL
import Testing
import Wire

@testable import CoordinatorNode

@Suite struct CatalogMoveTests {
  private func refusal(_ outcome: CatalogOutcome) -> TallyError? { if case .refused(let error) = outcome { error } else { nil } }
  /// A catalog with a worker and a table `t` (1) in the place of local tables, with a sequence (2).
  private func made(_ commands: [CatalogCommand] = []) -> (catalog: Catalog, outcomes: [CatalogOutcome]) {
    var catalog = Catalog()
    var table = TableSchema(id: TableID(0), name: "t", columns: [Column(name: "a", type: .bigint), Column(name: "b", type: .bigint)])
    table.keys = [TableKey(name: "t_pkey", columns: [0], isPrimary: true)]
    table.references = [TableReference(name: "t_b_fkey", columns: [1], table: TableID(0), keyColumns: [0])]
    var sequence = SequenceRecord(id: TableID(0), schemaName: "public", name: "t_a_seq")
    sequence.owner = (TableID(0), 0)
    let before: [CatalogCommand] = [
      .bootstrap(cluster: ClusterID(high: 7, low: 9)),
      .registerNode(name: "worker-1", role: .worker, address: "127.0.0.1:2", previous: Incarnation(0)),
      .createTableWithSequences(table, [sequence]), .placeTable(TableID(1), isReference: false, placement: [NodeID(1)], copies: 0),
      .openProducer(ProducerRequest(name: "1/f", chunkBytes: 1, fingerprint: .zero, time: 5, isAnew: false)),
      .openProducer(ProducerRequest(name: "11/f", chunkBytes: 1, fingerprint: .zero, time: 5, isAnew: false)),
    ]
    let outcomes = (before + commands).enumerated().map { catalog.apply($1, at: UInt64($0 + 1)) }
    return (catalog, Array(outcomes.dropFirst(before.count)))
  }
  private let spread = MoveTarget.distributed(key: 0, group: .standard, placement: [[NodeID(1)], [NodeID(1)]], copies: 1)

  @Test func theNewTableTakesThePlaceOfTheOldInOneStep() {
    let (under, begun) = made([.beginMove(TableID(1), to: spread)])
    guard case .table(let next)? = begun.first else {
      Issue.record("\(begun)")
      return
    }
    #expect(under.snapshot.tables.map(\.id) == [TableID(1)] && under.snapshot.tables[0].isFenced)
    #expect(under.snapshot.tables[0].distribution.group == under.localGroup)
    // Workers keep its rows; no name finds it.
    #expect(under.snapshot.drafted.map(\.id) == [next] && under.snapshot.drafted[0].distribution.tenantKey == 0)
    let (catalog, ended) = made([.beginMove(TableID(1), to: spread), .finishMove(next)])
    #expect(refusal(ended[1]) == nil && catalog.snapshot.drafted.isEmpty && catalog.moves.isEmpty)
    let table = catalog.snapshot.tables[0]
    #expect(catalog.snapshot.tables.count == 1 && table.id == next && table.objectID == TableID(1) && !table.isFenced)
    #expect(table.columns[0].isNotNull && table.references[0].table == next && table.keys == under.snapshot.tables[0].keys)
    #expect(catalog.snapshot.sequences[0].owner?.table == next)
    // Moved once more it is still known by the number that it was created with.
    var again = catalog
    guard case .table(let third) = again.apply(.beginMove(next, to: .single(isReference: true, placement: [NodeID(1)], copies: 0)), at: 20)
    else {
      Issue.record("no second move")
      return
    }
    #expect(refusal(again.apply(.finishMove(third), at: 21)) == nil && again.snapshot.tables[0].objectID == TableID(1))
    #expect(again.snapshot.tables[0].distribution == .single(group: again.referenceGroup ?? GroupID(0), isReference: true))
  }
  @Test func aCancelledMoveLeavesTheTableAsItWas() {
    let before = made().catalog.snapshot.tables
    let (catalog, outcomes) = made([
      .beginMove(TableID(1), to: spread), .beginMove(TableID(1), to: spread), .cancelMove(TableID(3)), .cancelMove(TableID(3)),
      .finishMove(TableID(3)), .beginMove(TableID(1), to: spread),
    ])
    #expect(outcomes.map { refusal($0)?.sqlState } == [nil, "55006", nil, nil, "40001", nil])
    // A later try has another number: nothing of the first can come back.
    #expect(catalog.moves.keys.map { $0 } == [TableID(4)])
    var ended = catalog
    _ = ended.apply(.cancelMove(TableID(4)), at: 30)
    #expect(ended.snapshot.tables == before && ended.snapshot.drafted.isEmpty)
  }
  @Test func whatChangesTheTableMeanwhileIsRefusedOrEndsTheMove() {
    let (under, _) = made([.beginMove(TableID(1), to: spread)])
    var altered = under.snapshot.tables[0]
    altered.columns.append(Column(name: "c", type: .bigint))
    var changed = under
    #expect(refusal(changed.apply(.alterTable(from: under.snapshot.tables[0], to: altered), at: 20))?.sqlState == "55006")
    var other = TableSchema(id: TableID(0), name: "u", columns: [Column(name: "a", type: .bigint)])
    other.references = [TableReference(name: "u_a_fkey", columns: [0], table: TableID(1), keyColumns: [0])]
    var bound = under
    #expect(refusal(bound.apply(.createTable(other), at: 20)) == nil)
    #expect(refusal(bound.apply(.finishMove(TableID(3)), at: 21))?.sqlState == "0A000")
    var dropped = under
    #expect(refusal(dropped.apply(.dropTable(TableID(1)), at: 20)) == nil)
    #expect(refusal(dropped.apply(.finishMove(TableID(3)), at: 21))?.sqlState == "42P01")
    #expect(refusal(dropped.apply(.cancelMove(TableID(3)), at: 22)) == nil && dropped.snapshot.drafted.isEmpty)
  }
  @Test func keysOfLoadsBegunBeforeAreNotTakenForThoseAfter() {
    let again = ProducerRequest(name: "3/f", chunkBytes: 1, fingerprint: .zero, time: 6, isAnew: false)
    let other = ProducerRequest(name: "11/f", chunkBytes: 1, fingerprint: .zero, time: 6, isAnew: false)
    let (_, outcomes) = made([
      .beginMove(TableID(1), to: spread), .finishMove(TableID(3)), .openProducer(again), .openProducer(other),
    ])
    #expect(refusal(outcomes[2])?.status == .keyExpired && refusal(outcomes[3]) == nil)
  }
  /// Records of loads are looked through now and then: one from before a move is kept as long as others.
  @Test func aLoadFromBeforeAMoveIsRememberedAmongOthers() {
    var (catalog, _) = made([.beginMove(TableID(1), to: spread), .finishMove(TableID(3))])
    for number in 0..<200 {
      let request = ProducerRequest(name: "11/g\(number)", chunkBytes: 1, fingerprint: .zero, time: 7, isAnew: false)
      _ = catalog.apply(.openProducer(request), at: UInt64(100 + number))
    }
    let again = ProducerRequest(name: "3/f", chunkBytes: 1, fingerprint: .zero, time: 8, isAnew: false)
    #expect(refusal(catalog.apply(.openProducer(again), at: 400))?.status == .keyExpired)
  }
  /// The first version marked loads without keeping their time: they count from when they are looked through.
  @Test func aLoadThatTheFirstVersionMarkedIsRememberedToo() {
    var (catalog, _) = made()
    let old = ProducerRequest(name: "11/old", chunkBytes: 1, fingerprint: .zero, time: Int64.min / 2, isAnew: false)
    _ = catalog.apply(.openProducer(old), at: 100)
    let now = 2 * KeyLifetimes.nameMemory
    for number in 0..<200 {
      let request = ProducerRequest(name: "11/g\(number)", chunkBytes: 1, fingerprint: .zero, time: now, isAnew: false)
      _ = catalog.apply(.openProducer(request), at: UInt64(200 + number))
    }
    let again = ProducerRequest(name: "11/old", chunkBytes: 1, fingerprint: .zero, time: now, isAnew: false)
    #expect(refusal(catalog.apply(.openProducer(again), at: 500))?.status == .keyExpired)
    #expect(catalog.latestProducerTime == now)
  }
  /// Commands are stamped by the newest load's time: a mark must not take them back before all moves.
  @Test func marksOfLoadsDoNotCountAsTimes() {
    let newest = ProducerRequest(name: "1/g", chunkBytes: 1, fingerprint: .zero, time: 9, isAnew: false)
    let (catalog, _) = made([.openProducer(newest), .beginMove(TableID(1), to: spread), .finishMove(TableID(3))])
    #expect(catalog.latestProducerTime == 9)
  }
  /// Rows that were read before a deletion must not come to shards that it does not reach.
  @Test func movesAndDeletionsOfTenantsExcludeEachOther() throws {
    let known = made().catalog.snapshot
    let (group, shard) = (try #require(known.groups.first).id, try #require(known.shards.first).id)
    let delete = CatalogCommand.deleteTenant(group, .fixed(4), shard, time: 3)
    let outcome = TenantRecord.Outcome(position: LogPosition(9), logTime: 5, parts: [])
    let (_, outcomes) = made([
      .beginMove(TableID(1), to: spread), delete, .cancelMove(TableID(3)), delete, .beginMove(TableID(1), to: spread),
      .tenantDeleted(1, outcome), .beginMove(TableID(1), to: spread),
    ])
    #expect(outcomes.map { refusal($0)?.sqlState } == [nil, "55006", nil, nil, "55006", nil, nil])
  }
  /// Clients know a table by the number that it was created with.
  @Test func resultsNameTheFirstNumberOfAMovedTable() throws {
    let (catalog, _) = made([.beginMove(TableID(1), to: spread), .finishMove(TableID(3))])
    let bound = try plan(try parse("SELECT b FROM t")[0], catalog: catalog.snapshot, context: PlanningContext(now: 0))
    #expect(bound.sources == [ColumnSource(relation: UInt32(ObjectNumbers.relation(TableID(1))), number: 2)])
  }
  /// Statements find numbers by names: one that is gone when they are carried out was dropped or moved by another.
  @Test func whatWasBoundToTheOldNumberIsToBeRepeated() {
    var (catalog, _) = made([.beginMove(TableID(1), to: spread), .finishMove(TableID(3))])
    var altered = catalog.snapshot.sequences[0]
    altered.owner = (TableID(1), 0)
    var another = altered
    (another.id, another.name) = (TableID(0), "other_seq")
    let rollup = RollupDefinition(
      id: TableID(0),
      name: "r",
      source: TableID(1),
      keys: [],
      measures: [],
      levels: [],
      sql: "",
      program: [],
      outputOrder: []
    )
    let commands: [CatalogCommand] = [
      .alterSequence(altered), .createSequence(another), .dropTable(TableID(1)), .createRollup(rollup, timeColumn: 0),
      .dropRollup(TableID(77)), .dropView(TableID(77)), .beginMove(TableID(1), to: spread),
    ]
    for command in commands {
      let error = refusal(catalog.apply(command, at: 50))
      #expect(error?.sqlState == "40001" && error?.hint != nil, "\(command)")
    }
    another.owner = (TableID(3), 1)
    #expect(refusal(catalog.apply(.createSequence(another), at: 51)) == nil)
  }
  @Test func aTableWithoutRowsIsSpreadAsItIsThen() {
    var keyed = TableSchema(id: TableID(0), name: "u", columns: [Column(name: "a", type: .bigint), Column(name: "b", type: .bigint)])
    keyed.keys = [TableKey(name: "u_b_key", columns: [1], isPrimary: false)]
    func spreading(_ id: UInt64, by key: Int) -> CatalogCommand {
      .distributeTable(TableID(id), key: key, group: .standard, placement: [[NodeID(1)]], copies: 0)
    }
    let (catalog, outcomes) = made([.createTable(keyed), spreading(3, by: 0), spreading(9, by: 1), spreading(3, by: 1)])
    #expect(outcomes.map { refusal($0)?.sqlState } == [nil, "40001", "40001", nil])
    #expect(catalog.snapshot.table(TableID(3))?.distribution.tenantKey == 1)
  }
  /// A key that another statement added between binding and the move does not hold the tenant key.
  @Test func aMoveLooksAtTheTableAsItIs() throws {
    var (catalog, _) = made([])
    let from = try #require(catalog.snapshot.table(TableID(1)))
    var to = from
    to.columns.append(Column(name: "other", type: .bigint))
    to.keys.append(TableKey(name: "t_other_key", columns: [to.columns.count - 1], isPrimary: false))
    #expect(refusal(catalog.apply(.alterTable(from: from, to: to), at: 50)) == nil)
    #expect(refusal(catalog.apply(.beginMove(TableID(1), to: spread), at: 51))?.sqlState == "40001")
    #expect(catalog.snapshot.table(TableID(1))?.isFenced == false)
  }
  @Test func bytesKeepCommandsAndState() throws {
    let single = MoveTarget.single(isReference: true, placement: [NodeID(1), NodeID(2)], copies: 2)
    for command in [CatalogCommand.beginMove(TableID(7), to: spread), .beginMove(TableID(7), to: single), .finishMove(TableID(8))] {
      let bytes = CatalogCommandFormat.encode(command)
      #expect(CatalogCommandFormat.encode(try CatalogCommandFormat.decode(bytes)) == bytes)
    }
    #expect(CatalogCommandFormat.encode(.cancelMove(TableID(9))) == [1, 52, 9, 0, 0, 0, 0, 0, 0, 0])
    let expected: [UInt8] = [1, 50, 7, 0, 0, 0, 0, 0, 0, 0, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    #expect(CatalogCommandFormat.encode(.beginMove(TableID(7), to: single)) == expected)
    let under = made([.beginMove(TableID(1), to: spread)]).catalog
    let bytes = CatalogCommandFormat.encode(under)
    let read = try CatalogCommandFormat.decodeState(bytes)
    #expect(read.snapshot == under.snapshot && read.moves.mapValues(\.target) == under.moves.mapValues(\.target))
    #expect(CatalogCommandFormat.encode(read) == bytes)
    // What stands in a draft is no move.
    #expect(throws: DecodingFailure.self) {
      try CatalogCommandFormat.decode(CatalogCommandFormat.encode(.draft(DraftID(1), .finishMove(TableID(1)))))
    }
  }
}
