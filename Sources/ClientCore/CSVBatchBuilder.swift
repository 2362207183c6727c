// CSVBatchBuilder.swift — a chunk of whole CSV records becomes one batch of typed columns for each shard it has rows for.
//
// The chunk is read in three steps: where the fields are (one scan), which shard each row belongs to (its key field), then
// column by column, each value written straight to its place among the rows of its shard. A row found wrong in any step is
// noted and the steps are taken again without the wrong rows, so that the common case pays nothing for them. The result
// depends on the plan and the bytes only.
import Bytes
import Columns
public import Model

/// Builds batches from chunks; keeps its memory from one chunk to the next.
///
/// Not for sharing between tasks.
public struct CSVBatchBuilder: ~Copyable {
  /// The plan.
  public let plan: CSVPlan
  private var fields = CSVFields()

  /// Makes a builder for a plan.
  public init(_ plan: CSVPlan) { self.plan = plan }

  /// Reads a chunk of whole records, the first of which begins on line `firstLine`.
  ///
  /// Throws the first wrong row's error unless the plan rejects rows.
  public mutating func build(
    _ bytes: UnsafeRawBufferPointer,
    firstLine: Int = 1
  ) throws(TallyError) -> CSVBuilt {
    fields.scan(bytes, format: plan.format)
    guard hasRegularLineEnds(bytes) else { throw .sql("22P04", "lines end in different ways") }
    var faults = CSVFaults()
    var records: [UInt32] = []
    findRecords(bytes, &records, &faults)
    var parts: [CSVPart] = []
    while true {
      let before = faults.count
      parts = try Self.read(plan, bytes, fields.entries, records, &faults)
      if faults.count == before { break }
      if !plan.rejectsRows { break }
      records.removeAll { faults.contains($0) }
    }
    let rejects = faults.rejects(plan, bytes, fields, firstLine)
    if !plan.rejectsRows, let first = rejects.first { throw first.error }
    return CSVBuilt(parts: parts, rows: records.count, rejects: rejects)
  }
  /// Reads a chunk of whole records.
  public mutating func build(_ bytes: [UInt8], firstLine: Int = 1) throws(TallyError) -> CSVBuilt {
    var result: Result<CSVBuilt, TallyError>?
    bytes.withUnsafeBytes { raw in
      do throws(TallyError) { result = .success(try build(raw, firstLine: firstLine)) } catch {
        result = .failure(error)
      }
    }
    guard let result else { fatalError("withUnsafeBytes did not call its body") }
    return try result.get()
  }

  /// Whether lines end as the format says, so that no carriage return is part of a record. Bytes that are right may be called irregular.
  private func hasRegularLineEnds(_ bytes: UnsafeRawBufferPointer) -> Bool {
    switch plan.format.lineEnds {
    case .any: return true
    case .lf: return TextScan.count(0x0d, in: bytes) == 0
    case .crlf:
      var ends = 0
      for k in 0..<fields.count where fields.endsRecord(k) {
        let end = Int(fields.entries[k + 1] & TextScan.offsetMask) - 1
        // The last record of a file may have no end.
        if end >= bytes.count { continue }
        guard end > 0, bytes[end - 1] == 0x0d, !plan.format.hasEscapes || end < 2 || bytes[end - 2] != 0x5c else { return false }
        ends += 1
      }
      return TextScan.count(0x0d, in: bytes) == ends
    }
  }
  /// The first fields of all records that have as many fields as they should and are UTF-8.
  private func findRecords(
    _ bytes: UnsafeRawBufferPointer,
    _ records: inout [UInt32],
    _ faults: inout CSVFaults
  ) {
    let entries = fields.entries
    let total = fields.count
    let width = plan.fieldCount
    let isText = TextScan.utf8Prefix(bytes) == bytes.count
    records.reserveCapacity(total / max(width, 1) + 1)
    var k = 0
    while k < total {
      var next = k + 1
      while next < total && entries[next] & TextScan.recordEnd == 0 { next += 1 }
      if next == total && fields.isUnterminated {
        faults.add(UInt32(k), column: nil, CSVRecords.unterminated())
      } else if next - k != width {
        faults.add(UInt32(k), column: nil, widthFailure(next - k))
      } else if !isText, let (column, failure) = encodingFailure(bytes, k, next) {
        faults.add(UInt32(k), column: column, failure)
      } else {
        records.append(UInt32(k))
      }
      k = next
    }
  }
  private func widthFailure(_ found: Int) -> TallyError {
    if found > plan.fieldCount { return .sql("22P04", "extra data after last expected column") }
    let missing = plan.fields.firstIndex { $0 == found } ?? 0
    return .sql("22P04", "missing data for column \"\(plan.table.columns[missing].name)\"")
  }
  /// The first field from `k` up to `end` that is not UTF-8.
  private func encodingFailure(
    _ bytes: UnsafeRawBufferPointer,
    _ k: Int,
    _ end: Int
  ) -> (column: Int?, TallyError)? {
    for field in k..<end {
      let raw = UnsafeRawBufferPointer(rebasing: bytes[fields.range(field, in: bytes)])
      let good = TextScan.utf8Prefix(raw)
      if good == raw.count { continue }
      let digits = String(raw[good], radix: 16)
      return (
        plan.fields.firstIndex { $0 == field - k },
        .sql(
          "22021",
          "invalid byte sequence for encoding \"UTF8\": 0x\(digits.count == 1 ? "0" : "")\(digits)"
        )
      )
    }
    return nil
  }

  /// Reads all columns of the given records.
  private static func read(
    _ plan: CSVPlan,
    _ bytes: UnsafeRawBufferPointer,
    _ entries: UnsafeMutablePointer<UInt32>,
    _ records: [UInt32],
    _ faults: inout CSVFaults
  ) throws(TallyError) -> [CSVPart] {
    let count = records.count
    guard count > 0, let base = bytes.baseAddress else { return [] }
    let places = UnsafeMutablePointer<UInt32>.allocate(capacity: count)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: count * 32, alignment: 16)
    defer {
      places.deallocate()
      memory.deallocate()
    }
    var parts: [(shard: Int, rows: Range<Int>)] = []
    var columns: [[ColumnVector]] = []
    records.withUnsafeBufferPointer { records in
      let reader = CSVColumnReader(
        plan: plan,
        base: base,
        entries: entries,
        records: records,
        places: UnsafePointer(places),
        memory: memory
      )
      parts = reader.place(places, &faults)
      for column in plan.table.columns.indices {
        columns.append(reader.read(column, parts.map(\.rows), &faults))
      }
    }
    // With faults the parts hold gaps and are thrown away.
    if !faults.isEmpty(of: records) { return [] }
    return parts.indices.map { part in
      CSVPart(
        shard: parts[part].shard,
        batch: Batch(count: parts[part].rows.count, columns: columns.map { $0[part] })
      )
    }
  }
}

/// What is wrong with which record; one fault a record, that of its first faulty column.
struct CSVFaults {
  private var faults: [UInt32: (column: Int?, error: TallyError)] = [:]
  var count: Int { faults.count }
  func contains(_ record: UInt32) -> Bool { faults[record] != nil }
  func isEmpty(of records: [UInt32]) -> Bool {
    faults.isEmpty || !records.contains { faults[$0] != nil }
  }
  /// Notes a fault of the record that begins with that field; a later column never replaces an earlier one.
  mutating func add(_ record: UInt32, column: Int?, _ error: TallyError) {
    if let known = faults[record], (known.column ?? -1) <= (column ?? -1) { return }
    faults[record] = (column, error)
  }
  /// All faults in the file's order, with their lines.
  func rejects(
    _ plan: CSVPlan,
    _ bytes: UnsafeRawBufferPointer,
    _ fields: borrowing CSVFields,
    _ firstLine: Int
  ) -> [CSVReject] {
    if faults.isEmpty { return [] }
    var line = firstLine
    var counted = 0
    var rejects: [CSVReject] = []
    for (record, fault) in faults.sorted(by: { $0.key < $1.key }) {
      var last = Int(record)
      while last + 1 < fields.count && !fields.endsRecord(last) { last += 1 }
      let start = fields.range(Int(record), in: bytes).lowerBound
      line += TextScan.count(0x0a, in: UnsafeRawBufferPointer(rebasing: bytes[counted..<start]))
      counted = start
      let end = max(start, fields.range(last, in: bytes).upperBound)
      var error = fault.error
      let name = fault.column.map { plan.table.columns[$0].name }
      error.detail = "line \(line)" + (name.map { ", column \($0)" } ?? "")
      rejects.append(
        CSVReject(line: line, column: name, error: error, record: [UInt8](bytes[start..<end]))
      )
    }
    return rejects
  }
}
