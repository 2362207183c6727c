// SimulatedWorldTests.swift — determinism, virtual time, crashes of nodes, deadlocks, escapes.
import Capabilities
import Simulation
import Synchronization
import Testing

/// An echo service with clients, a crash, a disk and a partition: touches every capability.
private func scenario(_ seed: UInt64) throws -> (hash: UInt64, events: [String]) {
  let world = SimulatedWorld(seed: seed)
  try world.run { world in
    let server = world.node("server", host: "10.0.0.1")
    let address = NetworkAddress(host: "10.0.0.1", port: 7000)
    server.start { near in try await serve(near, address) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<3 {
        let client = world.node("client-\(index)", host: "10.0.1.\(index)")
        group.addTask {
          try await client.run { near in try await talk(near, address, UInt8(index)) }
        }
      }
      group.addTask {
        try await world.clock.sleep(for: .milliseconds(30))
        server.crash()
        try await world.clock.sleep(for: .milliseconds(50))
        server.restart()
        server.start { near in try await serve(near, address) }
        world.fabric.partition([["10.0.0.1"], ["10.0.1.0"]])
        try await world.clock.sleep(for: .milliseconds(50))
        world.fabric.heal()
      }
      try await group.waitForAll()
    }
  }
  #expect(world.unreleased == [])
  return (
    world.eventHash, world.log.events.map { "\($0.time) \($0.node) \($0.event) \($0.fields)" }
  )
}

private func serve(_ near: Surroundings, _ address: NetworkAddress) async throws {
  let listener = try await near.network.listen(on: address)
  let file = try await near.disk.open("log-\(near.random.next())", .create)
  let position = Shared<UInt64>(0)
  try await withThrowingDiscardingTaskGroup { group in
    while true {
      let connection = try await listener.accept()
      group.addTask {
        do {
          while true {
            let bytes = try await connection.receive()
            if bytes.isEmpty { return }
            let at = position.update { position in
              defer { position += UInt64(bytes.count) }
              return position
            }
            try await file.write([bytes], at: at, sync: true)
            let sum = await near.compute.run { bytes.reduce(0) { $0 &+ UInt64($1) } }
            near.log.info("echo", ("sum", "\(sum)"))
            try await connection.send(bytes)
          }
        } catch let failure as NetworkFailure {
          near.log.warning("lost", ("reason", failure.message))
        }
      }
    }
  }
}

private func talk(_ near: Surroundings, _ address: NetworkAddress, _ value: UInt8) async throws {
  var answered = 0
  while answered < 20 {
    do {
      let connection = try await near.network.connect(
        to: address,
        deadline: near.clock.now + .milliseconds(20)
      )
      while answered < 20 {
        let count = 1 + Int(near.random.next(below: 2000))
        try await connection.send([UInt8](repeating: value, count: count))
        try await withDeadline(near.clock.now + .milliseconds(40), near.clock) {
          var got = 0
          while got < count {
            let bytes = try await connection.receive()
            if bytes.isEmpty { throw NetworkFailure(.closed, "end") }
            got += bytes.count
          }
        }
        answered += 1
      }
      connection.close()
    } catch is NetworkFailure {
      try await near.clock.sleep(for: .milliseconds(5))
    } catch is DeadlineExceeded {
      near.log.info("late")
    }
  }
}

struct SimulatedWorldTests {
  @Test func sameSeedGivesTheSameRun() throws {
    var hashes: Set<UInt64> = []
    for seed in UInt64(1)...8 {
      let first = try scenario(seed)
      let second = try scenario(seed)
      #expect(first.hash == second.hash)
      #expect(first.events == second.events)
      #expect(first.events.count > 20)
      hashes.insert(first.hash)
    }
    #expect(hashes.count == 8)
  }

  @Test func virtualTimeJumpsToTheEarliestTimer() throws {
    let order = Shared<[Int]>([])
    try SimulatedWorld(seed: 1).run { world in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for minutes in [30, 10, 20] {
          group.addTask {
            try await world.clock.sleep(for: .seconds(minutes * 60))
            order.update { $0.append(minutes) }
          }
        }
        try await group.waitForAll()
      }
      #expect(world.clock.now == Instant(nanoseconds: 1800 * 1_000_000_000))
      await #expect(throws: DeadlineExceeded.self) {
        try await withDeadline(world.clock.now + .seconds(1), world.clock) {
          try await world.clock.sleep(until: .distantFuture)
        }
      }
    }
    #expect(order.value == [10, 20, 30])
  }

  @Test func deadlocksAndOverlongRunsAreReported() throws {
    let stuck = #expect(throws: SimulationFailure.self) {
      try SimulatedWorld(seed: 1).run { world in try await world.clock.sleep(until: .distantFuture)
      }
    }
    #expect(stuck?.description.contains("deadlock") == true)
    #expect(stuck?.description.contains("1 in sleep") == true)
    let endless = #expect(throws: SimulationFailure.self) {
      try SimulatedWorld(seed: 1, limit: .seconds(10)).run { world in
        while true { try await world.clock.sleep(for: .seconds(1)) }
      }
    }
    #expect(endless?.description.contains("time limit") == true)
  }

  @Test func crashedNodeNeverActsAgainAndIsReleased() throws {
    final class Token: Sendable {}
    let seen = Shared(0)
    let weakly = Shared<@Sendable () -> Bool>({ false })
    let world = SimulatedWorld(seed: 3)
    try world.run { world in
      let node = world.node("n", host: "h")
      let token = Token()
      weakly.update { $0 = { [weak token] in token == nil } }
      node.start { [token] near in
        defer { withExtendedLifetime(token) {} }
        while true {
          try await near.clock.sleep(for: .milliseconds(1))
          near.log.info("tick")
          seen.update { $0 += 1 }
        }
      }
      try await world.clock.sleep(for: .microseconds(5500))
      node.crash()
      try await world.clock.sleep(for: .seconds(1))
    }
    #expect(seen.value == 5)
    #expect(world.log.events.count == 5)
    #expect(weakly.value())
    #expect(world.unreleased == [])
  }

  @Test func clocksOfNodesDifferByTheirOffset() throws {
    try SimulatedWorld(seed: 3).run { world in
      let (a, b) = (world.node("a", host: "a"), world.node("b", host: "b"))
      b.wallOffsetMicroseconds = -5_000_000
      let difference = a.surroundings.clock.wallMicroseconds - b.surroundings.clock.wallMicroseconds
      #expect(difference == 5_000_000)
    }
  }

  @Test func escapingTasksEndTheProcess() async {
    await #expect(processExitsWith: .failure) {
      try SimulatedWorld(seed: 1).run { _ in await Task { () async in }.value }
    }
  }
}

/// An alarm is the process's own: it waits while that is stopped, and is never made once it has died.
@Test func alarmsOfAStoppedNodeWaitAndThoseOfADeadOneNeverCome() throws {
  let world = SimulatedWorld(seed: 3)
  let fired = Mutex<[String]>([])
  try world.run { world in
    let nodes = [("stopped", "a"), ("dead", "b"), ("up", "c")].map { name, host in
      let node = world.node(name, host: host)
      node.start { near in
        _ = near.clock.alarm(at: near.clock.now + .milliseconds(50)) {
          fired.withLock { $0.append("\(name) at \(near.clock.now.nanoseconds / 1_000_000)") }
        }
        try await near.clock.sleep(for: .seconds(1))
      }
      return node
    }
    try await world.clock.sleep(for: .milliseconds(10))
    nodes[0].stop()
    nodes[1].crash()
    try await world.clock.sleep(for: .milliseconds(190))
    nodes[0].resume()
    try await world.clock.sleep(for: .milliseconds(500))
  }
  #expect(fired.withLock { $0 } == ["up at 50", "stopped at 200"])
}
