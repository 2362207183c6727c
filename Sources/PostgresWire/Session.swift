// Session.swift — one client's session: takes messages in order, keeps the transaction's status, answers errors.
//
// An actor whose work is one loop. Each statement runs in a child task, so that it can be ended while the session goes on; the loop
// waits for it, so nothing here runs side by side. Output gathers in `out` and goes out when it is large, at Flush, at
// ReadyForQuery. Simple protocol: Session+Simple; extended: Session+Extended; what the session does itself: Session+Control,
// Session+Transactions; rows: Session+Rows; COPY: Session+Copy.
//
// A cycle is one Query message, or everything up to a Sync: without BEGIN it is one implicit transaction. One whose only statement that
// writes is its last takes effect by itself (Session+Cycle); the engine decides what a transaction means.

internal import Bytes
internal import Capabilities
internal import Model

actor Session {
  /// Where the transaction stands, as ReadyForQuery tells it.
  enum Block: UInt8 {
    case idle = 0x49
    case open = 0x54
    case failed = 0x45
  }
  /// Output goes out when it is this large.
  static let flushBytes = 64 << 10

  let client: ClientConnection
  let connection: any Connection
  let server: PostgresServer
  let engine: any SQLSession
  private let key: CancelKey
  private let statement: RunningStatement
  private var framing: MessageFraming

  var out = ByteWriter(capacity: 1024)
  var encoder = RowEncoder()
  var block = Block.idle
  /// Several statements came in the Query message under way.
  var hasCompany = false
  /// The engine was told of an implicit transaction, whose end it will be told of.
  var isImplicit = false
  /// The cycle under way is of the extended protocol.
  private var skipsToSync = false
  var settings: SessionSettings
  private var reported: [String: String] = [:]
  /// State of the settings that `reported` and the limits below were taken from.
  private var seenChanges = -1
  private var statementMilliseconds = 0
  private var idleMilliseconds = 0
  private var idleInBlockMilliseconds = 0
  var statements: [String: PreparedStatement] = [:]
  var portals: [String: Portal] = [:]
  /// Rows to encode at once; follows their size.
  var blockRows = 32

  init(
    _ client: ClientConnection,
    _ greeted: Greeting,
    _ engine: any SQLSession,
    key: CancelKey,
    settings: SessionSettings,
    greeting: [UInt8]
  ) {
    self.client = client
    self.engine = engine
    self.key = key
    self.settings = settings
    connection = greeted.connection
    framing = greeted.framing
    server = client.server
    statement = client.statement
    out.bytes(greeting)
  }

  /// Serves until the client goes or is let go.
  func run() async {
    do {
      reportSettings()
      out.backendKeyData(key)
      try await ready()
      while let raw = try await nextMessage() {
        if raw.type == UInt8(ascii: "X") { break }
        try await take(raw)
      }
    } catch let error as TallyError {
      await endFatally(error)
    } catch {}  // Nobody is left to be told.
    await finish()
  }
  /// Gives back what the session holds; the last call.
  func finish() async {
    for name in portals.keys.sorted() { portals[name]?.close() }
    server.cancels.forget(key)
    await engine.close()
  }
  private func endFatally(_ error: TallyError) async {
    server.log.info("postgres-session-ended", ("peer", client.peer), ("reason", error.message))
    ServerReport(error, .fatal).write(into: &out)
    let clock = server.clock
    let limit = clock.now + .seconds(1)
    let bytes = out.snapshot()
    let (connection, inbox) = (self.connection, client.inbox)
    do {
      // A client that reads nothing is not waited for.
      try await withDeadline(limit, clock) { try await connection.send(bytes) }
    } catch { return }
    await inbox.drain(until: limit, clock)
  }

  // MARK: Input and output

  /// The type of the next message, when its first byte is here.
  var nextType: UInt8? { framing.nextType }
  func push(_ chunks: [[UInt8]]) { for chunk in chunks { framing.push(chunk) } }

  /// The next message; nil when the client has closed. A `TallyError` here is fatal.
  private func nextMessage() async throws -> RawMessage? {
    while true {
      if client.inbox.isStopped { throw PostgresServer.terminated }
      if let raw = try framing.message(max: server.options.limits.messageBytesMax) {
        isReady = false
        return raw
      }
      switch client.inbox.take(withinStatement: false) {
      case .bytes(let chunks): for chunk in chunks { framing.push(chunk) }
      case .ended: return nil
      case .stopped: throw PostgresServer.terminated
      case .nothing:
        try Task.checkCancellation()
        let (deadline, error) = idleLimit()
        if server.clock.now >= deadline, let error { throw error }
        await client.inbox.wait(until: deadline, server.clock)
      }
    }
  }
  private func idleLimit() -> (Instant, TallyError?) {
    let milliseconds = block == .idle ? idleMilliseconds : idleInBlockMilliseconds
    guard isReady, milliseconds > 0 else { return (.distantFuture, nil) }
    let error =
      block == .idle
      ? TallyError(.timedOut, "terminating connection due to idle-session timeout", sqlState: "57P05")
      : TallyError(.timedOut, "terminating connection due to idle-in-transaction timeout", sqlState: "25P03")
    return (lastReady + .milliseconds(milliseconds), error)
  }
  /// When the session last had nothing to do.
  private var lastReady = Instant(nanoseconds: 0)
  /// The client was told that the session is ready and has sent nothing since: within a cycle it is not idle.
  private var isReady = false

  /// Data of a COPY under way that is here already: small messages cost little when they are taken together.
  func readyCopyData() -> [UInt8] {
    framing.copyData(upTo: Self.flushBytes, max: server.options.limits.messageBytesMax)
  }
  /// The next message of a COPY under way; a fatal error of the framing ends the statement too.
  func nextMessageWithinStatement() async throws -> FrontendMessage {
    while true {
      if let raw = try framing.message(max: server.options.limits.messageBytesMax) { return try FrontendMessage(raw) }
      switch client.inbox.take(withinStatement: true) {
      case .bytes(let chunks): for chunk in chunks { framing.push(chunk) }
      case .ended, .stopped: throw ConnectionEnded()
      case .nothing:
        try Task.checkCancellation()
        await client.inbox.wait(until: .distantFuture, server.clock)
      }
    }
  }
  /// Sends what has gathered. What a cancelled statement could not send is kept: the messages stay whole and in order.
  func flush() async throws {
    guard out.count > 0 else { return }
    let bytes = out.snapshot()
    out.clear(capacity: 1024)
    do {
      try await connection.send(bytes)
    } catch is CancellationError {
      let behind = out.snapshot()
      out.removeAll()
      out.bytes(bytes)
      out.bytes(behind)
      throw CancellationError()
    } catch { throw ConnectionEnded() }
  }
  /// Ends a cycle.
  func ready() async throws {
    finishCycle(failed: false)
    reportSettings()
    out.readyForQuery(block.rawValue)
    lastReady = server.clock.now
    isReady = true
    try await flush()
  }
  private func reportSettings() {
    if settings.changes == seenChanges { return }
    lookUpLimits()
    for name in SettingDefinition.reported {
      let value = settings[name] ?? ""
      if reported[name] == value { continue }
      reported[name] = value
      out.parameterStatus(SessionSettings.spelling(name), value)
    }
  }

  private func lookUpLimits() {
    seenChanges = settings.changes
    statementMilliseconds = settings.milliseconds("statement_timeout")
    idleMilliseconds = settings.milliseconds("idle_session_timeout")
    idleInBlockMilliseconds = settings.milliseconds("idle_in_transaction_session_timeout")
  }

  // MARK: Messages

  private func take(_ raw: RawMessage) async throws {
    if skipsToSync && raw.type != UInt8(ascii: "S") { return }
    do {
      switch try FrontendMessage(raw) {
      case .query(let text):
        try await query(text)
        try await ready()
      case .parse(let name, let text, let types): try await parse(name, text, types)
      case .bind(let portal, let statement, let formats, let values, let resultFormats):
        try await bind(portal, statement, formats, values, resultFormats)
      case .describe(let target, let name): try await describe(target, name)
      case .execute(let portal, let limit): try await execute(portal, limit)
      case .close(let target, let name): close(target, name)
      case .flush: try await flush()
      case .sync:
        skipsToSync = false
        try await sync()
      case .functionCall:
        throw TallyError.sql("0A000", "function calls by the protocol are not supported", hint: "Use SELECT function(…).")
      case .password:
        throw TallyError(.protocolViolation, "unexpected password message")
      // Left over from a COPY that failed.
      case .copyData, .copyDone, .copyFail: break
      case .terminate: break
      }
    } catch {
      try await answer(error, FrontendMessage.isExtended(raw.type))
    }
  }
  /// Answers an error: once, then nothing until the cycle's end.
  func answer(_ error: any Error, _ isExtended: Bool) async throws {
    if error is ConnectionEnded || error is CancellationError { throw ConnectionEnded() }
    let report = Self.report(error)
    if report.severity == .fatal || report.error == PostgresServer.terminated { throw report.error }
    if report.error.status == .internalError {
      server.log.error("postgres-statement-failed", ("peer", client.peer), ("error", report.error.description))
    }
    report.write(into: &out)
    await dropImplicit()
    finishCycle(failed: true)
    if isExtended {
      skipsToSync = true
      // A client may wait for the error before it sends its Sync, and its Flush is one of the messages that are skipped.
      try await flush()
    } else {
      try await ready()
    }
  }
  private static func report(_ error: any Error) -> ServerReport {
    switch error {
    case let report as ServerReport: report
    case let error as TallyError: ServerReport(error)
    case is DeadlineExceeded: ServerReport(TallyError(.timedOut, "the deadline passed"))
    case let failure as NetworkFailure: ServerReport(TallyError(.unavailable, failure.message))
    default: ServerReport(TallyError(.internalError, "\(error)"))
    }
  }
  /// Ends what lasts no longer than a cycle.
  private func finishCycle(failed: Bool) {
    switch (block, failed) {
    case (.idle, _):
      if settings.isOpen { failed ? settings.rollBack() : settings.commit() }
      endPortals(hasCommitted: !failed)
    case (_, true):
      block = .failed
      // What was made before the innermost savepoint is there again after ROLLBACK TO; the rest is known until then, and gives no rows.
      for portal in portals.values where isBehind(portal, settings.savepoints) { portal.close() }
    case (_, false): break
    }
  }
  /// Closes the portals that a transaction's end closes: all of its own when it is undone, and when it has committed all but held ones.
  func endPortals(hasCommitted: Bool) {
    for (name, portal) in portals where !portal.isCommitted {
      if hasCommitted, portal.isHeld {
        portals[name]?.isCommitted = true
      } else {
        portal.close()
        portals[name] = nil
      }
    }
  }
  /// Closes the portals of the transaction under way that were made behind its savepoint of a number; 0 is its beginning.
  func closePortals(behind savepoint: Int) {
    for (name, portal) in portals where isBehind(portal, savepoint) {
      portal.close()
      portals[name] = nil
    }
  }
  private func isBehind(_ portal: Portal, _ savepoint: Int) -> Bool { !portal.isCommitted && portal.depth >= savepoint }

  // MARK: Statements

  /// Runs `body` as a statement that can be ended from outside, within statement_timeout.
  func asStatement<R: Sendable>(
    readsOnly: Bool,
    _ body: @escaping @Sendable (isolated Session, StatementContext) async throws -> R
  ) async throws -> R {
    if !settings.isOpen { settings.begin() }
    // Within a cycle a SET counts at once; what clients are told follows at its end.
    let milliseconds = settings.changes == seenChanges ? statementMilliseconds : settings.milliseconds("statement_timeout")
    let deadline = milliseconds > 0 ? server.clock.now + .milliseconds(milliseconds) : .distantFuture
    let context = StatementContext(
      settings: settings,
      block: block != .idle ? .explicit : hasCompany || isImplicit ? .implicit : .none,
      deadline: deadline
    )
    let statement = self.statement
    let number = statement.begin(readsOnly: readsOnly)
    // One that rings late must not end the next statement.
    let alarm = milliseconds > 0 ? server.clock.alarm(at: deadline) { statement.stop(.timeout, only: number) } : nil
    defer { alarm?.cancel() }
    do {
      async let result = attached(context, body)
      let value = try await result
      _ = statement.end()
      return value
    } catch {
      guard let reason = statement.end() else { throw error }
      if reason == .clientGone { throw ConnectionEnded() }
      let status = (error as? TallyError)?.status ?? (error as? ServerReport)?.error.status
      throw error is CancellationError || status == .cancelled || status == .timedOut ? reason.error : error
    }
  }
  private func attached<R: Sendable>(
    _ context: StatementContext,
    _ body: @Sendable (isolated Session, StatementContext) async throws -> R
  ) async throws -> R {
    withUnsafeCurrentTask { statement.attach($0) }
    defer { statement.detach() }
    return try await body(self, context)
  }
  /// 25P02 for statements that a failed transaction does not take.
  func checkNotFailed(_ statement: EngineStatement?) throws(TallyError) {
    guard block == .failed else { return }
    switch statement?.kind {
    case .commit, .rollback, .rollBackTo, nil: return
    default:
      throw .sql("25P02", "current transaction is aborted, commands ignored until end of transaction block")
    }
  }
  /// Sends a notice unless client_min_messages hides it.
  func notice(_ report: ServerReport) {
    switch settings["client_min_messages"] {
    case "error": return
    case "warning" where report.severity == .notice: return
    default: report.write(into: &out)
    }
  }
  /// An error of the engine with its position in the whole text that came.
  static func located(_ error: any Error, _ statement: EngineStatement) -> any Error {
    guard statement.offset > 0 else { return error }
    if var report = error as? ServerReport, let position = report.error.position {
      report.error.position = position + statement.offset
      return report
    }
    if var error = error as? TallyError, let position = error.position {
      error.position = position + statement.offset
      return error
    }
    return error
  }
}
