// StatementView.swift — a table as an open statement sees it: the committed rows, with the statement's own parts laid over.
//
// A part's rows lie behind all others, by rising ordinal, as its Commit will bring them; rows that later parts delete are left out.
// Nothing of it is kept: each read decodes the parts anew.
public import Bytes
import Columns
public import Model

/// Rows that one part of an open statement staged.
struct OwnChunk: Sendable {
  /// Of the part.
  var ordinal: Int
  var chunk: MemChunk
}

extension OpenStatement {
  /// Tables that its parts touch.
  public var tables: Set<TableID> { Set(pieces.compactMap(\.stage.content.table)) }
  /// Rows of its own parts that later parts delete, by ordinal.
  var ownDeleted: [Int: RowSet] {
    var deleted: [Int: RowSet] = [:]
    for case .change(let change) in pieces.map(\.stage.content) {
      for part in change.own { deleted[part.ordinal, default: RowSet()].formUnion(part.rows) }
    }
    return deleted
  }
  /// The rows of a part, decoded; nil for one without rows or table. The table may have gained columns since: the batch has fewer then.
  static func rows(of content: StagedContent, _ schema: ShardSchema) throws(DecodingFailure) -> Batch? {
    guard let id = content.table, let table = schema.table(id) else { return nil }
    var batches: [Batch] = []
    switch content {
    case .rows(let record, let encoded): batches = [try decode(encoded, record.rows, table)]
    case .change(let change): for rows in change.rows { batches.append(try decode(rows.encoded, rows.count, table)) }
    case .nothing, .deletion, .statementKey, .undo: return nil
    }
    guard let first = batches.first else { return nil }
    return Batch.concatenate(batches, types: first.types)
  }
  private static func decode(_ encoded: [UInt8], _ rows: Int, _ table: TableSchema) throws(DecodingFailure) -> Batch {
    let columns = try BatchFormat.columnCount(encoded)
    let batch = try BatchFormat.decode(encoded, types: table.columns.prefix(columns).map(\.type))
    guard batch.count == rows else {
      throw DecodingFailure(.malformed, at: 0, "\(batch.count) rows where \(rows) were announced")
    }
    return batch
  }
}

extension TableSnapshot {
  /// The table as an open statement sees it. A pure function, for Compute.
  public func seen(by statement: OpenStatement, _ schema: ShardSchema) throws(DecodingFailure) -> TableSnapshot {
    var seen = self
    let gone = statement.ownDeleted
    var memory = RowSet()
    for piece in statement.pieces where piece.stage.content.table == layout.id {
      if let deletion = piece.stage.content.deletion {
        memory.formUnion(deletion.memory)
        for (reference, rows) in deletion.sections {
          guard let at = references.firstIndex(of: reference) else { continue }
          seen.deleted[ObjectIdentifier(sections[at]), default: RowSet()].formUnion(rows)
        }
      }
      guard let rows = try OpenStatement.rows(of: piece.stage.content, schema), rows.count > 0 else { continue }
      var chunk = MemChunk(whole: rows, at: LogPosition(1))
      chunk.deleted = gone[piece.stage.ordinal]
      seen.own.append(OwnChunk(ordinal: piece.stage.ordinal, chunk: chunk))
    }
    if memory.isEmpty { return seen }
    var base = 0
    for at in seen.chunks.indices {
      if let part = memory.part(base..<base + seen.chunks[at].count) {
        var all = seen.chunks[at].deleted ?? RowSet()
        all.formUnion(part)
        seen.chunks[at].deleted = all
      }
      base += seen.chunks[at].count
    }
    return seen
  }
}
