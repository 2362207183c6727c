// EchoRateTests.swift — measures echo round trips over TCPNetwork; only when TALLY_MEASURE is set, best in release.
import Capabilities
import Glibc
import NodeRuntime
import Testing

struct EchoRateTests {
  @Test(
    .enabled(if: getenv("TALLY_MEASURE") != nil),
    .serialized,
    arguments: [(1, 1), (1, 64), (16, 16)]
  )
  func echoRoundTrips(connections: Int, depth: Int) async throws {
    let (near, far) = (UVLoop(), UVLoop())
    let perCaller = 400_000 / (connections * depth) / (depth == 1 ? 10 : 1)
    let listener = try await TCPNetwork(far).listen(on: NetworkAddress(host: "127.0.0.1", port: 0))
    let serving = Task(executorPreference: far) {
      try await withThrowingDiscardingTaskGroup { group in
        for _ in 0..<connections {
          let connection = try await listener.accept()
          group.addTask {
            while true {
              let bytes = try await connection.receive()
              if bytes.isEmpty { return }
              try await connection.send(bytes)
            }
          }
        }
      }
    }
    let clock = SystemClock(near)
    let address = listener.address
    let elapsed = try await near.run {
      let start = clock.now
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<connections {
          let connection = try await TCPNetwork(near).connect(to: address, deadline: .distantFuture)
          group.addTask { try await exchange(connection, calls: perCaller * depth, depth: depth) }
        }
        try await group.waitForAll()
      }
      return clock.now - start
    }
    try await serving.value
    near.stop()
    far.stop()
    let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
    print(
      "echo \(connections) x \(depth): \(Int(Double(perCaller * depth * connections) / seconds)) round trips/s"
    )
  }

  /// Keeps `depth` messages of 32 bytes under way: each answer lets one more go, by a send of its own.
  private func exchange(_ connection: any Connection, calls: Int, depth: Int) async throws {
    var (sent, received) = (0, 0)
    while received < calls * 32 {
      while sent < calls && sent * 32 - received < depth * 32 {
        try await connection.send([UInt8](repeating: 1, count: 32))
        sent += 1
      }
      received += try await connection.receive().count
    }
    connection.close()
  }
}
