// StatementExchange.swift — what one running statement exchanges with its client besides rows: COPY data, notices, settings.
//
//   COPY … FROM STDIN   CopyInResponse; then the client's CopyData …, CopyDone or CopyFail. Flush and Sync in between mean nothing.
//   COPY … TO STDOUT    CopyOutResponse, CopyData …, CopyDone before the statement's tag.
//
// Data that a client sends before it is asked (asyncpg does) waits in the inbox; its bound is the back-pressure. What the data
// means is the engine's: text, csv and binary are cut into rows there.

internal import Bytes
internal import Model
internal import Synchronization

/// One statement's exchange.
final class StatementExchange: StatementClient {
  private enum Direction {
    case none
    case from(CopyInStream)
    case to
    case over
  }
  private let session: Session
  private let direction = Mutex(Direction.none)

  init(_ session: Session) { self.session = session }

  func notice(_ report: ServerReport) async { await session.notice(report) }
  func setting(_ name: String) async -> String? { await session.settings[name] }
  func changeSetting(_ name: String, to value: String, isLocal: Bool) async throws -> String {
    try await session.changeSetting(name, to: value, isLocal: isLocal)
  }
  private func enter(_ new: Direction) throws(TallyError) {
    try direction.withLock { direction throws(TallyError) in
      guard case .none = direction else { throw TallyError(.internalError, "a statement copies twice") }
      direction = new
    }
  }
  func copyIn(columns: Int, isBinary: Bool) async throws -> any CopyInput {
    let input = CopyInStream(session)
    try enter(.from(input))
    try await session.startCopy("G", columns: columns, isBinary: isBinary)
    return input
  }
  func copyOut(columns: Int, isBinary: Bool) async throws {
    try enter(.to)
    try await session.startCopy("H", columns: columns, isBinary: isBinary)
  }
  func sendCopyData(_ bytes: [UInt8]) async throws { try await sendCopyData(bytes, ends: [bytes.count]) }
  func sendCopyData(_ bytes: [UInt8], ends: [Int]) async throws {
    guard direction.withLock({ if case .to = $0 { true } else { false } }) else {
      throw TallyError(.internalError, "copy data outside of a copy")
    }
    try await session.sendCopyData(bytes, ends: ends)
  }
  /// The statement has succeeded: reads what the client still sends, or tells it that nothing more comes.
  func finish() async throws {
    switch end() {
    case .from(let input): while try await input.next() != nil {}
    case .to: await session.endCopyOut()
    case .none, .over: break
    }
  }
  /// The statement has failed: an error message ends either direction.
  func fail() { _ = end() }
  private func end() -> Direction {
    direction.withLock { direction in
      defer { direction = .over }
      return direction
    }
  }
}

/// The data of one COPY … FROM STDIN.
final class CopyInStream: CopyInput {
  private let session: Session
  private let isOver = Mutex(false)
  init(_ session: Session) { self.session = session }

  func next() async throws -> [UInt8]? {
    while !isOver.withLock({ $0 }) {
      let data = await session.readyCopyData()
      if !data.isEmpty {
        try Task.checkCancellation()
        return data
      }
      switch try await session.nextMessageWithinStatement() {
      case .copyData(let bytes): if !bytes.isEmpty { return bytes }
      case .copyDone: isOver.withLock { $0 = true }
      case .copyFail(let reason):
        isOver.withLock { $0 = true }
        throw TallyError(.invalid, "COPY from stdin failed: \(reason)", sqlState: "57014")
      // Sent in one go with the COPY by those who did not know that it would ask for data.
      case .flush, .sync: break
      case .terminate: throw ConnectionEnded()
      default:
        throw TallyError(.protocolViolation, "unexpected message during COPY from stdin")
      }
    }
    return nil
  }
}

extension Session {
  func startCopy(_ type: Unicode.Scalar, columns: Int, isBinary: Bool) async throws {
    out.copyResponse(type, isBinary: isBinary, columns: columns)
    try await flush()
  }
  func sendCopyData(_ bytes: [UInt8], ends: [Int]) async throws {
    var start = 0
    for end in ends {
      out.copyData(bytes, start..<end)
      start = end
      if out.count >= Self.flushBytes { try await flush() }
    }
  }
  func endCopyOut() { out.message("c") }
  func changeSetting(_ name: String, to value: String, isLocal: Bool) throws(TallyError) -> String {
    try settings.set(name, to: value, isLocal: isLocal)
    return try settings.show(name)
  }
}
