// MemTable.swift — the committed rows of one relation that are in no segment yet, in log order.
//
// Small batches are gathered into chunks of up to 64 Ki rows with one dictionary per text column; a state batch is a run and
// stays as it is. A snapshot shares the memory of the open chunk: later rows go behind what it shows. Confined to its owner;
// only the snapshots travel. Chunk borders are private: what a flush writes depends on rows and positions alone.
import Bytes
public import Columns
public import Model

/// Committed rows of one relation in memory.
public final class MemTable {
  /// Rows of a full chunk.
  static let chunkRows = 65536
  /// A snapshot closes an open chunk of this many rows, so that no more dictionary than this is copied again and again.
  static let snapshotSealRows = 16384
  /// The relation; it may gain columns.
  public internal(set) var layout: RelationLayout
  private var sealed: [MemChunk] = []
  private var sealedBytes: [Int] = []
  private var open: ChunkBuilder?
  /// Deleted rows, numbered from the first row.
  private var deleted = RowSet()
  /// Bytes the rows take, for the memory budget.
  public private(set) var bytes = 0
  /// Number of rows.
  public private(set) var rows = 0

  /// Makes an empty memtable.
  public init(layout: RelationLayout) { self.layout = layout }
  /// True without rows.
  public var isEmpty: Bool { rows == 0 }
  /// Position of the first row, nil without rows.
  public var low: LogPosition? { sealed.first?.low ?? open?.low }
  /// Position of the last row, nil without rows.
  public var high: LogPosition? { open?.high ?? sealed.last?.high }

  /// Appends committed rows; positions never fall. The batch may have fewer columns than the layout (older schema).
  public func append(_ batch: Batch, at position: LogPosition) {
    guard batch.count > 0 else { return }
    invariant(batch.columns.count <= layout.columns.count, "a batch of more columns than its relation")
    invariant(high.map { $0 <= position } ?? true, "rows appended out of log order")
    rows += batch.count
    if layout.isState {
      let chunk = MemChunk(whole: batch, at: position)
      add(chunk, bytes: batch.columns.reduce(0) { $0 + $1.byteCount })
      bytes += sealedBytes.last ?? 0
      return
    }
    var done = 0
    while done < batch.count {
      if let builder = open, builder.count == Self.chunkRows || !builder.accepts(batch) { seal() }
      let builder = open ?? ChunkBuilder(like: batch)
      open = builder
      let take = min(batch.count - done, Self.chunkRows - builder.count)
      let before = builder.bytes
      builder.append(take == batch.count ? batch : batch.slice(done..<done + take), at: position)
      bytes += builder.bytes - before
      done += take
    }
  }
  /// Ends the open chunk: rows appended later go into another one.
  public func seal() {
    guard let builder = open else { return }
    add(builder.chunk(), bytes: builder.bytes)
    open = nil
  }
  private func add(_ chunk: MemChunk, bytes: Int) {
    sealed.append(chunk)
    sealedBytes.append(bytes)
  }
  /// The rows so far, in log order; unaffected by what happens to the memtable later.
  public func snapshot() -> [MemChunk] {
    if let builder = open, builder.count >= Self.snapshotSealRows { seal() }
    var chunks = sealed
    if let builder = open { chunks.append(builder.chunk()) }
    guard !deleted.isEmpty else { return chunks }
    var first = 0
    for at in chunks.indices {
      chunks[at].deleted = deleted.part(first..<first + chunks[at].count)
      first += chunks[at].count
    }
    return chunks
  }
  /// Hides rows, numbered from the first row in memory.
  func delete(_ rows: RowSet) {
    if let last = rows.ranges.last { invariant(last.upperBound <= self.rows, "deleted rows up to \(last.upperBound) of \(self.rows)") }
    deleted.formUnion(rows)
  }
  /// Hides a tenant's rows.
  func delete(_ tenant: Tenant, key: Int) {
    var first = 0
    var found = RowSet()
    for chunk in snapshot() {
      for rows in chunk.rows(of: tenant, key, layout).ranges { found.append(first + rows.lowerBound..<first + rows.upperBound) }
      first += chunk.count
    }
    delete(found)
  }
  /// Forgets the rows at or below `position`, after they became durable elsewhere.
  public func cut(upTo position: LogPosition) {
    if let low = open?.low, low <= position { seal() }
    let before = rows
    var kept: [MemChunk] = []
    var keptBytes: [Int] = []
    for (chunk, size) in zip(sealed, sealedBytes) {
      let gone = chunk.rows(through: position)
      let left = chunk.dropping(gone)
      let leftBytes = left == nil ? 0 : size * (chunk.count - gone) / chunk.count
      rows -= gone
      bytes -= size - leftBytes
      if let left {
        kept.append(left)
        keptBytes.append(leftBytes)
      }
    }
    (sealed, sealedBytes) = (kept, keptBytes)
    // Deleted rows were at or below `position`: no deletion comes between what a flush takes and its entry.
    let gone = deleted.ranges.last.map { $0.upperBound <= before - rows } ?? true
    invariant(gone, "deleted rows above a cut")
    deleted = RowSet()
  }
  /// Forgets everything.
  public func removeAll() {
    (sealed, sealedBytes, open, bytes, rows) = ([], [], nil, 0, 0)
  }
}

extension MemChunk {
  /// A chunk of one position that keeps its columns as they are.
  init(whole batch: Batch, at position: LogPosition) {
    let borders = RowBuffer<RowBorder>(capacity: 1)
    borders.start.initialize(to: RowBorder(end: UInt32(batch.count), position: position))
    self.init(
      offset: 0,
      count: batch.count,
      stored: batch.columns.map { Stored(type: $0.type, values: .whole($0), validity: nil) },
      borderBuffer: borders,
      borderRange: 0..<1
    )
  }
}

extension ColumnVector {
  /// Bytes the values take in memory, dictionaries included.
  var byteCount: Int {
    let content: Int
    switch values {
    case .fixed(let v): content = v.count * 8
    case .double(let v): content = v.count * 8
    case .numeric(let v): content = v.count * 32
    case .interval(let v): content = v.count * 16
    case .text(let v): content = v.offsets.count * 4 + v.bytes.count
    case .codes(let v, let d): content = v.count * 4 + d.offsets.count * 4 + d.bytes.count
    case .hll(let v): content = v.forms.count * 5 + v.words.count * 4
    case .topn(let v):
      content = v.count * 20 + v.codes.count * 20 + v.dictionary.offsets.count * 4 + v.dictionary.bytes.count
    }
    return content + (validity.map { $0.words.count * 8 } ?? 0)
  }
}
