// CatalogDraftTests.swift — drafts of open transactions as commands on the catalog: who sees them, what they take, how they end, their
// bytes.
import Bytes
import Model
import Testing

@testable import CoordinatorNode

@Suite struct CatalogDraftTests {
  private let one = DraftID(11)
  private let two = DraftID(22)
  private func refusal(_ outcome: CatalogOutcome) -> TallyError? {
    if case .refused(let error) = outcome { error } else { nil }
  }
  private func table(_ name: String, keys: [TableKey] = [], references: [TableReference] = []) -> TableSchema {
    var table = TableSchema(id: TableID(0), name: name, columns: [Column(name: "a", type: .bigint)])
    (table.keys, table.references) = (keys, references)
    return table
  }
  private func sequence(_ name: String) -> SequenceRecord { SequenceRecord(id: TableID(0), schemaName: "public", name: name) }
  /// A catalog with a worker, and what applies to it in order.
  private func made(_ commands: [CatalogCommand]) -> (catalog: Catalog, outcomes: [CatalogOutcome]) {
    var catalog = Catalog()
    _ = catalog.apply(.bootstrap(cluster: ClusterID(high: 7, low: 9)), at: 1)
    _ = catalog.apply(.registerNode(name: "worker-1", role: .worker, address: "127.0.0.1:2", previous: Incarnation(0)), at: 2)
    let outcomes = commands.enumerated().map { catalog.apply($1, at: UInt64($0 + 3)) }
    return (catalog, outcomes)
  }
  private func placed(_ id: UInt64) -> CatalogCommand { .placeTable(TableID(id), isReference: false, placement: [NodeID(1)], copies: 0) }

  @Test func onlyItsTransactionSeesADraftUntilItIsPublished() throws {
    let open = made([.draft(one, .createTable(table("t"))), .draft(one, .createSchema("s")), placed(1)]).catalog
    #expect(open.snapshot.tables.isEmpty && open.snapshot.schemas.isEmpty)
    // Workers keep its rows: they find it by its number.
    #expect(open.snapshot.drafted.map(\.name) == ["t"] && open.snapshot.table(TableID(1))?.distribution.group == open.localGroup)
    #expect(open.snapshot.table(named: "t") == nil)
    let seen = try open.drafted(one).snapshot
    #expect(seen.table(named: "t") == open.snapshot.drafted[0] && seen.schemas == ["s"] && seen.drafted.isEmpty)
    var published = open
    #expect(refusal(published.apply(.publishDraft(one), at: 9)) == nil)
    #expect(published.snapshot.tables == open.snapshot.drafted && published.snapshot.schemas == ["s"])
    #expect(published.drafts.isEmpty && published.snapshot.drafted.isEmpty)
    var discarded = open
    _ = discarded.apply(.discardDraft(one), at: 9)
    #expect(discarded.drafts.isEmpty && discarded.snapshot.drafted.isEmpty && discarded.snapshot.tables.isEmpty)
    #expect(throws: TallyError.self) { try discarded.drafted(one) }
    // A number is never used twice.
    _ = discarded.apply(.createTable(table("u")), at: 10)
    #expect(discarded.snapshot.tables.map(\.id) == [TableID(2)])
  }
  @Test func theSecondOfTwoThatMakeTheSameNameCannotCommit() {
    let (catalog, outcomes) = made([
      .draft(one, .createTable(table("t"))), .draft(two, .createTable(table("t"))), .publishDraft(two), .publishDraft(one),
      .draft(one, .createTable(table("u"))), .discardDraft(one),
    ])
    #expect(outcomes.map { refusal($0)?.sqlState } == [nil, nil, nil, "42P07", "42P07", nil])
    #expect(catalog.snapshot.tables.map(\.id) == [TableID(2)])
  }
  @Test func objectsComeInTheOrderOfTheirNumbersWhoeverCommitsFirst() throws {
    let (catalog, _) = made([
      .draft(one, .createTableWithSequences(table("t"), [sequence("s")])), .createTable(table("u")), .createSequence(sequence("v")),
      .publishDraft(one),
    ])
    #expect(catalog.snapshot.tables.map(\.name) == ["t", "u"] && catalog.snapshot.sequences.map(\.name) == ["s", "v"])
    let bytes = CatalogCommandFormat.encode(catalog)
    #expect(try CatalogCommandFormat.decodeState(bytes).snapshot == catalog.snapshot)
  }
  @Test func numbersOfADraftedSequenceAreNotGivenAgain() {
    let (catalog, outcomes) = made([
      .draft(one, .createSequence(sequence("s"))), .takeNumbers(TableID(1), count: 5), .draft(one, .createTable(table("t"))),
      .publishDraft(one), .takeNumbers(TableID(1), count: 1),
    ])
    if case .numbers(let first, let count) = outcomes[4] { #expect(first == 6 && count == 1) } else { Issue.record("\(outcomes[4])") }
    #expect(catalog.given.count == 1)
    let (rolledBack, _) = made([.draft(one, .createSequence(sequence("s"))), .takeNumbers(TableID(1), count: 5), .discardDraft(one)])
    #expect(rolledBack.given.isEmpty)
  }
  @Test func aSavepointCutsADraftButNotThePlacesOfTablesBeforeIt() throws {
    let commands: [CatalogCommand] = [
      .draft(one, .createTable(table("t"))), placed(1), .draft(one, .createTable(table("u"))), placed(2), .cutDraft(one, keeping: 1),
    ]
    let cut = made(commands).catalog
    #expect(cut.snapshot.drafted.map(\.name) == ["t"] && cut.snapshot.drafted[0].distribution.group != nil)
    #expect(made(commands + [.cutDraft(one, keeping: 0)]).catalog.drafts.isEmpty)
  }
  @Test func aGroupOfShardsThatADraftMakesIsMadeOnce() {
    let distribute = CatalogCommand.distributeTable(TableID(1), key: 0, group: .separate, placement: [[NodeID(1)]], copies: 0)
    let (catalog, outcomes) = made([.draft(one, .createTable(table("t"))), .draft(one, distribute), .publishDraft(one)])
    #expect(outcomes.allSatisfy { refusal($0) == nil } && catalog.snapshot.groups.count == 1 && catalog.snapshot.shards.count == 1)
    #expect(catalog.snapshot.tables[0].distribution == .distributed(key: 0, group: catalog.snapshot.groups[0].id))
  }
  @Test func referencesKeepTheTableAndTheKeyThatTheyReferTo() {
    let key = TableKey(name: "k", columns: [0], isPrimary: true)
    let reference = TableReference(name: "f", columns: [0], table: TableID(1), keyColumns: [0])
    var keyed = table("p", keys: [key])
    keyed.id = TableID(1)
    var bare = keyed
    bare.keys = []
    let own = TableReference(name: "g", columns: [0], table: TableID(0), keyColumns: [0])
    let (catalog, outcomes) = made([
      .createTable(table("p", keys: [key])), .createTable(table("c", references: [reference])), .dropTable(TableID(1)),
      .alterTable(from: keyed, to: bare), .dropTable(TableID(2)), .alterTable(from: keyed, to: bare),
      .createTable(table("d", references: [reference])),
      .createTable(table("own", keys: [TableKey(name: "o", columns: [0], isPrimary: true)], references: [own])),
    ])
    #expect(outcomes.map { refusal($0)?.sqlState } == [nil, nil, "2BP01", "2BP01", nil, nil, "2BP01", nil])
    #expect(catalog.snapshot.tables.last.map { $0.references[0].table == $0.id } == true)
  }
  @Test func commandsAndStateSurviveTheirBytes() throws {
    let commands: [CatalogCommand] = [
      .draft(one, .createTableWithSequences(table("t"), [sequence("s")])), placed(1), .draft(two, .createSchema("x")),
      .cutDraft(two, keeping: 1), .publishDraft(two), .draft(two, .createSchema("y")),
    ]
    for command in commands + [.discardDraft(one)] {
      let bytes = CatalogCommandFormat.encode(command)
      #expect(CatalogCommandFormat.encode(try CatalogCommandFormat.decode(bytes)) == bytes)
      for length in 0..<bytes.count { #expect(throws: DecodingFailure.self) { try CatalogCommandFormat.decode(Array(bytes[..<length])) } }
    }
    #expect(throws: DecodingFailure.self) {
      try CatalogCommandFormat.decode(CatalogCommandFormat.encode(.draft(one, .publishDraft(two))))
    }
    let catalog = made(commands).catalog
    let state = CatalogCommandFormat.encode(catalog)
    let read = try CatalogCommandFormat.decodeState(state)
    #expect(CatalogCommandFormat.encode(read) == state && read.snapshot == catalog.snapshot)
    #expect(try read.drafted(one).snapshot == catalog.drafted(one).snapshot)
    #expect(read.sequence(TableID(2))?.name == "s")
  }
}
