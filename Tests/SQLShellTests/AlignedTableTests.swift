// AlignedTableTests.swift — results and errors as psql shows them.
import SQLShell
import Testing

private let table = AlignedTable(
  [.init("id", isRight: true), .init("a long name"), .init("x")],
  [["1", "b", nil], ["-20", "two\nlines", "日本"], [nil, "", "é"]]
)

@Test func columnsStandInLine() {
  #expect(
    table.aligned(title: "Title") == """
                Title
       id  | a long name |  x
      -----+-------------+------
         1 | b           |
       -20 | two        +| 日本
           | lines       |
           |             | é
      (3 rows)

      """
  )
  #expect(AlignedTable([], []).aligned() == "" && AlignedTable([.init("n")], []).aligned() == " n\n---\n(0 rows)\n")
}
@Test func recordsStandInBlocks() {
  #expect(
    AlignedTable([.init("id"), .init("name")], [["1", "a"], ["2", nil]]).expanded() == """
      -[ RECORD 1 ]
      id   | 1
      name | a
      -[ RECORD 2 ]
      id   | 2
      name |

      """
  )
  #expect(AlignedTable([.init("n")], []).expanded() == "(0 rows)\n")
}
@Test func errorsArePointedAt() {
  #expect(ErrorPlace.shown(8, in: "select nope") == "LINE 1: select nope\n               ^")
  #expect(ErrorPlace.shown(15, in: "select\n\t1 +\n  nope;") == "LINE 3:   nope;\n          ^")
  #expect(ErrorPlace.shown(99, in: "select") == nil && ErrorPlace.shown(7, in: "select") == "LINE 1: select\n              ^")
  let long = "select " + String(repeating: "x", count: 200) + " nope"
  let shown = ErrorPlace.shown(209, in: long) ?? ""
  let lines = shown.split(separator: "\n")
  #expect(lines[0].hasPrefix("LINE 1: ...") && lines[0].hasSuffix("nope") && Array(lines[0])[lines[1].count - 1] == "n")
}
