// Producer.swift — brings a source's chunks to the shards' primaries, each exactly once however often it is tried.
//
// A chunk is a list of batches for shards; it is acknowledged when every one of them is. A batch's sequence number is
// chunk × stride + its place among the chunk's batches for that shard, so the same chunk has the same keys in every
// run. The shards tell duplicates within a window of 1,024 numbers above `doneBelow`, so at most `chunksInFlightMax`
// chunks may be under way. Failures that can pass (another primary, a restart, a full queue, an unknown outcome) are
// tried again with the same key until the caller's time to give up.
//
// A session is good for new batches for a day (KeyLifetimes); a producer that was told how its session was opened opens it again in time.
// That gives a named source the same session; one without a name goes on in another, whose chunks count from where it began.
// Instead of a session there may be one batch under a client's own id, or no key at all.

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

/// By what a producer's batches are known again.
public enum ProducerKeys: Sendable {
  /// Stored at least once.
  case none
  /// A session; with the request that opened it, when it shall be opened again in time.
  case session(SessionID, OpenProducer?)
  /// One chunk, whose rows for a shard are one batch, under a client's own id.
  case id(BatchID)
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
    /// Sessions by the first chunk that is theirs, rising.
    var sessions: [(id: SessionID, first: Int)] = []
    var openedAt: Instant
    /// When to open the session again; nil while that is under way.
    var renewAt: Instant?
  }
  private let keys: ProducerKeys
  /// The table.
  public let table: TableID
  /// Sequence numbers of one chunk.
  public let stride: Int
  private let map: ClusterMap
  private let options: ProducerOptions
  private let state: Mutex<State>
  /// What the shards can tell apart.
  static let window = 1024

  /// Makes a producer.
  ///
  /// `stride` bounds a chunk's batches for one shard and must be the same in every run of the session.
  public init(
    keys: ProducerKeys,
    table: TableID,
    stride: Int,
    map: ClusterMap,
    options: ProducerOptions = ProducerOptions()
  ) {
    invariant(stride > 0 && stride <= Self.window / 2, "a stride of \(stride)")
    self.keys = keys
    self.table = table
    self.stride = stride
    self.map = map
    self.options = options
    let now = map.clock.now
    var state = State(openedAt: now, renewAt: now + .microseconds(KeyLifetimes.renewal))
    if case .session(let session, _) = keys { state.sessions = [(session, 0)] }
    self.state = Mutex(state)
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
  /// `contentHash` covers the chunk as its source has it; under an id it is sent with the table in it, so that the same rows for another
  /// table are a conflict and not taken for these. Several chunks may be under way at once, fewer than
  /// `chunksInFlightMax`. Throws the error that ended the tries: then the chunk may be stored in part, and
  /// delivering it again completes it.
  @discardableResult
  public func deliver(
    chunk: Int,
    contentHash: Hash128,
    batches: [ShardBatch]
  ) async throws -> Delivered {
    var contentHash = contentHash
    if case .id(let id) = keys {
      try Self.checkAlone(id, chunk, batches)
      contentHash.high ^= StableHash.hash(Int64(bitPattern: table.rawValue))
    }
    let hash = contentHash
    try await renew()
    let bytes = batches.reduce(0) { $0 + $1.bytes.count }
    try await reserve(bytes)
    defer { release(bytes) }
    state.withLock { state in
      state.highest = max(state.highest, chunk)
      invariant(
        state.sessions.isEmpty || state.highest - state.doneBelow < Self.window / stride,
        "chunk \(chunk) while chunk \(state.doneBelow) is not acknowledged"
      )
    }
    let giveUp = map.clock.now + options.patience
    let delivered = try await withThrowingTaskGroup(of: Delivered.self) { group in
      for batch in batches {
        group.addTask { try await self.deliver(batch, chunk, hash, giveUp) }
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
      } catch let error as TallyError where error.status == .stalePlan && mayBeStored {
        // A try before may have stored them, and they may have been moved since.
        throw TallyError(.unknownOutcome, error.message, hint: error.hint)
      } catch let error as TallyError where error.isRetryable {
        let isUnknown = error.status == .unknownOutcome || error.status == .timedOut
        if isUnknown { mayBeStored = true }
        // Without a key another try could count twice.
        if isUnknown, case .none = keys { throw error }
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
    let key: BatchKey?
    switch keys {
    case .none: key = nil
    case .session: key = sequenceKey(chunk, batch.part)
    case .id(let id): key = .id(id)
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
  private func sequenceKey(_ chunk: Int, _ part: Int) -> BatchKey {
    state.withLock { state in
      // The first session takes whatever comes before the others.
      let own = state.sessions.last { $0.first <= chunk } ?? state.sessions[0]
      return BatchKey(
        session: own.id,
        sequence: UInt64((chunk - own.first) * stride + part),
        doneBelow: UInt64(max(0, (isPlanted(.doneBelowAtSending) ? chunk : state.doneBelow) - own.first) * stride)
      )
    }
  }
  private static func checkAlone(_ id: BatchID, _ chunk: Int, _ batches: [ShardBatch]) throws(TallyError) {
    let rows = batches.reduce(0) { $0 + $1.rows }
    guard chunk == 0, rows <= Limits.batchRowsMax, batches.allSatisfy({ $0.part == 0 }) else {
      throw .sql(
        "54000",
        "the rows under idempotency key \(id) are more than one batch: at most \(Limits.batchRowsMax) rows, "
          + "\(Limits.frameBytesMax / 2) bytes of a shard",
        hint: "Give each batch a key of its own, or ingest them as a named producer."
      )
    }
  }
  /// Opens the session again when it is time; throws when it may not be used for new batches any more.
  private func renew() async throws {
    guard case .session(_, let request?) = keys else { return }
    let now = map.clock.now
    let isDue = state.withLock { state in
      guard let at = state.renewAt, now >= at else { return false }
      state.renewAt = nil
      return true
    }
    if isDue {
      var again = request
      again.again = false
      do {
        let opened = try await Self.open(again, map: map, deadline: map.clock.now + options.patience)
        state.withLock { state in
          state.openedAt = now
          state.renewAt = now + .microseconds(KeyLifetimes.renewal)
          if state.sessions.last?.id != opened.session { state.sessions.append((opened.session, state.highest + 1)) }
        }
      } catch let error as TallyError {
        // The session that there is may be used for a while yet: tried again with a later chunk, and thrown when it may not.
        let isOver = state.withLock { state in
          state.renewAt = now + .seconds(60)
          return now - state.openedAt >= .microseconds(KeyLifetimes.use)
        }
        if isOver { throw error }
      }
    } else if state.withLock({ now - $0.openedAt >= .microseconds(KeyLifetimes.use) }) {
      throw TallyError(
        .keyExpired,
        "the producer's session was opened more than 24 hours ago",
        hint: "Run it again: a named producer completes what is missing."
      )
    }
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
