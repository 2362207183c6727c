// AlignedTable.swift — a result as psql shows it: columns aligned under centred headers, or a record a block (\x).

/// The text of a result.
public struct AlignedTable: Sendable {
  /// A column.
  public struct Column: Sendable {
    /// Its header.
    public var name: String
    /// Numbers stand to the right.
    public var isRight: Bool
    /// Makes a column.
    public init(_ name: String, isRight: Bool = false) { (self.name, self.isRight) = (name, isRight) }
  }
  private let columns: [Column]
  private let rows: [[String?]]

  /// A result; nil is NULL, which shows as nothing.
  public init(_ columns: [Column], _ rows: [[String?]]) { (self.columns, self.rows) = (columns, rows) }

  private var footer: String { "(\(rows.count) \(rows.count == 1 ? "row" : "rows"))\n" }
  private static func lines(_ text: String) -> [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
  private static func blanks(_ count: Int) -> String { String(repeating: " ", count: max(0, count)) }
  private static func trimmed(_ line: String) -> String {
    var line = Substring(line)
    while line.last == " " { line.removeLast() }
    return line + "\n"
  }

  /// A line a row.
  public func aligned(title: String? = nil) -> String {
    if columns.isEmpty { return "" }
    let cells = rows.map { row in row.map { Self.lines($0 ?? "") } }
    let widths = columns.indices.map { at in
      max(DisplayWidth.of(columns[at].name), cells.reduce(0) { $1[at].reduce($0) { max($0, DisplayWidth.of($1)) } })
    }
    var out = ""
    let total = widths.reduce(0) { $0 + $1 + 3 } - 1
    if let title { out += Self.trimmed(Self.blanks((total - DisplayWidth.of(title)) / 2) + title) }
    out += Self.trimmed(
      columns.indices.map { at in
        let free = widths[at] - DisplayWidth.of(columns[at].name)
        return " " + Self.blanks(free / 2) + columns[at].name + Self.blanks(free - free / 2) + " "
      }.joined(separator: "|")
    )
    out += widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "+") + "\n"
    for row in cells {
      let height = row.map(\.count).max() ?? 1
      for line in 0..<height {
        out += Self.trimmed(
          columns.indices.map { at in
            let text = line < row[at].count ? String(row[at][line]) : ""
            let blank = Self.blanks(widths[at] - DisplayWidth.of(text))
            // A value goes on below.
            return " " + (columns[at].isRight ? blank + text : text + blank) + (line + 1 < row[at].count ? "+" : " ")
          }.joined(separator: "|")
        )
      }
    }
    return out + footer
  }
  /// A block a row.
  public func expanded() -> String {
    if rows.isEmpty { return footer }
    let names = columns.map { DisplayWidth.of($0.name) }.max() ?? 0
    let values = rows.reduce(0) { $1.reduce($0) { Self.lines($1 ?? "").reduce($0) { max($0, DisplayWidth.of($1)) } } }
    var out = ""
    for (number, row) in rows.enumerated() {
      let head = "-[ RECORD \(number + 1) ]"
      // The bar between names and values stands under a plus, where the head leaves it free.
      var rule = Array(head + String(repeating: "-", count: max(0, names + values + 3 - head.count)))
      if names + 1 < rule.count, names + 1 >= head.count { rule[names + 1] = "+" }
      out += String(rule) + "\n"
      for (column, value) in zip(columns, row) {
        for (line, text) in Self.lines(value ?? "").enumerated() {
          let name = line == 0 ? column.name : ""
          out += Self.trimmed(name + Self.blanks(names - DisplayWidth.of(name)) + " | " + text)
        }
      }
    }
    return out
  }
}
