// LayoutFlow.swift — keeps memory, journal and files in shape: flushes, merges, and expiry of rows behind the rollups.
//
// One flow for the node: it flushes the shard that helps most, then merges and expires. What each step does to a shard is in
// Storage (ShardStore+Flush, +Layout, +Retention); here is only when.
import Bytes
import Capabilities
import Model
import Storage

extension Worker {
  /// A shard whose flushed file could not be read back is left alone for so long.
  static let flushPause = Duration.seconds(1)

  /// How long a flush waits for changes under way.
  static let restMax = Duration.milliseconds(500)

  /// Works until cancelled.
  func keepLayout() async throws {
    while true {
      try await surroundings.clock.sleep(for: settings.layoutInterval)
      while try await flushOne() {}
      try await shortenJournal()
      for host in orderedHosts {
        do {
          if host.servingEpoch != nil { try await improve(host) } else { try await tidy(host) }
        } catch let failure as DecodingFailure {
          noteDamage(host, failure)
        } catch let error as TallyError where error.status == .dataDamaged {
          noteDamage(host, error)
        } catch let error as TallyError where error.isRetryable {
          if error.status == .diskFull { lacksRoom = true }
          surroundings.log.warning("layout-waits", ("shard", host.id.description), ("reason", error.message))
        } catch let error as TallyError where error.status == .invalid {
          // What its rows say cannot be computed: its files stay as they are, and the worker goes on.
          surroundings.log.error("layout-failed", ("shard", host.id.description), ("reason", "\(error)"))
        }
      }
    }
  }

  /// Merges and expires what a shard led here has.
  private func improve(_ host: ShardHost) async throws {
    try await leaveDamagedJournal(host)
    while host.damage == nil, space < .nearlyFull, try await host.store.merge(host, compute: surroundings.compute) {
      while try await flushOne() {}
    }
    try await expire(host)
  }
  /// Removes what a shard led elsewhere does not need any more, unless its copy here is about to begin again.
  private func tidy(_ host: ShardHost) async throws {
    guard hosts[host.id] === host, host.damage == nil, !catchingUp.contains(host.id) else { return }
    try await host.store.removeDeadFiles(journal)
  }

  /// Flushes one shard when memory, the journal or age ask for it; true when one was.
  private func flushOne() async throws -> Bool {
    let now = surroundings.clock.now
    // Where an open statement has named rows no file may change; the others go on.
    let serving = orderedHosts.filter {
      $0.servingEpoch != nil && !$0.store.hasStagedDeletions && $0.flushWaitsUntil.map { $0 <= now } ?? true
    }
    // Ages count from the first look of a lead on: when the log brought rows back, or another primary sent them, they came nobody can tell.
    for host in orderedHosts {
      if host.servingEpoch == nil || host.store.memtableBytes == 0 {
        host.unflushedSince = nil
      } else if host.unflushedSince == nil {
        host.unflushedSince = now
      }
    }
    let pinning = journal.isOverCap || keepsDeletedTenants ? Set(journal.shardsPinningOldestFile) : []
    let total = memtableBytes
    var chosen: ShardHost?
    if let host = serving.first(where: { $0.store.needsErasingFlush }) {
      chosen = host
    } else if let host = serving.first(where: { pinning.contains($0.id) && $0.store.applied.position > $0.store.releasable }) {
      chosen = host
    } else if total > settings.flushBytes {
      chosen = serving.max { $0.store.memtableBytes < $1.store.memtableBytes }
    } else {
      chosen = serving.first { host in
        host.store.memtableBytes > 0 && host.unflushedSince.map { now - $0 > settings.memoryAgeMax } ?? false
      }
      if chosen == nil, now - lastIngest > settings.quietFlushAfter {
        // Nothing comes in: what would be flushed under load later is flushed now, and the journal gets short.
        chosen = serving.first { $0.unflushedSince != nil && $0.store.memtableBytes > settings.quietFlushBytes }
      }
    }
    guard let chosen else { return false }
    return try await flush(chosen)
  }
  /// Flushes a shard; false when it has nothing or must wait.
  func flush(_ host: ShardHost) async throws -> Bool {
    let now = surroundings.clock.now
    do {
      let before = host.store.memtableBytes
      // What open statements named may take long; what is being done now does not.
      let rests = host.isChanging && !host.store.hasStagedDeletions
      if rests { try await host.rest(until: now + Self.restMax, surroundings.clock) }
      defer { if rests { host.endRest() } }
      guard try await host.store.flush(host, compute: surroundings.compute) else { return false }
      host.unflushedSince = host.store.memtableBytes > 0 ? now : nil
      surroundings.log.record(
        .debug,
        "flushed",
        [("shard", host.id.description), ("bytes", String(before)), ("files", String(host.store.fileCount))]
      )
      return true
    } catch let error as TallyError where error.isRetryable {
      if error.status == .diskFull { lacksRoom = true }
      surroundings.log.warning("flush-waits", ("shard", host.id.description), ("reason", error.message))
      return false
    } catch let error as TallyError where [.dataDamaged, .invalid].contains(error.status) {
      // What was just written cannot be read back. No entry names it, and the rows are where they were: it is written again.
      // Others go first meanwhile, so that a bad disk under one of them does not hold up all.
      host.flushWaitsUntil = now + Self.flushPause
      surroundings.log.error("flush-failed", ("shard", host.id.description), ("reason", error.message))
      return false
    }
  }

  /// Drops what the tables' and levels' retention lets go.
  private func expire(_ host: ShardHost) async throws {
    for drop in try await host.store.expire(host) {
      surroundings.log.info(
        "expired",
        ("shard", host.id.description),
        ("relation", drop.relation.description),
        ("sections", String(drop.drops.count))
      )
    }
  }
}
