// ReplicationFlow.swift — a primary and the other copies of its shards: sending entries, and changing who counts.
//
// One flow a copy, one request under way at a time: what comes together meanwhile travels together. A beat looks after all of them: it
// rings where a copy has not heard of a commit, was not asked for a while, or failed; it asks the coordinators to take silent copies out of
// the in-sync set and those that caught up in (protocol.md §2.5, R5, R6). Copies that lack nothing are asked together (CopyCheckFlow). What
// a copy needs and the journal has given back comes as a checkpoint (CatchUpFlow).
import Bytes
import Capabilities
import Model
import RPC
import Replication
import Storage
import Wire

/// The way from a primary to one other copy.
final class ReplicaLink {
  let record: ReplicaRecord
  /// Rung when there is something to do.
  let bell = BoundedQueue<Void>(capacity: 1)
  /// The last place where the copy's log is known to equal the primary's; nil: it must be asked.
  var cursor: LogPlace?
  /// It was told to begin from a checkpoint.
  var needsCheckpoint = false
  /// How far it was told the log is committed.
  var told = LogPosition(0)
  /// When it was asked last.
  var askedAt = Instant(nanoseconds: 0)
  /// Its clock at its last answer, and the life of its node.
  var stamp: (incarnation: Incarnation, nanoseconds: UInt64)?
  /// When it began to be silent; nil while it answers.
  var silentSince: Instant?
  /// It cannot be reached at all, rather than being slow.
  var isGone = false
  /// When it was last said that it is behind.
  var reportedAt = Instant(nanoseconds: 0)
  /// The journal keeps what it lacks.
  var isPinned = false
  /// A flow carries it.
  var isCarried = false
  /// A request to it by itself is under way.
  var isAsked = false

  init(_ record: ReplicaRecord) { self.record = record }
  func ring() { _ = bell.trySend(()) }
  /// It did not answer, or refused.
  func noteSilence(_ error: TallyError, now: Instant) {
    cursor = nil
    if silentSince == nil { silentSince = now }
    isGone = error.status == .unavailable
  }
}

extension Worker {
  /// Pause between two looks at the copies.
  static let replicationBeat = Duration.milliseconds(25)
  /// The same while every copy has everything.
  static let idleBeat = Duration.milliseconds(100)
  /// A copy that heard nothing for so long is asked.
  static let askInterval = Duration.milliseconds(400)
  /// How long an answer may take.
  static let appendTimeout = Duration.seconds(2)
  /// A silent copy leaves the in-sync set after this time.
  static let silenceMax = Duration.seconds(1)
  /// So does one whose node cannot be reached.
  static let goneMax = Duration.milliseconds(300)
  /// The journal keeps for so long what a copy that is away lacks; later it begins from a checkpoint.
  static let awayMax = Duration.seconds(600)
  /// A copy that does not count is told of so often.
  static let reportInterval = Duration.seconds(10)
  /// Pause between two tries to make files for which there was no room.
  static let filesPause = Duration.milliseconds(500)
  /// Bytes of entries in one request.
  static let appendBytes = 1 << 20

  /// Looks after the copies of all shards led here, until cancelled.
  func keepReplicating() async throws {
    var filesTriedAt = surroundings.clock.now
    while true {
      let pause = areCopiesIdle ? Self.idleBeat : Self.replicationBeat
      await copiesNeedCare.wait(until: surroundings.clock.now + pause, surroundings.clock)
      try Task.checkCancellation()
      areCopiesIdle = true
      let now = surroundings.clock.now
      // Committed entries wait for files that there was no room for.
      let areFilesTried = now - filesTriedAt > Self.filesPause
      if areFilesTried { filesTriedAt = now }
      let isJournalFull = journal.isOverCap
      trimOffers(now)
      var checks = CopyChecks()
      for host in orderedHosts {
        guard let primary = host.primary else { continue }
        if host.store.needsFiles || primary.committed > host.store.committed { areCopiesIdle = false }
        if primary.committed > host.store.committed || (areFilesTried && host.store.needsFiles), !host.isAdvancing {
          // A record that came in let it commit, and no copy answers that would have it applied.
          host.isAdvancing = true
          let shard = host.id
          perform { try await $0.advance(shard) }
        }
        for link in host.orderedLinks {
          if !link.isCarried {
            link.isCarried = true
            let (shard, replica, epoch) = (host.id, link.record.id, primary.epoch)
            perform { try await $0.carry(shard, replica, epoch) }
          }
          let isAway = link.silentSince.map { now - $0 > Self.awayMax } ?? false
          // What lies above a checkpoint that it fetches is kept in any case.
          let isFetching = offers[host.id]?[link.record.id] != nil
          pin(link, host, primary, when: !primary.inSync.contains(link.record.id) && (isFetching || !isAway && !isJournalFull))
          if !primary.inSync.contains(link.record.id), now - link.reportedAt > Self.reportInterval {
            report(link, host, now)
          }
          let quiet = now - link.askedAt
          if link.lacksNothing(host, primary) {
            checks.note(CopyChecks.Copy(shard: host.id, replica: link.record.id, epoch: primary.epoch), on: link.record.node, quiet: quiet)
            continue
          }
          areCopiesIdle = false
          let isBehind = link.cursor.map { $0.position < host.store.head.position } ?? true
          if quiet > Self.askInterval || (quiet > Self.replicationBeat * 2 && (isBehind || link.told < primary.committed)) { link.ring() }
        }
        if !host.isProposing, let proposal = proposal(host, primary, now) {
          host.isProposing = true
          let shard = host.id
          perform { try await $0.propose(proposal, shard) }
        }
      }
      begin(checks)
    }
  }

  /// Has the journal keep, or give back, what a copy lacks.
  private func pin(_ link: ReplicaLink, _ host: ShardHost, _ primary: PrimaryCore, when isWanted: Bool) {
    guard isWanted != link.isPinned else { return }
    link.isPinned = isWanted
    let replica = link.record.id
    if isWanted {
      journal.pin(host.id, above: primary.match(replica), for: replica.rawValue)
    } else {
      journal.unpin(host.id, for: replica.rawValue)
    }
  }
  private func advance(_ shard: ShardID) async throws {
    guard let host = hosts[shard] else { return }
    defer { host.isAdvancing = false }
    do { try await host.advance() } catch let error as TallyError where error.status == .dataDamaged { noteDamage(host, error) }
  }
  /// Says how far a copy is that does not count.
  private func report(_ link: ReplicaLink, _ host: ShardHost, _ now: Instant) {
    if link.reportedAt.nanoseconds > 0 {
      surroundings.log.info(
        "copy-behind",
        ("shard", host.id.description),
        ("copy", link.record.id.description),
        ("node", catalog.node(link.record.node)?.name ?? link.record.node.description),
        ("position", link.cursor.map { $0.position.description } ?? "unknown"),
        ("of", host.store.head.position.description),
        ("silent", link.silentSince.map { "\(now - $0)" } ?? "no"),
        ("asked", "\(now - link.askedAt)"),
        ("proposing", host.isProposing ? "yes" : "no")
      )
    }
    link.reportedAt = now
  }

  // MARK: Entries

  /// Sends a copy what it lacks until this worker leads the shard no more.
  private func carry(_ shard: ShardID, _ replica: ReplicaID, _ epoch: Epoch) async throws {
    guard let host = hosts[shard], host.primary?.epoch == epoch, let link = host.links[replica] else { return }
    while try await link.bell.receive() != nil {
      while host.primary?.epoch == epoch, host.links[replica] === link, hosts[shard] === host {
        do {
          if try await send(host, link, epoch) == false {
            // A beat soon tells it what was committed by that.
            if areCopiesIdle { copiesNeedCare.notify() }
            break
          }
        } catch let error as TallyError where error.status == .dataDamaged && error.node == nil {
          // What the journal cannot give, a checkpoint can.
          noteDamage(host, error, inJournalThrough: host.store.head.position)
          link.needsCheckpoint = true
          break
        } catch let error as TallyError where error.sqlState == "54000" && error.node == nil && !link.needsCheckpoint {
          // An entry that fits no frame: a checkpoint has its rows in files.
          surroundings.log.warning("entry-too-large", ("shard", shard.description), ("reason", error.message))
          link.needsCheckpoint = true
          break
        } catch let error as TallyError {
          if !error.isRetryable { surroundings.log.warning("copy-refuses", ("shard", shard.description), ("reason", "\(error)")) }
          link.noteSilence(error, now: surroundings.clock.now)
          break
        }
      }
    }
  }
  /// One request to a copy; true when there is more to send.
  private func send(_ host: ShardHost, _ link: ReplicaLink, _ epoch: Epoch) async throws -> Bool {
    guard let address = catalog.node(link.record.node).flatMap({ NetworkAddress($0.address) }) else { return false }
    let previous = link.cursor ?? host.place(at: host.store.head.position) ?? .applied(LogPosition(0))
    var entries: [LogEntry] = []
    if link.cursor != nil, !link.needsCheckpoint {
      entries = try await host.entries(above: previous.position, bytes: Self.appendBytes)
      guard let primary = host.primary, primary.epoch == epoch else { return false }
      if entries.isEmpty, previous.position < host.store.head.position {
        surroundings.log.info("copy-needs-checkpoint", ("shard", host.id.description), ("copy", link.record.id.description))
        link.needsCheckpoint = true
      }
    }
    guard let primary = host.primary else { return false }
    let last = entries.last.map { LogPlace(position: $0.position, epoch: $0.epoch, chain: $0.chain) } ?? previous
    let now = surroundings.clock.now
    link.askedAt = now
    // Nothing awaits between this and the reading of the commit position.
    var request = append(to: link, host, primary, behind: previous, now)
    if !entries.isEmpty { request.entries = EntryStream.encode(entries) }
    link.isAsked = true
    defer { link.isAsked = false }
    let reply = try await pool.call(.append(request), to: address, deadline: surroundings.clock.now + Self.appendTimeout)
    guard case .appended(let answer) = reply else {
      throw TallyError(.protocolViolation, "node \(link.record.node) answered an append with \(reply.name)")
    }
    guard host.primary?.epoch == epoch, host.links[link.record.id] === link, answer.replica == link.record.id else { return false }
    link.stamp = (answer.incarnation, answer.stamp)
    return try await hear(answer, host, link, previous: previous, last: last, committed: request.commit, askedAt: now)
  }
  /// An append without entries.
  func append(to link: ReplicaLink, _ host: ShardHost, _ primary: PrimaryCore, behind place: LogPlace, _ now: Instant) -> Append {
    let unrivalled = primary.unrivalled(now: now.nanoseconds, asking: link.record.id)
    return Append(
      shard: host.id,
      epoch: primary.epoch,
      replica: link.record.id,
      previous: place.position,
      previousEpoch: place.epoch,
      previousChain: place.chain,
      commit: primary.committed,
      needsCheckpoint: link.needsCheckpoint,
      freshness: link.stamp.flatMap { stamp in
        unrivalled.map { FreshnessEcho(incarnation: stamp.incarnation, stamp: stamp.nanoseconds, lag: now.nanoseconds - $0) }
      },
      entries: []
    )
  }
  private func hear(
    _ answer: Appended,
    _ host: ShardHost,
    _ link: ReplicaLink,
    previous: LogPlace,
    last: LogPlace,
    committed: LogPosition,
    askedAt: Instant
  ) async throws -> Bool {
    switch answer.outcome {
    case .matches where answer.applied > host.store.head.position:
      // What it has applied was committed, and is not in this log: it is of another history, and equal to nothing here.
      (link.silentSince, link.isGone, link.cursor, link.needsCheckpoint) = (link.silentSince ?? surroundings.clock.now, false, nil, true)
      return true
    case .matches:
      (link.silentSince, link.isGone, link.cursor, link.needsCheckpoint) = (nil, false, last, false)
      link.told = min(committed, last.position)
      host.noteMatch(link.record.id, answer.incarnation, min(last.position, answer.durable), askedAt: askedAt)
      if link.isPinned { journal.pin(host.id, above: last.position, for: link.record.id.rawValue) }
      try await host.advance()
      return last.position < host.store.head.position
    case .mismatch:
      // A step of the search for where its log ends, and no proof that it can be followed from there: a copy that counts and lacks what
      // no journal has any more answers this, then that it has nothing, for ever. It must cease to count, or it cannot begin again.
      link.isGone = false
      link.cursor = try await start(after: previous, answer, host)
      return host.primary != nil
    case .empty:
      // It answers, but it has nothing: it does not count as being there.
      if link.silentSince == nil { link.silentSince = surroundings.clock.now }
      (link.cursor, link.needsCheckpoint) = (nil, false)
      return false
    case .rejected:
      // There is a later epoch, and so another primary, perhaps here.
      try await fetchCatalog()
      return false
    }
  }

  /// Where to begin with a copy whose log does not have `refused`: at what is applied here, if its log reaches so far; at the
  /// end of its log, if the journal has that entry; else behind what it has applied, which is equal everywhere.
  private func start(after refused: LogPlace, _ answer: Appended, _ host: ShardHost) async throws -> LogPlace {
    let applied = host.store.applied.position
    let end = min(answer.durable, applied)
    if end > answer.applied, end < refused.position {
      if end == applied, let place = host.place(at: applied) { return place }
      if let entry = try await journal.entries(of: host.id, from: end, bytes: 1).first {
        return LogPlace(position: entry.position, epoch: entry.epoch, chain: entry.chain)
      }
    }
    return .applied(answer.applied)
  }

  // MARK: Who counts

  /// A change of the in-sync set that is due: one at a time.
  private func proposal(_ host: ShardHost, _ primary: PrimaryCore, _ now: Instant) -> InSyncProposal? {
    for link in host.orderedLinks {
      let replica = link.record.id
      if primary.inSync.contains(replica) {
        let patience = link.isGone ? Self.goneMax : Self.silenceMax
        guard let since = link.silentSince, now - since > patience, primary.inSync.count > primary.leastInSync else { continue }
        guard let removal = primary.removal(of: replica) else { continue }
        if isPlanted(.removalNotConfirmed), var record = catalog.shard(host.id) {
          record.inSync.removeAll { $0.id == replica }
          (record.learners, record.version) = (record.learners + [link.record], record.version + 1)
          host.learn(record, leastInSync: primary.leastInSync)
        }
        return removal
      } else if primary.adding == replica, let since = link.silentSince,
        now - since > (link.isGone ? Self.goneMax : Self.silenceMax)
      {
        // It counts while its addition is in doubt, and nothing is committed without it.
        return primary.withdrawal
      } else if link.silentSince == nil,
        link.cursor.map({ $0.position >= max(primary.committed, primary.start) }) ?? isPlanted(.learnerAdmittedEarly)
      {
        if let addition = host.addition(of: replica) { return addition }
      }
    }
    return nil
  }
  private func propose(_ proposal: InSyncProposal, _ shard: ShardID) async throws {
    guard let host = hosts[shard] else { return }
    // Also when it has ceased to lead meanwhile: it may lead again.
    defer { host.isProposing = false }
    guard let epoch = host.primary?.epoch else { return }
    do {
      _ = try await askCoordinator(
        .alterInSync(
          AlterInSync(
            shard: shard,
            epoch: epoch,
            version: proposal.version,
            incarnation: identity.value.incarnation,
            inSync: proposal.inSync,
            added: proposal.added.map { [NodeIncarnation(node: $0.node, incarnation: $0.incarnation)] } ?? []
          )
        )
      )
      try await fetchCatalog()
      surroundings.log.info(
        "in-sync-set",
        ("shard", shard.description),
        ("copies", String(host.primary?.copyCount ?? 0)),
        ("of", String(1 + host.links.count))
      )
    } catch let error as TallyError where error.status == .staleCatalog || error.status == .notPrimary || error.status == .invalid {
      // Refused: the catalog says how it is, and then it is looked at again. Only what is invalid was judged on the very record that was
      // named, so no earlier try was made either; after the others an addition may have been, and it counts until a newer record says
      // more (R6), which clears it. The catalog that comes here may be no newer: it may be a coordinator's that lags.
      do { try await fetchCatalog() } catch let error as TallyError where error.isRetryable { return }
      if error.status == .invalid, host.primary?.epoch == epoch { host.forgetAddition() }
    } catch let error as TallyError where error.status != .internalError {
      // It may have been made: an addition counts until the record says more (R6).
      surroundings.log.warning("in-sync-set-waits", ("shard", shard.description), ("reason", error.message))
    }
  }
}

extension ShardHost {
  /// Entries of the log behind a position: from memory while they are not applied, else from the journal. Empty when that
  /// has given them back.
  func entries(above position: LogPosition, bytes: Int) async throws -> [LogEntry] {
    if position >= store.applied.position { return store.unapplied(above: position, bytes: bytes) }
    return try await journal.entries(of: id, from: position.next, bytes: bytes)
  }
}
