// BlockInterpreter+Statements.swift — the statements of PL/pgSQL one by one.
import Capabilities
import Columns
import Model
import Planning
import SQL

extension BlockStatementSyntax.Kind {
  /// What CONTEXT calls it.
  var shownName: String {
    switch self {
    case .block: "statement block"
    case .assign: "assignment"
    case .ifThen: "IF"
    case .select: "CASE"
    case .loop: "LOOP"
    case .whileLoop: "WHILE"
    case .forInteger: "FOR with integer loop variable"
    case .forQuery: "FOR over SELECT rows"
    case .forDynamic: "FOR over EXECUTE statement"
    case .forEach: "FOREACH over array"
    case .exit: "EXIT"
    case .continueLoop: "CONTINUE"
    case .giveBack: "RETURN"
    case .giveNext: "RETURN NEXT"
    case .giveQuery, .giveDynamic: "RETURN QUERY"
    case .raise: "RAISE"
    case .assert: "ASSERT"
    case .sql: "SQL statement"
    case .dynamic: "EXECUTE"
    case .perform: "PERFORM"
    case .call: "CALL"
    case .diagnostics(let isStacked, _): isStacked ? "GET STACKED DIAGNOSTICS" : "GET DIAGNOSTICS"
    case .commit: "COMMIT"
    case .rollback: "ROLLBACK"
    case .null: "NULL"
    }
  }
}

extension BlockInterpreter {
  func perform(_ statement: BlockStatementSyntax) async throws -> Flow {
    switch statement.kind {
    case .null: return .next
    case .block(let block): return try await execute(block)
    case .assign(let target, let expression): try await assign(target, expression)
    case .ifThen(let branches, let otherwise):
      for branch in branches {
        if try await isTrue(branch.condition) { return try await execute(branch.statements) }
      }
      return try await execute(otherwise ?? [])
    case .select(let subject, let branches, let otherwise): return try await select(subject, branches, otherwise)
    case .loop(let label, let body):
      return try await loop(label) {
        .next
      } body: {
        try await self.execute(body)
      }
    case .whileLoop(let label, let condition, let body):
      return try await loop(label) {
        try await self.isTrue(condition) ? .next : nil
      } body: {
        try await self.execute(body)
      }
    case .forInteger(let label, let name, let from, let to, let by, let isReverse, let body):
      return try await forInteger(label, name, from, to, by, isReverse, body)
    case .forQuery(let label, let targets, let query, let body):
      return try await forRows(label, targets, try await rows(of: query), body)
    case .forDynamic(let label, let targets, let dynamic, let body):
      return try await forRows(label, targets, try await rows(of: dynamic), body)
    case .forEach(let label, let target, let array, let body): return try await forEach(label, target, array, body)
    case .exit(let label, let condition):
      if let condition, try await !isTrue(condition) { return .next }
      return .exit(label)
    case .continueLoop(let label, let condition):
      if let condition, try await !isTrue(condition) { return .next }
      return .goOn(label)
    case .giveBack(let expression): return try await giveBack(expression)
    case .giveNext(let expression): try await giveNext(expression)
    case .giveQuery(let query): try giveRows(try await rows(of: query))
    case .giveDynamic(let dynamic): try giveRows(try await rows(of: dynamic))
    case .raise(let syntax): try await raise(syntax)
    case .assert(let condition, let message):
      if try await !isTrue(condition) {
        let text = if let message { try await text(message) } else { String?.none }
        throw TallyError.sql("P0004", text ?? "assertion failed")
      }
    case .sql(let statement, let into): try await sql(statement, into)
    case .dynamic(let dynamic, let into): try await run(dynamic, into)
    case .perform(let expression):
      let rows = try await rows(of: expression, isStatement: true)
      noteFound(rows.rows.count)
    case .call(let statement): try await call(statement)
    case .diagnostics(let isStacked, let items): try await tell(isStacked, items)
    case .commit, .rollback:
      guard !request.isAtomic else { throw TallyError.sql("2D000", "invalid transaction termination") }
      if case .commit = statement.kind { try await runner.commit() } else { try await runner.rollback() }
      request.now = coordinator.wallMicroseconds
    }
    return .next
  }

  private func assign(_ target: TargetSyntax, _ expression: BlockExpression) async throws {
    // A record takes the fields of another, or of a row.
    if target.subscripts.isEmpty, let (variable, rest) = frames.find(target.path), rest.isEmpty, variable.isRecord,
      let sole = expression.select.soleExpression
    {
      if case .column(let path) = sole.kind, let (other, rest) = frames.find(path), rest.isEmpty, other.isRecord {
        let fields = other.fields ?? []
        if other.fields == nil, !variable.hasFixedFields {
          variable.fields = nil
        } else {
          try variable.assign(fields.map { OutputColumn($0.name, $0.type) }, fields.map(\.value))
        }
        return changed()
      }
      if case .row(let items) = sole.kind {
        var columns: [OutputColumn] = []
        var row: [Value] = []
        for (at, item) in items.enumerated() {
          let value = try await coordinator.value(of: item, asking())
          columns.append(OutputColumn("f\(at + 1)", value.type))
          row.append(value.value)
        }
        try variable.assign(columns, row)
        return changed()
      }
    }
    let given = try await value(expression)
    do { try await assign(given, to: target) } catch var error as TallyError {
      if error.sqlState == "22001" {
        error.context = "PL/pgSQL assignment \"\(target.path.joined(separator: ".")) := \(expression.text)\""
      }
      error.position = nil
      throw error
    }
  }
  private func select(
    _ subject: BlockExpression?,
    _ branches: [(values: [BlockExpression], statements: [BlockStatementSyntax])],
    _ otherwise: [BlockStatementSyntax]?
  ) async throws -> Flow {
    var given: TypedValue?
    if let subject { given = try await value(subject) }
    for branch in branches {
      for expression in branch.values {
        let isMet: Bool
        if let given {
          var inner = asking()
          inner.variables[["\u{1}case", "subject"]] = .value(given)
          guard let sole = expression.select.soleExpression else {
            throw TallyError.sql("0A000", "a query in WHEN of CASE is not supported")
          }
          let operand = ExpressionSyntax(kind: .column(["\u{1}case", "subject"]), position: 1)
          let test = ExpressionSyntax(kind: .infix("=", operand, sole), position: 1)
          if case .fixed(let truth) = try await coordinator.value(of: test, inner).value { isMet = truth != 0 } else { isMet = false }
        } else {
          isMet = try await isTrue(expression)
        }
        if isMet { return try await execute(branch.statements) }
      }
    }
    guard let otherwise else { throw TallyError.sql("20000", "case not found", hint: "CASE statement is missing ELSE part.") }
    return try await execute(otherwise)
  }

  // MARK: SQL

  func noteFound(_ rows: Int) {
    rowCount = Int64(rows)
    found.value = .fixed(rows > 0 ? 1 : 0)
    changed()
  }
  /// Carries a statement out; errors say which.
  private func carryOut(_ statement: ParsedStatement, _ request: StatementRequest) async throws -> StatementReply {
    var inner = request
    inner.statement = statement
    do { return try await runner.carryOut(inner) } catch let error as TallyError { throw Self.placed(error, statement.text) }
  }
  /// The error of a statement: what has no place in its text says which statement it was.
  static func placed(_ error: TallyError, _ text: String) -> TallyError {
    var failure = error
    // Data that do not go together fail when the statement runs; a literal that is none, before.
    let isOfData = error.sqlState.hasPrefix("22") && !["22P02", "22007"].contains(error.sqlState)
    if error.position == nil || isOfData { failure.context = (error.context.map { $0 + "\n" } ?? "") + "SQL statement \"\(text)\"" }
    failure.position = nil
    return failure
  }
  func rows(of query: ParsedStatement) async throws -> RoutineRows {
    let reply = try await carryOut(query, asking())
    guard reply.columns != nil else {
      throw TallyError.sql("42601", "cannot open \(reply.tag.split(separator: " ").first ?? "") query as cursor")
    }
    return try RoutineRows(reply)
  }
  private func sql(_ statement: ParsedStatement, _ into: IntoSyntax?) async throws {
    let reply = try await carryOut(statement, asking())
    let isRead = statement.statement.isQuery
    if let into {
      guard reply.columns != nil else { throw TallyError.sql("42601", "INTO used with a command that cannot return data") }
      let rows = try RoutineRows(reply)
      try checkCount(rows.rows.count, into, isRead: isRead)
      try await assign(rows.columns, rows.rows.first, to: into.targets)
      return noteFound(min(rows.rows.count, isRead ? 1 : rows.rows.count))
    }
    if isRead, reply.columns != nil {
      throw TallyError.sql(
        "42601",
        "query has no destination for result data",
        hint: "If you want to discard the results of a SELECT, use PERFORM instead."
      )
    }
    noteFound(Int(reply.rows))
  }
  private func checkCount(_ count: Int, _ into: IntoSyntax, isRead: Bool) throws(TallyError) {
    if count == 0, into.isStrict { throw .sql("P0002", "query returned no rows") }
    if count > 1, into.isStrict || !isRead {
      throw .sql(
        "P0003",
        "query returned more than one row",
        hint: "Make sure the query returns a single row, or use LIMIT 1."
      )
    }
  }

  // MARK: Dynamic statements

  private func prepared(_ dynamic: DynamicSyntax) async throws -> (statements: [ParsedStatement], request: StatementRequest) {
    guard let text = try await text(dynamic.text) else {
      throw TallyError.sql("22004", "query string argument of EXECUTE is null")
    }
    var arguments: [TypedValue] = []
    for argument in dynamic.arguments {
      let value = try await value(argument)
      arguments.append(value.type == .unknown ? TypedValue(.text, value.value) : value)
    }
    var inner = request
    inner.variables = NamedValues()
    inner.arguments = arguments
    do { return (try parse(text), inner) } catch {
      var failure = error
      failure.position = nil
      if text.lowercased().hasPrefix("commit") || text.lowercased().hasPrefix("rollback") || text.lowercased().hasPrefix("begin") {
        failure = .sql("0A000", "EXECUTE of transaction commands is not implemented")
      }
      throw failure
    }
  }
  func rows(of dynamic: DynamicSyntax) async throws -> RoutineRows {
    let (statements, inner) = try await prepared(dynamic)
    guard statements.count == 1 else { throw TallyError.sql("42P11", "cannot open multi-query plan as cursor") }
    let reply = try await carryOut(statements[0], inner)
    guard reply.columns != nil else { throw TallyError.sql("42P11", "cannot open \(reply.tag) query as cursor") }
    return try RoutineRows(reply)
  }
  private func run(_ dynamic: DynamicSyntax, _ into: IntoSyntax?) async throws {
    let (statements, inner) = try await prepared(dynamic)
    var last: StatementReply?
    for statement in statements { last = try await carryOut(statement, inner) }
    guard let last else { return }
    rowCount = Int64(last.rows)
    guard let into else { return }
    guard last.columns != nil else { throw TallyError.sql("42601", "INTO used with a command that cannot return data") }
    let rows = try RoutineRows(last)
    try checkCount(rows.rows.count, into, isRead: true)
    try await assign(rows.columns, rows.rows.first, to: into.targets)
  }
  private func call(_ statement: ParsedStatement) async throws {
    guard case .call(let syntax, _) = statement.statement else { throw TallyError(.internalError, "a CALL is none") }
    let reply = try await carryOut(statement, asking())
    guard reply.columns != nil else { return }
    // OUT arguments are the caller's variables.
    let rows = try RoutineRows(reply)
    guard let procedure = reply.called else { throw TallyError(.internalError, "a CALL does not tell what it called") }
    let named = Dictionary(syntax.namedArguments.map { ($0.name.name, $0.value) }) { $1 }
    var next = 0
    for (at, argument) in procedure.inputs.enumerated() where argument.mode != .in {
      defer { next += 1 }
      let given = at < syntax.arguments.count ? syntax.arguments[at] : named[argument.name]
      guard case .column(let path)? = given?.kind, frames.find(path) != nil else {
        throw TallyError.sql(
          "42601",
          "procedure parameter \"\(argument.name)\" is an output parameter but corresponding argument is not writable"
        )
      }
      try await assign(TypedValue(rows.columns[next].type, rows.rows.first?[next] ?? .null), to: TargetSyntax(path: path))
    }
  }

  // MARK: RAISE and diagnostics

  private func raise(_ syntax: RaiseSyntax) async throws {
    if syntax.isAgain {
      guard let again = handled.last else {
        throw TallyError.sql("0Z002", "RAISE without parameters cannot be used outside an exception handler")
      }
      // It keeps the place where it was met first.
      failed = again.failed
      throw again.error
    }
    var report = TallyError.sql("", "")
    var subject = ErrorSubject()
    if let format = syntax.format {
      var arguments: [String] = []
      for argument in syntax.arguments { arguments.append(try await text(argument) ?? "<NULL>") }
      report.message = Self.formatted(format, arguments)
    }
    var state = syntax.condition?.state
    for (option, expression) in syntax.options {
      guard let text = try await text(expression) else { throw TallyError.sql("22004", "RAISE statement option cannot be null") }
      switch option {
      case .errcode:
        guard state == nil else { throw Self.twice("ERRCODE") }
        if text.utf8.count == 5, text.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) }) {
          state = text
        } else {
          guard let known = ConditionNames.state(of: text) else {
            throw TallyError.sql("42704", "unrecognized exception condition \"\(text)\"")
          }
          state = known
          if report.message.isEmpty { report.message = text }
        }
      case .message:
        guard syntax.format == nil else { throw Self.twice("MESSAGE") }
        report.message = text
      case .detail: report.detail = text
      case .hint: report.hint = text
      case .column: subject[.column] = text
      case .constraint: subject[.constraint] = text
      case .datatype: subject[.dataType] = text
      case .table: subject[.table] = text
      case .schema: subject[.schema] = text
      }
    }
    if report.message.isEmpty, syntax.format == nil { report.message = syntax.condition?.name ?? state ?? "" }
    let isError = syntax.level == .exception
    let fallback = isError ? "P0001" : syntax.level == .warning ? "01000" : "00000"
    report.sqlState = state ?? fallback
    report.status = report.sqlState == "0A000" ? .unsupported : .invalid
    if !subject.isEmpty { report.subject = subject }
    if isError { throw report }
    let severity: RaisedNotice.Severity =
      switch syntax.level {
      case .debug: .debug
      case .log: .log
      case .info: .info
      case .warning: .warning
      default: .notice
      }
    await request.notify?(RaisedNotice(severity: severity, report: report))
  }
  private static func twice(_ option: String) -> TallyError {
    .sql("42601", "RAISE option already specified: \(option)")
  }
  static func formatted(_ format: String, _ arguments: [String]) -> String {
    var result = ""
    var given = arguments[...]
    var isPending = false
    for character in format {
      if character == "%" {
        if isPending { result.append("%") }
        isPending.toggle()
        continue
      }
      if isPending { result += given.popFirst() ?? "" }
      isPending = false
      result.append(character)
    }
    if isPending { result += given.popFirst() ?? "" }
    return result
  }
  private func tell(_ isStacked: Bool, _ items: [(TargetSyntax, BlockStatementSyntax.Diagnostic)]) async throws {
    let error = handled.last?.error
    if isStacked, error == nil {
      throw TallyError.sql("0Z002", "GET STACKED DIAGNOSTICS cannot be used outside an exception handler")
    }
    for (target, item) in items {
      let text: String
      switch item {
      case .rowCount:
        try await assign(TypedValue(.bigint, .fixed(rowCount)), to: target)
        continue
      case .sqlState: text = error?.sqlState ?? ""
      case .message: text = error?.message ?? ""
      case .detail: text = error?.detail ?? ""
      case .hint: text = error?.hint ?? ""
      case .context: text = handled.last?.context ?? ""
      case .column: text = error?.subject?[.column] ?? ""
      case .constraint: text = error?.subject?[.constraint] ?? ""
      case .datatype: text = error?.subject?[.dataType] ?? ""
      case .table: text = error?.subject?[.table] ?? ""
      case .schema: text = error?.subject?[.schema] ?? ""
      }
      try await assign(TypedValue(.text, .text(text)), to: target)
    }
  }
}
