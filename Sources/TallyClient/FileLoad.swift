// FileLoad.swift — loads of files of CSV or JSON lines: what a program asks for and what it is told.
import Capabilities
import ClientCore
public import Model
import NodeRuntime

/// A file to load, plain or gzipped.
public struct FileLoad: Sendable {
  /// What files are written in.
  public enum Format: String, Sendable, CaseIterable {
    case csv
    /// A JSON object a line.
    case ndjson
    /// By the file's name: .ndjson and .jsonl, also before .gz, are JSON lines, all others CSV.
    public init(ofFile name: String) {
      let plain = name.lowercased().hasSuffix(".gz") ? String(name.dropLast(3)).lowercased() : name.lowercased()
      self = plain.hasSuffix(".ndjson") || plain.hasSuffix(".jsonl") ? .ndjson : .csv
    }
  }
  /// Absolute path.
  public var file: String
  /// The table.
  public var table: String
  /// What it is written in.
  public var format: Format
  /// Of JSON lines: fields that no column has are left out; else the first one is an error.
  public var ignoresUnknownFields = false
  /// Columns in the order of the file's fields; nil: the header names them, or without a header all of the table's.
  public var columns: [String]?
  /// The first record names the columns (or is skipped when `columns` names them).
  public var hasHeader = true
  /// Between fields; ASCII.
  public var delimiter: UInt8 = 0x2c
  /// Unquoted text that means NULL.
  public var nullText = ""
  /// Name of the source; the same name and bytes load once.
  ///
  /// Nil: the file's path.
  public var source: String?
  /// Load anew although a source of that name was loaded before.
  public var again = false
  /// The file is one statement: stored whole or not at all.
  public var isAtomic = false
  /// Absolute path of a file for wrong rows; it is written anew.
  ///
  /// Nil: the first wrong row ends the load.
  public var rejectFile: String?
  /// How long an outage may last before the load fails.
  public var patience: Duration = .seconds(120)
  /// A file and a table; the rest has defaults.
  public init(file: String, table: String) {
    self.file = file
    self.table = table
    format = Format(ofFile: file)
  }

  /// The request; files are named below the root.
  func request() throws(TallyError) -> IngestRequest {
    var request = IngestRequest(path: try Self.belowRoot(file), table: table)
    request.columns = columns
    request.encoding = format == .csv ? .csv : .ndjson(ignoresUnknownFields: ignoresUnknownFields)
    request.hasHeader = hasHeader
    request.format = CSVFormat(delimiter: delimiter, nullText: Array(nullText.utf8))
    request.source = source ?? file
    request.again = again
    request.isAtomic = isAtomic
    if let rejectFile { request.rejectPath = try Self.belowRoot(rejectFile) }
    request.producer.patience = patience
    return request
  }
  private static func belowRoot(_ path: String) throws(TallyError) -> String {
    let parts = path.split(separator: "/")
    guard path.hasPrefix("/"), !parts.isEmpty, !parts.contains("."), !parts.contains("..") else {
      throw .sql("22023", "\"\(path)\" is not an absolute path without \".\" and \"..\"")
    }
    return parts.joined(separator: "/")
  }
}

/// How far a load is.
public struct LoadProgress: Sendable, Equatable {
  /// Bytes of the file read.
  public var bytesRead: UInt64
  /// Bytes of the file.
  public var bytesTotal: UInt64
  /// Rows acknowledged, duplicates included.
  public var rowsAcknowledged: UInt64
}

/// Why a load ended early.
public struct LoadFailure: Sendable, Equatable {
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
public struct LoadReport: Sendable, Equatable {
  /// Rows this load stored.
  public var rowsDurable: UInt64
  /// Rows that an earlier load of the source had stored.
  public var rowsDuplicate: UInt64
  /// Wrong rows, written to the reject file.
  public var rowsRejected: UInt64
  /// Chunks acknowledged, without a gap from the file's beginning.
  public var chunks: Int
  /// Bytes of the file read.
  public var bytesRead: UInt64
  /// Tries of messages beyond the first.
  public var retries: UInt64
  /// Of an earlier load of this source, for people; empty when this is the first.
  public var firstLoad: String
  /// Why it ended early; nil when all is stored.
  public var failure: LoadFailure?
}

extension TallyClient {
  /// Loads a file as a named producer; returns also when it failed, saying what is stored.
  ///
  /// `progress` is told after every chunk.
  /// Run again with the same bytes and settings it completes what is missing and stores nothing twice.
  public func load(
    _ load: FileLoad,
    progress: @escaping @Sendable (LoadProgress) -> Void = { _ in }
  ) async throws -> LoadReport {
    let request = try load.request()
    try await awaitCoordinator(surroundings.clock.now + load.patience)
    let flow = IngestFlow(
      map: map,
      disk: surroundings.disk,
      compute: surroundings.compute,
      clock: surroundings.clock
    )
    let report = try await loop.run {
      await flow.run(request) {
        progress(
          LoadProgress(
            bytesRead: $0.bytesRead,
            bytesTotal: $0.bytesTotal,
            rowsAcknowledged: $0.rowsAcknowledged
          )
        )
      }
    }
    return LoadReport(
      rowsDurable: report.rowsDurable,
      rowsDuplicate: report.rowsDuplicate,
      rowsRejected: report.rowsRejected,
      chunks: report.chunks,
      bytesRead: report.bytesRead,
      retries: report.retries,
      firstLoad: report.firstLoad,
      failure: report.failure.map {
        LoadFailure(
          error: $0.error,
          line: $0.line,
          column: $0.column,
          acknowledged: $0.acknowledged
        )
      }
    )
  }
}
