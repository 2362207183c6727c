// ClientConnection+Login.swift — from a startup packet to a session: who the client is, whether that is so, what it set.
//
// SCRAM-SHA-256 alone is offered; `trust` holds for peers on this machine. The order is PostgreSQL's: the password first, then
// the database, so that nobody learns of either without the other.

internal import Bytes
internal import Capabilities
internal import Model

extension ClientConnection {
  func logIn(_ greeted: Greeting) async throws -> Session {
    var greeting = greeted
    let parameters = greeting.parameters
    var out = ByteWriter()
    if parameters.minor > StartupPacket.newestMinor || !parameters.protocolOptions.isEmpty {
      out.negotiateProtocolVersion(min(parameters.minor, StartupPacket.newestMinor), unknown: parameters.protocolOptions)
    }
    guard let user = parameters["user"], !user.isEmpty else {
      throw TallyError(.invalid, "no PostgreSQL user name specified in startup packet", sqlState: "28000")
    }
    if let replication = parameters["replication"], !["false", "off", "no", "0"].contains(replication.lowercased()) {
      throw TallyError.sql("0A000", "replication connections are not supported", hint: "Read changes by queries.")
    }
    let database = parameters["database"].flatMap { $0.isEmpty ? nil : $0 } ?? user
    try await authenticate(user, database, &greeting, &out)
    try server.enter(number)
    out.authenticationOk()

    let secretBytes = parameters.minor >= 2 ? 32 : 4
    let key = server.cancels.register(statement, secretBytes: secretBytes, server.random)
    do {
      let settings = try startSettings(parameters, user: user)
      var identity = ClientIdentity(
        user: user,
        database: database,
        peer: peer,
        process: key.process,
        isEncrypted: greeting.isEncrypted
      )
      // The session lives no longer than the connection.
      identity.end = { [weak self] part in
        switch part {
        case .statement: self?.statement.stop(.request)
        case .whole:
          self?.stop()
          self?.stopStatement()
        }
      }
      let engine = try await server.engine.openSession(identity)
      server.log.record(.debug, "postgres-login", [("peer", peer), ("user", user), ("database", database)])
      return Session(self, greeting, engine, key: key, settings: settings, greeting: out.finish())
    } catch {
      server.cancels.forget(key)
      throw error
    }
  }

  private func authenticate(
    _ user: String,
    _ database: String,
    _ greeting: inout Greeting,
    _ out: inout ByteWriter
  ) async throws {
    let failure = TallyError(.invalid, "password authentication failed for user \"\(user)\"", sqlState: "28P01")
    let verifier: ScramVerifier?
    switch await server.engine.loginRule(user: user, database: database, peer: peer) {
    case .trust:
      guard NetworkAddress(peer)?.isLoopback ?? false else { throw failure }
      return
    case .refuse(let error): throw error
    case .unknown: verifier = nil
    case .scram(let known): verifier = known
    }
    let nonce = Base64.encode(randomBytes(18, server.random))
    var scram = ScramServer(
      verifier: verifier,
      user: user,
      secret: server.options.loginSecret,
      iterations: server.options.scramIterations,
      nonce: nonce
    )
    out.authenticationSASL([ScramVerifier.name])
    try await send(&out, greeting)
    var first = try Self.initialResponse(try await loginMessage(&greeting))
    if first == nil {
      // A client may wait to be asked.
      out.authenticationSASL(11, [])
      try await send(&out, greeting)
      first = try await loginMessage(&greeting)
    }
    out.authenticationSASL(11, try scram.challenge(first ?? []))
    try await send(&out, greeting)
    let proof = try await loginMessage(&greeting)
    let clock = server.clock
    let turn = server.delays.reserve(user, peer, now: clock.now, patience: server.options.loginTimeout)
    try await clock.sleep(until: turn)
    guard let signature = try scram.verify(proof) else {
      server.delays.failed(user, peer, now: clock.now)
      server.log.warning("postgres-login-failed", ("peer", peer), ("user", user))
      throw failure
    }
    server.delays.succeeded(user, peer)
    out.authenticationSASL(12, signature)
  }
  private func send(_ out: inout ByteWriter, _ greeting: Greeting) async throws {
    let bytes = out.snapshot()
    out.removeAll()
    try await greeting.connection.send(bytes)
  }
  /// The mechanism's name\0, i32 length or -1, and what the client says first.
  private static func initialResponse(_ body: [UInt8]) throws(TallyError) -> [UInt8]? {
    do throws(DecodingFailure) {
      let (mechanism, response) = try body.withReader { reader throws(DecodingFailure) -> (String, [UInt8]?) in
        let mechanism = String(decoding: try reader.zeroTerminated(), as: UTF8.self)
        let length = try reader.big(Int32.self)
        if length == -1 {
          try reader.expectEnd()
          return (mechanism, nil)
        }
        let response = try reader.bytes(Int(length))
        try reader.expectEnd()
        return (mechanism, response)
      }
      guard mechanism == ScramVerifier.name else {
        throw DecodingFailure(.unknown, at: 0, "client selected an invalid SASL authentication mechanism")
      }
      return response
    } catch {
      throw TallyError(
        .protocolViolation,
        error.kind == .unknown ? error.message : "invalid SASL response",
        detail: error.kind == .unknown ? nil : error.message
      )
    }
  }

  /// The settings that a session starts with.
  ///
  /// A value that Tally cannot do (a time zone) must not keep a driver from connecting: the session keeps its own and reports that.
  private func startSettings(_ parameters: StartupParameters, user: String) throws(TallyError) -> SessionSettings {
    var settings = SessionSettings()
    settings.fix("server_version", server.options.version)
    settings.fix("session_authorization", user)
    var given: [(name: String, value: String)] = []
    for (name, value) in parameters.values {
      switch name {
      case "user", "database", "replication": break
      case "options": given += try Self.options(value)
      default: given.append((name, value))
      }
    }
    for (name, value) in given {
      do throws(TallyError) {
        try settings.start(name, value)
      } catch {
        guard ["0A000", "42704", "55P02"].contains(error.sqlState) else { throw error }
        server.log.warning("postgres-setting-ignored", ("peer", peer), ("setting", name), ("reason", error.message))
      }
    }
    return settings
  }
  /// `-c name=value` and `--name=value`; a backslash takes the next character as it is.
  static func options(_ text: String) throws(TallyError) -> [(name: String, value: String)] {
    var words: [String] = []
    var word: String?
    var isEscaped = false
    for character in text {
      if isEscaped {
        word = (word ?? "") + String(character)
        isEscaped = false
      } else if character == "\\" {
        isEscaped = true
      } else if character == " " || character == "\t" || character == "\n" {
        if let word { words.append(word) }
        word = nil
      } else {
        word = (word ?? "") + String(character)
      }
    }
    if let word { words.append(word) }
    var settings: [(name: String, value: String)] = []
    var rest = words[...]
    while let word = rest.popFirst() {
      var assignment: Substring
      if word == "-c", let next = rest.popFirst() {
        assignment = next[...]
      } else if word.hasPrefix("-c") || word.hasPrefix("--") {
        assignment = word.dropFirst(2)
      } else {
        throw .sql("42601", "invalid command-line argument for server process: \(word)", hint: "Only -c name=value is understood.")
      }
      guard let equals = assignment.firstIndex(of: "=") else {
        throw .sql("42601", "-c \(assignment) requires a value")
      }
      let name = String(assignment[..<equals].map { $0 == "-" ? "_" : $0 })
      assignment = assignment[assignment.index(after: equals)...]
      settings.append((name, String(assignment)))
    }
    return settings
  }
}
