// StatementEntryFormat.swift — log entries of statements over several shards, and their bytes (DESIGN §7).
//
//   Statement := u64 session, u64 number
//   Stage     := Statement, u64 done below, u64 deciding shard, varint ordinal, u8 content (0 nothing | 1 rows: as a Batch entry from its
//                table on, to the end of the body | 2 rows that will be gone: Deletion | 3 key of the
//                statement: u64 high, u64 low, hash content, u64 rows | 4 rows that are gone and rows that come: RowChange |
//                5 parts of the statement with ordinals from one on, below this stage's own, are gone: varint ordinal)
//   Decide    := Statement, varint count, participants by rising shard: u64 shard, u64 rows
//   Commit    := Statement
//   Abort     := Statement, u64 done below
//
// A statement's Stages of one shard have rising ordinals; its rows stand in that order. `done below`: every statement of the session
// with a lower number has ended everywhere, so that shards need not remember them.
public import Bytes
public import Model

/// An id under which a whole statement counts once. One shard keeps it: which, follows from the id alone.
public struct StatementKey: Equatable, Sendable {
  /// The id.
  public var id: BatchID
  /// Of the statement as the client sent it.
  public var contentHash: Hash128
  /// Rows of the statement on all shards.
  public var rows: Int
  /// Makes a key.
  public init(id: BatchID, contentHash: Hash128, rows: Int) {
    self.id = id
    self.contentHash = contentHash
    self.rows = rows
  }
}

/// What one Stage holds.
public enum StagedContent: Equatable, Sendable {
  /// It only opens the statement: its deciding shard may get no rows.
  case nothing
  /// Rows, with the batch as it was sent.
  case rows(BatchRecord, encoded: [UInt8])
  /// Rows that will be gone.
  case deletion(Deletion)
  /// The key of the whole statement.
  case statementKey(StatementKey)
  /// Rows that will be gone, and rows that will be there instead.
  case change(RowChange)
  /// The statement's parts here from that ordinal on, below its own, are taken back.
  case undo(from: Int)

  /// Rows it will add, change or delete, as the statement counts them.
  public var rows: Int {
    switch self {
    case .nothing, .statementKey, .undo: 0
    case .rows(let record, _): record.rows
    case .deletion(let deletion): deletion.count
    case .change(let change): change.affected
    }
  }
  /// Rows it will add.
  public var added: Int {
    switch self {
    case .rows(let record, _): record.rows
    case .change(let change): change.added
    case .nothing, .deletion, .statementKey, .undo: 0
    }
  }
  /// Bytes it keeps in memory until the statement ends.
  public var bytes: Int {
    let own =
      switch self {
      case .nothing, .statementKey, .undo: 0
      case .rows(_, let encoded): encoded.count
      case .deletion(let deletion): deletion.bytes
      case .change(let change): change.bytes
      }
    // A part takes room however empty it is: locks are empty changes.
    return MemoryLayout<StagedContent>.size + own
  }
  /// The committed rows that it names.
  var deletion: Deletion? {
    switch self {
    case .deletion(let deletion): deletion
    case .change(let change) where !change.deletion.isEmpty: change.deletion
    case .nothing, .rows, .statementKey, .change, .undo: nil
    }
  }
  /// The table whose rows it adds or deletes, or that it locks.
  public var table: TableID? {
    switch self {
    case .rows(let record, _): record.table
    case .deletion(let deletion): deletion.table
    case .change(let change): change.table
    case .nothing, .statementKey, .undo: nil
    }
  }
  /// The key that its rows take effect under.
  public var key: BatchKey? {
    switch self {
    case .rows(let record, _): record.key
    case .statementKey(let key): .id(key.id)
    case .nothing, .deletion, .change, .undo: nil
    }
  }
}

/// A part of a statement on one shard.
public struct Stage: Equatable, Sendable {
  /// The statement.
  public var statement: StatementID
  /// Lower numbers of its session have ended.
  public var doneBelow: UInt64
  /// The shard whose log decides: the lowest that takes part.
  public var decider: ShardID
  /// Place among the statement's Stages of this shard.
  public var ordinal: Int
  /// What is staged.
  public var content: StagedContent
  /// Makes a stage.
  public init(statement: StatementID, doneBelow: UInt64, decider: ShardID, ordinal: Int, content: StagedContent) {
    self.statement = statement
    self.doneBelow = doneBelow
    self.decider = decider
    self.ordinal = ordinal
    self.content = content
  }
}

/// A shard of a statement.
public struct Participant: Equatable, Sendable {
  /// The shard.
  public var shard: ShardID
  /// Rows it staged.
  public var rows: UInt64
  /// Makes a participant.
  public init(shard: ShardID, rows: UInt64) {
    self.shard = shard
    self.rows = rows
  }
}

/// The decision that a statement takes effect.
public struct Decide: Equatable, Sendable {
  /// The statement.
  public var statement: StatementID
  /// All its shards, rising.
  public var participants: [Participant]
  /// Makes a decision.
  public init(statement: StatementID, participants: [Participant]) {
    self.statement = statement
    self.participants = participants
  }
}

/// The end of a statement without effect.
public struct Abort: Equatable, Sendable {
  /// The statement.
  public var statement: StatementID
  /// Lower numbers of its session have ended.
  public var doneBelow: UInt64
  /// Makes an abort.
  public init(statement: StatementID, doneBelow: UInt64) {
    self.statement = statement
    self.doneBelow = doneBelow
  }
}

extension LogEntryFormat {
  static let participantsMax = 64 * Limits.shardsMax
  static let stagesMax = 1 << 20

  static func encode(_ statement: StatementID, into out: inout ByteWriter) {
    out.u64(statement.session.rawValue)
    out.u64(statement.number)
  }
  static func decodeStatement(_ reader: inout ByteReader) throws(DecodingFailure) -> StatementID {
    StatementID(session: SessionID(try reader.u64()), number: try reader.u64())
  }
  static func encode(_ stage: Stage) -> [UInt8] {
    var out = ByteWriter(capacity: 128)
    encode(stage.statement, into: &out)
    out.u64(stage.doneBelow)
    out.u64(stage.decider.rawValue)
    out.count(stage.ordinal)
    switch stage.content {
    case .nothing: out.u8(0)
    case .rows(let record, let encoded):
      out.u8(1)
      encode(record, into: &out)
      return joined(out.snapshot(), encoded)
    case .deletion(let deletion):
      out.u8(2)
      deletion.encode(into: &out)
    case .statementKey(let key):
      out.u8(3)
      encode(key.id, into: &out)
      out.hash(key.contentHash)
      out.u64(UInt64(key.rows))
    case .change(let change):
      out.u8(4)
      change.encode(into: &out)
    case .undo(let first):
      out.u8(5)
      out.count(first)
    }
    return out.finish()
  }
  static func decodeStage(_ reader: inout ByteReader) throws(DecodingFailure) -> Stage {
    Stage(
      statement: try decodeStatement(&reader),
      doneBelow: try reader.u64(),
      decider: ShardID(try reader.u64()),
      ordinal: try reader.count(max: stagesMax, "ordinal of a stage"),
      content: try decodeContent(&reader)
    )
  }
  private static func decodeContent(_ reader: inout ByteReader) throws(DecodingFailure) -> StagedContent {
    let form = try reader.u8()
    switch form {
    case 0: return .nothing
    case 1: return .rows(try decodeBatchRecord(&reader), encoded: try reader.bytes(reader.remaining))
    case 2: return .deletion(try Deletion.decode(&reader))
    case 3:
      let (id, hash, start) = (try decodeID(&reader), try reader.hash(), reader.position)
      guard let rows = Int(exactly: try reader.u64()) else { throw DecodingFailure(.malformed, at: start, "rows of a statement") }
      return .statementKey(StatementKey(id: id, contentHash: hash, rows: rows))
    case 4: return .change(try RowChange.decode(&reader))
    case 5: return .undo(from: try reader.count(max: stagesMax, "ordinal of a stage"))
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "content \(form) of a stage")
    }
  }
  static func encode(_ decide: Decide, into out: inout ByteWriter) {
    encode(decide.statement, into: &out)
    encode(participants: decide.participants, into: &out)
  }
  static func encode(participants: [Participant], into out: inout ByteWriter) {
    out.count(participants.count)
    for participant in participants {
      out.u64(participant.shard.rawValue)
      out.u64(participant.rows)
    }
  }
  static func decodeDecide(_ reader: inout ByteReader) throws(DecodingFailure) -> Decide {
    Decide(statement: try decodeStatement(&reader), participants: try decodeParticipants(&reader))
  }
  static func decodeParticipants(_ reader: inout ByteReader) throws(DecodingFailure) -> [Participant] {
    var participants: [Participant] = []
    for _ in 0..<(try reader.count(max: participantsMax, "participants")) {
      let participant = Participant(shard: ShardID(try reader.u64()), rows: try reader.u64())
      guard participants.last.map({ $0.shard < participant.shard }) ?? true else {
        throw DecodingFailure(.malformed, at: reader.position, "participants out of order")
      }
      participants.append(participant)
    }
    return participants
  }
  static func encode(_ abort: Abort, into out: inout ByteWriter) {
    encode(abort.statement, into: &out)
    out.u64(abort.doneBelow)
  }
  static func decodeAbort(_ reader: inout ByteReader) throws(DecodingFailure) -> Abort {
    Abort(statement: try decodeStatement(&reader), doneBelow: try reader.u64())
  }
}
