// UnitScan.swift — scanning one unit of a snapshot: which blocks, which rows of them, in which batches.
import Bytes
import Columns
import Model

struct UnitScan {
  /// A scan of no more blocks of a section is narrow.
  private static let narrowBlocks = 8
  let layout: RelationLayout
  let columns: [Int]
  let after: LogPosition
  let through: LogPosition
  let predicates: [ZonePredicate]
  let morselRows: Int
  /// Of the unit's part: the place of its first row.
  let place: Int64
  let cache: BlockCache?
  var counts = ScanCounts()

  init(
    layout: RelationLayout,
    columns: [Int],
    after: LogPosition,
    through: LogPosition,
    predicates: [ZonePredicate],
    morselRows: Int,
    place: Int64,
    cache: BlockCache?
  ) {
    self.layout = layout
    self.columns = columns
    self.after = after
    self.through = through
    self.predicates = predicates
    self.morselRows = morselRows
    self.place = place
    self.cache = cache
  }
  private func places(_ rows: Range<Int>) -> ColumnVector {
    ColumnVector(.bigint, .fixed(rows.map { place + Int64($0) }))
  }

  // MARK: Memory

  /// Rows of a chunk that positions leave.
  func rows(of chunk: MemChunk) -> Range<Int> {
    chunk.rows(through: after)..<max(chunk.rows(through: after), chunk.rows(through: through))
  }
  /// Those of them that conditions on sorted keys leave.
  func wanted(of chunk: MemChunk) -> Range<Int> {
    let range = rows(of: chunk)
    guard layout.isState && !range.isEmpty && !predicates.isEmpty else { return range }
    return SortedRange(predicates, layout.sortKey).narrow(range) { chunk.wholeColumn($0) }
  }
  mutating func read(_ chunk: MemChunk, _ body: (Batch) throws -> Void) throws {
    let range = wanted(of: chunk)
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(start + morselRows, range.upperBound)
      var batch = chunk.batch(columns: columns.filter { $0 != TableSnapshot.placeColumn }, rows: start..<end, layout: layout)
      for (at, column) in columns.enumerated() where column == TableSnapshot.placeColumn {
        batch.columns.insert(places(start..<end), at: at)
      }
      let rest = chunk.deleted?.part(start..<end)?.rest(of: 0..<end - start)
      start = end
      if let rest, rest.isEmpty { continue }
      let kept = rest.map { batch.gather($0) } ?? batch
      counts.rowsRead += kept.count
      counts.bytes += kept.count * columns.count * 8
      try body(kept)
    }
  }

  // MARK: Files

  mutating func read(_ section: SegmentSection, _ blocks: Range<Int>, deleted: RowSet?, _ body: (Batch) throws -> Void) throws {
    let summary = section.summary
    let cuts = summary.low <= after || summary.high > through
    if isOutside(section) {
      counts.blocksSkipped += blocks.count
      return
    }
    if cuts && !summary.hasPositions {
      throw TallyError(
        .internalError,
        "a file of relation \(summary.relation) with positions \(summary.low) to \(summary.high) stores none of them",
        detail: "rows above \(after) and up to \(through) were asked for"
      )
    }
    let candidates = candidateBlocks(section, blocks)
    counts.blocksSkipped += blocks.count - candidates.count
    // What a narrow scan wants is wanted again, by and by; whole scans would only push such blocks out.
    let keeper = !predicates.isEmpty && candidates.count <= Self.narrowBlocks ? cache : nil
    for block in candidates {
      if !admits(section, block) {
        counts.blocksSkipped += 1
        continue
      }
      try read(section, block, cutting: cuts, deleted: deleted?.part(section.rows(ofBlock: block)), keeper, body)
    }
  }
  /// Whether all rows of a section are outside of the positions.
  func isOutside(_ section: SegmentSection) -> Bool { section.summary.high <= after || section.summary.low > through }
  /// Whether a block's zones leave rows.
  func admits(_ section: SegmentSection, _ block: Int) -> Bool {
    predicates.allSatisfy { $0.mayMatch(layout.zone(section, block, $0.column)) }
  }
  /// Blocks that conditions on the first sort key leave, by binary search.
  func candidateBlocks(_ section: SegmentSection, _ blocks: Range<Int>) -> Range<Int> {
    guard let key = section.directory.sortKey.first else { return blocks }
    var range = blocks
    for predicate in predicates where predicate.column == key {
      // Zones rise with the blocks: first those wholly below the condition, then those that may match, then those above.
      let first = partition(range) { !predicate.isWhollyBelow(section.zone(block: $0, column: key)) }
      let end = partition(first..<range.upperBound) { predicate.isWhollyAbove(section.zone(block: $0, column: key)) }
      range = first..<end
    }
    return range
  }
  private mutating func read(
    _ section: SegmentSection,
    _ block: Int,
    cutting: Bool,
    deleted: RowSet?,
    _ keeper: BlockCache?,
    _ body: (Batch) throws -> Void
  ) throws {
    let all = 0..<section.rows(ofBlock: block).count
    var range = all
    var decoded: [Int: ColumnVector] = [:]
    if !predicates.isEmpty {
      var failure: DecodingFailure?
      range = SortedRange(predicates, section.directory.sortKey).narrow(all) { key in
        guard failure == nil else { return nil }
        do throws(DecodingFailure) {
          let known = cache?.find(section, block, key)
          let vector = if let known { known } else { try section.readBlock(block, columns: [key])[0] }
          decoded[key] = vector
          return vector
        } catch {
          failure = error
          return nil
        }
      }
      if let failure { throw failure }
    }
    counts.blocksRead += 1
    guard !range.isEmpty else { return }
    var picked: [UInt32]?
    if cutting, let positions = try section.positions(ofBlock: block) {
      let kept = range.filter { positions[$0] > after.rawValue && positions[$0] <= through.rawValue }
      if kept.count < range.count { picked = kept.map { UInt32($0) } }
    }
    if let deleted, deleted.part(range) != nil {
      let left = deleted.rest(of: range)
      if let before = picked {
        let alive = Set(left)
        picked = before.filter { alive.contains($0) }
      } else {
        picked = left
      }
    }
    if let picked, picked.isEmpty { return }
    if let keeper { for (column, vector) in decoded.sorted(by: { $0.key < $1.key }) { keeper.keep(vector, section, block, column) } }
    var vectors: [ColumnVector] = []
    vectors.reserveCapacity(columns.count)
    for column in columns {
      if let known = decoded[column] {
        vectors.append(known)
      } else if column == TableSnapshot.placeColumn {
        vectors.append(places(section.rows(ofBlock: block)))
        continue
      } else if column < section.types.count, let known = cache?.find(section, block, column) {
        vectors.append(layout.typed(known, column))
      } else {
        let vector = try layout.read(section, block, columns: [column]).columns[0]
        if column < section.types.count { keeper?.keep(vector, section, block, column) }
        vectors.append(vector)
      }
      counts.bytes += section.byteCount(block: block, column: column)
    }
    let count = picked?.count ?? range.count
    counts.rowsRead += count
    if let picked {
      vectors = vectors.map { $0.gather(picked) }
    } else if range != all {
      vectors = vectors.map { $0.slice(range) }
    }
    let batch = Batch(count: count, columns: vectors)
    if count <= morselRows { return try body(batch) }
    var start = 0
    while start < count {
      let end = min(start + morselRows, count)
      try body(batch.slice(start..<end))
      start = end
    }
  }
}

/// First place of a range where a condition holds that, once true, stays true.
func partition(_ range: Range<Int>, _ holds: (Int) -> Bool) -> Int {
  var (low, high) = (range.lowerBound, range.upperBound)
  while low < high {
    let middle = (low + high) / 2
    if holds(middle) { high = middle } else { low = middle + 1 }
  }
  return low
}

/// Rows of a sorted block that conditions on its leading sort keys leave. Dictionaries rise by bytes, as a section's do.
struct SortedRange {
  private let predicates: [ZonePredicate]
  private let sortKey: [Int]
  init(_ predicates: [ZonePredicate], _ sortKey: [Int]) {
    self.predicates = predicates
    self.sortKey = sortKey
  }
  /// Narrows `rows`; `column` gives a key column of the block, or nil when it cannot.
  func narrow(_ rows: Range<Int>, _ column: (Int) -> ColumnVector?) -> Range<Int> {
    var range = rows
    for key in sortKey {
      let tests = predicates.filter { $0.column == key }
      let wantsNull = tests.contains { if case .isNull = $0.test { true } else { false } }
      guard !tests.isEmpty, !wantsNull, !range.isEmpty, let vector = column(key) else { return range }
      // NULLs stand last among rows that are equal in the keys before.
      let valid =
        vector.validity.map { validity in partition(range) { !validity[$0] } } ?? range.upperBound
      range = range.lowerBound..<valid
      for predicate in tests {
        guard let narrowed = Self.narrow(range, predicate.test, vector) else { return range }
        range = narrowed
      }
      // The next key is sorted only within one value of this one.
      guard !range.isEmpty, Self.isConstant(vector, range) else { return range }
    }
    return range
  }
  private static func narrow(
    _ range: Range<Int>,
    _ test: ZonePredicate.Test,
    _ vector: ColumnVector
  ) -> Range<Int>? {
    switch (test, vector.values) {
    case (.fixed(let low, let high), .fixed(let v)):
      let first = low.map { low in partition(range) { v[$0] >= low } } ?? range.lowerBound
      let end = high.map { high in partition(first..<range.upperBound) { v[$0] > high } } ?? range.upperBound
      return first..<end
    case (.text(let low, let high), .codes(let v, let dictionary)):
      let texts = 0..<dictionary.count
      func order(_ code: Int, _ bound: [UInt8]) -> Int {
        dictionary.withText(UInt32(code)) { text in bound.withUnsafeBytes { compareBytes(text, $0) } }
      }
      let least = low.map { low in partition(texts) { order($0, low) >= 0 } } ?? 0
      let above = high.map { high in partition(texts) { order($0, high) > 0 } } ?? dictionary.count
      let first = partition(range) { Int(v[$0]) >= least }
      return first..<partition(first..<range.upperBound) { Int(v[$0]) >= above }
    default: return nil
    }
  }
  private static func isConstant(_ vector: ColumnVector, _ range: Range<Int>) -> Bool {
    switch vector.values {
    case .fixed(let v): v[range.lowerBound] == v[range.upperBound - 1]
    case .codes(let v, _): v[range.lowerBound] == v[range.upperBound - 1]
    default: false
    }
  }
}
