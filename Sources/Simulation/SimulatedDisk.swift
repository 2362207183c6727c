// SimulatedDisk.swift — the Disk capability in memory, with crashes, failures and counted operations.
//
// Without an executor every operation completes at once: a test of storage needs nothing else. With one, operations take
// virtual time. Operations that change something are counted from 1 (`write(sync: true)` is two: the write, the sync);
// the disk can be told to crash after the n-th (it takes effect, but neither it nor any later operation returns: they
// throw `SimulatedCrash`), or to fail the n-th. A failed sync is a crash (rule D8).

internal import Bytes
public import Capabilities
internal import Synchronization

/// Thrown by every disk operation from the crash on; what a test catches, and flows let through.
public struct SimulatedCrash: Error, Sendable {
  /// Makes the error.
  public init() {}
}

/// One machine's disk, until its next crash.
public final class SimulatedDisk: Disk, @unchecked Sendable {
  // Safe: `state` is touched under its mutex only; nodes of the tree are reached through it.
  struct State {
    var tree: DiskTree
    var operations: UInt64 = 0
    var crashAfter = UInt64.max
    var failures: [UInt64: DiskFailure.Kind] = [:]
    var readFailures: [UInt64: DiskFailure.Kind] = [:]
    var reads: UInt64 = 0
    var isCrashed = false
    /// Until when nothing more fits on it.
    var fullUntil: UInt64 = 0
    /// Bytes that files of others take of the volume.
    var foreign: UInt64 = 0
    /// Until when operations take so much longer, in nanoseconds.
    var slowness: (until: UInt64, by: ClosedRange<UInt64>)?
    var locks: Set<String> = []
    /// Bytes of all files; nil after a change.
    var counted: Int?

    /// Bytes of all files.
    mutating func used() -> Int {
      let bytes = counted ?? tree.used
      counted = bytes
      return bytes
    }
  }
  private final class Box: @unchecked Sendable {
    // Safe: used under the mutex only.
    var state: State
    init(_ state: State) { self.state = state }
  }
  private let mutex: Mutex<Void> = Mutex(())
  private let box: Box
  private let random: SeededGenerator
  private let capacity: UInt64
  private let lifeline: Lifeline?
  /// Called once when `crashAfter` or a failed sync stops the machine.
  private let onCrash: (@Sendable () -> Void)?

  /// Makes an empty disk whose operations complete at once.
  public convenience init(seed: UInt64, capacity: UInt64 = 1 << 40) {
    self.init(DiskTree(), SeededGenerator(seed: seed), capacity, nil, nil)
  }
  init(
    _ tree: DiskTree,
    _ random: SeededGenerator,
    _ capacity: UInt64,
    _ lifeline: Lifeline?,
    _ onCrash: (@Sendable () -> Void)?
  ) {
    box = Box(State(tree: tree))
    self.random = random
    self.capacity = capacity
    self.lifeline = lifeline
    self.onCrash = onCrash
  }
  private func locked<R>(_ body: (inout State) throws -> R) rethrows -> R {
    try mutex.withLock { _ in try body(&box.state) }
  }

  // MARK: Control

  /// Operations that changed something, so far.
  public var operations: UInt64 { locked { $0.operations } }
  /// True once it crashed.
  public var isCrashed: Bool { locked { $0.isCrashed } }
  /// Lets operation number `operation` take effect, and nothing after it.
  public func crashAfter(operation: UInt64) { locked { $0.crashAfter = operation } }
  /// Fails operation number `operation`; a write then leaves a part of its bytes.
  public func fail(operation: UInt64, _ kind: DiskFailure.Kind) {
    locked { $0.failures[operation] = kind }
  }
  /// Fails the `read`-th read from now (0 is the next).
  public func failRead(after read: UInt64, _ kind: DiskFailure.Kind) {
    locked { $0.readFailures[$0.reads + read + 1] = kind }
  }
  /// Takes back the failures that have not come yet.
  func forgetFailures() { locked { ($0.failures, $0.readFailures) = ([:], [:]) } }
  /// Has nothing fit on it any more for a time.
  func fill(for time: Duration) {
    guard let lifeline else { return }
    let until = (Instant(nanoseconds: lifeline.now) + time).nanoseconds
    locked { $0.fullUntil = until }
  }
  /// Has files of others take all of the volume but so many bytes, until told otherwise; nil: they are gone.
  func leaveFree(_ bytes: UInt64?) {
    locked { state in state.foreign = bytes.map { capacity - min(capacity, UInt64(state.used()) + $0) } ?? 0 }
  }
  /// Has operations that begin within a time take so much longer.
  func slow(for time: Duration, by extra: ClosedRange<UInt64>) {
    guard let lifeline else { return }
    let until = (Instant(nanoseconds: lifeline.now) + time).nanoseconds
    locked { $0.slowness = (until, extra) }
  }
  /// Flips bits of a byte of a file, unnoticed.
  public func corrupt(_ path: String, at offset: Int, xor bits: UInt8) throws {
    try locked { try $0.tree.file(path).content[offset] ^= bits }
  }
  /// A copy of everything it holds.
  func image() -> SimulatedDiskImage { locked { SimulatedDiskImage(tree: $0.tree.copy()) } }
  /// Cuts the power now: this disk is dead, the returned one holds what survived, chosen by the seed.
  public func crashAndRecover() -> SimulatedDisk { recovered(losingPower: true, lifeline, onCrash) }
  /// The disk after its process was killed (names and contents stay, locks do not) or its machine lost power.
  func recovered(
    losingPower: Bool,
    _ lifeline: Lifeline?,
    _ onCrash: (@Sendable () -> Void)?
  ) -> SimulatedDisk {
    locked { state in
      state.isCrashed = true
      let next = random.fork("crash \(random.next())")
      let tree = losingPower ? state.tree.afterPowerCut(next) : state.tree
      let disk = SimulatedDisk(tree, next, capacity, lifeline, onCrash)
      disk.locked { $0.foreign = state.foreign }
      return disk
    }
  }

  // MARK: Operations

  /// Lets virtual time pass, if there is any.
  func delay(_ range: ClosedRange<UInt64>) async throws {
    guard let lifeline else { return }
    var time = random.next(in: range)
    if let slowness = locked({ $0.slowness }), lifeline.now < slowness.until { time += random.next(in: slowness.by) }
    try await lifeline.pause("disk", time)
  }
  /// Reads the tree.
  func look<R>(_ body: (inout State) throws -> R) throws -> R {
    try locked { state in
      if state.isCrashed { throw SimulatedCrash() }
      return try body(&state)
    }
  }
  /// Changes the tree: counted, failed or crashed as told. `partly` is what a failing operation still does. `resizes` is false when bytes
  /// of all files stay as many, or the body says itself that they do not.
  func change<R>(
    _ name: StaticString,
    isSync: Bool = false,
    resizes: Bool = true,
    partly: (inout State) throws -> Void = { _ in },
    _ body: (inout State) throws -> R
  ) throws -> R {
    lifeline?.executor.note(name)
    var mustReport = false
    defer { if mustReport { onCrash?() } }
    return try locked { state in
      if state.isCrashed { throw SimulatedCrash() }
      state.operations += 1
      if resizes { state.counted = nil }
      let isLast = state.operations >= state.crashAfter
      if let kind = state.failures[state.operations] {
        if isSync || isLast {
          state.isCrashed = true
          mustReport = true
          throw SimulatedCrash()
        }
        try partly(&state)
        throw DiskFailure(kind, "\(name): injected failure")
      }
      if isLast {
        state.isCrashed = true
        mustReport = true
        // A sync that never returned has promised nothing.
        if !isSync { _ = try body(&state) }
        throw SimulatedCrash()
      }
      return try body(&state)
    }
  }
  func read<R>(_ body: (inout State) throws -> R) throws -> R {
    try look { state in
      state.reads += 1
      if let kind = state.readFailures[state.reads] {
        throw DiskFailure(kind, "read: injected failure")
      }
      return try body(&state)
    }
  }
  func requireRoom(_ bytes: Int, _ state: inout State) throws {
    let isBounded = capacity < 1 << 40 || state.foreign > 0
    if isFull(state) || (isBounded && UInt64(state.used() + bytes) + state.foreign > capacity) {
      throw DiskFailure(.full, "the simulated disk is full")
    }
  }
  /// A number below `bound`.
  func draw(below bound: UInt64) -> UInt64 { random.next(below: bound) }
  private func isFull(_ state: State) -> Bool { lifeline.map { $0.now < state.fullUntil } ?? false }

  /// Opens a file.
  public func open(_ path: String, _ mode: OpenMode, lane: DiskLane) async throws -> any DiskFile {
    try await delay(5_000...60_000)
    if mode == .create {
      let node = try change("create") { state in Sealed(try state.tree.create(path)) }
      return SimulatedFile(self, node, path, isWritable: true)
    }
    let node = try look { state in Sealed(try state.tree.file(path)) }
    return SimulatedFile(self, node, path, isWritable: mode == .readWrite)
  }
  /// Maps a file: a copy of its bytes.
  public func map(_ path: String) async throws -> FileImage {
    try await delay(5_000...60_000)
    return try read { state in FileImage(copying: try state.tree.file(path).content) }
  }
  /// Lists a directory.
  public func list(_ directory: String) async throws -> [DirectoryEntry] {
    try await delay(5_000...60_000)
    return try look { state in try state.tree.list(directory) }
  }
  /// Creates a directory and its parents.
  public func createDirectory(_ path: String) async throws {
    try await delay(5_000...60_000)
    try change("create-directory") { state in try state.tree.createDirectory(path) }
  }
  /// Renames.
  public func rename(_ from: String, to: String) async throws {
    try await delay(5_000...60_000)
    try change("rename") { state in try state.tree.rename(from, to: to) }
  }
  /// Removes a file or an empty directory.
  public func remove(_ path: String) async throws {
    try await delay(5_000...60_000)
    try change("remove") { state in try state.tree.remove(path) }
  }
  /// Makes names durable.
  public func syncDirectory(_ path: String) async throws {
    try await delay(100_000...2_000_000)
    try change("sync-directory", isSync: true, resizes: false) { state in try state.tree.syncDirectory(path) }
  }
  /// Bytes left and all.
  public func volume() async throws -> VolumeFacts {
    try await delay(1_000...5_000)
    return try look { state in
      let taken = min(capacity, UInt64(state.used()) + state.foreign)
      return VolumeFacts(freeBytes: isFull(state) ? 0 : capacity - taken, totalBytes: capacity)
    }
  }
  /// Nothing is cached.
  public func dropCached(_ path: String) async throws { try await delay(1_000...5_000) }
  /// Locks a file.
  public func lock(_ path: String) async throws -> any DiskLock {
    try await delay(5_000...60_000)
    try look { state in
      if !state.locks.insert(path).inserted { throw DiskFailure(.locked, "\(path) is locked") }
    }
    return SimulatedLock(self, path)
  }
  func unlock(_ path: String) { locked { _ = $0.locks.remove(path) } }
}

/// What a disk held at a moment.
public struct SimulatedDiskImage: @unchecked Sendable {
  // Safe: never changed; a disk gets a copy.
  let tree: DiskTree
}

/// A node of the tree, carried outside of the disk's lock but opened only inside.
struct Sealed: @unchecked Sendable {
  // Safe: `node` is touched under the disk's mutex only.
  let node: DiskNode
  init(_ node: DiskNode) { self.node = node }
}

/// A held lock.
private final class SimulatedLock: DiskLock {
  private let disk: SimulatedDisk
  private let path: String
  init(_ disk: SimulatedDisk, _ path: String) {
    self.disk = disk
    self.path = path
  }
  deinit { release() }
  func release() { disk.unlock(path) }
}
