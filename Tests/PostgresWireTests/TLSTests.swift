// TLS: psql with sslmode=require, openssl's own client, and what happens without a certificate or with a wrong key.

import Capabilities
import Foundation
import Model
import PostgresWire
import Synchronization
import Testing

private let opensslPath = "/usr/bin/openssl"
private let hasOpenSSL = FileManager.default.isExecutableFile(atPath: opensslPath)

/// A key and a certificate that it signs itself.
private func certificate() async throws -> (certificate: [UInt8], key: [UInt8]) {
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("tally-tls-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  defer { do { try FileManager.default.removeItem(at: directory) } catch { Issue.record("\(error)") } }
  let (certificate, key) = (directory.appendingPathComponent("certificate"), directory.appendingPathComponent("key"))
  let (output, status) = try await run(
    opensslPath,
    [
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout",
      key.path, "-out", certificate.path,
    ]
  )
  try #require(status == 0, "\(output)")
  return (Array(try Data(contentsOf: certificate)), Array(try Data(contentsOf: key)))
}

@Suite(.enabled(if: hasPsql && hasOpenSSL)) struct TLSTests {
  @Test func psqlSpeaksTLS() async throws {
    let own = try await certificate()
    let credentials = try TLSCredentials(certificates: own.certificate, key: own.key)
    let options: @Sendable (inout PostgresOptions) -> Void = { $0.tls = credentials }
    try await withBench(options) { bench in
      func psql(_ mode: String, _ input: String) async throws -> String {
        try await bench.psql(input, user: "app", password: "pencil", environment: ["PGSSLMODE": mode])
      }
      let secured = try await psql("require", "SELECT 'over TLS';\n\\conninfo\n")
      #expect(secured.hasPrefix("over TLS\n") && secured.contains("TLSv1.3"), "\(secured)")
      // Many rows, and data in both directions.
      let rows = try await psql("require", "SELECT * FROM wide(20000);\n")
      #expect(rows.split(separator: "\n").count == 60_000)
      let lines = (0..<20_000).map { "\($0)\tabcdefgh\n" }.joined()
      _ = try await psql("require", "COPY t FROM STDIN;\n\(lines)\\.\n")
      #expect(bench.engine.copied.withLock { $0 }.count == 20_000)
      // Who does not ask is served in the clear.
      #expect(try await psql("disable", "SELECT 1;\n") == "1\n")
      // Plain bytes behind the request are refused, the answer S already sent.
      let client = try await bench.connect()
      try await client.send(packet(big(UInt32(80_877_103))), startup(["user": "dev"]))
      #expect(try await client.read(1).first?.hasPrefix("E FATAL 08P01 received unencrypted data after SSL request") == true)
      // Garbage instead of a handshake ends the connection.
      let garbage = try await bench.connect()
      try await garbage.send(packet(big(UInt32(80_877_103))))
      #expect(try await garbage.byte() == UInt8(ascii: "S"))
      try await garbage.send(query("SELECT 1"))
      try await bench.until { bench.server.connectionCount <= 1 }
    }
  }
  @Test func withoutCertificateTLSIsNotThere() async throws {
    try await withBench { bench in
      let output = try await bench.psql("SELECT 1", environment: ["PGSSLMODE": "require"])
      #expect(output.contains("server does not support SSL, but SSL was required"))
    }
  }
  @Test func wrongFilesAreToldApart() async throws {
    let (one, two) = (try await certificate(), try await certificate())
    func reason(_ certificates: [UInt8], _ key: [UInt8]) -> String? {
      do throws(TallyError) { _ = try TLSCredentials(certificates: certificates, key: key) } catch { return error.message }
      return nil
    }
    #expect(reason(one.certificate + two.certificate, one.key) == nil)
    #expect(reason(one.certificate, two.key) == "TLS: the private key does not fit the certificate")
    #expect(reason(one.key, one.key) == "TLS: no certificate was found")
    #expect(reason(one.certificate, []) == "TLS: no PEM text")
    #expect(reason(one.certificate, one.certificate) == "TLS: no private key was found")
  }
}
