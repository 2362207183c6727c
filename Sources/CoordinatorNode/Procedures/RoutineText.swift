// RoutineText.swift — functions of users as SQL, as \df, \sf and pg_dump show them.
import Model

extension FunctionRecord {
  /// What stands behind RETURNS; nil of a procedure without OUT arguments.
  var shownResult: String? {
    let columns = arguments.filter { $0.mode == .table }
    if !columns.isEmpty { return "TABLE(" + columns.map { SystemName.quoted($0.name) + " " + $0.type.name }.joined(separator: ", ") + ")" }
    if isProcedure { return nil }
    let outputs = outputs
    let one = outputs.count > 1 ? "record" : (outputs.first?.type ?? result ?? .void).name
    return returnsSet ? "SETOF " + one : one
  }
  /// What stands in the parentheses; as identity without defaults and columns.
  func shownArguments(isIdentity: Bool) -> String {
    arguments.filter { $0.mode != .table && !(isIdentity && $0.mode == .out && !isProcedure) }.map { argument in
      var words: [String] = []
      switch argument.mode {
      case .out: words.append("OUT")
      case .inout: words.append("INOUT")
      case .in: if isProcedure { words.append("IN") }
      case .table: break
      }
      if !argument.name.isEmpty { words.append(SystemName.quoted(argument.name)) }
      words.append(argument.type.name)
      if !isIdentity, let initial = argument.defaultSQL { words.append("DEFAULT " + initial) }
      return words.joined(separator: " ")
    }.joined(separator: ", ")
  }
  /// CREATE OR REPLACE ….
  var definition: String {
    let word = isProcedure ? "PROCEDURE" : "FUNCTION"
    var lines = ["CREATE OR REPLACE \(word) public.\(SystemName.quoted(name))(\(shownArguments(isIdentity: false)))"]
    if let shownResult { lines.append(" RETURNS \(shownResult)") }
    lines.append(" LANGUAGE \(language)")
    var words: [String] = []
    if volatility == .immutable { words.append("IMMUTABLE") }
    if volatility == .stable { words.append("STABLE") }
    if isStrict { words.append("STRICT") }
    if !words.isEmpty { lines.append(" " + words.joined(separator: " ")) }
    var tag = "$\(word.lowercased())$"
    while body.contains(tag) { tag = "$x\(tag.dropFirst())" }
    lines.append("AS \(tag)\(body)\(tag)")
    return lines.joined(separator: "\n") + "\n"
  }
}
