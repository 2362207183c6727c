// Messages cut out of chunks and read; startup packets; settings; base64 and SCRAM with RFC 7677's example.

import Bytes
import Model
import Testing

@testable import PostgresWire

private func failure(_ body: () throws -> Void) -> TallyError? {
  do { try body() } catch { return error as? TallyError }
  return nil
}

@Test func messagesAreCutWhateverTheChunks() throws {
  let stream =
    query("SELECT 1") + parse("s", "SELECT $1", [23, 0]) + bind("p", "s", formats: [1], [[0, 0, 0, 1], nil], results: [1, 0])
    + describe("S", "s")
    + execute("p", 5) + close("P", "p") + flush + sync + message("d", [1, 2]) + message("c") + message("f", text("no")) + message("X")
  let whole: [FrontendMessage] = [
    .query("SELECT 1"), .parse(name: "s", text: "SELECT $1", types: [23, 0]),
    .bind(
      portal: "p",
      statement: "s",
      formats: [1],
      values: BoundValues(
        bytes: Array(bind("p", "s", formats: [1], [[0, 0, 0, 1], nil], results: [1, 0]).dropFirst(5)),
        ranges: [14..<18, nil]
      ),
      resultFormats: [1, 0]
    ),
    .describe(.statement, "s"), .execute(portal: "p", limit: 5), .close(.portal, "p"), .flush, .sync, .copyData([1, 2]), .copyDone,
    .copyFail("no"), .terminate,
  ]
  for size in [1, 2, 3, 7, 64, 1000] {
    var framing = MessageFraming()
    var seen: [FrontendMessage] = []
    var rest = stream[...]
    while !rest.isEmpty {
      framing.push(Array(rest.prefix(size)))
      rest = rest.dropFirst(size)
      while let raw = try framing.message(max: 10_000) { seen.append(try FrontendMessage(raw)) }
    }
    #expect(seen == whole)
    #expect(framing.isEmpty)
  }
}

@Test func lengthsAreCheckedBeforeTheBytesCome() {
  var framing = MessageFraming()
  framing.push([UInt8(ascii: "Q")] + big(UInt32(1 << 30)))
  #expect(failure { _ = try framing.message(max: 1 << 20) }?.message == "invalid message length")
  var short = MessageFraming()
  short.push([UInt8(ascii: "Q")] + big(UInt32(3)))
  #expect(failure { _ = try short.message(max: 1 << 20) }?.sqlState == "08P01")
  var type = MessageFraming()
  type.push([0x7f])
  #expect(failure { _ = try type.message(max: 1 << 20) }?.message == "invalid frontend message type 127")
  var start = MessageFraming()
  start.push(big(UInt32(10_001)))
  #expect(failure { _ = try start.startupPacket(max: 10_000) }?.message == "invalid length of startup packet")
}

@Test func malformedMessagesAreErrors() {
  let bodies: [(Character, [UInt8], String)] = [
    ("Q", Array("no end".utf8), "invalid string in message"), ("Q", text("a") + [1], "invalid message format"),
    ("Q", [0x61, 0xff, 0], "invalid byte sequence for encoding \"UTF8\": 0xff"),
    ("P", text("a") + text("b") + big(UInt16(2)) + big(UInt32(1)), "invalid message format"),
    ("B", text("") + text("") + big(UInt16(0)) + big(UInt16(0xffff)), "insufficient data left in message"),
    ("B", text("") + text("") + big(UInt16(0)) + big(UInt16(1)) + big(UInt32(9)) + [1], "insufficient data left in message"),
    ("B", text("") + text("") + big(UInt16(0)) + big(UInt16(1)) + big(Int32(-2)) + big(UInt16(0)), "invalid message format"),
    ("D", [0x51] + text("a"), "invalid DESCRIBE message subtype 81"), ("E", text("p") + [0, 0], "insufficient data left in message"),
    ("S", [0], "invalid message format"),
  ]
  for (type, body, expected) in bodies {
    let error = failure { _ = try FrontendMessage(RawMessage(type: type.asciiValue!, body: body)) }
    #expect(error?.message == expected, "\(type) \(body)")
  }
}

@Test func startupPacketsAreRead() throws {
  func body(_ packet: [UInt8]) -> [UInt8] { Array(packet.dropFirst(4)) }
  #expect(try StartupPacket(big(UInt32(80_877_103))) == .tls)
  #expect(try StartupPacket(big(UInt32(80_877_104))) == .gss)
  #expect(
    try StartupPacket(big(UInt32(80_877_102)) + big(UInt32(5)) + [1, 2, 3, 4]) == .cancel(CancelKey(process: 5, secret: [1, 2, 3, 4]))
  )
  guard case .startup(let parameters) = try StartupPacket(body(startup(["user": "a", "_pq_.x": "1", "options": "-c a=b"], minor: 2))) else {
    Issue.record("no startup packet")
    return
  }
  #expect(parameters.minor == 2 && parameters["user"] == "a" && parameters.protocolOptions == ["_pq_.x"])
  #expect(failure { _ = try StartupPacket(big(UInt32(2 << 16))) }?.message.hasPrefix("unsupported frontend protocol 2.0") == true)
  for wrong in [
    [0, 3, 0, 0], [0, 3, 0, 0, 0x61], [0, 3, 0, 0, 0, 1], big(UInt32(80_877_102)) + [0, 0, 0, 1], big(UInt32(80_877_103)) + [0],
  ] as [[UInt8]] {
    #expect(failure { _ = try StartupPacket(wrong) }?.sqlState == "08P01", "\(wrong)")
  }
}

@Test func optionsOfTheStartupPacketAreTaken() throws {
  let options = try ClientConnection.options("-c geqo=off --statement-timeout=5min -csearch_path=a\\ b")
  #expect(options.map(\.name) == ["geqo", "statement_timeout", "search_path"])
  #expect(options.map(\.value) == ["off", "5min", "a b"])
  #expect(failure { _ = try ClientConnection.options("-x") }?.sqlState == "42601")
}

@Test func settingsFollowPostgreSQLsSpelling() throws {
  var settings = SessionSettings()
  func set(_ name: String, _ words: [String]?, local: Bool = false) -> String {
    do throws(TallyError) {
      try settings.set(name, words, isLocal: local)
      return settings[name] ?? "none"
    } catch { return "\(error.sqlState) \(error.message)" }
  }
  #expect(set("client_encoding", ["'utf-8'"]) == "UTF8")
  #expect(set("client_encoding", ["latin1"]).hasPrefix("0A000"))
  #expect(set("client_encoding", ["klingon"]) == "22023 invalid value for parameter \"client_encoding\": \"klingon\"")
  for words in [["iso"], ["ISO", "mdy"], ["MDY"]] { #expect(set("datestyle", words) == "ISO, MDY") }
  for words in [["iso", "dmy"], ["YMD"], ["european"]] { #expect(set("datestyle", words).hasPrefix("0A000")) }
  #expect(set("datestyle", ["German"]).hasPrefix("0A000"))
  #expect(set("timezone", ["utc"]) == "UTC" && settings.zone.isUTC)
  #expect(set("TimeZone", ["europe/berlin"]) == "Europe/Berlin" && settings.zone.name == "Europe/Berlin")
  #expect(set("timezone", ["-5.5"]) == "<-05:30>+05:30" && settings.zone.offset(at: 0).east == -19_800)
  #expect(set("timezone", ["INTERVAL '+02:00'"]) == "<+02>-02")
  #expect(set("timezone", ["INTERVAL '1 day'"]) == "22023 invalid value for parameter \"TimeZone\": \"INTERVAL '1 day'\"")
  #expect(set("timezone", ["EDT"]) == "22023 invalid value for parameter \"TimeZone\": \"EDT\"")
  #expect(set("statement_timeout", ["5000"]) == "5s")
  #expect(set("statement_timeout", ["2min"]) == "2min")
  #expect(settings.milliseconds("statement_timeout") == 120_000)
  #expect(set("statement_timeout", ["-1"]).hasPrefix("22023 -1 ms is outside the valid range for parameter \"statement_timeout\""))
  #expect(set("statement_timeout", ["x"]) == "22023 invalid value for parameter \"statement_timeout\": \"x\"")
  #expect(set("work_mem", ["64MB"]) == "64MB")
  #expect(set("jit", ["tru"]) == "on")
  #expect(set("jit", ["maybe"]) == "22023 parameter \"jit\" requires a Boolean value")
  #expect(set("standard_conforming_strings", ["off"]).hasPrefix("0A000"))
  #expect(set("search_path", ["My Schema", "public"]) == "\"My Schema\", public")
  #expect(set("application_name", ["häß"]) == "h??" + "??")
  #expect(set("application_name", ["a", "b"]) == "22023 SET application_name takes only one argument")
  #expect(set("citus.shard_count", ["4"]) == "4")
  #expect(set("nonsense", ["4"]) == "42704 unrecognized configuration parameter \"nonsense\"")
  #expect(set("server_version", ["4"]) == "55P02 parameter \"server_version\" cannot be changed")
  #expect(set("default_transaction_isolation", ["Repeatable Read"]) == "repeatable read")
  #expect(settings["transaction_isolation"] == "repeatable read")
  #expect(set("statement_timeout", nil) == "0")
}

@Test func settingsAreUndoneWithTheirTransaction() throws {
  var settings = SessionSettings()
  try settings.set("statement_timeout", ["1s"], isLocal: false)
  settings.begin()
  try settings.set("statement_timeout", ["2s"], isLocal: true)
  try settings.set("application_name", ["x"], isLocal: false)
  #expect(settings["statement_timeout"] == "2s")
  settings.savepoint("a")
  try settings.set("application_name", ["y"], isLocal: false)
  #expect(settings.rollBack(to: "a") && settings["application_name"] == "x")
  #expect(settings.release("a") && !settings.release("a"))
  settings.commit()
  #expect(settings["statement_timeout"] == "1s" && settings["application_name"] == "x")
  settings.begin()
  try settings.set("application_name", ["z"], isLocal: false)
  settings.rollBack()
  #expect(settings["application_name"] == "x")
  try settings.set("application_name", ["outside"], isLocal: true)
  #expect(settings["application_name"] == "x")
}

@Test func base64IsStrict() {
  for (plain, coded) in [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
  ] {
    #expect(Base64.encode(Array(plain.utf8)) == coded)
    #expect(Base64.decode(coded) == Array(plain.utf8))
  }
  for wrong in ["Z", "Zg=", "Zg", "====", "Zh==", "Zm9=", "Z===", "Zm 9", "Zg==Zg=="] { #expect(Base64.decode(wrong) == nil, "\(wrong)") }
}

/// RFC 7677, section 3: user `user`, password `pencil`.
@Test func scramFollowsTheRFCsExample() throws {
  let salt = try #require(Base64.decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
  let verifier = ScramVerifier(password: "pencil", salt: salt)
  #expect(
    verifier.text
      == "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
  )
  #expect(ScramVerifier(verifier.text) == verifier)
  func exchange(_ verifier: ScramVerifier?) -> ScramServer {
    ScramServer(verifier: verifier, user: "user", secret: secret, nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
  }
  let first = Array("n,,n=user,r=rOprNGfwEbeRWgbNEkqO".utf8)
  let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
  var server = exchange(verifier)
  #expect(
    String(decoding: try server.challenge(first), as: UTF8.self)
      == "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
  )
  #expect(
    try server.verify(Array(last.utf8)).map { String(decoding: $0, as: UTF8.self) } == "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
  )
  // A wrong proof, an unknown user, a second answer.
  var wrong = exchange(verifier)
  _ = try wrong.challenge(first)
  #expect(try wrong.verify(Array(last.replacing("dHzb", with: "eHzb").utf8)) == nil)
  #expect(failure { _ = try wrong.verify(Array(last.utf8)) }?.sqlState == "08P01")
  var unknown = exchange(nil)
  let challenge = try unknown.challenge(first)
  #expect(try unknown.verify(Array(last.utf8)) == nil)
  var again = exchange(nil)
  #expect(try again.challenge(first) == challenge)
  #expect(!String(decoding: challenge, as: UTF8.self).contains("W22Z"))
}

@Test func scramRefusesWhatItDoesNotOffer() throws {
  let verifier = ScramVerifier(password: "x", salt: [1])
  func challenge(_ text: String) -> TallyError? {
    failure {
      var server = ScramServer(verifier: verifier, user: "u", secret: secret, nonce: "n")
      _ = try server.challenge(Array(text.utf8))
    }
  }
  #expect(challenge("y,,n=,r=abc") == nil)
  #expect(challenge("n,,n=*,r=abc,x=later") == nil)
  #expect(challenge("p=tls-server-end-point,,n=,r=abc")?.sqlState == "08P01")
  #expect(challenge("n,a=other,n=,r=abc")?.sqlState == "0A000")
  #expect(challenge("n,,m=ext,n=,r=abc")?.sqlState == "0A000")
  for wrong in ["", "n", "n,", "n,,", "n,,n=", "n,,n=,r=", "x,,n=,r=a", "n,,r=a,n=", "n,,n=,r=a b"] {
    #expect(challenge(wrong)?.status != nil, "\(wrong)")
  }
  // The header of the second message must be that of the first: no downgrade of channel binding.
  var server = ScramServer(verifier: verifier, user: "u", secret: secret, nonce: "n")
  _ = try server.challenge(Array("y,,n=,r=abc".utf8))
  #expect(failure { _ = try server.verify(Array("c=biws,r=abcn,p=AAAA".utf8)) }?.sqlState == "08P01")
}
