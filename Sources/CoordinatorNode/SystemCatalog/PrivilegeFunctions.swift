// PrivilegeFunctions.swift — has_…_privilege: whether a role may do something with an object.
//
// Roles have no privileges of their own yet: whoever may log in may do what can be done at all. So the answer is true for every
// object that exists, as PostgreSQL's is for a superuser; names and words are checked as PostgreSQL does.
import Model
import Planning

extension SystemRelations {
  func privilegeFunctions(_ name: String) -> [HostedFunction] {
    /// (object, privilege) and (user, object, privilege), user and object by name or number.
    func function(_ words: [String], byName: @escaping Existence, byNumber: @escaping @Sendable (Int64) -> Bool) -> [HostedFunction] {
      var out: [HostedFunction] = []
      for object in [DataType.text, .oid] {
        let exists: @Sendable (Value) throws(TallyError) -> Bool = { (value) throws(TallyError) in
          switch value {
          case .text(let text): return try byName(text)
          case .fixed(let number): return byNumber(number)
          default: return false
          }
        }
        out.append(
          HostedFunction(name, [object, .text], .boolean) { (arguments) throws(TallyError) in
            let found = try exists(arguments[0])
            try Self.check(arguments.text(1), words)
            return .truth(found ? true : nil)
          }
        )
        for user in [DataType.name, .oid] {
          out.append(
            HostedFunction(name, [user, object, .text], .boolean) { (arguments) throws(TallyError) in
              try self.checkUser(arguments[0])
              let found = try exists(arguments[1])
              try Self.check(arguments.text(2), words)
              return .truth(found ? true : nil)
            }
          )
        }
      }
      return out
    }
    func never(_ kind: String) -> Existence {
      { (text) throws(TallyError) in throw .sql("42704", "\(kind) \"\(text)\" does not exist") }
    }
    let tableWords = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "RULE"]
    let columnWords = ["SELECT", "INSERT", "UPDATE", "REFERENCES"]
    let relation: Existence = { (text) throws(TallyError) in
      _ = try self.existing(text)
      return true
    }
    switch name {
    case "has_table_privilege": return function(tableWords, byName: relation) { self.index[oid: $0] != nil }
    case "has_any_column_privilege": return function(columnWords, byName: relation) { self.index[oid: $0] != nil }
    case "has_sequence_privilege":
      return function(["USAGE", "SELECT", "UPDATE"]) { (text) throws(TallyError) in
        throw .sql("42809", "\"\(try self.existing(text).name)\" is not a sequence")
      } byNumber: {
        _ in
        false
      }
    case "has_schema_privilege":
      return function(["CREATE", "USAGE"]) { (text) throws(TallyError) in
        _ = try self.schema(text)
        return true
      } byNumber: { number in
        self.schemas.contains { $0.oid == number }
      }
    case "has_database_privilege":
      return function(["CREATE", "TEMPORARY", "TEMP", "CONNECT"]) { (text) throws(TallyError) in
        guard text == self.facts.database else { throw .sql("3D000", "database \"\(text)\" does not exist") }
        return true
      } byNumber: {
        $0 == ObjectNumbers.database
      }
    case "has_function_privilege":
      return function(["EXECUTE"]) { (text) throws(TallyError) in
        guard try self.functionExists(text) else { throw .sql("42883", "function \"\(text)\" does not exist") }
        return true
      } byNumber: {
        PostgresFunctions.all[oid: $0] != nil
      }
    case "has_type_privilege":
      return function(["USAGE"]) { (text) throws(TallyError) in
        _ = try self.lookUp(text, as: .regtype)
        return true
      } byNumber: {
        PostgresTypes.all[oid: $0] != nil
      }
    case "has_language_privilege":
      return function(["USAGE"]) { (text) throws(TallyError) in
        guard ["internal", "sql"].contains(text) else { throw .sql("42704", "language \"\(text)\" does not exist") }
        return true
      } byNumber: {
        $0 == 12 || $0 == 14
      }
    case "has_tablespace_privilege":
      return function(["CREATE"]) { (text) throws(TallyError) in
        guard text == "pg_default" else { throw .sql("42704", "tablespace \"\(text)\" does not exist") }
        return true
      } byNumber: {
        $0 == ObjectNumbers.defaultTablespace
      }
    case "has_foreign_data_wrapper_privilege": return function(["USAGE"], byName: never("foreign-data wrapper")) { _ in false }
    case "has_server_privilege": return function(["USAGE"], byName: never("server")) { _ in false }
    case "pg_has_role":
      return function(["MEMBER", "USAGE", "SET"]) { (text) throws(TallyError) in
        _ = try self.role(text)
        return true
      } byNumber: {
        self.roleName($0) != nil
      }
    case "has_column_privilege": return columnPrivilege(name, columnWords)
    default: return []
    }
  }
  /// Whether an object of a name exists; most fail when it does not.
  typealias Existence = @Sendable (String) throws(TallyError) -> Bool

  /// (table, column, privilege) and (user, table, column, privilege), each by name or number.
  private func columnPrivilege(_ name: String, _ words: [String]) -> [HostedFunction] {
    var out: [HostedFunction] = []
    for table in [DataType.text, .oid] {
      for column in [DataType.text, .smallint] {
        for user in [nil, DataType.name, .oid] {
          let types = (user.map { [$0] } ?? []) + [table, column, .text]
          let first = types.count - 3
          out.append(
            HostedFunction(name, types, .boolean) { (arguments) throws(TallyError) in
              if first > 0 { try self.checkUser(arguments[0]) }
              var entry: RelationRecord?
              if case .text(let text) = arguments[first] {
                entry = try self.existing(text)
              } else {
                entry = self.index[oid: arguments.number(first)]
              }
              try Self.check(arguments.text(first + 2), words)
              guard let entry else { return .null }
              if case .text(let text) = arguments[first + 1] {
                try Self.requireColumn(text, entry)
                return .truth(true)
              }
              return .truth(entry.columns.indices.contains(Int(arguments.number(first + 1)) - 1) ? true : nil)
            }
          )
        }
      }
    }
    return out
  }
  private func checkUser(_ user: Value) throws(TallyError) {
    // PostgreSQL takes numbers of nobody, and every name may log in here; but a name that nobody bears is a mistake.
    if case .text(let name) = user, name != "public" { _ = try role(name) }
  }
  /// A list of privileges between commas, each perhaps WITH GRANT OPTION (of roles: ADMIN).
  private static func check(_ text: String, _ words: [String]) throws(TallyError) {
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let word = part.split(whereSeparator: { $0.isWhitespace }).joined(separator: " ")
      var bare = word.uppercased()
      for suffix in [" WITH GRANT OPTION", " WITH ADMIN OPTION"] where bare.hasSuffix(suffix) { bare.removeLast(suffix.count) }
      guard words.contains(bare) else { throw .sql("22023", "unrecognized privilege type: \"\(word)\"") }
    }
  }
  /// `name(type, …)`.
  private func functionExists(_ text: String) throws(TallyError) -> Bool {
    guard let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")"), open < close else {
      throw .sql("22P02", "expected a left parenthesis")
    }
    var types: [Int64] = []
    for part in text[text.index(after: open)..<close].split(separator: ",") { types.append(try lookUp(String(part), as: .regtype)) }
    return try functions(try SystemName(String(text[..<open]))).contains { $0.arguments == types }
  }
}
