// RollupNotices.swift — says when a time bound cuts a bucket that is kept only coarsely (DESIGN §8: predicates compare bucket starts).
//
// Below a level's floor a rollup has only coarser buckets; a bound inside one takes or leaves it whole. The floor is estimated from
// `keep` and the statement's time: good enough for a message, never used for an answer.
import Model

enum RollupNotices {
  static func notices(_ plan: PlanNode, catalog: CatalogSnapshot, now: Int64) -> [String] {
    var result: [String] = []
    collect(plan, catalog, now, &result)
    return result
  }

  private static func collect(_ plan: PlanNode, _ catalog: CatalogSnapshot, _ now: Int64, _ result: inout [String]) {
    if case .scan(let scan) = plan, case .rollup(_, .chain) = scan.source,
      let rollup = Relations.rollup(of: scan.source, catalog: catalog)
    {
      for notice in notices(scan, rollup, now) where !result.contains(notice) { result.append(notice) }
    }
    for input in plan.inputs { collect(input, catalog, now, &result) }
  }

  private static func notices(_ scan: ScanNode, _ rollup: RollupDefinition, _ now: Int64) -> [String] {
    guard let bucket = scan.storedColumns.firstIndex(of: 1) else { return [] }
    let type = rollup.keys[1].type
    return scan.zoneConditions.compactMap { condition -> String? in
      guard condition.storedColumn == 1, case .fixed(let raw) = condition.value, !TimeArithmetic.isInfinite(raw) else { return nil }
      let (micros, overflow) = type == .date ? raw.multipliedReportingOverflow(by: BucketWidths.day) : (raw, false)
      guard !overflow, let level = level(at: micros, rollup, now), level > 0 else { return nil }
      let check = BucketConstancy(column: bucket, fine: rollup.levels[0].width, coarse: rollup.levels[level].width)
      let cuts = (scan.filter?.conjuncts ?? []).contains { part in
        guard case .call(let function, let sides) = part.node, function.isComparison else { return false }
        let isBound = sides.contains { if case .constant(.fixed(raw)) = $0.node { true } else { false } }
        return isBound && sides.contains { $0.columnIndex == bucket } && !check.isConstant(part)
      }
      guard cuts else { return nil }
      let shown = ValueText.print(condition.value, as: type) ?? ""
      return
        "bound \(shown) cuts a bucket of \(rollup.name)_\(rollup.levels[level].suffix): finer buckets of that time have expired"
    }
  }
  /// The finest level that still has buckets of a time; nil when none has.
  private static func level(at micros: Int64, _ rollup: RollupDefinition, _ now: Int64) -> Int? {
    rollup.levels.firstIndex { level in
      guard let keep = level.keep else { return true }
      do throws(TallyError) { return micros >= (try TimeArithmetic.subtract(keep, fromTimestamp: now)) } catch {
        // A retention that reaches back before the calendar keeps everything.
        return true
      }
    }
  }
}
