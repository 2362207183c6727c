// RollupLevelChoice.swift — when a coarser level of a rollup gives the same answer, and when rows of one key need no merging.
//
// DESIGN §8: a coarser level replaces finer buckets only if (a) every use of a measure is the aggregate that merges its kind, with no
// measure in WHERE, FILTER, GROUP BY or below the aggregate, and nothing counts rows; and (b) every expression on the bucket is
// constant within the coarse bucket. Under (a) alone stored runs and the fresh tail may be aggregated as they lie, unmerged.
import Model

struct RollupLevelChoice {
  let catalog: CatalogSnapshot
  let choosesLevels: Bool

  func applied(_ plan: PlanNode) -> PlanNode {
    guard case .aggregate(var node) = plan else { return plan.mapInputs { applied($0) } }
    if case .unionAll(let branches) = node.input {
      node.input = .unionAll(branches.map { branch(of: node, $0) })
    } else {
      node.input = branch(of: node, node.input)
    }
    return .aggregate(node)
  }
  /// What an aggregate reads: a scan, or a projection of one, as the aggregate allows it to be read.
  private func branch(of node: AggregateNode, _ input: PlanNode) -> PlanNode {
    switch input {
    case .scan(let scan): return .scan(chosen(node, scan))
    case .project(var projection):
      guard case .scan(let scan) = projection.input else { return applied(input) }
      let columns = projection.expressions
      let melted = AggregateNode(
        input: node.input,
        groups: node.groups.map { $0.substituting(columns) },
        calls: node.calls.map { $0.mapExpressions { $0.substituting(columns) } },
        names: node.names
      )
      projection.input = .scan(chosen(melted, scan))
      return .project(projection)
    default: return applied(input)
    }
  }
  /// The scan under an aggregate whose expressions are over the scan's columns.
  private func chosen(_ node: AggregateNode, _ scan: ScanNode) -> ScanNode {
    guard case .rollup(_, let use) = scan.source, let rollup = Relations.rollup(of: scan.source, catalog: catalog),
      mergesOnly(node, scan, rollup)
    else { return scan }
    var scan = scan
    scan.needsMergedGroups = false
    if choosesLevels, case .chain(first: 0) = use {
      let level = coarsest(node, scan, rollup)
      if level > 0 { scan.source = .rollup(rollup.id, .chain(first: level)) }
    }
    return scan
  }

  // MARK: (a)

  private func mergesOnly(_ node: AggregateNode, _ scan: ScanNode, _ rollup: RollupDefinition) -> Bool {
    let keyCount = rollup.keys.count
    func isMeasure(_ column: Int) -> Bool { scan.storedColumns[column] >= keyCount }
    func readsMeasure(_ expression: Expression) -> Bool { expression.columnsRead.contains(where: isMeasure) }
    if let filter = scan.filter, readsMeasure(filter) { return false }
    if node.groups.contains(where: readsMeasure) { return false }
    for call in node.calls {
      guard call.isMergeable else { return false }
      if let filter = call.filter, readsMeasure(filter) { return false }
      if call.arguments.contains(where: readsMeasure) {
        guard call.arguments.count == 1, let column = call.arguments[0].columnIndex else { return false }
        let kind = rollup.measures[scan.storedColumns[column] - keyCount].kind
        guard Self.merge(of: kind) == call.function || kind == .count && call.function == .countMerge else { return false }
      } else {
        // Over keys alone only what does not care how often a key comes.
        switch call.function {
        case .min, .max, .boolAnd, .boolOr, .hllAdd: break
        default: return false
        }
      }
    }
    return true
  }
  private static func merge(of kind: MeasureKind) -> AggregateFunction {
    switch kind {
    case .count, .sum: .sum
    case .min: .min
    case .max: .max
    case .boolAnd: .boolAnd
    case .boolOr: .boolOr
    case .hll: .hllUnion
    case .topn: .topnUnion
    }
  }

  // MARK: (b)

  private func coarsest(_ node: AggregateNode, _ scan: ScanNode, _ rollup: RollupDefinition) -> Int {
    guard let bucket = scan.storedColumns.firstIndex(of: 1) else { return rollup.levels.count - 1 }
    var expressions = node.groups
    if let filter = scan.filter { expressions.append(contentsOf: filter.conjuncts) }
    for call in node.calls {
      expressions.append(contentsOf: call.arguments)
      if let filter = call.filter { expressions.append(filter) }
    }
    let fine = rollup.levels[0].width
    for level in rollup.levels.indices.reversed() where level > 0 {
      let check = BucketConstancy(column: bucket, fine: fine, coarse: rollup.levels[level].width)
      if expressions.allSatisfy(check.isConstant) { return level }
    }
    return 0
  }
}

/// Whether an expression has one value for all fine buckets inside any coarse bucket. Levels are cut in UTC.
struct BucketConstancy {
  let column: Int
  let fine: BucketWidth
  let coarse: BucketWidth

  func isConstant(_ expression: Expression) -> Bool {
    if expression.columnIndex == column { return false }
    if !expression.columnsRead.contains(column) { return true }
    switch expression.node {
    case .call(.timeBucket, let arguments):
      if isBucket(arguments[1]), case .constant(.interval(let span)) = arguments[0].node,
        let width = BucketWidths.width(of: span), BucketWidths.nests(coarse, in: width)
      {
        return true
      }
    case .call(.dateTrunc, let arguments):
      if isBucket(arguments[1]), case .constant(.fixed(let raw)) = arguments[0].node,
        let unit = UInt8(exactly: raw).flatMap({ TimeUnit(rawValue: $0) }), let width = Self.width(unit),
        BucketWidths.nests(coarse, in: width)
      {
        return true
      }
    case .call(.extract, let arguments):
      if isBucket(arguments[1]), case .constant(.fixed(let raw)) = arguments[0].node,
        let field = UInt8(exactly: raw).flatMap({ TimeField(rawValue: $0) }), let unit = field.unit,
        let width = Self.width(unit), BucketWidths.nests(coarse, in: width)
      {
        return true
      }
    case .call(let function, let sides) where function.isComparison:
      if isBucket(sides[0]), let bound = micros(sides[1]) { return isBorder(function, bound, sides[0]) }
      if isBucket(sides[1]), let bound = micros(sides[0]) { return isBorder(Self.mirrored(function), bound, sides[1]) }
    case .cast(let inner):
      if isBucket(inner), expression.type == .date, inner.type != .date, BucketWidths.nests(coarse, in: .microseconds(BucketWidths.day)) {
        return true
      }
    case .isNull(let inner):
      // NULL times are a bucket of their own at every level.
      if isBucket(inner) { return true }
    default: break
    }
    return expression.operands.allSatisfy(isConstant)
  }
  /// The bucket itself, or seen as another time type at the same instant.
  private func isBucket(_ expression: Expression) -> Bool {
    if expression.columnIndex == column { return true }
    guard case .cast(let inner) = expression.node, inner.columnIndex == column else { return false }
    return expression.type == .timestamp || expression.type == .timestamptz
  }
  private func micros(_ expression: Expression) -> Int64? {
    guard case .constant(.fixed(let value)) = expression.node else { return nil }
    guard expression.type == .date else { return expression.type.isTime ? value : nil }
    if TimeArithmetic.isInfinite(value) { return value }
    let (product, overflow) = value.multipliedReportingOverflow(by: BucketWidths.day)
    return overflow ? nil : product
  }
  /// Whether the comparison turns from false to true only at borders of coarse buckets.
  private func isBorder(_ function: Function, _ bound: Int64, _ bucket: Expression) -> Bool {
    if TimeArithmetic.isInfinite(bound) { return true }
    let floor = Calendar.truncateToBucket(bound, fine)
    switch function {
    case .greaterOrEqual, .less:
      // The first fine bucket at or after the bound.
      return isAligned(floor == bound ? floor : Calendar.endOfBucket(floor, fine))
    case .greater, .lessOrEqual: return isAligned(Calendar.endOfBucket(floor, fine))
    default: return floor != bound
    }
  }
  private func isAligned(_ start: Int64) -> Bool { Calendar.truncateToBucket(start, coarse) == start }
  private static func mirrored(_ function: Function) -> Function {
    switch function {
    case .less: .greater
    case .lessOrEqual: .greaterOrEqual
    case .greater: .less
    case .greaterOrEqual: .lessOrEqual
    default: function
    }
  }
  private static func width(_ unit: TimeUnit) -> BucketWidth? {
    switch unit {
    case .microsecond: .microseconds(1)
    case .millisecond: .microseconds(1000)
    case .second: .microseconds(1_000_000)
    case .minute: .microseconds(60_000_000)
    case .hour: .microseconds(3_600_000_000)
    case .day: .microseconds(BucketWidths.day)
    case .week: .microseconds(7 * BucketWidths.day)
    case .month: .months(1)
    case .quarter: .months(3)
    case .year: .months(12)
    case .decade: .months(120)
    // Centuries and millennia begin in years ending in 1, buckets of months do not.
    case .century, .millennium: .months(12)
    }
  }
}
