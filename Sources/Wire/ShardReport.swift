// ShardReport.swift — how a shard and its rollups are at a worker; part of heartbeats and of answers about shards.
import Bytes
public import Model

/// How far a rollup is on a shard.
///
/// Bytes: rollup · watermark · lag in microseconds.
public struct RollupProgress: Sendable, Equatable {
  /// The rollup.
  public var rollup: TableID
  /// Raw rows up to here are in it.
  public var watermark: LogPosition
  /// Age of the oldest row that is not.
  public var lagMicroseconds: UInt64
  /// Makes a progress.
  public init(rollup: TableID, watermark: LogPosition, lagMicroseconds: UInt64) {
    self.rollup = rollup
    self.watermark = watermark
    self.lagMicroseconds = lagMicroseconds
  }
}

/// What a shard has of a table or of a rollup's level.
///
/// Bytes: relation · rows · bytes.
public struct RelationReport: Sendable, Equatable {
  /// The table or level.
  public var relation: TableID
  /// Raw rows that were logged; 0 of a level.
  public var rows: UInt64
  /// Bytes in files, without rows that are in memory only.
  public var bytes: UInt64
  /// Makes a report.
  public init(relation: TableID, rows: UInt64, bytes: UInt64) { (self.relation, self.rows, self.bytes) = (relation, rows, bytes) }
}

/// How a shard is.
///
/// Bytes: shard · epoch · last · committed · rows · segment bytes · memtable bytes · list of RollupProgress · string damage ·
/// list of StatementReport · bool has a digest · its position and three hashes · list of RelationReport.
public struct ShardReport: Sendable, Equatable {
  /// The shard.
  public var shard: ShardID
  /// Its epoch here.
  public var epoch: Epoch
  /// Its last entry.
  public var last: LogPosition
  /// Its last committed entry.
  public var committed: LogPosition
  /// Raw rows of all tables.
  public var rows: UInt64
  /// Bytes of its segments and runs on disk.
  public var segmentBytes: UInt64
  /// Bytes of its memtables.
  public var memtableBytes: UInt64
  /// Its rollups.
  public var rollups: [RollupProgress]
  /// What is broken in its files; empty = nothing known.
  public var damage: String
  /// Statements over several shards that have not ended here.
  public var statements: [StatementReport] = []
  /// Its state at the last probe.
  public var digest: StateDigest?
  /// Its tables and levels, by rising number.
  public var relations: [RelationReport] = []
  /// Makes a report.
  public init(
    shard: ShardID,
    epoch: Epoch,
    last: LogPosition = LogPosition(0),
    committed: LogPosition = LogPosition(0),
    rows: UInt64 = 0,
    segmentBytes: UInt64 = 0,
    memtableBytes: UInt64 = 0,
    rollups: [RollupProgress] = [],
    damage: String = ""
  ) {
    self.shard = shard
    self.epoch = epoch
    self.last = last
    self.committed = committed
    self.rows = rows
    self.segmentBytes = segmentBytes
    self.memtableBytes = memtableBytes
    self.rollups = rollups
    self.damage = damage
  }
  static func encode(_ reports: [ShardReport], into out: inout ByteWriter) {
    out.count(reports.count)
    for report in reports {
      out.id(report.shard)
      out.id(report.epoch)
      out.id(report.last)
      out.id(report.committed)
      out.varint(report.rows)
      out.varint(report.segmentBytes)
      out.varint(report.memtableBytes)
      out.count(report.rollups.count)
      for rollup in report.rollups {
        out.id(rollup.rollup)
        out.id(rollup.watermark)
        out.varint(rollup.lagMicroseconds)
      }
      out.string(report.damage)
      StatementReport.encode(report.statements, into: &out)
      out.bool(report.digest != nil)
      if let digest = report.digest {
        out.id(digest.position)
        for hash in [digest.state, digest.files, digest.rows] { out.hash(hash) }
      }
      out.count(report.relations.count)
      for relation in report.relations {
        out.id(relation.relation)
        out.varint(relation.rows)
        out.varint(relation.bytes)
      }
    }
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> [ShardReport] {
    try reader.list(max: shardListMax, "shard reports") { reader throws(DecodingFailure) in
      var report = ShardReport(
        shard: try reader.id(),
        epoch: try reader.id(),
        last: try reader.id(),
        committed: try reader.id(),
        rows: try reader.varint(),
        segmentBytes: try reader.varint(),
        memtableBytes: try reader.varint(),
        rollups: try reader.list(max: shardListMax, "rollups") { reader throws(DecodingFailure) in
          RollupProgress(
            rollup: try reader.id(),
            watermark: try reader.id(),
            lagMicroseconds: try reader.varint()
          )
        },
        damage: try reader.string()
      )
      report.statements = try StatementReport.decode(&reader)
      if try reader.bool() {
        report.digest = StateDigest(
          position: try reader.id(),
          state: try reader.hash(),
          files: try reader.hash(),
          rows: try reader.hash()
        )
      }
      report.relations = try reader.list(max: 1 << 17, "relations of a shard") { reader throws(DecodingFailure) in
        RelationReport(relation: try reader.id(), rows: try reader.varint(), bytes: try reader.varint())
      }
      return report
    }
  }
}

/// An open statement as a shard's report names it.
///
/// Bytes: statement · deciding shard · rows · bytes · age in microseconds · bool decided.
public struct StatementReport: Sendable, Equatable {
  /// The statement.
  public var statement: StatementID
  /// The shard that decides.
  public var decider: ShardID
  /// Rows staged on the reporting shard.
  public var rows: UInt64
  /// Bytes they take.
  public var bytes: UInt64
  /// Since its first part came there.
  public var ageMicroseconds: UInt64
  /// Only of the deciding shard: it will take effect.
  public var isDecided: Bool
  /// Makes a report.
  public init(statement: StatementID, decider: ShardID, rows: UInt64, bytes: UInt64, ageMicroseconds: UInt64, isDecided: Bool) {
    self.statement = statement
    self.decider = decider
    self.rows = rows
    self.bytes = bytes
    self.ageMicroseconds = ageMicroseconds
    self.isDecided = isDecided
  }
  static func encode(_ reports: [StatementReport], into out: inout ByteWriter) {
    out.count(reports.count)
    for report in reports {
      out.statement(report.statement)
      out.id(report.decider)
      out.varint(report.rows)
      out.varint(report.bytes)
      out.varint(report.ageMicroseconds)
      out.bool(report.isDecided)
    }
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> [StatementReport] {
    try reader.list(max: 1 << 16, "open statements") { reader throws(DecodingFailure) in
      StatementReport(
        statement: try reader.statement(),
        decider: try reader.id(),
        rows: try reader.varint(),
        bytes: try reader.varint(),
        ageMicroseconds: try reader.varint(),
        isDecided: try reader.bool()
      )
    }
  }
}
