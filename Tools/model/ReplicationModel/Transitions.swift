// Transitions.swift — every step the protocol allows in a state: crashes, suspicions and messages in any order.
//
// A message is not a thing of its own: `replicate` is an Append with everything the primary has, accepted and synced; its
// acknowledgement stays usable for ever, so that reordering and delay are covered. Suspicion may be wrong at any time. A dropped rule
// changes the one place that carries its letter.

extension Rules {
  /// Appends to `out` every state that one step leads to.
  public func successors(of state: ShardState, into out: inout [Successor]) {
    elections(state, &out)
    for r in 0..<ShardState.identities where !state.replicas[r].isGone {
      applyProposal(of: r, state, &out)
      failAndReturn(r, state, &out)
      guard state.replicas[r].isAlive else { continue }
      takeOffice(r, state, &out)
      guard state.replicas[r].isPrimary else { continue }
      serve(r, state, &out)
      for other in 0..<ShardState.identities where other != r { replicate(r, to: other, state, &out) }
      commit(r, state, &out)
      propose(r, state, &out)
      learnRecord(r, state, &out)
    }
  }

  /// Any living candidate may be appointed at any time, and any of the others dropped (R2).
  private func elections(_ state: ShardState, _ out: inout [Successor]) {
    guard state.epoch <= bounds.elections else { return }
    let candidates = drops(.electEligible) ? ReplicaSet(bits: 0b1111) : state.inSync.union(state.eligible)
    for r in 0..<ShardState.identities where candidates.contains(r) && state.replicas[r].isAlive {
      let others = state.inSync.subtracting(ReplicaSet(r))
      var kept = others.bits
      while true {  // every subset of the others, from all to none
        var next = state
        next.epoch += 1
        next.primary = r
        setInSync(ReplicaSet(r).union(ReplicaSet(bits: kept)), in: &next)
        out.append(Successor(step: .elect(UInt8(r), inSync: next.inSync), state: next))
        if kept == 0 { break }
        kept = (kept &- 1) & others.bits
      }
    }
  }

  /// The coordinators' side of a proposal: nothing changed since it was made, its sender is that epoch's primary still, and whom it
  /// adds is there (R8, R9, R10).
  private func applyProposal(of r: Int, _ state: ShardState, _ out: inout [Successor]) {
    let sender = state.replicas[r]
    let wanted = sender.underWay
    guard !wanted.isEmpty, state.primary == r, wanted != state.inSync,
      sender.isPrimary ? sender.promised == state.epoch : drops(.newEpochAfterRestart)
    else { return }
    let added = wanted.subtracting(state.inSync)
    for k in 0..<ShardState.identities where added.contains(k) && (state.replicas[k].isGone || !state.replicas[k].isAlive) { return }
    var next = state
    setInSync(wanted, in: &next)
    out.append(Successor(step: .applyProposal(UInt8(r), inSync: wanted), state: next))
  }

  /// Changes the record's in-sync set; below the minimum everybody who was a candidate stays one (R12).
  private func setInSync(_ set: ReplicaSet, in state: inout ShardState) {
    let candidates = state.inSync.union(state.eligible)
    state.inSync = set
    let keepsOthers = set.count < bounds.minimum && !drops(.strictMinimum) && !drops(.keepEligible)
    state.eligible = keepsOthers ? candidates.subtracting(set) : .none
    state.recordChanged()
  }

  /// Crash, restart and wipe.
  private func failAndReturn(_ r: Int, _ state: ShardState, _ out: inout [Successor]) {
    let replica = state.replicas[r]
    if replica.isAlive {
      guard state.crashes < bounds.crashes else { return }
      var next = state
      next.replicas[r].isAlive = false
      next.replicas[r].leaveOffice()
      next.crashes += 1
      out.append(Successor(step: .crash(UInt8(r)), state: next))
      if drops(.syncBeforeAcknowledging) && replica.log.count > 1 {
        next.replicas[r].log.cut(above: replica.log.count - 1)
        out.append(Successor(step: .crashLosingTail(UInt8(r)), state: next))
      }
      return
    }
    guard r != ShardState.freshIdentity else { return }
    if replica.log.count + replica.promised > 0 {
      var next = state
      next.replicas[r].isAlive = true
      out.append(Successor(step: .restart(UInt8(r)), state: next))
      if drops(.newEpochAfterRestart) && state.primary == r && replica.promised == state.epoch {
        next.replicas[r].isPrimary = true
        next.replicas[r].inSync = state.inSync
        next.replicas[r].knowsRecord = true
        out.append(Successor(step: .resume(UInt8(r)), state: next))
      }
    }
    if replica.promised > 0 && state.wipes < bounds.wipes { wipe(r, state, &out) }
  }
  private func wipe(_ r: Int, _ state: ShardState, _ out: inout [Successor]) {
    var next = state
    next.wipes += 1
    next.replicas[r].log = EntryLog()
    next.replicas[r].promised = 0
    next.replicas[r].heardCommit = 0
    if drops(.newIdentityAfterWipe) {
      next.replicas[r].isAlive = true
      out.append(Successor(step: .wipeKeepingIdentity(UInt8(r)), state: next))
      return
    }
    next.replicas[r].isGone = true
    next.inSync = state.inSync.subtracting(ReplicaSet(r))
    next.eligible = state.eligible.subtracting(ReplicaSet(r))
    next.recordChanged()
    next.replicas[ShardState.freshIdentity].isAlive = true
    out.append(Successor(step: .wipe(UInt8(r)), state: next))
  }

  /// A replica learns that the record names it: the log is kept as it is, EpochStart comes on top (R3).
  private func takeOffice(_ r: Int, _ state: ShardState, _ out: inout [Successor]) {
    guard state.primary == r, state.epoch > state.replicas[r].promised, !state.replicas[r].log.isFull else { return }
    var next = state
    next.replicas[r].leaveOffice()
    next.replicas[r].promised = state.epoch
    next.replicas[r].log.append(epoch: state.epoch, value: 0)
    next.replicas[r].isPrimary = true
    next.replicas[r].inSync = state.inSync
    next.replicas[r].knowsRecord = true
    out.append(Successor(step: .takeOffice(UInt8(r)), state: next))
  }

  /// Reads and writes of clients at a primary, stale or not.
  private func serve(_ r: Int, _ state: ShardState, _ out: inout [Successor]) {
    if let read = strongRead(at: r, in: state, fenced: true), read & ~state.told != 0 {
      var next = state
      next.told |= read
      out.append(Successor(step: .read(UInt8(r)), state: next))
    }
    if state.nextValue <= bounds.values && !state.replicas[r].log.isFull {
      var next = state
      next.replicas[r].log.append(epoch: state.replicas[r].promised, value: state.nextValue)
      next.nextValue += 1
      out.append(Successor(step: .append(UInt8(r), value: UInt8(state.nextValue)), state: next))
    }
  }

  /// An Append of everything the primary has: the follower promises, cuts above the last common entry, takes the rest (R1, R7).
  private func replicate(_ r: Int, to other: Int, _ state: ShardState, _ out: inout [Successor]) {
    let (primary, follower) = (state.replicas[r], state.replicas[other])
    let epoch = primary.promised
    guard follower.isAlive, !follower.isGone, follower.promised <= epoch || drops(.promise),
      !(follower.promised == epoch && follower.isPrimary)
    else { return }
    var next = state
    if follower.isPrimary { next.replicas[other].leaveOffice() }
    if drops(.cutAboveCommon) && follower.promised < epoch {
      next.replicas[other].promised = epoch
      next.replicas[other].log.cut(above: follower.heardCommit)
      out.append(Successor(step: .cutToOwnCommit(UInt8(other)), state: next))
      return
    }
    next.replicas[other].promised = max(follower.promised, epoch)
    // With all of the primary's log in common it keeps what it has above: a message may be old.
    var verified = follower.log.commonPrefix(with: primary.log)
    if verified < primary.log.count {
      next.replicas[other].log = primary.log
      verified = primary.log.count
    }
    next.replicas[other].acknowledge(verified, in: epoch)
    if drops(.cutAboveCommon) { next.replicas[other].heardCommit = max(follower.heardCommit, min(primary.commit, verified)) }
    guard next.replicas[other] != follower else { return }
    out.append(Successor(step: .replicate(UInt8(r), to: UInt8(other)), state: next))
  }

  /// The commit rule: durable on the confirmed in-sync set and on the member being added, not below the minimum, and not before the
  /// EpochStart (R3, R4, R5).
  private func commit(_ r: Int, _ state: ShardState, _ out: inout [Successor]) {
    let primary = state.replicas[r]
    var waitedFor = primary.inSync
    if !drops(.additionInFlightCounts) { waitedFor = waitedFor.union(primary.addition) }
    if drops(.removalIsConfirmed) && !primary.proposed.isEmpty { waitedFor = primary.proposed.intersection(primary.inSync) }
    var position = primary.log.count
    for k in 0..<ShardState.identities where k != r && waitedFor.contains(k) {
      position = min(position, state.replicas[k].acknowledged(in: primary.promised))
    }
    guard primary.inSync.count >= bounds.minimum || drops(.removalIsConfirmed) || drops(.strictMinimum),
      position > primary.commit, position >= primary.startOfEpoch
    else { return }
    var next = state
    next.replicas[r].commit = position
    next.told |= primary.log.values(upTo: position)
    out.append(Successor(step: .commit(UInt8(r), position: UInt8(position)), state: next))
  }

  /// A primary proposes to add a learner that has all that is committed (R6), or to remove a member; one proposal at a time. Before its
  /// epoch is established it does not know all that is committed, but none of it lies above the epoch's first entry.
  private func propose(_ r: Int, _ state: ShardState, _ out: inout [Successor]) {
    let primary = state.replicas[r]
    guard primary.proposed.isEmpty, state.proposals < bounds.proposals else { return }
    // Only against the newest record it reaches the coordinators unchanged (R9).
    let isCurrent = primary.knowsRecord && state.primary == r && primary.promised == state.epoch
    for k in 0..<ShardState.identities where k != r {
      var next = state
      if primary.inSync.contains(k) {
        next.replicas[r].proposed = primary.inSync.subtracting(ReplicaSet(k))
      } else {
        let learner = state.replicas[k]
        let needed = max(primary.commit, primary.startOfEpoch)
        guard primary.isEstablished || !asReference, learner.isAlive, !learner.isGone, learner.promised == primary.promised,
          learner.acknowledged(in: primary.promised) >= needed || (drops(.admitCaughtUp) && primary.isEstablished)
        else { continue }
        next.replicas[r].proposed = primary.inSync.union(ReplicaSet(k))
        next.replicas[r].addition = ReplicaSet(k)
      }
      if isCurrent || drops(.compareAndSet) { next.replicas[r].underWay = next.replicas[r].proposed }
      next.proposals += 1
      out.append(Successor(step: .propose(UInt8(r), inSync: next.replicas[r].proposed), state: next))
    }
  }

  /// A primary learns the record of its own epoch: what it holds of it is confirmed now, its own proposal is settled.
  private func learnRecord(_ r: Int, _ state: ShardState, _ out: inout [Successor]) {
    let primary = state.replicas[r]
    guard state.primary == r, primary.promised == state.epoch, !primary.knowsRecord else { return }
    var next = state
    next.replicas[r].knowsRecord = true
    next.replicas[r].inSync = state.inSync
    next.replicas[r].addition = .none
    next.replicas[r].proposed = .none
    out.append(Successor(step: .learnRecord(UInt8(r)), state: next))
  }
}
