// Routine.swift — functions and procedures of users as they are called: signatures, arguments, what they give, their compiled bodies.
import Columns
import Model
import Planning
import SQL
import Synchronization

extension FunctionRecord {
  /// Arguments that a call gives; of a procedure OUT arguments stand in calls, too.
  var inputs: [Argument] { arguments.filter { $0.mode == .in || $0.mode == .inout || isProcedure && $0.mode == .out } }
  /// Arguments that the result is made of.
  var outputs: [Argument] { arguments.filter { $0.mode != .in } }
  /// Whether it gives nothing.
  var isVoid: Bool { result == nil && outputs.isEmpty }
  /// What messages call it.
  var signature: String { name + "(" + inputs.map(\.type.name).joined(separator: ",") + ")" }
  var kindName: String { isProcedure ? "procedure" : "function" }
  /// Columns of what it gives; `alias` names a lone one.
  func columns(_ alias: String? = nil) -> [OutputColumn] {
    let outputs = outputs
    if outputs.count > 1 { return outputs.enumerated().map { OutputColumn($1.name.isEmpty ? "column\($0 + 1)" : $1.name, $1.type) } }
    if let only = outputs.first { return [OutputColumn(alias ?? (only.name.isEmpty ? name : only.name), only.type)] }
    return [OutputColumn(alias ?? name, result ?? .void)]
  }
}

/// What a routine gave.
struct RoutineRows: Sendable {
  var columns: [OutputColumn]
  var rows: [[Value]] = []

  var batch: Batch {
    Batch(count: rows.count, columns: columns.indices.map { at in ColumnVector(columns[at].type, values: rows.map { $0[at] }) })
  }
  /// The first row as one value: of several columns their text as a record's.
  var value: TypedValue {
    guard columns.count > 1 else { return TypedValue(columns[0].type, rows.first?[0] ?? .null) }
    guard let row = rows.first else { return TypedValue(.text, .null) }
    return TypedValue(.text, .text(Self.record(zip(row, columns).map { ValueText.print($0, as: $1.type) })))
  }
  /// A record's text as PostgreSQL writes it.
  private static func record(_ fields: [String?]) -> String {
    "("
      + fields.map { field in
        guard let field else { return "" }
        let isPlain = !field.isEmpty && !field.utf8.contains { byte in byte <= 0x20 || "\"\\(),".utf8.contains(byte) }
        if isPlain { return field }
        return "\"" + field.map { $0 == "\"" || $0 == "\\" ? "\($0)\($0)" : "\($0)" }.joined() + "\""
      }.joined(separator: ",") + ")"
  }
}

/// A body that is ready to run.
enum CompiledBody: Sendable {
  case block(ProcedureBody)
  case statements([ParsedStatement])
}

/// Bodies that were compiled lately, and the routines of one version of the catalog that are expressions.
final class CompiledRoutines: Sendable {
  private struct State {
    var bodies: [TableID: (record: FunctionRecord, body: CompiledBody)] = [:]
    var version: CatalogVersion?
    var inline: [String: [InlineRoutine]] = [:]
    var inlined: Set<TableID> = []
    var words = RoutineWords(names: [])
  }
  private static let countMax = 256
  private let state = Mutex(State())

  /// The body of a routine.
  func body(of function: FunctionRecord) throws(TallyError) -> CompiledBody {
    if let known = state.withLock({ $0.bodies[function.id] }), known.record == function { return known.body }
    let body = try Self.compile(function)
    state.withLock { state in
      if state.bodies.count >= Self.countMax { state.bodies = [:] }
      state.bodies[function.id] = (function, body)
    }
    return body
  }
  static func compile(_ function: FunctionRecord) throws(TallyError) -> CompiledBody {
    if function.language == "plpgsql" {
      return .block(try parseBlock(function.body, name: function.name, parameters: function.arguments.map(\.name)))
    }
    do throws(TallyError) { return .statements(try parse(function.body)) } catch {
      var failure = error
      failure.position = nil
      failure.context = "SQL function \"\(function.name)\""
      throw failure
    }
  }
  /// Routines that are expressions, the numbers of those, and the names that calls of routines begin with.
  func known(_ catalog: CatalogSnapshot) -> (inline: [String: [InlineRoutine]], inlined: Set<TableID>, words: RoutineWords) {
    if let known = state.withLock({ $0.version == catalog.version ? ($0.inline, $0.inlined, $0.words) : nil }) { return known }
    var inline: [String: [InlineRoutine]] = [:]
    var inlined: Set<TableID> = []
    for function in catalog.functions {
      guard let routine = Self.inline(function) else { continue }
      inline[function.name, default: []].append(routine)
      inlined.insert(function.id)
    }
    let words = RoutineWords(names: catalog.functions.map(\.name) + NativeRoutine.all.map(\.name))
    state.withLock { ($0.version, $0.inline, $0.inlined, $0.words) = (catalog.version, inline, inlined, words) }
    return (inline, inlined, words)
  }
  /// Routines that are expressions, among some functions.
  static func inline(_ functions: [FunctionRecord]) -> [String: [InlineRoutine]] {
    Dictionary(grouping: functions.compactMap(inline), by: \.name)
  }
  /// The routine as an expression, if it is one.
  private static func inline(_ function: FunctionRecord) -> InlineRoutine? {
    guard function.language == "sql", !function.returnsSet, !function.isProcedure, let result = function.result, function.outputs.isEmpty,
      case .statements(let statements)? = compiled(function), statements.count == 1, case .select(let select) = statements[0].statement,
      let body = select.inlineExpression
    else { return nil }
    var arguments: [InlineRoutine.Argument] = []
    for argument in function.inputs {
      let initial: ExpressionSyntax?
      do throws(TallyError) { initial = try Self.initial(argument) } catch { return nil }
      arguments.append(InlineRoutine.Argument(name: argument.name, type: argument.type, initial: initial))
    }
    return InlineRoutine(name: function.name, arguments: arguments, result: result, isStrict: function.isStrict, body: body)
  }
  /// The body, if it is one.
  private static func compiled(_ function: FunctionRecord) -> CompiledBody? {
    do throws(TallyError) { return try compile(function) } catch { return nil }
  }
  /// The default of an argument.
  static func initial(_ argument: FunctionRecord.Argument) throws(TallyError) -> ExpressionSyntax? {
    guard let text = argument.defaultSQL else { return nil }
    guard let first = try parse("SELECT " + text).first, case .select(let select) = first.statement else { return nil }
    return select.soleExpression
  }
}

/// Finds out quickly whether a text names a routine at all.
struct RoutineWords: Sendable {
  private let names: Set<String>
  private var firsts = [Bool](repeating: false, count: 256)

  init(names: [String]) {
    self.names = Set(names.map { $0.lowercased() })
    for name in self.names {
      guard let first = name.utf8.first else { continue }
      firsts[Int(first)] = true
      if (0x61...0x7a).contains(first) { firsts[Int(first & 0xdf)] = true }
    }
  }
  func occur(in text: String) -> Bool {
    guard !names.isEmpty else { return false }
    return text.utf8.withContiguousStorageIfAvailable { occur($0) } ?? occur(Array(text.utf8))
  }
  private func occur(_ bytes: some RandomAccessCollection<UInt8>) -> Bool {
    var at = bytes.startIndex
    while at < bytes.endIndex {
      guard Self.isPart(bytes[at]) else {
        at = bytes.index(after: at)
        continue
      }
      let start = at
      while at < bytes.endIndex, Self.isPart(bytes[at]) { at = bytes.index(after: at) }
      if firsts[Int(bytes[start])], names.contains(String(decoding: bytes[start..<at], as: UTF8.self).lowercased()) { return true }
    }
    return false
  }
  private static func isPart(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f, 0x80...: true
    default: false
    }
  }
}
