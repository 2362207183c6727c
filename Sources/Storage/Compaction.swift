// Compaction.swift — gathers memtable rows for a flush and merges sections: pure functions from rows to section inputs.
//
// What comes out depends on rows, positions and parameters alone, never on chunk borders: every replica makes the same file from
// the same part of the log or the same files. Raw rows keep log order among equal sort keys; state rows with equal keys become one.
public import Aggregates
import Bytes
import Columns
public import Model

/// Makes section inputs from what is in memory or in other sections.
public enum Compaction {
  /// Rows of chunks with after < position ≤ through; nil when there are none. States are merged into one run. Positions must
  /// be kept where a mark (watermark, pin) lies within the range. Throws 22003 when merging states overflows.
  public static func flush(
    _ chunks: [MemChunk],
    layout: RelationLayout,
    after: LogPosition = LogPosition(0),
    through: LogPosition,
    keepPositions: Bool,
    pruning: TopNPruning = .none
  ) throws -> SectionInput? {
    let all = Array(layout.columns.indices)
    var batches: [Batch] = []
    var positions: [UInt64] = []
    for chunk in chunks {
      let range = chunk.rows(through: after)..<max(chunk.rows(through: after), chunk.rows(through: through))
      guard !range.isEmpty else { continue }
      let taken = chunk.batch(columns: all, rows: range, layout: layout)
      let rest = chunk.deleted?.part(range)?.rest(of: 0..<range.count)
      var own: [UInt64] = []
      var start = range.lowerBound
      for border in chunk.borders where Int(border.end) > start {
        let end = min(Int(border.end), range.upperBound)
        if end > start { own.append(contentsOf: repeatElement(border.position.rawValue, count: end - start)) }
        start = max(start, end)
      }
      batches.append(rest.map { taken.gather($0) } ?? taken)
      positions.append(contentsOf: rest.map { $0.map { own[Int($0)] } } ?? own)
    }
    guard let low = positions.first, let high = positions.last else { return nil }
    if layout.isState {
      invariant(!keepPositions, "merged states have no positions")
      return try states(
        batches,
        layout,
        low: LogPosition(low),
        high: LogPosition(high),
        pruning: pruning,
        floor: nil
      )
    }
    return SectionInput(
      layout: layout,
      rows: Batch.concatenate(batches, types: layout.types),
      positions: positions,
      keepsPositions: keepPositions,
      low: LogPosition(low),
      high: LogPosition(high),
      order: .log
    )
  }

  /// Merges sections of one relation; raw rows come out as one section per day slice. `floor` drops states whose bucket starts
  /// below it (infinite and NULL buckets stay). Without `dropPositions` positions are kept if every section has them.
  /// Throws `DecodingFailure` on damaged bytes, 22003 when merging states overflows.
  public static func merge(
    _ sections: [SegmentSection],
    layout: RelationLayout,
    deleted: [ObjectIdentifier: RowSet] = [:],
    dropPositions: Bool,
    pruning: TopNPruning = .none,
    floor: Int64? = nil
  ) throws -> SectionInput? {
    // By place in the log, so that the order in which the caller lists them does not matter.
    let sections = sections.filter { $0.summary.rows > 0 }.sorted {
      let (a, b) = ($0.summary, $1.summary)
      return (a.low, a.high, a.slice, a.rows) < (b.low, b.high, b.slice, b.rows)
    }
    guard let first = sections.first else { return nil }
    let high = sections.reduce(first.summary.high) { max($0, $1.summary.high) }
    var batches = try sections.map { try rows(of: $0, layout, deleted[ObjectIdentifier($0)]) }
    if isPlanted(.mergeLosesLastRow), let last = batches.popLast() { batches.append(last.slice(0..<max(0, last.count - 1))) }
    if layout.isState {
      return try states(batches, layout, low: first.summary.low, high: high, pruning: pruning, floor: floor)
    }
    var positions: [UInt64] = []
    if sections.allSatisfy(\.summary.hasPositions) {
      for section in sections {
        let gone = deleted[ObjectIdentifier(section)]
        for block in 0..<section.blockCount {
          let rows = section.rows(ofBlock: block)
          let rest = gone?.part(rows)?.rest(of: 0..<rows.count)
          if rest?.isEmpty == true { continue }
          let stored = try section.positions(ofBlock: block) ?? []
          positions.append(contentsOf: rest.map { $0.map { stored[Int($0)] } } ?? stored)
        }
      }
    }
    if isPlanted(.mergeLosesLastRow) { positions = Array(positions.prefix(batches.reduce(0) { $0 + $1.count })) }
    guard batches.contains(where: { $0.count > 0 }) else { return nil }
    return SectionInput(
      layout: layout,
      rows: Batch.concatenate(batches, types: layout.types),
      positions: positions,
      keepsPositions: !dropPositions && !positions.isEmpty,
      low: first.summary.low,
      high: high,
      order: .log
    )
  }

  private static func states(
    _ runs: [Batch],
    _ layout: RelationLayout,
    low: LogPosition,
    high: LogPosition,
    pruning: TopNPruning,
    floor: Int64?
  ) throws -> SectionInput? {
    var merged = try StateMerge.merge(runs, keyCount: layout.keyCount, measures: layout.measures, pruning: pruning)
    if let floor, let bucket = layout.timeColumn, case .fixed(let starts) = merged.columns[bucket].values {
      let column = merged.columns[bucket]
      let kept = (0..<merged.count).filter {
        starts[$0] >= floor || starts[$0] == TimeLimits.minusInfinity || column.isNull($0)
      }
      if kept.count < merged.count { merged = merged.gather(kept.map { UInt32($0) }) }
    }
    guard merged.count > 0 else { return nil }
    return SectionInput(layout: layout, rows: merged, low: low, high: high, order: .sorted(.unsliced))
  }
  /// All rows of a section, in its order, in the relation's present columns.
  private static func rows(of section: SegmentSection, _ layout: RelationLayout, _ deleted: RowSet?) throws -> Batch {
    var blocks: [Batch] = []
    for block in 0..<section.blockCount {
      let count = section.rows(ofBlock: block).count
      let rest = deleted?.part(section.rows(ofBlock: block))?.rest(of: 0..<count)
      // A block without rows that stay is not read: it may be damaged (Salvage).
      if rest?.isEmpty == true { continue }
      let all = try layout.read(section, block, columns: Array(layout.columns.indices))
      blocks.append(rest.map { all.gather($0) } ?? all)
    }
    return Batch.concatenate(blocks, types: layout.types)
  }
}
