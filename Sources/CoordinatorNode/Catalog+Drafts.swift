// Catalog+Drafts.swift — definitions of open transactions: one draft each, which takes effect as a whole or not at all.
//
// A draft is the list of its definitions. Its transaction sees the catalog with them applied (`drafted`), everybody else the catalog
// without. Numbers and places that they take are taken at once and for good, so the tables they make can be written before COMMIT: workers
// are told of these (`CatalogSnapshot.drafted`), clients find no name. COMMIT applies the definitions to the catalog as it is then; one
// that cannot be applied any more, because another transaction was first, refuses the whole. A new leader discards all drafts: their
// transactions ended with the coordinator they were on (GroupFlow).
import Bytes
import Model

/// Number of a draft, drawn by its transaction.
enum DraftTag {}
typealias DraftID = ID<DraftTag>

/// The definitions of an open transaction.
struct Draft: Sendable {
  /// A definition, and the number that the first object it makes has.
  struct Entry: Sendable {
    var first: UInt64
    var command: CatalogCommand
    /// Made by the transaction's first write into a table, not by a statement of its own.
    var isPlacement = false
  }
  var entries: [Entry] = []
  /// Tables and sequences that it has made, as its definitions leave them; by id.
  var tables: [TableSchema] = []
  var sequences: [SequenceRecord] = []
}

extension Catalog {
  /// Definitions of one transaction.
  static let draftEntriesMax = 10_000
  /// Transactions with definitions at a time.
  static let draftsMax = 1024

  /// The catalog as the transaction with a draft sees it. Throws what keeps a definition from being applied by now.
  func drafted(_ id: DraftID) throws(TallyError) -> Catalog {
    guard let draft = drafts[id] else {
      throw .sql("40001", "the definitions of the transaction were given up as another coordinator leads", hint: "Repeat the transaction.")
    }
    return try applying(draft.entries)
  }
  private func applying(_ entries: [Draft.Entry]) throws(TallyError) -> Catalog {
    var view = self
    view.drafts = [:]
    view.snapshot.drafted = []
    for entry in entries {
      view.nextTable = entry.first
      _ = try view.change(entry.command)
    }
    view.nextTable = nextTable
    // A sequence's numbers may have been taken since it was made.
    for (id, state) in given where view.given[id] != nil { view.given[id] = state }
    return view
  }

  /// Adds a definition to a draft.
  mutating func draft(_ command: CatalogCommand, in id: DraftID, isPlacement: Bool = false) throws(TallyError) -> CatalogOutcome {
    var draft = drafts[id] ?? Draft()
    guard draft.entries.count < Self.draftEntriesMax, drafts.count < Self.draftsMax || drafts[id] != nil else {
      throw .sql("54000", "too many definitions in open transactions", hint: "COMMIT more often.")
    }
    var view = try applying(draft.entries)
    let first = nextTable
    let outcome = try view.change(command)
    try view.checkCounts()
    var entry = Draft.Entry(first: first, command: command, isPlacement: isPlacement)
    if case .distributeTable(let table, let key, _, let placement, let copies) = command,
      let group = view.snapshot.table(table)?.distribution.group
    {
      // The group is made now, not again.
      entry.command = .distributeTable(table, key: key, group: .existing(group), placement: placement, copies: copies)
    }
    draft.entries.append(entry)
    adopt(view)
    tell(draft, view, as: id)
    return outcome
  }
  /// Takes over what a draft has taken for good: numbers, groups of shards, what sequences have given.
  private mutating func adopt(_ view: Catalog) {
    (nextTable, nextGroup, nextShard, nextReplica) = (view.nextTable, view.nextGroup, view.nextShard, view.nextReplica)
    (separateGroups, localGroup, referenceGroup) = (view.separateGroups, view.localGroup, view.referenceGroup)
    (snapshot.groups, snapshot.shards) = (view.snapshot.groups, view.snapshot.shards)
    for (id, state) in view.given where given[id] == nil { given[id] = state }
  }
  /// Keeps a draft, and notes what it has made.
  private mutating func tell(_ draft: Draft, _ view: Catalog, as id: DraftID) {
    var draft = draft
    let (tables, sequences) = (Set(snapshot.tables.map(\.id)), Set(snapshot.sequences.map(\.id)))
    draft.tables = view.snapshot.tables.filter { !tables.contains($0.id) }
    draft.sequences = view.snapshot.sequences.filter { !sequences.contains($0.id) }
    drafts[id] = draft
    tellDrafted()
  }
  mutating func tellDrafted() {
    snapshot.drafted = (drafts.values.flatMap(\.tables) + moves.values.map(\.target)).sorted { $0.id < $1.id }
  }
  /// Forgets the definitions behind the first `count` statements'; without any the draft is gone.
  mutating func cutDraft(_ id: DraftID, keeping count: Int) {
    guard var draft = drafts[id] else { return }
    let before = draft.sequences
    let statements = draft.entries.indices.filter { !draft.entries[$0].isPlacement }
    if count < statements.count { draft.entries.removeSubrange(statements[count]...) }
    if draft.entries.isEmpty {
      drafts[id] = nil
      tellDrafted()
    } else {
      do throws(TallyError) { tell(draft, try applying(draft.entries), as: id) } catch {
        // It cannot be committed any more, as its transaction will hear.
        (draft.tables, draft.sequences) = ([], [])
        drafts[id] = draft
        tellDrafted()
      }
    }
    let kept = Set(drafts[id]?.sequences.map(\.id) ?? [])
    for sequence in before where !kept.contains(sequence.id) { given[sequence.id] = nil }
  }
  /// Applies a draft's definitions for everybody.
  mutating func publishDraft(_ id: DraftID) throws(TallyError) {
    var next = try drafted(id)
    try next.checkCounts()
    // Others may have made objects with higher numbers meanwhile.
    next.snapshot.tables.sort { $0.id < $1.id }
    next.snapshot.rollups.sort { $0.id < $1.id }
    next.snapshot.views.sort { $0.id < $1.id }
    next.snapshot.functions.sort { $0.id < $1.id }
    next.snapshot.sequences.sort { $0.id < $1.id }
    next.drafts = drafts
    next.drafts[id] = nil
    next.tellDrafted()
    self = next
  }
  /// The draft that made a table.
  func draft(of table: TableID) -> DraftID? { drafts.first { $0.value.tables.contains { $0.id == table } }?.key }
  /// A sequence, of the catalog or of a draft.
  func sequence(_ id: TableID) -> SequenceRecord? {
    if let found = snapshot.sequences.first(where: { $0.id == id }) { return found }
    for draft in drafts.values { if let found = draft.sequences.first(where: { $0.id == id }) { return found } }
    return nil
  }
}
