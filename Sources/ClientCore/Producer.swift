// Producer.swift — brings a source's chunks to the shards' primaries, each exactly once however often it is tried.
//
// A chunk is a list of batches for shards; it is acknowledged when every one of them is. A batch's sequence number is
// chunk × stride + its place among the chunk's batches for that shard, so the same chunk has the same keys in every
// run. The shards tell duplicates within a window of 1,024 numbers above `doneBelow`, so at most `chunksInFlightMax`
// chunks may be under way. Failures that can pass (another primary, a restart, a full queue, an unknown outcome) are
// tried again with the same key until the caller's time to give up.

public import Bytes
public import Capabilities
public import Model
import RPC
internal import Synchronization
public import Wire

/// Encoded rows for one shard.
public struct ShardBatch: Sendable {
  /// The shard.
  public var shard: ShardID
  /// Place among the chunk's batches for this shard, from 0.
  public var part: Int
  /// Rows in it.
  public var rows: Int
  /// BatchFormat.
  public var bytes: [UInt8]
  /// Makes a batch.
  public init(shard: ShardID, part: Int, rows: Int, bytes: [UInt8]) {
    self.shard = shard
    self.part = part
    self.rows = rows
    self.bytes = bytes
  }
}

/// What became of a chunk's rows: they are durable, all of them.
public struct Delivered: Sendable, Equatable {
  /// Rows stored by this producer now.
  public var rowsDurable: UInt64 = 0
  /// Rows that were stored before.
  public var rowsDuplicate: UInt64 = 0
  /// Tries beyond the first.
  public var retries: UInt64 = 0
  /// Nothing yet, or what is told.
  public init(rowsDurable: UInt64 = 0, rowsDuplicate: UInt64 = 0, retries: UInt64 = 0) {
    self.rowsDurable = rowsDurable
    self.rowsDuplicate = rowsDuplicate
    self.retries = retries
  }
  /// Adds another chunk's.
  public static func += (a: inout Delivered, b: Delivered) {
    a.rowsDurable += b.rowsDurable
    a.rowsDuplicate += b.rowsDuplicate
    a.retries += b.retries
  }
}

/// Settings of a producer.
public struct ProducerOptions: Sendable {
  /// Pauses between tries.
  public var retry = RetryPolicy()
  /// How long an outage may last before a chunk fails.
  public var patience: Duration = .seconds(120)
  /// Longest time one try may take.
  public var tryTimeout: Duration = .seconds(30)
  /// Bytes of batches under way at once; the caller waits beyond that.
  public var bytesInFlightMax = 64 << 20
  /// The defaults.
  public init() {}
}

/// A source of batches for one table.
public final class Producer: Sendable {
  private struct State {
    var total = Delivered()
    var doneBelow = 0
    var doneAbove: Set<Int> = []
    var highest = -1
    var bytesInFlight = 0
    var waiters: [BoundedQueue<Bool>] = []
  }
  /// The session; nil: batches without keys, stored at least once.
  public let session: SessionID?
  /// The table.
  public let table: TableID
  /// Sequence numbers of one chunk.
  public let stride: Int
  private let map: ClusterMap
  private let options: ProducerOptions
  private let state = Mutex(State())
  /// What the shards can tell apart.
  static let window = 1024

  /// Makes a producer.
  ///
  /// `stride` bounds a chunk's batches for one shard and must be the same in every run of the session.
  public init(
    session: SessionID?,
    table: TableID,
    stride: Int,
    map: ClusterMap,
    options: ProducerOptions = ProducerOptions()
  ) {
    invariant(stride > 0 && stride <= Self.window / 2, "a stride of \(stride)")
    self.session = session
    self.table = table
    self.stride = stride
    self.map = map
    self.options = options
  }
  /// Most chunks that may be under way at once, counted from the lowest that is not acknowledged.
  public var chunksInFlightMax: Int { Self.window / stride - 1 }
  /// What was acknowledged so far.
  public var total: Delivered { state.withLock { $0.total } }
  /// All chunks below this are acknowledged.
  public var doneBelow: Int { state.withLock { $0.doneBelow } }

  /// Asks a coordinator for the session of a named source; the same name gives the same session for seven days.
  ///
  /// Without a name one is made up that nobody else has.
  public static func open(
    _ request: OpenProducer,
    map: ClusterMap,
    deadline: Instant
  ) async throws -> ProducerSession {
    var request = request
    if request.name.isEmpty {
      request.name = "unnamed \(Hash128(high: map.random.next(), low: map.random.next()))"
    }
    // Repeating it is harmless: the name finds the session that a lost try opened, or one that stays empty is left.
    var retry = RetryState(RetryPolicy(), giveUp: deadline)
    while true {
      do {
        let reply = try await map.call(.openProducer(request), deadline: deadline)
        guard case .producerSession(let session) = reply else {
          throw ClusterMap.unexpected(reply, "openProducer")
        }
        return session
      } catch let error as TallyError where error.isRetryable {
        guard let pause = retry.pause(now: map.clock.now, random: map.random) else { throw error }
        try await map.clock.sleep(for: pause)
      }
    }
  }

  /// Brings one chunk to its shards; returns once all of it is durable.
  ///
  /// `contentHash` covers the chunk as its source has it. Several chunks may be under way at once, fewer than
  /// `chunksInFlightMax`. Throws the error that ended the tries: then the chunk may be stored in part, and
  /// delivering it again completes it.
  @discardableResult
  public func deliver(
    chunk: Int,
    contentHash: Hash128,
    batches: [ShardBatch]
  ) async throws -> Delivered {
    let bytes = batches.reduce(0) { $0 + $1.bytes.count }
    try await reserve(bytes)
    defer { release(bytes) }
    state.withLock { state in
      state.highest = max(state.highest, chunk)
      invariant(
        session == nil || state.highest - state.doneBelow < Self.window / stride,
        "chunk \(chunk) while chunk \(state.doneBelow) is not acknowledged"
      )
    }
    let giveUp = map.clock.now + options.patience
    let delivered = try await withThrowingTaskGroup(of: Delivered.self) { group in
      for batch in batches {
        group.addTask { try await self.deliver(batch, chunk, contentHash, giveUp) }
      }
      var sum = Delivered()
      for try await one in group { sum += one }
      return sum
    }
    state.withLock { state in
      state.total += delivered
      state.doneAbove.insert(chunk)
      while state.doneAbove.remove(state.doneBelow) != nil { state.doneBelow += 1 }
    }
    return delivered
  }
  private func deliver(
    _ batch: ShardBatch,
    _ chunk: Int,
    _ contentHash: Hash128,
    _ giveUp: Instant
  ) async throws -> Delivered {
    invariant(batch.part < stride, "part \(batch.part) of a chunk with a stride of \(stride)")
    var retry = RetryState(options.retry, giveUp: giveUp)
    var delivered = Delivered()
    var mayBeStored = false
    while true {
      let routing = try await routing(giveUp)
      do {
        let numbered = isPlanted(.retryWithNewKey) && delivered.retries > 0 ? chunk + Self.window / stride / 2 : chunk
        let ingested = try await attempt(batch, numbered, contentHash, routing, giveUp)
        // A duplicate of a try of ours whose answer was lost is our own row.
        if ingested.isDuplicate && !mayBeStored {
          delivered.rowsDuplicate = UInt64(batch.rows)
        } else {
          delivered.rowsDurable = UInt64(batch.rows)
        }
        return delivered
      } catch let error as TallyError where error.isRetryable {
        let isUnknown = error.status == .unknownOutcome || error.status == .timedOut
        if isUnknown { mayBeStored = true }
        // Without a key another try could count twice.
        if isUnknown && session == nil { throw error }
        guard let pause = retry.pause(now: map.clock.now, random: map.random) else {
          throw TallyError(
            error.status,
            "shard \(batch.shard) took no rows for \(options.patience): \(error.message)",
            detail: error.detail,
            hint: error.hint ?? "Repeat the load: what is stored already is not stored again.",
            node: error.node
          )
        }
        delivered.retries += 1
        if error.status == .overloaded || error.status == .diskFull {
          try await map.clock.sleep(for: pause)
        } else {
          try await map.awaitNewer(than: routing, atMost: pause)
          // Another primary deserves a try at once, and short pauses until it serves.
          if map.known?.shard(batch.shard)?.epoch != routing.shard(batch.shard)?.epoch { retry.restart() }
        }
      }
    }
  }
  private func attempt(
    _ batch: ShardBatch,
    _ chunk: Int,
    _ contentHash: Hash128,
    _ routing: RequestRouting,
    _ giveUp: Instant
  ) async throws -> Ingested {
    let (address, epoch) = try routing.primary(of: batch.shard)
    let key = session.map { session in
      BatchKey(
        session: session,
        sequence: UInt64(chunk * stride + batch.part),
        doneBelow: UInt64((isPlanted(.doneBelowAtSending) ? chunk : doneBelow) * stride)
      )
    }
    let reply = try await map.pool.call(
      .ingest(
        Ingest(
          shard: batch.shard,
          epoch: epoch,
          version: routing.catalog.version,
          table: table,
          key: key,
          contentHash: contentHash,
          batch: batch.bytes
        )
      ),
      to: address,
      deadline: min(giveUp, map.clock.now + options.tryTimeout)
    )
    guard case .ingested(let ingested) = reply else { throw ClusterMap.unexpected(reply, "ingest") }
    map.session.note(ShardPoint(shard: batch.shard, point: ingested.point))
    return ingested
  }
  private func routing(_ giveUp: Instant) async throws -> RequestRouting {
    if let known = map.known { return known }
    return try await map.current(deadline: giveUp)
  }
  private func reserve(_ bytes: Int) async throws {
    while true {
      let waiter: BoundedQueue<Bool>? = state.withLock { state in
        if state.bytesInFlight == 0 || state.bytesInFlight + bytes <= options.bytesInFlightMax {
          state.bytesInFlight += bytes
          return nil
        }
        let waiter = BoundedQueue<Bool>(capacity: 1)
        state.waiters.append(waiter)
        return waiter
      }
      guard let waiter else { return }
      _ = try await waiter.receive()
    }
  }
  private func release(_ bytes: Int) {
    let waiters = state.withLock { state in
      state.bytesInFlight -= bytes
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.finish() }
  }
}
