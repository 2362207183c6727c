// BlockInterpreter+Results.swift — loops, and what a routine gives: RETURN, RETURN NEXT, RETURN QUERY.
import Columns
import Model
import Planning
import SQL

extension BlockInterpreter {
  /// Most rows that one routine gives: they lie in memory.
  private static let rowsMax = 1_000_000

  // MARK: Loops

  /// Runs a body until `step` gives nil or the body leaves the loop.
  func loop(
    _ label: String?,
    step: () async throws -> Flow?,
    body: () async throws -> Flow
  ) async throws -> Flow {
    while true {
      await Task.yield()
      try Task.checkCancellation()
      guard try await step() != nil else { return .next }
      switch try await body() {
      case .next: continue
      case .exit(let name): return name == nil || name == label ? .next : .exit(name)
      case .goOn(let name): if name != nil, name != label { return .goOn(name) }
      case .done: return .done
      }
    }
  }
  func forInteger(
    _ label: String?,
    _ name: String,
    _ from: BlockExpression,
    _ to: BlockExpression,
    _ by: BlockExpression?,
    _ isReverse: Bool,
    _ body: [BlockStatementSyntax]
  ) async throws -> Flow {
    func bound(_ expression: BlockExpression, _ what: String) async throws -> Int64 {
      let value = try assigned(try await value(expression), to: .integer)
      guard case .fixed(let number) = value else { throw TallyError.sql("22004", "\(what) of FOR loop cannot be null") }
      return number
    }
    let low = try await bound(from, "lower bound")
    let high = try await bound(to, "upper bound")
    var step: Int64 = 1
    if let by { step = try await bound(by, "BY value") }
    guard step > 0 else { throw TallyError.sql("22023", "BY value of FOR loop must be greater than zero") }
    let depth = frames.count
    let frame = BlockFrame(label)
    let variable = BlockVariable(name, .integer)
    frame.add(variable)
    frames.push(frame)
    defer {
      frames.pop(to: depth)
      changed()
    }
    var next = low
    var runs = false
    let flow = try await loop(label) {
      guard isReverse ? next >= high : next <= high else { return nil }
      runs = true
      variable.value = .fixed(next)
      self.changed()
      // Integers end where they end.
      next += isReverse ? -step : step
      return .next
    } body: {
      try await self.execute(body)
    }
    found.value = .fixed(runs ? 1 : 0)
    return flow
  }
  func forRows(
    _ label: String?,
    _ targets: [TargetSyntax],
    _ result: RoutineRows,
    _ body: [BlockStatementSyntax]
  ) async throws -> Flow {
    var next = 0
    let flow = try await loop(label) {
      guard next < result.rows.count else { return nil }
      try await self.assign(result.columns, result.rows[next], to: targets)
      next += 1
      return .next
    } body: {
      try await self.execute(body)
    }
    if result.rows.isEmpty { try await assign(result.columns, nil, to: targets) }
    found.value = .fixed(result.rows.isEmpty ? 0 : 1)
    changed()
    return flow
  }
  func forEach(
    _ label: String?,
    _ target: TargetSyntax,
    _ array: BlockExpression,
    _ body: [BlockStatementSyntax]
  ) async throws -> Flow {
    let value = try await value(array)
    guard let element = value.type.element else {
      throw TallyError.sql("42804", "FOREACH expression must yield an array, not type \(value.type.name)")
    }
    guard case .bytes(let bytes) = value.value else { throw TallyError.sql("22004", "FOREACH expression must not be null") }
    let elements = try ArrayValue.reading(bytes, element).elements
    var next = 0
    let flow = try await loop(label) {
      guard next < elements.count else { return nil }
      try await self.assign(TypedValue(element, elements[next]), to: target)
      next += 1
      return .next
    } body: {
      try await self.execute(body)
    }
    found.value = .fixed(elements.isEmpty ? 0 : 1)
    changed()
    return flow
  }

  // MARK: Results

  func giveBack(_ expression: BlockExpression?) async throws -> Flow {
    if let expression, let type = function.result {
      let value = try await value(expression)
      rows = [[try assigned(value, to: type)]]
    }
    returned = true
    return .done
  }
  private func give(_ row: [Value]) throws(TallyError) {
    guard rows.count < Self.rowsMax else {
      throw .sql("54000", "a function gives at most \(Self.rowsMax) rows", hint: "Write them to a table.")
    }
    rows.append(row)
  }
  func giveNext(_ expression: BlockExpression?) async throws {
    guard let expression else { return try give(outputs.map(\.value)) }
    let type = function.columns()[0].type
    let value = try await value(expression)
    try give([try assigned(value, to: type)])
  }
  func giveRows(_ result: RoutineRows) throws(TallyError) {
    let wanted = function.columns()
    func mismatch(_ detail: String) -> TallyError {
      .sql("42804", "structure of query does not match function result type", detail: detail)
    }
    guard result.columns.count == wanted.count else {
      throw mismatch("Number of returned columns (\(result.columns.count)) does not match expected column count (\(wanted.count)).")
    }
    for (at, column) in wanted.enumerated() where castDistance(from: result.columns[at].type, to: column.type) != 0 {
      throw mismatch("Returned type \(result.columns[at].type.name) does not match expected type \(column.type.name) in column \(at + 1).")
    }
    for row in result.rows {
      var values: [Value] = []
      for at in wanted.indices { values.append(try assigned(TypedValue(result.columns[at].type, row[at]), to: wanted[at].type)) }
      try give(values)
    }
    noteFound(result.rows.count)
  }
}
