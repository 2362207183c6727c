// TCPNetworkTests.swift — byte streams over real sockets: order, bounds, failures, cancellation, closing.
import Capabilities
import Glibc
import NodeRuntime
import Testing

private let anyPort = NetworkAddress(host: "127.0.0.1", port: 0)

/// A connected pair.
private func pair(
  _ network: TCPNetwork,
  _ address: NetworkAddress = anyPort
) async throws -> (
  client: any Connection, server: any Connection
) {
  let listener = try await network.listen(on: address)
  async let accepted = listener.accept()
  let client = try await network.connect(to: listener.address, deadline: .distantFuture)
  let server = try await accepted
  listener.close()
  return (client, server)
}

/// Echoes until the peer ends its stream.
private func echo(_ connection: any Connection) async throws {
  while true {
    let bytes = try await connection.receive()
    if bytes.isEmpty { return connection.close() }
    try await connection.send(bytes)
  }
}

private func receive(_ count: Int, from connection: any Connection) async throws -> [UInt8] {
  var all: [UInt8] = []
  all.reserveCapacity(count)
  while all.count < count {
    let bytes = try await connection.receive()
    if bytes.isEmpty { break }
    all += bytes
  }
  return all
}

struct TCPNetworkTests {
  @Test func sixtyFourMebibytesComeBackUnchanged() async throws {
    try await onLoop { loop in
      let (client, server) = try await pair(TCPNetwork(loop))
      let message = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await echo(server) }
        group.addTask { for _ in 0..<64 { try await client.send(message) } }
        group.addTask {
          var at = 0
          while at < 64 << 20 {
            let bytes = try await client.receive()
            #expect(!bytes.isEmpty && bytes.count <= 256 << 10)
            for index in bytes.indices where bytes[index] != message[(at + index) & 0xF_FFFF] {
              Issue.record("byte \(at + index) differs")
              return
            }
            at += bytes.count
            #expect(loop.isCurrent)
          }
          client.close()
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func tenThousandSmallMessagesKeepTheirOrder() async throws {
    try await onLoop { loop in
      let (client, server) = try await pair(TCPNetwork(loop))
      async let echoing: Void = echo(server)
      async let sending: Void = {
        for index in 0..<10_000 {
          try await client.send(withUnsafeBytes(of: UInt32(index).littleEndian) { Array($0) })
        }
      }()
      let all = try await receive(40_000, from: client)
      try await sending
      for index in 0..<10_000 {
        let number = all.withUnsafeBytes {
          $0.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
        }
        #expect(number == UInt32(index))
      }
      client.close()
      try await echoing
    }
  }

  @Test func slowReaderHoldsTheSenderBack() async throws {
    try await onLoop { loop in
      let clock = SystemClock(loop)
      let (client, server) = try await pair(TCPNetwork(loop))
      let sent = BoundedQueue<Int>(capacity: 1000)
      let piece = [UInt8](repeating: 7, count: 256 << 10)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for index in 0..<256 {
            try await client.send(piece)
            try await sent.send(index)
          }
        }
        // Nobody reads: only the kernel's buffers and about 1 MiB may be filled (64 MiB are offered).
        try await clock.sleep(for: .milliseconds(200))
        #expect(sent.count < 100)
        let all = try await receive(256 * piece.count, from: server)
        #expect(all.count == 256 * piece.count)
        try await group.waitForAll()
      }
    }
  }

  @Test func overlappingSendsKeepTheirBytesTogether() async throws {
    try await onLoop { loop in
      let (client, server) = try await pair(TCPNetwork(loop))
      let size = 300_000
      try await withThrowingTaskGroup(of: Void.self) { group in
        for sender in 0..<16 {
          group.addTask { try await client.send([UInt8](repeating: UInt8(sender), count: size)) }
        }
        let all = try await receive(16 * size, from: server)
        for block in 0..<16 {
          let part = all[block * size..<(block + 1) * size]
          #expect(part.allSatisfy { $0 == part.first })
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func nobodyListeningIsRefused() async throws {
    try await onLoop { loop in
      let network = TCPNetwork(loop)
      let listener = try await network.listen(on: anyPort)
      let address = listener.address
      listener.close()
      let failure = await #expect(throws: NetworkFailure.self) {
        _ = try await network.connect(to: address, deadline: .distantFuture)
      }
      #expect(failure?.kind == .refused)
    }
  }

  @Test func connectingGivesUpAtItsDeadline() async throws {
    try await onLoop { loop in
      let network = TCPNetwork(loop)
      let clock = SystemClock(loop)
      // Fill a backlog that nobody accepts from, until connecting hangs.
      let silent = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(silent) }
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { socketAddress in
          #expect(bind(silent, socketAddress, length) == 0)
          #expect(listen(silent, 0) == 0)
          #expect(getsockname(silent, socketAddress, &length) == 0)
        }
      }
      let target = NetworkAddress(host: "127.0.0.1", port: UInt16(bigEndian: address.sin_port))
      var open: [any Connection] = []
      var kind: NetworkFailure.Kind?
      for _ in 0..<20 where kind == nil {
        do {
          open.append(
            try await network.connect(to: target, deadline: clock.now + .milliseconds(50))
          )
        } catch let failure as NetworkFailure {
          kind = failure.kind
        }
      }
      #expect(kind == .timedOut)
    }
  }

  @Test func takenAndUnknownAddressesAreUnavailable() async throws {
    try await onLoop { loop in
      let network = TCPNetwork(loop)
      let listener = try await network.listen(on: anyPort)
      for address in [listener.address, NetworkAddress(host: "no.such.host", port: 1)] {
        let failure = await #expect(throws: NetworkFailure.self) {
          _ = try await network.listen(on: address)
        }
        #expect(failure?.kind == .addressUnavailable)
      }
    }
  }

  @Test func localhostAndVersionSixWork() async throws {
    try await onLoop { loop in
      for host in ["localhost", "::1"] {
        let (client, server) = try await pair(TCPNetwork(loop), NetworkAddress(host: host, port: 0))
        try await client.send([1, 2, 3])
        #expect(try await server.receive() == [1, 2, 3])
        #expect(server.peer.contains(host == "localhost" ? "127.0.0.1:" : "[::1]:"))
      }
    }
  }

  @Test func receiveIsCancelledAndTheConnectionLivesOn() async throws {
    try await onLoop { loop in
      let (client, server) = try await pair(TCPNetwork(loop))
      let clock = SystemClock(loop)
      await #expect(throws: DeadlineExceeded.self) {
        try await withDeadline(clock.now + .milliseconds(5), clock) { try await server.receive() }
      }
      try await client.send([9])
      #expect(try await server.receive() == [9])
    }
  }

  @Test func closingFromAnotherTaskEndsPendingCalls() async throws {
    try await onLoop { loop in
      let (client, server) = try await pair(TCPNetwork(loop))
      let receiving = Task(executorPreference: loop) { try await client.receive() }
      let filling = Task(executorPreference: loop) {
        while true { try await client.send([UInt8](repeating: 0, count: 1 << 20)) }
      }
      try await SystemClock(loop).sleep(for: .milliseconds(20))
      client.close()
      client.close()
      await #expect(throws: NetworkFailure.self) { _ = try await receiving.value }
      await #expect(throws: NetworkFailure.self) { try await filling.value }
      await #expect(throws: NetworkFailure.self) { try await client.send([1]) }
      server.close()
    }
  }

  @Test func bytesBeforeTheEndArriveThenTheEnd() async throws {
    try await onLoop { loop in
      let (client, server) = try await pair(TCPNetwork(loop))
      try await client.send([1, 2])
      client.close()
      #expect(try await receive(10, from: server) == [1, 2])
      #expect(try await server.receive() == [])
      #expect(try await server.receive() == [])
    }
  }

  @Test func closedListenerRefusesToAccept() async throws {
    try await onLoop { loop in
      let listener = try await TCPNetwork(loop).listen(on: anyPort)
      let accepting = Task(executorPreference: loop) { _ = try await listener.accept() }
      try await SystemClock(loop).sleep(for: .milliseconds(5))
      listener.close()
      await #expect(throws: NetworkFailure.self) { try await accepting.value }
      await #expect(throws: NetworkFailure.self) { _ = try await listener.accept() }
    }
  }

  @Test func connectionsWorkFromOtherExecutors() async throws {
    let loop = UVLoop()
    defer { loop.stop() }
    let (client, server) = try await pair(TCPNetwork(loop))
    async let echoing: Void = echo(server)
    for index in 0..<100 {
      try await client.send([UInt8(index), 1])
      #expect(try await receive(2, from: client) == [UInt8(index), 1])
    }
    client.close()
    try await echoing
  }

  @Test func droppedConnectionsAreClosed() async throws {
    try await onLoop { loop in
      let listener = try await TCPNetwork(loop).listen(on: anyPort)
      for _ in 0..<5 {
        async let accepted = listener.accept()
        _ = try await TCPNetwork(loop).connect(to: listener.address, deadline: .distantFuture)
        #expect(try await accepted.receive() == [])
      }
    }
  }
}
