// SessionFunctions.swift — functions about the session and its server: who, where, settings.
import Model
import Planning

extension SystemRelations {
  func sessionFunctions(_ name: String) -> [HostedFunction] {
    let facts = facts
    func constant(_ type: DataType, _ value: Value) -> [HostedFunction] { [HostedFunction(name, [], type) { _ in value }] }
    switch name {
    case "current_database", "current_catalog": return constant(.name, .text(facts.database))
    case "current_user", "current_role", "user": return constant(.name, .text(facts.user))
    case "session_user": return constant(.name, .text(facts.sessionUser))
    case "current_schema":
      let path = facts.searchPath.map { $0 == TemporarySchema.alias ? facts.temporarySchema ?? $0 : $0 }
      return constant(.name, .optional(path.first { name in self.schemas.contains { $0.name == name } }))
    case "current_schemas":
      let searched = searchedSchemas
      return [
        HostedFunction(name, [.boolean], .array(.name)) { (arguments) throws(TallyError) in
          let named = arguments.isTrue(0) ? searched : facts.searchPath
          let existing = named.filter { name in self.schemas.contains { $0.name == name } }
          return try ArrayValue(.name, existing.map { .text($0) }).value()
        }
      ]
    case "version": return constant(.text, .text("PostgreSQL \(facts.serverVersion) on x86_64-linux, 64-bit"))
    case "pg_backend_pid": return constant(.integer, .fixed(Int64(facts.processID)))
    case "pg_cancel_backend":
      return [
        HostedFunction(name, [.integer], .boolean, isStable: false) { (arguments) throws(TallyError) in
          .truth(try facts.end(Int32(truncatingIfNeeded: arguments.number(0)), false))
        }
      ]
    case "pg_terminate_backend":
      return [[DataType.integer], [.integer, .bigint]].map { types in
        HostedFunction(name, types, .boolean, isStable: false) { (arguments) throws(TallyError) in
          if arguments.count > 1, arguments.number(1) != 0 {
            throw arguments.number(1) < 0
              ? .sql("22003", "\"timeout\" must not be negative")
              : .sql("0A000", "pg_terminate_backend with a timeout is not supported", hint: "Ask pg_stat_activity whether it has ended.")
          }
          return .truth(try facts.end(Int32(truncatingIfNeeded: arguments.number(0)), true))
        }
      }
    case "inet_server_addr": return constant(.text, .optional(facts.serverAddress))
    case "inet_server_port": return constant(.integer, .optional(facts.serverPort.map(Int64.init)))
    case "inet_client_addr": return constant(.text, .optional(facts.clientAddress))
    case "inet_client_port": return constant(.integer, .optional(facts.clientPort.map(Int64.init)))
    case "pg_is_in_recovery": return constant(.boolean, .truth(false))
    case "pg_postmaster_start_time", "pg_conf_load_time": return constant(.timestamptz, .fixed(facts.serverStartedAt))
    case "pg_client_encoding", "getdatabaseencoding": return constant(.name, .text("UTF8"))
    case "pg_my_temp_schema":
      let own = schemas.first { $0.name == facts.temporarySchema }
      return constant(.oid, .fixed(own?.oid ?? 0))
    case "pg_is_other_temp_schema":
      return [
        HostedFunction(name, [.oid], .boolean) { [self] (arguments) in
          let oid = arguments.number(0)
          return .truth(schemas.first { $0.oid == oid }.map { isOthers($0.name) } ?? false)
        }
      ]
    // Advisory locks cannot be taken here, so there are none to give back: pools call this when they take a session back.
    case "pg_advisory_unlock_all": return constant(.void, .text(""))
    case "current_setting":
      return [
        HostedFunction(name, [.text], .text) { (arguments) throws(TallyError) in .text(try Self.setting(arguments.text(0), facts)) },
        HostedFunction(name, [.text, .boolean], .text) { (arguments) throws(TallyError) in
          arguments.isTrue(1) ? .optional(facts.setting(arguments.text(0))) : .text(try Self.setting(arguments.text(0), facts))
        },
      ]
    case "set_config":
      return [
        HostedFunction(name, [.text, .text, .boolean], .text, isStrict: false, isStable: false) { (arguments) throws(TallyError) in
          guard !arguments[0].isNull else { throw .sql("22004", "SET requires parameter name") }
          let value = arguments[1].isNull ? nil : arguments.text(1)
          return .text(try facts.set(arguments.text(0), value, arguments.isTrue(2)))
        }
      ]
    case "pg_encoding_to_char":
      return [HostedFunction(name, [.integer], .name) { .text(Encodings.name($0.number(0))) }]
    case "pg_char_to_encoding":
      return [HostedFunction(name, [.name], .integer) { .fixed(Encodings.number($0.text(0))) }]
    case "txid_current", "pg_current_xact_id", "txid_current_if_assigned", "pg_current_xact_id_if_assigned", "txid_current_snapshot",
      "pg_current_snapshot":
      return [
        HostedFunction(name, [], .bigint, isStable: false) { (_) throws(TallyError) in
          throw .sql("0A000", "\(name)() is not supported", hint: "Transactions have no numbers here.")
        }
      ]
    default: return []
    }
  }
  private static func setting(_ name: String, _ facts: SessionFacts) throws(TallyError) -> String {
    guard let value = facts.setting(name) else {
      throw .sql("42704", "unrecognized configuration parameter \"\(name)\"")
    }
    return value
  }
}

/// PostgreSQL's numbers of encodings; this server has UTF8 alone.
enum Encodings {
  private static let names = [
    "SQL_ASCII", "EUC_JP", "EUC_CN", "EUC_KR", "EUC_TW", "EUC_JIS_2004", "UTF8", "MULE_INTERNAL", "LATIN1", "LATIN2", "LATIN3", "LATIN4",
    "LATIN5", "LATIN6", "LATIN7", "LATIN8", "LATIN9", "LATIN10", "WIN1256", "WIN1258", "WIN866", "WIN874", "KOI8R", "WIN1251", "WIN1252",
    "ISO_8859_5", "ISO_8859_6", "ISO_8859_7", "ISO_8859_8", "WIN1250", "WIN1253", "WIN1254", "WIN1255", "WIN1257", "KOI8U", "SJIS", "BIG5",
    "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004",
  ]
  /// A number's name; empty when there is none.
  static func name(_ number: Int64) -> String { names.indices.contains(Int(number)) ? names[Int(number)] : "" }
  /// A name's number, in any case and with any signs between; -1 when there is none.
  static func number(_ name: String) -> Int64 {
    func plain(_ text: String) -> String { text.lowercased().filter { $0.isLetter || $0.isNumber } }
    return names.firstIndex { plain($0) == plain(name) }.map(Int64.init) ?? -1
  }
}
