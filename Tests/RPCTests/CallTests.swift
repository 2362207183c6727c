// Requests over TCP: side by side, out of order, cancelled, too late, too many, and streams under credit.

import Bytes
import Capabilities
import Model
import RPC
import Synchronization
import Testing
import Wire

@Test func requestsRunSideBySideAndAnswersComeInAnyOrder() async throws {
  try await withBench { bench in
    try await withThrowingTaskGroup(of: UInt64.self) { group in
      group.addTask { try await bench.call(1000) }
      group.addTask { try await bench.call(1001) }
      try await bench.until { bench.responder.started.withLock { $0 } == 2 }
      for number in 0..<200 { #expect(try await bench.call(UInt64(number)) == UInt64(number)) }
      bench.responder.gate(1001).fulfil(())
      #expect(try await group.next() == 1001)
      bench.responder.gate(1000).fulfil(())
      #expect(try await group.next() == 1000)
    }
    #expect(bench.server.connectionCount == 1)
  }
}

@Test func manyRequestsAtOnceAreAllAnswered() async throws {
  try await withBench { bench in
    let sum = try await withThrowingTaskGroup(of: UInt64.self) { group in
      for number in 0..<900 { group.addTask { try await bench.call(UInt64(number)) } }
      return try await group.reduce(0, +)
    }
    #expect(sum == 899 * 900 / 2)
  }
}

@Test func errorsOfTheResponderReachTheCaller() async throws {
  try await withBench { bench in
    do {
      _ = try await bench.pool.call(.query(QueryRequest(sql: "SELECT 1")), to: bench.address)
      Issue.record("no error came")
    } catch let error as TallyError {
      #expect(error == TallyError(.unsupported, "no query here", hint: "ask for something else"))
    }
    #expect(try await bench.call(5) == 5)
  }
}

@Test func cancellingTheCallerCancelsTheRequest() async throws {
  try await withBench { bench in
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        _ = try await bench.pool.call(.describeShards(DescribeShards()), to: bench.address)
      }
      try await bench.until { bench.responder.started.withLock { $0 } == 1 }
      group.cancelAll()
      await #expect(throws: CancellationError.self) { try await group.next() }
    }
    try await bench.until { bench.responder.cancelled.withLock { $0 } == 1 }
    #expect(try await bench.call(5) == 5)
  }
}

@Test func deadlinesEndTheCallAndCancelTheRequest() async throws {
  try await withBench { bench in
    // On a busy machine a request's time may be over before its responder starts: then another is made.
    while bench.responder.started.withLock({ $0 }) == 0 {
      let start = bench.clock.now
      let code = try await status {
        _ = try await bench.pool.call(
          .describeShards(DescribeShards()),
          to: bench.address,
          deadline: bench.clock.now + .milliseconds(30)
        )
      }
      #expect(code == .timedOut)
      #expect(bench.clock.now - start < .seconds(10))
    }
    let started = bench.responder.started.withLock { $0 }
    try await bench.until { bench.responder.cancelled.withLock { $0 } == started }
    // A deadline that has passed already is not even sent.
    let late = try await status {
      _ = try await bench.pool.call(
        .describeShards(DescribeShards()),
        to: bench.address,
        deadline: bench.clock.now
      )
    }
    #expect(late == .timedOut)
    _ = try await bench.call(1)
    #expect(bench.responder.started.withLock { $0 } == started + 1)
  }
}

@Test func earlierDeadlinesAreNotHiddenByLaterOnes() async throws {
  try await withBench { bench in
    try await withThrowingTaskGroup(of: StatusCode?.self) { group in
      for milliseconds in [60_000, 40, 50_000, 20] {
        group.addTask {
          try await status {
            _ = try await bench.pool.call(
              .describeShards(DescribeShards()),
              to: bench.address,
              deadline: bench.clock.now + .milliseconds(milliseconds)
            )
          }
        }
      }
      let start = bench.clock.now
      for _ in 0..<2 {
        let code = try await group.next()
        #expect(code == .timedOut)
      }
      #expect(bench.clock.now - start < .seconds(30))
      group.cancelAll()
    }
  }
}

@Test func largeBodiesTravelPackedAndPlain() async throws {
  var packing = RPCOptions()
  packing.packing = .always
  for options in [RPCOptions(), packing] {
    try await withBench(options) { bench in
      for size in [0, 1, 1023, 40_000, 3_000_000, Limits.frameBytesMax - 200] {
        let reply = try await bench.pool.call(
          .ingest(
            Ingest(
              shard: ShardID(1),
              epoch: Epoch(1),
              version: CatalogVersion(1),
              table: TableID(1),
              key: nil,
              contentHash: .zero,
              batch: [UInt8](repeating: 7, count: size)
            )
          ),
          to: bench.address
        )
        #expect(
          reply
            == .ingested(
              Ingested(point: LogPoint(epoch: Epoch(1), position: LogPosition(1)), copies: 1, isDuplicate: false, rows: UInt64(size))
            )
        )
      }
      let tooLarge = try await status {
        _ = try await bench.pool.call(
          .registered(
            Registered(
              cluster: .none,
              node: NodeID(1),
              incarnation: Incarnation(1),
              version: CatalogVersion(1),
              catalog: [UInt8](repeating: 0, count: Limits.frameBytesMax)
            )
          ),
          to: bench.address
        )
      }
      #expect(tooLarge == .invalid)
      #expect(try await bench.call(3) == 3)
    }
  }
}

@Test func streamsComeWholeAndInOrder() async throws {
  try await withBench { bench in
    let stream = try await bench.pool.openStream(
      .refreshRollup(RefreshRollup(name: "300x50000")),
      to: bench.address
    )
    var count = 0
    while let item = try await stream.next() {
      #expect(
        item
          == .resultBatch(
            ResultBatch(batch: [UInt8](repeating: UInt8(truncatingIfNeeded: count), count: 50_000))
          )
      )
      count += 1
    }
    #expect(count == 300)
    let empty = try await bench.pool.openStream(
      .refreshRollup(RefreshRollup(name: "0x0")),
      to: bench.address
    )
    #expect(try await empty.next() == nil)
  }
}

@Test func aStreamThatIsNotReadStopsAtItsWindow() async throws {
  try await withBench { bench in
    let stream = try await bench.pool.openStream(
      .refreshRollup(RefreshRollup(name: "1000x100000")),
      to: bench.address
    )
    // Eleven items of 100,000 bytes use up the window of 1 MiB; the server must not have sent more, however long we wait.
    try await bench.until { bench.responder.sent.withLock { $0 } >= 11 }
    for number in 0..<200 { #expect(try await bench.call(UInt64(number)) == UInt64(number)) }
    #expect(bench.responder.sent.withLock { $0 } == 11)
    for _ in 0..<6 { _ = try await stream.next() }
    try await bench.until { bench.responder.sent.withLock { $0 } >= 17 }
    stream.cancel()
    #expect(try await bench.call(7) == 7)
  }
}

@Test func aDroppedStreamIsCancelled() async throws {
  try await withBench { bench in
    do {
      let stream = try await bench.pool.openStream(
        .describeShards(DescribeShards()),
        to: bench.address
      )
      try await bench.until { bench.responder.started.withLock { $0 } == 1 }
      _ = stream
    }
    try await bench.until { bench.responder.cancelled.withLock { $0 } == 1 }
  }
}

@Test func tooManyRequestsAreRefusedAndTheOthersGoOn() async throws {
  try await withBench { bench in
    let peer = try await bench.rawConnection()
    let waiting = MessageFormat.encodeRequest(.describeShards(DescribeShards()), deadline: 0)
    for stream in 1...UInt64(Limits.requestsInFlightMax) + 1 {
      try await peer.send(Frame(.request, stream: stream, head: waiting.head))
    }
    let refusal = try #require(try await peer.next())
    #expect(refusal.kind == .error && refusal.stream == UInt64(Limits.requestsInFlightMax) + 1)
    #expect(try ErrorFormat.decode(refusal.head).status == .overloaded)
    try await peer.send(Frame(.cancel, stream: 1))
    try await bench.until { bench.responder.cancelled.withLock { $0 } == 1 }
    #expect(try await bench.call(5) == 5)
    peer.close()
    try await bench.until {
      bench.responder.cancelled.withLock { $0 } == Limits.requestsInFlightMax
    }
  }
}

@Test func requestBodiesBeyondTheBudgetAreRefused() async throws {
  var options = RPCOptions()
  options.requestBytesMax = 1_000_000
  try await withBench(options) { bench in
    func ingest(_ size: Int) async throws -> StatusCode? {
      try await status {
        _ = try await bench.pool.call(
          .ingest(
            Ingest(
              shard: ShardID(1),
              epoch: Epoch(1),
              version: CatalogVersion(1),
              table: TableID(1),
              key: nil,
              contentHash: .zero,
              batch: [UInt8](repeating: 7, count: size)
            )
          ),
          to: bench.address
        )
      }
    }
    let refused = try await ingest(1_000_001)
    #expect(refused == .overloaded)
    for _ in 0..<20 {
      let taken = try await ingest(900_000)
      #expect(taken == nil)
    }
  }
}
