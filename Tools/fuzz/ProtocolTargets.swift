// ProtocolTargets.swift — what a client of PostgreSQL's protocol sends: startup packets, messages, values, COPY's data, SCRAM's messages.
//
// The streams come in chunks as the network cuts them; whatever they are cut into, the messages must be the same.
import Bytes
import Columns
import CoordinatorNode
import Model
import Planning
import PostgresWire
import SQL

/// Types of parameters and of COPY's columns: every binary form.
private let valueTypes: [DataType] = [
  .boolean, .smallint, .integer, .bigint, .real, .double, .plainNumeric, .text, .varchar(3), .bpchar(4), .bytea, .uuid, .json, .jsonb, .oid,
  .date, .time, .timestamp, .timestamptz, .interval, .name, .char,
  DataType.integer.arrayType ?? .text, DataType.text.arrayType ?? .text, DataType.plainNumeric.arrayType ?? .text,
]

/// Messages of a stream that comes in chunks of so many bytes, and whether it could be cut to its end.
private func messages(_ bytes: [UInt8], chunkBytes: Int) -> (messages: [RawMessage], isWhole: Bool) {
  var framing = MessageFraming()
  var found: [RawMessage] = []
  for start in stride(from: 0, to: bytes.count, by: chunkBytes) {
    framing.push(Array(bytes[start..<min(bytes.count, start + chunkBytes)]))
    do { while let message = try framing.message(max: 1 << 16) { found.append(message) } } catch { return (found, false) }
  }
  return (found, true)
}

/// COPY flights FROM STDIN with the options.
private func copy(_ options: String, _ bytes: [UInt8]) {
  attempt {
    let sql = "COPY flights FROM STDIN WITH (\(options))"
    guard let statement = try parse(sql).first,
      case .copyIn(let bound) = try plan(statement, catalog: catalog, context: PlanningContext(now: 0))
    else { return }
    let values = PostgresValues { (_, _) throws(TallyError) in [] }
    // However it is cut, the same rows are read, or none where it ends the data.
    let whole = Result { try CopyReading.rows(bytes, chunkBytes: max(1, bytes.count), bound, catalog, values) }
    let parts = Result { try CopyReading.rows(bytes, chunkBytes: 61, bound, catalog, values) }
    switch (whole, parts) {
    case (.success(let a), .success(let b)): precondition(a == b, "\(a) rows in one chunk, \(b) in several")
    case (.failure, .failure): break
    default: preconditionFailure("chunks decide whether the data can be read: \(whole), \(parts)")
    }
  }
}

/// Targets of the protocol.
let protocolTargets: [FuzzTarget] = [
  FuzzTarget(name: "pg-startup") { bytes in
    attempt { _ = try StartupPacket(bytes) }
    var framing = MessageFraming()
    framing.push(bytes)
    attempt { while let body = try framing.startupPacket(max: 10_000) { _ = try StartupPacket(body) } }
  },
  FuzzTarget(name: "pg-messages") { bytes in
    let (whole, parts) = (messages(bytes, chunkBytes: max(1, bytes.count)), messages(bytes, chunkBytes: 7))
    precondition(whole.messages == parts.messages && whole.isWhole == parts.isWhole)
    for raw in whole.messages { attempt { _ = try FrontendMessage(raw) } }
  },
  FuzzTarget(name: "pg-bind") { bytes in
    // The input is a Bind message's body; its values are taken as every type.
    attempt {
      guard case .bind(_, let statement, let formats, let values, _) = try FrontendMessage(RawMessage(type: UInt8(ascii: "B"), body: bytes))
      else { return }
      for start in valueTypes.indices {
        let types = values.ranges.indices.map { ParameterType(valueTypes[(start + $0) % valueTypes.count]) }
        attempt { _ = try ParameterDecoder.values(values, formats: formats, types: types, statement: statement) }
      }
    }
  },
  FuzzTarget(name: "pg-values") { bytes in
    for type in valueTypes {
      bytes.withUnsafeBytes { raw in
        attempt {
          // A value that was read can be printed, and its text read.
          let value = try ParameterDecoder.binary(raw, as: ParameterType(type), number: 1)
          guard let text = ValueText.print(value, as: type) else { return }
          let again = try ValueText.parse(text, as: type)
          precondition(ValueText.print(again, as: type) == text, "\(type) \(text)")
        }
        attempt { _ = try ParameterDecoder.text(raw, as: type) }
      }
    }
  },
  FuzzTarget(name: "pg-copy-text") { bytes in copy("FORMAT text", bytes) },
  FuzzTarget(name: "pg-copy-csv") { bytes in
    copy("FORMAT csv, HEADER", bytes)
    copy("FORMAT csv, QUOTE '''', ESCAPE '\\', NULL 'n', FORCE_NULL (carrier)", bytes)
  },
  FuzzTarget(name: "pg-copy-binary") { bytes in
    copy("FORMAT binary", bytes)
    // Behind the header.
    copy("FORMAT binary", Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0] + bytes)
  },
  FuzzTarget(name: "pg-scram") { bytes in
    let verifier = ScramVerifier(password: "pencil", salt: [1, 2, 3, 4], iterations: 1)
    func server() -> ScramServer { ScramServer(verifier: verifier, user: "u", secret: [5], iterations: 1, nonce: "abcdef") }
    attempt {
      var first = server()
      _ = try first.challenge(bytes)
      let half = bytes.count / 2
      _ = try first.verify(Array(bytes[half...]))
    }
    attempt {
      // The client's last message, behind a right first one.
      var second = server()
      _ = try second.challenge(Array("n,,n=u,r=xyz".utf8))
      _ = try second.verify(bytes)
    }
    _ = ScramVerifier(String(decoding: bytes, as: UTF8.self))
    attempt { _ = try PasswordFile.parse(bytes) }
  },
]
