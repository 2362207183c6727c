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
