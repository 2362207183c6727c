// ObjectLookup.swift — reg… types: the number of an object by its name, and the text that shows a number by name.
import Model

extension SystemRelations {
  func lookUp(_ name: String, as type: DataType) throws(TallyError) -> Int64 {
    if name == "-" { return 0 }
    if Self.isNumber(name) {
      guard let number = UInt32(name) else { throw .sql("22003", "value \"\(name)\" is out of range for type oid") }
      return Int64(number)
    }
    switch type {
    case .regclass:
      let parsed = try SystemName(name)
      guard let entry = try relation(parsed) else { throw Self.noRelation(parsed) }
      return entry.oid
    case .regtype:
      guard let oid = try TypeNumbers.number(named: name, in: searchedSchemas) else {
        throw .sql("42704", "type \"\(name)\" does not exist")
      }
      return oid
    case .regproc:
      let found = try functions(try SystemName(name))
      guard let first = found.first else { throw .sql("42883", "function \"\(name)\" does not exist") }
      guard found.count == 1 else { throw .sql("42725", "more than one function named \"\(name)\"") }
      return first.oid
    case .regnamespace:
      let parsed = try SystemName(name)
      guard parsed.parts.count == 1 else { throw .sql("42602", "invalid name syntax") }
      return try schema(parsed.name).oid
    case .regrole:
      let parsed = try SystemName(name)
      guard parsed.parts.count == 1 else { throw .sql("42602", "invalid name syntax") }
      return try role(parsed.name)
    default: throw TallyError(.internalError, "no objects of type \(type.name)")
    }
  }

  /// Whether a name is an object's number.
  static func isNumber(_ name: String) -> Bool { !name.isEmpty && name.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } }

  func text(of object: Int64, as type: DataType) -> String {
    let number = String(object)
    if object == 0 { return type == .oid ? number : "-" }
    switch type {
    case .regclass: return index[oid: object].map { qualified($0.name, $0.namespace, $0.schema) } ?? number
    case .regtype:
      guard PostgresTypes.all[oid: object] != nil else { return number }
      return TypeNumbers.text(of: object, modifier: nil, isVisible: isSearched)
    case .regproc:
      guard let function = PostgresFunctions.all[oid: object] else { return number }
      let name = SystemName.quoted(function.name)
      // Of several functions of a name the schema is shown, as PostgreSQL does.
      if PostgresFunctions.all[name: function.name].count == 1 && isSearched(function.namespace) { return name }
      return (SchemaEntry.all.first { $0.oid == function.namespace }?.name ?? "?") + "." + name
    case .regnamespace: return schemas.first { $0.oid == object }.map { SystemName.quoted($0.name) } ?? number
    case .regrole: return roleName(object).map { SystemName.quoted($0) } ?? number
    default: return number
    }
  }
  func qualified(_ name: String, _ namespace: Int64, _ schema: String) -> String {
    isVisible(name, namespace) ? SystemName.quoted(name) : SystemName.quoted(schema) + "." + SystemName.quoted(name)
  }
  /// Whether a relation is what its name without schema finds.
  func isVisible(_ name: String, _ namespace: Int64) -> Bool {
    searchedSchemas.lazy.compactMap { self.index[$0, name] }.first?.namespace == namespace
  }

  static func noRelation(_ name: SystemName) -> TallyError { .sql("42P01", "relation \"\(name.text)\" does not exist") }
  /// A relation by its name; nil when there is none. 3F000 for a schema that does not exist.
  func relation(_ name: SystemName) throws(TallyError) -> RelationRecord? {
    guard name.parts.count <= 3 else {
      throw .sql("42601", "improper relation name (too many dotted names): \(name.text)")
    }
    if name.parts.count == 3 && name.parts[0] != facts.database {
      throw .sql("0A000", "cross-database references are not implemented: \"\(name.text)\"")
    }
    if let schema = name.schema { return index[try self.schema(schema).name, name.name] }
    return searchedSchemas.lazy.compactMap { self.index[$0, name.name] }.first
  }
  /// A relation by its name, or 42P01.
  func existing(_ name: String) throws(TallyError) -> RelationRecord {
    let parsed = try SystemName(name)
    guard let entry = try relation(parsed) else { throw Self.noRelation(parsed) }
    return entry
  }
  func schema(_ name: String) throws(TallyError) -> SchemaEntry {
    let wanted = name == TemporarySchema.alias ? facts.temporarySchema ?? name : name
    guard let found = schemas.first(where: { $0.name == wanted }) else {
      throw .sql("3F000", "schema \"\(name)\" does not exist")
    }
    return found
  }
  func role(_ name: String) throws(TallyError) -> Int64 {
    guard let oid = roleNumber(name) else { throw .sql("42704", "role \"\(name)\" does not exist") }
    return oid
  }
  /// Functions of a name that the search path finds.
  func functions(_ name: SystemName) throws(TallyError) -> [PostgresFunctionRecord] {
    let all = PostgresFunctions.all[name: name.name]
    guard let schema = name.schema else { return all.filter { isSearched($0.namespace) } }
    let oid = try self.schema(schema).oid
    return all.filter { $0.namespace == oid }
  }
}
