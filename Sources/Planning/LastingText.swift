// LastingText.swift — texts that the catalog keeps, made to mean the same for ever: whatever the session was that wrote them, and whatever
// columns and names come later.
//
// While such a text is bound, `TextNotes` hears what the binder found at which place. Then `*` becomes the columns that it was, a name that
// another search path would find elsewhere gets its schema, and a literal of type timestamptz its offset. When a relation or a column gets
// another name, views are written anew by the same notes; what cannot be followed so is refused.
import Model
import SQL
internal import Synchronization

/// What was found at the places of one text.
final class TextNotes: Sendable {
  enum Note: Equatable {
    /// `*`: the columns that it is; nil where one cannot be named.
    case star([String]?)
    /// A table or view in FROM.
    case relation(TableID, isQualified: Bool, hasAlias: Bool)
    /// A column of a table or view, by number.
    case column(TableID, Int)
    /// A literal that the session's zone gave its meaning: the same with its offset.
    case literal(String)
  }
  private struct State {
    var notes: [Int: Note] = [:]
    var unnamed: Set<Int> = []
  }
  private let state = Mutex(State())

  func add(_ note: Note, at position: Int) { state.withLock { $0.notes[position] = note } }
  /// A column that is an item of a select list, which has its name from it.
  func addUnnamed(at position: Int) { state.withLock { _ = $0.unnamed.insert(position) } }
  /// By rising place.
  var all: [(position: Int, note: Note)] {
    state.withLock { state in state.notes.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
  }
  func isUnnamed(_ position: Int) -> Bool { state.withLock { $0.unnamed.contains(position) } }
}

enum LastingText {
  /// A view's query as it is kept; `path`: where its names will be looked up.
  static func view(_ text: String, _ catalog: CatalogSnapshot, _ context: PlanningContext, path: [String]) throws(TallyError) -> String {
    let (_, notes) = try bound(text, catalog, context)
    var later = catalog
    later.searchPath = path
    var change = try TextChange(text)
    for (position, note) in notes.all {
      switch note {
      case .star(let names):
        guard let names, change.replaceStar(at: position, by: names.joined(separator: ", ")) else {
          throw .sql("0A000", "* of columns that cannot be told apart by their names is not supported in a view", hint: "Name the columns.")
        }
      case .relation(let id, isQualified: false, _):
        guard let (schema, name) = self.name(of: id, catalog), self.relation(NameSyntax(name: name, position: position), later) != id
        else { continue }
        guard change.replaceName(at: position, by: qualified(schema, name)) else { throw unwritable(name) }
      case .literal(let text):
        guard change.replaceString(at: position, by: SQLQuoting.literal(text)) else { throw unwritable("a timestamptz") }
      case .relation, .column: continue
      }
    }
    return change.text
  }
  /// An expression (DEFAULT, CHECK) as it is kept; `bind` binds it.
  static func expression(
    _ text: String,
    _ context: PlanningContext,
    _ bind: (ExpressionSyntax, PlanningContext) throws(TallyError) -> Void
  ) throws(TallyError) -> String {
    let whole = "SELECT " + text
    var own = context
    let notes = TextNotes()
    own.notes = notes
    try bind(try TableChecks.expression(text, what: "an expression"), own)
    var change = try TextChange(whole)
    for case (let position, .literal(let text)) in notes.all {
      guard change.replaceString(at: position, by: SQLQuoting.literal(text)) else { throw unwritable("a timestamptz") }
    }
    return String(change.text.dropFirst("SELECT ".count))
  }
  private static func unwritable(_ what: String) -> TallyError {
    .sql(
      "0A000",
      "\(what) that depends on the session is not supported here",
      hint: "Write names with their schema and times with their offset."
    )
  }
  private static func bound(
    _ text: String,
    _ catalog: CatalogSnapshot,
    _ context: PlanningContext
  ) throws(TallyError) -> ([OutputColumn], TextNotes) {
    guard case .select(let select)? = try parse(text).first?.statement else {
      throw TallyError(.internalError, "the text of a view is no query")
    }
    let notes = TextNotes()
    var own = context
    own.notes = notes
    own.parameters = nil
    return (try SelectBinder(catalog: catalog, context: own).query(select).columns, notes)
  }

  // MARK: Other names

  /// The views that must be written anew because what they name is called otherwise in the next catalog, which has their old texts. Throws
  /// 0A000 for one that cannot be.
  static func followers(_ catalog: CatalogSnapshot, _ next: CatalogSnapshot, _ context: PlanningContext) throws(TallyError) -> [ViewRecord]
  {
    var result: [ViewRecord] = []
    for view in next.views {
      var (old, new) = (catalog, next)
      (old.searchPath, new.searchPath) = (view.searchPath, view.searchPath)
      let (text, found): (String, TextNotes)
      do throws(TallyError) {
        text = try self.view(view.sql, old, context, path: view.searchPath)
        (_, found) = try bound(text, old, context)
      } catch { continue }  // One that cannot be bound now needs nothing.
      guard let changed = try renamed(text, found, old, new) else { continue }
      guard let (columns, after) = try verified(changed, new, context), fits(columns, view), meaning(found) == meaning(after) else {
        throw .sql(
          "0A000",
          "renaming what view \"\(view.name)\" names is not supported",
          hint: "Drop the view first, and create it again afterwards."
        )
      }
      var record = view
      record.sql = changed
      result.append(record)
    }
    return result
  }
  /// The text under the names of the next catalog; nil where all are the same.
  private static func renamed(
    _ text: String,
    _ notes: TextNotes,
    _ old: CatalogSnapshot,
    _ new: CatalogSnapshot
  ) throws(TallyError) -> String? {
    var change = try TextChange(text)
    var isChanged = false
    for (position, note) in notes.all {
      switch note {
      case .relation(let id, let isQualified, let hasAlias):
        guard let was = name(of: id, old), let will = name(of: id, new), was != will else { continue }
        let needsSchema = isQualified || relation(NameSyntax(name: will.name, position: position), new) != id
        var shown = needsSchema ? qualified(will.schema, will.name) : SQLQuoting.identifier(will.name)
        if !hasAlias, will.name != was.name { shown += " AS \(SQLQuoting.identifier(was.name))" }
        guard change.replaceName(at: position, by: shown) else { throw unwritable(was.name) }
        isChanged = true
      case .column(let id, let number):
        guard let was = columns(of: id, old)?[number], let will = columns(of: id, new)?[number], was != will else { continue }
        let alias = notes.isUnnamed(position) ? " AS \(SQLQuoting.identifier(was))" : ""
        guard change.replaceLastPart(at: position, by: SQLQuoting.identifier(will) + alias) else { throw unwritable(was) }
        isChanged = true
      case .star, .literal: continue
      }
    }
    return isChanged ? change.text : nil
  }
  private static func verified(
    _ text: String,
    _ catalog: CatalogSnapshot,
    _ context: PlanningContext
  ) throws(TallyError) -> ([OutputColumn], TextNotes)? {
    do throws(TallyError) { return try bound(text, catalog, context) } catch { return nil }
  }
  private static func fits(_ columns: [OutputColumn], _ view: ViewRecord) -> Bool { columns.map(\.type) == view.columns.map(\.type) }
  /// What the names of a text mean, in their order.
  private static func meaning(_ notes: TextNotes) -> [TextNotes.Note] {
    notes.all.compactMap { _, note in
      switch note {
      case .column: note
      case .relation(let id, _, _): .relation(id, isQualified: true, hasAlias: true)
      case .star, .literal: nil
      }
    }
  }

  // MARK: Names in a catalog

  private static func qualified(_ schema: String, _ name: String) -> String {
    SQLQuoting.identifier(schema) + "." + SQLQuoting.identifier(name)
  }
  private static func relation(_ name: NameSyntax, _ catalog: CatalogSnapshot) -> TableID? {
    catalog.view(name)?.id ?? catalog.table(name)?.id
  }
  private static func name(of id: TableID, _ catalog: CatalogSnapshot) -> (schema: String, name: String)? {
    if let table = catalog.table(id) { return (table.schemaName, table.name) }
    return catalog.views.first { $0.id == id }.map { ($0.schemaName, $0.name) }
  }
  private static func columns(of id: TableID, _ catalog: CatalogSnapshot) -> [String]? {
    catalog.table(id)?.columns.map(\.name) ?? catalog.views.first { $0.id == id }?.columns.map(\.name)
  }
}
