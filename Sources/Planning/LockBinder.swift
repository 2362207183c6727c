// LockBinder.swift — FOR UPDATE and LOCK TABLE: which tables a transaction shall hold on which shards until its end.
//
// What is held is a table of a shard, not a row: fewer transactions run side by side than with PostgreSQL's row locks, and none sees what
// another holds. Held is against changes by keys and conditions; reading never waits. LOCK of an append-only table waits for writers and
// holds up none (CoordinatorNode/LockFlow).
public import Model
import SQL

/// A table that a transaction shall hold.
public struct TableLock: Sendable {
  /// The table.
  public var table: TableSchema
  /// On which of its shards.
  public var shards: FragmentShards
  /// False after NOWAIT.
  public var waits: Bool
  /// Whether it is a whole table's lock (LOCK TABLE).
  public var isWhole: Bool
  /// Whether its shards can hold it against others: rows of append-only tables are added without looking.
  public var isHeld: Bool {
    if case .distributed = table.distribution { !table.keys.isEmpty } else { true }
  }
}

struct LockBinder {
  let catalog: CatalogSnapshot
  /// SHARE: the weakest mode that stands against writers.
  private static let weakestHeld = 5

  /// The tables of a LOCK TABLE; none where its mode stands against nothing that is not sorted out anyway: definitions take effect by
  /// themselves, and writers hold what they write without being told.
  func bind(_ syntax: LockSyntax) throws(TallyError) -> [TableLock] {
    var locks: [TableLock] = []
    for name in syntax.tables {
      guard let table = catalog.table(named: name.name, in: name.schema) else {
        if Relations.isRollup(name.name, catalog: catalog) {
          throw .sql("42809", "\"\(name.name)\" is not a table or view")
        }
        throw .sql("42P01", "relation \"\(name.name)\" does not exist")
      }
      guard syntax.mode >= Self.weakestHeld, table.distribution.group != nil else { continue }
      locks.append(TableLock(table: table, shards: .all, waits: syntax.waits, isWhole: true))
    }
    return locks
  }

  /// What a SELECT with FOR UPDATE or its kin holds; nil when its table has no rows yet.
  func bind(_ clause: LockingSyntax, _ select: SelectSyntax, _ plan: DistributedPlan) throws(TallyError) -> TableLock? {
    func not(with what: String) -> TallyError { .sql("0A000", "\(clause.strength) is not allowed with \(what)") }
    let plain: PlainSelectSyntax
    switch select.body {
    case .plain(let body): plain = body
    case .setOperation: throw not(with: "UNION/INTERSECT/EXCEPT")
    case .values: throw .sql("0A000", "\(clause.strength) cannot be applied to VALUES")
    }
    if plain.isDistinct { throw not(with: "DISTINCT clause") }
    if !plain.groupBy.isEmpty { throw not(with: "GROUP BY clause") }
    if plain.having != nil { throw not(with: "HAVING clause") }
    guard let from = plain.from else { return nil }
    guard case .relation(let name, let alias, _) = from else {
      throw .sql(
        "0A000",
        "\(clause.strength) of more than one table is not supported",
        hint: "Read the rows of one table with it first, then join."
      )
    }
    for wanted in clause.names where wanted.name != alias ?? name.name {
      throw .sql(
        "42P01",
        "relation \"\(wanted.name)\" in \(clause.strength) clause not found in FROM clause",
        position: wanted.position
      )
    }
    guard select.with?.items.contains(where: { $0.name.name == name.name }) != true,
      let table = catalog.table(named: name.name, in: name.schema)
    else {
      throw .sql("0A000", "\(clause.strength) of \"\(name.name)\" is not supported", hint: "It is no table.", position: name.position)
    }
    guard let group = table.distribution.group else { return nil }
    if case .distributed = table.distribution, table.keys.isEmpty {
      throw .sql(
        "0A000",
        "\(clause.strength) of table \"\(table.name)\" is not supported",
        hint: "It is append-only: its rows do not change. Give it a primary key to update them.",
        position: name.position
      )
    }
    if let what = grouping(plan) { throw not(with: what) }
    let reading = plan.fragments.filter { $0.group == group && scans($0.plan, table.id) }
    // No row can match.
    guard let first = reading.first else { return nil }
    return TableLock(table: table, shards: reading.count == 1 ? first.shards : .all, waits: clause.waits, isWhole: false)
  }
  private func scans(_ plan: PlanNode, _ table: TableID) -> Bool {
    if case .scan(let scan) = plan, case .table(table) = scan.source { return true }
    return plan.inputs.contains { scans($0, table) }
  }
  /// What makes other rows of the table's than it has.
  private func grouping(_ plan: DistributedPlan) -> String? {
    var open = [plan.coordinatorPlan] + plan.fragments.map(\.plan)
    while let node = open.popLast() {
      switch node {
      case .aggregate: return "aggregate functions"
      case .window: return "window functions"
      default: open += node.inputs
      }
    }
    return nil
  }
}
