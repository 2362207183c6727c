// Random bytes and mutated sessions: whatever comes, nothing traps, nothing hangs, and other clients are served.

import Bytes
import Capabilities
import Model
import Synchronization
import Testing

@testable import PostgresWire

private struct Generator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 11) } }
}

private let valid: [[UInt8]] = [
  query("SELECT 1"), query("SELECT i FROM numbers(3); SELECT fail()"), query("BEGIN; DECLARE c CURSOR FOR SELECT i FROM numbers(9)"),
  query("FETCH 2 FROM c"), query("COMMIT"), query("SET jit = on"), parse("s", "SELECT $1::bigint, $2::text", [20, 0]),
  parse("", "SELECT types()"),
  bind("p", "s", formats: [1, 0], [big(Int64(5)), Array("x".utf8)], results: [1, 0]), bind("", "", results: [1]), describe("S", "s"),
  describe("P", "p"), execute("p", 1), execute(""), close("S", "s"), close("P", "p"), flush, sync, message("d", [1, 2, 3]), message("c"),
  message("f", text("x")), query("COPY t TO STDOUT"), query("SAVEPOINT a"), query("ROLLBACK TO a"), query("DISCARD ALL"),
]

@Test func decodersNeverTrap() {
  var random = Generator(state: 0x9e37_79b9_7f4a_7c15)
  let types = Array("QPBDECFpdcfHSX".utf8)
  let parameterTypes = allTypes.map { ParameterType($0) } + [ParameterType(.text)]
  for round in 0..<20_000 {
    var body = round % 2 == 0 ? random.bytes(random.below(40)) : Array(valid[random.below(valid.count)].dropFirst(5))
    if !body.isEmpty { body[random.below(body.count)] = UInt8(truncatingIfNeeded: random.next()) }
    do { _ = try FrontendMessage(RawMessage(type: types[random.below(types.count)], body: body)) } catch {}
    do { _ = try StartupPacket(big(UInt32(round % 3 == 0 ? 196_608 : 80_877_102)) + body) } catch {}
    do { _ = try StartupPacket(body) } catch {}
    let type = parameterTypes[random.below(parameterTypes.count)]
    let value = body
    for format in [0, 1] as [Int16] {
      do {
        _ = try ParameterDecoder.values(
          BoundValues(bytes: value, ranges: [0..<value.count]),
          formats: [format],
          types: [type],
          statement: ""
        )
      } catch {}
    }
    var scram = ScramServer(verifier: nil, user: "u", secret: secret, nonce: "n")
    do {
      _ = try scram.challenge(round % 2 == 0 ? body : Array("n,,n=,r=a".utf8))
      _ = try scram.verify(body)
    } catch {}
    _ = ScramVerifier(String(decoding: body, as: UTF8.self))
    do { _ = try ClientConnection.options(String(decoding: body, as: UTF8.self)) } catch {}
  }
}

@Test func mutatedSessionsEndInErrorsOrCloses() async throws {
  let options: @Sendable (inout PostgresOptions) -> Void = {
    $0.loginTimeout = .milliseconds(300)
    $0.limits.messageBytesMax = 1 << 20
  }
  try await withBench(options) { bench in
    var random = Generator(state: 42)
    for round in 0..<150 {
      let client = try await bench.connect()
      if round % 5 != 0 { try await client.send(startup(["user": "dev"])) }
      var bytes: [UInt8] = []
      for _ in 0..<(1 + random.below(12)) { bytes += round % 7 == 0 ? random.bytes(random.below(30)) : valid[random.below(valid.count)] }
      for _ in 0..<random.below(4) where !bytes.isEmpty { bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next()) }
      // In odd pieces; the server may have closed by then.
      do {
        for start in stride(from: 0, to: bytes.count, by: 17) { try await client.send(Array(bytes[start..<min(start + 17, bytes.count)])) }
        try await client.send(sync, message("X"))
      } catch is NetworkFailure {}
      client.close()
    }
    try await bench.until { bench.server.connectionCount == 0 && bench.engine.sessions.withLock { $0 } == 0 }
    #expect(bench.engine.openStreams.withLock { $0 } == 0)
    let client = try await bench.login()
    try await client.send(query("SELECT 1"))
    #expect(try await client.until() == ["T ?column?:23", "D 1", "C SELECT 1", "Z I"])
  }
}

@Test func answersDoNotDependOnChunks() async throws {
  try await withBench { bench in
    let script =
      query("SELECT 1") + parse("s", "SELECT $1::bigint") + bind("", "s", [[0x35]]) + describe("P", "") + execute("") + sync
      + query("SELECT i FROM numbers(4)") + parse("", "SELECT fail()") + bind("", "") + execute("") + execute("") + sync
      + query("COPY t FROM STDIN") + message("d", Array("1\tx\n".utf8)) + message("c") + query("SELECT 'end'")
    var answers: [[String]] = []
    for size in [1, 5, 64, 100_000] {
      let client = try await bench.login()
      for start in stride(from: 0, to: script.count, by: size) {
        try await client.send(Array(script[start..<min(start + size, script.count)]))
      }
      var lines: [String] = []
      while lines.last != "Z I" || !lines.contains("D end") { lines.append(try await client.next() ?? "(closed)") }
      answers.append(lines)
    }
    for answer in answers { #expect(answer == answers[0]) }
  }
}
