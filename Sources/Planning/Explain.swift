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
      lines.append("Fragment \(index + 1): \(shards(fragment, catalog))")
      describe(fragment.plan, 1, catalog, &lines)
    }
    lines.append(contentsOf: plan.notices.map { "Notice: \($0)" })
    return lines
  }
  /// The lines of INSERT … SELECT.
  public static func lines(_ plan: InsertSelectPlan, catalog: CatalogSnapshot) -> [String] {
    ["Insert into \(plan.table.name): rows through the coordinator, within a query's memory, all or nothing"]
      + lines(plan.select, catalog: catalog).map { "  " + $0 }
  }
  /// The lines of one plan, for tests and logs.
  public static func lines(_ plan: PlanNode, catalog: CatalogSnapshot) -> [String] {
    var lines: [String] = []
    describe(plan, 0, catalog, &lines)
    return lines
  }

  private static func shards(_ fragment: Fragment, _ catalog: CatalogSnapshot) -> String {
    let all = catalog.shards.filter { $0.group == fragment.group }
    switch fragment.shards {
    case .all: return "\(all.count) of \(all.count) shards"
    case .one(let hash):
      let shard = all.first { $0.lower <= hash && hash <= $0.upper }
      return "1 of \(all.count) shards" + (shard.map { " (shard \($0.id))" } ?? "")
    }
  }

  private static func describe(_ plan: PlanNode, _ depth: Int, _ catalog: CatalogSnapshot, _ lines: inout [String]) {
    let input = plan.inputs.first?.columns ?? []
    let text: String
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
    case .join, .window, .setOperation, .distinctOn, .tableFunction, .shared, .recursive, .workingRows, .systemScan:
      fatalError("SKELETON")
    case .fragmentInput(let node): text = "Rows of fragment \(node.fragment + 1)"
    }
    lines.append(String(repeating: "  ", count: depth) + text)
    for child in plan.inputs { describe(child, depth + 1, catalog, &lines) }
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
