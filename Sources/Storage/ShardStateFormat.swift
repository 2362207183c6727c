// ShardStateFormat.swift — bytes of a shard's state: the checkpoint in its manifest.
//
//   u8 version (3; 1 ends before the statements, 2 before the ids) · u64 position · u64 epoch · chain · i64 log time · u64 catalog version
//   · schema (as in
//   SchemaBarrier) · dedup table (DedupTable.swift) · varint count, rollups by rising id: u64 id, u64 watermark, u64 cut, i64 covered
//   from,
//     varint count, i64 floor…, u64 rows consumed, u64 rows failed
//   · varint count, tables by rising id: u64 id, u64 rows logged · varint count, relations by rising id: u64 id, i64 before,
//     i64 log time · u64 next file · u64 flushed through · statements (StatementTable.swift)
//   · varint count, tables by rising id: u64 id, deleted rows of sections (Deletion.swift)
//   · ids (BatchIDTable.swift) · marks of deleted tenants (TenantDeletion.swift)
package import Bytes
import Model

package enum ShardStateFormat {
  static let version: UInt8 = 3

  package static func encode(_ state: ShardState, into out: inout ByteWriter) {
    out.u8(version)
    out.u64(state.position.rawValue)
    out.u64(state.epoch.rawValue)
    out.hash(state.chain)
    out.i64(state.logTime)
    out.u64(state.schema.version.rawValue)
    LogEntryFormat.encode(state.schema, into: &out)
    (isPlanted(.keysNotInCheckpoint) ? DedupTable() : state.dedup).encode(into: &out)
    out.count(state.rollups.count)
    for (id, rollup) in state.rollups.sorted(by: { $0.key < $1.key }) {
      out.u64(id.rawValue)
      out.u64(rollup.watermark.rawValue)
      out.u64(rollup.cut.rawValue)
      out.i64(rollup.coveredFrom)
      out.count(rollup.floors.count)
      for floor in rollup.floors { out.i64(floor) }
      out.u64(rollup.rowsConsumed)
      out.u64(rollup.rowsFailed)
    }
    out.count(state.rowsLogged.count)
    for (id, rows) in state.rowsLogged.sorted(by: { $0.key < $1.key }) {
      out.u64(id.rawValue)
      out.u64(rows)
    }
    out.count(state.retention.count)
    for (id, known) in state.retention.sorted(by: { $0.key < $1.key }) {
      out.u64(id.rawValue)
      out.i64(known.before)
      out.i64(known.logTime)
    }
    out.u64(state.nextFile)
    out.u64(state.flushedThrough.rawValue)
    state.statements.encode(into: &out)
    out.count(state.deleted.count)
    for (table, sections) in state.deleted.sorted(by: { $0.key < $1.key }) {
      out.u64(table.rawValue)
      Deletion.encode(sections.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, into: &out)
    }
    state.ids.encode(into: &out)
    state.tenants.encode(into: &out)
  }
  package static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> ShardState {
    let found = try reader.u8()
    guard (1...version).contains(found) else { throw DecodingFailure(.unknown, at: reader.position - 1, "shard state version \(found)") }
    var state = ShardState()
    state.position = LogPosition(try reader.u64())
    state.epoch = Epoch(try reader.u64())
    state.chain = try reader.hash()
    state.logTime = try reader.i64()
    state.schema = try LogEntryFormat.decodeSchema(&reader, version: CatalogVersion(try reader.u64()))
    state.dedup = try DedupTable.decode(&reader)
    for _ in 0..<(try reader.count(max: LogEntryFormat.relationsMax, "rollups")) {
      let id = TableID(try reader.u64())
      var rollup = RollupState(
        watermark: LogPosition(try reader.u64()),
        cut: LogPosition(try reader.u64()),
        coveredFrom: try reader.i64(),
        floors: []
      )
      for _ in 0..<(try reader.count(max: Limits.levelsMax, "levels")) { rollup.floors.append(try reader.i64()) }
      rollup.rowsConsumed = try reader.u64()
      rollup.rowsFailed = try reader.u64()
      guard state.schema.rollup(id)?.levels.count == rollup.floors.count,
        state.rollups.updateValue(rollup, forKey: id) == nil
      else { throw DecodingFailure(.malformed, at: reader.position, "state of rollup \(id)") }
    }
    for _ in 0..<(try reader.count(max: LogEntryFormat.relationsMax, "tables")) {
      state.rowsLogged[TableID(try reader.u64())] = try reader.u64()
    }
    for _ in 0..<(try reader.count(max: LogEntryFormat.relationsMax, "relations")) {
      state.retention[TableID(try reader.u64())] = RetentionState(before: try reader.i64(), logTime: try reader.i64())
    }
    state.nextFile = try reader.u64()
    state.flushedThrough = LogPosition(try reader.u64())
    if found >= 2 {
      state.statements = try StatementTable.decode(&reader)
      for _ in 0..<(try reader.count(max: LogEntryFormat.relationsMax, "tables with deleted rows")) {
        let table = TableID(try reader.u64())
        for (reference, rows) in try Deletion.decodeSections(&reader) { state.deleted[table, default: [:]][reference] = rows }
      }
    }
    if found >= 3 {
      state.ids = try BatchIDTable.decode(&reader)
      state.tenants = try TenantMarks.decode(&reader)
    }
    return state
  }
}
