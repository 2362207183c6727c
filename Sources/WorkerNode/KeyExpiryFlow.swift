// KeyExpiryFlow.swift — has keys of batches forgotten when their time is over, and tells when log time may not follow the clock.
//
// What is due is told by log time (ShardStore+Keys, KeyLifetimes); the KeyExpiry entry makes every replica forget the same. Here is only
// when: nothing depends on it but memory.
import Capabilities
import Model
import Storage

extension Worker {
  /// Pause between two looks for keys to forget.
  static let keyExpiryInterval = Duration.seconds(10)

  /// Works until cancelled.
  func keepExpiringKeys() async throws {
    while true {
      try await surroundings.clock.sleep(for: Self.keyExpiryInterval)
      for host in orderedHosts where host.servingEpoch != nil {
        tellLag(host)
        guard let expiry = host.store.keyExpiryDue() else { continue }
        do {
          let entry = try await host.write(expiry)
          surroundings.log.info("keys-expired", ("shard", host.id.description), ("position", entry.position.description))
        } catch let error as TallyError where error.isRetryable {
          surroundings.log.warning("key-expiry-waits", ("shard", host.id.description), ("reason", error.message))
        }
      }
    }
  }
  private func tellLag(_ host: ShardHost) {
    let lag = host.store.logTime.lag
    if lag > 0, !host.isLagTold {
      surroundings.log.warning(
        "log-time-held-back",
        ("shard", host.id.description),
        ("seconds", String(lag / 1_000_000)),
        ("reason", "the clock ran ahead of what log time may follow: an hour a minute")
      )
    } else if lag == 0, host.isLagTold {
      surroundings.log.info("log-time-follows", ("shard", host.id.description))
    }
    host.isLagTold = lag > 0
  }
}
