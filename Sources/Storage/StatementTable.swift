// StatementTable.swift — statements over several shards as one shard knows them: a function of its log (DESIGN §7).
//
// An open statement keeps what it staged here, so that the checkpoint carries it: the journal is released as if there were none, and a
// copy that begins from the checkpoint has what a Commit will need. `ShardStore+Statements` bounds it. A statement is open from its first
// Stage to its Commit or Abort; a Decide, which only its deciding shard's log has, says that it will be the Commit.
//
// The deciding shard commits last: while it is open and decided there, some participant may not have committed. So the outcome is kept
// until all have, by nothing but the open statement itself.
//
// A part that takes others back (undo) stays in their place: what of them is still on its way is refused by it.
//
// Ended statements are remembered, so that a Stage that was on its way for long does not open one again: per session those from `forgotten
// below` on, at most `window`; what is below and not open has ended. Sessions are forgotten by KeyExpiry entries, as producers' are.
//
// Checkpoint: varint count, open statements by rising id: Statement, u64 decider, i64 begun, varint stages: u64 position, varint bytes,
// Stage
//   (its entry's body); u8 decided (0, 1), [participants] · varint count, sessions by rising id: u64 session, i64 last log time, u64
//   forgotten below, varint count, rising: u64 number, u8 committed (0, 1; 2: committed, varint
//   rows)
import Bytes
public import Model

/// A statement that has not ended on this shard.
public struct OpenStatement: Equatable, Sendable {
  /// A Stage and its entry's position.
  public struct Piece: Equatable, Sendable {
    /// Of its Stage entry.
    public var position: LogPosition
    /// What was staged.
    public var stage: Stage
  }
  /// The shard that decides.
  public var decider: ShardID
  /// Log time of its first Stage here.
  public var begun: Int64
  /// By rising ordinal.
  public internal(set) var pieces: [Piece] = []
  /// All shards with their rows, once it is decided; only on the deciding shard.
  public internal(set) var decision: [Participant]?
  /// Rows staged here, as the statement counts them.
  public internal(set) var rows = 0
  /// Rows that its Commit will add.
  public internal(set) var added = 0
  /// Parts that name committed rows.
  var deletions = 0
  /// Bytes they keep in memory.
  public internal(set) var bytes = 0

  /// The piece of an ordinal.
  public func piece(_ ordinal: Int) -> Piece? {
    let at = place(of: ordinal)
    return at < pieces.count && pieces[at].stage.ordinal == ordinal ? pieces[at] : nil
  }
  private func place(of ordinal: Int) -> Int {
    if let last = pieces.last, last.stage.ordinal < ordinal { return pieces.count }
    return partition(0..<pieces.count) { pieces[$0].stage.ordinal >= ordinal }
  }
  /// Whether it changes rows by what is there.
  var changesRows: Bool { pieces.contains { if case .change = $0.stage.content { true } else { false } } }
  /// Whether a part of that ordinal was taken back, or would be.
  func isUndone(_ ordinal: Int) -> Bool {
    pieces.contains { if case .undo(let first) = $0.stage.content { first <= ordinal && ordinal < $0.stage.ordinal } else { false } }
  }
  /// Adds a part; returns those that it takes back.
  @discardableResult mutating func add(_ stage: Stage, at position: LogPosition) -> [Piece] {
    var gone: [Piece] = []
    if case .undo(let first) = stage.content, !isPlanted(.undoForgotten) {
      pieces.removeAll { piece in
        guard first <= piece.stage.ordinal, piece.stage.ordinal < stage.ordinal else { return false }
        // One that reaches further back still refuses what it refused.
        if case .undo(let earlier) = piece.stage.content, earlier < first { return false }
        gone.append(piece)
        return true
      }
      for piece in gone { count(piece.stage.content, -1) }
    }
    pieces.insert(Piece(position: position, stage: stage), at: place(of: stage.ordinal))
    count(stage.content, 1)
    return gone
  }
  private mutating func count(_ content: StagedContent, _ sign: Int) {
    rows += sign * content.rows
    added += sign * content.added
    bytes += sign * content.bytes
    if content.deletion != nil { deletions += sign }
  }
}

/// How a statement stands on a shard.
public enum StatementStanding: Equatable, Sendable {
  /// Nothing of it was ever logged here.
  case unknown
  case open
  case committed
  case aborted
  /// It ended so long ago that only this is known.
  case ended
}

/// Statements of one shard.
public struct StatementTable: Equatable, Sendable {
  struct Ended: Equatable, Sendable {
    var number: UInt64
    var isCommitted: Bool
    /// Of one that changed rows of this shard alone: what its answer said.
    var rows: Int?
  }
  struct Session: Equatable, Sendable {
    var lastLogTime: Int64
    var forgottenBelow: UInt64 = 0
    /// By rising number.
    var ended: [Ended] = []

    mutating func forget(below number: UInt64) {
      forgottenBelow = max(forgottenBelow, number)
      let gone = partition(0..<ended.count) { ended[$0].number >= forgottenBelow }
      ended.removeFirst(gone)
    }
  }
  /// Ended statements that a session remembers one by one.
  public static let window = 65536
  /// Statements that have not ended.
  public private(set) var open: [StatementID: OpenStatement] = [:]
  private var sessions: [SessionID: Session] = [:]
  /// Keys that wait for their statement's end; follows from `open`.
  private var heldKeys: [BatchKey: StatementID] = [:]
  /// Bytes that open statements keep in memory.
  public private(set) var openBytes = 0
  /// Whether an open statement will delete rows.
  var hasDeletions: Bool {
    open.values.contains { $0.deletions > 0 }
  }

  /// An empty table.
  public init() {}

  /// How a statement stands.
  public func standing(_ statement: StatementID) -> StatementStanding {
    if open[statement] != nil { return .open }
    guard let session = sessions[statement.session] else { return .unknown }
    let at = partition(0..<session.ended.count) { session.ended[$0].number >= statement.number }
    if at < session.ended.count, session.ended[at].number == statement.number {
      return session.ended[at].isCommitted ? .committed : .aborted
    }
    return statement.number < session.forgottenBelow ? .ended : .unknown
  }
  /// Rows that a statement of this shard alone changed, while it is remembered as committed.
  public func committedRows(_ statement: StatementID) -> Int? {
    guard let session = sessions[statement.session] else { return nil }
    let at = partition(0..<session.ended.count) { session.ended[$0].number >= statement.number }
    return at < session.ended.count && session.ended[at].number == statement.number ? session.ended[at].rows : nil
  }
  /// The open statement under which a batch key will take effect.
  public func holder(of key: BatchKey) -> StatementID? { heldKeys[key.alone] }

  // MARK: Checks

  /// Throws when an entry does not fit.
  func check(_ body: EntryBody) throws(TallyError) {
    switch body {
    case .stage(let stage):
      if case .undo(let first) = stage.content, first >= stage.ordinal { throw Self.unfit(stage.statement, "an undo from \(first) on") }
      switch standing(stage.statement) {
      case .unknown: break
      case .open:
        guard let known = open[stage.statement], known.decider == stage.decider, known.decision == nil, known.piece(stage.ordinal) == nil
        else { throw Self.unfit(stage.statement, "stage \(stage.ordinal)") }
        if known.isUndone(stage.ordinal) { throw Self.undone(stage) }
      case .committed, .aborted, .ended: throw Self.ended(stage.statement)
      }
    case .decide(let decide):
      guard let known = open[decide.statement] else { throw Self.ended(decide.statement) }
      guard known.decision == nil else { throw Self.unfit(decide.statement, "a second decision") }
    case .commit(let statement):
      guard open[statement] != nil else { throw Self.ended(statement) }
    case .abort(let abort):
      switch standing(abort.statement) {
      case .unknown: break
      case .open:
        guard open[abort.statement]?.decision == nil else { throw Self.unfit(abort.statement, "an abort after the decision") }
      case .committed, .aborted, .ended: throw Self.ended(abort.statement)
      }
    default: break
    }
  }
  private static func unfit(_ statement: StatementID, _ what: String) -> TallyError {
    TallyError(.internalError, "statement \(statement): \(what) does not fit what its shard's log holds of it")
  }
  /// What a part that comes after it was taken back is told.
  private static func undone(_ stage: Stage) -> TallyError {
    TallyError(
      .invalid,
      "part \(stage.ordinal) of statement \(stage.statement) was taken back",
      sqlState: "40001",
      detail: "It had been rolled back to a savepoint when the part came to a shard.",
      hint: "Repeat the transaction."
    )
  }
  /// What whoever goes on with an ended statement is told.
  public static func ended(_ statement: StatementID) -> TallyError {
    TallyError(
      .invalid,
      "statement \(statement) was aborted",
      sqlState: "40001",
      detail: "It had ended on a shard when more of it came there.",
      hint: "Repeat the statement."
    )
  }

  // MARK: Steps

  mutating func stage(_ stage: Stage, _ mark: EntryMark) {
    touch(stage.statement, doneBelow: stage.doneBelow, mark)
    var statement = open.removeValue(forKey: stage.statement) ?? OpenStatement(decider: stage.decider, begun: mark.logTime)
    openBytes -= statement.bytes
    for piece in statement.add(stage, at: mark.position) { if let key = piece.stage.content.key { heldKeys[key.alone] = nil } }
    openBytes += statement.bytes
    open[stage.statement] = statement
    if let key = stage.content.key { heldKeys[key.alone] = stage.statement }
  }
  mutating func decide(_ decide: Decide, _ mark: EntryMark) { open[decide.statement]?.decision = decide.participants }
  /// Ends a statement and gives back what it staged.
  @discardableResult mutating func end(
    _ id: StatementID,
    isCommitted: Bool,
    doneBelow: UInt64 = 0,
    _ mark: EntryMark
  ) -> OpenStatement? {
    touch(id, doneBelow: doneBelow, mark)
    let statement = open.removeValue(forKey: id)
    openBytes -= statement?.bytes ?? 0
    for piece in statement?.pieces ?? [] { if let key = piece.stage.content.key { heldKeys[key.alone] = nil } }
    guard var session = sessions.removeValue(forKey: id.session) else { return statement }
    let at = partition(0..<session.ended.count) { session.ended[$0].number >= id.number }
    if id.number >= session.forgottenBelow {
      let isSole = statement?.decision?.count == 1
      let rows = isCommitted && isSole && statement?.changesRows == true ? statement?.rows : nil
      session.ended.insert(Ended(number: id.number, isCommitted: isCommitted, rows: rows), at: at)
      if session.ended.count > Self.window { session.forget(below: session.ended[0].number + 1) }
    }
    sessions[id.session] = session
    return statement
  }
  private mutating func touch(_ id: StatementID, doneBelow: UInt64, _ mark: EntryMark) {
    var session = sessions.removeValue(forKey: id.session) ?? Session(lastLogTime: mark.logTime)
    session.lastLogTime = max(session.lastLogTime, mark.logTime)
    session.forget(below: doneBelow)
    sessions[id.session] = session
  }
  /// Forgets the sessions whose last entry has that log time or an earlier one.
  mutating func expire(through logTime: Int64) {
    let busy = Set(open.keys.map(\.session))
    sessions = sessions.filter { $0.value.lastLogTime > logTime || busy.contains($0.key) }
  }

  // MARK: Bytes

  func encode(into out: inout ByteWriter) {
    let open = isPlanted(.stageNotInCheckpoint) ? [:] : open
    out.count(open.count)
    for (id, statement) in open.sorted(by: { $0.key < $1.key }) {
      LogEntryFormat.encode(id, into: &out)
      out.u64(statement.decider.rawValue)
      out.i64(statement.begun)
      out.count(statement.pieces.count)
      for piece in statement.pieces {
        out.u64(piece.position.rawValue)
        out.prefixedBytes(LogEntryFormat.encode(piece.stage))
      }
      out.bool(statement.decision != nil)
      if let participants = statement.decision { LogEntryFormat.encode(participants: participants, into: &out) }
    }
    out.count(sessions.count)
    for (id, session) in sessions.sorted(by: { $0.key < $1.key }) {
      out.u64(id.rawValue)
      out.i64(session.lastLogTime)
      out.u64(session.forgottenBelow)
      let kept = session.ended.filter { $0.isCommitted || !isPlanted(.abortForgottenAtRestart) }
      out.count(kept.count)
      for ended in kept {
        out.u64(ended.number)
        if let rows = ended.rows {
          out.u8(2)
          out.count(rows)
        } else {
          out.bool(ended.isCommitted)
        }
      }
    }
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> StatementTable {
    var table = StatementTable()
    for _ in 0..<(try reader.count(max: 1 << 20, "open statements")) {
      let id = try LogEntryFormat.decodeStatement(&reader)
      var statement = OpenStatement(decider: ShardID(try reader.u64()), begun: try reader.i64())
      for _ in 0..<(try reader.count(max: LogEntryFormat.stagesMax, "stages")) {
        let position = LogPosition(try reader.u64())
        let start = reader.position
        let stage = try reader.prefixedBytes(max: Limits.logBodyBytesMax).withReader { inner throws(DecodingFailure) in
          let stage = try LogEntryFormat.decodeStage(&inner)
          try inner.expectEnd()
          return stage
        }
        guard stage.statement == id, stage.decider == statement.decider,
          statement.pieces.last.map({ $0.stage.ordinal < stage.ordinal }) ?? true
        else { throw DecodingFailure(.malformed, at: start, "stage \(stage.ordinal) of statement \(id)") }
        statement.add(stage, at: position)
        if let key = stage.content.key { table.heldKeys[key.alone] = id }
      }
      if try reader.bool() { statement.decision = try LogEntryFormat.decodeParticipants(&reader) }
      table.openBytes += statement.bytes
      guard table.open.updateValue(statement, forKey: id) == nil else {
        throw DecodingFailure(.malformed, at: reader.position, "statement \(id) twice")
      }
    }
    for _ in 0..<(try reader.count(max: 1 << 24, "sessions of statements")) {
      let id = SessionID(try reader.u64())
      var session = Session(lastLogTime: try reader.i64(), forgottenBelow: try reader.u64())
      for _ in 0..<(try reader.count(max: window, "ended statements")) {
        let ended = try decodeEnded(&reader)
        guard session.ended.last.map({ $0.number < ended.number }) ?? true else {
          throw DecodingFailure(.malformed, at: reader.position, "ended statements out of order")
        }
        session.ended.append(ended)
      }
      guard table.sessions.updateValue(session, forKey: id) == nil else {
        throw DecodingFailure(.malformed, at: reader.position, "session \(id) of statements twice")
      }
    }
    return table
  }
  private static func decodeEnded(_ reader: inout ByteReader) throws(DecodingFailure) -> Ended {
    let number = try reader.u64()
    switch try reader.u8() {
    case 0: return Ended(number: number, isCommitted: false)
    case 1: return Ended(number: number, isCommitted: true)
    case 2: return Ended(number: number, isCommitted: true, rows: try reader.count(max: RowSet.rowsMax, "rows of a statement"))
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "end of statement \(number)")
    }
  }
}

extension BatchKey {
  /// Without what its producer says of other batches.
  fileprivate var alone: BatchKey {
    if case .sequence(let key) = self { BatchKey(session: key.session, sequence: key.sequence) } else { self }
  }
}
