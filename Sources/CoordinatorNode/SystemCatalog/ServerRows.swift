// ServerRows.swift — rows of pg_catalog about the server: database, roles, settings, sessions, extensions, languages, collations.
//
// Statistics that nobody counts are NULL.
import Model

/// A role with its number.
struct RoleEntry: Sendable {
  var oid: Int64
  var fact: RoleFact
}

/// An extension as clients look for it, at the version whose functions and types exist here.
struct ExtensionEntry: Sendable {
  var name: String
  var version: String
  var schema: Int64
  var comment: String
  static let all = [
    ExtensionEntry(
      name: "plpgsql",
      version: "1.0",
      schema: ObjectNumbers.catalogSchema,
      comment: "PL/pgSQL procedural language"
    ),
    ExtensionEntry(name: "hll", version: "2.18", schema: ObjectNumbers.publicSchema, comment: "type for storing hyperloglog data"),
    ExtensionEntry(name: "topn", version: "2.6.0", schema: ObjectNumbers.publicSchema, comment: "type for top-n JSONB"),
    ExtensionEntry(name: "citus", version: "12.1-1", schema: ObjectNumbers.catalogSchema, comment: "Citus distributed database"),
  ]
  static func number(_ at: Int) -> Int64 { ObjectNumbers.extensions + Int64(at) }
}

/// What COMMENT would have said of an object.
struct SystemDescription: Sendable {
  /// The object, and the relation it stands in.
  var object: Int64
  var catalog: Int64
  /// Of a column its number, from 1.
  var part: Int64 = 0
  var text: String
  /// Those that are always there.
  static let all: [SystemDescription] =
    ExtensionEntry.all.indices.map {
      SystemDescription(object: ExtensionEntry.number($0), catalog: 3079, text: ExtensionEntry.all[$0].comment)
    }
    + [
      SystemDescription(object: ObjectNumbers.catalogSchema, catalog: 2615, text: "system catalog schema"),
      SystemDescription(object: ObjectNumbers.publicSchema, catalog: 2615, text: "standard public schema"),
    ]
}

/// What pg_am has: an index that is only listed names the one it was asked for with.
struct AccessMethod: Sendable {
  var oid: Int64
  var name: String
  var handler: String
  static let all = [
    AccessMethod(oid: ObjectNumbers.heap, name: "heap", handler: "heap_tableam_handler"),
    AccessMethod(oid: ObjectNumbers.btree, name: "btree", handler: "bthandler"),
    AccessMethod(oid: 405, name: "hash", handler: "hashhandler"), AccessMethod(oid: 783, name: "gist", handler: "gisthandler"),
    AccessMethod(oid: 2742, name: "gin", handler: "ginhandler"), AccessMethod(oid: 4000, name: "spgist", handler: "spghandler"),
    AccessMethod(oid: 3580, name: "brin", handler: "brinhandler"),
  ]
}

extension SystemRelations {
  /// All of them: COMMENT ON has added some.
  var descriptions: [SystemDescription] {
    var out = SystemDescription.all
    for table in catalog.tables where !table.comments.isEmpty {
      let constraints = ConstraintRecord.all(of: table, in: catalog)
      let indexes = IndexRecord.all(of: table)
      for comment in table.comments {
        let (object, relation, part): (Int64?, Int64, Int) =
          switch comment.subject {
          case .table: (ObjectNumbers.relation(table.objectID), 1259, 0)
          case .column(let number): (ObjectNumbers.relation(table.objectID), 1259, number + 1)
          case .constraint(let name): (constraints.first { $0.name == name }?.oid, 2606, 0)
          case .index(let name): (indexes.first { $0.name == name }?.oid, 1259, 0)
          }
        guard let object else { continue }
        out.append(SystemDescription(object: object, catalog: relation, part: Int64(part), text: comment.text))
      }
    }
    return out
  }
  /// The owner, the session's user, and what else is known.
  var roles: [RoleEntry] {
    var out = [RoleEntry(oid: ObjectNumbers.owner, fact: RoleFact(name: facts.owner))]
    let own = [RoleFact(name: facts.sessionUser), RoleFact(name: facts.user)]
    for fact in facts.roles + own where !out.contains(where: { $0.fact.name == fact.name }) {
      out.append(RoleEntry(oid: ObjectNumbers.user(fact.name), fact: fact))
    }
    return out
  }

  func serverRows(_ name: String) -> SystemRows? {
    switch name {
    case "pg_database": return SystemRows([facts.database], Self.database)
    case "pg_roles", "pg_user": return SystemRows(roles, Self.role)
    case "pg_settings": return SystemRows(facts.settings(), Self.setting)
    case "pg_stat_activity": return SystemRows(facts.sessions(), activity)
    case "pg_stat_user_tables", "pg_stat_all_tables":
      let tables = index.entries.filter { ($0.kind == "r" || $0.kind == "m") && (name == "pg_stat_all_tables" || !$0.isSystem) }
      return SystemRows(tables) { name in
        switch name {
        case "relid": return { .number($0.oid) }
        case "schemaname": return { .text($0.schema) }
        case "relname": return { .text($0.name) }
        case "n_live_tup": return { .optional(self.rowCount(of: $0)) }
        default: return { _ in .null }
        }
      }
    case "pg_stat_database":
      return SystemRows([facts.database]) { name in
        switch name {
        case "datid": return { _ in .number(ObjectNumbers.database) }
        case "datname": return { .text($0) }
        case "numbackends": return { _ in .number(Int64(self.facts.sessions().count)) }
        default: return { _ in .null }
        }
      }
    case "pg_extension":
      return SystemRows(Array(ExtensionEntry.all.indices)) { name in
        switch name {
        case "oid": return { .number(ExtensionEntry.number($0)) }
        case "extname": return { .text(ExtensionEntry.all[$0].name) }
        case "extowner": return { _ in .number(ObjectNumbers.owner) }
        case "extnamespace": return { .number(ExtensionEntry.all[$0].schema) }
        case "extrelocatable": return { _ in .flag(false) }
        case "extversion": return { .text(ExtensionEntry.all[$0].version) }
        default: return { _ in .null }
        }
      }
    case "pg_available_extensions":
      return SystemRows(ExtensionEntry.all) { name in
        switch name {
        case "name": return { .text($0.name) }
        case "default_version", "installed_version": return { .text($0.version) }
        default: return { .text($0.comment) }
        }
      }
    case "pg_am":
      return SystemRows(AccessMethod.all) { name in
        switch name {
        case "oid": return { .number($0.oid) }
        case "amname": return { .text($0.name) }
        case "amhandler": return { .number(PostgresFunctions.all.number(of: $0.handler)) }
        default: return { .text($0.oid == ObjectNumbers.heap ? "t" : "i") }
        }
      }
    case "pg_tablespace":
      return SystemRows([ObjectNumbers.defaultTablespace]) { name in
        switch name {
        case "oid": return { .number($0) }
        case "spcname": return { _ in .text("pg_default") }
        case "spcowner": return { _ in .number(ObjectNumbers.owner) }
        default: return { _ in .null }
        }
      }
    case "pg_collation":
      return SystemRows([(ObjectNumbers.defaultCollation, "default"), (ObjectNumbers.plainCollation, "C")], Self.collation)
    case "pg_language": return SystemRows([(Int64(12), "internal"), (Int64(14), "sql")], Self.language)
    default: return nil
    }
  }

  private static func database(_ name: String) -> (String) -> Cell {
    switch name {
    case "oid": return { _ in .number(ObjectNumbers.database) }
    case "datname": return { .text($0) }
    case "datdba": return { _ in .number(ObjectNumbers.owner) }
    case "encoding": return { _ in .number(6) }
    case "datlocprovider": return { _ in .text("c") }
    case "datistemplate": return { _ in .flag(false) }
    case "datallowconn": return { _ in .flag(true) }
    case "datconnlimit": return { _ in .number(-1) }
    case "datfrozenxid", "datminmxid": return { _ in .number(0) }
    case "dattablespace": return { _ in .number(ObjectNumbers.defaultTablespace) }
    case "datcollate", "datctype": return { _ in .text("C") }
    default: return { _ in .null }
    }
  }
  private static func role(_ name: String) -> (RoleEntry) -> Cell {
    switch name {
    case "oid", "usesysid": return { .number($0.oid) }
    case "rolname", "usename": return { .text($0.fact.name) }
    case "rolsuper", "usesuper", "rolcreaterole", "rolcreatedb", "usecreatedb", "rolbypassrls", "usebypassrls":
      return { .flag($0.fact.isSuperuser) }
    case "rolinherit": return { _ in .flag(true) }
    case "rolcanlogin": return { .flag($0.fact.canLogIn) }
    case "rolreplication", "userepl": return { _ in .flag(false) }
    case "rolconnlimit": return { _ in .number(-1) }
    case "rolpassword", "passwd": return { _ in .text("********") }
    default: return { _ in .null }
    }
  }
  private static func setting(_ name: String) -> (SettingFact) -> Cell {
    switch name {
    case "name": return { .text($0.name) }
    case "setting", "reset_val": return { .text($0.value) }
    case "category": return { _ in .text("Session") }
    case "short_desc": return { .text($0.description) }
    case "context": return { .text($0.isSettable ? "user" : "internal") }
    case "vartype": return { .text($0.kind) }
    case "source": return { .text($0.initial == $0.value ? "default" : "session") }
    case "boot_val": return { .optional($0.initial) }
    case "pending_restart": return { _ in .flag(false) }
    default: return { _ in .null }
    }
  }
  /// pg_stat_activity, and the columns that citus_stat_activity shares with it.
  func activity(_ name: String) -> (SessionFact) -> Cell {
    switch name {
    case "datid": return { _ in .number(ObjectNumbers.database) }
    case "datname": return { _ in .text(self.facts.database) }
    case "pid": return { .number(Int64($0.processID)) }
    case "usesysid": return { session in .number(self.roleNumber(session.user) ?? ObjectNumbers.user(session.user)) }
    case "usename": return { .text($0.user) }
    case "application_name": return { .text($0.application) }
    case "client_addr": return { .optional($0.clientAddress) }
    case "client_port": return { .optional($0.clientPort.map(Int64.init)) }
    case "backend_start": return { .number($0.startedAt) }
    case "xact_start": return { .optional($0.transactionStartedAt) }
    case "query_start": return { .optional($0.statementStartedAt) }
    case "state_change": return { .optional($0.stateChangedAt) }
    case "state": return { .text($0.state) }
    case "query": return { .text($0.query) }
    case "backend_type": return { _ in .text("client backend") }
    default: return { _ in .null }
    }
  }
  private static func collation(_ name: String) -> ((Int64, String)) -> Cell {
    switch name {
    case "oid": return { .number($0.0) }
    case "collname": return { .text($0.1) }
    case "collnamespace": return { _ in .number(ObjectNumbers.catalogSchema) }
    case "collowner": return { _ in .number(ObjectNumbers.owner) }
    case "collprovider": return { .text($0.1 == "C" ? "c" : "d") }
    case "collisdeterministic": return { _ in .flag(true) }
    case "collencoding": return { _ in .number(-1) }
    case "collcollate", "collctype": return { $0.1 == "C" ? .text("C") : .null }
    default: return { _ in .null }
    }
  }
  private static func language(_ name: String) -> ((Int64, String)) -> Cell {
    switch name {
    case "oid": return { .number($0.0) }
    case "lanname": return { .text($0.1) }
    case "lanowner": return { _ in .number(ObjectNumbers.owner) }
    case "lanispl": return { _ in .flag(false) }
    case "lanpltrusted": return { .flag($0.1 == "sql") }
    case "lanplcallfoid", "laninline", "lanvalidator": return { _ in .number(0) }
    default: return { _ in .null }
    }
  }

  /// A role's number by its name; every name may log in where roles are not kept, so every name has one.
  func roleNumber(_ name: String) -> Int64? { roles.first { $0.fact.name == name }?.oid }
  /// A role's name by its number.
  func roleName(_ oid: Int64) -> String? { roles.first { $0.oid == oid }?.fact.name }
}
