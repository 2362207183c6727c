// Journal.swift — the one journal of a node: records of all shards, group commit, files prepared ahead and given back.
//
// Opened by JournalRecovery. `run()` is the flow that writes (one group at a time, one write and one sync each), prepares the
// next file full of zeros (rule D3) and unlinks files that nothing needs (rule D16); it runs in the node's task group until
// `close`. Callers hand records in with `enqueue` or `append`; the order of calls is the order in the files. A failed write
// ends `run` with the error: the node must stop (rule D5). Whoever waits hears that the outcome is unknown: the records may be on
// the disk, and on those of other copies.
import Bytes
public import Capabilities
public import Model
internal import Synchronization

/// The journal of a node.
public final class Journal: Sendable {
  struct Waiting {
    var records: [JournalRecord]
    var bytes: Int
    var promise: Promise<JournalPlace>
  }
  /// A file that holds groups.
  struct UsedFile {
    var number: UInt64
    var bytes: Int
    /// Highest position of each shard in it.
    var highest: [ShardID: LogPosition]

    /// What was cut away keeps no file.
    mutating func cut(_ shard: ShardID, from position: LogPosition) {
      guard let known = highest[shard], known >= position else { return }
      highest[shard] = LogPosition(position.rawValue - 1)
    }
  }
  /// A file of zeros, header written, durable.
  struct PreparedFile: Sendable {
    var number: UInt64
    var bytes: Int
  }
  /// Where the next group goes.
  struct Cursor {
    var file: (any DiskFile)?
    var number: UInt64
    var bytes: Int
    var offset: Int
    var group: UInt64
    var previous: Hash128
  }
  struct State {
    var queue: [Waiting] = []
    var head = 0
    var bytesInFlight = 0
    var room: [(bytes: Int, promise: Promise<Void>)] = []
    var failure: (any Error)?
    var isClosed = false
    var used: [UsedFile] = []
    var index = JournalIndex()
    /// Positions above which copies that catch up need a shard's entries, by copy.
    var pins: [ShardID: [UInt64: LogPosition]] = [:]
    var released: [ShardID: LogPosition] = [:]
    var cursor: Cursor
    var nextNumber: UInt64
    /// There is no room for the next file.
    var isStarved = false
    /// Files up to here get no further group.
    var endedFile: UInt64 = 0
    var writtenBytes: UInt64 = 0
    var groups: UInt64 = 0
  }
  let disk: any Disk
  let cluster: ClusterID
  let node: NodeID
  let settings: JournalSettings
  let state: Mutex<State>
  private let bell = BoundedQueue<Void>(capacity: 1)
  private let releaseBell = BoundedQueue<Void>(capacity: 1)
  private let wanted = BoundedQueue<Void>(capacity: 1)
  private let again = BoundedQueue<Void>(capacity: 1)
  private let prepared: BoundedQueue<PreparedFile>

  init(
    disk: any Disk,
    cluster: ClusterID,
    node: NodeID,
    settings: JournalSettings,
    used: [UsedFile],
    index: JournalIndex,
    cursor: Cursor,
    nextNumber: UInt64,
    prepared files: [PreparedFile]
  ) {
    self.disk = disk
    self.cluster = cluster
    self.node = node
    self.settings = settings
    state = Mutex(State(used: used, index: index, cursor: cursor, nextNumber: nextNumber))
    prepared = BoundedQueue(capacity: max(1, files.count))
    for file in files { _ = prepared.trySend(file) }
    if files.isEmpty { _ = wanted.trySend(()) }
  }

  // MARK: Appending

  /// Waits until `bytes` more may be in flight. Call it before a position is given to an entry.
  public func reserve(_ bytes: Int) async throws {
    let promise = state.withLock { state -> Promise<Void>? in
      if state.failure != nil || state.isClosed { return nil }
      if state.room.isEmpty, state.bytesInFlight == 0 || state.bytesInFlight + bytes <= settings.inFlightBytesMax {
        return nil
      }
      let promise = Promise<Void>()
      state.room.append((bytes, promise))
      return promise
    }
    try await promise?.value
  }
  /// Takes records over, in the order of calls, never suspending; the promise is settled once they are durable.
  public func enqueue(_ records: [JournalRecord]) -> Promise<JournalPlace> {
    let promise = Promise<JournalPlace>()
    let bytes = records.reduce(0) { $0 + $1.entry.body.count + GroupFormat.recordHeaderBytes }
    let failure = state.withLock { state -> (any Error)? in
      if let failure = state.failure { return Self.unknown(failure) }
      if state.isClosed { return Self.unknown(CancellationError()) }
      state.queue.append(Waiting(records: records, bytes: bytes, promise: promise))
      state.bytesInFlight += bytes
      return nil
    }
    if let failure { promise.fail(failure) } else { _ = bell.trySend(()) }
    return promise
  }
  /// Appends records and returns when they are durable.
  public func append(_ records: [JournalRecord]) async throws -> JournalPlace { try await enqueue(records).value }

  // MARK: Space

  /// The shard needs nothing at or below `position` any more: it is in files that its durable manifest names.
  public func release(_ shard: ShardID, through position: LogPosition) {
    state.withLock { $0.released[shard] = max($0.released[shard] ?? LogPosition(0), position) }
    _ = releaseBell.trySend(())
  }
  /// Forgets a shard that was removed from this node, so that it pins nothing.
  public func forget(_ shard: ShardID) {
    state.withLock { $0.pins[shard] = nil }
    release(shard, through: LogPosition(.max))
  }
  /// Lets the next group begin a new file when the present one holds entries of a shard at or below a position, so that it can be given
  /// back once nothing of it is needed.
  public func endFile(holding shard: ShardID, through position: LogPosition) {
    state.withLock { state in
      guard let last = state.index.places[shard]?.last(where: { $0.position <= position }) else { return }
      state.endedFile = max(state.endedFile, last.file)
    }
  }
  /// Whether the present file gets no further group.
  public var isFileEnded: Bool { state.withLock { $0.cursor.number > 0 && $0.cursor.number <= $0.endedFile } }
  /// Whether a file of the journal holds entries of a shard at or below a position.
  public func holds(_ shard: ShardID, through position: LogPosition) -> Bool {
    state.withLock { $0.index.places[shard]?.first.map { $0.position <= position } ?? false }
  }
  /// Bytes of the files that hold records.
  public var pinnedBytes: Int { state.withLock { $0.used.reduce(0) { $0 + $1.bytes } } }
  /// Bytes waiting or being written.
  public var bytesInFlight: Int { state.withLock { $0.bytesInFlight } }
  /// Bytes and groups written since the journal was opened.
  public var written: (bytes: UInt64, groups: UInt64) { state.withLock { ($0.writtenBytes, $0.groups) } }
  /// Whether shards should be flushed to shorten the journal.
  public var isOverCap: Bool { pinnedBytes > settings.pinnedBytesMax }
  /// Whether there is no room for the next file: what is appended still fits into the present one, then waits for `tryAgain`.
  public var isStarved: Bool { state.withLock { $0.isStarved } }
  /// Tries to prepare the next file again, if there was no room for it.
  public func tryAgain() { if isStarved { _ = again.trySend(()) } }
  /// The shards that need the oldest file, by number.
  public var shardsPinningOldestFile: [ShardID] {
    state.withLock { state in
      guard let oldest = state.used.first else { return [] }
      return oldest.highest.filter { $0.value > state.released[$0.key] ?? LogPosition(0) }.map(\.key).sorted()
    }
  }

  // MARK: The flow

  /// Writes what is queued until `close` or cancellation; throws when the disk fails.
  public func run() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await self.write() }
      group.addTask { try await self.prepare() }
      group.addTask { try await self.reclaim() }
      do {
        // The writer ends at `close`; the other two only by failure or when they are cancelled then.
        try await group.next()
        group.cancelAll()
        while true {
          do { if try await group.next() == nil { break } } catch is CancellationError {}
        }
      } catch {
        fail(error)
        group.cancelAll()
        throw error
      }
    }
  }
  /// Lets what is queued be written, then ends `run`.
  public func close() {
    state.withLock { $0.isClosed = true }
    bell.finish()
  }
  private func fail(_ error: any Error) {
    let (queue, room) = state.withLock { state in
      state.failure = state.failure ?? error
      defer { (state.queue, state.head, state.room) = ([], 0, []) }
      return (state.queue[state.head...], state.room)
    }
    for waiting in queue { waiting.promise.fail(Self.unknown(error)) }
    for waiting in room { waiting.promise.fail(TallyError(.unavailable, "the node is stopping")) }
  }
  /// What those hear whose records were handed over: other copies may have them already, whatever this disk has.
  private static func unknown(_ error: any Error) -> TallyError {
    TallyError(
      .unknownOutcome,
      "the node stopped before its journal was written",
      detail: (error as? DiskFailure)?.message,
      hint: "repeat the request with the same key"
    )
  }
  /// Why the disk ended `run`; nil while it did not.
  public var diskFailure: DiskFailure? { state.withLock { $0.failure as? DiskFailure } }
  private func write() async throws {
    while try await bell.receive() != nil { while try await writeGroup() {} }
    while try await writeGroup() {}
    let file = state.withLock { state in
      defer { state.cursor.file = nil }
      return state.cursor.file
    }
    await file?.close()
  }
  /// Takes queued records up to the size of a group.
  private func takeGroup() -> [Waiting] {
    state.withLock { state in
      var taken: [Waiting] = []
      var bytes = 0
      while state.head < state.queue.count, taken.isEmpty || bytes + state.queue[state.head].bytes <= settings.groupBytes {
        bytes += state.queue[state.head].bytes
        taken.append(state.queue[state.head])
        state.head += 1
      }
      if state.head == state.queue.count {
        state.queue.removeAll(keepingCapacity: true)
        state.head = 0
      } else if state.head > 256 {
        state.queue.removeFirst(state.head)
        state.head = 0
      }
      return taken
    }
  }
  private func writeGroup() async throws -> Bool {
    let taken = takeGroup()
    if taken.isEmpty { return false }
    do { try await write(taken) } catch {
      for waiting in taken { waiting.promise.fail(Self.unknown(error)) }
      throw error
    }
    return true
  }
  private func write(_ taken: [Waiting]) async throws {
    let records = taken.flatMap(\.records)
    let (known, endedFile) = state.withLock { ($0.cursor, $0.endedFile) }
    var cursor = known
    let bodyBytes = records.reduce(0) { $0 + $1.entry.body.count }
    let needed = GroupFormat.aligned(GroupFormat.frontBytes(records: records.count, bodyBytes: bodyBytes).total)
    if cursor.offset + needed > cursor.bytes || cursor.number <= endedFile { cursor = try await rotate(cursor, needed) }
    let file: any DiskFile
    if let open = cursor.file {
      file = open
    } else {
      file = try await disk.open(JournalFormat.path(cursor.number), .readWrite, lane: .journal)
      cursor.file = file
    }
    let group = GroupFormat.encode(
      file: cursor.number,
      number: cursor.group,
      knownDurable: cursor.group - 1,
      previous: cursor.previous,
      records: records
    )
    // The shards pin the file before the write begins, so that a release racing it cannot unlink the file.
    state.withLock { state in
      if state.used.last?.number != cursor.number {
        state.used.append(UsedFile(number: cursor.number, bytes: cursor.bytes, highest: [:]))
      }
      for record in records {
        let highest = state.used[state.used.count - 1].highest[record.shard] ?? LogPosition(0)
        state.used[state.used.count - 1].highest[record.shard] = max(highest, record.entry.position)
        // A copy that begins again writes positions that its log before was released of: these are needed.
        if let released = state.released[record.shard], released >= record.entry.position {
          state.released[record.shard] = LogPosition(record.entry.position.rawValue - 1)
        }
      }
    }
    try await file.write(group.pieces, at: UInt64(cursor.offset), sync: !isPlanted(.acknowledgeBeforeSync))
    let place = JournalPlace(file: cursor.number, group: cursor.group)
    cursor.offset += needed
    cursor.group += 1
    cursor.previous = group.hash
    let (header, start) = (group.pieces[0].count - records.count * GroupFormat.recordHeaderBytes, cursor.offset - needed)
    let admitted = try state.withLock { state -> [Promise<Void>] in
      var body = start + group.pieces[0].count
      for (at, record) in records.enumerated() {
        let place = JournalIndex.Place(
          position: record.entry.position,
          epoch: record.entry.epoch,
          file: cursor.number,
          header: start + header + at * GroupFormat.recordHeaderBytes,
          body: body,
          bodyBytes: record.entry.body.count
        )
        body += record.entry.body.count
        if record.entry.kind == .cut {
          state.index.cut(record.shard, from: record.entry.position)
          // A log that was cut away whole needs no file from before, and damage there is none of its.
          if record.entry.position == LogPosition(1) {
            // The last file's too: what follows in it is added again below.
            for at in state.used.indices { state.used[at].highest[record.shard] = nil }
          } else {
            for at in state.used.indices { state.used[at].cut(record.shard, from: record.entry.position) }
          }
        } else {
          try state.index.add(place, of: record.shard)
          // A cut before it in the group may have lowered that.
          let highest = state.used[state.used.count - 1].highest[record.shard] ?? LogPosition(0)
          state.used[state.used.count - 1].highest[record.shard] = max(highest, record.entry.position)
        }
      }
      state.cursor = cursor
      state.bytesInFlight -= taken.reduce(0) { $0 + $1.bytes }
      state.writtenBytes += UInt64(needed)
      state.groups += 1
      var admitted: [Promise<Void>] = []
      var promised = state.bytesInFlight
      while let first = state.room.first, promised == 0 || promised + first.bytes <= settings.inFlightBytesMax {
        promised += first.bytes
        admitted.append(first.promise)
        state.room.removeFirst()
      }
      return admitted
    }
    for waiting in taken { waiting.promise.fulfil(place) }
    for promise in admitted { promise.fulfil(()) }
  }
  private func rotate(_ old: Cursor, _ needed: Int) async throws -> Cursor {
    guard let next = try await prepared.receive() else { throw CancellationError() }
    _ = wanted.trySend(())
    await old.file?.close()
    var cursor = old
    cursor.file = try await disk.open(JournalFormat.path(next.number), .readWrite, lane: .journal)
    (cursor.number, cursor.bytes, cursor.offset) = (next.number, next.bytes, GroupFormat.block)
    if GroupFormat.block + needed > next.bytes {
      // A single entry larger than a file: the file grows for it, zeros first.
      let wider = GroupFormat.aligned(GroupFormat.block + needed)
      try await cursor.file?.write(Self.zeros(wider - next.bytes), at: UInt64(next.bytes), sync: true)
      cursor.bytes = wider
    }
    _ = releaseBell.trySend(())
    return cursor
  }

  // MARK: Files ahead and behind

  static func zeros(_ count: Int) -> [[UInt8]] {
    let unit = [UInt8](repeating: 0, count: min(count, 1 << 20))
    var pieces = [[UInt8]](repeating: unit, count: count / max(1, unit.count))
    if unit.count > 0, count % unit.count > 0 { pieces.append(Array(unit.prefix(count % unit.count))) }
    return pieces
  }
  private func prepare() async throws {
    while try await wanted.receive() != nil {
      let number = state.withLock { state in
        defer { state.nextNumber += 1 }
        return state.nextNumber
      }
      let header = GroupFormat.encode(
        GroupFormat.FileHeader(
          magic: GroupFormat.journalMagic,
          cluster: cluster,
          owner: node.rawValue,
          number: number
        )
      )
      let bytes = max(settings.fileBytes, 2 * GroupFormat.block)
      let zeros = isPlanted(.journalNotZeroed) ? [] : Self.zeros(bytes - header.count)
      while try await !hasPrepared(number, [header] + zeros) {
        guard try await again.receive() != nil else { return }
      }
      try await prepared.send(PreparedFile(number: number, bytes: bytes))
    }
  }
  /// Writes a file of zeros; false when there is no room for it now. Never inside a group, so that nothing acknowledged depends on it.
  private func hasPrepared(_ number: UInt64, _ pieces: [[UInt8]]) async throws -> Bool {
    let path = JournalFormat.path(number)
    do { try await disk.writeDurably(path, pieces) } catch let failure as DiskFailure where failure.kind == .full {
      state.withLock { $0.isStarved = true }
      // What was written of it takes the room that it lacks.
      do { try await disk.remove(path + ".tmp") } catch let failure as DiskFailure where failure.kind == .notFound {}
      return false
    }
    state.withLock { $0.isStarved = false }
    return true
  }
  private func reclaim() async throws {
    while try await releaseBell.receive() != nil {
      // Oldest first and one at a time, so that the numbers left are dense after any crash.
      while let number = oldestUnneeded() {
        try await disk.remove(JournalFormat.path(number))
        try await disk.syncDirectory(JournalFormat.directory)
        state.withLock { state in
          if state.used.first?.number == number { state.used.removeFirst() }
          state.index.forget(file: number)
        }
      }
    }
  }
  private func oldestUnneeded() -> UInt64? {
    state.withLock { state in
      guard let oldest = state.used.first, oldest.number < state.cursor.number else { return nil }
      let isNeeded = oldest.highest.contains { shard, highest in
        highest > min(state.released[shard] ?? LogPosition(0), state.pins[shard]?.values.min() ?? LogPosition(.max))
      }
      return isNeeded ? nil : oldest.number
    }
  }
  func wakeReclaim() { _ = releaseBell.trySend(()) }
}
