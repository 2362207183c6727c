// Explain.swift — a plan as lines of text: class, shards, levels, operators. Runtime figures are the coordinator's to add.
public import Model

/// EXPLAIN's lines.
public enum Explain {
  /// The lines of a distributed plan.
  public static func lines(_ plan: DistributedPlan, catalog: CatalogSnapshot) -> [String] {
    var lines = ["Plan: \(plan.planClass.rawValue)"]
    if plan.planClass != .router {
      lines.append("Coordinator:")
      describe(plan.coordinatorPlan, 1, catalog, &lines)
    }
    for (index, fragment) in plan.fragments.enumerated() {
      let sent = fragment.plan.fragmentsRead.sorted().map { String($0 + 1) }
      let rows = sent.isEmpty || fragment.shards == .coordinator ? "" : ", sent the rows of fragment \(sent.joined(separator: ", "))"
      lines.append("Fragment \(index + 1): \(shards(fragment, catalog))\(rows)")
      describe(fragment.plan, 1, catalog, &lines)
    }
    lines.append(contentsOf: plan.notices.map { "Notice: \($0)" })
    return lines
  }
  /// The lines of one plan, for tests and logs.
  public static func lines(_ plan: PlanNode, catalog: CatalogSnapshot) -> [String] {
    var lines: [String] = []
    describe(plan, 0, catalog, &lines)
    return lines
  }

  static func shards(_ fragment: Fragment, _ catalog: CatalogSnapshot) -> String {
    let all = catalog.shards.filter { $0.group == fragment.group }
    switch fragment.shards {
    case .coordinator: return "on the coordinator"
    case .all: return "\(all.count) of \(all.count) shards"
    case .one(let hash):
      let shard = all.first { $0.lower <= hash && hash <= $0.upper }
      return "1 of \(all.count) shards" + (shard.map { " (shard \($0.id))" } ?? "")
    }
  }

  static func describe(_ plan: PlanNode, _ depth: Int, _ catalog: CatalogSnapshot, _ lines: inout [String]) {
    let input = plan.inputs.first?.columns ?? []
    let text: String
    var children = plan.inputs
    switch plan {
    case .scan(let node): text = scan(node, catalog)
    case .values(let node): text = "Values: \(node.rows.count) row\(node.rows.count == 1 ? "" : "s")"
    case .filter(let node): text = "Filter: \(ExpressionText.text(node.condition, input))"
    case .project(let node):
      text = "Project: " + node.expressions.map { ExpressionText.text($0, input) }.joined(separator: ", ")
    case .aggregate(let node):
      let groups = node.groups.map { ExpressionText.text($0, input) }.joined(separator: ", ")
      let calls = node.calls.map { ExpressionText.text($0, input) }.joined(separator: ", ")
      text = node.calls.isEmpty ? "Distinct: \(groups)" : "Aggregate: \(calls)" + (groups.isEmpty ? "" : " by \(groups)")
    case .sort(let node):
      let keys = node.keys.map { key in
        input[key.column].name + (key.isAscending ? "" : " DESC")
          + (key.nullsFirst == key.isAscending ? (key.nullsFirst ? " NULLS FIRST" : " NULLS LAST") : "")
      }
      text = "Sort: \(keys.joined(separator: ", "))" + (node.first.map { " (first \($0))" } ?? "")
    case .limit(let node):
      text = "Limit: \(node.count.map(String.init) ?? "all")" + (node.offset > 0 ? " offset \(node.offset)" : "")
    case .unionAll: text = "Append"
    case .expandTopN(let node): text = "Expand: topn(\(input[node.column].name), \(node.count))"
    case .join(let node): text = join(node)
    case .window(let node): text = window(node, input)
    case .setOperation(let node): text = (node.kind == .intersect ? "Intersect" : "Except") + (node.isAll ? " all" : "")
    case .distinctOn(let node): text = "Distinct on: \(node.columns.map { input[$0].name }.joined(separator: ", "))"
    case .tableFunction(let node):
      let calls = node.calls.map { call in
        "\(call.function)(\(call.arguments.map { ExpressionText.text($0, input) }.joined(separator: ", ")))"
      }
      text =
        "Rows of: \(calls.joined(separator: ", "))" + (node.ordinality == nil ? "" : " with ordinality")
        + (node.keepsLonely ? ", lonely rows too" : "")
    case .shared(let node):
      // Its plan is shown once.
      let isFirst = !lines.contains { $0.hasSuffix("Shared \(node.id):") }
      text = isFirst ? "Shared \(node.id):" : "Rows of shared \(node.id)"
      if !isFirst { children = [] }
    case .recursive(let node): text = "Recursion \(node.id)" + (node.isDistinct ? ", each row once" : "")
    case .workingRows(let node): text = "Last rows of recursion \(node.id)"
    case .systemScan(let node): text = "System scan \(node.relation) (\(node.output.map(\.name).joined(separator: ", ")))"
    case .fragmentInput(let node): text = "Rows of fragment \(node.fragment + 1)"
    }
    lines.append(String(repeating: "  ", count: depth) + text)
    for child in children { describe(child, depth + 1, catalog, &lines) }
  }
  private static func join(_ node: JoinNode) -> String {
    let (left, right) = (node.left.columns, node.right.columns)
    var text = "\(node.kind)".prefix(1).uppercased() + "\(node.kind)".dropFirst() + " join"
    let keys = node.keys.map { key in
      ExpressionText.text(key.left, left) + (key.matchesNulls ? " IS NOT DISTINCT FROM " : key.marksNulls ? " IN " : " = ")
        + ExpressionText.text(key.right, right)
    }
    if !keys.isEmpty { text += ": " + keys.joined(separator: ", ") }
    if let condition = node.condition { text += " if \(ExpressionText.text(condition, left + right))" }
    return text
  }
  private static func window(_ node: WindowNode, _ input: [OutputColumn]) -> String {
    let calls = node.calls.map { call in
      let name =
        switch call.function {
        case .aggregate(let function): "\(function)"
        default: "\(call.function)"
        }
      let filter = call.filter.map { " FILTER (WHERE \(ExpressionText.text($0, input)))" } ?? ""
      return "\(name)(\(call.arguments.map { ExpressionText.text($0, input) }.joined(separator: ", ")))" + filter + frame(call.frame)
    }
    var text = "Window: " + calls.joined(separator: ", ")
    if !node.partitions.isEmpty { text += " by \(node.partitions.map { input[$0].name }.joined(separator: ", "))" }
    if !node.keys.isEmpty {
      text += " order \(node.keys.map { input[$0.column].name + ($0.isAscending ? "" : " DESC") }.joined(separator: ", "))"
    }
    return text
  }
  private static func frame(_ frame: WindowFrame) -> String {
    func bound(_ bound: WindowFrame.Bound) -> String {
      switch bound {
      case .unboundedPreceding: "UNBOUNDED PRECEDING"
      case .preceding(let offset): "\(ExpressionText.literal(offset.value, offset.type)) PRECEDING"
      case .currentRow: "CURRENT ROW"
      case .following(let offset): "\(ExpressionText.literal(offset.value, offset.type)) FOLLOWING"
      case .unboundedFollowing: "UNBOUNDED FOLLOWING"
      }
    }
    if frame.unit == .range, case .unboundedPreceding = frame.start, case .currentRow = frame.end, frame.exclusion == .none { return "" }
    let exclusion = frame.exclusion == .none ? "" : " EXCLUDE \(frame.exclusion)"
    return " \("\(frame.unit)".uppercased()) \(bound(frame.start)) TO \(bound(frame.end))\(exclusion)"
  }

  private static func scan(_ node: ScanNode, _ catalog: CatalogSnapshot) -> String {
    var text: String
    switch node.source {
    case .table(let id): text = "Scan \(catalog.table(id)?.name ?? "table \(id)")"
    case .rollup(let id, let use):
      let rollup = catalog.rollups.first { $0.id == id }
      let index: Int
      switch use {
      case .chain(let first): index = first
      case .only(let level): index = level
      }
      let suffix = rollup.flatMap { index < $0.levels.count ? $0.levels[index].suffix : nil } ?? "\(index)"
      let level = if case .only = use { "level \(suffix) only" } else { "level \(suffix)" }
      text = "Scan \(rollup?.name ?? "rollup \(id)"), \(level)" + (node.needsMergedGroups ? ", merged by key" : "")
    }
    text += " (\(node.output.map(\.name).joined(separator: ", ")))"
    if let filter = node.filter { text += " where \(ExpressionText.text(filter, node.output))" }
    return text
  }
}
