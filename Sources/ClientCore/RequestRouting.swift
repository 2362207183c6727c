// RequestRouting.swift — from a tenant's hash to its shard, and from a shard to the node that serves it; made once per catalog version.

public import Capabilities
public import Model

/// One version of the catalog, indexed for routing.
///
/// Immutable.
public final class RequestRouting: Sendable {
  /// The catalog.
  public let catalog: CatalogSnapshot
  private let shards: [ShardID: ShardRecord]
  private let addresses: [NodeID: NetworkAddress]

  /// Indexes a catalog.
  public init(_ catalog: CatalogSnapshot) {
    self.catalog = catalog
    shards = Dictionary(catalog.shards.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    addresses = Dictionary(
      catalog.nodes.compactMap { node in NetworkAddress(node.address).map { (node.id, $0) } },
      uniquingKeysWith: { first, _ in first }
    )
  }
  /// The shard with that number.
  public func shard(_ id: ShardID) -> ShardRecord? { shards[id] }
  /// Where a node listens.
  public func address(of node: NodeID) -> NetworkAddress? { addresses[node] }
  /// The shards of a group by rising hash range.
  public func shards(of group: GroupID) -> [ShardRecord] {
    catalog.group(group)?.shards.compactMap { shards[$0] } ?? []
  }
  /// The shard of a group that holds a hash.
  public func shard(of group: GroupID, hash: UInt64) -> ShardRecord? {
    let all = shards(of: group)
    var (low, high) = (0, all.count)
    while low < high {
      let middle = (low + high) / 2
      if all[middle].upper < hash { low = middle + 1 } else { high = middle }
    }
    return low < all.count && all[low].lower <= hash ? all[low] : nil
  }
  /// Where a shard's primary listens, and its epoch.
  ///
  /// Throws `unavailable` while it has none.
  public func primary(of id: ShardID) throws(TallyError) -> (address: NetworkAddress, epoch: Epoch) {
    guard let shard = shards[id] else {
      throw TallyError(.staleCatalog, "shard \(id) is not in catalog version \(catalog.version)")
    }
    guard let address = addresses[shard.primary] else {
      throw TallyError(.unavailable, "shard \(id) has no primary")
    }
    return (address, shard.epoch)
  }
}
