// ZoneConditions.swift — what of a scan's filter can be checked against zone maps: comparisons of a stored column with a constant.
import Model

enum ZoneConditions {
  /// The plan with each scan's zone conditions.
  static func applied(_ plan: PlanNode) -> PlanNode {
    plan.mapScans { scan in
      var scan = scan
      scan.zoneConditions = (scan.filter?.conjuncts ?? []).flatMap { zoneConditions($0, scan) }
      return scan
    }
  }
  private static func zoneConditions(_ condition: Expression, _ scan: ScanNode) -> [ZoneCondition] {
    switch condition.node {
    case .call(let function, let sides) where function.isComparison && function != .notEqual && sides.count == 2:
      let (a, b) = (sides[0], sides[1])
      if let column = a.columnIndex, let value = b.constantValue { return zone(column, function, value, scan) }
      if let column = b.columnIndex, let value = a.constantValue { return zone(column, mirrored(function), value, scan) }
      return []
    case .inList(let inner, let values, _):
      guard let column = inner.columnIndex, let first = values.first else { return [] }
      if values.count == 1 { return zone(column, .equal, first, scan) }
      var (low, high) = (first, first)
      for value in values.dropFirst() {
        if ScalarEvaluator.compare(value, low, inner.type) == -1 { low = value }
        if ScalarEvaluator.compare(value, high, inner.type) == 1 { high = value }
      }
      return zone(column, .greaterOrEqual, low, scan) + zone(column, .lessOrEqual, high, scan)
    default: return []
    }
  }
  private static func mirrored(_ function: Function) -> Function {
    switch function {
    case .less: .greater
    case .lessOrEqual: .greaterOrEqual
    case .greater: .less
    case .greaterOrEqual: .lessOrEqual
    default: function
    }
  }
  private static func zone(_ column: Int, _ function: Function, _ value: Value, _ scan: ScanNode) -> [ZoneCondition] {
    // Zone maps know texts by their bytes.
    let type = scan.output[column].type
    guard !value.isNull, ExpressionCheck.fits(value, type), type.layout != .text || type.ordersByBytes else { return [] }
    let comparison: ZoneCondition.Comparison
    switch function {
    case .equal: comparison = .equal
    case .less: comparison = .less
    case .lessOrEqual: comparison = .lessOrEqual
    case .greater: comparison = .greater
    case .greaterOrEqual: comparison = .greaterOrEqual
    default: return []
    }
    return [ZoneCondition(storedColumn: scan.storedColumns[column], comparison, value)]
  }
}
