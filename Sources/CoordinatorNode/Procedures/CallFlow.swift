// CallFlow.swift — calls of routines: those in a statement are carried out before it is planned; CALL and DO are statements.
//
// A statement whose text names no routine is left as it is. Arguments are evaluated in order, each seeing the results of calls inside of
// it; the routine is chosen by PostgreSQL's rules (as many arguments, the fewest casts). A routine's own statements go through its caller's
// `StatementRunner`, so they belong to the same transaction. What is described only is not carried out: results are NULL of their types.
import Capabilities
import Columns
import Execution
import Model
import Planning
import SQL
import Wire

extension Coordinator {
  /// How deep routines may call routines.
  static let callDepthMax = 128

  /// The statement with its calls carried out and their results in their places.
  func resolvingCalls(_ request: StatementRequest, describing: StatementParameters? = nil) async throws -> StatementRequest {
    guard let calls = try await extractingCalls(request) else { return request }
    return try await resolving(calls, request, describing)
  }
  /// The calls of a statement, and the statement without them; nil when it calls nothing.
  func extractingCalls(_ request: StatementRequest) async throws -> ExtractedCalls? {
    guard !request.isResolved else { return nil }
    let snapshot = await log.catalog.snapshot
    let (_, inlined, words) = routines.known(snapshot)
    let text = request.statement.text
    guard text.isEmpty || words.occur(in: text) else { return nil }
    let extraction = CallExtraction(snapshot, inlined: inlined, offset: request.calls.taken)
    let statement = try request.statement.statement.mapping(extraction)
    return extraction.pending.isEmpty ? nil : ExtractedCalls(statement: statement, pending: extraction.pending, catalog: snapshot)
  }
  /// Carries the calls of a statement out, in order.
  func resolving(
    _ calls: ExtractedCalls,
    _ request: StatementRequest,
    _ describing: StatementParameters? = nil
  ) async throws -> StatementRequest {
    var result = request
    result.isResolved = true
    result.statement.statement = calls.statement
    result.calls.taken += calls.pending.count
    for pending in calls.pending { try await resolve(pending, &result, calls.catalog, describing) }
    return result
  }

  /// Carries one call out.
  private func resolve(
    _ pending: CallExtraction.Pending,
    _ request: inout StatementRequest,
    _ snapshot: CatalogSnapshot,
    _ describing: StatementParameters?
  ) async throws {
    var isCalled = describing == nil
    let name = pending.call.name
    do {
      if isCalled {
        for condition in pending.guards {
          let value = try await self.value(of: condition, request)
          if case .fixed(let truth) = value.value, truth != 0 { continue }
          isCalled = false
          break
        }
      }
      let (callable, arguments) = try await choose(pending.candidates, pending.call, pending.position, request, snapshot, describing)
      if pending.isPerRow, callable.isVolatile { throw Self.perRow(name, pending.position) }
      var alias: String?
      if case .rows(let own) = pending.use { alias = own }
      var rows = RoutineRows(columns: callable.columns(alias))
      if isCalled { rows.rows = try await call(callable, arguments, request).rows }
      switch pending.use {
      case .rows: request.calls.results[pending.place] = rows
      case .value: request.variables[[pending.place, name]] = .value(rows.value)
      case .field(let field):
        guard let at = rows.columns.firstIndex(where: { $0.name == field }) else {
          throw TallyError.sql("42703", "could not identify column \"\(field)\" in record data type", position: pending.position)
        }
        request.variables[[pending.place, field]] = .value(TypedValue(rows.columns[at].type, rows.rows.first?[at] ?? .null))
      }
    } catch let error as TallyError
      where pending.isPerRow && error.context == nil && (error.sqlState == "42703" || error.sqlState == "42P01")
    {
      throw Self.perRow(name, pending.position)
    }
  }
  private static func perRow(_ name: String, _ position: Int) -> TallyError {
    .sql(
      "0A000",
      "calling function \(name) for every row of a query is not supported",
      hint:
        "Make it LANGUAGE sql with one expression, or call it by itself; one that is STABLE or IMMUTABLE may have constant arguments here.",
      position: position
    )
  }

  /// The routine that a call means, and its arguments.
  func choose(
    _ candidates: [Callable],
    _ call: CallSyntax,
    _ position: Int,
    _ request: StatementRequest,
    _ snapshot: CatalogSnapshot,
    _ describing: StatementParameters?
  ) async throws -> (Callable, [TypedValue]) {
    let given = call.arguments + call.namedArguments.map(\.value)
    let names = call.namedArguments.map(\.name.name)
    var values: [TypedValue] = []
    let lone = candidates.count == 1 ? candidates[0] : nil
    let lonePlaces = lone?.places(call.arguments.count, names)
    for (number, syntax) in given.enumerated() {
      // A parameter of the statement takes the argument's type.
      let place = lonePlaces?.firstIndex(of: number)
      let isParameter = if case .parameter = syntax.kind { true } else { false }
      let type = isParameter ? place.flatMap { lone?.arguments[$0].type } : nil
      values.append(try await value(of: syntax, as: type, request, describing))
    }
    var best: (callable: Callable, places: [Int?], distance: Int)?
    for callable in candidates {
      guard let places = callable.places(call.arguments.count, names) else { continue }
      var distance = 0
      var fits = true
      for (at, place) in places.enumerated() {
        guard let place else { continue }
        if let own = castDistance(from: values[place].type, to: callable.arguments[at].type) { distance += own } else { fits = false }
      }
      if fits, distance < best?.distance ?? Int.max { best = (callable, places, distance) }
    }
    guard let (callable, places, _) = best else {
      let shown = values.map(\.type.name).joined(separator: ", ")
      let full = (call.schema.map { $0 + "." } ?? "") + call.name
      throw TallyError.sql(
        "42883",
        "function \(full)(\(shown)) does not exist",
        hint: "No function matches the given name and argument types. You might need to add explicit type casts.",
        position: position
      )
    }
    var arguments: [TypedValue] = []
    for (at, place) in places.enumerated() {
      let argument = callable.arguments[at]
      if let place {
        arguments.append(TypedValue(argument.type, try assigned(values[place], to: argument.type)))
      } else if let initial = try CompiledRoutines.initial(argument) {
        var plain = request
        plain.variables = NamedValues()
        let value = try await value(of: initial, plain)
        arguments.append(TypedValue(argument.type, try assigned(value, to: argument.type)))
      }
    }
    return (callable, arguments)
  }

  // MARK: Values

  /// The value of an expression under the names and parameters of a request.
  func value(
    of syntax: ExpressionSyntax,
    as type: DataType? = nil,
    _ request: StatementRequest,
    _ describing: StatementParameters? = nil
  ) async throws -> TypedValue {
    if !syntax.hasQuery {
      let snapshot = await log.catalog.snapshot
      let parameters = describing ?? request.arguments.map { StatementParameters(declared: $0.map(\.type), values: $0.map(\.value)) }
      let context = await context(request, snapshot, parameters)
      if let value = try evaluateConstant(syntax, as: type, context: context) { return value }
    }
    let item = PlainSelectSyntax.Item(alias: nil, expression: syntax)
    let plain = PlainSelectSyntax(isDistinct: false, items: [item], from: nil, condition: nil, groupBy: [], having: nil)
    let reply = try await rows(of: SelectSyntax(body: .plain(plain), orderBy: []), request, describing)
    guard let column = reply.columns.first else { return TypedValue(.text, .null) }
    return TypedValue(column.type, reply.rows.first?[0] ?? .null)
  }
  /// The rows of a query under the names of a request.
  func rows(of select: SelectSyntax, _ request: StatementRequest, _ describing: StatementParameters? = nil) async throws -> RoutineRows {
    var inner = request
    inner.statement = ParsedStatement(statement: .select(select), text: "")
    if describing != nil {
      let described = try await describe(inner, declared: request.arguments?.map(\.type) ?? [])
      return RoutineRows(columns: (described.columns ?? []).map { OutputColumn($0.name, $0.type) })
    }
    return try RoutineRows(try await run(inner))
  }
  /// Carries a statement of a routine out, in its transaction.
  func run(_ request: StatementRequest) async throws -> StatementReply {
    guard let runner = request.runner else { return try await carryOut(request) }
    return try await runner.carryOut(request)
  }

  // MARK: Calls

  /// Carries a routine out.
  func call(_ callable: Callable, _ arguments: [TypedValue], _ request: StatementRequest) async throws -> RoutineRows {
    switch callable {
    case .native(let routine): return try await call(routine, arguments, request)
    case .user(let function): return try await call(function, arguments, request)
    }
  }
  private func call(_ routine: NativeRoutine, _ arguments: [TypedValue], _ request: StatementRequest) async throws -> RoutineRows {
    var result = RoutineRows(columns: [OutputColumn(routine.name, routine.result)])
    if request.facts.isReadOnly, routine.work != .sleep { throw TallyError.readOnly("\(routine.name)()") }
    switch routine.work {
    case .sleep:
      let seconds: Double
      switch arguments.first?.value {
      case .double(let length)?: seconds = length
      case .interval(let length)?:
        seconds = Double(length.months) * 30 * 86_400 + Double(length.days) * 86_400 + Double(length.microseconds) / 1e6
      default:
        result.rows = [[.null]]
        return result
      }
      if seconds > 0 { try await surroundings.clock.sleep(for: .microseconds(Int64(min(seconds, 1e9) * 1e6))) }
      result.rows = [[.text("")]]
    case .schedule: result.rows = [[.fixed(try await schedule(routine, arguments, request))]]
    case .unschedule: result.rows = [[.fixed(try await unschedule(arguments, request) ? 1 : 0)]]
    case .alterJob:
      try await alterJob(arguments, request)
      result.rows = [[.text("")]]
    case .createTimePartitions: result.rows = [[.fixed(try await createTimePartitions(arguments, request) ? 1 : 0)]]
    case .dropOldTimePartitions: try await dropOldTimePartitions(arguments, request)
    case .alterOldPartitions: try await alterOldPartitions(arguments, request)
    }
    return result
  }
  func call(_ function: FunctionRecord, _ arguments: [TypedValue], _ request: StatementRequest) async throws -> RoutineRows {
    guard request.callDepth < Self.callDepthMax else {
      throw TallyError.sql("54001", "stack depth limit exceeded", hint: "Functions may call each other at most \(Self.callDepthMax) deep.")
    }
    if function.isStrict, arguments.contains(where: \.value.isNull) {
      let nothing = [[Value]](repeating: function.columns().map { _ in .null }, count: function.returnsSet ? 0 : 1)
      return RoutineRows(columns: function.columns(), rows: nothing)
    }
    var inner = request
    inner.callDepth += 1
    inner.calls = StatementCalls()
    inner.variables = NamedValues()
    inner.isResolved = false
    inner.batchKey = nil
    inner.hold = nil
    if !function.isProcedure { inner.isAtomic = true }
    switch try routines.body(of: function) {
    case .block(let body):
      guard let runner = inner.runner else { throw TallyError(.internalError, "a routine without a transaction") }
      let interpreter = BlockInterpreter(self, inner, runner, function, body, arguments)
      return try await interpreter.run()
    case .statements(let statements): return try await run(statements, of: function, arguments, inner)
    }
  }
  /// The statements of a routine in SQL; the last one gives the result.
  private func run(
    _ statements: [ParsedStatement],
    of function: FunctionRecord,
    _ arguments: [TypedValue],
    _ request: StatementRequest
  ) async throws -> RoutineRows {
    var inner = request
    inner.arguments = arguments
    // A column hides an argument.
    inner.variables.conflict = .useColumn
    for (argument, value) in zip(function.inputs, arguments) where !argument.name.isEmpty {
      inner.variables[[argument.name]] = .value(value)
      inner.variables[[function.name, argument.name]] = .value(value)
    }
    var last = RoutineRows(columns: [])
    for (number, statement) in statements.enumerated() {
      inner.statement = statement
      do { last = try RoutineRows(try await run(inner)) } catch var error as TallyError {
        error.position = nil
        error.context = (error.context.map { $0 + "\n" } ?? "") + "SQL function \"\(function.name)\" statement \(number + 1)"
        throw error
      }
    }
    let columns = function.columns()
    if function.isVoid { return RoutineRows(columns: columns, rows: [[.text("")]]) }
    try Self.check(last.columns, function)
    var rows: [[Value]] = []
    for row in function.returnsSet ? last.rows : Array(last.rows.prefix(1)) {
      var values: [Value] = []
      for at in columns.indices { values.append(try assigned(TypedValue(last.columns[at].type, row[at]), to: columns[at].type)) }
      rows.append(values)
    }
    if rows.isEmpty, !function.returnsSet { rows = [columns.map { _ in .null }] }
    return RoutineRows(columns: columns, rows: rows)
  }
  /// Whether a routine's last statement gives what it says.
  static func check(_ columns: [OutputColumn], _ function: FunctionRecord) throws(TallyError) {
    let wanted = function.columns()
    func mismatch(_ detail: String) -> TallyError {
      let name = wanted.count == 1 ? wanted[0].type.name : "record"
      return .sql("42P13", "return type mismatch in function declared to return \(name)", detail: detail)
    }
    guard !columns.isEmpty else {
      throw mismatch("Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.")
    }
    if wanted.count == 1 {
      guard columns.count == 1 else { throw mismatch("Final statement must return exactly one column.") }
    } else {
      guard columns.count >= wanted.count else { throw mismatch("Final statement returns too few columns.") }
      guard columns.count <= wanted.count else { throw mismatch("Final statement returns too many columns.") }
    }
    for (at, column) in wanted.enumerated() where !isAssignable(columns[at].type, to: column.type) {
      throw mismatch(
        wanted.count == 1
          ? "Actual return type is \(columns[at].type.name)."
          : "Final statement returns \(columns[at].type.name) instead of \(column.type.name) at column \(at + 1)."
      )
    }
  }

  // MARK: CALL and DO

  /// Carries out CALL, DO and definitions of routines; nil when the statement is something else.
  func carryOutProcedure(_ request: StatementRequest) async throws -> StatementReply? {
    switch request.statement.statement {
    case .createFunction(let syntax):
      if try deferred(request) {
        _ = try Self.bind(syntax, await log.catalog.snapshot)
        return StatementReply(tag: "")
      }
      return try await createFunction(syntax, request)
    case .dropFunction(let syntax):
      if try deferred(request) { return StatementReply(tag: "") }
      return try await dropFunction(syntax, request)
    case .doBlock(let syntax): return try await inTransaction(request) { try await self.run(syntax, $0) }
    case .call(let syntax, let position): return try await inTransaction(request) { try await self.call(syntax, position, $0) }
    default: return nil
    }
  }
  /// Whether a definition waits for the COMMIT of its block.
  private func deferred(_ request: StatementRequest) throws -> Bool {
    guard let transaction = request.transaction else { return false }
    if transaction.isImplicit {
      try transaction.checkAlone()
      return false
    }
    try transaction.keep(request)
    return true
  }
  private func run(_ syntax: DoSyntax, _ request: StatementRequest) async throws -> StatementReply {
    let function = FunctionRecord(
      id: TableID(0),
      schemaName: "public",
      name: "",
      arguments: [],
      result: nil,
      isProcedure: true,
      language: "plpgsql",
      body: syntax.body
    )
    guard case .block(let body) = try CompiledRoutines.compile(function), let runner = request.runner else {
      throw TallyError(.internalError, "a DO without a body")
    }
    var inner = request
    inner.calls = StatementCalls()
    inner.callDepth += 1
    inner.variables = NamedValues()
    inner.arguments = nil
    inner.hold = nil
    let gathered = NoticeList()
    if inner.notify == nil { inner.notify = { await gathered.add($0.notice) } }
    _ = try await BlockInterpreter(self, inner, runner, function, body, []).run()
    var reply = StatementReply(tag: "DO")
    reply.notices = await gathered.notices
    return reply
  }
  /// The procedures that a CALL may mean.
  private func procedures(_ call: CallSyntax, _ snapshot: CatalogSnapshot, _ position: Int) throws(TallyError) -> [Callable] {
    let named = snapshot.functions.filter { $0.name == call.name && call.schema == nil }
    let natives = NativeRoutine.all.filter { $0.isProcedure && $0.name == call.name && $0.schema == call.schema }
    let found = named.filter(\.isProcedure).map { Callable.user($0) } + natives.map { Callable.native($0) }
    if found.isEmpty, let function = named.first {
      throw .sql(
        "42809",
        "\(function.signature) is not a procedure",
        hint: "To call a function, use SELECT.",
        position: position
      )
    }
    return found
  }
  private func call(_ syntax: CallSyntax, _ position: Int, _ request: StatementRequest) async throws -> StatementReply {
    try await freshenToRead(until: request.deadline)
    let snapshot = await log.catalog.snapshot
    var outer = request
    let extraction = CallExtraction(snapshot, inlined: routines.known(snapshot).inlined, offset: outer.calls.taken)
    let own = try syntax.mappingArguments(extraction, guards: [])
    outer.calls.taken += extraction.pending.count
    for pending in extraction.pending { try await resolve(pending, &outer, snapshot, nil) }
    do {
      let (callable, arguments) = try await choose(try procedures(own, snapshot, position), own, position, outer, snapshot, nil)
      let gathered = NoticeList()
      if outer.notify == nil { outer.notify = { await gathered.add($0.notice) } }
      guard case .user(let function) = callable else {
        _ = try await self.call(callable, arguments, outer)
        var reply = StatementReply(tag: "CALL")
        reply.notices = await gathered.notices
        return reply
      }
      let rows = try await call(function, arguments, outer)
      var reply = StatementReply(tag: "CALL")
      if !function.outputs.isEmpty {
        reply.columns = rows.columns.map { ResultColumn(name: $0.name, type: $0.type) }
        reply.batches = [rows.batch]
        reply.rows = UInt64(rows.rows.count)
        reply.called = function
      }
      reply.notices = await gathered.notices
      return reply
    } catch var error as TallyError where error.sqlState == "42883" && error.message.hasPrefix("function ") && error.context == nil {
      error.message = "procedure " + error.message.dropFirst("function ".count)
      error.hint = error.hint?.replacing("No function", with: "No procedure")
      throw error
    }
  }
  /// Columns of CALL, and types of its parameters.
  func describeCall(
    _ syntax: CallSyntax,
    _ position: Int,
    _ request: StatementRequest,
    _ parameters: StatementParameters
  ) async throws -> StatementDescription {
    let snapshot = await log.catalog.snapshot
    let found = try procedures(syntax, snapshot, position)
    let (callable, _) = try await choose(found, syntax, position, request, snapshot, parameters)
    guard case .user(let function) = callable, !function.outputs.isEmpty else {
      return StatementDescription(parameters: try parameters.found())
    }
    return StatementDescription(
      parameters: try parameters.found(),
      columns: function.columns().map { ResultColumn(name: $0.name, type: $0.type) }
    )
  }
}

/// The calls of a statement, taken out of it.
struct ExtractedCalls: Sendable {
  var statement: Statement
  var pending: [CallExtraction.Pending]
  var catalog: CatalogSnapshot
  /// Whether statements of users are carried out by them.
  var hasStatements: Bool {
    pending.contains { call in
      call.candidates.contains { callable in if case .user = callable { true } else { false } }
    }
  }
}

/// Messages that are told at a statement's end.
actor NoticeList {
  private(set) var notices: [Notice] = []
  func add(_ notice: Notice) { if notices.count < 1000 { notices.append(notice) } }
}

/// What has become of the calls of one statement.
struct StatementCalls: Sendable {
  /// Number of calls taken out of it.
  var taken = 0
  /// Rows of those in FROM, by the names that stand for them.
  var results: [String: RoutineRows] = [:]
}

extension RoutineRows {
  /// The rows of a statement's reply.
  init(_ reply: StatementReply) throws {
    columns = (reply.columns ?? []).map { OutputColumn($0.name, $0.type) }
    for batch in reply.batches {
      for row in 0..<batch.count { rows.append(try batch.columns.map { try $0.value(row) }) }
    }
  }
}
