// SyntaxBuilder+Copy.swift — COPY as written: what is copied, which way, and its options by name.
//
// PostgreSQL's grammar turns the old spelling (`csv header quote '"'`) into the same named options as `(format csv, header, …)`, so one
// reader serves both. What the options mean, and which go together, is the binder's (Planning/CopyBinder). Files and programs of the
// server are refused: whoever may speak SQL must not reach the machine's files.
import Model

/// COPY.
public struct CopySyntax: Sendable {
  /// What is copied.
  public enum Source: Sendable {
    /// A table, with the column list if one is written.
    case table(NameSyntax, columns: [String]?)
    /// `(SELECT …)`, only TO.
    case query(SelectSyntax)
    /// `(INSERT … RETURNING …)` and its kin, only TO.
    indirect case change(Statement)
  }
  /// An option.
  public struct Option: Sendable {
    /// The value of an option.
    public enum Value: Sendable {
      /// A word, number or text.
      case text(String)
      /// `(a, b)`.
      case columns([String])
      /// `*`.
      case all
    }
    /// Its name, folded to lower case.
    public var name: NameSyntax
    /// Its value; nil when absent.
    public var value: Value?
  }
  /// What is copied.
  public var source: Source
  /// FROM STDIN; else TO STDOUT.
  public var isFrom: Bool
  /// Options as written, old and new spelling alike.
  public var options: [Option]
}

extension SyntaxBuilder {
  func copy(_ body: Int, start: Int) throws(TallyError) -> CopySyntax {
    let here = position(atByte: firstToken(start))
    let isFrom = flag(body, "is_from")
    if let file = text(body, "filename") {
      let what = flag(body, "is_program") ? "a program of the server" : "a file of the server"
      throw .sql(
        "0A000",
        "COPY \(isFrom ? "from" : "to") \(what) is not supported",
        detail: "It names \"\(file)\".",
        hint: "Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone.",
        position: here
      )
    }
    if let condition = child(body, "whereClause") {
      throw .sql(
        "0A000",
        "COPY … WHERE is not supported",
        hint: "Copy all rows, or filter them before they are sent.",
        position: position(condition)
      )
    }
    var options: [CopySyntax.Option] = []
    for option in tape.elements(child(body, "options")) {
      guard let (_, element) = tape.tagged(option), let name = text(element, "defname") else { throw damaged(option) }
      var value: CopySyntax.Option.Value?
      if let argument = child(element, "arg") { value = try copyValue(argument) }
      options.append(CopySyntax.Option(name: NameSyntax(name: name, position: position(element)), value: value))
    }
    if let holder = child(body, "query") {
      guard let (tag, query) = tape.tagged(holder) else { throw damaged(holder) }
      if ["InsertStmt", "UpdateStmt", "DeleteStmt"].contains(tape.string(tag)) {
        guard child(query, "returningList") != nil else { throw .sql("0A000", "COPY query must have a RETURNING clause") }
        return CopySyntax(source: .change(try statement(tag, query, start: start)), isFrom: isFrom, options: options)
      }
      guard tape.matches(tag, "SelectStmt") else { throw unsupported("COPY of anything but a table or a query is", query) }
      return CopySyntax(source: .query(try select(query, depth: 0)), isFrom: isFrom, options: options)
    }
    guard let relation = child(body, "relation") else { throw damaged(body) }
    var columns: [String]?
    if let list = child(body, "attlist") {
      guard let names = strings(list) else { throw damaged(list) }
      columns = names
    }
    return CopySyntax(source: .table(try relationName(relation), columns: columns), isFrom: isFrom, options: options)
  }
  private func copyValue(_ argument: Int) throws(TallyError) -> CopySyntax.Option.Value {
    guard let (tag, inner) = tape.tagged(argument) else { throw damaged(argument) }
    if tape.matches(tag, "A_Star") { return .all }
    if tape.matches(tag, "List") {
      guard let names = strings(child(inner, "items")) else { throw damaged(inner) }
      return .columns(names)
    }
    return .text(try optionText(argument))
  }
}
