// WindowFixtureTests.swift — frames with offsets over NULL, NaN, infinite and equal keys: PostgreSQL 15's answers.
import Columns
import Foundation
import Model
import Planning
import Testing

@testable import Execution

struct WindowFixtureTests {
  static let columns: [(String, DataType)] = [
    ("id", .integer), ("g", .integer), ("k", .integer), ("d", .double), ("n", .plainNumeric), ("ts", .timestamp), ("t", .text),
  ]
  static func bound(_ text: String, _ unit: WindowFrame.Unit, _ key: String) throws -> WindowFrame.Bound {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    switch parts[0] {
    case "UP": return .unboundedPreceding
    case "UF": return .unboundedFollowing
    case "C": return .currentRow
    default:
      let type: DataType = unit == .range ? ["d": .double, "n": .plainNumeric, "ts": .interval][key] ?? .bigint : .bigint
      let value = TypedValue(type, try ValueText.parse(parts[1], as: type))
      return parts[0] == "P" ? .preceding(value) : .following(value)
    }
  }

  @Test func framesAnswerAsPostgreSQL() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/windows.txt")
    var rows: [[Value]] = []
    var cases: [(fields: [String], rows: [String])] = []
    for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      if fields[0] == "row" {
        rows.append(
          try zip(fields.dropFirst(), Self.columns).map { $0 == "NULL" ? .null : try ValueText.parse($0, as: $1.1) }
        )
      } else if fields[0] == "case" {
        cases.append((fields, []))
      } else if line.hasPrefix("= ") {
        cases[cases.count - 1].rows.append(String(line.dropFirst(2)))
      }
    }
    #expect(cases.count > 90)
    let output = Self.columns.map { OutputColumn($0.0, $0.1) }
    let input = PlanNode.values(ValuesNode(output: output, rows: rows))
    func column(_ name: String) -> Planning.Expression {
      let at = Self.columns.firstIndex { $0.0 == name } ?? 0
      return .column(at, Self.columns[at].1)
    }
    for test in cases {
      let unit: WindowFrame.Unit = ["rows": .rows, "range": .range][test.fields[1]] ?? .groups
      let exclusion: WindowFrame.Exclusion =
        ["current": .currentRow, "group": .group, "ties": .ties][test.fields[7]] ?? .none
      let frame = WindowFrame(
        unit: unit,
        start: try Self.bound(test.fields[5], unit, test.fields[2]),
        end: try Self.bound(test.fields[6], unit, test.fields[2]),
        exclusion: exclusion
      )
      let positive = call(.boolean, .greater, column("k"), int(0))
      let magnitude = call(.double, .absolute, column("d"))
      typealias Call = (WindowFunction, [Planning.Expression], DataType)
      var functions: [Call] = [
        (.aggregate(.countStar), [], .bigint), (.aggregate(.sum), [column("k")], .bigint),
        (.aggregate(.sum), [column("n")], .plainNumeric), (.aggregate(.min), [column("t")], .text),
        (.aggregate(.max), [column("t")], .text), (.aggregate(.max), [column("d")], .double),
        (.aggregate(.boolOr), [positive], .boolean), (.aggregate(.bitAnd), [column("k")], .integer),
      ]
      var keys = [
        SortKey(
          column: column(test.fields[2]).columnIndex ?? 0,
          isAscending: test.fields[3] == "asc",
          nullsFirst: test.fields[4] == "first"
        )
      ]
      if unit == .rows {
        keys.append(SortKey(column: 0))
        let more: [Call] = [
          (.aggregate(.sum), [magnitude], .double), (.firstValue, [column("t")], .text),
          (.lastValue, [column("n")], .plainNumeric), (.nthValue, [column("k"), int(2, .integer)], .integer),
          (.aggregate(.stringAgg), [column("t"), str(",")], .text),
        ]
        functions += more
      }
      let calls = functions.map { WindowCall($0.0, $0.1, filter: nil, frame: frame, type: $0.2) }
      let window = WindowNode(input: input, partitions: [1], keys: keys, calls: calls, names: calls.indices.map { "w\($0)" })
      let sorted = PlanNode.sort(SortNode(input: .window(window), keys: [SortKey(column: 0)]))
      let got = try FragmentExecution.run(sorted, GatheredRows(fragments: []), ExecutionLimits()).batches.flatMap { batch in
        try (0..<batch.count).map { row in
          try ([0] + (Self.columns.count..<batch.columns.count)).map { at -> String in
            let value = try batch.columns[at].value(row)
            if batch.columns[at].type == .boolean, case .fixed(let flag) = value { return flag == 1 ? "t" : "f" }
            return ValueText.print(value, as: batch.columns[at].type) ?? "NULL"
          }.joined(separator: "|")
        }
      }
      #expect(got == test.rows, "\(test.fields)")
    }
  }
}
