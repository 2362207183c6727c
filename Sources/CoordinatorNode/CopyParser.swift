// CopyParser.swift — a piece of COPY's data → encoded batches by shard, on compute threads.
//
// What is regular (the usual quotes, lines that all end alike, nothing wrong) is read by the machinery of `tally ingest`
// (CSVBatchBuilder), column by column. What that refuses is read again line by line (CopyLines, CopyFields, CopyRows), which either
// finds PostgreSQL's error or takes the rows after all. So the fast reader has to be right only where it finds nothing wrong.
import Bytes
import ClientCore
import Columns
import Model
import Planning
internal import Synchronization

/// What became of a piece.
struct CopyParsed: Sendable {
  /// Number of the piece.
  var number: Int
  /// Rows by shard.
  var parts: [ShardRows] = []
  /// Rows in them.
  var rows = 0
  /// Lines of text, rows of binary data, that were read.
  var lines = 0
  /// The first thing that is wrong.
  var fault: CopyFault?
  /// The data ends in it.
  var isEnd = false
}

/// Reads pieces; keeps as many builders as were ever used at once.
final class CopyParser: Sendable {
  private final class Builder: @unchecked Sendable {
    var csv: CSVBatchBuilder
    init(_ plan: CSVPlan) { csv = CSVBatchBuilder(plan) }
  }
  private let plan: CopyInPlan
  private let snapshot: CatalogSnapshot
  private let values: any ExternalValues
  /// The table's shards, by rising range.
  let shards: [ShardID]
  private let names: [String]
  /// For lines that end in LF and in CRLF; nil when the options are not those of the fast reader.
  private let regular: (lf: CSVPlan, crlf: CSVPlan)?
  /// Belongs to one compute thread between being taken and given back; by how lines end.
  private let free = Mutex<(lf: [Builder], crlf: [Builder])>(([], []))

  init(_ plan: CopyInPlan, _ snapshot: CatalogSnapshot, _ values: any ExternalValues) throws {
    guard let group = plan.table.distribution.group, let ids = snapshot.group(group)?.shards else {
      throw TallyError(.staleCatalog, "table \(plan.table.name) has no place")
    }
    let records = ids.compactMap { snapshot.shard($0) }.sorted { $0.lower < $1.lower }
    self.plan = plan
    self.snapshot = snapshot
    self.values = values
    shards = records.map(\.id)
    names = plan.columns.map { plan.table.columns[$0].name }
    regular = Self.regular(plan, records)
  }
  /// Plans of the fast reader, if it knows the options and every row can get all of its columns.
  private static func regular(_ plan: CopyInPlan, _ shards: [ShardRecord]) -> (CSVPlan, CSVPlan)? {
    let options = plan.options
    guard !plan.needsZone, options.format != .binary, options.escape == options.quote || options.format == .text,
      !options.forceNull.contains(true), !options.forceNotNull.contains(true)
    else { return nil }
    func make(_ ends: CSVFormat.LineEnds) -> CSVPlan? {
      var format = CSVFormat(delimiter: options.delimiter, nullText: options.nullText)
      format.quote = options.quote
      format.hasEscapes = options.format == .text
      format.lineEnds = ends
      var constants: [Int: Value] = [:]
      for at in plan.table.columns.indices where !plan.columns.contains(at) { constants[at] = plan.defaults[at] }
      // What it refuses (a tenant key that is not in the data, say) is told row by row, if there are rows.
      do throws(TallyError) {
        return try CSVPlan(
          table: plan.table,
          shards: shards,
          columns: plan.columns.map { plan.table.columns[$0].name },
          format: format,
          constants: constants
        )
      } catch { return nil }
    }
    guard let lf = make(.lf), let crlf = make(.crlf) else { return nil }
    return (lf, crlf)
  }

  /// Reads a piece.
  func parse(_ piece: CopyPiece) throws -> CopyParsed {
    try piece.bytes.withUnsafeBytes { raw in
      plan.options.format == .binary ? try binary(raw, piece) : try lines(raw, piece)
    }
  }

  // MARK: Text and CSV

  private func lines(_ raw: UnsafeRawBufferPointer, _ piece: CopyPiece) throws -> CopyParsed {
    var parsed = CopyParsed(number: piece.number)
    var reader = CopyLines(raw, plan.options, piece.number == 0 ? .unknown : piece.ends)
    do throws(CopyFault) {
      if piece.number == 0, plan.options.header != .none, !(try header(raw, &reader)) {
        (parsed.lines, parsed.isEnd) = (reader.count, true)
        return parsed
      }
    } catch {
      parsed.fault = error
      return parsed
    }
    let rest = UnsafeRawBufferPointer(rebasing: raw[reader.at...])
    if !piece.mayEnd, !piece.isCutOff, let fast = try regular(rest, piece.ends) {
      parsed.parts = fast.parts
      parsed.rows = fast.rows
      parsed.lines = reader.count + fast.lines - (reader.ends == .unknown ? Self.uncounted(rest, plan.options) : 0)
      return parsed
    }
    var rows = CopyRows(plan)
    do throws(CopyFault) {
      while let line = try reader.next() {
        if piece.isCutOff, reader.isOpen {
          parsed.lines = reader.line - 1
          return parsed
        }
        try take(UnsafeRawBufferPointer(rebasing: raw[line]), reader.line, &rows)
      }
    } catch {
      parsed.fault = error
      return parsed
    }
    (parsed.lines, parsed.isEnd, parsed.rows) = (reader.count, reader.isEnded, rows.count)
    parsed.parts = try Coordinator.split([rows.batch()], plan.table, snapshot)
    return parsed
  }
  /// Reads the first line; false when there is none.
  private func header(_ raw: UnsafeRawBufferPointer, _ reader: inout CopyLines) throws(CopyFault) -> Bool {
    let line = try reader.next()
    guard plan.options.header == .match else { return line != nil }
    // Data without a line has an empty one to compare.
    let fields = CopyFields(options: plan.options)
    let text = UnsafeRawBufferPointer(rebasing: raw[line ?? 0..<0])
    do throws(TallyError) { try fields.check(header: try fields.fields(of: text), names) } catch {
      throw CopyFault(error: error, line: reader.line, place: .text(Array(text)))
    }
    return line != nil
  }
  /// Reads lines column by column; nil when something about them is not regular.
  private func regular(
    _ raw: UnsafeRawBufferPointer,
    _ ends: CopyLineEnds
  ) throws -> (parts: [ShardRows], rows: Int, lines: Int)? {
    guard let regular, ends != .cr else { return nil }
    let isCRLF = ends == .crlf
    let builder =
      free.withLock { isCRLF ? $0.crlf.popLast() : $0.lf.popLast() } ?? Builder(isCRLF ? regular.crlf : regular.lf)
    defer { free.withLock { if isCRLF { $0.crlf.append(builder) } else { $0.lf.append(builder) } } }
    let built: CSVBuilt
    do throws(TallyError) { built = try builder.csv.build(raw) } catch { return nil }
    var parts: [ShardRows] = []
    for part in built.parts {
      let shard = shards[part.shard]
      if parts.last?.shard != shard { parts.append(ShardRows(shard: shard, batches: [])) }
      Coordinator.cut(part.batch, into: &parts[parts.count - 1].batches)
    }
    let lines = plan.options.format == .text ? built.rows : TextScan.count(isCRLF ? 0x0d : 0x0a, in: raw)
    return (parts, built.rows, lines)
  }
  /// Line ends in the first record that are not counted, because before its end it is not known how lines end.
  private static func uncounted(_ raw: UnsafeRawBufferPointer, _ options: CopyOptions) -> Int {
    if options.format == .text { return 0 }
    var reader = CopyLines(raw, options, .unknown)
    do throws(CopyFault) { guard try reader.next() != nil, reader.ends == .lf else { return 0 } } catch { return 0 }
    return TextScan.count(0x0a, in: UnsafeRawBufferPointer(rebasing: raw[..<reader.at])) - reader.line
  }
  /// Reads one line.
  private func take(_ line: UnsafeRawBufferPointer, _ number: Int, _ rows: inout CopyRows) throws(CopyFault) {
    func wrong(_ error: TallyError) -> CopyFault { CopyFault(error: error, line: number, place: .text(Array(line))) }
    let fields: [[UInt8]?]
    do throws(TallyError) { fields = try CopyFields(options: plan.options).fields(of: line) } catch { throw wrong(error) }
    if fields.count > plan.columns.count { throw wrong(.sql("22P04", "extra data after last expected column")) }
    for at in plan.columns.indices {
      guard at < fields.count else { throw wrong(.sql("22P04", "missing data for column \"\(names[at])\"")) }
      var field = fields[at]
      if field == nil {
        if isForced(plan.options.forceNotNull, at) { field = plan.options.nullText }
      } else if isForced(plan.options.forceNull, at), field == plan.options.nullText {
        field = nil
      }
      do throws(TallyError) {
        guard let field else {
          try rows.set(at, .null)
          continue
        }
        let type = plan.table.columns[plan.columns[at]].type
        try withBytes(field) { bytes throws(TallyError) in try rows.set(at, try ZonedText.parse(bytes, as: type, zone: plan.zone)) }
      } catch {
        throw CopyFault(error: error, line: number, place: .value(column: names[at], field ?? []))
      }
    }
    if let violated = rows.endRow() {
      throw CopyFault(error: violated, line: number, place: .text(Array(line)))
    }
  }
  private func isForced(_ flags: [Bool], _ at: Int) -> Bool { at < flags.count && flags[at] }
  private func withBytes(
    _ bytes: [UInt8],
    _ body: (UnsafeRawBufferPointer) throws(TallyError) -> Void
  ) throws(TallyError) {
    var failure: TallyError?
    bytes.withUnsafeBytes { raw in
      do throws(TallyError) { try body(raw) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  // MARK: Binary

  static let signature: [UInt8] = [0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00]

  private func binary(_ raw: UnsafeRawBufferPointer, _ piece: CopyPiece) throws -> CopyParsed {
    var parsed = CopyParsed(number: piece.number)
    var rows = CopyRows(plan)
    var reader = CopyBytes(raw)
    do throws(CopyFault) {
      if piece.number == 0 {
        do throws(CopyFault) { try header(&reader) } catch  where piece.isCutOff { return parsed }
      }
      while !reader.isAtEnd {
        parsed.lines += 1
        if try !row(&reader, parsed.lines, &rows) {
          parsed.isEnd = true
          break
        }
      }
    } catch {
      // The row that was being sent.
      if piece.isCutOff, reader.isShort { parsed.lines -= 1 } else { parsed.fault = error }
      return parsed
    }
    parsed.rows = rows.count
    parsed.parts = try Coordinator.split([rows.batch()], plan.table, snapshot)
    return parsed
  }
  private func header(_ reader: inout CopyBytes) throws(CopyFault) {
    func wrong(_ message: String) -> CopyFault { CopyFault(error: .sql("22P04", message), line: 0, place: .start) }
    guard let signature = reader.take(11), signature.elementsEqual(Self.signature) else {
      throw wrong("COPY file signature not recognized")
    }
    guard let flags = reader.integer(UInt32.self) else { throw wrong("invalid COPY file header (missing flags)") }
    if flags & 0x1_0000 != 0 { throw wrong("invalid COPY file header (WITH OIDS)") }
    if flags >> 16 != 0 { throw wrong("unrecognized critical flags in COPY file header") }
    guard let length = reader.integer(Int32.self), length >= 0 else { throw wrong("invalid COPY file header (missing length)") }
    guard reader.take(Int(length)) != nil else { throw wrong("invalid COPY file header (wrong length)") }
  }
  /// Reads a row; false at the trailer and at the end of the data.
  private func row(_ reader: inout CopyBytes, _ line: Int, _ rows: inout CopyRows) throws(CopyFault) -> Bool {
    var column: String?
    func wrong(_ message: String) -> CopyFault {
      CopyFault(error: .sql("22P04", message), line: line, place: column.map { .column($0) } ?? .line)
    }
    // As PostgreSQL has it, one byte that is left is no row and no error.
    guard let count = reader.integer(Int16.self) else { return false }
    if count == -1 {
      guard reader.isAtEnd else { throw wrong("received copy data after EOF marker") }
      return false
    }
    guard Int(count) == plan.columns.count else {
      throw wrong("row field count is \(count), expected \(plan.columns.count)")
    }
    for at in plan.columns.indices {
      column = names[at]
      guard let length = reader.integer(Int32.self) else { throw wrong("unexpected EOF in COPY data") }
      do throws(TallyError) {
        if length == -1 {
          try rows.set(at, .null)
          continue
        }
        guard length >= 0 else { throw .sql("22P04", "invalid field size") }
        guard let bytes = reader.take(Int(length)) else { throw .sql("22P04", "unexpected EOF in COPY data") }
        try rows.set(at, try values.read(binary: bytes, as: plan.table.columns[plan.columns[at]].type))
      } catch {
        throw CopyFault(error: error, line: line, place: .column(names[at]))
      }
    }
    if let violated = rows.endRow() {
      throw CopyFault(error: violated, line: line, place: .line)
    }
    return true
  }
}

/// Reads binary data, most significant byte first.
private struct CopyBytes {
  private let bytes: UnsafeRawBufferPointer
  private var at = 0
  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }
  var isAtEnd: Bool { at == bytes.count }
  /// More was asked for than there is.
  private(set) var isShort = false
  mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
    guard count <= bytes.count - at else {
      isShort = true
      return nil
    }
    defer { at += count }
    return UnsafeRawBufferPointer(rebasing: bytes[at..<(at + count)])
  }
  mutating func integer<T: FixedWidthInteger>(_ type: T.Type) -> T? {
    take(MemoryLayout<T>.size).map { T(bigEndian: $0.loadUnaligned(as: T.self)) }
  }
}
