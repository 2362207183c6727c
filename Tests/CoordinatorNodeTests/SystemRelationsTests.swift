// SystemRelationsTests.swift — rows of the system relations over a made-up cluster: every relation has content, and it is the catalog's.
import Columns
import Model
import Planning
import Testing
import Wire

@testable import CoordinatorNode

@Suite struct SystemRelationsTests {
  private let system = SystemTrial.system()
  private func rows(_ relation: String, _ columns: [String]? = nil) throws -> [[String?]] {
    try SystemTrial.texts(system, relation, columns)
  }

  @Test func everyRelationHasContentAndNoNullWhereNoneMayBe() throws {
    for definition in RelationDefinition.all {
      let batch = try system.rows(of: definition.fullName, columns: Array(definition.columns.indices))
      #expect(batch.types == definition.columns.map(\.type), "\(definition.fullName)")
      for (column, vector) in zip(definition.columns, batch.columns) where column.isNotNull {
        #expect(vector.validity == nil, "\(definition.fullName).\(column.name)")
      }
    }
    for name in RelationDefinition.functions.keys {
      let relation = try #require(system.tableFunction(schema: "pg_catalog", name: name))
      #expect(try system.rows(of: relation.name, columns: Array(relation.columns.indices)).count > 0)
    }
  }
  @Test func onlyColumnsThatAreAskedForAreMade() throws {
    let batch = try system.rows(of: "pg_catalog.pg_class", columns: [1, 0])
    #expect(batch.columns.map(\.type) == [.name, .oid])
    #expect(throws: TallyError.self) { try system.rows(of: "pg_catalog.pg_class", columns: [99]) }
    #expect(throws: TallyError.self) { try system.rows(of: "pg_catalog.nothing", columns: [0]) }
  }
  @Test func relationsAreFoundAsBySearchPath() {
    #expect(system.relation(schema: nil, name: "pg_class")?.name == "pg_catalog.pg_class")
    #expect(system.relation(schema: "pg_catalog", name: "pg_class") != nil)
    #expect(system.relation(schema: nil, name: "tables") == nil)
    #expect(system.relation(schema: "information_schema", name: "tables")?.columns.count == 12)
    #expect(system.relation(schema: "public", name: "pg_class") == nil)
    #expect(system.relation(schema: nil, name: "tally_nodes") != nil)
    #expect(system.functions(schema: "public", name: "version").isEmpty)
  }
  @Test func numbersAreFunctionsOfTheCatalogsNumbers() throws {
    let listed = try rows("pg_catalog.pg_class", ["oid", "relname", "relkind", "relnamespace"]).filter { $0[3] == "2200" }
    #expect(
      listed == [
        ["65537", "events", "r", "2200"], ["65541", "Notes", "r", "2200"], ["65538", "searches", "m", "2200"],
        ["65539", "searches_5min", "m", "2200"], ["65540", "searches_1day", "m", "2200"],
      ]
    )
    for relation in ["pg_class", "pg_type", "pg_proc", "pg_attrdef", "pg_roles"] {
      let numbers = try rows("pg_catalog." + relation, ["oid"]).map { $0[0] ?? "" }
      #expect(Set(numbers).count == numbers.count, "\(relation)")
    }
  }
  @Test func columnsHaveTypesModifiersAndDefaults() throws {
    let columns = try rows(
      "pg_catalog.pg_attribute",
      ["attrelid", "attnum", "attname", "atttypid", "atttypmod", "attnotnull", "atthasdef"]
    )
    #expect(
      columns.filter { $0[0] == "65537" }.map { Array($0.dropFirst()) } == [
        ["1", "tenant", "20", "-1", "t", "f"], ["2", "ts", "1184", "-1", "f", "f"], ["3", "query", "25", "-1", "f", "t"],
        ["4", "code", "1043", "14", "t", "f"], ["5", "price", "1700", "655366", "f", "f"], ["6", "flag", "1042", "7", "f", "f"],
      ]
    )
    #expect(columns.filter { $0[0] == "65538" }.map { $0[3] } == ["20", "1184", "20", "16384"])
    #expect(columns.filter { $0[0] == "65541" }.map { $0[3] } == ["2950", "3802", "1009"])
    #expect(try rows("pg_catalog.pg_attrdef", ["adrelid", "adnum", "adbin"]) == [["65537", "3", "'x'"]])
  }
  @Test func informationSchemaTellsOfTablesAndRollups() throws {
    let tables = try rows("information_schema.tables", ["table_schema", "table_name", "table_type", "is_insertable_into"])
    #expect(
      tables.filter { $0[0] == "public" } == [
        ["public", "events", "BASE TABLE", "YES"], ["public", "Notes", "BASE TABLE", "YES"], ["public", "searches", "VIEW", "NO"],
        ["public", "searches_5min", "VIEW", "NO"], ["public", "searches_1day", "VIEW", "NO"],
      ]
    )
    let wanted = [
      "table_name", "column_name", "ordinal_position", "is_nullable", "data_type", "character_maximum_length", "numeric_precision",
      "numeric_scale", "datetime_precision", "udt_name",
    ]
    let columns = try rows("information_schema.columns", wanted)
    #expect(
      columns.filter { $0[0] == "events" }.map { Array($0.dropFirst()) } == [
        ["tenant", "1", "NO", "bigint", nil, "64", "0", nil, "int8"],
        ["ts", "2", "YES", "timestamp with time zone", nil, nil, nil, "6", "timestamptz"],
        ["query", "3", "YES", "text", nil, nil, nil, nil, "text"],
        ["code", "4", "NO", "character varying", "10", nil, nil, nil, "varchar"],
        ["price", "5", "YES", "numeric", nil, "10", "2", nil, "numeric"], ["flag", "6", "YES", "character", "3", nil, nil, nil, "bpchar"],
      ]
    )
    #expect(columns.filter { $0[0] == "searches" }.map { $0[4] } == ["bigint", "timestamp with time zone", "bigint", "USER-DEFINED"])
    #expect(columns.contains { $0[0] == "Notes" && $0[4] == "ARRAY" && $0[9] == "_text" })
    #expect(
      try rows("information_schema.views", ["table_name", "view_definition"]).contains {
        $0[0] == "searches" && $0[1]?.hasSuffix("GROUP BY 1, 2;") == true
      }
    )
  }
  @Test func theClusterIsShown() throws {
    #expect(
      try rows("pg_catalog.citus_tables") == [["65537", "distributed", "tenant", "1", "144 kB", "2", "tally", "heap"]]
    )
    #expect(
      try rows("pg_catalog.citus_shards", ["table_name", "shardid", "nodename", "nodeport", "shard_size"]) == [
        ["65537", "1", "127.0.0.1", "7501", "49152"], ["65537", "2", "10.0.0.2", "7501", "49152"],
      ]
    )
    #expect(
      try rows("pg_catalog.pg_dist_node", ["nodeid", "groupid", "nodename", "isactive", "shouldhaveshards"]) == [
        ["1", "0", "127.0.0.1", "t", "f"], ["2", "2", "127.0.0.1", "t", "t"], ["3", "3", "10.0.0.2", "t", "t"],
      ]
    )
    #expect(try rows("pg_catalog.pg_dist_partition") == [["65537", "h", "tenant", "1", "s", "f"]])
    #expect(try rows("pg_catalog.pg_dist_placement", ["shardid", "shardstate", "groupid"]) == [["1", "1", "2"], ["2", "1", "3"]])
    let workers = try #require(system.tableFunction(schema: nil, name: "citus_get_active_worker_nodes"))
    #expect(SystemTrial.texts(try system.rows(of: workers.name, columns: [0, 1])) == [["127.0.0.1", "7501"], ["10.0.0.2", "7501"]])
    #expect(
      try rows("pg_catalog.tally_nodes", ["node", "role", "state"]) == [
        ["coordinator-1", "coordinator", "up"], ["worker-1", "worker", "up"], ["worker-2", "worker", "up"],
      ]
    )
    #expect(
      try rows("pg_catalog.tally_shards", ["shard", "primary", "state", "rows"]) == [
        ["1", "worker-1", "serving", "100"], ["2", "worker-2", "serving", "100"],
      ]
    )
    #expect(
      try rows("pg_catalog.tally_rollups", ["rollup", "levels", "keep"]) == [
        ["searches", "searches_5min, searches_1day", "2 days, forever"]
      ]
    )
    // A shard by its tenant.
    let shard = try #require(
      try SystemTrial.call(system, "get_shard_id_for_distribution_column", [.regclass, .bigint], [.fixed(65_537), .fixed(42)])
    )
    #expect(["1", "2"].contains(shard))
    #expect(
      try SystemTrial.call(system, "get_shard_id_for_distribution_column", [.regclass, .text], [.fixed(65_537), .text("42")]) == shard
    )
    let error = #expect(throws: TallyError.self) {
      try SystemTrial.call(system, "get_shard_id_for_distribution_column", [.regclass, .bigint], [.fixed(65_538), .fixed(42)])
    }
    #expect(error?.sqlState == "42809")
  }
  @Test func ourListsHaveTheColumnsOfTheirDefinitions() throws {
    for (name, kind) in [
      ("tally_nodes", 1), ("tally_shards", 2), ("tally_tables", 3), ("tally_rollups", 4), ("tally_statements", 6), ("tally_losses", 7),
    ] {
      let definition = try #require(RelationDefinition.byName["pg_catalog." + name])
      let listing = SystemTrial.listing(UInt8(kind))
      #expect(listing.columns.map(\.name) == definition.columns.map(\.name), "\(name)")
      #expect(listing.columns.map(\.type) == definition.columns.map(\.type), "\(name)")
    }
  }
  @Test func withoutWordOfTheWorkersNothingIsGuessed() throws {
    let follower = SystemTrial.system(hearsWorkers: false)
    #expect(try SystemTrial.texts(follower, "pg_catalog.tally_nodes", ["node", "state"]).allSatisfy { $0[1] == nil })
    #expect(try SystemTrial.texts(follower, "pg_catalog.tally_shards", ["state", "rows"]) == [[nil, nil], [nil, nil]])
    #expect(try SystemTrial.texts(follower, "pg_catalog.citus_shards", ["shard_size"]) == [[nil], [nil]])
    let error = #expect(throws: TallyError.self) { try SystemTrial.texts(follower, "pg_catalog.tally_statements") }
    #expect(error?.sqlState == "55000" && error?.hint == "Ask coordinator-1 at 127.0.0.1:7431.")
    #expect(try SystemTrial.call(follower, "pg_total_relation_size", [.regclass], [.fixed(65_537)]) == nil)
  }
  @Test func sizesAreThoseOfTheRelationAlone() throws {
    func size(_ function: String, _ number: Int64) throws -> String? {
      try SystemTrial.call(system, function, [.regclass], [.fixed(number)])
    }
    // The table, its rollup with two levels, one of which has rows, and a table without any.
    #expect(try size("pg_relation_size", 65_537) == "98304" && size("pg_table_size", 65_537) == "98304")
    #expect(try size("pg_total_relation_size", 65_537) == "147456" && size("pg_indexes_size", 65_537) == "0")
    #expect(try [65_538, 65_539, 65_540].map { try size("pg_table_size", $0) } == ["49152", "49152", "0"])
    #expect(try size("pg_total_relation_size", 65_541) == "0")
    #expect(try size("citus_table_size", 65_537) == "98304" && size("citus_relation_size", 65_537) == "98304")
    #expect(try size("citus_total_relation_size", 65_537) == "147456")
    #expect(try SystemTrial.call(system, "pg_database_size", [.name], [.text("tally")]) == "163840")
    let follower = SystemTrial.system(hearsWorkers: false)
    #expect(try SystemTrial.call(follower, "pg_relation_size", [.regclass], [.fixed(65_537)]) == nil)
    let error = #expect(throws: TallyError.self) { try SystemTrial.call(follower, "citus_table_size", [.regclass], [.fixed(65_537)]) }
    #expect(error?.sqlState == "55000")
  }
  @Test func theSessionIsItsOwn() throws {
    #expect(try rows("pg_catalog.pg_roles", ["oid", "rolname", "rolsuper"]).map { $0[1] } == ["tally", "ada"])
    #expect(try SystemTrial.call(system, "pg_get_userbyid", [.oid], [.fixed(10)]) == "tally")
    #expect(try SystemTrial.call(system, "pg_get_userbyid", [.oid], [.fixed(99)]) == "unknown (OID=99)")
    #expect(try SystemTrial.call(system, "current_user", [], []) == "ada")
    #expect(try SystemTrial.call(system, "pg_backend_pid", [], []) == "4711")
    #expect(try SystemTrial.call(system, "version", [], []) == "PostgreSQL 15.0 (tally) on x86_64-linux, 64-bit")
    #expect(try SystemTrial.call(system, "current_setting", [.text], [.text("TimeZone")]) == "Etc/UTC")
    #expect(try SystemTrial.call(system, "current_setting", [.text, .boolean], [.text("nix"), .fixed(1)]) == nil)
    #expect(try rows("pg_catalog.pg_stat_activity", ["pid", "usename", "state", "query"]) == [["4711", "ada", "active", "SELECT 1"]])
    #expect(try rows("pg_catalog.pg_database", ["datname", "encoding"]) == [["tally", "6"]])
    #expect(try rows("pg_catalog.pg_extension", ["extname"]) == [["plpgsql"], ["hll"], ["topn"], ["citus"]])
    var facts = SystemTrial.facts()
    facts.set = { (name, value, isLocal) throws(TallyError) in "\(name)=\(value ?? "-")\(isLocal ? " local" : "")" }
    let other = SystemTrial.system(facts)
    #expect(
      try SystemTrial.call(other, "set_config", [.text, .text, .boolean], [.text("jit"), .text("off"), .fixed(1)]) == "jit=off local"
    )
    #expect(try SystemTrial.call(other, "set_config", [.text, .text, .boolean], [.text("jit"), .null, .fixed(0)]) == "jit=-")
  }
  @Test func aRollupIsAMaterializedViewWithItsSelect() throws {
    #expect(
      try SystemTrial.call(system, "pg_get_viewdef", [.oid], [.fixed(65_538)])
        == "SELECT tenant, time_bucket(ts) AS bucket, count(*) AS n FROM events GROUP BY 1, 2;"
    )
    #expect(try SystemTrial.call(system, "pg_get_viewdef", [.text], [.text("searches_1day")]) != nil)
    #expect(try rows("pg_catalog.pg_matviews", ["matviewname"]) == [["searches"], ["searches_5min"], ["searches_1day"]])
    #expect(system.text(of: 65_541, as: .regclass) == "\"Notes\"")
    #expect(try system.lookUp("public.\"Notes\"", as: .regclass) == 65_541)
    #expect(try system.lookUp("searches_1day", as: .regclass) == 65_540)
    var facts = SystemTrial.facts()
    facts.searchPath = []
    let bare = SystemTrial.system(facts)
    #expect(bare.text(of: 65_541, as: .regclass) == "public.\"Notes\"")
    #expect(try SystemTrial.call(bare, "pg_table_is_visible", [.oid], [.fixed(65_537)]) == "f")
    #expect(throws: TallyError.self) { try bare.lookUp("events", as: .regclass) }
  }
}
