// CSVBatchBuilderTests.swift — CSV to typed batches by shard: forms, NULLs, errors in PostgreSQL's words, random round trips.
import Bytes
import ClientCore
import Columns
import Model
import Testing

private func shards(_ count: Int) -> [ShardRecord] {
  let step = UInt64.max / UInt64(count)
  return (0..<count).map { i in
    ShardRecord(
      id: ShardID(UInt64(i + 1)),
      group: GroupID(1),
      lower: i == 0 ? 0 : UInt64(i) * step + 1,
      upper: i == count - 1 ? .max : UInt64(i + 1) * step,
      epoch: Epoch(1),
      version: 1,
      primary: NodeID(1)
    )
  }
}

private func table(_ columns: [Column], key: Int = 0) -> TableSchema {
  TableSchema(
    id: TableID(1),
    name: "t",
    columns: columns,
    distribution: .distributed(key: key, group: GroupID(1))
  )
}

/// One value of a batch as text; nil is NULL.
private func text(_ column: ColumnVector, _ row: Int) -> String? {
  if column.isNull(row) { return nil }
  switch column.values {
  case .fixed(let values): return ValueText.print(.fixed(values[row]), as: column.type)
  case .double(let values): return ValueText.print(.double(values[row]), as: column.type)
  case .numeric(let values): return ValueText.print(.numeric(values[row]), as: column.type)
  case .interval(let values): return ValueText.print(.interval(values[row]), as: column.type)
  case .codes(let codes, let dictionary): return dictionary.string(codes[row])
  default: return "?"
  }
}

private func rows(_ built: CSVBuilt) -> [[String?]] {
  built.parts.flatMap { part in
    (0..<part.batch.count).map { row in part.batch.columns.map { text($0, row) } }
  }
}

private func build(
  _ csv: String,
  _ columns: [Column],
  names: [String]? = nil,
  format: CSVFormat = CSVFormat(),
  shardCount: Int = 1,
  constants: [Int: Value] = [:],
  rejects: Bool = false
) throws -> CSVBuilt {
  let plan = try CSVPlan(
    table: table(columns),
    shards: shards(shardCount),
    columns: names,
    format: format,
    constants: constants,
    rejectsRows: rejects
  )
  var builder = CSVBatchBuilder(plan)
  return try builder.build(Array(csv.utf8))
}

private let two = [
  Column(name: "a", type: .bigint, isNotNull: true), Column(name: "b", type: .text),
]

@Suite struct CSVForms {
  @Test func recordsFollowRFC4180() throws {
    let parsed = try CSVRecords.parse(
      Array("a,\"b,\"\"c\"\"\nd\",\r\n\"\",x\"y,z\"w,\n\nlast".utf8)
    )
    .map { $0.map { $0.map { String(decoding: $0, as: UTF8.self) } } }
    #expect(parsed == [["a", "b,\"c\"\nd", nil], ["", "xy,zw", nil], [nil], ["last"]])
    #expect(throws: TallyError.self) { try CSVRecords.parse(Array("a,\"b\n".utf8)) }
    #expect(try CSVRecords.parse([]).isEmpty)
    #expect(
      try CSVRecords.parse(
        Array("a;\\N".utf8),
        format: CSVFormat(delimiter: 0x3b, nullText: [0x5c, 0x4e])
      )[0][1] == nil
    )
  }
  @Test func quotesAcrossScanBlocksAreFollowed() throws {
    for length in 50...140 {
      let long = String(repeating: "x", count: length)
      let parsed = try CSVRecords.parse(
        Array("\(long),\"\(long),\n\"\"\(long)\",1\n2,\"\(long)\",3\n".utf8)
      )
      #expect(parsed.map(\.count) == [3, 3])
      #expect(parsed[0][1] == Array("\(long),\n\"\(long)".utf8))
      #expect(parsed[1][1] == Array(long.utf8))
    }
  }
  @Test func emptyIsNullUnlessQuoted() throws {
    let built = try build("1,\n2,\"\"\r\n3,x\n\"4\",\"y\"", two)
    #expect(rows(built) == [["1", nil], ["2", ""], ["3", "x"], ["4", "y"]])
    let other = try build(
      "1,NULL\n2,\n3,\"NULL\"\n",
      two,
      format: CSVFormat(nullText: Array("NULL".utf8))
    )
    #expect(rows(other) == [["1", nil], ["2", ""], ["3", "NULL"]])
  }
  @Test func fieldsGoToTheirNamedColumnsAndOthersGetConstants() throws {
    let columns = two + [Column(name: "c", type: .integer), Column(name: "d", type: .text)]
    let built = try build("x,1\ny,2\n", columns, names: ["b", "a"], constants: [2: .fixed(9)])
    #expect(rows(built) == [["1", "x", "9", nil], ["2", "y", "9", nil]])
    #expect(throws: TallyError.self) { try build("", columns, names: ["b"]) }
    #expect(throws: TallyError.self) { try build("", columns, names: ["a", "a"]) }
    #expect(throws: TallyError.self) { try build("", columns, names: ["a", "zz"]) }
  }
  @Test func allTypesAreRead() throws {
    let types: [DataType] = [
      .bigint, .boolean, .smallint, .integer, .double, .plainNumeric,
      .numeric(precision: 6, scale: 2), .varchar(3),
      .date, .timestamp, .timestamptz, .interval, .text,
    ]
    let columns = types.enumerated().map { Column(name: "c\($0)", type: $1) }
    let built = try build(
      "-7,yes, 3 ,+4,1e3,1.50,1.005,abc  ,2024-02-29,2024-01-02T03:04:05.5,2024-01-02 03:04:05+02,1 day 2:00,é\n",
      columns
    )
    #expect(
      rows(built) == [
        [
          "-7", "t", "3", "4", "1000", "1.50", "1.01", "abc", "2024-02-29", "2024-01-02 03:04:05.5",
          "2024-01-02 01:04:05+00", "1 day 02:00:00", "é",
        ]
      ]
    )
  }
}

@Suite struct CSVFaults {
  private func failure(_ csv: String, _ columns: [Column]) -> (String, String, String?) {
    do {
      _ = try build(csv, columns)
      return ("", "accepted", nil)
    } catch let error as TallyError {
      return (error.sqlState, error.message, error.detail)
    } catch {
      return ("", "\(error)", nil)
    }
  }
  @Test func errorsUsePostgreSQLsWords() {
    let columns = two + [Column(name: "c", type: .integer)]
    #expect(
      failure("1,x,2\n2,\"q\nq\",3\n3,y,abc\n", columns) == (
        "22P02", "invalid input syntax for type integer: \"abc\"", "line 4, column c"
      )
    )
    #expect(
      failure("1,x,99999999999\n", columns) == (
        "22003", "value \"99999999999\" is out of range for type integer", "line 1, column c"
      )
    )
    #expect(failure("1,x\n", columns) == ("22P04", "missing data for column \"c\"", "line 1"))
    #expect(
      failure("1,x,2,3\n", columns) == ("22P04", "extra data after last expected column", "line 1")
    )
    #expect(
      failure(",x,2\n", columns) == (
        "23502", "null value in column \"a\" of relation \"t\" violates not-null constraint",
        "line 1, column a"
      )
    )
    #expect(failure("1,\"x,2\n", columns) == ("22P04", "unterminated CSV quoted field", "line 1"))
    #expect(failure("1,x,2\n\n", columns) == ("22P04", "missing data for column \"b\"", "line 2"))
    #expect(
      failure("1,toolong\n", [two[0], Column(name: "v", type: .varchar(3))]) == (
        "22001", "value too long for type character varying(3)", "line 1, column v"
      )
    )
  }
  @Test func nulBytesAndBadUTF8AreNamed() throws {
    let plan = try CSVPlan(table: table(two), shards: shards(2), rejectsRows: true)
    var builder = CSVBatchBuilder(plan)
    let built = try builder.build(
      Array("1,a\n2,".utf8) + [0xc3, 0x28] + Array("\n3,ü\n4,".utf8) + [0] + Array("\n".utf8),
      firstLine: 10
    )
    #expect(built.rows == 2)
    #expect(built.rejects.map(\.line) == [11, 13])
    #expect(built.rejects.map(\.error.sqlState) == ["22021", "22021"])
    #expect(
      built.rejects.map(\.error.message) == [
        "invalid byte sequence for encoding \"UTF8\": 0xc3",
        "invalid byte sequence for encoding \"UTF8\": 0x00",
      ]
    )
    #expect(built.rejects.map(\.column) == ["b", "b"])
  }
  @Test func rejectedRowsAreLeftOutAndTheOthersStay() throws {
    let columns = two + [Column(name: "c", type: .integer), Column(name: "d", type: .date)]
    let built = try build(
      "1,x,2,2024-01-01\nbad,x,worse,no\n3,y,4,2024-13-01\n4,z,5\n5,\"w\nw\",6,2024-01-05\n,n,7,2024-01-06\n",
      columns,
      shardCount: 4,
      rejects: true
    )
    #expect(built.rows == 2)
    #expect(Set(rows(built).map { $0[0] }) == ["1", "5"])
    #expect(built.rejects.map(\.line) == [2, 3, 4, 7])
    #expect(built.rejects.map(\.column) == ["a", "d", nil, "a"])
    #expect(
      built.rejects.map { String(decoding: $0.record, as: UTF8.self) } == [
        "bad,x,worse,no", "3,y,4,2024-13-01", "4,z,5", ",n,7,2024-01-06",
      ]
    )
  }
}

@Suite struct CSVPartition {
  @Test func rowsGoToTheShardOfTheirKeyInOrder() throws {
    for count in [1, 3, 32, 1000] {
      let csv = (0..<3000).map { "\($0 % 77),r\($0)\n" }.joined()
      let built = try build(csv, two, shardCount: count)
      let ranges = shards(count)
      #expect(built.parts.map(\.shard) == built.parts.map(\.shard).sorted())
      var total = 0
      for part in built.parts {
        var last = -1
        for row in 0..<part.batch.count {
          let key = Int64(text(part.batch.columns[0], row) ?? "") ?? -1
          let hash = StableHash.hash(key)
          #expect(hash >= ranges[part.shard].lower && hash <= ranges[part.shard].upper)
          let order = Int((text(part.batch.columns[1], row) ?? "").dropFirst()) ?? -1
          #expect(order > last && Int64(order % 77) == key)
          last = order
          total += 1
        }
      }
      #expect(total == 3000)
    }
  }
  @Test func textKeysHashTheirBytesQuotedOrNot() throws {
    let columns = [
      Column(name: "k", type: .varchar(4), isNotNull: true), Column(name: "n", type: .bigint),
    ]
    let built = try build("abcd,1\n\"abcd\",2\nabcd   ,3\n", columns, shardCount: 64)
    #expect(built.parts.count == 1)
    #expect(rows(built).map { $0[0] } == ["abcd", "abcd", "abcd"])
  }
  @Test func moreRowsThanABatchHoldsMakeMoreParts() throws {
    let built = try build(String(repeating: "5,same\n", count: 70_000), two)
    #expect(built.parts.map(\.batch.count) == [Limits.batchRowsMax, 70_000 - Limits.batchRowsMax])
    for part in built.parts {
      guard case .codes(_, let dictionary) = part.batch.columns[1].values else {
        Issue.record("not coded")
        return
      }
      #expect(dictionary.count == 1)
    }
  }
  @Test func equalBytesGiveEqualBatches() throws {
    let csv = (0..<2000).map { "\($0 * 31 % 97),\"v\($0 % 50)\"\n" }.joined()
    func encoded() throws -> [[UInt8]] {
      try build(csv, two, shardCount: 8).parts.map { BatchFormat.encode($0.batch) }
    }
    let (first, second) = (try encoded(), try encoded())
    #expect(first == second)
    for bytes in first {
      let batch = try BatchFormat.decode(bytes, types: two.map(\.type))
      #expect(batch.count > 0)
    }
  }
}

@Suite struct CSVRandomTables {
  struct Source {
    var state: UInt64
    mutating func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
    mutating func wide() -> Int64 { Int64(next(1 << 30)) * Int64(next(1 << 30)) - (1 << 58) }
    mutating func value(_ type: DataType) -> Value {
      switch type {
      case .boolean: return .fixed(Int64(next(2)))
      case .smallint: return .fixed(Int64(next(65536) - 32768))
      case .integer: return .fixed(Int64(Int32(truncatingIfNeeded: wide())))
      case .date: return .fixed(Int64(next(4_000_000) - 700_000))
      case .timestamp, .timestamptz:
        return .fixed(Int64(next(1 << 30)) * Int64(next(1 << 20)) * (next(2) == 0 ? 1 : 1_000))
      case .double: return .double(Double(wide()) / Double(1 + next(1 << 20)))
      case .numeric:
        return .numeric(
          Numeric(coefficient: Int128(wide()) * Int128(1 + next(1000)), scale: UInt8(next(20)))
        )
      case .interval:
        return .interval(
          Interval(
            months: Int32(next(100) - 50),
            days: Int32(next(100) - 50),
            microseconds: wide() / 1000
          )
        )
      case .text, .varchar:
        let pieces = [
          "", "a", ",", "\"", "\n", "\r\n", "é", "long piece of text", "\"\"", " ", "😀", "NULL",
        ]
        return .text((0..<next(5)).map { _ in pieces[next(pieces.count)] }.joined())
      default: return .fixed(wide())
      }
    }
  }
  @Test(arguments: 1...60) func tablesComeBackAsWritten(seed: Int) throws {
    var source = Source(state: UInt64(seed) &* 977)
    let all: [DataType] = [
      .boolean, .smallint, .integer, .bigint, .double, .plainNumeric, .text, .varchar(0), .date,
      .timestamp, .timestamptz,
      .interval, .hllHashval,
    ]
    let key: DataType = source.next(2) == 0 ? .bigint : .text
    let columns =
      [Column(name: "k", type: key, isNotNull: true)]
      + (0..<(1 + source.next(9))).map { Column(name: "c\($0)", type: all[source.next(all.count)]) }
    var csv = ""
    var expected: [[String?]] = []
    let newline = source.next(2) == 0 ? "\n" : "\r\n"
    for _ in 0..<source.next(400) {
      var row: [String?] = []
      for column in columns {
        if !column.isNotNull && source.next(6) == 0 {
          row.append(nil)
        } else {
          row.append(ValueText.print(source.value(column.type), as: column.type))
        }
      }
      csv +=
        row.map { field in
          guard let field else { return "" }
          let needsQuotes =
            field.isEmpty || field.unicodeScalars.contains { ",\"\n\r".unicodeScalars.contains($0) }
          return needsQuotes || source.next(5) == 0
            ? "\""
              + field.split(separator: "\"", omittingEmptySubsequences: false).joined(
                separator: "\"\""
              ) + "\"" : field
        }.joined(separator: ",") + newline
      expected.append(row)
    }
    if source.next(2) == 0 && csv.hasSuffix("\n") {
      csv.unicodeScalars.removeLast(newline == "\n" ? 1 : 2)
    }
    let built = try build(csv, columns, shardCount: 1)
    #expect(rows(built) == expected)
    let spread = try build(csv, columns, shardCount: 7)
    func sorted(_ rows: [[String?]]) -> [String] { rows.map { "\($0)" }.sorted() }
    #expect(sorted(rows(spread)) == sorted(expected))
  }
}
