// RaftCore+Following.swift — a follower's work: taking entries and snapshots from its leader (Raft §5.3, §7).
//
// It accepts entries only behind a place where its own log equals the leader's: same index, term and chain. A conflicting tail of its own
// was never committed and is voided by what replaces it.
import Bytes
import Model
import Wire

extension RaftCore {
  mutating func hear(_ from: MemberID, _ append: RaftAppend) {
    var terms = append.previousTerm
    for entry in append.entries {
      // No leader writes such a letter.
      guard entry.term >= terms, entry.term <= append.term else { return }
      terms = entry.term
    }
    // What the snapshot covers is committed and so equal; only what is behind it can be compared.
    let skipped = min(log.snapshot.index - min(append.previousIndex, log.snapshot.index), UInt64(append.entries.count))
    if append.previousIndex >= log.snapshot.index {
      guard log.term(at: append.previousIndex) == append.previousTerm else { return refuse(from, append) }
      invariant(
        log.chain(at: append.previousIndex) == append.previousChain,
        "entry \(append.previousIndex) of term \(append.previousTerm) has another chain here than at the leader \(from)"
      )
    }
    var index = append.previousIndex + skipped
    for entry in append.entries.dropFirst(Int(skipped)) {
      index += 1
      if let present = log.term(at: index) {
        if present == entry.term { continue }
        cut(from: index)
      }
      guard let kind = CommandRecord.Kind(rawValue: entry.kind), kind != .snapshot, kind != .members || Self.isList(entry.body) else {
        // A newer version's entry: it cannot be taken, nor anything behind it (D18).
        index -= 1
        break
      }
      self.append(CommandRecord(index: index, term: entry.term, kind: kind, body: entry.body))
    }
    if append.commit > commit { commit = max(commit, min(append.commit, index)) }
    let reply = RaftMessage.appendReply(RaftAppendReply(term: hard.term, isAccepted: true, index: index, round: append.round))
    if isPlanted(.raftAcknowledgesEarly) { return send(from, reply) }
    say(from, reply)
  }
  private static func isList(_ body: [UInt8]) -> Bool {
    do { return try !Members.decode(body).all.isEmpty } catch { return false }
  }
  private mutating func refuse(_ from: MemberID, _ append: RaftAppend) {
    let hint = log.lastIndex(before: append.previousIndex &- 1, termAtMost: append.previousTerm)
    say(
      from,
      .appendReply(
        RaftAppendReply(
          term: hard.term,
          isAccepted: false,
          index: append.previousIndex,
          hintIndex: hint,
          hintTerm: log.term(at: hint) ?? 0,
          round: append.round
        )
      )
    )
  }

  mutating func hear(_ from: MemberID, _ piece: RaftPiece) {
    if piece.index <= commit {
      arriving = nil
      return say(from, .appendReply(RaftAppendReply(term: hard.term, isAccepted: true, index: commit, round: 0)))
    }
    var here = Arriving(index: piece.index, term: piece.snapshotTerm)
    if let arriving, arriving.index == piece.index, arriving.term == piece.snapshotTerm { here.bytes = arriving.bytes }
    if piece.offset == here.bytes.count { here.bytes += piece.bytes }
    arriving = here
    guard here.bytes.count >= piece.size else {
      return send(from, .snapshotReply(term: hard.term, index: piece.index, offset: here.bytes.count))
    }
    arriving = nil
    guard here.bytes.count == piece.size, Murmur3.hash(here.bytes) == piece.hash,
      let snapshot = Self.snapshot(here.bytes, piece)
    else {
      // Pieces of two snapshots, or bytes this version cannot read: from the beginning.
      return send(from, .snapshotReply(term: hard.term, index: piece.index, offset: 0))
    }
    begin(with: snapshot)
    commit = snapshot.index
    say(from, .appendReply(RaftAppendReply(term: hard.term, isAccepted: true, index: snapshot.index, round: 0)))
  }
  private static func snapshot(_ bytes: [UInt8], _ piece: RaftPiece) -> RaftSnapshot? {
    do {
      return try SnapshotFormat.decode(bytes, index: piece.index, term: piece.snapshotTerm, chain: piece.chain)
    } catch { return nil }
  }
}
