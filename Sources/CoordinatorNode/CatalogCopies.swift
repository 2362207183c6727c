// CatalogCopies.swift — the leader gives every worker its whole state to keep, for the day no coordinator is left (MetadataRecovery).
//
// What a definition changed reaches the workers that are up within a quarter of a second of its answer, more slowly where the state is
// large: it takes no more than 4 MiB/s. What came after the last copy is what a recovery cannot know: it leaves a wide gap in all numbers.
import Capabilities
import Model
import RPC
import Wire

extension Coordinator {
  private static let copyInterval = Duration.milliseconds(250)
  private static let copyTimeout = Duration.seconds(2)
  /// Pause between two tries to tell workers that are not heard of of a new generation.
  private static let silentInterval = Duration.seconds(5)
  private static let copyBytesPerSecond = 4 << 20
  /// A state that does not fit a message is not kept.
  private static let copyBytesMax = Limits.frameBytesMax - (64 << 10)

  /// Sends copies while this coordinator leads, until cancelled.
  func keepCopies() async throws {
    var sent: [Incarnation: UInt64] = [:]
    var isTooLarge = false
    var silentTriedAt = surroundings.clock.now
    while true {
      try await log.untilLeading()
      try await surroundings.clock.sleep(for: Self.copyInterval)
      guard decidingTerm != nil else {
        sent = [:]
        continue
      }
      let (index, now) = (await log.applied, surroundings.clock.now)
      let known = await log.catalog
      // Behind a recovery also those that are not heard of: they may have come back to the coordinators that were given up, and would go on
      // with these until they hear of the new generation.
      let areSilentTried = known.generation > 1 && now - silentTriedAt > Self.silentInterval
      if areSilentTried { silentTriedAt = now }
      let workers = known.snapshot.nodes.filter {
        let isToTell = fleet.isUp($0.id, at: now) || areSilentTried && sent[$0.incarnation] == nil
        return $0.role == .worker && isToTell && sent[$0.incarnation] ?? 0 < index
      }
      if workers.isEmpty { continue }
      let copy = await log.copy
      let state = CatalogCommandFormat.encode(copy.catalog)
      guard state.count <= Self.copyBytesMax else {
        if !isTooLarge { surroundings.log.error("catalog-copy-too-large", ("bytes", String(state.count))) }
        isTooLarge = true
        continue
      }
      isTooLarge = false
      let record = CatalogCopyRecord(generation: copy.catalog.generation, index: copy.index, term: copy.term, state: state)
      let (pool, limit) = (pool, now + Self.copyTimeout)
      await withTaskGroup(of: Incarnation?.self) { group in
        for worker in workers {
          guard let address = NetworkAddress(worker.address) else { continue }
          group.addTask {
            // One that does not take it is asked again.
            do { _ = try await pool.call(.storeCatalogCopy(StoreCatalogCopy(record)), to: address, deadline: limit) } catch { return nil }
            return worker.incarnation
          }
        }
        for await incarnation in group { if let incarnation { sent[incarnation] = copy.index } }
      }
      let rest = Int64(state.count) * Int64(workers.count) * 1_000_000 / Int64(Self.copyBytesPerSecond)
      if rest > 1000 { try await surroundings.clock.sleep(for: .microseconds(rest)) }
    }
  }
}
