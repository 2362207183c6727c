// FunctionFlow.swift — CREATE and DROP FUNCTION or PROCEDURE: checked as PostgreSQL checks them, then a command of the catalog.
//
// A body is parsed when it is created; of one in SQL the statements are planned too, with NULLs for its arguments, and what the last one
// gives is compared with what the routine says it gives. Definitions are the leader's.
import Capabilities
import Model
import Planning
import SQL
import Wire

extension Coordinator {
  func createFunction(_ syntax: CreateFunctionSyntax, _ request: StatementRequest) async throws -> StatementReply {
    let word = syntax.isProcedure ? "PROCEDURE" : "FUNCTION"
    if await !decides { return try await passOn(request) }
    let snapshot = await log.catalog.snapshot
    let function = try Self.bind(syntax, snapshot)
    try await checkBody(function, request)
    if let known = snapshot.functions.first(where: { $0.name == function.name && $0.inputTypes == function.inputTypes }) {
      try Self.checkReplacement(known, function, replaces: syntax.replaces)
    }
    _ = try await log.propose(.createFunction(function, replaces: syntax.replaces))
    return StatementReply(tag: "CREATE \(word)")
  }

  /// The routine that a definition makes.
  static func bind(_ syntax: CreateFunctionSyntax, _ catalog: CatalogSnapshot) throws(TallyError) -> FunctionRecord {
    if let schema = syntax.name.schema {
      if schema == "pg_catalog" || schema == "information_schema" || schema == "cron" {
        throw .sql("42501", "permission denied for schema \(schema)", position: syntax.name.position)
      }
      guard catalog.schemas.contains(schema) else { throw .sql("3F000", "schema \"\(schema)\" does not exist") }
      throw .sql("0A000", "functions in another schema than public are not supported")
    }
    guard PostgresFunctions.all[name: syntax.name.name].isEmpty,
      !NativeRoutine.all.contains(where: { $0.schema == nil && $0.name == syntax.name.name })
    else {
      throw .sql(
        "0A000",
        "a function of the name of a built-in one, \(syntax.name.name), is not supported",
        hint: "Choose another name."
      )
    }
    var arguments: [FunctionRecord.Argument] = []
    var hasDefault = false
    for argument in syntax.arguments {
      let mode: FunctionRecord.Mode =
        switch argument.mode {
        case .in: .in
        case .out: .out
        case .inout: .inout
        case .table: .table
        }
      let isInput = mode == .in || mode == .inout
      if isInput, !argument.name.isEmpty, arguments.contains(where: { $0.name == argument.name && $0.mode != .table && $0.mode != .out }) {
        throw .sql("42P13", "parameter name \"\(argument.name)\" used more than once")
      }
      if argument.defaultText != nil, !isInput { throw .sql("42P13", "only input parameters can have default values") }
      if hasDefault, isInput, argument.defaultText == nil {
        throw .sql("42P13", "input parameters after one with a default value must also have defaults")
      }
      hasDefault = hasDefault || argument.defaultText != nil
      let type = try type(argument.type, catalog)
      guard type != .void else { throw .sql("42P13", "SQL function cannot accept type void") }
      arguments.append(FunctionRecord.Argument(name: argument.name, type: type, mode: mode, defaultSQL: argument.defaultText))
    }
    let outputs = arguments.filter { $0.mode != .in }
    guard arguments.count <= 100 else { throw .sql("54023", "functions cannot have more than 100 arguments") }
    var result: DataType?
    if let written = syntax.result {
      switch written.type.name {
      case "record":
        guard outputs.count != 1 else {
          throw .sql("42P13", "function result type must be \(outputs[0].type.name) because of OUT parameters")
        }
        guard !outputs.isEmpty else {
          throw .sql(
            "0A000",
            "a function that returns a record of unknown columns is not supported",
            hint: "Name them by OUT arguments or RETURNS TABLE (…)."
          )
        }
      case "trigger", "event_trigger": throw .sql("0A000", "trigger functions are not supported")
      case "void":
        guard outputs.isEmpty else {
          throw .sql(
            "42P13",
            "function result type must be \(outputs.count == 1 ? outputs[0].type.name : "record") because of OUT parameters"
          )
        }
      default:
        if catalog.table(named: written.type.name) != nil {
          throw .sql(
            "0A000",
            "a function that returns rows of a table's type is not supported",
            hint: "Name the columns: RETURNS TABLE (…)."
          )
        }
        let type = try type(written, catalog)
        if let only = outputs.first {
          guard outputs.count == 1, only.type == type else {
            throw .sql("42P13", "function result type must be \(outputs.count == 1 ? only.type.name : "record") because of OUT parameters")
          }
        } else {
          result = type
        }
      }
    } else if outputs.isEmpty, !syntax.isProcedure {
      throw .sql("42P13", "function result type must be specified")
    }
    if syntax.isProcedure, syntax.isStrict { throw .sql("42P13", "invalid attribute in procedure definition") }
    return FunctionRecord(
      id: TableID(0),
      schemaName: "public",
      name: syntax.name.name,
      arguments: arguments,
      result: result,
      returnsSet: syntax.returnsSet,
      isProcedure: syntax.isProcedure,
      language: syntax.language,
      body: syntax.body,
      volatility: syntax.volatility == .immutable ? .immutable : syntax.volatility == .stable ? .stable : .volatile,
      isStrict: syntax.isStrict
    )
  }
  private static func type(_ syntax: ReferringTypeSyntax, _ catalog: CatalogSnapshot) throws(TallyError) -> DataType {
    guard let path = syntax.reference else {
      do throws(TallyError) { return try boundType(syntax.type) } catch {
        // As in PostgreSQL, types of routines have no place in the text.
        var failure = error
        failure.position = nil
        throw failure
      }
    }
    return try columnType(path, catalog)
  }
  /// The type of `table.column`.
  static func columnType(_ path: [String], _ catalog: CatalogSnapshot) throws(TallyError) -> DataType {
    guard path.count >= 2 else { throw .sql("42601", "improper %TYPE reference (too few dotted names): \(path.joined(separator: "."))") }
    let (table, column) = (path[path.count - 2], path[path.count - 1])
    let columns = try relationColumns(table, catalog)
    guard let found = columns.first(where: { $0.name == column }) else {
      throw .sql("42703", "column \"\(column)\" of relation \"\(table)\" does not exist")
    }
    return found.type
  }
  /// Columns of a table or view by name.
  static func relationColumns(_ name: String, _ catalog: CatalogSnapshot) throws(TallyError) -> [OutputColumn] {
    if let table = catalog.table(named: name) {
      return table.liveColumns.map { OutputColumn(table.columns[$0].name, table.columns[$0].type) }
    }
    if let view = catalog.views.first(where: { $0.name == name }) { return view.columns.map { OutputColumn($0.name, $0.type) } }
    throw .sql("42P01", "relation \"\(name)\" does not exist")
  }
  /// What CREATE OR REPLACE may not change.
  private static func checkReplacement(_ known: FunctionRecord, _ function: FunctionRecord, replaces: Bool) throws(TallyError) {
    guard replaces else { throw .sql("42723", "function \"\(function.name)\" already exists with same argument types") }
    guard known.isProcedure == function.isProcedure else {
      throw .sql(
        "42809",
        "cannot change routine kind",
        detail: "\"\(known.name)\" is a \(known.kindName)."
      )
    }
    let shown = known.name + "(" + known.inputs.map(\.type.name).joined(separator: ",") + ")"
    let hint = "Use DROP \(known.isProcedure ? "PROCEDURE" : "FUNCTION") \(shown) first."
    guard known.returnsSet == function.returnsSet, known.result == function.result,
      known.outputs.map(\.type) == function.outputs.map(\.type)
    else { throw .sql("42P13", "cannot change return type of existing function", hint: hint) }
    for (old, new) in zip(known.inputs, function.inputs) where !old.name.isEmpty && old.name != new.name {
      throw .sql("42P13", "cannot change name of input parameter \"\(old.name)\"", hint: hint)
    }
    for (old, new) in zip(known.inputs, function.inputs) where old.defaultSQL != nil && new.defaultSQL == nil {
      throw .sql("42P13", "cannot remove parameter defaults from existing function", hint: hint)
    }
  }

  /// Whether a body could run.
  private func checkBody(_ function: FunctionRecord, _ request: StatementRequest) async throws {
    for argument in function.arguments {
      guard let initial = try CompiledRoutines.initial(argument) else { continue }
      let value = try await value(of: initial, StatementRequest(request.statement, now: request.now))
      _ = try assigned(value, to: argument.type)
    }
    switch try CompiledRoutines.compile(function) {
    case .block(let body): try BlockCheck(function).check(body.block)
    case .statements(let statements):
      guard !statements.isEmpty || function.isVoid else {
        try Self.check([], function)
        return
      }
      var last: [OutputColumn] = []
      var inner = StatementRequest(request.statement, now: request.now)
      inner.facts = request.facts
      inner.arguments = function.inputs.map { TypedValue($0.type, .null) }
      inner.variables.conflict = .useColumn
      for argument in function.inputs where !argument.name.isEmpty {
        inner.variables[[argument.name]] = .value(TypedValue(argument.type, .null))
        inner.variables[[function.name, argument.name]] = .value(TypedValue(argument.type, .null))
      }
      for (number, statement) in statements.enumerated() {
        // What changes rows is planned with its values: NULLs in their places may not go there.
        guard statement.statement.isQuery else {
          if number + 1 == statements.count { return }
          continue
        }
        inner.statement = statement
        do {
          let described = try await describe(inner, declared: function.inputs.map(\.type))
          last = (described.columns ?? []).map { OutputColumn($0.name, $0.type) }
        } catch var error as TallyError {
          if error.position == nil { error.context = error.context ?? "SQL function \"\(function.name)\"" }
          error.position = nil
          throw error
        }
      }
      do throws(TallyError) { if !function.isVoid { try Self.check(last, function) } } catch {
        var failure = error
        failure.context = "SQL function \"\(function.name)\""
        throw failure
      }
    }
  }

  // MARK: DROP

  func dropFunction(_ syntax: DropFunctionSyntax, _ request: StatementRequest) async throws -> StatementReply {
    if await !decides { return try await passOn(request) }
    let snapshot = await log.catalog.snapshot
    var reply = StatementReply(tag: "DROP \(syntax.kind.rawValue.uppercased())")
    var dropped: [TableID] = []
    for item in syntax.items {
      guard let function = try Self.find(item, syntax.kind, snapshot) else {
        let types = try item.arguments?.map { type throws(TallyError) in try Self.type(type, snapshot).name }
        let shown = item.name.name + (types.map { "(" + $0.joined(separator: ",") + ")" } ?? "")
        let missing =
          types == nil
          ? "could not find a \(syntax.kind.rawValue) named \"\(item.name.name)\"" : "\(syntax.kind.rawValue) \(shown) does not exist"
        guard syntax.ifExists else { throw TallyError.sql("42883", missing) }
        let shownName = types == nil ? "\(item.name.name)()" : shown
        reply.notices.append(Notice(message: "\(syntax.kind.rawValue) \(shownName) does not exist, skipping"))
        continue
      }
      dropped.append(function.id)
    }
    try await requireUncalled(dropped, syntax.kind, snapshot, request)
    for id in dropped { _ = try await log.propose(.dropFunction(id)) }
    return reply
  }
  /// Refuses to drop what views and defaults call.
  private func requireUncalled(
    _ dropped: [TableID],
    _ kind: DropFunctionSyntax.Kind,
    _ snapshot: CatalogSnapshot,
    _ request: StatementRequest
  ) async throws {
    if snapshot.views.isEmpty && !snapshot.tables.contains(where: { $0.columns.contains { $0.defaultSQL != nil } }) { return }
    var context = PlanningContext(now: request.now, system: await systemRelations(request.facts, under: snapshot))
    context.routines = CompiledRoutines.inline(snapshot.functions)
    var after = context
    after.routines = CompiledRoutines.inline(snapshot.functions.filter { !dropped.contains($0.id) })
    let shown = snapshot.functions.filter { dropped.contains($0.id) }.map { function in
      "\(kind.rawValue) \(function.name)(\(function.inputTypes.map(\.name).joined(separator: ",")))"
    }
    try Planning.requireUncalled(shown.joined(separator: ", "), catalog: snapshot, context: context, after: after)
  }
  private static func find(
    _ item: DropFunctionSyntax.Item,
    _ kind: DropFunctionSyntax.Kind,
    _ catalog: CatalogSnapshot
  ) throws(TallyError) -> FunctionRecord? {
    let named = item.name.schema == nil ? catalog.functions.filter { $0.name == item.name.name } : []
    var found = named.filter { kind == .routine || $0.isProcedure == (kind == .procedure) }
    if let arguments = item.arguments {
      var types: [DataType] = []
      for argument in arguments { types.append(try type(argument, catalog)) }
      found = named.filter { $0.inputTypes == types || $0.inputs.map(\.type) == types }
    }
    guard found.count <= 1 else {
      throw .sql(
        "42725",
        "\(kind.rawValue) name \"\(item.name.name)\" is not unique",
        hint: "Specify the argument list to select the \(kind.rawValue) unambiguously."
      )
    }
    guard let only = found.first else { return nil }
    if kind == .function, only.isProcedure { throw .sql("42809", "\(only.signature) is not a function") }
    if kind == .procedure, !only.isProcedure { throw .sql("42809", "\(only.signature) is not a procedure") }
    return only
  }
}

/// What PostgreSQL finds out about RETURN when it compiles a body.
struct BlockCheck {
  let function: FunctionRecord
  init(_ function: FunctionRecord) { self.function = function }

  func check(_ block: BlockSyntax) throws(TallyError) {
    try check(block.statements)
    for handler in block.handlers ?? [] { try check(handler.statements) }
  }
  private func check(_ statements: [BlockStatementSyntax]) throws(TallyError) {
    for statement in statements { try check(statement) }
  }
  private func check(_ statement: BlockStatementSyntax) throws(TallyError) {
    switch statement.kind {
    case .block(let block): try check(block)
    case .ifThen(let branches, let otherwise):
      for branch in branches { try check(branch.statements) }
      try check(otherwise ?? [])
    case .select(_, let branches, let otherwise):
      for branch in branches { try check(branch.statements) }
      try check(otherwise ?? [])
    case .loop(_, let body), .whileLoop(_, _, let body), .forQuery(_, _, _, let body), .forDynamic(_, _, _, let body),
      .forEach(_, _, _, let body), .forInteger(_, _, _, _, _, _, let body):
      try check(body)
    case .giveBack(let value):
      if let value { try checkReturn(value) } else { try checkEmptyReturn() }
    case .giveNext(let value):
      guard function.returnsSet else { throw .sql("42804", "cannot use RETURN NEXT in a non-SETOF function") }
      if value != nil, !function.outputs.isEmpty {
        throw .sql("42804", "RETURN NEXT cannot have a parameter in function with OUT parameters")
      }
      if value == nil, function.outputs.isEmpty { throw .sql("42601", "missing expression at or near \";\"") }
    case .giveQuery, .giveDynamic:
      guard function.returnsSet else { throw .sql("42804", "cannot use RETURN QUERY in a non-SETOF function") }
    default: break
    }
  }
  private func checkReturn(_ value: BlockExpression) throws(TallyError) {
    if function.returnsSet {
      throw .sql(
        "42804",
        "RETURN cannot have a parameter in function returning set",
        hint: "Use RETURN NEXT or RETURN QUERY."
      )
    }
    if function.isProcedure { throw .sql("42804", "RETURN cannot have a parameter in a procedure") }
    if function.isVoid { throw .sql("42804", "RETURN cannot have a parameter in function returning void") }
    if !function.outputs.isEmpty { throw .sql("42804", "RETURN cannot have a parameter in function with OUT parameters") }
  }
  private func checkEmptyReturn() throws(TallyError) {
    if function.returnsSet || function.isVoid || !function.outputs.isEmpty { return }
    throw .sql("42601", "missing expression at or near \";\"")
  }
}
