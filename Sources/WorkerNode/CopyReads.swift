// CopyReads.swift — reading a shard from whichever copy is here: who may answer, when, and how old what it shows may be (protocol.md §2.8).
//
// Every copy shows committed entries only, in order, and never fewer than before; so any of them may answer once it has applied what the
// reader has seen. A copy that is damaged answers nothing.
//
// Age: a copy knows a moment such that everything that anybody acknowledged before it is applied here. It is told so with the commit
// position (FreshnessEcho): the primary returns the clock of the copy's own last answer, which it had before it read the position, so
// no delay on the way makes a copy seem newer than it is. The primary may itself have been replaced without knowing: that is the
// echo's lag, and for itself PrimaryCore.unrivalled.
import Capabilities
import Model
import Replication
import Storage
import Wire

extension Worker {
  /// How long a read waits for a copy to apply what the reader has seen.
  static let seenTimeout = Duration.milliseconds(500)

  /// The copy of a shard that may answer a read, once it has applied the place; and its age. Waits no longer than `limit`.
  func readable(_ wanted: ShardPoint, _ read: ReadLevel, until limit: Instant) async throws -> (host: ShardHost, age: Duration?) {
    while true {
      guard let host = hosts[wanted.shard] else {
        throw TallyError(.notPrimary, "no copy of shard \(wanted.shard) is here", node: settings.name)
      }
      if host.primary == nil, let mine = catalog.shard(wanted.shard)?.replica(on: identity.value.node), mine.id != host.store.replica {
        throw TallyError(.unavailable, "the copy of shard \(wanted.shard) begins again from its primary", node: settings.name)
      }
      if let damage = host.damage {
        throw TallyError(.dataDamaged, "the copy of shard \(wanted.shard) is damaged", detail: damage, node: settings.name)
      }
      let now = surroundings.clock.now
      if host.appliedPoint >= wanted.point, !host.store.areFilesAhead {
        let age = host.freshAsOf(now).map { now - $0 }
        if case .stale(let max) = read { try check(age, max, wanted.shard) }
        return (host, age)
      }
      guard now < limit else {
        if host.appliedPoint >= wanted.point {
          throw TallyError(
            .unavailable,
            "the copy of shard \(wanted.shard) has not applied again what its files hold",
            detail: "It started a moment ago and waits for its primary to tell what is committed.",
            node: settings.name
          )
        }
        throw TallyError(
          .unavailable,
          "the copy of shard \(wanted.shard) has not applied position \(wanted.point.position) of epoch \(wanted.point.epoch)",
          detail: "It is at position \(host.appliedPoint.position) of epoch \(host.appliedPoint.epoch).",
          node: settings.name
        )
      }
      try await surroundings.clock.sleep(for: .milliseconds(1))
    }
  }
  private func check(_ age: Duration?, _ max: Duration, _ shard: ShardID) throws(TallyError) {
    guard let age else {
      throw TallyError(
        .unavailable,
        "how old the copy of shard \(shard) is, is not known here",
        hint: "It has not heard from its primary since it began; read from another copy, or later.",
        node: settings.name
      )
    }
    guard age <= max else {
      throw TallyError(
        .unavailable,
        "the copy of shard \(shard) may be \(Int64(age / .milliseconds(1))) ms old, longer than the \(Int64(max / .milliseconds(1))) ms wanted",
        hint: "It hears nothing from its primary. Allow a greater age, or read with session.",
        node: settings.name
      )
    }
  }
}

extension ShardHost {
  /// The last entry that is applied here.
  var appliedPoint: LogPoint { LogPoint(epoch: store.applied.epoch, position: store.applied.position) }

  /// Takes in how new the commit position of an append was, once that is applied here.
  func noteFresh(as echo: FreshnessEcho, of committed: LogPosition) {
    guard store.applied.position >= committed, echo.stamp >= echo.lag else { return }
    toldFreshAsOf = max(toldFreshAsOf ?? Instant(nanoseconds: 0), Instant(nanoseconds: echo.stamp - echo.lag))
  }
  /// A moment such that everything acknowledged anywhere before it is applied here; nil when none is known.
  func freshAsOf(_ now: Instant) -> Instant? {
    guard let primary, servingEpoch == primary.epoch, let own = primary.unrivalled(now: now.nanoseconds) else { return toldFreshAsOf }
    return max(toldFreshAsOf ?? Instant(nanoseconds: 0), Instant(nanoseconds: own))
  }
}
