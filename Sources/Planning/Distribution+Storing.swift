// Distribution+Storing.swift — INSERT … SELECT on the shards: whether the rows of a query are, shard by shard, rows of the table they go
// into.
import Model

extension Distribution {
  /// The plan as the shards of the table's group run it, each giving rows of its own part of the table; nil where rows would have to move.
  ///
  /// `plan` is rewritten and gives the table's columns.
  static func storing(
    _ plan: PlanNode,
    in table: TableSchema,
    catalog: CatalogSnapshot
  ) throws(TallyError) -> (inputs: [Fragment], fragment: Fragment)? {
    var distribution = Distribution(plan, catalog: catalog)
    guard case .shards(let part) = try distribution.place(plan), part.group == table.distribution.group else { return nil }
    switch table.distribution {
    case .single: break
    case .distributed(let key, _) where part.tenants.contains(key): break
    default: return nil
    }
    return (distribution.fragments, part.fragment)
  }
}
