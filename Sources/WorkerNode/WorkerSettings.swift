// WorkerSettings.swift — what a worker is told at its start, and what follows from it. Who sets it: Sources/tally-worker.
public import Capabilities
public import Storage

/// What a worker is told at its start.
public struct WorkerSettings: Sendable {
  /// `worker-1`, …
  public var name: String
  /// Where it listens.
  public var listen: NetworkAddress
  /// Where others reach it, when that is another address (a forwarder's); nil: where it listens.
  public var advertised: NetworkAddress?
  /// Whom it registers with.
  public var coordinators: [NetworkAddress]
  /// Joins a cluster with an empty data directory.
  public var initializes: Bool
  /// Bytes it may use: two fifths for memtables, an eighth for decoded blocks, the rest for queries, rollups and flushes at work.
  public var memory: Int
  /// Pause between two rounds of the roller.
  public var rollInterval: Duration = .seconds(1)
  /// Pause between two looks for files to write, merge or drop.
  public var layoutInterval: Duration = .milliseconds(250)
  /// Rows stay in memory at most so long.
  public var memoryAgeMax: Duration = .seconds(300)
  /// Memtable bytes above which shards are flushed; nil: nine thirty-seconds of the memory.
  public var flushThreshold: Int?
  /// When nothing has come in for so long, shards with more than `quietFlushBytes` in memory are flushed.
  public var quietFlushAfter: Duration = .seconds(2)
  /// See `quietFlushAfter`.
  public var quietFlushBytes = 1 << 20
  /// Raw rows that one delta takes in at most, by whole batches.
  public var rollRows = 262_144
  /// Microseconds of wall time between two scrubs of all files.
  public var scrubPeriod: Int64 = 7 * 86_400_000_000
  /// Pause between two looks whether a scrub is due.
  public var scrubLook: Duration = .seconds(3600)
  /// Between two probes of a shard's state.
  public var digestPeriod: Duration = .seconds(24 * 3600)
  /// Pause between two looks whether something is to be probed or digested.
  public var digestLook: Duration = .seconds(1)
  /// A copy that its shard's record does not list any more is removed after so long.
  public var retiredAfter: Duration = .seconds(600)
  /// Bytes a second of files that are copied from other workers, all copies together.
  public var copyBytesPerSecond = 50_000_000
  /// Free bytes on the volume below which no rows are taken; nil: a twentieth of it.
  public var diskFloor: UInt64?
  /// Bytes of the reserve file; nil: by the size of the volume.
  public var reserveBytes: UInt64?
  /// Accepts a data directory on a volume that forgets or lies elsewhere.
  public var allowsVolatile = false
  /// Sizes of the journal.
  public var journal = JournalSettings()
  /// Who hears what its copies do, in simulations.
  public var witness: (any ShardWitness)?
  /// Makes settings.
  public init(
    name: String,
    listen: NetworkAddress,
    coordinators: [NetworkAddress],
    initializes: Bool,
    memory: Int = 1 << 30
  ) {
    self.name = name
    self.listen = listen
    self.coordinators = coordinators
    self.initializes = initializes
    self.memory = memory
  }
  /// Memtable bytes above which shards are flushed.
  var flushBytes: Int { flushThreshold ?? memory * 9 / 32 }
  /// Bytes of decoded blocks that are kept for queries.
  var blockCacheBytes: Int { memory / 8 }
  /// Memtable bytes above which ingest waits.
  var memtableBytesMax: Int { memory * 2 / 5 }
}
