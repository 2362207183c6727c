// DraftFlow.swift — definitions inside of a transaction block: which of them can be drafted, and how a draft ends (Catalog+Drafts).
//
// Drafted is what makes objects, what drops them, and what changes tables that the transaction has made itself. Changes of other tables'
// columns and constraints are not: shards check rows against one definition of a table, and others go on writing it. Drafts are the
// leader's; on another coordinator a block has one definition, which is passed on at COMMIT.
//
// COMMIT publishes before it commits rows: a coordinator that ends between the two leaves the definitions without the rows.
import Capabilities
import Model
import Planning

extension Coordinator {
  /// Proposes a command of a definition: to the draft of its transaction, if it has one and the objects are not temporary.
  func propose(_ command: CatalogCommand, in transaction: OpenTransaction?) async throws -> CatalogOutcome {
    guard let transaction, let draft = transaction.draft, await !log.catalog.snapshot.isTemporary(command) else {
      return try await log.propose(command)
    }
    let outcome = try await log.propose(.draft(draft, command))
    transaction.noteDrafted()
    return outcome
  }

  /// Begins a draft for a definition; false when that cannot be drafted.
  func beginDraft(for bound: BoundStatement, in transaction: OpenTransaction) async throws -> Bool {
    guard await decides, Self.isDraftable(bound, await log.catalog.snapshot) else { return false }
    try transaction.beginDraft(DraftID(surroundings.random.next()))
    return true
  }
  private static func isDraftable(_ bound: BoundStatement, _ snapshot: CatalogSnapshot) -> Bool {
    func isKnown(_ table: TableID) -> Bool { snapshot.tables.contains { $0.id == table } }
    // A draft does not hold what happens to temporary objects: what TemporaryFlow cannot undo, beside others for instance, waits.
    func isTemporary(_ table: TableID) -> Bool { snapshot.table(table)?.isTemporary ?? false }
    switch bound {
    case .createTable, .createSequence, .dropSequence, .accepted: return true
    case .dropTable(let tables, _): return !tables.contains(where: isTemporary)
    case .distributeTable(let plan): return !isKnown(plan.table)
    case .referenceTable(let table): return !isKnown(table)
    case .define(let plan):
      // Rows that must not be there are asked for before the table is changed that they would be in.
      return plan.steps.allSatisfy { step in
        switch step {
        case .createTable, .createView, .createSchema, .fill, .refresh, .require: return true
        case .dropTable(let table): return !isTemporary(table)
        case .dropView(let view): return !snapshot.isTemporary(.dropView(view))
        case .alterViews(let views): return !views.contains { TemporarySchema.isOne($0.schemaName) }
        case .dropSchema(let name): return !TemporarySchema.isOne(name)
        case .alterTable(var from, let to, let views):
          guard !from.isTemporary else { return false }
          guard isKnown(from.id) else { return true }
          // References that go are enforced by others until COMMIT.
          (from.indexes, from.comments) = (to.indexes, to.comments)
          if to.references.allSatisfy({ from.references.contains($0) }) { from.references = to.references }
          return from == to && views.isEmpty
        case .dropRollup, .truncate: return false
        }
      }
    default: return false
    }
  }

  // MARK: Its end

  /// The transaction commits.
  func publish(_ draft: DraftID) async throws {
    _ = try await log.propose(.publishDraft(draft))
    try await broadcast()
  }
  /// Takes back what a draft holds behind its first definitions.
  func cut(_ draft: DraftID, keeping count: Int) async throws {
    _ = try await log.propose(.cutDraft(draft, keeping: count))
    try await broadcast()
  }
  /// The transaction is rolled back.
  func discard(_ draft: DraftID) async {
    do {
      _ = try await log.propose(.discardDraft(draft))
      try await broadcast()
    } catch {
      // Whoever leads now discards it (GroupFlow).
      surroundings.log.warning("draft-not-discarded", ("draft", draft.description), ("reason", "\(error)"))
    }
  }
  /// Discards drafts of clients that have gone, until cancelled.
  func keepDiscarding() async throws { while let draft = try await forsakenDrafts.receive() { await discard(draft) } }
}

extension CatalogSnapshot {
  /// Whether a command makes, changes or drops a temporary object: TemporaryFlow undoes what a transaction did to those.
  fileprivate func isTemporary(_ command: CatalogCommand) -> Bool {
    switch command {
    case .createTable(let table), .createTableWithSequences(let table, _): table.isTemporary
    case .alterTable(let from, _), .alterTableAndViews(let from, _, _): from.isTemporary
    case .dropTable(let id), .placeTable(let id, _, _, _): table(id)?.isTemporary ?? false
    case .createView(let view, _): TemporarySchema.isOne(view.schemaName)
    case .dropView(let id): views.contains { $0.id == id && TemporarySchema.isOne($0.schemaName) }
    case .createSchema(let name), .dropSchema(let name): TemporarySchema.isOne(name)
    default: false
    }
  }
}
