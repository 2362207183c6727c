// ClientConnection.swift — one client from its first byte to its last: greeting, login, then a reader and a session side by side.
//
// Until the login is done only this file reads, within bounds of bytes and time. Whatever breaks ends this connection: the client
// is told (FATAL) where somebody is left to be told, and given a moment to read it. Login: ClientConnection+Login.swift.

internal import Bytes
internal import Capabilities
internal import Model
internal import Synchronization

/// The end of a connection that nobody is told of: the client closed it, or it broke.
struct ConnectionEnded: Error {}

/// What a client has said once it is known who it is.
struct Greeting: Sendable {
  var connection: any Connection
  var framing: MessageFraming
  var parameters: StartupParameters
  var isEncrypted = false
}

final class ClientConnection: Sendable {
  let server: PostgresServer
  let number: UInt64
  let statement = RunningStatement()
  let inbox = Inbox()
  /// The connection as it is now: a TLS one takes the place of the plain one.
  private let connection: Mutex<any Connection>
  private let isLoggedIn = Mutex(false)
  /// A session that was opened and not served yet: the login's time may be over just then.
  private let opened = Mutex<Session?>(nil)
  let peer: String

  init(_ connection: any Connection, number: UInt64, _ server: PostgresServer) {
    self.connection = Mutex(connection)
    self.server = server
    self.number = number
    peer = connection.peer
  }
  private var current: any Connection { connection.withLock { $0 } }

  /// A fatal error as bytes.
  static func fatal(_ error: TallyError) -> [UInt8] {
    var out = ByteWriter()
    ServerReport(error, .fatal).write(into: &out)
    return out.finish()
  }

  /// Serves until the connection ends.
  func run() async {
    let limit = server.clock.now + server.options.loginTimeout
    do {
      guard let session = try await withDeadline(limit, server.clock, { try await self.admit() }) else { return close() }
      opened.withLock { $0 = nil }
      isLoggedIn.withLock { $0 = true }
      await serve(session)
    } catch is DeadlineExceeded {
      await end(TallyError(.timedOut, "canceling authentication due to timeout"))
    } catch let error as TallyError {
      await end(error)
    } catch let report as ServerReport {
      await end(report.error)
    } catch {}  // Nobody is left to be told.
    close()
    if let session = opened.withLock({ $0 }) { await session.finish() }
  }
  /// Greets and logs the client in; nil when there is nothing to serve.
  private func admit() async throws -> Session? {
    guard let greeting = try await greet(current) else { return nil }
    let session = try await logIn(greeting)
    opened.withLock { $0 = session }
    return session
  }
  private func serve(_ session: Session) async {
    let connection = current
    await withDiscardingTaskGroup { group in
      group.addTask { await self.read(connection) }
      await session.run()
      connection.close()
      group.cancelAll()
    }
  }
  private func read(_ connection: any Connection) async {
    do {
      while true {
        let chunk = try await connection.receive()
        if chunk.isEmpty { break }
        await inbox.put(chunk)
      }
    } catch {}  // How it ended is all the same here: nothing more comes.
    inbox.end()
    statement.stop(.clientGone)
  }

  /// Reads startup packets until one says who the client is; nil after a cancel request, or when it closed.
  private func greet(_ plain: any Connection) async throws -> Greeting? {
    var connection = plain
    var framing = MessageFraming()
    var isEncrypted = false
    var answered: Set<UInt32> = []
    while true {
      guard let body = try await startupPacket(connection, &framing) else { return nil }
      let packet = try StartupPacket(body)
      switch packet {
      case .cancel(let key):
        await server.cancel(key, peer: peer)
        return nil
      case .startup(let parameters):
        return Greeting(connection: connection, framing: framing, parameters: parameters, isEncrypted: isEncrypted)
      case .tls, .gss:
        let code = packet == .tls ? StartupPacket.tlsCode : StartupPacket.gssCode
        guard answered.insert(code).inserted, !isEncrypted else {
          throw TallyError(.protocolViolation, "unsupported frontend protocol \(code >> 16).\(code & 0xffff)")
        }
        let name = packet == .tls ? "SSL request" : "GSSAPI encryption request"
        // What stands behind the request was sent in the clear, perhaps by somebody else.
        guard framing.isEmpty else {
          throw TallyError(
            .protocolViolation,
            "received unencrypted data after \(name)",
            detail: "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack."
          )
        }
        guard packet == .tls, let tls = server.options.tls else {
          try await connection.send([UInt8(ascii: "N")])
          continue
        }
        try await connection.send([UInt8(ascii: "S")])
        connection = try await tls.accept(connection)
        let encrypted = connection
        self.connection.withLock { $0 = encrypted }
        isEncrypted = true
      }
    }
  }
  private func startupPacket(_ connection: any Connection, _ framing: inout MessageFraming) async throws -> [UInt8]? {
    while true {
      if let body = try framing.startupPacket(max: server.options.limits.startupBytesMax) { return body }
      let chunk = try await connection.receive()
      if chunk.isEmpty { return nil }
      framing.push(chunk)
    }
  }
  /// The next message of a login.
  func loginMessage(_ greeting: inout Greeting) async throws -> [UInt8] {
    while true {
      if let raw = try greeting.framing.message(max: server.options.limits.authenticationBytesMax) {
        guard case .password(let content) = try FrontendMessage(raw) else {
          throw TallyError(.protocolViolation, "expected SASL response, got message type \(raw.type)")
        }
        return content
      }
      let chunk = try await greeting.connection.receive()
      if chunk.isEmpty { throw ConnectionEnded() }
      greeting.framing.push(chunk)
    }
  }

  // MARK: Ending

  /// Tells a client that is not logged in why it is let go, and gives it a moment to read that.
  private func end(_ error: TallyError) async {
    server.log.warning("postgres-connection-refused", ("peer", peer), ("reason", error.message))
    let connection = current
    let clock = server.clock
    do {
      try await withDeadline(clock.now + .seconds(1), clock) {
        try await connection.send(Self.fatal(error))
        while try await !connection.receive().isEmpty {}
      }
    } catch {}  // It closed, or the moment is over.
  }
  /// Ends the connection at the session's next message; at once when nobody is logged in.
  func stop() {
    inbox.stop()
    if !isLoggedIn.withLock({ $0 }) { close() }
  }
  func stopStatement() { statement.stop(.shutdown) }
  func close() { current.close() }
}
