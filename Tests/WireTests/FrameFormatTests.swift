// Frames: golden bytes, any cut of the bytes, limits before allocation, and damage that never traps.

import Bytes
import Model
import Testing
import Wire

private func bytes(_ frames: [Frame], pack: Bool = false) throws -> [UInt8] {
  var pieces = FramePieces()
  for frame in frames { pieces.append(try FrameFormat.encode(frame, pack: pack)) }
  return pieces.take().flatMap { $0 }
}

private func assemble(
  _ bytes: [UInt8],
  step: Int,
  limit: Int = Limits.frameBytesMax
) throws -> [Frame] {
  var assembler = FrameAssembler(payloadLimit: limit)
  var out: [Frame] = []
  var at = 0
  while at < bytes.count {
    assembler.push(Array(bytes[at..<min(at + step, bytes.count)]))
    at += step
    while let frame = try assembler.next() { out.append(frame) }
  }
  try assembler.finish()
  return out
}

private func reason(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch let error as TallyError {
    return error.status == .protocolViolation ? error.message : "not a violation: \(error)"
  } catch { return "not a TallyError: \(error)" }
}

private func sealed(_ bytes: [UInt8]) -> [UInt8] {
  var bytes = bytes
  let checksum = CRC32C.checksum(Array(bytes[0..<24]))
  for i in 0..<4 { bytes[24 + i] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * i)) }
  return bytes
}

@Test func framesHaveTheirGoldenBytes() throws {
  let frame = Frame(
    .streamItem,
    stream: 0x0102_0304_0506_0708,
    isLast: true,
    head: [9, 8],
    body: [7]
  )
  #expect(
    try bytes([frame]) == [
      0x54, 0x46, 5, 2, 3, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 2, 0, 0, 0, 1, 0, 0, 0, 0x37, 0xdc,
      0x82, 0x5f, 0x92, 0xa8,
      0xaa, 0xb4, 9, 8, 7,
    ]
  )
}

@Test func helloHasItsGoldenBytes() throws {
  let identity = PeerIdentity(
    cluster: ClusterID(high: 1, low: 2),
    role: .worker,
    name: "w",
    node: NodeID(3),
    incarnation: Incarnation(4)
  )
  let head = HelloFormat.encodeHello(identity, versions: 1...2)
  #expect(
    head == Array("TALLYRPC".utf8) + [
      1, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0x77, 3, 0, 0, 0, 0, 0, 0,
      0, 4, 0, 0, 0, 0, 0, 0,
      0,
    ]
  )
  let (versions, read) = try HelloFormat.decodeHello(head)
  #expect(versions == 1...2 && read == identity)
  let reply = try HelloFormat.decodeReply(HelloFormat.encodeReply(version: 7, identity))
  #expect(reply.version == 7 && reply.identity == identity)
  for cut in 0..<head.count {
    #expect(throws: DecodingFailure.self) { try HelloFormat.decodeHello(Array(head[..<cut])) }
  }
}

@Test func versionsAreNegotiatedDownwards() {
  #expect(HelloFormat.negotiate(1...3, 2...5) == 3)
  #expect(HelloFormat.negotiate(2...9, 1...4) == 4)
  #expect(HelloFormat.negotiate(1...1, 2...3) == nil)
  #expect(HelloFormat.negotiate(4...4, 2...3) == nil)
}

@Test func framesComeWholeHoweverTheBytesAreCut() throws {
  let large = [UInt8]((0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ ($0 >> 7)) })
  let frames = [
    Frame(.ping), Frame(.request, stream: 1, head: [1, 2, 3]),
    Frame(.response, stream: 1, head: [4], body: large),
    Frame(.streamItem, stream: 2, isLast: true, body: [UInt8](repeating: 5, count: 5000)),
    Frame(.end, stream: 3),
  ]
  for pack in [false, true] {
    let all = try bytes(frames, pack: pack)
    for step in [1, 7, 31, 32, 33, 4096, 1 << 20] {
      #expect(try assemble(all, step: step) == frames)
    }
  }
}

@Test func bodiesArePackedWhereItPays() throws {
  let dull = [UInt8](repeating: 1, count: 10_000)
  #expect(try bytes([Frame(.response, stream: 1, body: dull)], pack: true).count < 300)
  #expect(try bytes([Frame(.response, stream: 1, body: dull)], pack: false).count == 10_032)
  #expect(
    try bytes([Frame(.response, stream: 1, body: Array(dull[..<1000]))], pack: true).count == 1032
  )
  var state: UInt64 = 1
  let noise = (0..<10_000).map { _ -> UInt8 in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return UInt8(truncatingIfNeeded: state >> 56)
  }
  #expect(try bytes([Frame(.response, stream: 1, body: noise)], pack: true).count == 10_032)
}

@Test func foreignAndOversizedFramesAreRefusedAtTheirHeader() throws {
  #expect(
    reason { _ = try assemble(Array("GET / HTTP/1.1\r\n\r\n".utf8), step: 1) }
      == "not a Tally frame: it begins with byte 71"
  )
  #expect(
    reason { _ = try assemble(Array("GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n".utf8), step: 100) }
      == "not a Tally frame: it begins with bytes 71, 69"
  )
  let hello = try bytes([Frame(.hello, body: [UInt8](repeating: 0, count: 5000))])
  #expect(
    reason { _ = try assemble(hello, step: 32, limit: Limits.helloBytesMax) }
      == "a frame of 5000 bytes is over the limit of 4096"
  )
  // The header alone decides: nothing more needs to come.
  var assembler = FrameAssembler(payloadLimit: Limits.helloBytesMax)
  assembler.push(Array(hello[..<32]))
  #expect(reason { _ = try assembler.next() } != nil)
  #expect(reason { _ = try assembler.next() } != nil)

  var bomb = try bytes(
    [Frame(.response, stream: 1, body: [UInt8](repeating: 0, count: 4000))],
    pack: true
  )
  bomb[23] = 0x7f
  #expect(
    reason { _ = try assemble(sealed(bomb), step: 1 << 20) }?.contains("over the limit") == true
  )
  var lying = try bytes([Frame(.response, stream: 1, head: [1, 2], body: [3])])
  lying[16] = 200
  #expect(
    reason { _ = try assemble(sealed(lying), step: 1 << 20) }
      == "the lengths in a frame header contradict each other"
  )
  lying[16] = 2
  lying[2] = 77
  #expect(reason { _ = try assemble(sealed(lying), step: 1 << 20) } == "frame kind 77 is unknown")
  lying[2] = 4
  lying[3] = 8
  #expect(reason { _ = try assemble(sealed(lying), step: 1 << 20) } == "frame flags 8 are unknown")
}

@Test func everyFlippedBitAndEveryCutIsNoticed() throws {
  for pack in [false, true] {
    let good = try bytes(
      [Frame(.response, stream: 5, head: [1, 2, 3], body: [UInt8](repeating: 9, count: 2000))],
      pack: pack
    )
    for bit in 0..<min(good.count, 200) * 8 {
      var bad = good
      bad[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(reason { _ = try assemble(bad, step: 1 << 20) } != nil, "bit \(bit)")
    }
    for cut in 1..<good.count {
      #expect(
        reason { _ = try assemble(Array(good[..<cut]), step: 1 << 20) }
          == "the connection ended inside a frame"
      )
    }
  }
}

@Test func tooLargeMessagesAreNotSent() {
  #expect(throws: TallyError.self) {
    try FrameFormat.encode(
      Frame(.request, stream: 1, body: [UInt8](repeating: 0, count: Limits.frameBytesMax + 1)),
      pack: true
    )
  }
}

@Test func errorsTravelWholeAndFitTheFirstFrame() throws {
  let error = TallyError(
    .invalid,
    "column \"ü\" does not exist",
    sqlState: "42703",
    detail: "d",
    hint: "h",
    position: 17,
    node: "worker-1"
  )
  #expect(try ErrorFormat.decode(ErrorFormat.encode(error)) == error)
  let long = TallyError(
    .invalid,
    String(repeating: "ü", count: 3001),
    detail: String(repeating: "x", count: 9999)
  )
  let read = try ErrorFormat.decode(ErrorFormat.encode(long))
  #expect(read.message == String(repeating: "ü", count: 1000) && read.detail?.count == 1000)
  #expect(ErrorFormat.encode(long).count < Limits.helloBytesMax)
}
