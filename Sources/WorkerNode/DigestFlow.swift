// DigestFlow.swift — lets the copies of a shard be compared: the primary writes probes, every copy digests its state at them.
//
// The digests travel with the heartbeats; the coordinator that leads compares them (CoordinatorNode/DigestComparison). A new primary
// probes after a twenty-fourth of the period, later once a period; not while nothing was written since the last time.
import Capabilities
import Model
import Storage

extension Worker {
  /// Works until cancelled.
  func keepDigests() async throws {
    while true {
      try await surroundings.clock.sleep(for: settings.digestLook)
      for host in orderedHosts {
        if let probe = host.store.takeProbe() { try await digest(probe, host) }
        if host.servingEpoch != nil, host.damage == nil, space == .ample { try probeWhenDue(host) }
      }
    }
  }
  private func digest(_ probe: StateProbe, _ host: ShardHost) async throws {
    do {
      let digest = try await surroundings.compute.attempt { try probe.digest() }
      // A copy that began again meanwhile is another.
      guard hosts[host.id] === host else { return }
      host.digest = digest
    } catch let error as TallyError {
      surroundings.log.warning("no-digest", ("shard", host.id.description), ("reason", error.message))
    }
  }
  private func probeWhenDue(_ host: ShardHost) throws {
    let now = surroundings.clock.now
    guard let due = host.probeDue else { return host.probeDue = now + settings.digestPeriod / 24 }
    guard now >= due, host.digest?.position != host.store.head.position else { return }
    host.probeDue = now + settings.digestPeriod
    do {
      let (shard, position) = (host.id, try host.append(.digestProbe).position)
      perform { try await $0.commitProbe(shard, position) }
    } catch let error where error.isRetryable {
      surroundings.log.info("probe-waits", ("shard", host.id.description), ("reason", error.message))
    }
  }
  /// Where nothing else is written nobody would have the probe committed, and it would keep the journal.
  private func commitProbe(_ shard: ShardID, _ position: LogPosition) async throws {
    guard let host = hosts[shard] else { return }
    do { try await host.settle(position) } catch let error as TallyError where error.status == .dataDamaged {
      noteDamage(host, error)
    } catch let error as TallyError where error.isRetryable || error.status == .unknownOutcome {
      surroundings.log.info("probe-waits", ("shard", shard.description), ("reason", error.message))
    }
  }
}
