// ShardStore+Keys.swift — whether a batch took effect, asked of the log's head, and when keys are forgotten.
//
// Check and append are one step: nothing may come between them (protocol, idempotent ingest). The window of ids is judged by the log time
// that the batch would get, and before the table: so an id has one answer on every replica and at every time.
import Bytes
import Capabilities
import Model

extension ShardStore {
  /// What the head of the log knows of a batch; nil when it is new; its position is 0 when it is no longer known. Throws KeyConflict and
  /// KeyExpired; Unavailable while an open statement other than `statement` holds the key, Overloaded when there is no room for an id.
  func known(_ key: BatchKey, _ content: Hash128, rows: Int, in statement: StatementID? = nil) throws(TallyError) -> KnownBatch? {
    if let holder = head.statements.holder(of: key), holder != statement {
      throw TallyError(.unavailable, "\(key) waits for statement \(holder), which is not decided")
    }
    switch key {
    case .id(let id): return try known(id, content)
    case .sequence(let sequence):
      switch head.dedup.check(sequence, contentHash: content) {
      case .new: return nil
      case .duplicate(let position): return KnownBatch(position: position ?? LogPosition(0), rows: rows)
      case .conflict: throw Self.conflict(key)
      case .expired: throw TallyError(.keyExpired, "\(key) is too old to tell whether it took effect")
      }
    }
  }
  private func known(_ id: BatchID, _ content: Hash128) throws(TallyError) -> KnownBatch? {
    let (now, lag) = logTime
    guard id.microseconds >= now - KeyLifetimes.idPast else {
      throw TallyError(
        .keyExpired,
        "batch key \(id) was made more than 24 hours ago: whether it took effect cannot be told any more",
        hint: "Look whether the rows are there before you send them under a new key."
      )
    }
    guard id.microseconds <= now + KeyLifetimes.idFuture else {
      if id.microseconds <= now + lag + KeyLifetimes.idFuture {
        throw TallyError(
          .unavailable,
          "shard \(shard)'s log time is \(lag / 1_000_000) s behind and catches up an hour a minute",
          hint: "Repeat the batch with the same key."
        )
      }
      throw TallyError.sql(
        "22023",
        "batch key \(id) lies \((id.microseconds - now) / 1_000_000) s in the future; at most 600 s are accepted",
        hint: "Set the clock of the machine that makes the keys."
      )
    }
    if let (known, hash) = head.ids.find(id) {
      guard hash == content.high else { throw Self.conflict(.id(id)) }
      return known
    }
    guard !head.ids.isFull else {
      throw TallyError(
        .overloaded,
        "shard \(shard) remembers \(head.ids.count) batch keys of the last 24 hours and has no room for another",
        hint: "Send more rows a batch, or use a producer session, which needs no memory for each batch."
      )
    }
    return nil
  }
  private static func conflict(_ key: BatchKey) -> TallyError {
    TallyError(.keyConflict, "\(key) was sent before with other content", hint: "Use a new key for new content.")
  }

  /// The KeyExpiry entry that is due now; nil when nothing is to be forgotten.
  public func keyExpiryDue() -> EntryBody? {
    let now = logTime.now
    let (sessions, ids) = (head.dedup.expiryDue(at: now), head.ids.expiryDue(at: now))
    if sessions == nil, ids == nil { return nil }
    return .keyExpiry(through: sessions ?? .min, idsBefore: ids ?? .min)
  }
}
