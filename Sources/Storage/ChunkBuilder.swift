// ChunkBuilder.swift — the open chunk of a memtable: appends batches into row buffers and shows what it has as a MemChunk.
//
// Buffers grow by doubling into new memory, so that chunks shown before keep theirs. Text columns share one interner a column;
// its dictionary is copied out when a chunk is shown and texts were added since.
import Bytes
import Columns
import Model

final class ChunkBuilder {
  private final class Texts {
    var interner = TextInterner(expected: 256)
    var shown: TextDictionary = .empty
    var bytes = 0
    /// Remap of the dictionary seen last: many small batches share one.
    var lastDictionary: TextDictionary?
    var lastRemap: [UInt32] = []
  }
  private var capacity: Int
  private var columns: [MemChunk.Stored]
  private var texts: [Texts?]
  private var borders = RowBuffer<RowBorder>(capacity: 16)
  private var borderCount = 0
  private(set) var count = 0
  private(set) var bytes = 0

  init(like batch: Batch) {
    let capacity = max(1024, min(batch.count, MemTable.chunkRows))
    self.capacity = capacity
    columns = batch.columns.map { column in
      let values: MemChunk.Values
      switch column.values {
      case .fixed: values = .fixed(RowBuffer(capacity: capacity))
      case .double: values = .double(RowBuffer(capacity: capacity))
      case .numeric: values = .numeric(RowBuffer(capacity: capacity))
      case .interval: values = .interval(RowBuffer(capacity: capacity))
      case .text, .codes: values = .codes(RowBuffer(capacity: capacity), .empty)
      case .hll, .topn: values = .whole(ColumnVector(emptyLike: column))
      }
      return MemChunk.Stored(type: column.type, values: values, validity: nil)
    }
    texts = batch.columns.map { $0.type.layout == .text ? Texts() : nil }
  }
  var low: LogPosition { borders.start[0].position }
  var high: LogPosition { borders.start[borderCount - 1].position }
  /// False when the schema changed since the chunk began.
  func accepts(_ batch: Batch) -> Bool {
    batch.columns.count == columns.count && zip(batch.columns, columns).allSatisfy { $0.type == $1.type }
  }

  func append(_ batch: Batch, at position: LogPosition) {
    invariant(count + batch.count <= MemTable.chunkRows, "chunk of \(count + batch.count) rows")
    if count + batch.count > capacity { grow(to: count + batch.count) }
    for at in columns.indices { append(batch.columns[at], to: at, rows: batch.count) }
    count += batch.count
    if borderCount > 0, borders.start[borderCount - 1].position == position, shownBorders < borderCount {
      borders.start[borderCount - 1].end = UInt32(count)
      return
    }
    if borderCount == borders.capacity { borders = borders.grown(to: borderCount * 2, keeping: borderCount) }
    (borders.start + borderCount).initialize(to: RowBorder(end: UInt32(count), position: position))
    borderCount += 1
    bytes += 16
  }
  /// Borders that a chunk shows already and that therefore stay as they are.
  private var shownBorders = 0

  private func grow(to needed: Int) {
    var wider = capacity
    while wider < needed { wider *= 2 }
    wider = min(wider, MemTable.chunkRows)
    for at in columns.indices {
      switch columns[at].values {
      case .fixed(let b): columns[at].values = .fixed(b.grown(to: wider, keeping: count))
      case .double(let b): columns[at].values = .double(b.grown(to: wider, keeping: count))
      case .numeric(let b): columns[at].values = .numeric(b.grown(to: wider, keeping: count))
      case .interval(let b): columns[at].values = .interval(b.grown(to: wider, keeping: count))
      case .codes(let b, let d): columns[at].values = .codes(b.grown(to: wider, keeping: count), d)
      case .whole: break
      }
      columns[at].validity = columns[at].validity.map { $0.grown(to: wider, keeping: count) }
    }
    capacity = wider
  }
  private func append(_ column: ColumnVector, to at: Int, rows: Int) {
    switch (columns[at].values, column.values) {
    case (.fixed(let b), .fixed(let v)):
      (b.start + count).initialize(from: v, count: rows)
      bytes += rows * 8
    case (.double(let b), .double(let v)):
      (b.start + count).initialize(from: v, count: rows)
      bytes += rows * 8
    case (.numeric(let b), .numeric(let v)):
      (b.start + count).initialize(from: v, count: rows)
      bytes += rows * 32
    case (.interval(let b), .interval(let v)):
      (b.start + count).initialize(from: v, count: rows)
      bytes += rows * 16
    case (.codes(let b, _), .codes(let codes, let dictionary)): append(codes, dictionary, to: b, texts[at]!)
    case (.codes(let b, _), .text(let v)): append(v, column.validity, to: b, texts[at]!)
    case (.whole(let old), _):
      bytes += column.byteCount
      let joined = ColumnVector.concatenate(old.count == 0 ? [column] : [old, column], type: column.type)
      columns[at].values = .whole(joined)
      return
    default: fatalError("appending a column of another layout")
    }
    appendValidity(column, to: at, rows: rows)
  }
  private func appendValidity(_ column: ColumnVector, to at: Int, rows: Int) {
    if columns[at].validity == nil {
      guard column.validity != nil else { return }
      let fresh = RowBuffer<UInt8>(capacity: capacity)
      fresh.start.initialize(repeating: 1, count: count)
      columns[at].validity = fresh
    }
    guard let bytes = columns[at].validity else { return }
    self.bytes += rows
    guard let bits = column.validity else {
      (bytes.start + count).initialize(repeating: 1, count: rows)
      return
    }
    for i in 0..<rows { bytes.start[count + i] = UInt8(truncatingIfNeeded: bits.words[i >> 6] >> UInt64(i & 63)) & 1 }
  }
  private func append(_ codes: [UInt32], _ dictionary: TextDictionary, to b: RowBuffer<UInt32>, _ texts: Texts) {
    bytes += codes.count * 4
    let target = b.start + count
    if dictionary.count == 0 {
      // All rows are NULL: code 0 must exist once other rows give the dictionary texts, and it does then.
      target.initialize(repeating: 0, count: codes.count)
      return
    }
    let none = UInt32.max
    if texts.lastDictionary !== dictionary {
      texts.lastDictionary = dictionary
      texts.lastRemap = [UInt32](repeating: none, count: dictionary.count)
    }
    let before = texts.interner.count
    var added = 0
    dictionary.bytes.withUnsafeBytes { raw in
      dictionary.offsets.withUnsafeBufferPointer { offsets in
        texts.lastRemap.withUnsafeMutableBufferPointer { remap in
          codes.withUnsafeBufferPointer { codes in
            for i in 0..<codes.count {
              let code = Int(codes[i])
              var mapped = remap[code]
              if mapped == none {
                let text = UnsafeRawBufferPointer(rebasing: raw[Int(offsets[code])..<Int(offsets[code + 1])])
                let known = texts.interner.count
                mapped = texts.interner.intern(text)
                if texts.interner.count > known { added += text.count }
                remap[code] = mapped
              }
              (target + i).initialize(to: mapped)
            }
          }
        }
      }
    }
    bytes += added + (texts.interner.count - before) * 4
  }
  private func append(_ column: TextColumn, _ validity: Bitmap?, to b: RowBuffer<UInt32>, _ texts: Texts) {
    bytes += column.count * 4
    let target = b.start + count
    var added = 0
    let before = texts.interner.count
    column.bytes.withUnsafeBytes { raw in
      column.offsets.withUnsafeBufferPointer { offsets in
        for i in 0..<column.count {
          if let validity, !validity[i] {
            (target + i).initialize(to: 0)
            continue
          }
          let text = UnsafeRawBufferPointer(rebasing: raw[Int(offsets[i])..<Int(offsets[i + 1])])
          let known = texts.interner.count
          (target + i).initialize(to: texts.interner.intern(text))
          if texts.interner.count > known { added += text.count }
        }
      }
    }
    bytes += added + (texts.interner.count - before) * 4
  }

  /// What the builder holds now.
  func chunk() -> MemChunk {
    for at in columns.indices {
      guard let texts = texts[at], case .codes(let buffer, _) = columns[at].values else { continue }
      if texts.shown.count != texts.interner.count { texts.shown = texts.interner.dictionary() }
      columns[at].values = .codes(buffer, texts.shown)
    }
    shownBorders = borderCount
    return MemChunk(
      offset: 0,
      count: count,
      stored: columns,
      borderBuffer: borders,
      borderRange: 0..<borderCount
    )
  }
}

extension ColumnVector {
  init(emptyLike other: ColumnVector) {
    let none = ColumnVector.nulls(other.type, count: 0)
    self.init(other.type, none.values)
  }
}
