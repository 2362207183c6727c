// RPCConnection.swift — the client's end of one connection: many requests at once, answered in any order.
//
// `open` connects and exchanges hellos; `run` reads, sends, pings and watches deadlines, and must run for the
// connection to live (ConnectionPool does that). When the connection is lost every request in flight fails:
// `unknownOutcome` when carrying it out may have changed something, else `unavailable`; both may be repeated.

import Bytes
public import Capabilities
public import Model
internal import Synchronization
public import Wire

/// A client's connection to a node.
public final class RPCConnection: Sendable {
  private struct State {
    var nextStream: UInt64 = 1
    var calls: [UInt64: ClientCall] = [:]
    var deadlines = DeadlineQueue()
    var lastHeard: Instant
    var pinged: Instant
    /// Since when requests have been waiting without a break.
    var busySince = Instant(nanoseconds: 0)
    var closed: TallyError?
    var isDraining = false
  }
  /// Where the node listens.
  public let address: NetworkAddress
  /// Who the node says it is.
  public let peer: PeerIdentity
  /// The version both speak.
  public let version: UInt16
  private let connection: any Connection
  private let clock: any Clock
  private let options: RPCOptions
  private let outgoing: FrameQueue
  private let watchdog: Watchdog
  private let state: Mutex<State>
  private let assembler: Mutex<FrameAssembler>

  private init(
    _ address: NetworkAddress,
    _ connection: any Connection,
    _ clock: any Clock,
    _ options: RPCOptions,
    _ greeting: Greeting
  ) {
    self.address = address
    self.peer = greeting.peer
    self.version = greeting.version
    self.connection = connection
    self.clock = clock
    self.options = options
    self.outgoing = FrameQueue(packs: options.packs(isLoopback: address.isLoopback))
    self.watchdog = Watchdog(clock)
    self.state = Mutex(State(lastHeard: clock.now, pinged: clock.now))
    self.assembler = Mutex(greeting.assembler)
  }

  private struct Greeting: Sendable {
    var version: UInt16
    var peer: PeerIdentity
    var assembler: FrameAssembler
  }

  /// Connects and exchanges hellos.
  ///
  /// Throws `unavailable` when nobody is there, else the reason of the refusal.
  public static func open(
    to address: NetworkAddress,
    as identity: PeerIdentity,
    network: any Network,
    clock: any Clock,
    options: RPCOptions = RPCOptions(),
    deadline: Instant = .distantFuture
  ) async throws -> RPCConnection {
    let limit = min(deadline, clock.now + options.connectTimeout)
    let connection: any Connection
    do {
      connection = try await network.connect(to: address, deadline: limit)
    } catch let failure as NetworkFailure {
      throw TallyError(.unavailable, "\(address) cannot be reached: \(failure.message)")
    }
    do {
      let greeting = try await withDeadline(limit, clock) {
        try await greet(connection, identity, options)
      }
      return RPCConnection(address, connection, clock, options, greeting)
    } catch {
      connection.close()
      switch error {
      case let failure as NetworkFailure:
        throw TallyError(.unavailable, "\(address) went away: \(failure.message)")
      case is DeadlineExceeded: throw TallyError(.unavailable, "\(address) does not answer")
      default: throw error
      }
    }
  }
  private static func greet(
    _ connection: any Connection,
    _ identity: PeerIdentity,
    _ options: RPCOptions
  ) async throws -> Greeting {
    var pieces = FramePieces()
    pieces.append(
      try FrameFormat.encode(
        Frame(.hello, head: HelloFormat.encodeHello(identity, versions: options.versions)),
        pack: false
      )
    )
    for piece in pieces.take() { try await connection.send(piece) }
    var assembler = FrameAssembler()
    while true {
      if let frame = try assembler.next() {
        switch frame.kind {
        case .error: throw try ErrorFormat.decode(frame.head)
        case .helloReply:
          let (version, peer) = try HelloFormat.decodeReply(frame.head)
          guard options.versions.contains(version) else {
            throw TallyError(
              .protocolViolation,
              "the server chose protocol version \(version), which was not offered"
            )
          }
          guard
            identity.cluster == .none || peer.cluster == .none || identity.cluster == peer.cluster
          else {
            throw TallyError(
              .wrongCluster,
              "\(peer.name) belongs to cluster \(peer.cluster), not \(identity.cluster)"
            )
          }
          if let fence = peer.fence(knowing: identity.generation) { throw fence }
          assembler.payloadLimit = Limits.frameBytesMax
          return Greeting(version: version, peer: peer, assembler: assembler)
        case .goodbye:
          // It was told to stop between accepting the connection and answering the hello.
          throw TallyError(.unavailable, "the server is shutting down")
        default:
          throw TallyError(
            .protocolViolation,
            "the server's first frame is \(frame.kind), not its hello"
          )
        }
      }
      let chunk = try await connection.receive()
      guard !chunk.isEmpty else {
        try assembler.finish()
        throw NetworkFailure(.closed, "it closed the connection before its hello")
      }
      assembler.push(chunk)
    }
  }

  /// True while new requests may be made on it.
  public var isUsable: Bool { state.withLock { $0.closed == nil && !$0.isDraining } }
  /// Requests waiting for answers.
  public var requestsInFlight: Int { state.withLock { $0.calls.count } }

  /// Makes a request and waits for its one answer, at most until `deadline`; cancelling the task cancels the request.
  ///
  /// `pack` false says that its body is not worth packing. Throws `TallyError` or `CancellationError`.
  public func call(
    _ request: Message,
    deadline: Instant = .distantFuture,
    pack: Bool = true
  ) async throws -> Message {
    let stream = try await openStream(request, deadline: deadline, pack: pack)
    guard let reply = try await stream.next() else {
      throw TallyError(
        .protocolViolation,
        "\(peer.name) answered a \(request.name) request with nothing"
      )
    }
    return reply
  }
  /// Makes a request that is answered by several messages.
  ///
  /// The server sends as fast as they are read.
  public func openStream(
    _ request: Message,
    deadline: Instant = .distantFuture,
    pack: Bool = true
  ) async throws -> MessageStream {
    let now = clock.now
    let (call, wasIdle) = try state.withLock { state throws(TallyError) -> (ClientCall, Bool) in
      if let closed = state.closed { throw closed }
      if state.isDraining {
        throw TallyError(.unavailable, "\(peer.name) is shutting down", node: peer.name)
      }
      guard state.calls.count < Limits.requestsInFlightMax else {
        throw TallyError(.overloaded, "\(state.calls.count) requests are in flight to \(peer.name)")
      }
      let call = ClientCall(stream: state.nextStream, mayChangeState: request.mayChangeState)
      state.nextStream += 1
      let wasIdle = state.calls.isEmpty
      if wasIdle { state.busySince = now }
      state.calls[call.stream] = call
      let calls = state.calls
      state.deadlines.add(
        call.stream,
        deadline,
        living: { calls[$0] != nil },
        livingCount: calls.count
      )
      return (call, wasIdle)
    }
    watchdog.expect(by: wasIdle ? min(deadline, now + options.busyKeepAlive) : deadline)
    let stream = MessageStream(call, self)
    if deadline <= now {
      throw TallyError(.timedOut, "the deadline passed before the request was sent")
    }
    while !outgoing.hasRoom(call.signal) {
      if Task.isCancelled { throw CancellationError() }
      if let failure = call.failure { throw failure }
      await call.signal.wait()
    }
    let left = deadline == .distantFuture ? 0 : max(1, (deadline - clock.now).wholeMicroseconds)
    let (head, body) = MessageFormat.encodeRequest(request, deadline: left)
    guard
      try outgoing.post(Frame(.request, stream: call.stream, head: head, body: body), pack: pack)
    else {
      throw call.failure ?? TallyError(.unavailable, "the connection to \(peer.name) is closed")
    }
    return stream
  }

  /// Ends the connection; requests in flight fail.
  public func close() {
    shutDown(TallyError(.unavailable, "the connection to \(peer.name) was closed"))
  }

  func abandon(_ call: ClientCall) {
    let wasLiving = state.withLock { $0.calls.removeValue(forKey: call.stream) != nil }
    if wasLiving { outgoing.post(control: Frame(.cancel, stream: call.stream)) }
    call.fail(TallyError(.cancelled, "the request was cancelled"))
  }
  func grant(_ call: ClientCall, _ bytes: Int) {
    outgoing.post(control: Frame(.credit, stream: call.stream, head: CreditFormat.encode(bytes)))
  }

  /// Serves the connection until it ends; returns why.
  ///
  /// Must be running for requests to be answered.
  @discardableResult
  public func run() async -> TallyError {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.outgoing.run(on: self.connection) }
      watchdog.start { self.look($0) }
      let reason = await readFrames()
      if reason.status == .protocolViolation {
        outgoing.post(control: Frame(.error, head: ErrorFormat.encode(reason)))
        await outgoing.flush(clock)
      }
      shutDown(reason)
      group.cancelAll()
      return reason
    }
  }
  private func shutDown(_ reason: TallyError) {
    let calls = state.withLock { state -> [ClientCall] in
      if state.closed == nil {
        state.closed =
          reason.status == .protocolViolation ? reason : TallyError(.unavailable, reason.message)
      }
      defer { state.calls = [:] }
      return state.calls.values.sorted { $0.stream < $1.stream }
    }
    outgoing.finish()
    connection.close()
    watchdog.end()
    for call in calls {
      call.fail(
        TallyError(
          call.mayChangeState ? .unknownOutcome : .unavailable,
          "the connection to \(peer.name) was lost: \(reason.message)",
          node: peer.name
        )
      )
    }
  }

  private func readFrames() async -> TallyError {
    var assembler = assembler.withLock { $0 }
    do {
      while true {
        while let frame = try assembler.next() { try accept(frame) }
        let chunk = try await connection.receive()
        if chunk.isEmpty {
          try assembler.finish()
          return TallyError(.unavailable, "\(peer.name) closed the connection")
        }
        state.withLock { $0.lastHeard = clock.now }
        outgoing.heard()
        assembler.push(chunk)
      }
    } catch let error as TallyError {
      return error
    } catch let failure as DecodingFailure {
      return TallyError(.protocolViolation, failure.description)
    } catch let failure as NetworkFailure {
      return state.withLock { $0.closed } ?? TallyError(.unavailable, failure.message)
    } catch {
      return TallyError(.unavailable, "the connection was given up")
    }
  }
  private func accept(_ frame: Frame) throws {
    switch frame.kind {
    case .response, .streamItem:
      let isLast = frame.isLast || frame.kind == .response
      guard let call = find(frame.stream, remove: isLast) else { return }
      do {
        let message = try MessageFormat.decode(head: frame.head, body: frame.body)
        guard
          call.deliver(
            message,
            bytes: frame.kind == .response ? 0 : frame.payloadBytes,
            isLast: isLast
          )
        else {
          throw TallyError(.protocolViolation, "\(peer.name) sent beyond its credit")
        }
      } catch let failure as DecodingFailure {
        call.fail(TallyError(.protocolViolation, "an answer cannot be read: \(failure)"))
        throw failure
      }
    case .end: find(frame.stream, remove: true)?.end()
    case .error:
      let error = try ErrorFormat.decode(frame.head)
      // Stream 0: the server says why it closes.
      if frame.stream == 0 {
        throw TallyError(
          .unavailable,
          "\(peer.name) closed the connection: \(error.message)",
          detail: error.detail
        )
      }
      find(frame.stream, remove: true)?.fail(error)
    case .goodbye:
      state.withLock { $0.isDraining = true }
      watchdog.expect(by: clock.now)
    case .ping: outgoing.post(control: Frame(.pong))
    case .pong: break
    case .hello, .helloReply, .request, .cancel, .credit:
      throw TallyError(.protocolViolation, "a server sends no \(frame.kind) frame here")
    }
  }
  private func find(_ stream: UInt64, remove: Bool) -> ClientCall? {
    let (call, isDrained) = state.withLock { state -> (ClientCall?, Bool) in
      guard remove else { return (state.calls[stream], false) }
      return (state.calls.removeValue(forKey: stream), state.isDraining && state.calls.isEmpty)
    }
    if isDrained { watchdog.expect(by: clock.now) }
    return call
  }

  /// Fails requests whose deadline has come, pings a silent server, gives up a dead one; returns when to look again.
  private func look(_ now: Instant) -> Instant? {
    let (expired, lastHeard, waitsSince, isClosed, isDrained) = state.withLock {
      state -> ([ClientCall], Instant, Instant?, Bool, Bool) in
      var expired: [ClientCall] = []
      while let stream = state.deadlines.popExpired(now) {
        if let call = state.calls.removeValue(forKey: stream) { expired.append(call) }
      }
      let waitsSince = state.calls.isEmpty ? nil : max(state.lastHeard, state.busySince)
      return (expired, state.lastHeard, waitsSince, state.closed != nil, state.isDraining && state.calls.isEmpty)
    }
    // First: those that expired are no longer among the calls that a shutdown fails.
    for call in expired {
      outgoing.post(control: Frame(.cancel, stream: call.stream))
      call.fail(TallyError(.timedOut, "\(peer.name) did not answer in time", node: peer.name))
    }
    if isClosed { return nil }
    if isDrained {
      shutDown(TallyError(.unavailable, "\(peer.name) is shutting down"))
      return nil
    }
    if isDead(now, lastHeard: lastHeard, waitsSince: waitsSince) {
      shutDown(TallyError(.unavailable, "\(peer.name) has been silent for \(now - (waitsSince ?? lastHeard))"))
      return nil
    }
    let pause = waitsSince == nil ? options.keepAlive : min(options.keepAlive, options.busyKeepAlive)
    let quietSince = waitsSince ?? lastHeard
    return state.withLock { state in
      if now >= max(quietSince, state.pinged) + pause {
        outgoing.post(control: Frame(.ping))
        state.pinged = now
      }
      let calls = state.calls
      return min(state.deadlines.first { calls[$0] != nil }, max(quietSince, state.pinged) + pause)
    }
  }
  private func isDead(_ now: Instant, lastHeard: Instant, waitsSince: Instant?) -> Bool {
    if now >= lastHeard + options.silenceLimit { return true }
    guard let waitsSince, now >= waitsSince + options.busySilenceLimit else { return false }
    // What was sent may still be on its way over a slow link; what it answers comes behind that.
    let slowest = Duration.milliseconds(Int64(outgoing.backlog) * 1000 / Int64(options.slowestLink))
    return now >= waitsSince + options.busySilenceLimit + slowest
  }
}

extension Duration {
  var wholeMicroseconds: UInt64 {
    UInt64(max(0, components.seconds)) &* 1_000_000
      &+ UInt64(max(0, components.attoseconds) / 1_000_000_000_000)
  }
}

extension RPCOptions {
  func packs(isLoopback: Bool) -> Bool {
    switch packing {
    case .always: true
    case .never: false
    case .overNetworks: !isLoopback
    }
  }
}
