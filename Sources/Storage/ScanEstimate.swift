// ScanEstimate.swift — what a scan will have to decode, told by zones alone: nothing is read.
//
// It asks the same zones as the scan itself (UnitScan), so it never tells less than what is decoded: whole blocks, but of those that lie
// decoded (BlockCache) and of sorted rows in memory only the rows that the leading keys leave.
public import Model

/// Rows and bytes that a scan decodes.
public struct ScanEstimate: Equatable, Sendable {
  /// Rows to look at.
  public var rows = 0
  /// Their stored bytes in the wanted columns, and eight bytes a value in memory.
  public var bytes = 0
  /// Nothing.
  public init() {}
  /// Adds another scan's.
  public static func += (a: inout ScanEstimate, b: ScanEstimate) {
    a.rows += b.rows
    a.bytes += b.bytes
  }
}

extension TableSnapshot {
  /// What a scan with the same arguments decodes; it stops counting once there are more than `rowsMax` rows.
  public func estimate(
    columns: [Int],
    after: LogPosition = LogPosition(0),
    through: LogPosition? = nil,
    where predicates: [ZonePredicate] = [],
    rowsMax: Int
  ) -> ScanEstimate {
    let scan = UnitScan(
      layout: layout,
      columns: columns,
      after: after,
      through: min(through ?? position, position),
      predicates: predicates,
      morselRows: 1,
      place: 0,
      cache: cache
    )
    var whole = ScanEstimate()
    for chunk in chunks + own.map(\.chunk) {
      let rows = scan.wanted(of: chunk).count
      whole.rows += rows
      whole.bytes += rows * columns.count * 8
    }
    for section in sections where !scan.isOutside(section) {
      for block in scan.candidateBlocks(section, 0..<section.blockCount) where scan.admits(section, block) {
        guard whole.rows <= rowsMax else { return whole }
        whole += scan.estimate(section, block)
      }
    }
    return whole
  }
}

extension UnitScan {
  /// A block that must be decoded is its rows and bytes; one that lies decoded, the rows that its keys leave.
  fileprivate func estimate(_ section: SegmentSection, _ block: Int) -> ScanEstimate {
    let all = 0..<section.rows(ofBlock: block).count
    let stored = columns.filter { $0 != TableSnapshot.placeColumn && $0 < section.types.count }
    var whole = ScanEstimate()
    if let cache, stored.allSatisfy({ cache.holds(section, block, $0) }) {
      let rows = SortedRange(predicates, section.directory.sortKey).narrow(all) { cache.find(section, block, $0) }
      (whole.rows, whole.bytes) = (rows.count, 0)
      for column in stored { whole.bytes += section.byteCount(block: block, column: column) * rows.count / max(1, all.count) }
    } else {
      whole.rows = all.count
      for column in stored { whole.bytes += section.byteCount(block: block, column: column) }
    }
    return whole
  }
}
