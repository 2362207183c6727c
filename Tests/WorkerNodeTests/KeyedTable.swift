// KeyedTable.swift — a table with keys on the worker of a WorkerStage, changed and read as coordinators do it.
import Bytes
import Columns
import Model
import Planning
import Storage
import Testing
import Wire

/// accounts(tenant bigint, id bigint, n bigint CHECK (n < 1000)), PRIMARY KEY (tenant, id).
struct KeyedTable: Sendable {
  static let schema: TableSchema = {
    var table = TableSchema(
      id: TableID(12),
      name: "accounts",
      columns: [
        Column(name: "tenant", type: .bigint, isNotNull: true), Column(name: "id", type: .bigint, isNotNull: true),
        Column(name: "n", type: .bigint),
      ],
      distribution: .distributed(key: 0, group: GroupID(1))
    )
    table.keys = [TableKey(name: "accounts_pkey", columns: [0, 1], isPrimary: true)]
    return table
  }()
  static let scan = ScanNode(
    source: .table(schema.id),
    storedColumns: [ScanNode.placeColumn, 0, 1, 2],
    output: [
      OutputColumn("place", .bigint), OutputColumn("tenant", .bigint), OutputColumn("id", .bigint), OutputColumn("n", .bigint),
    ]
  )
  let stage: WorkerStage
  var epoch: UInt64 = 1

  static func column(_ at: Int) -> Expression { .column(at, .bigint) }
  static func constant(_ value: Int64) -> Expression { .constant(.bigint, .fixed(value)) }
  static func call(_ function: Function, _ arguments: [Expression], _ type: DataType = .bigint) -> Expression {
    Expression(type, .call(function, arguments))
  }
  static let check = ModifyProgram.Check(name: "accounts_n_check", condition: call(.less, [column(2), constant(1000)], .boolean))
  static func rows(_ rows: [[Int64]]) -> [UInt8] {
    if rows.isEmpty { return [] }
    return BatchFormat.encode(
      Batch(count: rows.count, columns: (0..<3).map { at in ColumnVector(.bigint, .fixed(rows.map { $0[at] })) })
    )
  }
  static func values(_ bytes: [UInt8], columns: Int = 3) throws -> [[Int64]] {
    if bytes.isEmpty { return [] }
    let batch = try BatchFormat.decode(bytes, types: [DataType](repeating: .bigint, count: columns))
    return (0..<batch.count).map { row in
      batch.columns.map { if case .fixed(let v) = $0.values { v[row] } else { 0 } }
    }
  }
  /// INSERT … ON CONFLICT (tenant, id) DO UPDATE SET n = accounts.n + excluded.n.
  static func adding(returns: Bool = false) -> ModifyProgram {
    ModifyProgram(
      table: schema,
      source: .rows,
      action: .insert(.update(key: 0, row: [column(0), column(1), call(.add, [column(2), column(5)])], condition: nil)),
      checks: [check],
      returnsRows: returns
    )
  }
  static func inserting(_ conflict: ModifyProgram.Conflict = .fail) -> ModifyProgram {
    ModifyProgram(table: schema, source: .rows, action: .insert(conflict), checks: [check])
  }
  /// UPDATE accounts SET n = … of the rows with an id.
  static func setting(_ n: Expression, id: Int64) -> ModifyProgram {
    var scan = scan
    scan.filter = call(.equal, [column(2), constant(id)], .boolean)
    return ModifyProgram(
      table: schema,
      source: .plan(
        .project(
          ProjectNode(
            input: .scan(scan),
            expressions: [column(0), column(1), column(2), n],
            names: ["place", "tenant", "id", "n"]
          )
        )
      ),
      action: .update,
      checks: [check]
    )
  }
  /// DELETE FROM accounts WHERE id = ….
  static func deleting(id: Int64, returns: Bool = false) -> ModifyProgram {
    var scan = scan
    scan.filter = call(.equal, [column(2), constant(id)], .boolean)
    return ModifyProgram(
      table: schema,
      source: .plan(.project(ProjectNode(input: .scan(scan), expressions: [column(0)], names: ["place"]))),
      action: .delete,
      returnsRows: returns
    )
  }

  static func statement(_ number: UInt64) -> StatementID { StatementID(session: SessionID(1), number: number) }
  /// Sends a change.
  private func part(_ number: UInt64, _ ordinal: Int) -> StatementPart {
    StatementPart(
      shard: WorkerStage.shard,
      epoch: Epoch(epoch),
      version: stage.version,
      statement: Self.statement(number),
      doneBelow: 0,
      decider: WorkerStage.shard,
      ordinal: ordinal
    )
  }
  func modify(
    _ number: UInt64,
    ordinal: Int = 1,
    _ program: ModifyProgram,
    _ rows: [[Int64]] = [],
    isAlone: Bool = true,
    waits: Bool = false
  ) async throws -> Modified {
    let request = ModifyRows(
      part: part(number, ordinal),
      isAlone: isAlone,
      waits: waits,
      program: ModifyFormat.encode(program),
      rows: Self.rows(rows)
    )
    guard case .modified(let modified) = try await stage.ask(.modifyRows(request)) else {
      throw TallyError(.protocolViolation, "another answer")
    }
    return modified
  }
  func stageRows(_ number: UInt64, ordinal: Int, _ content: StageRows.Content) async throws -> Staged {
    let request = StageRows(
      part: part(number, ordinal),
      content: content
    )
    guard case .staged(let staged) = try await stage.ask(.stageRows(request)) else {
      throw TallyError(.protocolViolation, "another answer")
    }
    return staged
  }
  /// Decides and commits a statement of this shard alone, or aborts it.
  func end(_ number: UInt64, rows: UInt64?) async throws {
    let id = Self.statement(number)
    if let rows {
      let participants = [DecideStatement.Participant(shard: WorkerStage.shard, rows: rows)]
      let decide = DecideStatement(shard: WorkerStage.shard, epoch: Epoch(epoch), statement: id, participants: participants)
      _ = try await stage.ask(.decideStatement(decide))
    }
    _ = try await stage.ask(
      .endStatement(
        EndStatement(
          shard: WorkerStage.shard,
          epoch: Epoch(epoch),
          statement: id,
          doneBelow: 0,
          commits: rows != nil,
          rows: rows ?? 0
        )
      )
    )
  }
  /// All rows by id, as a statement sees them.
  func read(by number: UInt64? = nil) async throws -> [[Int64]] {
    var scan = Self.scan
    scan.storedColumns.removeFirst()
    scan.output.removeFirst()
    let request = Execute(
      shards: [ShardPoint(shard: WorkerStage.shard, point: LogPoint(epoch: Epoch(epoch), position: LogPosition(0)))],
      version: stage.version,
      memoryLimit: 64 << 20,
      statement: number.map { Self.statement($0) },
      fragment: FragmentFormat.encode(.scan(scan))
    )
    return try await stage.rows(of: request).flatMap { try Self.values($0) }.sorted { ($0[1], $0[2]) < ($1[1], $1[2]) }
  }
}

func expectFailure(_ state: String, _ message: String? = nil, at: SourceLocation = #_sourceLocation, _ body: () async throws -> Void) async
{
  do {
    try await body()
    Issue.record("no error, not \(state)", sourceLocation: at)
  } catch let error as TallyError {
    #expect(error.sqlState == state, "\(error)", sourceLocation: at)
    if let message { #expect([error.message, error.detail].contains(message), "\(error)", sourceLocation: at) }
  } catch { Issue.record("\(error)", sourceLocation: at) }
}
