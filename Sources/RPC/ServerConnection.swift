// ServerConnection.swift — the server's end of one connection: hello, then requests side by side in one task group.
//
// Whatever breaks here ends this connection with a reason and nothing else. The reader never waits for a request.

import Bytes
import Capabilities
import Model
internal import Synchronization
import Wire

final class ServerConnection: Sendable {
  private struct State {
    var calls: [UInt64: ServerCall] = [:]
    var deadlines = DeadlineQueue()
    var lastHeard: Instant
    var isDraining = false
    var isClosed = false
  }
  private let connection: any Connection
  private let server: RPCServer
  private let outgoing: FrameQueue
  private let watchdog: Watchdog
  private let state: Mutex<State>

  init(_ connection: any Connection, _ server: RPCServer) {
    self.connection = connection
    self.server = server
    let isLoopback = NetworkAddress(connection.peer)?.isLoopback ?? false
    self.outgoing = FrameQueue(packs: server.options.packs(isLoopback: isLoopback))
    self.watchdog = Watchdog(server.clock)
    self.state = Mutex(State(lastHeard: server.clock.now))
  }

  /// Serves until the connection ends.
  func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.outgoing.run(on: self.connection) }
      let reason = await self.serve(&group)
      if let reason {
        server.log.warning(
          "rpc-connection-refused",
          ("peer", connection.peer),
          ("reason", reason.message)
        )
        outgoing.post(control: Frame(.error, head: ErrorFormat.encode(reason)))
        await outgoing.flush(server.clock)
        await linger()
      }
      close()
      group.cancelAll()
    }
  }
  /// Serves; returns the reason when the client must be told one.
  private func serve(_ group: inout DiscardingTaskGroup) async -> TallyError? {
    do {
      var assembler = FrameAssembler()
      let limit = server.clock.now + server.options.connectTimeout
      let start = assembler
      let (hello, rest) = try await withDeadline(limit, server.clock) {
        try await self.receiveHello(start)
      }
      assembler = rest
      let peer = try welcome(hello)
      assembler.payloadLimit = Limits.frameBytesMax
      watchdog.start { self.look($0) }
      while true {
        while let frame = try assembler.next() { try accept(frame, peer, &group) }
        let chunk = try await connection.receive()
        if chunk.isEmpty {
          try assembler.finish()
          return nil
        }
        state.withLock { $0.lastHeard = server.clock.now }
        assembler.push(chunk)
      }
    } catch let error as TallyError {
      return error
    } catch let failure as DecodingFailure {
      return TallyError(.protocolViolation, failure.description)
    } catch is DeadlineExceeded {
      return TallyError(.protocolViolation, "no hello came in time")
    } catch {
      // The network or the server ended it: nobody is left to be told.
      return nil
    }
  }
  private func receiveHello(_ assembler: FrameAssembler) async throws -> (Frame, FrameAssembler) {
    var assembler = assembler
    while true {
      if let frame = try assembler.next() { return (frame, assembler) }
      let chunk = try await connection.receive()
      if chunk.isEmpty {
        try assembler.finish()
        throw NetworkFailure(.closed, "closed before the hello")
      }
      assembler.push(chunk)
    }
  }
  private func welcome(_ frame: Frame) throws -> PeerIdentity {
    guard frame.kind == .hello else {
      throw TallyError(.protocolViolation, "the first frame is \(frame.kind), not a hello")
    }
    let (versions, peer) = try HelloFormat.decodeHello(frame.head)
    let identity = server.identity()
    guard let version = HelloFormat.negotiate(versions, server.options.versions) else {
      throw TallyError(
        .protocolViolation,
        "\(identity.name) speaks protocol versions \(server.options.versions), the client \(versions)",
        hint: "use programs of the same release"
      )
    }
    guard peer.cluster == .none || identity.cluster == .none || peer.cluster == identity.cluster
    else {
      throw TallyError(
        .wrongCluster,
        "\(identity.name) belongs to cluster \(identity.cluster), not \(peer.cluster)"
      )
    }
    // Also when it is this end that is fenced: then the client knows better.
    if let fence = peer.fence(knowing: identity.generation) ?? identity.fence(knowing: peer.generation) { throw fence }
    outgoing.post(
      control: Frame(.helloReply, head: HelloFormat.encodeReply(version: version, identity))
    )
    return peer
  }

  private func accept(
    _ frame: Frame,
    _ peer: PeerIdentity,
    _ group: inout DiscardingTaskGroup
  ) throws {
    switch frame.kind {
    case .request: try begin(frame, peer, &group)
    case .cancel: find(frame.stream)?.stop(TallyError(.cancelled, "the client gave the request up"))
    case .credit: find(frame.stream)?.grant(try CreditFormat.decode(frame.head))
    case .ping: outgoing.post(control: Frame(.pong))
    case .pong: break
    case .error where frame.stream == 0:
      let error = try ErrorFormat.decode(frame.head)
      server.log.warning("rpc-client-gave-up", ("peer", connection.peer), ("reason", error.message))
      throw NetworkFailure(.closed, error.message)
    case .hello, .helloReply, .response, .streamItem, .end, .error, .goodbye:
      throw TallyError(.protocolViolation, "a client sends no \(frame.kind) frame here")
    }
  }
  private func find(_ stream: UInt64) -> ServerCall? { state.withLock { $0.calls[stream] } }

  private func begin(
    _ frame: Frame,
    _ peer: PeerIdentity,
    _ group: inout DiscardingTaskGroup
  ) throws {
    guard frame.stream != 0 else { throw TallyError(.protocolViolation, "a request on stream 0") }
    // A worker may have heard of a later generation since the hello.
    if peer.role == .coordinator, let fence = peer.fence(knowing: server.identity().generation) { throw fence }
    let (request, micros) = try MessageFormat.decodeRequest(head: frame.head, body: frame.body)
    let now = server.clock.now
    let deadline = micros == 0 ? .distantFuture : now + .microseconds(Int64(clamping: micros))
    let call = ServerCall(
      stream: frame.stream,
      peer: peer,
      peerAddress: connection.peer,
      deadline: deadline,
      bodyBytes: frame.body.count,
      outgoing: outgoing
    )
    enum Admission {
      case yes
      case duplicate, full, draining
    }
    let admission = state.withLock { state -> Admission in
      if state.calls[frame.stream] != nil { return .duplicate }
      if state.isDraining { return .draining }
      if state.calls.count >= Limits.requestsInFlightMax || !server.reserve(frame.body.count) {
        return .full
      }
      state.calls[frame.stream] = call
      let calls = state.calls
      state.deadlines.add(
        frame.stream,
        deadline,
        living: { calls[$0] != nil },
        livingCount: calls.count
      )
      return .yes
    }
    switch admission {
    case .duplicate: throw TallyError(.protocolViolation, "stream \(frame.stream) is in use")
    case .draining:
      call.fail(TallyError(.unavailable, "\(server.identity().name) is shutting down"))
    case .full:
      call.fail(
        TallyError(.overloaded, "\(server.identity().name) has too many requests in flight")
      )
    case .yes:
      watchdog.expect(by: deadline)
      group.addTask { await self.answer(request, call) }
    }
  }
  private func answer(_ request: Message, _ call: ServerCall) async {
    withUnsafeCurrentTask { call.attach($0) }
    do {
      try Task.checkCancellation()
      try await server.responder.respond(to: request, call: call)
      call.complete()
    } catch {
      let answer = TallyError(from: error)
      if !(error is CancellationError), answer.status == .internalError {
        server.log.error(
          "rpc-request-failed",
          ("request", request.name),
          ("error", answer.description)
        )
      }
      call.fail(error)
    }
    call.detach()
    server.release(call.bodyBytes)
    let isDrained = state.withLock { state in
      state.calls[call.stream] = nil
      return state.isDraining && state.calls.isEmpty
    }
    if isDrained { server.noteDrained() }
  }

  /// Takes no more requests and tells the client, which closes once it has its answers.
  func drain() {
    outgoing.post(control: Frame(.goodbye))
    state.withLock { $0.isDraining = true }
  }
  /// Requests not answered yet.
  var requestsInFlight: Int { state.withLock { $0.calls.count } }
  func close() {
    state.withLock { $0.isClosed = true }
    outgoing.finish()
    connection.close()
    watchdog.end()
  }
  /// Gives the client a moment to read why: closing at once could discard what is on its way.
  private func linger() async {
    do {
      try await withDeadline(server.clock.now + .seconds(1), server.clock) {
        while try await !self.connection.receive().isEmpty {}
      }
    } catch { return }  // It closed, or the moment is over.
  }

  /// Cancels requests whose deadline has come; gives up a client that has been silent too long. Returns when to look again.
  private func look(_ now: Instant) -> Instant? {
    let silenceLimit = server.options.silenceLimit * 4
    let (expired, lastHeard, isClosed) = state.withLock {
      state -> ([ServerCall], Instant, Bool) in
      var expired: [ServerCall] = []
      while let stream = state.deadlines.popExpired(now) {
        if let call = state.calls[stream] { expired.append(call) }
      }
      return (expired, state.lastHeard, state.isClosed)
    }
    if isClosed { return nil }
    for call in expired { call.stop(TallyError(.timedOut, "the deadline passed")) }
    if now >= lastHeard + silenceLimit {
      close()
      return nil
    }
    return state.withLock { state in
      let calls = state.calls
      return min(state.deadlines.first { calls[$0] != nil }, lastHeard + silenceLimit)
    }
  }
}
