// Explain+Changes.swift — what EXPLAIN tells of INSERT, UPDATE and DELETE: where rows come from, where they are evaluated, what is asked
// of them.
public import Model

extension Explain {
  /// The lines of a statement that changes rows.
  public static func lines(_ change: BoundStatement, catalog: CatalogSnapshot) -> [String] {
    switch change {
    case .insert(let plan):
      return ["Insert into \(plan.table.name): \(rows(plan.rows.count)) through the coordinator, all or nothing"]
    case .insertSelect(let plan):
      if let pushed = plan.pushed { return lines(pushed, catalog) }
      return ["Insert into \(plan.table.name): pull: rows through the coordinator, within a query's memory, all or nothing"]
        + lines(plan.select, catalog: catalog).map { "  " + $0 }
    case .delete(let plan):
      let head = plan.isTruncate ? "Truncate \(plan.table.name)" : "Delete from \(plan.table.name): rows of one scan, named by their shards"
      guard let scan = plan.scan, let group = plan.table.distribution.group else { return [head, "  No rows"] }
      let fragment = Fragment(plan: .scan(scan), group: group, shards: plan.shards)
      return [head] + lines(fragment, "Fragment", catalog).map { "  " + $0 }
    case .modify(let plan): return lines(plan, catalog)
    default: return []
    }
  }
  private static func rows(_ count: Int) -> String { "\(count) row\(count == 1 ? "" : "s")" }

  private static func lines(_ plan: ModifyPlan, _ catalog: CatalogSnapshot) -> [String] {
    let table = plan.table.name
    let head =
      switch plan.command {
      case .insert: "Insert into \(table)"
      case .update: "Update \(table)"
      case .delete: "Delete from \(table)"
      }
    var inner: [String] = []
    let how: String
    switch plan.source {
    case .values(let values): how = "\(rows(values.rows.count)) through the coordinator"
    case .query(let select):
      how = "pull: rows through the coordinator, within a query's memory"
      inner += lines(select, catalog: catalog)
    case .shards(let inputs, let fragment):
      how = plan.command == .insert ? "push-down: each shard stores its own rows" : "push-down: each shard changes its own rows"
      for (index, input) in inputs.enumerated() { inner += lines(input, "Rows sent along \(index + 1)", catalog) }
      inner += lines(fragment, "Fragment", catalog)
    case .none: how = "no rows"
    }
    if case .insert(let conflict) = plan.action {
      switch conflict {
      case .fail: break
      case .nothing(let key):
        inner.append("On conflict\(key.map { " of \(plan.table.keys[$0].name)" } ?? ""): nothing")
      case .update(let key, let row, let condition):
        let columns = plan.table.columns
        let scope =
          columns.map { OutputColumn($0.name, $0.type) } + columns.map { OutputColumn("excluded.\($0.name)", $0.type) }
        let set = row.enumerated().filter { $1.columnIndex != $0 }.map { "\(columns[$0].name) = \(ExpressionText.text($1, scope))" }
        inner.append("On conflict of \(plan.table.keys[key].name): update " + set.joined(separator: ", "))
        if let condition { inner.append("  where \(ExpressionText.text(condition, scope))") }
      }
    }
    if !plan.checks.isEmpty { inner.append("Checks: " + plan.checks.map(\.name).joined(separator: ", ")) }
    if let returning = plan.returning {
      inner.append("Returning: " + returning.output.map(\.name).joined(separator: ", "))
    }
    return ["\(head): \(how), all or nothing"] + inner.map { "  " + $0 }
  }
  private static func lines(_ fragment: Fragment, _ title: String, _ catalog: CatalogSnapshot) -> [String] {
    var lines = ["\(title): \(shards(fragment, catalog))"]
    describe(fragment.plan, 1, catalog, &lines)
    return lines
  }
}
