// RetireFlow.swift — removes copies that are not in their shard's record any more, ten minutes later and never earlier (protocol.md §2.4).
//
// Such copies are left on a node that was dead for long: others took their place. Until then they cost room only; and an operator who
// lost all the others finds them.
import Capabilities
import Model
import Storage
import Wire

extension Worker {
  /// Pause between two looks.
  static let retireLook = Duration.seconds(5)

  /// Works until cancelled.
  func keepRetired() async throws {
    var since: [ShardID: Instant] = [:]
    while true {
      try await surroundings.clock.sleep(for: Self.retireLook)
      let now = surroundings.clock.now
      var due: [ShardHost] = []
      for host in orderedHosts {
        guard isRetired(host) else {
          since[host.id] = nil
          continue
        }
        let first = since[host.id] ?? now
        since[host.id] = first
        if now - first > settings.retiredAfter { due.append(host) }
      }
      if due.isEmpty { continue }
      // The newest record counts.
      do { try await fetchCatalog() } catch let error as TallyError where error.isRetryable { continue }
      for host in due where isRetired(host) {
        try await retire(host)
        since[host.id] = nil
      }
    }
  }
  private func isRetired(_ host: ShardHost) -> Bool {
    !catchingUp.contains(host.id) && !beingMade.contains(host.id) && isUnlisted(host)
  }
  private func isUnlisted(_ host: ShardHost) -> Bool {
    hosts[host.id] === host && catalog.shard(host.id)?.replica(on: identity.value.node) == nil
  }
  private func retire(_ host: ShardHost) async throws {
    let shard = host.id
    // Whoever would make a new copy of it here waits until this one is gone.
    catchingUp.insert(shard)
    defer { catchingUp.remove(shard) }
    host.stepDown()
    try await host.store.untilFilesAreQuiet()
    // It may have been listed again while it was waited.
    guard isUnlisted(host) else { return }
    hosts[shard] = nil
    let bytes = host.store.fileBytes
    _ = try await journal.append([JournalRecord(shard: shard, entry: .cut(from: LogPosition(1), epoch: host.store.head.epoch))])
    try await ShardStore.remove(disk: surroundings.disk, shard: shard)
    journal.forget(shard)
    surroundings.log.info("copy-retired", ("shard", shard.description), ("copy", host.store.replica.description), ("bytes", String(bytes)))
  }
}
