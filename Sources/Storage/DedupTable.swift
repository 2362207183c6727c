// DedupTable.swift — which keyed batches took effect: a function of the shard's log (protocol, idempotent ingest).
//
// A session keeps what it must to tell duplicates: numbers below `doneBelow` are duplicates (the client saw all shards
// acknowledge them); those from there up to the greatest are remembered one by one with content hash and position, over a window
// of 1,024; below the window the outcome is unknown: KeyExpired, never "ok". The first sixteen numbers stay remembered,
// so that a file whose content changed is noticed at its beginning even after it was loaded.
//
// Sessions are forgotten by KeyExpiry entries, `KeyLifetimes.sessionRetention` of log time after their last batch. Session numbers are
// issued in rising order, so a session that is unknown and not above the greatest one forgotten was issued before that and is too old to
// be used: KeyExpired. Whatever was forgotten is not above it; so an unknown session above it never had a batch here: it is new.
//
// Checkpoint: u64 expired through, varint count, each by rising session:
//   u64 session, i64 last log time, u64 max sequence, u64 done below, varint count, (u64 sequence, u64 position, u64 hash)…
public import Bytes
public import Model

/// The answer to "did this batch take effect?".
public enum DedupVerdict: Equatable, Sendable {
  /// It did not: append it.
  case new
  /// It did, at that position; nil when it was too long ago to say where (and then surely committed).
  case duplicate(LogPosition?)
  /// The same key took effect with other content.
  case conflict
  /// Too long ago to know.
  case expired
}

/// Keys of one shard's batches.
public struct DedupTable: Equatable, Sendable {
  struct Remembered: Equatable, Sendable {
    var sequence: UInt64
    var position: LogPosition
    /// First half of the content hash.
    var hash: UInt64
  }
  struct Session: Equatable, Sendable {
    var lastLogTime: Int64
    var maxSequence: UInt64 = 0
    var doneBelow: UInt64 = 0
    /// By rising sequence.
    var remembered: [Remembered] = []

    func place(of sequence: UInt64) -> Int {
      // Batches mostly come in order: the end is tried first.
      if let last = remembered.last, last.sequence < sequence { return remembered.count }
      var (low, high) = (0, remembered.count)
      while low < high {
        let middle = (low + high) / 2
        if remembered[middle].sequence < sequence { low = middle + 1 } else { high = middle }
      }
      return low
    }
    mutating func trim() {
      let kept = isPlanted(.dedupWindowTooShort) ? 1 : DedupTable.window
      let window = maxSequence >= kept ? maxSequence - kept + 1 : 0
      let keep = max(window, doneBelow)
      let from = place(of: DedupTable.firstKept)
      let to = place(of: keep)
      if to > from { remembered.removeSubrange(from..<to) }
    }
  }
  /// Numbers a session remembers one by one.
  public static let window: UInt64 = 1024
  static let firstKept: UInt64 = 16
  private var sessions: [SessionID: Session] = [:]
  /// The greatest session forgotten.
  public private(set) var expiredThrough = SessionID(0)

  /// An empty table.
  public init() {}
  /// Number of sessions.
  public var sessionCount: Int { sessions.count }

  /// Whether a batch took effect.
  public func check(_ key: SequenceKey, contentHash: Hash128) -> DedupVerdict {
    guard let session = sessions[key.session] else { return key.session <= expiredThrough ? .expired : .new }
    let at = session.place(of: key.sequence)
    if at < session.remembered.count, session.remembered[at].sequence == key.sequence {
      let known = session.remembered[at]
      return known.hash == contentHash.high || isPlanted(.contentHashNotCompared) ? .duplicate(known.position) : .conflict
    }
    if key.sequence < session.doneBelow { return .duplicate(nil) }
    if session.maxSequence >= Self.window, key.sequence <= session.maxSequence - Self.window { return .expired }
    return .new
  }
  /// Notes a batch that was logged.
  mutating func record(_ key: SequenceKey, contentHash: Hash128, at position: LogPosition, logTime: Int64) {
    var session = sessions.removeValue(forKey: key.session) ?? Session(lastLogTime: logTime)
    session.lastLogTime = max(session.lastLogTime, logTime)
    session.maxSequence = max(session.maxSequence, key.sequence)
    session.doneBelow = max(session.doneBelow, isPlanted(.doneBelowTooFar) ? key.doneBelow + 1 : key.doneBelow)
    session.remembered.insert(
      Remembered(sequence: key.sequence, position: position, hash: contentHash.high),
      at: session.place(of: key.sequence)
    )
    session.trim()
    sessions[key.session] = session
  }
  /// The log time to put into a KeyExpiry entry, when a session is due at `logTime`.
  public func expiryDue(at logTime: Int64) -> Int64? {
    // By whole hours: sessions end all the time, and each KeyExpiry is an entry.
    let through = Calendar.floorDivide(logTime - KeyLifetimes.sessionRetention, KeyLifetimes.step) * KeyLifetimes.step
    return sessions.values.contains { $0.lastLogTime <= through } ? through : nil
  }
  /// Forgets the sessions whose last batch has that log time or an earlier one.
  mutating func expire(through logTime: Int64) {
    for (id, session) in sessions where session.lastLogTime <= logTime {
      expiredThrough = max(expiredThrough, id)
      sessions[id] = nil
    }
  }

  func encode(into out: inout ByteWriter) {
    out.u64(expiredThrough.rawValue)
    out.count(sessions.count)
    for (id, session) in sessions.sorted(by: { $0.key < $1.key }) {
      out.u64(id.rawValue)
      out.i64(session.lastLogTime)
      out.u64(session.maxSequence)
      out.u64(session.doneBelow)
      out.count(session.remembered.count)
      for known in session.remembered {
        out.u64(known.sequence)
        out.u64(known.position.rawValue)
        out.u64(known.hash)
      }
    }
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> DedupTable {
    var table = DedupTable()
    table.expiredThrough = SessionID(try reader.u64())
    for _ in 0..<(try reader.count(max: 1 << 24, "producer sessions")) {
      let id = SessionID(try reader.u64())
      var session = Session(lastLogTime: try reader.i64(), maxSequence: try reader.u64(), doneBelow: try reader.u64())
      for _ in 0..<(try reader.count(max: Int(window + firstKept), "remembered batches")) {
        let known = Remembered(
          sequence: try reader.u64(),
          position: LogPosition(try reader.u64()),
          hash: try reader.u64()
        )
        guard session.remembered.last.map({ $0.sequence < known.sequence }) ?? true else {
          throw DecodingFailure(.malformed, at: reader.position, "remembered batches out of order")
        }
        session.remembered.append(known)
      }
      guard table.sessions.updateValue(session, forKey: id) == nil else {
        throw DecodingFailure(.malformed, at: reader.position, "producer session \(id) twice")
      }
    }
    return table
  }
}
