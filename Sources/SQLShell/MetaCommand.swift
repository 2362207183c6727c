// MetaCommand.swift — the shell's own commands, and the queries behind those that describe: they ask the same catalogs that psql asks.

/// A line that begins with a backslash.
public enum MetaCommand: Equatable, Sendable {
  case quit
  case help
  /// `\d`, `\dt`, `\dm`, `\l`: a list with a title.
  case list(title: String, query: String)
  /// `\d NAME`.
  case describe(String)
  /// `\x [on|off]`.
  case expanded(Bool?)
  case timing(Bool?)
  case include(String)
  /// `\g`: runs what was gathered.
  case go
  /// `\r`: forgets what was gathered.
  case reset
  /// `\p`: prints what was gathered.
  case show
  /// `\zone [NAME]`: the zone that times are told in.
  case zone(String?)
  case echo(String)
  case unknown(String)

  /// Reads a command.
  public init(_ line: String) {
    let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
    let name = words.first ?? "\\"
    let rest = line.dropFirst(name.count).drop(while: \.isWhitespace)
    var argument = String(rest)
    while let last = argument.last, last.isWhitespace || last == ";" { argument.removeLast() }
    let flag: Bool?? =
      switch argument.lowercased() {
      case "": .some(nil)
      case "on", "true", "1": true
      case "off", "false", "0": false
      default: nil
      }
    switch (name, argument.isEmpty) {
    case ("\\q", _): self = .quit
    case ("\\?", _), ("\\h", _): self = .help
    case ("\\d", true): self = .list(title: "List of relations", query: Self.relations("r,m,v,p,S"))
    case ("\\d", false), ("\\d+", false): self = .describe(argument)
    case ("\\dt", true): self = .list(title: "List of relations", query: Self.relations("r,p"))
    case ("\\dm", true): self = .list(title: "List of rollups", query: Self.relations("m"))
    case ("\\l", _): self = .list(title: "List of databases", query: Self.databases)
    case ("\\x", _): self = flag.map { .expanded($0) } ?? .unknown(line)
    case ("\\timing", _): self = flag.map { .timing($0) } ?? .unknown(line)
    case ("\\i", false): self = .include(Self.unquoted(argument))
    case ("\\g", _): self = .go
    case ("\\r", _): self = .reset
    case ("\\p", _): self = .show
    case ("\\zone", _): self = .zone(argument.isEmpty ? nil : Self.unquoted(argument))
    case ("\\echo", _): self = .echo(String(rest))
    default: self = .unknown(name)
    }
  }
  private static func unquoted(_ text: String) -> String {
    text.count > 1 && text.first == "'" && text.last == "'" ? String(text.dropFirst().dropLast()) : text
  }

  /// What `\?` prints.
  public static let helpText = """
      \\q                 quit (also Ctrl-D)
      \\d                 list tables and rollups        \\d NAME   describe one
      \\dt                list tables                    \\dm       list rollups
      \\l                 list databases
      \\x [on|off]        a record a block               \\timing [on|off]
      \\i FILE            run the statements of a file
      \\g                 run what was typed, without a semicolon
      \\r                 forget what was typed          \\p        print it
      \\zone [NAME]       the time zone that times are told in
      \\echo TEXT         print a text
    A statement ends with a semicolon. Ctrl-C cancels a running statement, or forgets the line; history: up and down.

    """

  // MARK: Queries

  private static func relations(_ kinds: String) -> String {
    let list = kinds.split(separator: ",").map { "'\($0)'" }.joined(separator: ", ")
    return """
      SELECT n.nspname AS "Schema", c.relname AS "Name",
        CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'm' THEN 'rollup' WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' END AS "Type",
        pg_catalog.pg_get_userbyid(c.relowner) AS "Owner"
      FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN (\(list)) AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema'
        AND pg_catalog.pg_table_is_visible(c.oid)
      ORDER BY 1, 2
      """
  }
  private static let databases = """
    SELECT datname AS "Name", pg_catalog.pg_get_userbyid(datdba) AS "Owner", pg_catalog.pg_encoding_to_char(encoding) AS "Encoding"
    FROM pg_catalog.pg_database ORDER BY 1
    """
  private static func literal(_ text: String) -> String {
    "'" + text.map { $0 == "'" ? "''" : String($0) }.joined() + "'"
  }
  /// Kind and full name of a relation: `relkind`, `schema.name`.
  public static func relation(_ name: String) -> String {
    """
    SELECT c.relkind, n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = \(literal(name))::regclass
    """
  }
  /// The columns of a relation.
  public static func columns(_ name: String) -> String {
    """
    SELECT a.attname AS "Column", pg_catalog.format_type(a.atttypid, a.atttypmod) AS "Type",
      CASE WHEN a.attnotnull THEN 'not null' END AS "Nullable", pg_catalog.pg_get_expr(d.adbin, d.adrelid) AS "Default"
    FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = \(literal(name))::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    """
  }
  /// What a table is distributed by: column, shards.
  public static func distribution(_ name: String) -> String {
    "SELECT distribution_column, shard_count FROM citus_tables WHERE table_name = \(literal(name))::regclass"
  }
  /// The definition of a rollup.
  public static func definition(_ name: String) -> String {
    "SELECT pg_catalog.pg_get_viewdef(\(literal(name))::regclass)"
  }
}
