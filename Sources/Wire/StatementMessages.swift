// StatementMessages.swift — statements over several shards: from who runs one, and between its shards, to a shard's primary (DESIGN §7).
//
// Here is what decides and ends one; its parts: StageMessages.swift. All name the primary's epoch, and all may be repeated: a repeated
// request is answered as the first was. `StatementID` is two varints, session and number.

public import Bytes
public import Model

/// 50: to the deciding shard, after all parts are durable: the statement shall take effect. Answered by `statementAnswer`, which says
/// whether it does.
///
/// Bytes: shard · epoch · statement · list of (shard · rows), rising.
public struct DecideStatement: MessageContent {
  /// A shard and its rows.
  public struct Participant: Sendable, Equatable {
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
  /// The deciding shard.
  public var shard: ShardID
  /// Its primary's epoch.
  public var epoch: Epoch
  /// The statement.
  public var statement: StatementID
  /// All its shards.
  public var participants: [Participant]
  /// Makes the message.
  public init(shard: ShardID, epoch: Epoch, statement: StatementID, participants: [Participant]) {
    self.shard = shard
    self.epoch = epoch
    self.statement = statement
    self.participants = participants
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.id(epoch)
    out.statement(statement)
    out.count(participants.count)
    for participant in participants {
      out.id(participant.shard)
      out.varint(participant.rows)
    }
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> DecideStatement {
    let message = DecideStatement(
      shard: try reader.id(),
      epoch: try reader.id(),
      statement: try reader.statement(),
      participants: try reader.list(max: shardListMax, "participants") { reader throws(DecodingFailure) in
        Participant(shard: try reader.id(), rows: try reader.varint())
      }
    )
    for (a, b) in zip(message.participants, message.participants.dropFirst()) where a.shard >= b.shard {
      throw DecodingFailure(.malformed, at: reader.position, "participants out of order")
    }
    return message
  }
}

/// 51: the statement ends on a shard: its rows are there from now on, or gone. Answered by `statementAnswer`, which says which.
///
/// A commit needs a decision; the deciding shard commits last. An abort that comes after the decision changes nothing.
///
/// Bytes: shard · epoch · statement · done below · bool commits · rows.
public struct EndStatement: MessageContent {
  /// The shard.
  public var shard: ShardID
  /// Its primary's epoch.
  public var epoch: Epoch
  /// The statement.
  public var statement: StatementID
  /// All statements of its session with lower numbers have ended.
  public var doneBelow: UInt64
  /// False: it has no effect.
  public var commits: Bool
  /// Rows staged on the shard, when it commits.
  public var rows: UInt64
  /// Makes the message.
  public init(shard: ShardID, epoch: Epoch, statement: StatementID, doneBelow: UInt64, commits: Bool, rows: UInt64) {
    self.shard = shard
    self.epoch = epoch
    self.statement = statement
    self.doneBelow = doneBelow
    self.commits = commits
    self.rows = rows
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.id(epoch)
    out.statement(statement)
    out.varint(doneBelow)
    out.bool(commits)
    out.varint(rows)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> EndStatement {
    EndStatement(
      shard: try reader.id(),
      epoch: try reader.id(),
      statement: try reader.statement(),
      doneBelow: try reader.varint(),
      commits: try reader.bool(),
      rows: try reader.varint()
    )
  }
}

/// 52: to the deciding shard: what became of the statement? Answered by `statementAnswer`.
///
/// From a shard in doubt; or from who runs the statement, to say that it still does.
///
/// Bytes: shard · epoch · statement · bool word.
public struct AskStatement: MessageContent {
  /// The deciding shard.
  public var shard: ShardID
  /// Its primary's epoch.
  public var epoch: Epoch
  /// The statement.
  public var statement: StatementID
  /// True: it is still being run.
  public var isWord: Bool
  /// Makes the message.
  public init(shard: ShardID, epoch: Epoch, statement: StatementID, isWord: Bool) {
    self.shard = shard
    self.epoch = epoch
    self.statement = statement
    self.isWord = isWord
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.id(epoch)
    out.statement(statement)
    out.bool(isWord)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> AskStatement {
    AskStatement(
      shard: try reader.id(),
      epoch: try reader.id(),
      statement: try reader.statement(),
      isWord: try reader.bool()
    )
  }
}

/// What a shard knows of a statement.
public enum StatementOutcome: UInt8, Sendable, CaseIterable {
  /// It is not decided.
  case open = 1
  /// It takes effect, or has.
  case committed = 2
  /// It has none.
  case aborted = 3
}

/// 53: what a shard knows of a statement; durable.
///
/// Bytes: u8 outcome · place (ReadFormat).
public struct StatementAnswer: MessageContent {
  /// The outcome.
  public var outcome: StatementOutcome
  /// Where the shard's log stood then: what the outcome tells is at or below it.
  public var point: LogPoint
  /// Makes the message.
  public init(_ outcome: StatementOutcome, point: LogPoint) {
    self.outcome = outcome
    self.point = point
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.u8(outcome.rawValue)
    out.point(point)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> StatementAnswer {
    guard let outcome = StatementOutcome(rawValue: try reader.u8()) else {
      throw DecodingFailure(.unknown, at: reader.position - 1, "outcome of a statement")
    }
    return StatementAnswer(outcome, point: try reader.point())
  }
}

extension ByteWriter {
  mutating func statement(_ statement: StatementID) {
    id(statement.session)
    varint(statement.number)
  }
}

extension ByteReader {
  mutating func statement() throws(DecodingFailure) -> StatementID {
    StatementID(session: try id(), number: try varint())
  }
}
