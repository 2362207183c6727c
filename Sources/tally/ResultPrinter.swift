// ResultPrinter.swift — results as a table for people, or as CSV or JSON lines for programs.
import ArgumentParser
import Foundation
import Model
import SQLShell
import TallyClient

/// How results are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case table, csv, json
}

/// Prints one result.
func show(_ rows: Rows, as format: OutputFormat, zone: ClockZone = .utc) {
  var out = ""
  switch format {
  case .table: out = AlignedTable(rows, zone: zone).aligned()
  case .csv:
    out = rows.columns.map { csvField($0.name) }.joined(separator: ",") + "\n"
    for row in rows.textRows(zone: zone) {
      out += row.map { $0.map(csvField) ?? "" }.joined(separator: ",") + "\n"
    }
  case .json:
    for row in rows.textRows(zone: zone) {
      let fields = zip(rows.columns, row).map { column, text in
        "\(jsonText(column.name)):\(jsonValue(text, column.type))"
      }
      out += "{" + fields.joined(separator: ",") + "}\n"
    }
  }
  // Not by FileHandle, which traps when the reader of a pipe went away.
  print(out, terminator: "")
}

private func csvField(_ text: String) -> String {
  if text.isEmpty { return "\"\"" }
  if !text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) { return text }
  return "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\""
}

private func jsonValue(_ text: String?, _ type: DataType) -> String {
  guard let text else { return "null" }
  switch type {
  case .boolean: return text == "t" ? "true" : "false"
  case .smallint, .integer, .bigint, .numeric: return text
  case .double: return text.contains { $0 == "I" || $0 == "N" } ? jsonText(text) : text
  case .topn: return text
  default: return jsonText(text)
  }
}

/// A JSON string.
func jsonText(_ text: String) -> String {
  var out = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": out += "\\\""
    case "\\": out += "\\\\"
    case "\n": out += "\\n"
    case "\r": out += "\\r"
    case "\t": out += "\\t"
    case _ where scalar.value < 0x20: out += String(format: "\\u%04x", scalar.value)
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out + "\""
}
