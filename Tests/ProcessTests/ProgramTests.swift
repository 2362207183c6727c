// What programs over pgjdbc, pgx, lib/pq, node-pg and ADBC ask of a server (Tools/clients/programs runs them whole), each as a test of its
// own.
import Foundation
import Testing

@Suite(.serialized) struct ProgramTests {
  /// A message with one text parameter: Parse, Describe of the statement, Bind, Execute, Sync.
  private func prepared(_ sql: String, _ argument: String) -> [UInt8] {
    let parse = PostgresSocket.message("P", [0] + Array(sql.utf8) + [0, 0, 0])
    let describe = PostgresSocket.message("D", Array("S".utf8) + [0])
    let value = PostgresSocket.number(argument.utf8.count) + Array(argument.utf8)
    let bind = PostgresSocket.message("B", [0, 0, 0, 0, 0, 1] + value + [0, 0])
    return parse + describe + bind + PostgresSocket.execute(rows: 0) + PostgresSocket.message("S")
  }
  private func answer(_ socket: PostgresSocket, _ bytes: [UInt8]) -> [UInt8] {
    socket.send(bytes)
    var all: [UInt8] = []
    while let more = socket.receive(), !more.isEmpty {
      all += more
      if all.suffix(6).elementsEqual(PostgresSocket.ready) { break }
    }
    return all
  }
  /// The body of the first message of a type.
  private func body(_ type: Character, in bytes: [UInt8]) -> [UInt8] {
    var at = 0
    while at + 5 <= bytes.count {
      let length = bytes[(at + 1)..<(at + 5)].reduce(0) { $0 << 8 | Int($1) }
      if bytes[at] == type.asciiValue { return Array(bytes[(at + 5)..<(at + 1 + length)]) }
      at += 1 + length
    }
    return []
  }

  @Test func valuesOfBytesGoBothWaysInBinaryCopy() throws {
    let cluster = try RunningCluster(workers: 2)
    let columns = "app bigint, key uuid, raw bytea, tags text[], counts bigint[], address inet, doc jsonb"
    try cluster.table("given", columns)
    try cluster.table("taken", columns)
    try cluster.execute(
      """
      INSERT INTO given SELECT g, ('00112233-4455-6677-8899-' || lpad(g::text, 12, '0'))::uuid,
       ('\\x00ff' || lpad(to_hex(g), 4, '0'))::bytea,
       ARRAY['x', NULL, g::text], ARRAY[g, NULL], '10.0.0.1/8'::inet, jsonb_build_object('g', g) FROM generate_series(1, 500) g
      """
    )
    try cluster.execute("INSERT INTO given (app) VALUES (501)")
    for options in ["FORMAT binary", "FORMAT csv", "FORMAT text"] {
      let pipe = "psql -X -q -c 'COPY given TO STDOUT (\(options))' | psql -X -c 'COPY taken FROM STDIN (\(options))'"
      let (process, input, output) = cluster.psqlProcess(["sh", "-c", pipe], coordinator: 1)
      try process.run()
      try input.fileHandleForWriting.close()
      let told = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(told == "COPY 501\n", "\(options): \(told)")
      let same =
        "g.key = t.key AND g.raw = t.raw AND g.tags = t.tags AND g.counts = t.counts AND g.address = t.address AND g.doc = t.doc"
      #expect(
        try cluster.ask("SELECT count(*), count(g.key), count(t.raw), bool_and(\(same)) FROM given g JOIN taken t USING (app)")
          == "501|500|500|t\n",
        "\(options)"
      )
      #expect(try cluster.ask("TRUNCATE taken").isEmpty)
    }
  }

  @Test func resultsTellWhichColumnsTheyShow() throws {
    let cluster = try RunningCluster(workers: 1)
    try cluster.table("ev", "app bigint, n integer, note text")
    let socket = try cluster.client()
    let table = try #require(Int(try cluster.ask("SELECT 'ev'::regclass::oid").trimmingCharacters(in: .whitespacesAndNewlines)))
    func origins(_ description: [UInt8]) -> [[Int]] {
      var (at, result) = (2, [[Int]]())
      while let end = description[at...].firstIndex(of: 0), end + 18 <= description.count {
        let oid = description[(end + 1)..<(end + 5)].reduce(0) { $0 << 8 | Int($1) }
        result.append([oid, Int(description[end + 5]) << 8 | Int(description[end + 6])])
        at = end + 19
        if at >= description.count { break }
      }
      return result
    }
    let texts: [(String, [[Int]])] = [
      ("SELECT note, n + 1, app FROM ev", [[table, 3], [0, 0], [table, 1]]),
      ("SELECT e.n, count(*) FROM (SELECT n FROM ev WHERE app > 1) e GROUP BY e.n ORDER BY 1 LIMIT 2", [[table, 2], [0, 0]]),
      ("SELECT a.n, b.note FROM ev a JOIN ev b USING (app)", [[table, 2], [table, 3]]),
      ("SELECT n FROM ev UNION ALL SELECT n FROM ev", [[0, 0]]),
    ]
    for (text, expected) in texts {
      // The second time the plan is kept.
      for _ in 0..<3 { #expect(origins(body("T", in: answer(socket, PostgresSocket.query(text)))) == expected, "\(text)") }
    }
    let returned = answer(socket, prepared("INSERT INTO ev VALUES (1, 2, $1) RETURNING note, n, app + 1", "x"))
    #expect(origins(body("T", in: returned)) == [[table, 3], [table, 2], [0, 0]])
  }

  @Test func namesOfTablesAreParameters() throws {
    let cluster = try RunningCluster(workers: 1)
    try cluster.table("ev", "app bigint, n integer")
    let socket = try cluster.client()
    // As ADBC asks for the columns of a table.
    let text = "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = $1::regclass::oid AND attnum > 0 ORDER BY attnum"
    for name in ["ev", "\"public\".\"ev\"", "public.ev"] {
      let told = String(decoding: answer(socket, prepared(text, name)), as: UTF8.self)
      #expect(told.contains("app") && told.contains("SELECT 2"), "\(name): \(told)")
    }
    let missing = String(decoding: answer(socket, prepared(text, "nowhere")), as: UTF8.self)
    #expect(missing.contains("42P01") && missing.contains("relation \"nowhere\" does not exist"), "\(missing)")
  }

  @Test func keysAndIndexesAsPgjdbcAsksForThem() throws {
    let cluster = try RunningCluster(workers: 1)
    try cluster.execute("CREATE TABLE ev (app bigint, n integer, note text, PRIMARY KEY (app, n))")
    try cluster.execute("CREATE INDEX ev_note ON ev (note, n)")
    let keys = """
      SELECT result.column_name, result.key_seq, result.pk_name FROM (SELECT a.attname AS column_name,
       (information_schema._pg_expandarray(i.indkey)).n AS key_seq, ci.relname AS pk_name,
       information_schema._pg_expandarray(i.indkey) AS keys, a.attnum AS a_attnum
       FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid)
       JOIN pg_catalog.pg_index i ON (a.attrelid = i.indrelid)
       JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid) WHERE ct.relname = 'ev' AND i.indisprimary) result
      WHERE result.a_attnum = (result.keys).x ORDER BY result.pk_name, result.key_seq
      """
    #expect(try cluster.ask(keys) == "app|1|ev_pkey\nn|2|ev_pkey\n")
    let indexes = """
      SELECT tmp.index_name, tmp.ordinal_position, trim(both '"' from pg_catalog.pg_get_indexdef(tmp.ci_oid, tmp.ordinal_position, false))
      FROM (SELECT ci.relname AS index_name, (information_schema._pg_expandarray(i.indkey)).n AS ordinal_position, ci.oid AS ci_oid
       FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_index i ON (ct.oid = i.indrelid)
       JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid)
       WHERE ct.relname = 'ev') AS tmp ORDER BY 1, 2
      """
    #expect(try cluster.ask(indexes) == "ev_note|1|note\nev_note|2|n\nev_pkey|1|app\nev_pkey|2|n\n")
  }

  @Test func severalTablesAreTruncatedInsideATransaction() throws {
    let cluster = try RunningCluster(workers: 2)
    for name in ["one", "two"] {
      try cluster.table(name, "app bigint, n integer")
      try cluster.execute("INSERT INTO \(name) SELECT g, g FROM generate_series(1, 50) g")
    }
    let counts = "SELECT (SELECT count(*) FROM one), count(*) FROM two;"
    let script = """
      BEGIN; TRUNCATE one, two; \(counts) INSERT INTO one VALUES (1, 1); ROLLBACK; \(counts)
      BEGIN; TRUNCATE one, two; INSERT INTO one VALUES (1, 1); COMMIT; \(counts)
      CREATE TABLE full100 (a int) WITH (fillfactor = 100);
      CREATE TABLE full5 (a int) WITH (fillfactor = 5);

      """
    let told = try cluster.psql(["-q", "-A", "-t"], input: script).output
    #expect(told.hasPrefix("0|0\n50|50\n1|0\n"), "\(told)")
    #expect(told.contains("value 5 out of bounds for option \"fillfactor\""), "\(told)")
  }
}
