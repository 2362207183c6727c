// BlockInterpreter.swift — runs a PL/pgSQL body: blocks, declarations, handlers, and the values of expressions.
//
// It holds no locks and touches nothing but through the coordinator and the caller's `StatementRunner`. Statements:
// BlockInterpreter+Statements, loops and what the routine gives: BlockInterpreter+Results. Every statement looks whether it was cancelled,
// so a loop without a statement of SQL ends as well; it also lets others have their turn. Errors carry PostgreSQL's CONTEXT: the innermost
// statement of each routine.
import Capabilities
import Columns
import Model
import Planning
import SQL

final class BlockInterpreter {
  /// How a statement ended.
  enum Flow: Equatable {
    case next
    case exit(String?)
    case goOn(String?)
    case done
  }
  let coordinator: Coordinator
  let function: FunctionRecord
  let body: ProcedureBody
  /// What the routine's statements run under.
  var request: StatementRequest
  var frames = BlockFrames()
  /// Names and values, made anew after an assignment.
  private var cachedNames: NamedValues?
  /// What the routine gives.
  var rows: [[Value]] = []
  var returned = false
  var rowCount: Int64 = 0
  /// The statement that failed, where it was met first.
  var failed: (line: Int, what: String)?
  /// An error that a handler is at.
  struct Handled {
    var error: TallyError
    /// The statement that failed.
    var failed: (line: Int, what: String)?
    /// As GET STACKED DIAGNOSTICS tells it.
    var context: String
  }
  var handled: [Handled] = []
  private var steps = 0
  let found = BlockVariable("found", .boolean)
  private var parameters: [BlockVariable] = []

  init(
    _ coordinator: Coordinator,
    _ request: StatementRequest,
    _ runner: any StatementRunner,
    _ function: FunctionRecord,
    _ body: ProcedureBody,
    _ arguments: [TypedValue]
  ) {
    self.coordinator = coordinator
    self.request = request
    self.runner = runner
    self.function = function
    self.body = body
    let frame = BlockFrame(function.name.isEmpty ? nil : function.name)
    found.value = .fixed(0)
    frame.add(found)
    var given = arguments[...]
    for argument in function.arguments {
      let variable = BlockVariable(argument.name, argument.type)
      let isInput = argument.mode == .in || argument.mode == .inout
      if isInput || function.isProcedure && argument.mode == .out, let value = given.popFirst() {
        if isInput { variable.value = value.value }
        parameters.append(variable)
      } else {
        outputs.append(variable)
      }
      if argument.mode == .inout || function.isProcedure && argument.mode == .out { outputs.append(variable) }
      if !argument.name.isEmpty { frame.add(variable) }
    }
    frames.push(frame)
  }
  /// Variables that the result is made of.
  private(set) var outputs: [BlockVariable] = []
  var runner: any StatementRunner
  private var shownName: String { function.name.isEmpty ? "inline_code_block" : function.signature }

  /// Runs the body and gives what the routine gives.
  func run() async throws -> RoutineRows {
    do {
      _ = try await execute(body.block)
      return try result()
    } catch var error as TallyError {
      error.context = (error.context.map { $0 + "\n" } ?? "") + place()
      throw error
    }
  }
  private func place() -> String {
    guard let failed else { return "PL/pgSQL function \(shownName)" }
    if failed.line == 0 { return "PL/pgSQL function \(shownName) \(failed.what)" }
    return "PL/pgSQL function \(shownName) line \(failed.line) \(failed.what)"
  }
  private func result() throws(TallyError) -> RoutineRows {
    var result = RoutineRows(columns: function.columns())
    if function.isVoid {
      result.rows = [[.text("")]]
    } else if function.returnsSet {
      result.rows = rows
    } else if !outputs.isEmpty {
      result.rows = [outputs.map(\.value)]
    } else {
      guard returned else {
        failed = nil
        throw .sql("2F005", "control reached end of function without RETURN")
      }
      result.rows = rows
    }
    return result
  }

  // MARK: Blocks

  func execute(_ block: BlockSyntax) async throws -> Flow {
    let depth = frames.count
    defer {
      frames.pop(to: depth)
      changed()
    }
    frames.push(BlockFrame(block.label))
    for declaration in block.declarations { try await declare(declaration) }
    var flow: Flow
    if let handlers = block.handlers {
      flow = try await guarded(block, handlers)
    } else {
      flow = try await execute(block.statements)
    }
    if let label = block.label, flow == .exit(label) { flow = .next }
    return flow
  }
  private func guarded(_ block: BlockSyntax, _ handlers: [CatchSyntax]) async throws -> Flow {
    let depth = frames.count
    let mark = try await runner.mark()
    do {
      let flow = try await execute(block.statements)
      try await runner.forget(mark)
      return flow
    } catch let error as TallyError {
      guard let handler = handlers.first(where: { Self.takes($0, error) }) else { throw error }
      try Task.checkCancellation()
      try await runner.undo(to: mark)
      let context = (error.context.map { $0 + "\n" } ?? "") + place()
      handled.append(Handled(error: error, failed: failed, context: context))
      defer { handled.removeLast() }
      failed = nil
      frames.pop(to: depth)
      let frame = BlockFrame(nil)
      for (name, text) in [("sqlstate", error.sqlState), ("sqlerrm", error.message)] {
        let variable = BlockVariable(name, .text)
        variable.value = .text(text)
        frame.add(variable)
      }
      frames.push(frame)
      changed()
      return try await execute(handler.statements)
    }
  }
  private static func takes(_ handler: CatchSyntax, _ error: TallyError) -> Bool {
    handler.conditions.contains { condition in
      guard let condition else { return error.sqlState != "57014" && error.sqlState != "P0004" }
      return ConditionNames.matches(condition, error.sqlState)
    }
  }

  private func declare(_ declaration: DeclarationSyntax) async throws {
    do {
      let variable: BlockVariable
      switch declaration.kind {
      case .variable(let type):
        let catalog = await coordinator.log.catalog.snapshot
        do throws(TallyError) { variable = BlockVariable(declaration.name, try boundType(type)) } catch {
          // A relation's name is its row's type.
          guard error.sqlState == "42704", !type.isArray, catalog.table(named: type.name) != nil else { throw error }
          variable = BlockVariable(record: declaration.name, columns: try Coordinator.relationColumns(type.name, catalog))
        }
      case .record: variable = BlockVariable(record: declaration.name, columns: nil)
      case .rowOf(let path):
        let catalog = await coordinator.log.catalog.snapshot
        variable = BlockVariable(record: declaration.name, columns: try Coordinator.relationColumns(path[path.count - 1], catalog))
      case .typeOf(let path): variable = try await typed(declaration.name, as: path)
      case .alias(let name):
        let known: BlockVariable?
        if name.hasPrefix("$"), let number = Int(name.dropFirst()) {
          known = parameters.indices.contains(number - 1) ? parameters[number - 1] : nil
        } else {
          known = frames.find([name])?.variable
        }
        guard let known else { throw TallyError.sql("42704", "variable \"\(name)\" does not exist") }
        frames.frames[frames.count - 1].variables[declaration.name] = known
        changed()
        return
      }
      if let initial = declaration.initial {
        let given = try await value(initial)
        variable.isNotNull = declaration.isNotNull
        try variable.assign(try await found(given, as: variable.type))
      }
      variable.isConstant = declaration.isConstant
      frames.frames[frames.count - 1].add(variable)
      changed()
    } catch let error as TallyError {
      failed = failed ?? (declaration.line, "during statement block local variable initialization")
      throw error
    }
  }
  private func typed(_ name: String, as path: [String]) async throws -> BlockVariable {
    if let (variable, rest) = frames.find(path) {
      if rest.isEmpty {
        if variable.isRecord { return BlockVariable(record: name, columns: variable.fields?.map { OutputColumn($0.name, $0.type) }) }
        return BlockVariable(name, variable.type)
      }
      if let field = variable.fields?.first(where: { $0.name == rest.first }) { return BlockVariable(name, field.type) }
    }
    return BlockVariable(name, try Coordinator.columnType(path, await coordinator.log.catalog.snapshot))
  }

  // MARK: Statements

  func execute(_ statements: [BlockStatementSyntax]) async throws -> Flow {
    for statement in statements {
      let flow = try await execute(statement)
      if flow != .next { return flow }
    }
    return .next
  }
  private func execute(_ statement: BlockStatementSyntax) async throws -> Flow {
    steps += 1
    if steps % 256 == 0 { await Task.yield() }
    try Task.checkCancellation()
    if request.deadline != .distantFuture, coordinator.surroundings.clock.now >= request.deadline {
      throw TallyError(.timedOut, "canceling statement due to statement timeout")
    }
    do { return try await perform(statement) } catch let error as TallyError {
      failed = failed ?? (statement.line, "at " + statement.kind.shownName)
      throw error
    }
  }

  // MARK: Values

  /// Says that a variable has another value.
  func changed() { cachedNames = nil }
  /// The request of a statement that sees the variables.
  func asking() -> StatementRequest {
    let names = cachedNames ?? frames.names(body.conflict)
    cachedNames = names
    var inner = request
    inner.variables = names
    inner.arguments = parameters.map { TypedValue($0.type, $0.value) }
    return inner
  }
  /// The value of an expression.
  func value(_ expression: BlockExpression) async throws -> TypedValue {
    do {
      if let sole = expression.select.soleExpression {
        if case .column(let path) = sole.kind, let (variable, rest) = frames.find(path), rest.isEmpty, !variable.isRecord {
          return TypedValue(variable.type, variable.value)
        }
        var inner = asking()
        inner.statement = ParsedStatement(statement: .select(expression.select), text: expression.text)
        inner = try await coordinator.resolvingCalls(inner)
        if case .select(let select) = inner.statement.statement, let sole = select.soleExpression {
          return try await coordinator.value(of: sole, inner)
        }
      }
      let result = try await rows(of: expression)
      guard result.columns.count == 1 else {
        throw TallyError.sql("42601", "query \"\(expression.text)\" returned \(result.columns.count) columns")
      }
      guard result.rows.count <= 1 else {
        throw TallyError(.invalid, "query returned more than one row", sqlState: "21000", context: "query: \(expression.text)")
      }
      return TypedValue(result.columns[0].type, result.rows.first?[0] ?? .null)
    } catch var error as TallyError {
      // Records are looked at when the expression is made ready.
      let isOfRecord = error.position == nil && error.context == nil && (error.sqlState == "55000" || error.sqlState == "42703")
      if isOfRecord { error.context = "SQL expression \"\(expression.text)\"" }
      error.position = nil
      throw error
    }
  }
  func rows(of expression: BlockExpression, isStatement: Bool = false) async throws -> RoutineRows {
    var inner = asking()
    inner.statement = ParsedStatement(statement: .select(expression.select), text: expression.text)
    do { return try RoutineRows(try await runner.carryOut(inner)) } catch let error as TallyError {
      throw isStatement ? Self.placed(error, "SELECT " + expression.text) : error
    }
  }
  /// Whether a condition is true.
  func isTrue(_ expression: BlockExpression) async throws -> Bool {
    let value = try await value(expression)
    guard case .fixed(let truth) = try assigned(value, to: .boolean) else { return false }
    return truth != 0
  }
  func text(_ expression: BlockExpression) async throws -> String? {
    let value = try await value(expression)
    return ValueText.print(value.value, as: value.type)
  }

  // MARK: Targets

  func assign(_ value: TypedValue, to target: TargetSyntax) async throws {
    guard let (variable, rest) = frames.find(target.path) else {
      throw TallyError.sql("42601", "\"\(target.path.joined(separator: "."))\" is not a known variable")
    }
    defer { changed() }
    guard let name = rest.first else {
      if target.subscripts.isEmpty { return try variable.assign(try await found(value, as: variable.type)) }
      let whole = TypedValue(variable.type, variable.value)
      return try variable.assign(try await replacing(target.subscripts, of: whole, by: value))
    }
    guard rest.count == 1, variable.isRecord else {
      throw TallyError.sql("42601", "\"\(target.path.joined(separator: "."))\" is not a known variable")
    }
    guard let fields = variable.fields else {
      throw TallyError.sql(
        "55000",
        "record \"\(variable.name)\" is not assigned yet",
        detail: "The tuple structure of a not-yet-assigned record is indeterminate."
      )
    }
    guard let at = fields.firstIndex(where: { $0.name == name }) else {
      throw TallyError.sql("42703", "record \"\(variable.name)\" has no field \"\(name)\"")
    }
    var given = value
    if !target.subscripts.isEmpty {
      given = try await replacing(target.subscripts, of: TypedValue(fields[at].type, fields[at].value), by: value)
    }
    variable.fields?[at].value = try assigned(given, to: fields[at].type)
  }
  /// The object whose name is assigned to a `reg…` variable; other values as they are.
  private func found(_ value: TypedValue, as type: DataType) async throws -> TypedValue {
    guard type.isObjectNumber, type != .oid, case .text(let name) = value.value, let first = name.utf8.first, !(first &- 0x30 < 10) else {
      return value
    }
    let system = await coordinator.systemRelations(request.facts, under: await coordinator.log.catalog.snapshot)
    return TypedValue(type, .fixed(try system.lookUp(name, as: type)))
  }
  /// An array with one element exchanged.
  private func replacing(_ subscripts: [BlockExpression], of array: TypedValue, by value: TypedValue) async throws -> TypedValue {
    guard let element = array.type.element else {
      throw TallyError.sql("42804", "cannot subscript type \(array.type.name) because it does not support subscripting")
    }
    guard subscripts.count == 1 else { throw TallyError.sql("0A000", "arrays of several dimensions are not supported") }
    let index = try assigned(try await self.value(subscripts[0]), to: .integer)
    guard case .fixed(let place) = index else {
      throw TallyError.sql("22004", "array subscript in assignment must not be null")
    }
    var elements: [Value] = []
    if case .bytes(let bytes) = array.value { elements = try ArrayValue.reading(bytes, element).elements }
    guard place >= 1, place <= Int64(elements.count) + 10_000 else { throw TallyError.sql("2202E", "array subscript out of range") }
    while elements.count < Int(place) { elements.append(.null) }
    elements[Int(place) - 1] = try assigned(value, to: element)
    return TypedValue(array.type, try ArrayValue(element, elements).value())
  }
  /// Puts a row into variables, or into a record.
  func assign(_ columns: [OutputColumn], _ row: [Value]?, to targets: [TargetSyntax]) async throws {
    if targets.count == 1, let (variable, rest) = frames.find(targets[0].path), rest.isEmpty, variable.isRecord {
      try variable.assign(columns, row)
      changed()
      return
    }
    for (at, target) in targets.enumerated() {
      let value = at < columns.count ? TypedValue(columns[at].type, row?[at] ?? .null) : TypedValue(.unknown, .null)
      try await assign(value, to: target)
    }
  }
}
