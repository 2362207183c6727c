// RaftCore+Leading.swift — a leader's work: sending entries and snapshots, counting copies, being heard by a quorum (Raft §5.3, §5.4, §7).
//
// A member whose log is not known yet is probed with one append at a time; one that accepted gets entries as they come. What is lost on
// the way is noticed by the next heartbeat, which the member cannot accept. A leader that half of the voters have not answered for the
// longest election time gives up (check-quorum, thesis §6.2), so that nobody waits for it in vain.
import Bytes
import Model
import Wire

extension RaftCore {
  /// Knows the members of the list and no others.
  mutating func meetMembers() {
    var known: [MemberID: Peer] = [:]
    for member in log.members.all where member.id != id {
      known[member.id] = peers[member.id] ?? Peer(next: log.last + 1, heardAt: now)
    }
    peers = known
    if role == .leader, heartbeatAt == .max, !known.isEmpty { heartbeatAt = now + settings.heartbeat }
  }
  /// Other members, in a fixed order.
  private var others: [MemberID] { log.members.all.map(\.id).filter { $0 != id } }

  mutating func propose(_ ticket: UInt64, _ bodies: [[UInt8]]) {
    guard role == .leader, now >= handOverUntil else { return refuse(ticket) }
    guard bodies.allSatisfy({ $0.count <= RaftLimits.entryBytesMax }) else {
      return effects.append(.refused(ticket: ticket, .invalid("a command of more than \(RaftLimits.entryBytesMax) bytes")))
    }
    effects.append(.accepted(ticket: ticket, first: log.last + 1, term: hard.term))
    for body in bodies { append(CommandRecord(index: log.last + 1, term: hard.term, kind: .command, body: body)) }
    spread()
  }
  /// Refuses what only a leader that stays one can take.
  mutating func refuse(_ ticket: UInt64) { effects.append(.refused(ticket: ticket, .notLeader(leader == id ? nil : leader))) }
  /// Sends new entries to who can take them.
  mutating func spread(always: Bool = false) { for other in others { feed(other, always: always) } }

  /// The heartbeat.
  mutating func beat() {
    // Who is alone has nobody to be heard by.
    heartbeatAt = others.isEmpty ? .max : now + settings.heartbeat
    let heard = Set(log.members.all.map(\.id).filter { hears($0, now: now) })
    guard log.members.isQuorum(heard.union([id])) else { return follow(hard.term, nil) }
    for other in others {
      // What was on its way is given up as lost; an answer that comes yet does no harm.
      peers[other]?.isWaiting = false
      feed(other, always: true)
    }
  }
  /// Sends a member what comes next for it; with `always` even if that is nothing.
  private mutating func feed(_ to: MemberID, always: Bool = false) {
    guard var peer = peers[to] else { return }
    defer { peers[to] = peer }
    if peer.isWaiting { return }
    guard peer.next > log.snapshot.index, let term = log.term(at: peer.next - 1), let chain = log.chain(at: peer.next - 1) else {
      return sendPiece(to, &peer)
    }
    peer.snapshotOffset = nil
    let isFull = !peer.isProbing && peer.next > peer.match + settings.inFlightMax
    let entries = isFull ? [] : log.slice(from: peer.next, bytes: RaftLimits.appendBytes, count: RaftLimits.entriesMax)
    if entries.isEmpty && !always { return }
    send(
      to,
      .append(
        RaftAppend(
          term: hard.term,
          previousIndex: peer.next - 1,
          previousTerm: term,
          previousChain: chain,
          commit: commit,
          round: round,
          entries: entries.map { RaftEntry(term: $0.term, kind: $0.kind.rawValue, body: $0.body) }
        )
      )
    )
    if peer.isProbing { peer.isWaiting = true } else { peer.next += UInt64(entries.count) }
  }
  private mutating func sendPiece(_ to: MemberID, _ peer: inout Peer) {
    let snapshot = log.snapshot
    let bytes = SnapshotFormat.encode(snapshot)
    let offset = min(peer.snapshotOffset ?? 0, bytes.count)
    peer.snapshotOffset = offset
    peer.isWaiting = true
    send(
      to,
      .snapshot(
        RaftPiece(
          term: hard.term,
          index: snapshot.index,
          snapshotTerm: snapshot.term,
          chain: snapshot.chain,
          hash: Murmur3.hash(bytes),
          size: bytes.count,
          offset: offset,
          bytes: Array(bytes[offset..<min(bytes.count, offset + RaftLimits.pieceBytesMax)])
        )
      )
    )
  }

  mutating func hearReply(_ from: MemberID, _ reply: RaftAppendReply) {
    guard var peer = peers[from] else { return }
    peer.heardAt = now
    peer.round = max(peer.round, min(reply.round, round))
    if reply.isAccepted {
      guard reply.index <= log.last else { return }
      if peer.isProbing {
        (peer.isProbing, peer.isWaiting, peer.snapshotOffset) = (false, false, nil)
        peer.next = reply.index + 1
      }
      peer.match = max(peer.match, reply.index)
      peer.next = max(peer.next, peer.match + 1)
    } else if reply.index > peer.match {
      // Back to where the logs may be equal (Raft §5.3); never below what is known to be.
      let hint = log.lastIndex(before: min(reply.hintIndex, reply.index - 1), termAtMost: reply.hintTerm)
      peer.next = max(peer.match, min(hint, reply.index - 1)) + 1
      (peer.isProbing, peer.isWaiting) = (true, false)
    }
    peers[from] = peer
    let before = commit
    advanceCommit()
    // A leader that has just left the list stops here.
    guard role == .leader else { return }
    if commit == before { feed(from) }
    confirmReads()
    passOn()
  }
  mutating func hearSnapshotReply(_ from: MemberID, _ index: UInt64, _ offset: Int) {
    guard var peer = peers[from] else { return }
    peer.heardAt = now
    if index == log.snapshot.index, peer.snapshotOffset != nil {
      peer.snapshotOffset = offset
      peer.isWaiting = false
    }
    peers[from] = peer
    feed(from)
  }

  /// Commits what a quorum of voters has on disk, if it is of this term (Raft §5.4.2), and tells the others.
  mutating func advanceCommit() {
    let counted = isPlanted(.learnerCounts) ? log.members.all : log.members.voters
    let copies = counted.map { $0.id == id ? durable : peers[$0.id]?.match ?? 0 }.sorted(by: >)
    guard !log.members.voters.isEmpty else { return }
    let reached = copies[log.members.voters.count / 2]
    guard reached > commit, log.term(at: reached) == hard.term || isPlanted(.olderTermCommitted) else { return }
    let change = log.lastChange
    commit = reached
    spread(always: true)
    if commit >= termStart, !waitingReads.isEmpty { beginReads() }
    // A leader that took itself out of the list leaves once that is committed (thesis §4.2.2).
    if change <= commit, !log.members.isVoter(id) { follow(hard.term, nil) }
  }

  /// Asks the member that is furthest to lead in its place, once it has everything (thesis §3.10).
  mutating func handOver() {
    guard role == .leader, log.members.voters.contains(where: { $0.id != id }) else { return }
    handOverUntil = now + settings.electionMin
    passOn()
  }
  private mutating func passOn() {
    guard now < handOverUntil, let next = log.members.voters.first(where: { peers[$0.id]?.match == log.last }) else { return }
    send(next.id, .takeOver(term: hard.term))
  }
}
