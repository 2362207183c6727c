// Connections: hellos, refusals, broken peers, loss, silence, draining.

import Bytes
import Capabilities
import Model
import RPC
import Synchronization
import Testing
import Wire

@Test func helloTellsBothEndsWhoTheOtherIs() async throws {
  try await withBench { bench in
    let connection = try await bench.pool.connection(to: bench.address)
    #expect(connection.peer == serverIdentity && connection.version == 1)
  }
}

@Test func clientsOfAnotherClusterAreRefused() async throws {
  try await withBench(client: PeerIdentity(cluster: ClusterID(high: 5, low: 5), name: "stranger")) {
    bench in
    do {
      _ = try await bench.call(1)
      Issue.record("no error came")
    } catch let error as TallyError {
      #expect(
        error.status == .wrongCluster && error.message.hasPrefix("worker-1 belongs to cluster 0000")
      )
    }
  }
}

@Test func versionsThatDoNotMeetAreRefusedWithBothNamed() async throws {
  var old = RPCOptions()
  old.versions = 2...3
  try await withBench(clientOptions: old) { bench in
    do {
      _ = try await bench.call(1)
      Issue.record("no error came")
    } catch let error as TallyError {
      #expect(
        error.status == .protocolViolation
          && error.message == "worker-1 speaks protocol versions 1...1, the client 2...3"
      )
    }
  }
  var wide = RPCOptions()
  wide.versions = 1...9
  try await withBench(clientOptions: wide) { bench in
    let connection = try await bench.pool.connection(to: bench.address)
    #expect(connection.version == 1)
  }
}

/// Sends something wrong and expects the reason and the end of that connection, while another connection works on.
private func expectRefusal(
  _ reason: String,
  greets: Bool = true,
  _ wrong: @escaping @Sendable (RawPeer) async throws -> Void
) async throws {
  try await withBench { bench in
    #expect(try await bench.call(1) == 1)
    let peer = try await bench.rawConnection(greets: greets)
    try await wrong(peer)
    var last: TallyError?
    while let frame = try await peer.next() {
      if frame.kind == .error && frame.stream == 0 { last = try ErrorFormat.decode(frame.head) }
    }
    #expect(last?.status == .protocolViolation)
    #expect(last?.message.contains(reason) == true, "\(last?.message ?? "no reason")")
    #expect(try await bench.call(2) == 2)
    #expect(bench.log.count("rpc-connection-refused") == 1)
    // It refuses, then waits for the peer to close.
    peer.close()
    try await bench.until { bench.server.connectionCount == 1 }
  }
}

@Test func foreignBytesEndTheirConnectionOnly() async throws {
  try await expectRefusal("not a Tally frame", greets: false) {
    try await $0.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
  }
  try await expectRefusal("not a Tally frame") {
    try await $0.send([UInt8](repeating: 0xff, count: 40))
  }
}

@Test func brokenFramesEndTheirConnectionOnly() async throws {
  let request = MessageFormat.encodeRequest(
    .fetchCatalog(FetchCatalog(known: CatalogVersion(1))),
    deadline: 0
  )
  func bytes(_ frame: Frame) throws -> [UInt8] {
    var pieces = FramePieces()
    pieces.append(try FrameFormat.encode(frame, pack: false))
    return pieces.take().flatMap { $0 }
  }
  let good = try bytes(Frame(.request, stream: 1, head: request.head))
  var header = good
  header[5] ^= 1
  var payload = good
  payload[payload.count - 1] ^= 1
  let (badHeader, badPayload) = (header, payload)
  try await expectRefusal("checksum of a frame header") { try await $0.send(badHeader) }
  try await expectRefusal("checksum of a frame does not match") { try await $0.send(badPayload) }
  try await expectRefusal("message number 99") {
    try await $0.send(Frame(.request, stream: 1, head: [0, 99]))
  }
  try await expectRefusal("on stream 0") {
    try await $0.send(Frame(.request, stream: 0, head: request.head))
  }
  try await expectRefusal("sends no response frame") {
    try await $0.send(Frame(.response, stream: 1))
  }
  try await expectRefusal("stream 1 is in use") { peer in
    let waiting = MessageFormat.encodeRequest(.describeShards(DescribeShards()), deadline: 0)
    for _ in 0..<2 { try await peer.send(Frame(.request, stream: 1, head: waiting.head)) }
  }
}

@Test func nothingButAHelloIsTakenFirstAndNoLongOne() async throws {
  try await expectRefusal("not a hello", greets: false) { try await $0.send(Frame(.ping)) }
  try await expectRefusal("over the limit of 4096", greets: false) {
    try await $0.send(Frame(.hello, body: [UInt8](repeating: 0, count: 100_000)))
  }
  try await expectRefusal("not a hello", greets: false) {
    try await $0.send(Frame(.hello, head: Array("SOMEOTHERPROTOCOL".utf8)))
  }
}

@Test func aSilentNewcomerIsTurnedAway() async throws {
  var options = RPCOptions()
  options.connectTimeout = .milliseconds(30)
  try await withBench(options, clientOptions: RPCOptions()) { bench in
    let peer = try await bench.rawConnection(greets: false)
    let frame = try #require(try await peer.next())
    #expect(try ErrorFormat.decode(frame.head).message == "no hello came in time")
  }
}

@Test func aConnectionCutInsideAFrameHarmsNothing() async throws {
  try await withBench { bench in
    let peer = try await bench.rawConnection()
    try await peer.send(Array("TF".utf8))
    try await bench.until { bench.server.connectionCount == 1 }
    peer.close()
    try await bench.until { bench.server.connectionCount == 0 }
    #expect(try await bench.call(2) == 2)
  }
}

/// A server that takes connections and hellos, and then does what the test says.
private func withRawServer(
  _ options: RPCOptions = RPCOptions(),
  _ behave: @escaping @Sendable (RawPeer) async throws -> Void,
  _ body: @escaping @Sendable (Bench, NetworkAddress) async throws -> Void
) async throws {
  try await withBench(options) { bench in
    let listener = try await bench.network.listen(on: NetworkAddress(host: "127.0.0.1", port: 0))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        do {
          while true {
            let peer = RawPeer(try await listener.accept())
            _ = try await peer.next()
            peer.raiseLimit()
            try await peer.send(
              Frame(.helloReply, head: HelloFormat.encodeReply(version: 1, serverIdentity))
            )
            try await behave(peer)
          }
        } catch is CancellationError {}
      }
      try await body(bench, listener.address)
      group.cancelAll()
    }
  }
}

private func ingest() -> Message {
  .ingest(
    Ingest(
      shard: ShardID(1),
      epoch: Epoch(1),
      version: CatalogVersion(1),
      table: TableID(1),
      key: nil,
      contentHash: .zero,
      batch: [1]
    )
  )
}

@Test func aLostConnectionFailsWhatIsInFlightByItsKind() async throws {
  try await withRawServer { peer in
    _ = try await peer.next()
    _ = try await peer.next()
    peer.close()
  } _: { bench, address in
    try await withThrowingTaskGroup(of: (Bool, StatusCode?).self) { group in
      group.addTask {
        (true, try await status { _ = try await bench.pool.call(ingest(), to: address) })
      }
      group.addTask {
        (
          false,
          try await status {
            _ = try await bench.pool.call(
              .fetchCatalog(FetchCatalog(known: CatalogVersion(0))),
              to: address
            )
          }
        )
      }
      for try await (mayChangeState, code) in group {
        #expect(code == (mayChangeState ? .unknownOutcome : .unavailable))
      }
    }
  }
}

@Test func aServerThatBreaksTheProtocolIsLeft() async throws {
  try await withRawServer { peer in
    _ = try await peer.next()
    try await peer.send([UInt8](repeating: 1, count: 64))
    let farewell = try await peer.next()
    #expect(farewell?.kind == .error)
  } _: { bench, address in
    let code = try await status { _ = try await bench.pool.call(ingest(), to: address) }
    #expect(code == .unknownOutcome)
  }
}

@Test func aServerThatSendsBeyondItsCreditIsLeft() async throws {
  try await withRawServer { peer in
    _ = try await peer.next()
    let (head, _) = MessageFormat.encode(.resultBatch(ResultBatch(batch: [])))
    do {
      for _ in 0..<40 {
        try await peer.send(
          Frame(.streamItem, stream: 1, head: head, body: [UInt8](repeating: 0, count: 1 << 20))
        )
      }
      while try await peer.next()?.kind != .error {}
    } catch is NetworkFailure {}
  } _: { bench, address in
    let stream = try await bench.pool.openStream(
      .fetchCatalog(FetchCatalog(known: CatalogVersion(0))),
      to: address
    )
    let connection = try await bench.pool.connection(to: address)
    try await bench.until { !connection.isUsable }
    let code = try await status { while try await stream.next() != nil {} }
    #expect(code == .unavailable)
  }
}

@Test func aSilentServerIsGivenUp() async throws {
  var options = RPCOptions()
  options.keepAlive = .milliseconds(10)
  options.silenceLimit = .milliseconds(60)
  try await withRawServer(options) { peer in
    while try await peer.next() != nil {}
  } _: { bench, address in
    let code = try await status { _ = try await bench.pool.call(ingest(), to: address) }
    #expect(code == .unknownOutcome)
  }
}

@Test func aServerThatHoldsRequestsAndIsSilentIsGivenUpSooner() async throws {
  var options = RPCOptions()
  options.busyKeepAlive = .milliseconds(20)
  options.busySilenceLimit = .milliseconds(100)
  try await withRawServer(options) { peer in
    while try await peer.next() != nil {}
  } _: { bench, address in
    let connection = try await bench.pool.connection(to: address)
    // Nothing waits: the short limit does not count.
    try await bench.clock.sleep(for: .milliseconds(300))
    #expect(connection.isUsable)
    let asked = bench.clock.now
    let code = try await status { _ = try await bench.pool.call(ingest(), to: address) }
    #expect(code == .unknownOutcome)
    #expect(bench.clock.now - asked >= .milliseconds(100))
  }
}

@Test func whatIsUnderWayOverASlowLinkHasTheTimeItNeeds() async throws {
  var options = RPCOptions()
  options.busyKeepAlive = .milliseconds(20)
  options.busySilenceLimit = .milliseconds(50)
  options.slowestLink = 1  // a byte a second: hours for any request
  options.silenceLimit = .milliseconds(600)
  try await withRawServer(options) { peer in
    while try await peer.next() != nil {}
  } _: { bench, address in
    let asked = bench.clock.now
    let code = try await status { _ = try await bench.pool.call(ingest(), to: address) }
    #expect(code == .unknownOutcome)
    #expect(bench.clock.now - asked >= .milliseconds(600))
  }
}

@Test func pingsKeepAQuietConnection() async throws {
  var options = RPCOptions()
  options.keepAlive = .milliseconds(5)
  options.silenceLimit = .milliseconds(500)
  try await withBench(options) { bench in
    let connection = try await bench.pool.connection(to: bench.address)
    try await bench.clock.sleep(for: .milliseconds(1200))
    #expect(connection.isUsable)
  }
}

@Test func anAddressWhereNobodyListensFailsAtOnceAndIsLeftAloneForAWhile() async throws {
  try await withBench { bench in
    let listener = try await bench.network.listen(on: NetworkAddress(host: "127.0.0.1", port: 0))
    let address = listener.address
    listener.close()
    for _ in 0..<5 {
      let code = try await status {
        _ = try await bench.pool.call(
          ingest(),
          to: address,
          deadline: bench.clock.now + .seconds(5)
        )
      }
      #expect(code == .unavailable)
    }
    // Once somebody listens again it is found.
    let again = try await bench.network.listen(on: address)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await bench.server.serve(again) }
      var code: StatusCode? = .unavailable
      let limit = bench.clock.now + .seconds(10)
      while code != nil && bench.clock.now < limit {
        code = try await status { _ = try await bench.pool.call(ingest(), to: address) }
        try await bench.clock.sleep(for: .milliseconds(5))
      }
      #expect(code == nil)
      group.cancelAll()
    }
  }
}

@Test func drainingAnswersWhatIsInFlightAndTakesNothingNew() async throws {
  try await withBench { bench in
    try await withThrowingTaskGroup(of: UInt64?.self) { group in
      group.addTask { try await bench.call(1000) }
      try await bench.until { bench.responder.started.withLock { $0 } == 1 }
      let connection = try await bench.pool.connection(to: bench.address)
      group.addTask {
        await bench.server.drain(bench.listener, until: bench.clock.now + .seconds(20))
        return nil
      }
      try await bench.until { !connection.isUsable }
      let code = try await status { _ = try await bench.call(1) }
      #expect(code == .unavailable)
      bench.responder.gate(1000).fulfil(())
      var answers: [UInt64?] = []
      for try await answer in group { answers.append(answer) }
      #expect(answers.contains(1000))
      #expect(bench.server.connectionCount == 0)
    }
  }
}

@Test func aDeadlineThatComesWhileTheServerDrainsEndsTheRequest() async throws {
  try await withBench { bench in
    try await withThrowingTaskGroup(of: StatusCode?.self) { group in
      group.addTask {
        try await status { _ = try await bench.call(1000, deadline: .milliseconds(80)) }
      }
      try await bench.until { bench.responder.started.withLock { $0 } == 1 }
      let connection = try await bench.pool.connection(to: bench.address)
      group.addTask {
        await bench.server.drain(bench.listener, until: bench.clock.now + .seconds(20))
        return nil
      }
      try await bench.until { !connection.isUsable }
      var codes: [StatusCode?] = []
      codes.append(try await group.next() ?? nil)
      // The responder does not notice that its request was given up.
      bench.responder.gate(1000).fulfil(())
      for try await code in group { codes.append(code) }
      #expect(codes.contains(.timedOut))
    }
  }
}

@Test func aServerThatShutsDownBeforeItsHelloIsUnavailable() async throws {
  try await withBench { bench in
    let listener = try await bench.network.listen(on: NetworkAddress(host: "127.0.0.1", port: 0))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        let peer = RawPeer(try await listener.accept())
        _ = try await peer.next()
        try await peer.send(Frame(.goodbye))
        _ = try await peer.next()
      }
      let code = try await status { _ = try await bench.pool.connection(to: listener.address) }
      #expect(code == .unavailable)
      listener.close()
      group.cancelAll()
    }
  }
}
