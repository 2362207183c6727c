// PlanCache.swift — generic plans of the statements that came lately, and what is known of them before they run.
//
// A plan is found by everything that binding it read: the statement's text, the types of its parameters, the session's zone, search path,
// temporary schema, top lists' size and choice of levels, and the version of the catalog, which every change of it moves (Catalog.apply).
// So a plan of another state cannot be found, and nothing has to be told of changes. Values, the time, what a transaction did and what
// belongs to a session are not in a generic plan (GenericPlan). What comes once only is not worth keeping: a text is bound without values
// when it comes the second time.
import Model
import Planning
import SQL
import Synchronization

final class PlanCache: Sendable {
  /// What a plan depends on beside the catalog.
  struct Key: Hashable, Sendable {
    var text: String
    var types: [DataType?]
    var zone: ClockZone
    var searchPath: [String]
    /// The session's temporary schema, once there is something in it.
    var temporarySchema: String?
    /// topn.number_of_counters, as it is set.
    var counters: String?
    var choosesLevels: Bool
  }
  /// What is kept of a statement.
  enum Kept: Sendable {
    /// It came once.
    case nothing
    case generic(GenericPlan)
    /// It is planned with its values each time.
    case custom
  }
  struct Entry: Sendable {
    var version: CatalogVersion
    var kept = Kept.nothing
    var description: StatementDescription?
    /// Runs by the generic plan, and runs planned with their values.
    var generic: UInt64 = 0
    var custom: UInt64 = 0
    fileprivate var used: UInt64 = 0
  }
  private struct State {
    var entries: [Key: Entry] = [:]
    var uses: UInt64 = 0
  }
  static let countMax = 1024
  /// Bytes of the longest text that is kept.
  static let bytesMax = 4096
  private let state = Mutex(State())

  /// What is kept of a statement under a version; nil when it was not seen before.
  func find(_ key: Key, _ version: CatalogVersion) -> Kept? {
    state.withLock { state in
      guard let at = state.entries.index(forKey: key) else { return nil }
      state.uses += 1
      state.entries.values[at].used = state.uses
      return state.entries.values[at].version == version ? state.entries.values[at].kept : .nothing
    }
  }
  func keep(_ kept: Kept, _ key: Key, _ version: CatalogVersion) {
    change(key, version) { $0.kept = kept }
  }
  /// What a description told under a version.
  func description(_ key: Key, _ version: CatalogVersion) -> StatementDescription? {
    state.withLock { state in
      guard let entry = state.entries[key], entry.version == version else { return nil }
      return entry.description
    }
  }
  func keep(_ description: StatementDescription, _ key: Key, _ version: CatalogVersion) {
    change(key, version) { $0.description = description }
  }
  /// Counts a run.
  func count(_ key: Key, isGeneric: Bool) {
    state.withLock { state in
      guard let at = state.entries.index(forKey: key) else { return }
      if isGeneric { state.entries.values[at].generic += 1 } else { state.entries.values[at].custom += 1 }
    }
  }
  private func change(_ key: Key, _ version: CatalogVersion, _ body: (inout Entry) -> Void) {
    state.withLock { state in
      var entry = state.entries[key] ?? Entry(version: version)
      if entry.version != version { (entry.version, entry.kept, entry.description) = (version, .nothing, nil) }
      body(&entry)
      state.uses += 1
      entry.used = state.uses
      if state.entries[key] == nil, state.entries.count >= Self.countMax {
        // The older half goes: seldom, and in one pass.
        let uses = state.entries.values.map(\.used).sorted()
        let middle = uses[uses.count / 2]
        state.entries = state.entries.filter { $0.value.used > middle }
      }
      state.entries[key] = entry
    }
  }
  /// All that is kept, by text.
  var all: [(key: Key, entry: Entry)] {
    state.withLock { $0.entries.map { ($0.key, $0.value) } }
      .sorted { ($0.0.text, $0.1.used) < ($1.0.text, $1.1.used) }
  }
}

extension PlanCache.Key {
  /// The key of a request's plan; nil where its plan is its own: it stands for more than its text, or is too long to be kept.
  init?(_ request: StatementRequest, under snapshot: CatalogSnapshot, types: [DataType?]) {
    let text = request.statement.text
    guard !text.isEmpty, text.utf8.count <= PlanCache.bytesMax else { return nil }
    // Beside definitions that its transaction alone sees.
    guard request.transaction?.draft == nil else { return nil }
    // Of a procedure, or with calls taken out of it.
    guard request.runner == nil, request.variables.isEmpty, request.calls.results.isEmpty, !request.isResolved else { return nil }
    switch request.statement.statement {
    case .select, .insert, .update: break
    // Which rows it may name in one step depends on what the transaction did.
    case .delete: if request.transaction?.changed.isEmpty == false { return nil }
    default: return nil
    }
    self.init(
      text: text,
      types: types,
      zone: request.facts.zone,
      searchPath: request.facts.searchPath,
      temporarySchema: request.facts.temporarySchema.flatMap { snapshot.schemas.contains($0) ? $0 : nil },
      counters: request.facts.setting("topn.number_of_counters"),
      choosesLevels: request.choosesLevels
    )
  }
}
