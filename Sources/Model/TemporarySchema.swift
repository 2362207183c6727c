// TemporarySchema.swift — the schema that holds one session's temporary tables and views: `pg_temp_MEMBER_START_NUMBER`.
//
// The name says whose it is: the coordinator that serves the session by its number in the group, when that coordinator started, and which
// of its sessions. So whoever finds one in the catalog can tell whether the session may still be there; nothing else remembers it.
// Statements write `pg_temp` for their session's own.

/// The name of a session's temporary schema.
public struct TemporarySchema: Equatable, Sendable {
  /// The coordinator's number in its group.
  public var member: UInt64
  /// When it started, in microseconds.
  public var start: Int64
  /// Of the session, among those of that start.
  public var number: UInt64
  /// Makes a name.
  public init(member: UInt64, start: Int64, number: UInt64) {
    self.member = member
    self.start = start
    self.number = number
  }
  /// Takes a name apart; nil for a schema that is none of these.
  public init?(_ name: String) {
    guard Self.isOne(name) else { return nil }
    let parts = name.dropFirst(Self.prefix.count).split(separator: "_", omittingEmptySubsequences: false)
    guard parts.count == 3, let member = UInt64(parts[0], radix: 16), let start = Int64(parts[1], radix: 16), let number = UInt64(parts[2])
    else { return nil }
    self.init(member: member, start: start, number: number)
  }
  /// As the catalog has it.
  public var name: String { Self.prefix + String(member, radix: 16) + "_" + String(start, radix: 16) + "_" + String(number) }
  /// What a statement calls its session's.
  public static let alias = "pg_temp"
  private static let prefix = "pg_temp_"
  /// Whether a schema holds temporary objects: no statement can create another with such a name.
  public static func isOne(_ schema: String) -> Bool { schema.hasPrefix(prefix) }
}

/// ON COMMIT of a temporary table.
public enum OnCommit: Sendable, Equatable {
  case preserveRows
  case deleteRows
  case drop
}

extension TableSchema {
  /// Whether it belongs to one session.
  public var isTemporary: Bool { TemporarySchema.isOne(schemaName) }
}

extension CatalogSnapshot {
  /// Schemas that a name is looked up in, in order: those of the path, the session's temporary one first unless the path has it elsewhere;
  /// the one that is written before the name. Other sessions' temporary objects are found by nobody.
  public func places(_ schema: String?) -> [String] {
    let own = temporarySchema.flatMap { schemas.contains($0) ? $0 : nil }
    if let schema {
      if schema == TemporarySchema.alias { return own.map { [$0] } ?? [] }
      return TemporarySchema.isOne(schema) && schema != own ? [] : [schema]
    }
    guard let own else { return searchPath }
    guard searchPath.contains(TemporarySchema.alias) else { return [own] + searchPath }
    return searchPath.map { $0 == TemporarySchema.alias ? own : $0 }
  }
}
