// SettingDefinition.swift — the settings that exist, what each may be, and how PostgreSQL spells their values.
//
// Values are kept in the form that SHOW prints. What PostgreSQL knows and Tally cannot do (another DateStyle)
// is 0A000 with a hint, what neither knows 22023. Settings that only tune PostgreSQL's planner and memory are taken and mean
// nothing here; tools set them by habit.

internal import Model

/// One setting.
struct SettingDefinition: Sendable {
  enum Unit: Sendable {
    case none
    case milliseconds
    case kilobytes
  }
  enum Kind: Sendable {
    case boolean
    /// `standard_conforming_strings` and the like: PostgreSQL lets one turn it off, Tally does not.
    case alwaysOn
    case integer(ClosedRange<Int>, Unit)
    case number
    case choice([String])
    case text
    /// A list of identifiers.
    case names
    case encoding
    case dateStyle
    case intervalStyle
    case timeZone
    /// Cannot be set.
    case fixed
  }
  /// PostgreSQL's spelling.
  var name: String
  var kind: Kind
  var initial: String
  /// Sent to the client at the start and whenever it changes.
  var isReported = false
  var description = ""

  static let isolationLevels = ["serializable", "repeatable read", "read committed", "read uncommitted"]

  /// The definition of a name in any case.
  static func find(_ name: String) -> SettingDefinition? { table[name.lowercased()] }

  /// Whether a name begins as Citus's settings do and is none of those that schemas and tutorials set: those are taken, and mean nothing.
  static func isUnknownOfCitus(_ name: String) -> Bool {
    let key = name.lowercased()
    return key.hasPrefix("citus.") && !ofCitus.contains(key.dropFirst("citus.".count))
  }
  private static let ofCitus: Set<Substring> = [
    "all_modifications_commutative", "coordinator_aggregation_strategy", "count_distinct_error_rate", "enable_binary_protocol",
    "enable_ddl_propagation", "enable_local_execution", "enable_repartition_joins", "enable_repartitioned_insert_select",
    "executor_slow_start_interval", "explain_all_tasks", "explain_analyze_sort_method", "limit_clause_row_fetch_count",
    "local_table_join_policy", "log_remote_commands", "max_adaptive_executor_pool_size", "max_cached_conns_per_worker",
    "max_intermediate_result_size", "max_shared_pool_size", "multi_shard_commit_protocol", "multi_shard_modify_mode",
    "multi_task_query_log_level", "node_connection_timeout", "propagate_set_commands", "rebalancer_by_disk_size_base_cost",
    "shard_count", "shard_replication_factor", "stat_statements_purge_interval", "subquery_pushdown", "task_assignment_policy",
    "task_executor_type", "use_secondary_nodes", "use_citus_managed_tables", "writable_standby_coordinator",
  ]

  /// By lower-case name.
  static let table: [String: SettingDefinition] = Dictionary(
    uniqueKeysWithValues: all.map { ($0.name.lowercased(), $0) }
  )
  /// Names of those that are reported, in the order PostgreSQL sends them.
  static let reported = all.filter(\.isReported).map { $0.name.lowercased() }.sorted()

  static let all: [SettingDefinition] = {
    func on(_ name: String, _ initial: Bool = true) -> SettingDefinition {
      SettingDefinition(name: name, kind: .boolean, initial: initial ? "on" : "off")
    }
    func time(_ name: String, _ text: String) -> SettingDefinition {
      SettingDefinition(
        name: name,
        kind: .integer(0...Int(Int32.max), .milliseconds),
        initial: "0",
        description: text
      )
    }
    let session: [SettingDefinition] = [
      .init(name: "application_name", kind: .text, initial: "", isReported: true, description: "Name of the program."),
      .init(name: "client_encoding", kind: .encoding, initial: "UTF8", isReported: true),
      .init(name: "DateStyle", kind: .dateStyle, initial: "ISO, MDY", isReported: true),
      .init(name: "default_transaction_read_only", kind: .boolean, initial: "off", isReported: true),
      .init(name: "in_hot_standby", kind: .fixed, initial: "off", isReported: true),
      .init(name: "integer_datetimes", kind: .fixed, initial: "on", isReported: true),
      .init(name: "IntervalStyle", kind: .intervalStyle, initial: "postgres", isReported: true),
      .init(name: "is_superuser", kind: .fixed, initial: "off", isReported: true),
      .init(name: "server_encoding", kind: .fixed, initial: "UTF8", isReported: true),
      .init(name: "server_version", kind: .fixed, initial: "", isReported: true),
      .init(name: "session_authorization", kind: .fixed, initial: "", isReported: true),
      .init(name: "standard_conforming_strings", kind: .alwaysOn, initial: "on", isReported: true),
      .init(name: "TimeZone", kind: .timeZone, initial: "Etc/UTC", isReported: true),
      .init(name: "server_version_num", kind: .fixed, initial: "150000"),
      .init(name: "data_directory", kind: .fixed, initial: ""),
      .init(name: "max_identifier_length", kind: .fixed, initial: "63"),
      // What pgjdbc asks for before it tells of foreign keys.
      .init(name: "max_index_keys", kind: .fixed, initial: "32"),
      .init(name: "block_size", kind: .fixed, initial: "8192"),
      .init(name: "lc_collate", kind: .fixed, initial: "C"),
      .init(name: "lc_ctype", kind: .fixed, initial: "C"),
      .init(
        name: "topn.number_of_counters",
        kind: .integer(1...Limits.topNItemsMax, .none),
        initial: "1000",
        description: "Counters of a topn that states no number of them."
      ),
      .init(name: "search_path", kind: .names, initial: "\"$user\", public"),
      .init(
        name: "extra_float_digits",
        kind: .integer(-15...3, .none),
        initial: "1",
        description: "Digits of floats in results; above 0 they read back as themselves."
      ),
      .init(name: "bytea_output", kind: .choice(["hex"]), initial: "hex"),
      .init(name: "role", kind: .choice(["none"]), initial: "none"),
      .init(name: "client_min_messages", kind: .choice(logLevels), initial: "notice"),
      .init(name: "default_transaction_isolation", kind: .choice(isolationLevels), initial: "read committed"),
      .init(name: "transaction_isolation", kind: .choice(isolationLevels), initial: "read committed"),
      on("default_transaction_deferrable", false), on("transaction_deferrable", false), on("transaction_read_only", false),
      time("statement_timeout", "Ends any statement that takes longer; 0 never does."),
      time("lock_timeout", ""),
      time("idle_in_transaction_session_timeout", "Ends sessions that stand idle in a transaction longer; 0 never does."),
      time("idle_session_timeout", "Ends sessions that stand idle outside of a transaction longer; 0 never does."),
    ]
    let ignored: [SettingDefinition] =
      [
        "array_nulls", "check_function_bodies", "enable_bitmapscan", "enable_gathermerge", "enable_hashagg",
        "enable_hashjoin", "enable_incremental_sort", "enable_indexonlyscan", "enable_indexscan", "enable_material",
        "enable_memoize", "enable_mergejoin", "enable_nestloop", "enable_parallel_append", "enable_parallel_hash",
        "enable_partition_pruning", "enable_seqscan", "enable_sort", "enable_tidscan", "escape_string_warning",
        "geqo", "synchronize_seqscans",
      ].map { on($0) }
      + [
        "debug_print_parse", "debug_print_plan", "default_with_oids", "enable_partitionwise_aggregate",
        "enable_partitionwise_join", "jit", "log_statement_stats", "quote_all_identifiers", "row_security",
        "track_activities", "transform_null_equals",
      ].map { on($0, false) }
      + ["lc_messages", "lc_monetary", "lc_numeric", "lc_time"].map { .init(name: $0, kind: .text, initial: "C") }
      + ["cpu_index_tuple_cost", "cpu_operator_cost", "cpu_tuple_cost", "random_page_cost", "seq_page_cost"].map {
        .init(name: $0, kind: .number, initial: "1")
      }
      + [("work_mem", 4096), ("maintenance_work_mem", 65_536), ("temp_buffers", 8192), ("effective_cache_size", 4_194_304)].map {
        .init(name: $0.0, kind: .integer(64...Int(Int32.max), .kilobytes), initial: shown($0.1, .kilobytes))
      }
      + [("from_collapse_limit", 8), ("join_collapse_limit", 8), ("max_parallel_workers_per_gather", 2)].map {
        .init(name: $0.0, kind: .integer(0...Int(Int32.max), .none), initial: String($0.1))
      }
      + [
        .init(name: "backslash_quote", kind: .choice(["safe_encoding", "on", "off"]), initial: "safe_encoding"),
        .init(name: "default_table_access_method", kind: .text, initial: "heap"),
        .init(name: "default_tablespace", kind: .text, initial: ""),
        .init(name: "plan_cache_mode", kind: .choice(["auto", "force_generic_plan", "force_custom_plan"]), initial: "auto"),
        .init(name: "session_replication_role", kind: .choice(["origin"]), initial: "origin"),
        .init(name: "synchronous_commit", kind: .choice(["on", "off", "local", "remote_write", "remote_apply"]), initial: "on"),
        .init(name: "xmloption", kind: .choice(["content", "document"]), initial: "content"),
      ]
    return session + ignored
  }()
  private static let logLevels = ["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"]

  private func invalid(_ value: String, hint: String? = nil) -> TallyError {
    .sql("22023", "invalid value for parameter \"\(name)\": \"\(value)\"", hint: hint)
  }
  private func unsupported(_ value: String, _ hint: String) -> TallyError {
    .sql("0A000", "\(name) \"\(value)\" is not supported", hint: hint)
  }
  /// The value in the form that is kept and shown.
  func canonical(_ value: String) throws(TallyError) -> String {
    switch kind {
    case .fixed: throw .sql("55P02", "parameter \"\(name)\" cannot be changed")
    case .boolean: return try boolean(value) ? "on" : "off"
    case .alwaysOn:
      guard try boolean(value) else { throw unsupported("off", "Write E'…' for strings with backslash escapes.") }
      return "on"
    case .integer(let range, let unit): return Self.shown(try integer(value, range, unit), unit)
    case .number:
      guard let number = Double(value), number.isFinite else { throw invalid(value) }
      return value
    case .choice(let words):
      let word = value.lowercased()
      guard words.contains(word) else {
        throw invalid(value, hint: "Available values: \(words.joined(separator: ", ")).")
      }
      return word
    case .text:
      // PostgreSQL keeps visible ASCII in names of programs, and question marks for the rest.
      guard name == "application_name" else { return value }
      return String(decoding: value.utf8.map { $0 >= 0x20 && $0 < 0x7f ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    case .names: return value
    case .encoding: return try encoding(value)
    case .dateStyle: return try dateStyle(value)
    case .intervalStyle:
      switch value.lowercased() {
      case "postgres": return "postgres"
      case "postgres_verbose", "sql_standard", "iso_8601": throw unsupported(value, "Intervals print in the style postgres.")
      default: throw invalid(value, hint: "Available values: postgres.")
      }
    case .timeZone: return try timeZone(value)
    }
  }
  private func boolean(_ value: String) throws(TallyError) -> Bool {
    let word = value.lowercased()
    for (full, truth) in [("true", true), ("yes", true), ("false", false), ("no", false)] where !word.isEmpty && full.hasPrefix(word) {
      return truth
    }
    switch word {
    case "on", "1": return true
    case "off", "of", "0": return false
    default: throw .sql("22023", "parameter \"\(name)\" requires a Boolean value")
    }
  }
  private func integer(_ value: String, _ range: ClosedRange<Int>, _ unit: Unit) throws(TallyError) -> Int {
    let trimmed = value.drop { $0 == " " }
    let digits = trimmed.prefix { $0.isASCII && ($0.isNumber || $0 == "-" || $0 == "+" || $0 == ".") }
    let suffix = String(trimmed[digits.endIndex...].filter { $0 != " " })
    let units = Self.units(unit)
    guard let number = Double(digits), number.isFinite else { throw invalid(value) }
    guard let factor = suffix.isEmpty ? 1 : units.first(where: { $0.0 == suffix })?.1 else {
      let names = units.map { "\"\($0.0)\"" }
      let list = names.dropLast().joined(separator: ", ") + (names.last.map { ", and \($0)" } ?? "")
      throw invalid(value, hint: units.isEmpty ? nil : "Valid units for this parameter are \(list).")
    }
    let scaled = (number * factor).rounded()
    guard scaled >= Double(range.lowerBound), scaled <= Double(range.upperBound) else {
      let unit = unit == .milliseconds ? " ms" : unit == .kilobytes ? " kB" : ""
      let given = scaled.magnitude < 1e15 ? String(Int(scaled)) : value
      throw .sql(
        "22023",
        "\(given)\(unit) is outside the valid range for parameter \"\(name)\" (\(range.lowerBound) .. \(range.upperBound))"
      )
    }
    return Int(scaled)
  }
  private static func units(_ unit: Unit) -> [(String, Double)] {
    switch unit {
    case .none: []
    case .milliseconds: [("us", 0.001), ("ms", 1), ("s", 1000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
    case .kilobytes: [("B", 1.0 / 1024), ("kB", 1), ("MB", 1024), ("GB", 1_048_576), ("TB", 1_073_741_824)]
    }
  }
  /// In the largest unit that says it exactly.
  static func shown(_ value: Int, _ unit: Unit) -> String {
    guard value != 0 else { return "0" }
    for (name, factor) in units(unit).reversed() where factor >= 1 && value % Int(factor) == 0 { return "\(value / Int(factor))\(name)" }
    return String(value)
  }
  /// The milliseconds of a value in its shown form.
  static func milliseconds(_ shown: String) -> Int {
    let digits = shown.prefix { $0.isNumber }
    let factor = units(.milliseconds).first { $0.0 == shown[digits.endIndex...] }?.1 ?? 1
    return (Int(digits) ?? 0) * Int(factor)
  }
  private func encoding(_ value: String) throws(TallyError) -> String {
    // asyncpg sends the name in quotes; dashes, blanks and underscores mean nothing.
    let name = String(value.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber) })
    switch name {
    case "utf8", "unicode": return "UTF8"
    case "sqlascii": return "SQL_ASCII"
    case _ where name.hasPrefix("latin") || name.hasPrefix("win") || name.hasPrefix("iso") || name.hasPrefix("euc"):
      throw unsupported(value, "Set client_encoding to UTF8.")
    default: throw invalid(value)
    }
  }
  private func dateStyle(_ value: String) throws(TallyError) -> String {
    for word in value.lowercased().split(whereSeparator: { $0 == "," || $0 == " " }) {
      switch word {
      case "iso", "default", "mdy", "us", "noneuro", "noneuropean": break
      // Taken, they would have dates read as others than were written.
      case "dmy", "euro", "european", "ymd": throw unsupported(value, "Dates are read in the order MDY; write YYYY-MM-DD.")
      case "sql", "postgres", "german": throw unsupported(value, "Dates print in the style ISO.")
      default: throw invalid(value)
      }
    }
    return "ISO, MDY"
  }
  private func timeZone(_ value: String) throws(TallyError) -> String {
    let lower = value.lowercased()
    if lower.hasPrefix("interval") {
      let quoted = value.dropFirst(8).drop { $0 == " " }
      guard quoted.count > 2, quoted.first == "'", quoted.last == "'" else { throw invalid(value) }
      let parsed = try ValueText.parse(String(quoted.dropFirst().dropLast()), as: .interval)
      guard case .interval(let span) = parsed, span.months == 0, span.days == 0 else {
        let unit = if case .interval(let span) = parsed, span.months != 0 { "months" } else { "days" }
        throw .sql(
          "22023",
          "invalid value for parameter \"TimeZone\": \"\(value)\"",
          detail: "Cannot specify \(unit) in time zone interval."
        )
      }
      return try fixedZone(seconds: Double(span.microseconds) / 1e6, value)
    }
    // A number is hours east.
    if let hours = Double(value), hours.isFinite { return try fixedZone(seconds: hours * 3600, value) }
    guard let zone = ClockZone.named(value) else { throw invalid(value) }
    return zone.name
  }
  private func fixedZone(seconds: Double, _ value: String) throws(TallyError) -> String {
    guard seconds.magnitude <= 167 * 3600 else {
      throw .sql("22023", "invalid value for parameter \"TimeZone\": \"\(value)\"", detail: "UTC timezone offset is out of range.")
    }
    return ClockZone.fixed(east: Int64(seconds.rounded(.towardZero))).name
  }
}
