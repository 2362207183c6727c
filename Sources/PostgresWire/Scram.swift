// Scram.swift — SCRAM-SHA-256 as a server speaks it (RFC 5802, 7677): a value that takes and gives messages.
//
//   client   gs2 header `n,,` or `y,,`, then n=user,r=nonce
//   server   r=nonce + ours,s=salt,i=iterations
//   client   c=base64(gs2 header),r=both nonces,p=proof
//   server   v=signature, or the login fails
//
// Verifiers have PostgreSQL's text form: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey, binary parts in base64. The user
// inside the exchange is ignored: the startup packet's counts. Channel binding is not offered. Passwords are used as the UTF-8
// they are: saslprep would change only characters outside of ASCII, and is not done. Who has no verifier goes through the same
// exchange with a salt that is always the same for the name, and fails at its end.

internal import Bytes
public import Model

/// What is kept of a password.
public struct ScramVerifier: Equatable, Sendable {
  static let name = "SCRAM-SHA-256"
  /// PostgreSQL's number of rounds, and the one of exchanges with unknown users.
  public static let defaultIterations = 4096
  /// Rounds of passwords set by `tally password`.
  public static let ownIterations = 10_000
  /// Bytes of a salt made here.
  public static let saltBytes = 16
  /// Rounds of PBKDF2.
  public var iterations: Int
  /// The salt.
  public var salt: [UInt8]
  /// H(HMAC(salted password, "Client Key")).
  public var storedKey: [UInt8]
  /// HMAC(salted password, "Server Key").
  public var serverKey: [UInt8]

  /// Makes the verifier of a password. Costs about a millisecond of CPU per 4096 rounds.
  public init(password: String, salt: [UInt8], iterations: Int = defaultIterations) {
    invariant(iterations > 0 && !salt.isEmpty, "a verifier without salt or rounds")
    let salted = Digest.stretch(password: Array(password.utf8), salt: salt, iterations: iterations)
    self.iterations = iterations
    self.salt = salt
    storedKey = Digest.sha256(Digest.hmac(key: salted, Array("Client Key".utf8)))
    serverKey = Digest.hmac(key: salted, Array("Server Key".utf8))
  }
  /// Reads the text form; nil when it is not one.
  public init?(_ text: String) {
    let parts = text.split(separator: "$", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == Self.name else { return nil }
    let head = parts[1].split(separator: ":", omittingEmptySubsequences: false)
    let keys = parts[2].split(separator: ":", omittingEmptySubsequences: false)
    guard head.count == 2, keys.count == 2, let iterations = Int(head[0]), iterations > 0, iterations <= Int(Int32.max),
      let salt = Base64.decode(head[1]), !salt.isEmpty,
      let stored = Base64.decode(keys[0]), stored.count == Digest.count,
      let server = Base64.decode(keys[1]), server.count == Digest.count
    else { return nil }
    (self.iterations, self.salt, storedKey, serverKey) = (iterations, salt, stored, server)
  }
  /// What an unknown user is asked with: the same for one name and secret, and matching no password.
  init(unknown user: String, secret: [UInt8], iterations: Int) {
    self.iterations = iterations
    salt = Array(Digest.hmac(key: secret, Array("salt:\(user)".utf8)).prefix(Self.saltBytes))
    storedKey = Digest.hmac(key: secret, Array("stored:\(user)".utf8))
    serverKey = Digest.hmac(key: secret, Array("server:\(user)".utf8))
  }
  /// The text form.
  public var text: String {
    "\(Self.name)$\(iterations):\(Base64.encode(salt))$\(Base64.encode(storedKey)):\(Base64.encode(serverKey))"
  }
}

/// One exchange.
public struct ScramServer: Sendable {
  private enum State: Sendable {
    case start
    case asked(header: String, clientFirst: String, serverFirst: String, nonce: String)
    case over
  }
  private let verifier: ScramVerifier
  private let isKnown: Bool
  private let nonce: String
  private var state = State.start

  /// Starts an exchange; `verifier` nil is an unknown user. `nonce` is random printable ASCII without commas.
  public init(
    verifier: ScramVerifier?,
    user: String,
    secret: [UInt8],
    iterations: Int = ScramVerifier.defaultIterations,
    nonce: String
  ) {
    // Made for everybody, so that known users take no less time.
    let unknown = ScramVerifier(unknown: user, secret: secret, iterations: iterations)
    self.verifier = verifier ?? unknown
    isKnown = verifier != nil
    self.nonce = nonce
  }

  private static func malformed(_ detail: String) -> TallyError {
    TallyError(.protocolViolation, "malformed SCRAM message", detail: detail)
  }
  private static func text(_ bytes: [UInt8]) throws(TallyError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
      throw malformed("The message is not text.")
    }
    return text
  }
  /// The value of the next attribute, which must have this name.
  private static func attribute(_ name: Character, _ rest: inout Substring) throws(TallyError) -> Substring {
    guard rest.first == name, rest.dropFirst().first == "=" else {
      throw malformed("Expected attribute \"\(name)\".")
    }
    let value = rest.dropFirst(2).prefix { $0 != "," }
    rest = rest[value.endIndex...].dropFirst()
    return value
  }

  /// Takes the client's first message and gives the challenge.
  public mutating func challenge(_ message: [UInt8]) throws(TallyError) -> [UInt8] {
    guard case .start = state else { throw Self.malformed("The exchange has begun already.") }
    let text = try Self.text(message)
    let flag = text.prefix { $0 != "," }
    switch flag.first {
    case "n" where flag.count == 1, "y" where flag.count == 1: break
    case "p":
      throw TallyError(
        .protocolViolation,
        "client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data"
      )
    default: throw Self.malformed("Unexpected channel-binding flag.")
    }
    var rest = text[flag.endIndex...].dropFirst()
    guard rest.first == "," else {
      throw .sql("0A000", "client uses authorization identity, but it is not supported")
    }
    rest = rest.dropFirst()
    let bare = rest
    if rest.first == "m" { throw .sql("0A000", "client requires an unsupported SCRAM extension") }
    _ = try Self.attribute("n", &rest)
    let theirs = try Self.attribute("r", &rest)
    guard !theirs.isEmpty, theirs.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw Self.malformed("The nonce is not printable.")
    }
    let both = theirs + nonce
    let answer = "r=\(both),s=\(Base64.encode(verifier.salt)),i=\(verifier.iterations)"
    state = .asked(
      header: String(text[..<bare.startIndex]),
      clientFirst: String(bare),
      serverFirst: answer,
      nonce: String(both)
    )
    return Array(answer.utf8)
  }
  /// Takes the client's proof; gives the server's signature, or nil when the password is wrong.
  public mutating func verify(_ message: [UInt8]) throws(TallyError) -> [UInt8]? {
    guard case .asked(let header, let clientFirst, let serverFirst, let nonce) = state else {
      throw Self.malformed("There was no challenge.")
    }
    state = .over
    let text = try Self.text(message)
    var rest = text[...]
    guard try Self.attribute("c", &rest) == Base64.encode(Array(header.utf8)) else {
      throw TallyError(.protocolViolation, "unexpected SCRAM channel-binding attribute in client-final-message")
    }
    guard try Self.attribute("r", &rest) == nonce else {
      throw TallyError(.protocolViolation, "invalid SCRAM response", detail: "Nonce does not match.")
    }
    // Extensions are allowed between nonce and proof and mean nothing.
    while !rest.isEmpty, rest.first != "p" { rest = rest.drop { $0 != "," }.dropFirst() }
    let withoutProof = text[..<rest.startIndex].dropLast()
    guard let proof = Base64.decode(try Self.attribute("p", &rest)), proof.count == Digest.count, rest.isEmpty else {
      throw Self.malformed("Malformed proof in client-final-message.")
    }
    let transcript = Array("\(clientFirst),\(serverFirst),\(withoutProof)".utf8)
    let signature = Digest.hmac(key: verifier.storedKey, transcript)
    let clientKey = zip(proof, signature).map { $0 ^ $1 }
    let isEqual = Digest.isEqual(Digest.sha256(clientKey), verifier.storedKey)
    guard isEqual, isKnown else { return nil }
    return Array("v=\(Base64.encode(Digest.hmac(key: verifier.serverKey, transcript)))".utf8)
  }
}
