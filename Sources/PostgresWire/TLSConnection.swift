// TLSConnection.swift — TLS 1.2 and 1.3 over any connection: OpenSSL between two memory BIOs, bytes carried by the connection.
//
// The server's part only, no client certificates, no renegotiation. Records have numbers, so what OpenSSL has encrypted must go
// out, in order: a send that is cancelled while the socket is full keeps its bytes for the next send and counts as sent. One task
// sends at a time; the session waits for it, as that is its back-pressure, and the reader, who must go on reading, does not.

internal import Bytes
internal import COpenSSL
public import Capabilities
public import Model
internal import Synchronization

/// A certificate with its key, ready for handshakes.
public final class TLSCredentials: TLSAcceptor, @unchecked Sendable {
  // Safe: OpenSSL allows an SSL_CTX that is not changed any more to be used from any thread.
  private let context: OpaquePointer

  /// Takes a chain of certificates (the server's first) and a private key, both PEM. Throws when they cannot be read or do not fit.
  public init(certificates: [UInt8], key: [UInt8]) throws(TallyError) {
    guard let context = SSL_CTX_new(TLS_server_method()) else { throw Self.failure("no TLS context") }
    self.context = context
    SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_2_VERSION), nil)
    // SSL_OP_NO_RENEGOTIATION; the macro is not importable.
    SSL_CTX_set_options(context, 1 << 30)
    try Self.withPEM(certificates) { bio throws(TallyError) in
      guard let own = PEM_read_bio_X509(bio, nil, nil, nil) else { throw Self.failure("no certificate was found") }
      defer { X509_free(own) }
      guard SSL_CTX_use_certificate(context, own) == 1 else { throw Self.failure("the certificate cannot be used") }
      while let next = PEM_read_bio_X509(bio, nil, nil, nil) {
        // The context owns it from here on.
        guard SSL_CTX_ctrl(context, SSL_CTRL_EXTRA_CHAIN_CERT, 0, UnsafeMutableRawPointer(next)) == 1 else {
          X509_free(next)
          throw Self.failure("a certificate of the chain cannot be used")
        }
      }
      ERR_clear_error()
    }
    try Self.withPEM(key) { bio throws(TallyError) in
      guard let own = PEM_read_bio_PrivateKey(bio, nil, nil, nil) else { throw Self.failure("no private key was found") }
      defer { EVP_PKEY_free(own) }
      guard SSL_CTX_use_PrivateKey(context, own) == 1, SSL_CTX_check_private_key(context) == 1 else {
        throw Self.failure("the private key does not fit the certificate")
      }
    }
  }
  deinit { SSL_CTX_free(context) }

  private static func withPEM(_ bytes: [UInt8], _ body: (OpaquePointer) throws(TallyError) -> Void) throws(TallyError) {
    guard !bytes.isEmpty, let bio = BIO_new(BIO_s_mem()) else { throw failure("no PEM text") }
    defer { BIO_free(bio) }
    guard BIO_write(bio, bytes, Int32(clamping: bytes.count)) == Int32(clamping: bytes.count) else {
      throw failure("the PEM text is too long")
    }
    try body(bio)
  }
  /// An error with OpenSSL's reason, if it has one.
  fileprivate static func failure(_ what: String) -> TallyError {
    TallyError(.invalid, "TLS: \(what)", sqlState: "F0000", detail: reason())
  }
  fileprivate static func reason() -> String? {
    let code = ERR_get_error()
    ERR_clear_error()
    return code == 0 ? nil : ERR_reason_error_string(code).map { String(cString: $0) }
  }

  /// Does the server's part of a handshake.
  public func accept(_ connection: any Connection) async throws -> any Connection {
    guard let ssl = SSL_new(context) else { throw Self.failure("no TLS session") }
    let encrypted = TLSConnection(ssl, over: connection)
    try await encrypted.shakeHands()
    return encrypted
  }
}

/// An encrypted connection.
final class TLSConnection: Connection, @unchecked Sendable {
  // Safe: `ssl` and its BIOs are touched under the lock only, and freed when nobody has the object any more.
  private struct State {
    var pending: [UInt8] = []
    var isSending = false
    /// Those who wait until nobody sends.
    var waiting: [Signal] = []
  }
  private enum Step {
    case bytes([UInt8])
    case ended
    case wantsInput
    case failed(String)
  }
  private static let chunkBytes = 64 << 10
  /// What OpenSSL is given at once; a memory BIO holds less than 2 GiB.
  private static let pieceBytes = 1 << 30

  private let ssl: OpaquePointer
  private let input: OpaquePointer
  private let output: OpaquePointer
  private let base: any Connection
  private let state = Mutex(State())
  let peer: String

  fileprivate init(_ ssl: OpaquePointer, over base: any Connection) {
    guard let input = BIO_new(BIO_s_mem()), let output = BIO_new(BIO_s_mem()) else { fatalError("no memory for TLS") }
    (self.ssl, self.input, self.output, self.base, peer) = (ssl, input, output, base, base.peer)
    SSL_set_bio(ssl, input, output)
    SSL_set_accept_state(ssl)
  }
  deinit { SSL_free(ssl) }

  fileprivate func shakeHands() async throws {
    while true {
      let step = state.withLock { state in
        // An older error of this thread would be taken for one of this call.
        ERR_clear_error()
        let code = SSL_do_handshake(ssl)
        return code == 1 ? Step.bytes([]) : wanted(after: code)
      }
      try await sendPending(waits: true)
      switch step {
      case .bytes: return
      case .wantsInput: try await feed()
      case .ended: throw NetworkFailure(.closed, "the peer ended the TLS handshake")
      case .failed(let reason): throw NetworkFailure(.closed, "TLS handshake: \(reason)")
      }
    }
  }
  /// What OpenSSL wants after a call that did not succeed.
  private func wanted(after code: Int32) -> Step {
    switch SSL_get_error(ssl, code) {
    case SSL_ERROR_WANT_READ: return .wantsInput
    case SSL_ERROR_ZERO_RETURN: return .ended
    default: return .failed(TLSCredentials.reason() ?? "the connection broke")
    }
  }
  /// Hands the next encrypted bytes to OpenSSL.
  private func feed() async throws {
    let chunk = try await base.receive()
    if chunk.isEmpty { throw NetworkFailure(.closed, "the connection ended without the end of TLS") }
    state.withLock { _ in
      let count = BIO_write(input, chunk, Int32(chunk.count))
      invariant(count == Int32(chunk.count), "a memory BIO took \(count) of \(chunk.count) bytes")
    }
  }
  func receive() async throws -> [UInt8] {
    while true {
      let step = state.withLock { _ -> Step in
        ERR_clear_error()
        var count: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Self.chunkBytes) { out, written in
          count = SSL_read(ssl, out.baseAddress, Int32(out.count))
          written = max(0, Int(count))
        }
        return count > 0 ? .bytes(bytes) : wanted(after: count)
      }
      // Answers to what was read: key updates, alerts.
      try await sendPending(waits: false)
      switch step {
      case .bytes(let bytes): return bytes
      case .ended: return []
      case .wantsInput: try await feed()
      case .failed(let reason): throw NetworkFailure(.closed, "TLS: \(reason)")
      }
    }
  }
  func send(_ bytes: [UInt8]) async throws {
    if bytes.isEmpty { return }
    try Task.checkCancellation()
    for start in stride(from: 0, to: bytes.count, by: Self.pieceBytes) {
      let piece = start..<min(bytes.count, start + Self.pieceBytes)
      let failure: String? = state.withLock { _ in
        ERR_clear_error()
        let written = bytes.withUnsafeBytes { SSL_write(ssl, $0.baseAddress.map { $0 + start }, Int32(piece.count)) }
        return written == Int32(piece.count) ? nil : TLSCredentials.reason() ?? "the connection broke"
      }
      if let failure { throw NetworkFailure(.closed, "TLS: \(failure)") }
      try await sendPending(waits: true)
    }
  }

  private enum Turn {
    case send([UInt8])
    case wait(Signal)
    case done
  }
  /// Sends what OpenSSL has encrypted. Who comes while another sends waits for its turn, or leaves the bytes to that one.
  private func sendPending(waits: Bool) async throws {
    while true {
      switch turn(waits: waits) {
      case .done: return
      case .wait(let signal):
        await signal.wait()
        // The bytes go out with the next send.
        if Task.isCancelled { return }
      case .send(let bytes):
        do {
          try await base.send(bytes)
          endTurn()
        } catch is CancellationError {
          endTurn(unsent: bytes)
          return
        } catch {
          endTurn()
          throw error
        }
      }
    }
  }
  private func turn(waits: Bool) -> Turn {
    state.withLock { state -> Turn in
      if state.isSending {
        guard waits else { return .done }
        let signal = Signal()
        state.waiting.append(signal)
        return .wait(signal)
      }
      let waiting = Int(BIO_ctrl_pending(output))
      if waiting > 0 {
        state.pending += [UInt8](unsafeUninitializedCapacity: waiting) { out, written in
          written = max(0, Int(BIO_read(output, out.baseAddress, Int32(clamping: waiting))))
        }
      }
      guard !state.pending.isEmpty else { return .done }
      state.isSending = true
      defer { state.pending = [] }
      return .send(state.pending)
    }
  }
  private func endTurn(unsent: [UInt8] = []) {
    let waiting = state.withLock { state -> [Signal] in
      state.isSending = false
      if !unsent.isEmpty { state.pending = unsent + state.pending }
      defer { state.waiting = [] }
      return state.waiting
    }
    for signal in waiting { signal.notify() }
  }
  func close() { base.close() }
}
