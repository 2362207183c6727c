// ExecutionContext.swift — what bounds the run of one fragment or query: a byte budget and a flag to stop it.
//
// Execution has no clock: who owns the deadline raises the flag when it passes.
public import Columns
public import Model
import Storage
import Synchronization

/// A flag that stops running work between two morsels.
///
/// Raised from any thread.
public final class CancelFlag: Sendable {
  /// Why the work is to stop.
  public enum Reason: UInt8, Sendable {
    case cancelled = 1
    case deadlinePassed = 2
  }
  private let state = Atomic<UInt8>(0)
  /// Makes a flag that is not raised.
  public init() {}
  /// Raises the flag; the first reason stays.
  public func raise(_ reason: Reason) {
    _ = state.compareExchange(expected: 0, desired: reason.rawValue, ordering: .releasing)
  }
  /// Throws 57014 when the flag is raised.
  public func check() throws(TallyError) {
    switch Reason(rawValue: state.load(ordering: .acquiring)) {
    case nil: return
    case .cancelled: throw TallyError(.cancelled, "canceling statement due to user request")
    case .deadlinePassed:
      throw TallyError(.timedOut, "canceling statement due to statement timeout")
    }
  }
}

/// What bounds a run; crosses threads with the work it bounds.
public struct ExecutionLimits: Sendable {
  /// Bytes that group tables, sorts and gathered batches may hold together.
  public var memoryBytes: Int
  /// Stops the run between two morsels.
  public var cancel: CancelFlag
  /// Makes limits.
  public init(memoryBytes: Int = 256 << 20, cancel: CancelFlag = CancelFlag()) {
    self.memoryBytes = memoryBytes
    self.cancel = cancel
  }
}

/// The account of one run.
///
/// Confined to the thread that runs it.
final class ExecutionContext {
  let cancel: CancelFlag
  private let memoryLimit: Int
  /// Bytes held now.
  private(set) var memoryUsed = 0
  /// The most that was held.
  private(set) var memoryPeak = 0
  /// What was read so far.
  var counts = ExecutionCounts()

  init(_ limits: ExecutionLimits) {
    memoryLimit = limits.memoryBytes
    cancel = limits.cancel
  }
  /// Accounts for bytes that an operator keeps; 53200 above the limit.
  func hold(_ bytes: Int) throws(TallyError) {
    memoryUsed += bytes
    memoryPeak = max(memoryPeak, memoryUsed)
    guard memoryUsed <= memoryLimit else {
      throw TallyError(
        .overloaded,
        "out of memory",
        detail: "The query needs more than \(memoryLimit) bytes.",
        hint:
          "Group by fewer values, add a LIMIT or a filter, or use hll_add_agg instead of count(DISTINCT)."
      )
    }
  }
  /// Gives bytes back.
  func release(_ bytes: Int) { memoryUsed -= bytes }
}

/// What a fragment read, for EXPLAIN ANALYZE and metrics.
public struct ExecutionCounts: Equatable, Sendable {
  /// Stored rows delivered by scans (raw rows and state rows).
  public var rowsRead = 0
  /// Raw rows above the watermark or in uncovered backfill slices, turned into state rows.
  public var tailRows = 0
  /// Segment blocks read.
  public var blocksRead = 0
  /// Segment blocks skipped by zone maps.
  public var blocksSkipped = 0
  /// Bytes of the blocks read.
  public var bytesRead = 0
  /// Rows for which a rollup's expression failed in the tail.
  public var poisonedRows = 0
  /// Rows given back.
  public var rowsReturned = 0
  /// The most memory that one run held.
  public var memoryPeak = 0
  /// Nothing read.
  public init() {}
  /// Adds what a scan of Storage counted.
  mutating func add(_ scan: ScanCounts) {
    rowsRead += scan.rowsRead
    blocksRead += scan.blocksRead
    blocksSkipped += scan.blocksSkipped
    bytesRead += scan.bytes
  }
  /// Adds what another part read.
  public mutating func add(_ other: ExecutionCounts) {
    rowsRead += other.rowsRead
    tailRows += other.tailRows
    blocksRead += other.blocksRead
    blocksSkipped += other.blocksSkipped
    bytesRead += other.bytesRead
    poisonedRows += other.poisonedRows
    rowsReturned += other.rowsReturned
    memoryPeak = max(memoryPeak, other.memoryPeak)
  }
}

extension Batch {
  /// About how many bytes the batch holds in memory; shared dictionaries are not counted.
  public var memoryBytes: Int { columns.reduce(0) { $0 + $1.memoryBytes } }
}
