// SimulatedFile.swift — an open file on a simulated disk. Its operations take their turns in the order of their calls.
internal import Bytes
internal import Capabilities
internal import Synchronization

/// An open file.
final class SimulatedFile: DiskFile {
  private let disk: SimulatedDisk
  private let sealed: Sealed
  private let path: String
  private let isWritable: Bool
  private struct State {
    var isClosed = false
    var isBusy = false
    var line: [Promise<Bool>] = []
  }
  private let state = Mutex(State())

  init(_ disk: SimulatedDisk, _ sealed: Sealed, _ path: String, isWritable: Bool) {
    self.disk = disk
    self.sealed = sealed
    self.path = path
    self.isWritable = isWritable
  }

  func read(at position: UInt64, count: Int) async throws -> [UInt8] {
    try await inOrder(2_000...200_000) { file in
      try file.disk.read { _ in
        let content = file.sealed.node.content
        guard position < UInt64(content.count), count > 0 else { return [] }
        let from = Int(position)
        return Array(content[from..<from + min(count, content.count - from)])
      }
    }
  }
  func write(_ pieces: [[UInt8]], at position: UInt64, sync: Bool) async throws {
    var bytes = pieces.first ?? []
    if pieces.count > 1 {
      bytes.reserveCapacity(pieces.reduce(0) { $0 + $1.count })
      for piece in pieces.dropFirst() { bytes += piece }
    }
    let whole = bytes
    try await put(whole, at: position)
    if sync { try await self.sync() }
  }
  private func put(_ bytes: [UInt8], at position: UInt64) async throws {
    try await inOrder(2_000...100_000) { file in
      if !file.isWritable { throw DiskFailure(.io, "write \(file.path): open for reading only") }
      if position > 1 << 40 {
        throw DiskFailure(.full, "write \(file.path): position \(position) is too far")
      }
      try file.disk.change("write", resizes: false) { state in
        let part = file.disk.draw(below: UInt64(bytes.count + 1))
        state.counted = nil
        if part > 0 { file.sealed.node.write(Array(bytes.prefix(Int(part))), at: Int(position)) }
      } _: { state in
        let growth = Int(position) + bytes.count - file.sealed.node.content.count
        if growth > 0 { try file.disk.requireRoom(growth, &state) }
        if !bytes.isEmpty { file.sealed.node.write(bytes, at: Int(position)) }
        if growth > 0 { state.counted = nil }
      }
    }
  }
  func sync() async throws {
    try await inOrder(100_000...2_000_000) { file in
      try file.disk.change("sync", isSync: true, resizes: false) { _ in file.sealed.node.pending = [] }
    }
  }
  func size() async throws -> UInt64 {
    try await inOrder(1_000...5_000) { file in
      try file.disk.look { _ in UInt64(file.sealed.node.content.count) }
    }
  }
  func close() async {
    await takeTurn()
    state.withLock { $0.isClosed = true }
    passTurn()
  }

  private func inOrder<R: Sendable>(
    _ delay: ClosedRange<UInt64>,
    _ body: @Sendable (SimulatedFile) throws -> R
  ) async throws -> R {
    await takeTurn()
    defer { passTurn() }
    if state.withLock({ $0.isClosed }) { throw DiskFailure(.io, "\(path) is closed") }
    try await disk.delay(delay)
    return try body(self)
  }
  private func takeTurn() async {
    let turn = state.withLock { state -> Promise<Bool>? in
      if !state.isBusy {
        state.isBusy = true
        return nil
      }
      let promise = Promise<Bool>()
      state.line.append(promise)
      return promise
    }
    guard let turn else { return }
    do { _ = try await turn.value } catch { invariant(false, "a turn was failed: \(error)") }
  }
  private func passTurn() {
    let next = state.withLock { state -> Promise<Bool>? in
      if !state.line.isEmpty { return state.line.removeFirst() }
      state.isBusy = false
      return nil
    }
    next?.fulfil(true)
  }
}
