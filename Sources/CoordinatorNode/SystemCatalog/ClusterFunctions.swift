// ClusterFunctions.swift — Citus's functions that answer from the catalog; those that give rows are relations (CitusRows).
import Bytes
import Model
import Planning

extension SystemRelations {
  func clusterFunctions(_ name: String) -> [HostedFunction] {
    switch name {
    case "citus_version":
      return [
        HostedFunction(name, [], .text) { _ in .text("Citus 12.1 (its functions and views; the server is \(self.facts.serverVersion))") }
      ]
    case "get_shard_id_for_distribution_column":
      return [
        HostedFunction(name, [.regclass, .bigint], .bigint) { (arguments) throws(TallyError) in
          try self.shard(arguments.number(0), key: .fixed(arguments.number(1)))
        },
        HostedFunction(name, [.regclass, .text], .bigint) { (arguments) throws(TallyError) in
          guard let key = try self.distribution(arguments.number(0)) else { return .null }
          return try self.shard(arguments.number(0), key: try Tenant.parse(arguments.text(1), key.type))
        },
      ]
    case "hll_set_defaults":
      return [
        HostedFunction(name, [.integer, .integer, .integer, .integer], .text, isStable: false) { (arguments) throws(TallyError) in
          guard (0..<4).map(arguments.number) == [11, 5, -1, 1] else {
            throw .sql(
              "0A000",
              "other parameters of sketches as a session's default are not supported",
              hint: "State them where a sketch is made: hll(12,5,-1,1), hll_empty(12), hll_add_agg(x, 12)."
            )
          }
          return .text("(11,5,-1,1)")
        }
      ]
    case "hll_set_max_sparse", "hll_set_output_version":
      let only: Int64 = name == "hll_set_max_sparse" ? -1 : 1
      return [
        HostedFunction(name, [.integer], .integer, isStable: false) { (arguments) throws(TallyError) in
          guard arguments.number(0) == only else { throw .sql("0A000", "\(name)(\(arguments.number(0))) is not supported") }
          return .fixed(only)
        }
      ]
    default: return []
    }
  }
  /// The key of a distributed table; 42809 for other relations.
  private func distribution(_ oid: Int64) throws(TallyError) -> Column? {
    guard let entry = index[oid: oid] else { return nil }
    guard case .table(let table) = entry.origin, case .distributed(let key, _) = table.distribution else {
      throw .sql("42809", "relation \"\(entry.name)\" is not distributed")
    }
    return table.columns[key]
  }
  private func shard(_ oid: Int64, key: Tenant) throws(TallyError) -> Value {
    guard let column = try distribution(oid), let entry = index[oid: oid], case .table(let table) = entry.origin else { return .null }
    if case .fixed = key, column.type.isText {
      return try shard(oid, key: .text(Array(key.description.utf8)))
    }
    return .optional(shards(of: table).first { $0.lower <= key.hash && key.hash <= $0.upper }.map { Int64($0.id.rawValue) })
  }
}
