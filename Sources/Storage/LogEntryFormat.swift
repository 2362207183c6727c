// LogEntryFormat.swift — bytes of the bodies of log entries (EntryBody.swift). Headers and chain: LogEntry.swift.
//
//   EpochStart     := u64 node
//   Batch          := u64 table, varint rows, hash content, u8 key (0 none | 1 u64 session, u64 sequence, u64 done
//                     below | 2 id: u64 high, u64 low), then the batch exactly as it was sent (BatchFormat) to the end of the body
//   RollupCommit   := u64 rollup, u64 from, u64 to, u64 rows consumed, u64 rows with failed expressions, Runs
//   BackfillCommit := u64 rollup, i64 from time, i64 to time, u64 rows consumed, u64 rows with failed expressions, Runs
//   Runs           := varint count, then each as varint bytes and a batch (BatchFormat): keys then measures of the finest level
//   Layout         := u8 form (1 flush: u64 after, u64 through | 2 merge: u8 (0, 1), [i64 floor]), i64 settled before,
//                     Files, Drops
//   RetentionDrop  := u64 relation, i64 before, Drops
//   Files          := varint count, each u64 number, u64 bytes, hash, varint count, Section…
//   Section        := u64 relation, i32 day slice, varint rows, u64 low, u64 high, u8 flags (1 positions, 2 times),
//                     [i64 min time, i64 max time], varint bytes
//   Drops          := varint count, each u64 file, varint section
//   SchemaBarrier  := varint count, Table…, varint count, Rollup… (CatalogFormat), by rising id; the version is the header's
//   KeyExpiry      := i64 sessions through log time, i64 hours of ids before a time (the least number: none)
//   Delete         := Deletion (Deletion.swift)
//   TenantDelete   := TenantDeletion (TenantDeletion.swift)
// Stage, Decide, Commit and Abort: StatementEntryFormat.swift.
public import Bytes
public import Columns
public import Model

/// Bytes of entry bodies.
public enum LogEntryFormat {
  static let runsMax = 4096
  static let filesMax = 65536
  static let sectionsMax = 1 << 20
  static let relationsMax = 65536

  /// Encodes a body. The batch of a Batch entry is copied once, here.
  public static func encode(_ body: EntryBody) -> [UInt8] {
    var out = ByteWriter(capacity: encodedCapacity(body))
    switch body {
    case .epochStart(let node): out.u64(node.rawValue)
    case .batch(let record, let encoded):
      encode(record, into: &out)
      return joined(out.snapshot(), encoded)
    case .rollupCommit(let delta):
      out.u64(delta.rollup.rawValue)
      out.u64(delta.from.rawValue)
      out.u64(delta.to.rawValue)
      out.u64(delta.rowsConsumed)
      out.u64(delta.rowsFailed)
      encode(runs: delta.runs, into: &out)
    case .backfillCommit(let delta):
      out.u64(delta.rollup.rawValue)
      out.i64(delta.from)
      out.i64(delta.to)
      out.u64(delta.rowsConsumed)
      out.u64(delta.rowsFailed)
      encode(runs: delta.runs, into: &out)
    case .layout(let change):
      switch change.source {
      case .log(let after, let through):
        out.u8(1)
        out.u64(after.rawValue)
        out.u64(through.rawValue)
      case .sections(let floor):
        out.u8(2)
        encode(optional: floor, into: &out)
      }
      out.i64(change.settledBefore)
      encode(files: change.files, into: &out)
      encode(drops: change.drops, into: &out)
    case .retentionDrop(let drop):
      out.u64(drop.relation.rawValue)
      out.i64(drop.before)
      encode(drops: drop.drops, into: &out)
    case .schemaBarrier(let schema): encode(schema, into: &out)
    case .keyExpiry(let through, let ids):
      out.i64(through)
      out.i64(ids)
    case .stage(let stage): return encode(stage)
    case .decide(let decide): encode(decide, into: &out)
    case .commit(let statement): encode(statement, into: &out)
    case .abort(let abort): encode(abort, into: &out)
    case .delete(let deletion): deletion.encode(into: &out)
    case .digestProbe: break
    case .tenantDelete(let deletion): deletion.encode(into: &out)
    }
    return out.finish()
  }
  /// A head and rows in one buffer: rows are copied once.
  static func joined(_ head: [UInt8], _ rows: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: head.count + rows.count) { target, written in
      let raw = UnsafeMutableRawBufferPointer(target)
      raw.copyBytes(from: head)
      UnsafeMutableRawBufferPointer(rebasing: raw[head.count...]).copyBytes(from: rows)
      written = head.count + rows.count
    }
  }
  static func encode(_ record: BatchRecord, into out: inout ByteWriter) {
    out.u64(record.table.rawValue)
    out.count(record.rows)
    out.hash(record.contentHash)
    switch record.key {
    case nil: out.u8(0)
    case .sequence(let key):
      out.u8(1)
      out.u64(key.session.rawValue)
      out.u64(key.sequence)
      out.u64(key.doneBelow)
    case .id(let id):
      out.u8(2)
      encode(id, into: &out)
    }
  }
  static func encode(_ id: BatchID, into out: inout ByteWriter) {
    out.u64(id.high)
    out.u64(id.low)
  }
  static func decodeID(_ reader: inout ByteReader) throws(DecodingFailure) -> BatchID {
    let start = reader.position
    guard let id = BatchID(high: try reader.u64(), low: try reader.u64()) else {
      throw DecodingFailure(.malformed, at: start, "an id that is no UUIDv7")
    }
    return id
  }
  private static func encodedCapacity(_ body: EntryBody) -> Int {
    switch body {
    case .rollupCommit(let delta): delta.runs.reduce(64) { $0 + $1.count + 8 }
    case .backfillCommit(let delta): delta.runs.reduce(64) { $0 + $1.count + 8 }
    default: 256
    }
  }
  static func encode(runs: [[UInt8]], into out: inout ByteWriter) {
    out.count(runs.count)
    for run in runs { out.prefixedBytes(run) }
  }
  static func encode(optional value: Int64?, into out: inout ByteWriter) {
    out.bool(value != nil)
    if let value { out.i64(value) }
  }
  static func encode(files: [FileRecord], into out: inout ByteWriter) {
    out.count(files.count)
    for file in files {
      out.u64(file.number)
      out.u64(file.bytes)
      out.hash(file.hash)
      out.count(file.sections.count)
      for section in file.sections { encode(section, into: &out) }
    }
  }
  static func encode(_ section: SectionSummary, into out: inout ByteWriter) {
    out.u64(section.relation.rawValue)
    out.integer(section.slice.day)
    out.count(section.rows)
    out.u64(section.low.rawValue)
    out.u64(section.high.rawValue)
    out.u8((section.hasPositions ? 1 : 0) | (section.minTime == nil ? 0 : 2))
    if let low = section.minTime {
      out.i64(low)
      out.i64(section.maxTime ?? low)
    }
    out.count(section.bytes)
  }
  static func encode(drops: [SectionReference], into out: inout ByteWriter) {
    out.count(drops.count)
    for drop in drops {
      out.u64(drop.file)
      out.count(drop.section)
    }
  }
  static func encode(_ schema: ShardSchema, into out: inout ByteWriter) {
    out.count(schema.tables.count)
    for table in schema.tables { CatalogFormat.encode(table, into: &out) }
    out.count(schema.rollups.count)
    for rollup in schema.rollups { CatalogFormat.encode(rollup, into: &out) }
  }

  /// Decodes a body that fills its entry exactly. A reserved kind stops with `.unknown`.
  public static func decode(_ entry: LogEntry) throws(DecodingFailure) -> EntryBody {
    try entry.body.withReader { reader throws(DecodingFailure) in
      let body: EntryBody
      switch entry.kind {
      case .epochStart: body = .epochStart(NodeID(try reader.u64()))
      case .batch:
        let record = try decodeBatchRecord(&reader)
        body = .batch(record, encoded: try reader.bytes(reader.remaining))
      case .rollupCommit:
        body = .rollupCommit(
          RollupCommit(
            rollup: TableID(try reader.u64()),
            from: LogPosition(try reader.u64()),
            to: LogPosition(try reader.u64()),
            rowsConsumed: try reader.u64(),
            rowsFailed: try reader.u64(),
            runs: try decodeRuns(&reader)
          )
        )
      case .backfillCommit:
        body = .backfillCommit(
          BackfillCommit(
            rollup: TableID(try reader.u64()),
            from: try reader.i64(),
            to: try reader.i64(),
            rowsConsumed: try reader.u64(),
            rowsFailed: try reader.u64(),
            runs: try decodeRuns(&reader)
          )
        )
      case .layout: body = .layout(try decodeLayout(&reader))
      case .retentionDrop:
        body = .retentionDrop(
          RetentionDrop(
            relation: TableID(try reader.u64()),
            before: try reader.i64(),
            drops: try decodeDrops(&reader)
          )
        )
      case .schemaBarrier: body = .schemaBarrier(try decodeSchema(&reader, version: entry.catalogVersion))
      case .keyExpiry: body = .keyExpiry(through: try reader.i64(), idsBefore: try reader.i64())
      case .stage: body = .stage(try decodeStage(&reader))
      case .decide: body = .decide(try decodeDecide(&reader))
      case .commit: body = .commit(try decodeStatement(&reader))
      case .abort: body = .abort(try decodeAbort(&reader))
      case .delete: body = .delete(try Deletion.decode(&reader))
      case .tenantDelete: body = .tenantDelete(try TenantDeletion.decode(&reader))
      case .digestProbe: body = .digestProbe
      case .cut:
        throw DecodingFailure(.unknown, at: 0, "a cut is no entry of a log")
      }
      try reader.expectEnd()
      return body
    }
  }
  /// Reads what a Batch entry says of its rows, without them.
  public static func batchRecord(of entry: LogEntry) throws(DecodingFailure) -> BatchRecord {
    try entry.body.withReader { reader throws(DecodingFailure) in try decodeBatchRecord(&reader) }
  }
  /// Decodes the rows of a Batch entry in place.
  public static func batch(of entry: LogEntry, types: [DataType]) throws(DecodingFailure) -> Batch {
    try entry.body.withReader { reader throws(DecodingFailure) in
      let record = try decodeBatchRecord(&reader)
      let start = reader.position
      let batch = try BatchFormat.decode(&reader, types: types)
      try reader.expectEnd()
      guard batch.count == record.rows else {
        throw DecodingFailure(.malformed, at: start, "\(batch.count) rows where \(record.rows) were announced")
      }
      return batch
    }
  }
  static func decodeBatchRecord(_ reader: inout ByteReader) throws(DecodingFailure) -> BatchRecord {
    let table = TableID(try reader.u64())
    let rows = try reader.count(max: Limits.batchRowsMax, "rows of a batch")
    let content = try reader.hash()
    let key: BatchKey?
    let form = try reader.u8()
    switch form {
    case 0: key = nil
    case 1: key = BatchKey(session: SessionID(try reader.u64()), sequence: try reader.u64(), doneBelow: try reader.u64())
    case 2: key = .id(try decodeID(&reader))
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "key of a batch of form \(form)")
    }
    return BatchRecord(table: table, rows: rows, contentHash: content, key: key)
  }
  static func decodeRuns(_ reader: inout ByteReader) throws(DecodingFailure) -> [[UInt8]] {
    var runs: [[UInt8]] = []
    for _ in 0..<(try reader.count(max: runsMax, "runs of a delta")) {
      runs.append(try reader.prefixedBytes(max: Limits.logBodyBytesMax))
    }
    return runs
  }
  static func decodeLayout(_ reader: inout ByteReader) throws(DecodingFailure) -> LayoutChange {
    let source: LayoutChange.Source
    let form = try reader.u8()
    switch form {
    case 1: source = .log(after: LogPosition(try reader.u64()), through: LogPosition(try reader.u64()))
    case 2: source = .sections(floor: try decodeOptional(&reader))
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "layout form \(form)")
    }
    return LayoutChange(
      source: source,
      settledBefore: try reader.i64(),
      files: try decodeFiles(&reader),
      drops: try decodeDrops(&reader)
    )
  }
  static func decodeOptional(_ reader: inout ByteReader) throws(DecodingFailure) -> Int64? {
    try reader.bool() ? try reader.i64() : nil
  }
  static func decodeFiles(_ reader: inout ByteReader) throws(DecodingFailure) -> [FileRecord] {
    var files: [FileRecord] = []
    for _ in 0..<(try reader.count(max: filesMax, "files")) {
      var file = FileRecord(number: try reader.u64(), bytes: try reader.u64(), hash: try reader.hash(), sections: [])
      for _ in 0..<(try reader.count(max: sectionsMax, "sections")) { file.sections.append(try decodeSection(&reader)) }
      files.append(file)
    }
    return files
  }
  static func decodeSection(_ reader: inout ByteReader) throws(DecodingFailure) -> SectionSummary {
    let relation = TableID(try reader.u64())
    let slice = DaySlice(day: try reader.integer(Int32.self))
    let rows = try reader.count(max: .max, "rows of a section")
    let (low, high) = (LogPosition(try reader.u64()), LogPosition(try reader.u64()))
    let flags = try reader.u8()
    guard flags < 4 else { throw DecodingFailure(.unknown, at: reader.position - 1, "section flags \(flags)") }
    let hasTimes = flags & 2 != 0
    return SectionSummary(
      relation: relation,
      slice: slice,
      rows: rows,
      low: low,
      high: high,
      hasPositions: flags & 1 != 0,
      minTime: hasTimes ? try reader.i64() : nil,
      maxTime: hasTimes ? try reader.i64() : nil,
      bytes: try reader.count(max: .max, "bytes of a section")
    )
  }
  static func decodeDrops(_ reader: inout ByteReader) throws(DecodingFailure) -> [SectionReference] {
    var drops: [SectionReference] = []
    for _ in 0..<(try reader.count(max: sectionsMax, "dropped sections")) {
      drops.append(
        SectionReference(file: try reader.u64(), section: try reader.count(max: sectionsMax, "number of a section"))
      )
    }
    return drops
  }
  static func decodeSchema(
    _ reader: inout ByteReader,
    version: CatalogVersion
  ) throws(DecodingFailure) -> ShardSchema {
    var schema = ShardSchema(version: version)
    for _ in 0..<(try reader.count(max: relationsMax, "tables")) {
      schema.tables.append(try CatalogFormat.decodeTable(from: &reader))
    }
    for _ in 0..<(try reader.count(max: relationsMax, "rollups")) {
      schema.rollups.append(try CatalogFormat.decodeRollup(from: &reader))
    }
    return schema
  }
}
