// NewTypeTests.swift — columns of real, bytea, uuid, inet, jsonb, time, character, name, oid and arrays through batches, memtables and
// segments.
import Bytes
import Columns
import Model
import Testing

@testable import Storage

private let layout = RelationLayout(
  id: TableID(6),
  columns: [
    Column(name: "tenant", type: .text), Column(name: "day", type: .date), Column(name: "real", type: .real),
    Column(name: "bytes", type: .bytea), Column(name: "id", type: .uuid), Column(name: "doc", type: .jsonb),
    Column(name: "at", type: .time),
    Column(name: "code", type: .bpchar(4)), Column(name: "name", type: .name), Column(name: "oid", type: .oid),
    Column(name: "tags", type: .array(.text)), Column(name: "numbers", type: .array(.bigint)), Column(name: "raw", type: .json),
    Column(name: "address", type: .inet),
  ],
  sortKey: [0, 1],
  timeColumn: 1
)

private func batch(_ count: Int) throws -> Batch {
  let hexadecimal = Array("0123456789abcdef")
  let texts: [(Int) -> String?] = [
    { "tenant \($0 % 3)" }, { "2024-02-\($0 % 28 + 1)" }, { $0 % 5 == 4 ? nil : "\($0).5" },
    { $0 % 5 == 4 ? nil : "\\x00ff\(hexadecimal[$0 % 16])\(hexadecimal[$0 / 16 % 16])" },
    { row in row % 7 == 6 ? nil : String((0..<32).map { hexadecimal[(row * 7 + $0 * row) % 16] }) },
    { "{\"k\": \($0), \"s\": [\"x\", null]}" },
    { "\($0 % 24):00" }, { $0 % 5 == 4 ? nil : "c\($0 % 9)" }, { "name\($0)" }, { "\($0 * 1000)" },
    { $0 % 5 == 4 ? nil : "{a\($0 % 4),NULL,\"ä \"}" }, { "{\($0),\(-$0)}" }, { "{\"b\" : \($0)}" },
    { $0 % 5 == 4 ? nil : $0 % 2 == 0 ? "10.0.\($0 % 256).1/\($0 % 32)" : "2001:db8::\($0)" },
  ]
  var columns: [ColumnVector] = []
  for (column, text) in zip(layout.columns, texts) {
    var values: [Value] = []
    for row in 0..<count { values.append(try text(row).map { try ValueText.parse($0, as: column.type) } ?? .null) }
    columns.append(ColumnVector(column.type, values: values))
  }
  return Batch(count: count, columns: columns)
}
private func shown(_ batch: Batch) -> [String] {
  (0..<batch.count).map { row in
    batch.columns.map { column in
      if column.isNull(row) { return "NULL" }
      let value: Value
      switch column.values {
      case .fixed(let v): value = .fixed(v[row])
      case .double(let v): value = .double(v[row])
      case .codes(let v, let d): value = d.withText(v[row]) { BinaryForm.value($0, column.type) }
      case .text(let v):
        value = v.bytes.withUnsafeBytes { raw in
          BinaryForm.value(UnsafeRawBufferPointer(rebasing: raw[Int(v.offsets[row])..<Int(v.offsets[row + 1])]), column.type)
        }
      default: return "?"
      }
      return ValueText.print(value, as: column.type) ?? "NULL"
    }.joined(separator: "|")
  }
}

@Test func newTypesComeBackFromSegments() throws {
  let rows = try batch(700)
  let image = SegmentWriter.write(Samples.identity, sections: [Samples.input(rows, layout, keeps: true)])
  var read: [String] = []
  for section in try Samples.open(image) {
    #expect(section.types == layout.types)
    for block in 0..<section.blockCount {
      let columns = try section.readBlock(block, columns: Array(section.types.indices))
      read += shown(Batch(count: section.rows(ofBlock: block).count, columns: columns))
    }
  }
  #expect(read.sorted() == shown(rows).sorted())
}

@Test func newTypesComeBackFromBatchesAndDamageNeverTraps() throws {
  let rows = try batch(60)
  let bytes = BatchFormat.encode(rows)
  #expect(shown(try BatchFormat.decode(bytes, types: layout.types)) == shown(rows))
  var random = SampleRandom(5)
  for _ in 0..<2000 {
    var damaged = bytes
    damaged[random.below(damaged.count)] = UInt8(truncatingIfNeeded: random.next())
    do throws(DecodingFailure) { _ = shown(try BatchFormat.decode(damaged, types: layout.types)) } catch { continue }
  }
  // Bytes that are no uuid, no address and no array are refused.
  let short = Batch(count: 1, columns: [ColumnVector(.bytea, values: [.bytes([1, 2, 3])])])
  for type in [DataType.uuid, .inet, .array(.integer)] {
    #expect(throws: DecodingFailure.self) { try BatchFormat.decode(BatchFormat.encode(short), types: [type]) }
  }
}
