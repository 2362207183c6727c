// NDJSONTests.swift — JSON lines to typed batches: fields by name, NULLs and defaults, escapes, numbers as they stand, errors with their
// lines; random objects against a plain reader; and how fast it is beside CSV.
import Bytes
import ClientCore
import Columns
import Foundation
import Model
import Testing

private let shard = ShardRecord(
  id: ShardID(1),
  group: GroupID(1),
  lower: 0,
  upper: .max,
  epoch: Epoch(1),
  version: 1,
  primary: NodeID(1)
)
private func table(_ columns: [Column]) -> TableSchema {
  TableSchema(id: TableID(1), name: "t", columns: columns, distribution: .distributed(key: 0, group: GroupID(1)))
}
private func text(_ column: ColumnVector, _ row: Int) -> String? {
  if column.isNull(row) { return nil }
  switch column.values {
  case .fixed(let values): return ValueText.print(.fixed(values[row]), as: column.type)
  case .double(let values): return ValueText.print(.double(values[row]), as: column.type)
  case .numeric(let values): return ValueText.print(.numeric(values[row]), as: column.type)
  case .codes(let codes, let dictionary):
    return dictionary.withText(codes[row]) { ValueText.print(BinaryForm.value($0, column.type), as: column.type) }
  default: return "?"
  }
}
private func build(
  _ lines: String,
  _ columns: [Column],
  defaults: [Int: Value] = [:],
  ignoresUnknown: Bool = false
) throws -> (rows: [[String?]], rejects: [CSVReject]) {
  let plan = try NDJSONPlan(table: table(columns), shards: [shard], defaults: defaults, ignoresUnknownFields: ignoresUnknown)
  var builder = NDJSONBatchBuilder(plan)
  let built = try builder.build(Array(lines.utf8), firstLine: 10)
  let rows = built.parts.flatMap { part in (0..<part.batch.count).map { row in part.batch.columns.map { text($0, row) } } }
  #expect(rows.count == built.rows)
  return (rows, built.rejects)
}

private let events = [
  Column(name: "id", type: .bigint, isNotNull: true), Column(name: "name", type: .text),
  Column(name: "price", type: .plainNumeric), Column(name: "props", type: .jsonb),
  Column(name: "tags", type: .array(.text)), Column(name: "ok", type: .boolean),
]

@Test func aDroppedColumnIsNone() throws {
  var narrow = table([Column(name: "a", type: .bigint), Column(name: "b", type: .text), Column(name: "c", type: .bigint)])
  narrow.columns[1].isDropped = true
  narrow.columns[1].name = "........pg.dropped.2........"
  var builder = NDJSONBatchBuilder(try NDJSONPlan(table: narrow, shards: [shard]))
  let built = try builder.build(Array("{\"a\":1,\"c\":2}\n".utf8))
  #expect(built.rows == 1 && built.rejects.isEmpty)
}
/// A short line becomes a record of every column and its default: a chunk is read in parts, and lines keep their numbers.
@Test func muchTextOfFewBytesIsReadInParts() throws {
  let wide = [Column(name: "a", type: .bigint)] + (0..<40).map { Column(name: "c\($0)", type: .text) }
  let defaults = Dictionary(uniqueKeysWithValues: (1...40).map { ($0, Value.text(String(repeating: "d", count: 100))) })
  var builder = NDJSONBatchBuilder(try NDJSONPlan(table: table(wide), shards: [shard], defaults: defaults))
  let lines = (0..<9000).map { $0 == 8000 ? "{\"a\":\"x\"}" : "{\"a\":\($0)}" }
  let built = try builder.build(Array((lines.joined(separator: "\n") + "\n").utf8))
  #expect(built.rows == 8999 && built.parts.count > 1)
  #expect(built.rejects.map(\.line) == [8001] && built.rejects.map(\.record) == [Array("{\"a\":\"x\"}".utf8)])
}
@Test func fieldsAreFoundByName() throws {
  let lines = """
    {"id":1,"name":"a","price":1.50,"props":{"a": [1, "x\\ty"]},"tags":["p","q r",null],"ok":true}
     { "ok" : false , "name" : null , "id" : -2, "tags": "{x,y}", "props": "text" }\u{20}

    {"price": 123456789012345678901234567890.12345, "id": 3, "props": 7}\r
    {"id":4,"name":{"n": 1},"price":1e3,"props":null,"tags":[]}
    {"id":5,"id":6,"name":[1, 2],"price":"2.25","tags":[1,{"a":true}]}
    """
  let (rows, rejects) = try build(lines, events)
  #expect(rejects.isEmpty)
  #expect(
    rows == [
      ["1", "a", "1.50", #"{"a": [1, "x\ty"]}"#, #"{p,"q r",NULL}"#, "t"],
      ["-2", nil, nil, "\"text\"", "{x,y}", "f"],
      ["3", nil, "123456789012345678901234567890.12345", "7", nil, nil],
      ["4", #"{"n": 1}"#, "1000", nil, "{}", nil],
      ["6", "[1, 2]", "2.25", nil, #"{1,"{\"a\": true}"}"#, nil],
    ]
  )
}

@Test func whatAnObjectLacksIsItsDefault() throws {
  let (rows, rejects) = try build(
    "{\"id\":1}\n{\"id\":2,\"name\":null}\n{\"id\":3,\"name\":\"\"}",
    events,
    defaults: [1: .text("tab\tand \\N"), 2: .numeric(Numeric(7)), 5: .fixed(1)]
  )
  #expect(rejects.isEmpty && rows.map { $0[1] } == ["tab\tand \\N", nil, ""] && rows.map { $0[2] } == ["7", "7", "7"])
  #expect(rows[0][5] == "t")
}

@Test func escapesAreWhatTheyStandFor() throws {
  let cases = [
    (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"), (#""\u00e9\u20AC\ud83d\ude00""#, "é€😀"), (#""\\N""#, "\\N"), (#""\\.""#, "\\."),
    (#""a\\nb""#, "a\\nb"), ("\"é😀\"", "é😀"), (#""\u0001""#, "\u{1}"),
  ]
  for (written, meant) in cases {
    let (rows, rejects) = try build("{\"id\":1,\"name\":\(written),\"props\":\(written)}", events)
    #expect(rejects.isEmpty && rows.first?[1] == meant, "\(written) \(rejects)")
    #expect(try JSONValue(parsing: rows.first?[3] ?? "").text == JSONValue.string(meant).text, "\(written)")
  }
  // A name may be written with escapes too.
  #expect(try build(#"{"\u0069d":1,"n\u0061me":"x"}"#, events).rows == [["1", "x", nil, nil, nil, nil]])
}

@Test func whatIsWrongIsToldWithItsLineAndField() throws {
  let lines = #"""
    {"id":1}
    {"id":"x","name":"a"}

    {"id":2
    {"id":3,"nope":1}
    [1]
    {"id":4,"name":"\ud83d"}
    {"id":5,"name":"\u0000"}
    {"id":01}
    {"id":6} x
    {"name":"no key"}
    {"id":7,"props":{"a":}}
    {"id":8,"tags":[[1]]}
    {"id":1.5}
    {"id":9,"price":tru}
    {"id":10,"name":"a	b"}
    {"id":11}
    """#
  let (rows, rejects) = try build(lines, events)
  #expect(rows.map { $0[0] } == ["1", "11"])
  let told = rejects.map { "\($0.line) \($0.column ?? "-") \($0.error.sqlState) \($0.error.message)" }
  #expect(
    told == [
      "11 id 22P02 invalid input syntax for type bigint: \"x\"", "13 - 22P02 invalid JSON: the object has no end at byte 8",
      "14 - 42703 column \"nope\" of relation \"t\" does not exist", "15 - 22P02 invalid JSON: expected an object at byte 1",
      "16 name 22P02 invalid input syntax for type json", "17 name 22P05 unsupported Unicode escape sequence",
      "18 - 22P02 invalid JSON: a number begins with 0 at byte 7", "19 - 22P02 invalid JSON: expected the end of the line at byte 10",
      "20 id 23502 null value in column \"id\" of relation \"t\" violates not-null constraint",
      "21 props 22P02 invalid input syntax for type json", "22 tags 0A000 arrays of more than one dimension are not supported",
      "23 id 22P02 invalid input syntax for type bigint: \"1.5\"", "24 - 22P02 invalid JSON: expected true at byte 17",
      "25 - 22P02 invalid JSON: a control character in a string at byte 19",
    ],
    "\(told.joined(separator: "\n"))"
  )
  #expect(rejects.first?.record == Array(#"{"id":"x","name":"a"}"#.utf8) && rejects.first?.error.detail == "line 11, column id")
}

@Test func unknownFieldsMayBeIgnored() throws {
  let (rows, rejects) = try build(
    "{\"x\":[{}],\"id\":1,\"y\":\"\\u0041\"}\n{\"id\":2,\"x\":1}\n{\"zz\":0,\"id\":3}",
    events,
    ignoresUnknown: true
  )
  #expect(rejects.isEmpty && rows.map { $0[0] } == ["1", "2", "3"])
}

@Test func randomObjectsAreReadAsAPlainReaderReadsThem() throws {
  var random = SystemRandomNumberGenerator()
  var lines: [String] = []
  var expected: [[String?]] = []
  for id in 0..<3000 {
    var members = ["\"id\":\(id)"]
    var row: [String?] = [String(id), nil, nil, nil, nil, nil]
    if Bool.random(using: &random) {
      let scalars = (0..<Int.random(in: 0...20)).map { _ in
        ["a", "\"", "\\", "\n", "\t", "é", "😀", "/", "\\N", "{", ","].randomElement() ?? ""
      }
      let text = scalars.joined()
      members.append("\"name\":" + JSONValue.string(text).text)
      row[1] = text
    }
    if Bool.random(using: &random) {
      let number = "\(Int64.random(in: -1_000_000...1_000_000)).\(Int.random(in: 10...99))"
      members.append("\"price\":\(number)")
      row[2] = number
    }
    if Bool.random(using: &random) {
      let text = #"{"k": [1, {"l": "x\\y\n"}], "z": null}"#
      members.append("\"props\" : \(text)")
      row[3] = text
    }
    lines.append("{" + members.shuffled(using: &random).joined(separator: Bool.random(using: &random) ? "," : " , ") + "}")
    expected.append(row)
  }
  let (rows, rejects) = try build(lines.joined(separator: "\n"), events)
  #expect(rejects.isEmpty && rows == expected)
  // Whatever bytes come: no trap.
  let bytes = Array(lines.prefix(50).joined(separator: "\n").utf8)
  var builder = NDJSONBatchBuilder(try NDJSONPlan(table: table(events), shards: [shard]))
  for _ in 0..<500 {
    var damaged = bytes
    for _ in 0..<Int.random(in: 1...8) { damaged[Int.random(in: damaged.indices)] = UInt8.random(in: 0...255) }
    do throws(TallyError) { _ = try builder.build(Array(damaged.prefix(Int.random(in: 0...damaged.count)))) } catch {}
  }
}

/// TALLY_SPEED=1 in a release build measures; what is checked is that both give the same rows.
@Test func linesGiveTheRowsOfCSV() throws {
  let columns = [
    Column(name: "app", type: .text, isNotNull: true), Column(name: "ts", type: .timestamp), Column(name: "query", type: .text),
    Column(name: "user_id", type: .bigint), Column(name: "latency", type: .integer), Column(name: "country", type: .varchar(2)),
  ]
  var (csv, lines) = ("", "")
  let count = ProcessInfo.processInfo.environment["TALLY_SPEED"] == nil ? 2000 : 400_000
  for i in 0..<count {
    let time = ValueText.print(.fixed(1_700_000_000_000_000 + Int64(i) * 12_345_000), as: .timestamp) ?? ""
    let fields = ("app\(i % 1000)", time, "red shoes \(i % 977)", i * 7919 % 100_000, i % 300, ["de", "us", "fr"][i % 3])
    csv += "\(fields.0),\(fields.1),\(fields.2),\(fields.3),\(fields.4),\(fields.5)\n"
    lines +=
      "{\"app\":\"\(fields.0)\",\"ts\":\"\(fields.1)\",\"query\":\"\(fields.2)\",\"user_id\":\(fields.3),\"latency\":\(fields.4),\"country\":\"\(fields.5)\"}\n"
  }
  var fromCSV = CSVBatchBuilder(try CSVPlan(table: table(columns), shards: [shard]))
  var fromLines = NDJSONBatchBuilder(try NDJSONPlan(table: table(columns), shards: [shard]))
  let (csvBytes, lineBytes) = (Array(csv.utf8), Array(lines.utf8))
  let clock = ContinuousClock()
  var times: [Duration] = []
  var batches: [[Batch]] = []
  for _ in 0..<3 {
    let start = clock.now
    batches.append(try fromCSV.build(csvBytes).parts.map(\.batch))
    let middle = clock.now
    batches.append(try fromLines.build(lineBytes).parts.map(\.batch))
    times += [middle - start, clock.now - middle]
  }
  #expect(batches[0].map { BatchFormat.encode($0) } == batches[1].map { BatchFormat.encode($0) })
  if count > 2000 { print("CSV \(times[2]), \(times[4]); NDJSON \(times[3]), \(times[5]) for \(count) rows") }
}
