// IngestRequest.swift — what a load of a file is given and what it tells in the end.

public import Model

/// A file to load.
public struct IngestRequest: Sendable {
  /// Path below the disk's root, without a leading slash.
  public var path: String
  /// The table.
  public var table: String
  /// Columns in the order of the file's fields; nil: the header names them, or without a header all of the table's.
  public var columns: [String]?
  /// The first record names the columns (or is skipped when `columns` names them).
  public var hasHeader = true
  /// What the file is written in.
  public var encoding = Encoding.csv
  /// Of CSV: delimiter and NULL text.
  public var format = CSVFormat()
  /// Name of the source; the same name and bytes load once.
  ///
  /// Nil: the path.
  public var source: String?
  /// Load anew although a source of that name was loaded before.
  public var again = false
  /// The file is one statement: stored whole or not at all.
  public var isAtomic = false
  /// File for wrong rows (CSV: line, column, SQLSTATE, reason, record), below the disk's root; written anew.
  ///
  /// Nil: the first wrong row ends the load.
  public var rejectPath: String?
  /// Bytes of a chunk; a source that was loaded before keeps its own.
  public var chunkBytes = 4 << 20
  /// Settings of the producer.
  public var producer = ProducerOptions()
  /// What a file is written in.
  public enum Encoding: Sendable, Equatable {
    case csv
    /// A JSON object a line; fields are found by name.
    case ndjson(ignoresUnknownFields: Bool)
  }
  /// A file and a table; the rest has defaults.
  public init(path: String, table: String) {
    self.path = path
    self.table = table
  }
}

/// How far a load is.
public struct IngestProgress: Sendable, Equatable {
  /// Bytes of the file read.
  public var bytesRead: UInt64 = 0
  /// Bytes of the file.
  public var bytesTotal: UInt64 = 0
  /// Rows acknowledged, duplicates included.
  public var rowsAcknowledged: UInt64 = 0
}

/// Why a load ended early.
public struct IngestFailure: Sendable, Equatable {
  /// The error.
  public var error: TallyError
  /// Line of the wrong row, from 1, when a row was wrong.
  public var line: Int?
  /// Its column, when one is at fault.
  public var column: String?
  /// What is stored now, exactly, for people.
  public var acknowledged: String
}

/// What a load came to.
///
/// `rowsDurable + rowsDuplicate + rowsRejected` are the rows of all acknowledged chunks.
public struct IngestReport: Sendable, Equatable {
  /// The file.
  public var path: String
  /// Rows this load stored.
  public var rowsDurable: UInt64 = 0
  /// Rows that an earlier load of the source had stored.
  public var rowsDuplicate: UInt64 = 0
  /// Wrong rows, written to the reject file.
  public var rowsRejected: UInt64 = 0
  /// Chunks that are acknowledged without a gap from the file's beginning.
  public var chunks = 0
  /// Bytes of the file read.
  public var bytesRead: UInt64 = 0
  /// Tries of batches beyond the first.
  public var retries: UInt64 = 0
  /// Of an earlier load of this source, for people; empty when this is the first.
  public var firstLoad = ""
  /// The first wrong rows, at most ten.
  public var firstRejects: [CSVReject] = []
  /// Why it ended early; nil when all is stored.
  public var failure: IngestFailure?
  /// A load that has not begun.
  public init(path: String) { self.path = path }
}
