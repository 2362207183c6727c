// SQLQuoting.swift — identifiers and literals as quote_ident and quote_literal write them.

enum SQLQuoting {
  /// The identifier, in double quotes unless it can stand without.
  static func identifier(_ name: String) -> String {
    let isPlain =
      name.utf8.first.map { $0 == 0x5f || $0 &- 0x61 < 26 } == true
      && name.utf8.allSatisfy { $0 == 0x5f || $0 &- 0x61 < 26 || $0 &- 0x30 < 10 } && !keywords.contains(name)
    if isPlain { return name }
    return "\"" + doubled(name, "\"") + "\""
  }
  /// The text in single quotes; with E before it when it holds a backslash.
  static func literal(_ text: String) -> String {
    let quoted = "'" + doubled(doubled(text, "'"), "\\") + "'"
    return text.utf8.contains(0x5c) ? "E" + quoted : quoted
  }
  private static func doubled(_ text: String, _ mark: Unicode.Scalar) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if scalar == mark { result.append(mark) }
      result.append(scalar)
    }
    return String(result)
  }
  /// PostgreSQL 15's keywords that are not wholly free as names.
  private static let keywords: Set<String> = Set(
    """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create current_catalog current_date
    current_role current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign
    from
    grant group having in initially intersect into lateral leading limit localtime localtimestamp not null offset on only or order placing
    primary references returning select session_user some symmetric table then to trailing true union unique user using variadic when where
    window with authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull join left like natural
    notnull outer overlaps right similar tablesample verbose between bigint bit boolean char character coalesce dec decimal exists extract
    float greatest grouping inout int integer interval least national nchar none normalize nullif numeric out overlay position
    precision real
    row setof smallint substring time timestamp treat trim values varchar xmlattributes xmlconcat xmlelement xmlexists
    xmlforest
    xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
    """.split(whereSeparator: \.isWhitespace).map(String.init)
  )
}
