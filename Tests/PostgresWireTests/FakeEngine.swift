// An engine that knows a handful of statements: enough SQL to drive every path of the session, no more.
//
// SELECT 1 · SELECT 'x' · SELECT i FROM numbers(5) · SELECT * FROM wide(3) · SELECT types() · SELECT $1::bigint, $2::text ·
// SELECT sleep() · SELECT fail() · SELECT i FROM failing(3) · SELECT i FROM endless() · INSERT … · COPY t FROM STDIN ·
// COPY t TO STDOUT · psql's \gdesc query; and the statements that the session carries out itself.

import Bytes
import Capabilities
import Columns
import Model
import PostgresWire
import Synchronization

final class FakeEngine: SQLEngine {
  let rules: [String: LoginRule]
  let copied = Mutex<[String]>([])
  let sleeping = Mutex(0)
  let openStreams = Mutex(0)
  let changes = Mutex<[String]>([])
  let sessions = Mutex(0)
  init(rules: [String: LoginRule] = [:]) { self.rules = rules }

  func loginRule(user: String, database: String, peer: String) async -> LoginRule { rules[user] ?? .unknown }
  func openSession(_ client: ClientIdentity) async throws -> any SQLSession {
    guard client.database != "missing" else { throw TallyError.sql("3D000", "database \"missing\" does not exist") }
    sessions.withLock { $0 += 1 }
    return FakeSession(self)
  }
}

/// Rows of a batch at a time.
final class FakeRows: RowStream {
  private let engine: FakeEngine
  private let left: Mutex<[Batch]>
  private let failsAtEnd: Bool
  private let isEndless: Bool
  init(_ engine: FakeEngine, _ batches: [Batch], failsAtEnd: Bool = false, isEndless: Bool = false) {
    self.engine = engine
    left = Mutex(batches)
    self.failsAtEnd = failsAtEnd
    self.isEndless = isEndless
    engine.openStreams.withLock { $0 += 1 }
  }
  func next() async throws -> Batch? {
    try Task.checkCancellation()
    if isEndless { return left.withLock { $0.first } }
    if let batch = left.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return batch }
    close()
    if failsAtEnd { throw TallyError.sql("22012", "division by zero") }
    return nil
  }
  func close() { engine.openStreams.withLock { $0 -= 1 } }
}

private func tokens(_ text: String) -> [String] {
  var out: [String] = []
  var rest = Substring(text)
  while let first = rest.first {
    if first.isWhitespace {
      rest.removeFirst()
    } else if first == "'" || first == "\"" {
      let body = rest.dropFirst().prefix { $0 != first }
      out.append(String(first) + body + String(first))
      rest = rest[body.endIndex...].dropFirst()
    } else if first.isLetter || first == "_" || first.isNumber || first == "$" {
      let word = rest.prefix { $0.isLetter || $0.isNumber || "_.$".contains($0) }
      out.append(String(word))
      rest = rest[word.endIndex...]
    } else {
      out.append(String(first))
      rest.removeFirst()
    }
  }
  return out
}

private func unquoted(_ token: String) -> String {
  if token.hasPrefix("'") || token.hasPrefix("\"") { return String(token.dropFirst().dropLast()) }
  return token.lowercased()
}

let fakeTypes: [String: DataType] = [
  "boolean": .boolean, "bool": .boolean, "smallint": .smallint, "int2": .smallint, "integer": .integer, "int4": .integer,
  "bigint": .bigint, "int8": .bigint, "float8": .double, "numeric": .plainNumeric, "text": .text, "varchar": .varchar(0),
  "bytea": .bytea, "jsonb": .jsonb, "date": .date, "timestamp": .timestamp, "timestamptz": .timestamptz, "interval": .interval,
  "hll": .hll(HLLParameters()),
]

final class FakeSession: SQLSession {
  let engine: FakeEngine
  init(_ engine: FakeEngine) { self.engine = engine }

  /// What pgbench asks again and again costs nothing to parse here.
  private static let one = [EngineStatement(.engine(readsOnly: true), text: "SELECT 1", content: ["SELECT", "1"])]

  func parse(_ text: String) async throws -> [EngineStatement] {
    if text == "SELECT 1" || text == "SELECT 1;" { return Self.one }
    var statements: [EngineStatement] = []
    var offset = 0
    for part in split(text) {
      let leading = part.prefix { $0.isWhitespace }.count
      let body = part.trimmed
      if !body.isEmpty {
        statements.append(try classify(body, offset: offset + leading))
      }
      offset += part.count + 1
    }
    return statements
  }
  private func split(_ text: String) -> [Substring] {
    var parts: [Substring] = []
    var start = text.startIndex
    var isQuoted = false
    for at in text.indices {
      if text[at] == "'" { isQuoted.toggle() }
      if text[at] == ";" && !isQuoted {
        parts.append(text[start..<at])
        start = text.index(after: at)
      }
    }
    parts.append(text[start...])
    return parts
  }

  private func classify(_ text: String, offset: Int) throws -> EngineStatement {
    let words = tokens(text)
    let lower = words.map { $0.lowercased() }
    func statement(_ kind: StatementKind) -> EngineStatement {
      EngineStatement(kind, text: text, offset: offset, content: words)
    }
    func last() -> String { unquoted(words[words.count - 1]) }
    func inner(after word: String) throws -> EngineStatement {
      let flat = String(text.lowercased().map { $0.isWhitespace ? " " : $0 })
      let range = flat.firstRange(of: " \(word) ")!
      let body = text[range.upperBound...]
      return try classify(String(body), offset: offset + text.distance(from: text.startIndex, to: range.upperBound))
    }
    switch lower[0] {
    case "select", "values", "table": return statement(.engine(readsOnly: true))
    case "insert", "copy", "create": return statement(.engine(readsOnly: false))
    case "begin": return statement(.begin(modes(lower), isStart: false))
    case "start": return statement(.begin(modes(lower), isStart: true))
    case "commit", "end": return statement(.commit(chain: lower.contains("chain")))
    case "rollback", "abort":
      if lower.contains("to") { return statement(.rollBackTo(last())) }
      return statement(.rollback(chain: lower.contains("chain")))
    case "savepoint": return statement(.savepoint(last()))
    case "release": return statement(.release(last()))
    case "set": return statement(try set(words, lower))
    case "reset": return statement(lower[1] == "all" ? .resetAll : .reset(last()))
    case "show":
      if lower[1] == "all" { return statement(.showAll) }
      return statement(.show(lower[1] == "time" ? "timezone" : lower[1]))
    case "discard": return statement(.discard(lower[1] == "all" ? .all : .plans))
    case "prepare":
      let types = lower.prefix { $0 != "as" }.dropFirst(2).compactMap { fakeTypes[$0] }
      return statement(.prepare(unquoted(words[1]), types: Array(types), try inner(after: "as")))
    case "execute":
      let count = lower.count > 3 ? lower.filter { $0 == "," }.count + 1 : 0
      return statement(.execute(unquoted(words[1]), argumentCount: count))
    case "deallocate": return statement(.deallocate(lower[1] == "all" ? nil : last()))
    case "declare":
      let options = CursorOptions(
        isScroll: lower.contains("scroll") && !lower.contains("no"),
        isHeld: lower.contains("hold"),
        isBinary: lower.contains("binary")
      )
      return statement(.declare(unquoted(words[1]), options, try inner(after: "for")))
    case "fetch", "move":
      let count = lower.compactMap(Int.init).first
      let direction: FetchDirection =
        lower.contains("backward")
        ? .backward
        : lower.contains("absolute")
          ? .absolute(count ?? 1)
          : lower.contains("relative")
            ? .relative(count ?? 1)
            : lower.contains("all") ? .forward(nil) : .forward(count ?? 1)
      return statement(lower[0] == "fetch" ? .fetch(last(), direction) : .move(last(), direction))
    case "close": return statement(.closeCursor(lower[1] == "all" ? nil : last()))
    case "listen": return statement(.listen(last()))
    case "unlisten": return statement(.unlisten(lower[1] == "*" ? nil : last()))
    default:
      throw TallyError.sql("42601", "syntax error at or near \"\(words[0])\"", position: offset + 1)
    }
  }
  private func modes(_ lower: [String]) -> TransactionModes {
    var modes = TransactionModes()
    if let at = lower.firstIndex(of: "level") {
      modes.isolation = lower[at + 1] == "serializable" ? "serializable" : lower[(at + 1)...(at + 2)].joined(separator: " ")
    }
    if lower.contains("only") || lower.contains("write") { modes.isReadOnly = lower.contains("only") }
    if lower.contains("deferrable") { modes.isDeferrable = !lower.contains("not") }
    return modes
  }
  private func set(_ words: [String], _ lower: [String]) throws -> StatementKind {
    var at = 1
    let isLocal = lower[1] == "local"
    if isLocal || lower[1] == "session" { at += 1 }
    if lower[at] == "transaction" { return .setTransaction(modes(lower)) }
    if lower[at] == "characteristics" { return .setCharacteristics(modes(lower)) }
    if lower[at] == "time" { return .set("timezone", [unquoted(words[at + 2])], isLocal: isLocal) }
    let values = words[(at + 2)...].filter { $0 != "," }.map(unquoted)
    return .set(lower[at], values == ["default"] ? nil : values, isLocal: isLocal)
  }

  func describe(
    _ statement: EngineStatement,
    parameters: [DataType?],
    _ context: StatementContext
  ) async throws -> StatementShape {
    let words = statement.content as? [String] ?? []
    var types: [DataType] = []
    for (at, word) in words.enumerated() where word.hasPrefix("$") {
      guard let number = Int(word.dropFirst()), number > 0, number < 100 else {
        throw TallyError.sql("42P02", "there is no parameter \(word)")
      }
      while types.count < number { types.append(.text) }
      let written = at + 3 < words.count && words[at + 1] == ":" ? fakeTypes[words[at + 3]] : nil
      if number <= parameters.count, let named = parameters[number - 1] {
        // No cast leads there.
        if case .hll? = written, named == .bytea { throw TallyError.sql("42846", "cannot cast type bytea to hll") }
        types[number - 1] = named
      } else if at + 3 < words.count, words[at + 1] == ":", let type = fakeTypes[words[at + 3]] {
        types[number - 1] = type
      }
    }
    return StatementShape(parameters: types, columns: try columns(words, types))
  }
  private func columns(_ words: [String], _ types: [DataType]) throws -> [ColumnDescription]? {
    guard ["select", "values", "table"].contains(words[0].lowercased()) || words.contains("RETURNING") else { return nil }
    if words.contains("format_type") || words.contains("pg_catalog.format_type") {
      return [ColumnDescription("Column", .text), ColumnDescription("Type", .text)]
    }
    if words.contains("RETURNING") { return [ColumnDescription("id", .bigint, tableOID: 16_400, number: 1)] }
    if words.contains("wide") {
      return [
        ColumnDescription("id", .bigint, tableOID: 16_384, number: 1), ColumnDescription("name", .varchar(20), tableOID: 16_384, number: 2),
      ]
    }
    if words.contains("types") { return allTypes.map { ColumnDescription($0.name.split(separator: " ").joined(separator: "_"), $0) } }
    if words.contains("numbers") || words.contains("failing") || words.contains("endless") { return [ColumnDescription("i", .bigint)] }
    let places = words.filter { $0.hasPrefix("$") }
    if !places.isEmpty { return places.map { ColumnDescription("?column?", types[Int($0.dropFirst())! - 1]) } }
    if words.count > 1, words[1].hasPrefix("'") { return [ColumnDescription("?column?", .text)] }
    return [ColumnDescription("?column?", .integer)]
  }

  func execute(
    _ statement: EngineStatement,
    _ arguments: [TypedValue],
    _ context: StatementContext,
    _ client: any StatementClient
  ) async throws -> StatementResult {
    let words = statement.content as? [String] ?? []
    let count = words.compactMap(Int.init).first ?? 0
    switch words[0].lowercased() {
    case "insert" where words.contains("RETURNING"):
      let columns = try columns(words, []) ?? []
      return .rows(columns, FakeRows(engine, [numbers(1...1)]), .insert)
    case "insert": return .done(tag: "INSERT 0 1")
    case "create":
      await client.notice(.notice("relation \"t\" already exists, skipping", sqlState: "42P07"))
      return .done(tag: "CREATE TABLE")
    case "copy": return try await copy(words, client)
    default: break
    }
    let columns = try columns(words, arguments.map(\.type)) ?? []
    if words.contains("sleep") {
      engine.sleeping.withLock { $0 += 1 }
      _ = try await BoundedQueue<Int>(capacity: 1).receive()
    }
    if words.contains("fail") { throw TallyError.sql("22012", "division by zero", hint: "Do not.", position: 8) }
    if words.contains("where") { throw ServerReport(.sql("23505", "duplicate key"), context: "COPY t, line 2") }
    if words.contains("pg_catalog.format_type") { return .rows(columns, FakeRows(engine, [described(statement.text)]), .select) }
    if words.contains("wide") {
      return .rows(columns, FakeRows(engine, (1...3).map { wide($0, of: count) }), .select)
    }
    if words.contains("types") { return .rows(columns, FakeRows(engine, [typesBatch()]), .select) }
    if words.contains("numbers") {
      // Batches of two, so that limits fall between and within them.
      let batches = stride(from: 1, through: count, by: 2).map { numbers($0...min($0 + 1, count)) }
      return .rows(columns, FakeRows(engine, batches), .select)
    }
    if words.contains("failing") { return .rows(columns, FakeRows(engine, [numbers(1...count)], failsAtEnd: true), .select) }
    if words.contains("endless") { return .rows(columns, FakeRows(engine, [numbers(1...4096)], isEndless: true), .select) }
    let values: [TypedValue] =
      words.contains { $0.hasPrefix("$") }
      ? words.filter { $0.hasPrefix("$") }.map { arguments[Int($0.dropFirst())! - 1] }
      : words.count > 1 && words[1].hasPrefix("'")
        ? [TypedValue(.text, .text(unquoted(words[1])))] : [TypedValue(.integer, .fixed(Int64(count)))]
    let batch = Batch(
      count: 1,
      columns: values.map { value in
        if case .hll(let bytes) = value.value { return hllColumn(UInt8(bytes.count & 255)) }
        return ColumnVector(value.type, values: [value.value])
      }
    )
    return .rows(columns, FakeRows(engine, [batch]), .select)
  }
  private func copy(_ words: [String], _ client: any StatementClient) async throws -> StatementResult {
    if words.contains("STDIN") {
      let input = try await client.copyIn(columns: 2, isBinary: false)
      var bytes: [UInt8] = []
      while let chunk = try await input.next() {
        bytes += chunk
        if chunk.contains(UInt8(ascii: "!")) {
          throw ServerReport(.sql("22P04", "missing data for column \"b\""), context: "COPY t, line 1")
        }
      }
      let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").filter { $0 != "\\." }.map(String.init)
      engine.copied.withLock { $0 += lines }
      return .done(tag: "COPY \(lines.count)")
    }
    try await client.copyOut(columns: 2, isBinary: false)
    for i in 1...3 { try await client.sendCopyData(Array("\(i)\tx\n".utf8)) }
    return .done(tag: "COPY 3")
  }
  /// What psql asks for \gdesc: names and OIDs in a VALUES list.
  private func described(_ text: String) -> Batch {
    let words = tokens(text)
    var names: [Value] = []
    var types: [Value] = []
    for (at, word) in words.enumerated() where word == "(" && at + 5 < words.count && words[at + 1].hasPrefix("'") && words[at + 2] == "," {
      names.append(.text(unquoted(words[at + 1])))
      types.append(.text(unquoted(words[at + 3])))
    }
    return Batch(count: names.count, columns: [ColumnVector(.text, values: names), ColumnVector(.text, values: types)])
  }
  func arguments(
    of execute: EngineStatement,
    types: [DataType],
    _ context: StatementContext
  ) async throws -> [Value] {
    let words = (execute.content as? [String] ?? []).dropFirst(3).dropLast().filter { $0 != "," }
    return try zip(words, types).map { word, type in
      word.lowercased() == "null" ? .null : try ValueText.parse(unquoted(word), as: type)
    }
  }
  func change(_ change: TransactionChange) async throws {
    engine.changes.withLock { $0.append("\(change)".prefix { $0 != "(" }.description) }
  }
  func sketchBytes(_ column: ColumnVector, row: Int) throws(TallyError) -> [UInt8] {
    if case .topn = column.values { return Array("{\"a\": 1}".utf8) }
    return [0x11, 0x8b, 0x7f]
  }
  func discard(_ target: DiscardTarget) async throws {}
  func close() async { engine.sessions.withLock { $0 -= 1 } }
}

extension Substring {
  fileprivate var trimmed: String {
    var text = self
    while text.first?.isWhitespace ?? false { text.removeFirst() }
    while text.last?.isWhitespace ?? false { text.removeLast() }
    return String(text)
  }
}

let allTypes: [DataType] = [
  .boolean, .smallint, .integer, .bigint, .double, .numeric(precision: 10, scale: 2), .text, .varchar(20), .date, .timestamp,
  .timestamptz, .interval, .hll(HLLParameters()), .topn(TopNParameters()), .hllHashval,
]

func numbers(_ range: ClosedRange<Int>) -> Batch {
  Batch(count: range.count, columns: [ColumnVector(.bigint, .fixed(range.map(Int64.init)))])
}

private func wide(_ part: Int, of count: Int) -> Batch {
  let base = (part - 1) * count
  return Batch(
    count: count,
    columns: [
      ColumnVector(.bigint, .fixed((0..<count).map { Int64(base + $0 + 1) })),
      ColumnVector(.varchar(20), values: (0..<count).map { $0 % 3 == 2 ? .null : .text("name \(base + $0 + 1)") }),
    ]
  )
}

func hllColumn(_ mark: UInt8) -> ColumnVector {
  ColumnVector(
    .hll(HLLParameters()),
    .hll(HLLColumn(parameters: HLLParameters(), forms: [HLLForm.empty.rawValue], offsets: [0, 0], words: []))
  )
}

/// Two rows of every type: values, then NULLs.
func typesBatch() -> Batch {
  func two(_ value: Value) -> [Value] { [value, .null] }
  func time(_ text: String, _ type: DataType) -> Value {
    do { return try ValueText.parse(text, as: type) } catch { return .null }
  }
  let columns: [ColumnVector] = allTypes.map { type in
    switch type {
    case .boolean: ColumnVector(type, values: two(.fixed(1)))
    case .smallint: ColumnVector(type, values: two(.fixed(-7)))
    case .integer: ColumnVector(type, values: two(.fixed(70_000)))
    case .bigint: ColumnVector(type, values: two(.fixed(-9_000_000_000)))
    case .double: ColumnVector(type, values: two(.double(1.5)))
    case .numeric: ColumnVector(type, values: two(.numeric(Numeric(coefficient: 1_234_567, scale: 2))))
    case .text: ColumnVector(type, values: two(.text("häß")))
    case .varchar: ColumnVector(type, values: two(.text("v")))
    case .date, .timestamp, .timestamptz: ColumnVector(type, values: two(time("2024-02-29 12:34:56.789", type)))
    case .interval: ColumnVector(type, values: two(.interval(Interval(months: 14, days: 3, microseconds: 4_000_001))))
    case .hll(let parameters):
      ColumnVector(
        type,
        .hll(HLLColumn(parameters: parameters, forms: [1, 1], offsets: [0, 0, 0], words: [])),
        validity: Bitmap(words: [1], count: 2)
      )
    case .topn(let parameters):
      ColumnVector(
        type,
        .topn(
          TopNColumn(
            parameters: parameters,
            offsets: [0, 0, 0],
            codes: [],
            uppers: [],
            errors: [],
            absent: [0, 0],
            totals: [0, 0],
            dictionary: .empty
          )
        ),
        validity: Bitmap(words: [1], count: 2)
      )
    default: ColumnVector(type, values: two(.fixed(42)))
    }
  }
  return Batch(count: 2, columns: columns)
}
