// PasswordFile.swift — users with their SCRAM verifiers, from a file; with one, nobody is trusted.
//
//   NAME:SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey     one a line, the verifier as pg_authid has it
//   # …                                                        a comment; empty lines mean nothing
//
// `tally password NAME` makes lines. Names are as they are typed; one with a colon cannot be written.

public import Capabilities
public import Model

/// Users and verifiers.
public final class PasswordFile: LoginRules {
  private let content: Reloaded<[String: ScramVerifier]>
  private let log: any EventLog

  /// Reads the file. Throws when it cannot be read or a line cannot be understood.
  public init(_ file: any WatchedFiles, log: any EventLog) throws(TallyError) {
    self.log = log
    content = try Reloaded(file) { files throws(TallyError) in try Self.parse(files.first ?? []) }
  }
  /// A verifier, or no such user.
  public func rule(user: String, peer: String) async -> LoginRule {
    let known = content.current { error in log.warning("passwords-not-reloaded", ("reason", error.description)) }
    return known[user].map { .scram($0) } ?? .unknown
  }

  /// Users by name. Throws F0000 with the line's number.
  package static func parse(_ bytes: [UInt8]) throws(TallyError) -> [String: ScramVerifier] {
    var users: [String: ScramVerifier] = [:]
    for (at, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      guard let text = String(validating: line, as: UTF8.self) else { throw damaged(at, "is not UTF-8") }
      let trimmed = text.hasSuffix("\r") ? text.dropLast() : text[...]
      if trimmed.isEmpty || trimmed.hasPrefix("#") { continue }
      guard let colon = trimmed.firstIndex(of: ":"), colon > trimmed.startIndex,
        let verifier = ScramVerifier(String(trimmed[trimmed.index(after: colon)...]))
      else { throw damaged(at, "is not of the form NAME:SCRAM-SHA-256$…") }
      guard users.updateValue(verifier, forKey: String(trimmed[..<colon])) == nil else { throw damaged(at, "names a user again") }
    }
    return users
  }
  private static func damaged(_ at: Int, _ what: String) -> TallyError {
    TallyError(.invalid, "line \(at + 1) of the password file \(what)", sqlState: "F0000", hint: "tally password NAME makes such lines.")
  }
}

/// A certificate and key that are read again when their files change; connections that are open keep theirs.
public final class ReloadedCredentials: TLSAcceptor {
  private let content: Reloaded<TLSCredentials>
  private let log: any EventLog

  /// Reads certificate and key, in this order. Throws when they cannot be used.
  public init(_ files: any WatchedFiles, log: any EventLog) throws(TallyError) {
    self.log = log
    content = try Reloaded(files) { files throws(TallyError) in
      guard files.count == 2 else { throw TallyError(.internalError, "a certificate without a key") }
      return try TLSCredentials(certificates: files[0], key: files[1])
    }
  }
  /// Does the server's part of a handshake.
  public func accept(_ connection: any Connection) async throws -> any Connection {
    let current = content.current { error in log.warning("certificate-not-reloaded", ("reason", error.description)) }
    return try await current.accept(connection)
  }
}
