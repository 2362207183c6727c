// RandomTables.swift — a seed's tables: two that share the tenant key's type, one by another, with rows, NULLs and sometimes none.
//
// Every table has `k`, its tenant key, and `id`, which is unique in the seed: what orders rows totally.

/// A column that statements may name.
struct ColumnName {
  var name: String
  var kind: Kind
}

struct RandomTable {
  var name: String
  var columns: [ColumnName]
  /// The text of its rows, as VALUES has them.
  var rows: [String]
}

struct RandomTables {
  var tables: [RandomTable] = []
  /// Whether values at the ends of ranges lie in the tables: arithmetic over them may fail, so fewer functions are applied to columns.
  let hasExtremes: Bool

  init(_ chance: inout Chance) {
    hasExtremes = chance.percent(25)
    let shared = chance.pick(Kind.keys)
    var number = 0
    for at in 0..<chance.between(3, 4) {
      let key = at < 2 ? shared : chance.pick(Kind.keys)
      var columns = [ColumnName(name: "k", kind: key), ColumnName(name: "id", kind: .int4)]
      // A number, a text and a time at least: most templates want one of them.
      let kinds: [Kind] =
        [chance.pick([.int4, .int8]), .text, chance.pick([.timestamp, .timestamptz, .date]), chance.pick([.numeric, .float8])]
        + (0..<chance.between(2, 7)).map { _ in chance.pick(Kind.allCases) }
      columns += kinds.enumerated().map { ColumnName(name: "c\($0.offset)", kind: $0.element) }
      let tenants = (0..<chance.between(1, 6)).map { _ in chance.pick(key.usual) }
      let count = chance.percent(12) ? 0 : chance.between(1, 24)
      var rows: [String] = []
      for _ in 0..<count {
        number += 1
        var values = ["'\(chance.pick(tenants))'", "\(number)"]
        for kind in kinds {
          let isNull = chance.percent(18)
          let texts = hasExtremes && chance.percent(15) ? kind.extreme : kind.usual
          values.append(isNull ? "NULL" : "'\(chance.pick(texts))'")
        }
        rows.append("(\(values.joined(separator: ", ")))")
      }
      tables.append(RandomTable(name: "t\(at)", columns: columns, rows: rows))
    }
  }

  /// What makes and fills them, the same for both databases; `§` stands for the number of shards.
  func setUp(isDistributed: Bool) -> [String] {
    tables.flatMap { table in
      let columns = table.columns.map { column in
        "\(column.name) \(column.kind.definition)\(column.name == "k" || column.name == "id" ? " NOT NULL" : "")"
      }
      var statements = ["CREATE TABLE \(table.name) (\(columns.joined(separator: ", ")))"]
      if isDistributed { statements.append("SELECT create_distributed_table('\(table.name)', 'k', shard_count => §, copies => 1)") }
      if !table.rows.isEmpty { statements.append("INSERT INTO \(table.name) VALUES \(table.rows.joined(separator: ", "))") }
      return statements
    }
  }
}
