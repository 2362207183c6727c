// RaftCore+Reads.swift — questions for the newest index, answered without writing (Raft §8; thesis §6.4).
//
// The index is what was committed when the question's round began; the answer goes out once a quorum has answered that round, so the
// leader was still the leader after the question came. Questions that come while a round is under way share the next one. No leases.
import Bytes
import Model
import Wire

extension RaftCore {
  mutating func read(_ ticket: UInt64) {
    guard role == .leader else { return effects.append(.refused(ticket: ticket, .notLeader(leader))) }
    waitingReads.append(ticket)
    // Before an entry of its own term is committed a leader does not know what is (Raft §8).
    if commit >= termStart, readings.isEmpty { beginReads() }
  }
  mutating func beginReads() {
    guard readings.isEmpty else { return }
    round += 1
    readings = waitingReads.map { Reading(ticket: $0, index: commit, round: round) }
    waitingReads = []
    if isSoleVoter || isPlanted(.readIndexWithoutQuorum) { return confirmReads() }
    spread(always: true)
  }
  mutating func confirmReads() {
    guard let reading = readings.first else { return }
    var heard = Set(log.members.voters.map(\.id).filter { peers[$0]?.round ?? 0 >= reading.round })
    heard.insert(id)
    guard log.members.isQuorum(heard) || isPlanted(.readIndexWithoutQuorum) else { return }
    for reading in readings { effects.append(.readable(ticket: reading.ticket, index: reading.index)) }
    readings = []
    if !waitingReads.isEmpty { beginReads() }
  }
}
