// CallExtraction.swift — takes the calls of routines out of a statement: they are carried out first, and names stand where they stood.
//
// A call in an expression becomes a name of `NamedValues`, a function in FROM a table function of `CalledFunctions`. PostgreSQL evaluates
// calls where it meets them, so a call under conditions (CASE, AND, COALESCE, WHERE of a SELECT without FROM) keeps these as guards. Below
// a FROM a call would be evaluated for every row: one of a routine that only reads is evaluated once, any other is refused.
import Model
import Planning
import SQL

final class CallExtraction: SyntaxRewriter {
  /// A call that was taken out.
  struct Pending: Sendable {
    enum Use: Sendable {
      case value
      /// `(f(x)).field`.
      case field(String)
      /// FROM f(x).
      case rows(alias: String?)
    }
    var call: CallSyntax
    var position: Int
    var guards: [ExpressionSyntax]
    var use: Use
    /// Below a FROM.
    var isPerRow: Bool
    var candidates: [Callable]
    /// What stands for it.
    var place: String
  }
  private let catalog: CatalogSnapshot
  private let inlined: Set<TableID>
  private let offset: Int
  private(set) var pending: [Pending] = []
  private var fromDepth = 0
  private var queryDepth = 0

  /// `offset` is the number of calls that were taken out of the same statement before.
  init(_ catalog: CatalogSnapshot, inlined: Set<TableID>, offset: Int) {
    self.catalog = catalog
    self.inlined = inlined
    self.offset = offset
  }

  /// What a call of a routine may mean; none for calls of anything else, and of routines that are expressions.
  func candidates(_ call: CallSyntax) -> [Callable] {
    guard !call.isStar, call.over == nil, call.filter == nil, !call.isDistinct else { return [] }
    let names = call.namedArguments.map(\.name.name)
    var found: [Callable] = []
    for routine in NativeRoutine.all where routine.name == call.name && !routine.isProcedure {
      let isNamed = call.schema == routine.schema || routine.schema == nil && call.schema == "pg_catalog"
      if isNamed { found.append(.native(routine)) }
    }
    if call.schema == nil {
      for function in catalog.functions where function.name == call.name && !function.isProcedure { found.append(.user(function)) }
    }
    let fitting = found.filter { $0.places(call.arguments.count, names) != nil }
    let areInline = fitting.allSatisfy { callable in
      if case .user(let function) = callable { inlined.contains(function.id) } else { false }
    }
    return areInline ? [] : fitting
  }
  private func take(
    _ call: CallSyntax,
    _ candidates: [Callable],
    _ position: Int,
    _ guards: [ExpressionSyntax],
    _ use: Pending.Use
  ) -> String {
    let place = "\u{1}\(offset + pending.count)"
    pending.append(
      Pending(
        call: call,
        position: position,
        guards: guards,
        use: use,
        isPerRow: fromDepth > 0,
        candidates: candidates,
        place: place
      )
    )
    return place
  }

  // MARK: SyntaxRewriter

  func expression(_ syntax: ExpressionSyntax, guards: [ExpressionSyntax]) throws(TallyError) -> ExpressionSyntax {
    var (inner, use) = (syntax, Pending.Use.value)
    if case .field(let record, let name) = syntax.kind { (inner, use) = (record, .field(name)) }
    guard case .call(let call) = inner.kind else { return try syntax.mappingOperands(self, guards: guards) }
    let candidates = candidates(call)
    guard !candidates.isEmpty else {
      if call.schema == nil, let procedure = catalog.functions.first(where: { $0.name == call.name && $0.isProcedure }),
        !catalog.functions.contains(where: { $0.name == call.name && !$0.isProcedure })
      {
        let shown = procedure.inputs.prefix(call.arguments.count).map(\.type.name).joined(separator: ", ")
        throw .sql(
          "42809",
          "\(call.name)(\(shown)) is a procedure",
          hint: "To call a procedure, use CALL.",
          position: inner.position
        )
      }
      return try syntax.mappingOperands(self, guards: guards)
    }
    if candidates.contains(where: \.returnsSet) {
      throw .sql(
        "0A000",
        "\(call.name), which gives a set, is not supported here",
        hint: "Call it in FROM.",
        position: syntax.position
      )
    }
    let own = try call.mappingArguments(self, guards: guards)
    let place = take(own, candidates, syntax.position, guards, use)
    let name = if case .field(let name) = use { name } else { call.name }
    return ExpressionSyntax(kind: .column([place, name]), position: syntax.position)
  }
  func query(_ syntax: SelectSyntax, guards: [ExpressionSyntax]) throws(TallyError) -> SelectSyntax {
    guard queryDepth < Limits.depthMax else { throw .sql("54001", "stack depth limit exceeded") }
    queryDepth += 1
    defer { queryDepth -= 1 }
    var select = syntax
    if case .plain(let plain) = syntax.body, let moved = movedToFrom(plain) { select.body = .plain(moved) }
    // WITH stands before FROM.
    let with = select.with
    select.with = nil
    var mapped = with
    if let with {
      for at in with.items.indices { mapped?.items[at].query = try source(with.items[at].query, isLateral: false) }
    }
    let hasFrom = if case .plain(let plain) = select.body { plain.from != nil } else { false }
    if hasFrom { fromDepth += 1 }
    defer { if hasFrom { fromDepth -= 1 } }
    var result = try select.mapping(self, guards: guards)
    result.with = mapped
    return result
  }
  func source(_ syntax: SelectSyntax, isLateral: Bool) throws(TallyError) -> SelectSyntax {
    if isLateral { return try query(syntax, guards: []) }
    let outer = fromDepth
    fromDepth = 0
    defer { fromDepth = outer }
    return try query(syntax, guards: [])
  }
  func functions(_ syntax: TableFunctionsSyntax) throws(TallyError) -> FromSyntax {
    var result = syntax
    for at in syntax.calls.indices {
      guard case .call(let call) = syntax.calls[at].kind else { continue }
      let candidates = candidates(call)
      let outer = fromDepth
      fromDepth -= 1
      defer { fromDepth = outer }
      let own = try call.mappingArguments(self, guards: [])
      guard !candidates.isEmpty else {
        result.calls[at].kind = .call(own)
        continue
      }
      guard syntax.calls.count == 1, !syntax.hasOrdinality else {
        throw .sql("0A000", "\(call.name) in ROWS FROM or with ORDINALITY is not supported", position: syntax.calls[at].position)
      }
      let place = take(own, candidates, syntax.calls[at].position, [], .rows(alias: syntax.alias))
      var standIn = CallSyntax(name: call.name, arguments: [])
      standIn.schema = place
      result.calls[at].kind = .call(standIn)
    }
    return .functions(result)
  }
  /// `SELECT f(x)` of a set and `SELECT (f(x)).*` are `SELECT * FROM f(x)`, and `SELECT (f(x)).a` is `SELECT a FROM f(x)`.
  private func movedToFrom(_ plain: PlainSelectSyntax) -> PlainSelectSyntax? {
    guard plain.from == nil, plain.items.count == 1 else { return nil }
    let item = plain.items[0]
    let call: CallSyntax
    var field: String?
    switch item.expression.kind {
    case .call(let own):
      guard candidates(own).contains(where: { $0.returnsSet && $0.columns().count == 1 }) else { return nil }
      call = own
    case .allFields(let inner):
      guard case .call(let own) = inner.kind, !candidates(own).isEmpty else { return nil }
      call = own
    case .field(let inner, let name):
      guard case .call(let own) = inner.kind, candidates(own).contains(where: \.returnsSet) else { return nil }
      (call, field) = (own, name)
    default: return nil
    }
    var moved = plain
    moved.from = .functions(
      TableFunctionsSyntax(
        calls: [ExpressionSyntax(kind: .call(call), position: item.expression.position)],
        alias: field == nil ? item.alias ?? call.name : call.name,
        position: item.expression.position
      )
    )
    let kind = field.map { ExpressionSyntax.Kind.column([call.name, $0]) } ?? .star(qualifier: nil)
    moved.items[0] = PlainSelectSyntax.Item(
      alias: field == nil ? nil : item.alias,
      expression: ExpressionSyntax(kind: kind, position: item.expression.position)
    )
    return moved
  }
}

extension Statement {
  /// The statement with its calls taken out.
  func mapping(_ extraction: CallExtraction) throws(TallyError) -> Statement {
    switch self {
    case .select(let select): return .select(try extraction.query(select, guards: []))
    case .explain(let select, let analyze): return .explain(try extraction.query(select, guards: []), analyze: analyze)
    case .insert(let insert): return .insert(try insert.mapping(extraction))
    case .update(var update):
      update.assignments = try update.assignments.mapping(extraction)
      if let condition = update.condition { update.condition = try extraction.below(condition) }
      return .update(update)
    case .explainChange(let change): return .explainChange(try change.mapping(extraction))
    case .delete(var delete):
      if let condition = delete.condition { delete.condition = try extraction.below(condition) }
      return .delete(delete)
    case .copy, .createTable, .dropTable, .createRollup, .dropRollup, .createFunction, .dropFunction, .doBlock, .call, .createSequence,
      .alterSequence, .dropSequence, .lock, .define:
      return self
    }
  }
}

extension [AssignmentSyntax] {
  fileprivate func mapping(_ extraction: CallExtraction) throws(TallyError) -> [AssignmentSyntax] {
    var result = self
    for at in indices {
      switch self[at].source {
      case .value(let value?): result[at].source = .value(try extraction.below(value))
      case .value(nil): break
      case .query(let query, let position): result[at].source = .query(try extraction.query(query, guards: []), position: position)
      }
    }
    return result
  }
}

extension InsertSyntax {
  fileprivate func mapping(_ extraction: CallExtraction) throws(TallyError) -> InsertSyntax {
    var result = self
    if let query { result.query = try extraction.query(query, guards: []) }
    for row in rows.indices {
      for at in rows[row].indices {
        if let value = rows[row][at] { result.rows[row][at] = try extraction.expression(value, guards: []) }
      }
    }
    if var conflict, case .update(let assignments, var condition) = conflict.action {
      if let written = condition { condition = try extraction.below(written) }
      conflict.action = .update(try assignments.mapping(extraction), condition: condition)
      result.conflict = conflict
    }
    return result
  }
}

extension CallExtraction {
  /// An expression that is evaluated for every row.
  func below(_ syntax: ExpressionSyntax) throws(TallyError) -> ExpressionSyntax {
    fromDepth += 1
    defer { fromDepth -= 1 }
    return try expression(syntax, guards: [])
  }
}
