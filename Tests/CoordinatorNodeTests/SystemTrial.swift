// SystemTrial.swift — system relations over a small made-up cluster: two workers, one distributed table with a rollup, one local table.
import Capabilities
import Columns
import Consensus
import Model
import Planning
import Wire

@testable import CoordinatorNode

enum SystemTrial {
  /// events (id 1), searches (id 2, levels 3 and 4), notes (id 5, local).
  static func catalog() -> Catalog {
    var catalog = Catalog()
    var index: UInt64 = 1
    func apply(_ command: CatalogCommand) {
      if case .refused(let error) = catalog.apply(command, at: index) { fatalError("\(error)") }
      index += 1
    }
    apply(.bootstrap(cluster: ClusterID(high: 7, low: 9)))
    apply(.registerNode(name: "coordinator-1", role: .coordinator, address: "127.0.0.1:7431", previous: Incarnation(0)))
    apply(.registerNode(name: "worker-1", role: .worker, address: "127.0.0.1:7501", previous: Incarnation(0)))
    apply(.registerNode(name: "worker-2", role: .worker, address: "10.0.0.2:7501", previous: Incarnation(0)))
    apply(.createTable(TableSchema(id: TableID(0), name: "events", columns: eventColumns)))
    apply(.distributeTable(TableID(1), key: 0, group: .standard, placement: [[NodeID(2)], [NodeID(3)]], copies: 1))
    apply(
      .createRollup(
        RollupDefinition(
          id: TableID(0),
          name: "searches",
          source: TableID(1),
          keys: [Column(name: "tenant", type: .bigint, isNotNull: true), Column(name: "bucket", type: .timestamptz)],
          measures: [
            RollupMeasure(name: "n", kind: .count, type: .bigint),
            RollupMeasure(name: "users", kind: .hll, type: .hll(HLLParameters())),
          ],
          levels: [
            RollupLevel(width: .microseconds(300_000_000), suffix: "5min", keep: Interval(days: 2)),
            RollupLevel(width: .microseconds(86_400_000_000), suffix: "1day"),
          ],
          sql: "SELECT tenant, time_bucket(ts) AS bucket, count(*) AS n FROM events GROUP BY 1, 2;",
          program: [],
          outputOrder: [0, 1, 2, 3]
        ),
        timeColumn: 1
      )
    )
    apply(
      .createTable(
        TableSchema(
          id: TableID(0),
          name: "Notes",
          columns: [Column(name: "id", type: .uuid), Column(name: "body", type: .jsonb), Column(name: "tags", type: .array(.text))]
        )
      )
    )
    return catalog
  }
  static let eventColumns = [
    Column(name: "tenant", type: .bigint, isNotNull: true), Column(name: "ts", type: .timestamptz),
    Column(name: "query", type: .text, defaultSQL: "'x'"), Column(name: "code", type: .varchar(10), isNotNull: true),
    Column(name: "price", type: .numeric(precision: 10, scale: 2)), Column(name: "flag", type: .bpchar(3)),
  ]

  static func facts() -> SessionFacts {
    var facts = SessionFacts()
    facts.user = "ada"
    facts.sessionUser = "ada"
    facts.processID = 4711
    facts.setting = { ["timezone": "Etc/UTC", "search_path": "\"$user\", public"][$0.lowercased()] }
    facts.settings = {
      [SettingFact(name: "TimeZone", value: "Etc/UTC", description: "Zone of times.", initial: "Etc/UTC")]
    }
    facts.sessions = {
      [
        SessionFact(
          processID: 4711,
          user: "ada",
          application: "psql",
          clientAddress: "127.0.0.1",
          clientPort: 50_000,
          startedAt: 1_000_000,
          transactionStartedAt: nil,
          statementStartedAt: 2_000_000,
          stateChangedAt: 2_000_000,
          state: "active",
          query: "SELECT 1"
        )
      ]
    }
    return facts
  }

  static func system(
    _ facts: SessionFacts = facts(),
    catalog: Catalog = catalog(),
    hearsWorkers: Bool = true
  ) -> SystemRelations {
    var fleet = Fleet()
    let now = Instant(nanoseconds: 5_000_000_000)
    if hearsWorkers {
      for node in catalog.snapshot.nodes where node.role == .worker {
        var beat = Heartbeat(node: node.id, incarnation: node.incarnation, version: catalog.snapshot.version, load: NodeLoad(), shards: [])
        beat.shards = catalog.snapshot.shards.filter { $0.primary == node.id }
          .map { shard in
            var report = ShardReport(shard: shard.id, epoch: shard.epoch, rows: 100, segmentBytes: 8192 * 10)
            report.relations = [
              RelationReport(relation: TableID(1), rows: 100, bytes: 8192 * 6),
              RelationReport(relation: TableID(3), rows: 0, bytes: 8192 * 3),
            ]
            return report
          }
        fleet.hear(beat, at: now)
      }
    }
    let member = Member(id: MemberID(1), name: "coordinator-1", address: "127.0.0.1:7431", isVoter: true)
    return SystemRelations(
      catalog,
      facts,
      fleet: fleet,
      standing: CatalogLog.Standing(
        member: member.id,
        term: 1,
        role: .leader,
        isLeader: true,
        leader: member,
        members: Members([member]),
        heard: [member.id],
        current: [member.id]
      ),
      now: now,
      hearsWorkers: hearsWorkers
    )
  }

  /// Rows of a relation as texts, all columns or those named.
  static func texts(_ system: SystemRelations, _ relation: String, _ columns: [String]? = nil) throws -> [[String?]] {
    guard let definition = RelationDefinition.byName[relation] else { throw TallyError(.invalid, "no \(relation)") }
    let wanted =
      try columns.map { names in
        try names.map { name in
          guard let at = definition.columns.firstIndex(where: { $0.name == name }) else { throw TallyError(.invalid, "no column \(name)") }
          return at
        }
      } ?? Array(definition.columns.indices)
    return texts(try system.rows(of: relation, columns: wanted))
  }
  static func texts(_ batch: Batch) -> [[String?]] {
    (0..<batch.count).map { row in batch.columns.map { text($0, row) } }
  }
  private static func text(_ column: ColumnVector, _ row: Int) -> String? {
    if column.isNull(row) { return nil }
    switch column.values {
    case .fixed(let values): return ValueText.print(.fixed(values[row]), as: column.type.isObjectNumber ? .bigint : column.type)
    case .double(let values): return ValueText.print(.double(values[row]), as: column.type)
    case .text(let texts):
      let bytes = Array(texts.bytes[Int(texts.offsets[row])..<Int(texts.offsets[row + 1])])
      let value: Value = column.type.isBinary ? .bytes(bytes) : .text(String(decoding: bytes, as: UTF8.self))
      return ValueText.print(value, as: column.type)
    default: return "?"
    }
  }
  /// The value of a function; the first of its forms with as many arguments, all of which have the given layouts.
  static func call(_ system: SystemRelations, _ name: String, _ types: [DataType], _ arguments: [Value]) throws -> String? {
    guard let function = system.functions(schema: nil, name: name).first(where: { $0.arguments == types }) else {
      throw TallyError(.invalid, "no function \(name)(\(types.map(\.name).joined(separator: ", ")))")
    }
    if function.isStrict && arguments.contains(where: \.isNull) { return nil }
    let value = try function.evaluate(arguments)
    return value.isNull ? nil : ValueText.print(value, as: function.result.isObjectNumber ? .bigint : function.result)
  }
}

extension SystemTrial {
  /// A list as `tally … list` shows it.
  static func listing(_ kind: UInt8) -> Listing {
    guard let kind = ListRequest.Kind(rawValue: kind) else { fatalError("no list \(kind)") }
    let system = system()
    return Listing.make(kind, system.state, system.fleet, system.standing, now: system.now)
  }
}
