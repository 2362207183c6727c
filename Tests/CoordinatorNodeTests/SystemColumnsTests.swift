// SystemColumnsTests.swift — facts about PostgreSQL that stand in the sources, compared with a PostgreSQL 15 that runs beside the test.
import Model
import Planning
import Testing

@testable import CoordinatorNode

@Suite(.enabled(if: PostgresTrial.isInstalled, "PostgreSQL 15 is not installed"), .serialized)
struct SystemColumnsTests {
  @Test func theCatalogsHaveTheColumnsThatPostgreSQLHas() throws {
    let postgres = try PostgresTrial()
    let asked = try postgres.rows(
      """
      SELECT n.nspname || '.' || c.relname, c.oid, c.relkind, a.attname, t.typname, a.attnotnull
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
      JOIN pg_type t ON t.oid = a.atttypid
      WHERE n.nspname IN ('pg_catalog', 'information_schema') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.oid, a.attnum
      """
    )
    let theirs = Dictionary(grouping: asked, by: { $0[0] ?? "" })
    var compared = 0
    for definition in RelationDefinition.all where definition.oid < 16_384 {
      let ours = definition.columns.map { column in
        [
          definition.fullName, String(definition.oid), definition.kind, column.name, PostgresTypes.all[oid: column.typeNumber]?.name ?? "?",
          column.isNotNull ? "t" : "f",
        ]
      }
      #expect(ours == theirs[definition.fullName], "\(definition.fullName)")
      compared += 1
    }
    #expect(compared > 95)

    // Types: every column of pg_type but the access list and the defaults; functions by number.
    let columns = [
      "oid", "typname", "typnamespace", "typowner", "typlen", "typbyval", "typtype", "typcategory", "typispreferred", "typisdefined",
      "typdelim", "typrelid", "typsubscript", "typelem", "typarray", "typinput", "typoutput", "typreceive", "typsend", "typmodin",
      "typmodout", "typanalyze", "typalign", "typstorage", "typnotnull", "typbasetype", "typtypmod", "typndims", "typcollation",
    ]
    let functions = columns.filter {
      ["typsubscript", "typinput", "typoutput", "typreceive", "typsend", "typmodin", "typmodout", "typanalyze"].contains($0)
    }
    let list = columns.map { functions.contains($0) ? "\($0)::oid" : $0 }.joined(separator: ", ")
    let types = Dictionary(
      try postgres.rows("SELECT \(list) FROM pg_type").map { ($0[0] ?? "", $0) },
      uniquingKeysWith: { first, _ in first }
    )
    var same = 0
    for row in try SystemTrial.texts(SystemTrial.system(), "pg_catalog.pg_type", columns) {
      guard let oid = row[0], let number = Int64(oid), number < 16_384 else { continue }
      #expect(row == types[oid], "\(row[1] ?? "?")")
      same += 1
    }
    #expect(same > 95)

    // Functions.
    let fields = [
      "oid", "proname", "pronamespace", "prokind", "proisstrict", "proretset", "provolatile", "pronargs", "prorettype", "proargtypes",
      "provariadic",
    ]
    let wanted = fields.joined(separator: ", ")
    let procedures = Dictionary(
      try postgres.rows("SELECT \(wanted) FROM pg_proc").map { ($0[0] ?? "", $0) },
      uniquingKeysWith: { first, _ in first }
    )
    var called = 0
    for row in try SystemTrial.texts(SystemTrial.system(), "pg_catalog.pg_proc", fields) {
      guard let oid = row[0], let number = Int64(oid), number < 16_384 else { continue }
      #expect(row == procedures[oid], "\(row[1] ?? "?")")
      called += 1
    }
    #expect(called > 750)
    // Operators and casts.
    func equal(_ relation: String, _ columns: [String], regproc: Set<String>, least: Int) throws {
      let list = columns.map { regproc.contains($0) ? "\($0)::oid" : $0 }.joined(separator: ", ")
      let all = Dictionary(
        try postgres.rows("SELECT \(list) FROM \(relation)").map { ($0[0] ?? "", $0) },
        uniquingKeysWith: { first, _ in first }
      )
      let ours = try SystemTrial.texts(SystemTrial.system(), "pg_catalog." + relation, columns)
      for row in ours { #expect(row == all[row[0] ?? ""], "\(relation)") }
      #expect(ours.count >= least)
    }
    try equal("pg_cast", ["oid", "castsource", "casttarget", "castfunc", "castcontext", "castmethod"], regproc: [], least: 120)
    try equal(
      "pg_operator",
      [
        "oid", "oprname", "oprnamespace", "oprowner", "oprkind", "oprcanmerge", "oprcanhash", "oprleft", "oprright", "oprresult", "oprcode",
      ],
      regproc: ["oprcode"],
      least: 400
    )
    let words = try postgres.rows("SELECT word, catcode, barelabel, catdesc, baredesc FROM pg_get_keywords() ORDER BY word COLLATE \"C\"")
    let system = SystemTrial.system()
    let keywords = try #require(system.tableFunction(schema: nil, name: "pg_get_keywords"))
    #expect(SystemTrial.texts(try system.rows(of: keywords.name, columns: [0, 1, 2, 3, 4])) == words)
  }

  @Test func functionsAnswerAsPostgreSQLDoes() throws {
    let postgres = try PostgresTrial()
    let system = SystemTrial.system()
    func compare(_ name: String, _ types: [DataType], _ arguments: [Value], _ sql: String) throws {
      let theirs = try postgres.rows("SELECT \(name)(\(sql))")[0][0]
      #expect(try SystemTrial.call(system, name, types, arguments) == theirs, "\(name)(\(sql))")
    }
    for oid in [
      16, 17, 18, 19, 20, 21, 22, 23, 25, 26, 30, 114, 700, 701, 1007, 1009, 1014, 1015, 1042, 1043, 1082, 1114, 1184, 1186, 1231, 1700,
      2205, 2249, 2950, 3802, 0, 99_999, 13_226,
    ] {
      for modifier in [nil, -1, 14, 655_366] where modifier != 655_366 || oid == 1700 || oid == 1231 {
        if let modifier, modifier > 0, [1082, 1114, 1184, 1186, 1231, 1700].contains(oid), modifier == 14 { continue }
        try compare(
          "format_type",
          [.oid, .integer],
          [.fixed(Int64(oid)), modifier.map { .fixed(Int64($0)) } ?? .null],
          "\(oid), \(modifier.map { String($0) } ?? "NULL")"
        )
      }
    }
    for bytes: Int64 in [
      0, 10_239, -10_239, 10_240, -10_240, 10_485_247, 10_485_248, 10_485_760, -10_485_248, 20_971_519, 10_736_893_951, 10_736_893_952,
      .max, .min,
    ] {
      try compare("pg_size_pretty", [.bigint], [.fixed(bytes)], "(\(bytes))::bigint")
    }
    for text in ["123.45", "-123.45", "10239.9", "10240.5", "1000000000000000000000", "99999999999999"] {
      try compare("pg_size_pretty", [.plainNumeric], [try ValueText.parse(text, as: .plainNumeric)], "(\(text))::numeric")
    }
    for text in ["7", "10 kB", "1.5MB", " 3 gb ", "-2TB", "12 bytes", "1PB"] {
      try compare("pg_size_bytes", [.text], [.text(text)], "'\(text)'")
    }
    for number in -1...43 { try compare("pg_encoding_to_char", [.integer], [.fixed(Int64(number))], String(number)) }
    for name in ["utf8", "UTF-8", "latin1", "nix", "sql_ascii"] { try compare("pg_char_to_encoding", [.name], [.text(name)], "'\(name)'") }
    for oid in [870, 1242, 2803, 3058, 384, 99_999] {
      for name in ["pg_get_function_arguments", "pg_get_function_result", "pg_get_function_identity_arguments", "pg_function_is_visible"] {
        try compare(name, [.oid], [.fixed(Int64(oid))], String(oid))
      }
    }
    for oid in [23, 1259, 13_226, 99_999] { try compare("pg_type_is_visible", [.oid], [.fixed(Int64(oid))], String(oid)) }
    for oid in [23, 1259, 12_033, 99_999] { try compare("pg_table_is_visible", [.oid], [.fixed(Int64(oid))], String(oid)) }
    for name in ["pg_get_constraintdef", "pg_get_indexdef", "pg_get_triggerdef", "pg_get_ruledef", "pg_get_viewdef"] {
      try compare(name, [.oid], [.fixed(99_999)], "99999")
    }
    // Names of types, relations and functions.
    for name in [
      "int", "varchar(10)", "integer[]", "pg_catalog.int4", "character varying", "\"char\"", "char", "timestamptz", "double precision",
      "25",
      "timestamp", "timestamp(3) with time zone", "_text", "text[]", "numeric(10,2)[]", "information_schema.sql_identifier", "\"name\"",
      "DATE",
      "bool", "float8", "decimal", "time", "-", "0",
    ] {
      let theirs = try postgres.rows("SELECT '\(name)'::regtype, '\(name)'::regtype::oid")[0]
      let oid = try system.lookUp(name, as: .regtype)
      #expect([system.text(of: oid, as: .regtype), String(oid)] == theirs, "\(name)")
    }
    for (name, type) in [
      ("pg_class", DataType.regclass), ("pg_catalog.pg_type", .regclass), ("information_schema.tables", .regclass),
      ("PG_TABLES", .regclass),
      ("1259", .regclass), ("99999", .regclass), ("now", .regproc), ("array_in", .regproc), ("pg_catalog.boolin", .regproc),
      ("1395", .regproc),
      ("public", .regnamespace), ("pg_catalog", .regnamespace), ("nix", .regclass), ("nos.t", .regclass), ("a.b.c", .regclass),
      ("a.b.c.d", .regclass), ("public.nix", .regclass), ("a b", .regclass), ("", .regclass), ("\"A\"", .regclass), ("nix", .regtype),
      ("public.nix", .regtype), ("nix", .regproc), ("abs", .regproc), ("nix", .regnamespace), ("nix", .regrole),
    ] {
      let sql = "SELECT '\(name)'::\(type.name), '\(name)'::\(type.name)::oid"
      do {
        let oid = try system.lookUp(name, as: type)
        #expect(try postgres.rows(sql) == [[system.text(of: oid, as: type), String(oid)]], "\(name) as \(type.name)")
      } catch let error as TallyError {
        #expect(error.message == postgres.failure(sql), "\(name) as \(type.name)")
      }
    }
    // Failures of functions.
    for (name, types, arguments, sql) in [
      ("has_table_privilege", [DataType.text, .text], [Value.text("pg_class"), .text("FOO")], "'pg_class', 'FOO'"),
      ("has_table_privilege", [.text, .text], [.text("nix"), .text("SELECT")], "'nix', 'SELECT'"),
      (
        "has_table_privilege", [.name, .text, .text], [.text("nobody"), .text("pg_class"), .text("SELECT")],
        "'nobody', 'pg_class', 'SELECT'"
      ),
      ("has_schema_privilege", [.text, .text], [.text("nix"), .text("USAGE")], "'nix', 'USAGE'"),
      ("has_database_privilege", [.text, .text], [.text("nix"), .text("CONNECT")], "'nix', 'CONNECT'"),
      ("has_column_privilege", [.text, .text, .text], [.text("pg_class"), .text("zz"), .text("SELECT")], "'pg_class', 'zz', 'SELECT'"),
      ("has_column_privilege", [.text, .text, .text], [.text("pg_class"), .text("oid"), .text("DELETE")], "'pg_class', 'oid', 'DELETE'"),
      ("has_function_privilege", [.text, .text], [.text("nix()"), .text("EXECUTE")], "'nix()', 'EXECUTE'"),
      ("pg_has_role", [.text, .text], [.text("nix"), .text("USAGE")], "'nix', 'USAGE'"),
      ("current_setting", [.text], [.text("nix")], "'nix'"),
      ("pg_size_bytes", [.text], [.text("10 xB")], "'10 xB'"),
      ("pg_get_serial_sequence", [.text, .text], [.text("nix"), .text("a")], "'nix', 'a'"),
      ("pg_get_serial_sequence", [.text, .text], [.text("pg_class"), .text("zz")], "'pg_class', 'zz'"),
      ("pg_relation_size", [.regclass, .text], [.fixed(1259), .text("zap")], "'pg_class', 'zap'"),
    ] as [(String, [DataType], [Value], String)] {
      let error = #expect(throws: TallyError.self) { try SystemTrial.call(system, name, types, arguments) }
      #expect(error?.message == postgres.failure("SELECT \(name)(\(sql))"), "\(name)(\(sql))")
    }
    for (name, types, arguments, sql) in [
      (
        "has_table_privilege", [DataType.text, .text], [Value.text("pg_class"), .text("select, insert WITH GRANT OPTION")],
        "'pg_class', 'select, insert WITH GRANT OPTION'"
      ),
      ("has_table_privilege", [.oid, .text], [.fixed(99_999), .text("SELECT")], "99999, 'SELECT'"),
      (
        "has_column_privilege", [.text, .smallint, .text], [.text("pg_class"), .fixed(1), .text("SELECT")], "'pg_class', 1::int2, 'SELECT'"
      ),
      ("has_function_privilege", [.text, .text], [.text("lower(text)"), .text("EXECUTE")], "'lower(text)', 'EXECUTE'"),
      ("has_function_privilege", [.oid, .text], [.fixed(1), .text("EXECUTE")], "1, 'EXECUTE'"),
      ("to_regclass", [.text], [.text("nix")], "'nix'"), ("to_regtype", [.text], [.text("nix")], "'nix'"),
      ("to_regproc", [.text], [.text("abs")], "'abs'"),
      ("obj_description", [.oid, .name], [.fixed(11), .text("pg_namespace")], "11, 'pg_namespace'"),
      ("pg_tablespace_location", [.oid], [.fixed(1663)], "1663"), ("pg_is_in_recovery", [], [], ""), ("pg_client_encoding", [], [], ""),
      ("pg_my_temp_schema", [], [], ""), ("pg_collation_is_visible", [.oid], [.fixed(100)], "100"),
      ("current_schemas", [.boolean], [.fixed(1)], "true"), ("current_schemas", [.boolean], [.fixed(0)], "false"),
      ("current_schema", [], [], ""),
    ] as [(String, [DataType], [Value], String)] {
      try compare(name, types, arguments, sql)
    }
  }
}
