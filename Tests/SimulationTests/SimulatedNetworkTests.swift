// SimulatedNetworkTests.swift — order, back-pressure, refusal, deadlines, partitions, broken connections.
import Capabilities
import Simulation
import Testing

private let address = NetworkAddress(host: "b", port: 9)

private func inPair(
  seed: UInt64,
  _ body:
    @escaping @Sendable (
      SimulatedWorld, SimulatedNode, SimulatedNode, any Connection, any Connection
    ) async throws -> Void
) throws {
  let world = SimulatedWorld(seed: seed)
  try world.run { world in
    let (a, b) = (world.node("a", host: "a"), world.node("b", host: "b"))
    let listener = try await b.surroundings.network.listen(on: address)
    async let accepted = listener.accept()
    let client = try await a.surroundings.network.connect(to: address, deadline: .distantFuture)
    let server = try await accepted
    try await body(world, a, b, client, server)
    withExtendedLifetime(listener) {}
  }
}

private func receive(_ count: Int, from connection: any Connection) async throws -> [UInt8] {
  var all: [UInt8] = []
  while all.count < count {
    let bytes = try await connection.receive()
    if bytes.isEmpty { break }
    #expect(bytes.count <= 256 << 10)
    all += bytes
  }
  return all
}

struct SimulatedNetworkTests {
  @Test func bytesKeepTheirOrderWhateverTheCuts() throws {
    for seed in UInt64(0)..<10 {
      try inPair(seed: seed) { _, _, _, client, server in
        for index in 0..<200 {
          try await client.send([UInt8](repeating: UInt8(index), count: 1 + index * 3))
        }
        let expected = (0..<200).flatMap { [UInt8](repeating: UInt8($0), count: 1 + $0 * 3) }
        client.close()
        #expect(try await receive(expected.count + 1, from: server) == expected)
        #expect(try await server.receive() == [])
      }
    }
  }

  @Test func slowReaderHoldsTheSenderBack() throws {
    let sent = Shared(0)
    try inPair(seed: 1) { world, _, _, client, server in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for _ in 0..<64 {
            try await client.send([UInt8](repeating: 1, count: 256 << 10))
            sent.update { $0 += 1 }
          }
        }
        try await world.clock.sleep(for: .seconds(5))
        #expect(sent.value == 5)
        #expect(try await receive(64 * 256 << 10, from: server).count == 64 * 256 << 10)
        try await group.waitForAll()
      }
    }
  }

  @Test func nobodyListeningRefusesAndCutLinksTimeOut() throws {
    try SimulatedWorld(seed: 1).run { world in
      let (a, _) = (world.node("a", host: "a"), world.node("b", host: "b"))
      let near = a.surroundings
      do {
        _ = try await near.network.connect(to: address, deadline: .distantFuture)
        Issue.record("connected to nobody")
      } catch let failure as NetworkFailure { #expect(failure.kind == .refused) }
      world.fabric.cut(from: "b", to: "a")
      do {
        _ = try await near.network.connect(to: address, deadline: near.clock.now + .seconds(3))
        Issue.record("connected through a cut")
      } catch let failure as NetworkFailure { #expect(failure.kind == .timedOut) }
      #expect(near.clock.now >= Instant(nanoseconds: 3_000_000_000))
    }
  }

  @Test func partitionDelaysBytesUntilItHeals() throws {
    try inPair(seed: 1) { world, _, _, client, server in
      world.fabric.partition([["a"], ["b"]])
      try await client.send([1])
      try await client.send([2])
      await #expect(throws: DeadlineExceeded.self) {
        try await withDeadline(world.clock.now + .seconds(10), world.clock) {
          try await server.receive()
        }
      }
      world.fabric.heal()
      try await client.send([3])
      #expect(try await receive(3, from: server) == [1, 2, 3])
    }
  }

  @Test func killedProcessResetsItsConnections() throws {
    try inPair(seed: 1) { _, _, b, client, _ in
      b.kill(losingPower: false)
      await #expect(throws: NetworkFailure.self) { _ = try await client.receive() }
      await #expect(throws: NetworkFailure.self) { try await client.send([1]) }
    }
  }

  @Test func powerLossIsNoticedOnlyAfterTheMachineIsBack() throws {
    try inPair(seed: 1) { world, _, b, client, _ in
      b.crash()
      try await client.send([1])
      await #expect(throws: DeadlineExceeded.self) {
        try await withDeadline(world.clock.now + .seconds(60), world.clock) {
          try await client.receive()
        }
      }
      b.restart()
      try await client.send([2])
      await #expect(throws: NetworkFailure.self) { _ = try await client.receive() }
    }
  }

  @Test func closingEndsPendingCalls() throws {
    try inPair(seed: 1) { world, _, _, client, _ in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          await #expect(throws: NetworkFailure.self) { _ = try await client.receive() }
        }
        try await world.clock.sleep(for: .seconds(1))
        client.close()
        client.close()
        try await group.waitForAll()
      }
    }
  }
}
