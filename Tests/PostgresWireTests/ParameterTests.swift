// Types of parameters that a client names are given back to it, and its values are read by them, in text and binary.

import Model
import Testing

@testable import PostgresWire

private func expect(_ client: RawClient, _ expected: [String], _ line: Int = #line) async throws {
  let seen = try await client.read(expected.count)
  #expect(seen == expected, "line \(line)")
}

@Test func everyTypeThatAClientNamesIsGivenBack() async throws {
  let scalars: [UInt32] = [
    16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 114, 700, 701, 869, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1700, 2205, 2206,
    2950, 3802,
    4089,
    4096,
  ]
  try await withBench { bench in
    let client = try await bench.login()
    for oid in scalars + scalars.map(PostgresType.arrayOID) {
      try await client.send(parse("", "SELECT $1", [oid]), describe("S", ""), sync)
      try await expect(client, ["1", "t \(oid)", "T ?column?:\(oid)", "Z I"])
    }
    // Also of statements that take none, and of none.
    try await client.send(parse("", "BEGIN", [17]), describe("S", ""), parse("", "", [3802]), describe("S", ""), sync)
    try await expect(client, ["1", "t 17", "n", "1", "t 3802", "n", "Z I"])
    try await client.send(parse("", "SELECT 1", [23, 17]), describe("S", ""), sync)
    try await expect(client, ["1", "t 23 17", "T ?column?:23", "Z I"])
  }
}

@Test func valuesAreReadByTheTypesThatWereNamed() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    let (bytes, object) = ([UInt8(0xff), 0], [1] + Array("{\"a\": 1}".utf8))
    try await client.send(
      parse("p", "SELECT $1, $2", [17, 3802]),
      bind("", "p", formats: [1], [bytes, object], results: [1]),
      execute(""),
      bind("", "p", [Array("\\xff00".utf8), Array("{\"a\":1}".utf8)]),
      execute(""),
      sync
    )
    try await expect(client, ["1", "2", "D 0xff00 | 0x01" + object.dropFirst().map { String($0, radix: 16) }.joined(), "C SELECT 1"])
    try await expect(client, ["2", "D \\xff00 | {\"a\": 1}", "C SELECT 1", "Z I"])
    // A document that is none is refused as jsonb, not taken as text.
    try await client.send(bind("", "p", [[], Array("{".utf8)]), sync)
    let refused = try await client.until()
    #expect(refused.first?.hasPrefix("E 22P02 invalid input syntax for type json") ?? false, "\(refused)")
  }
}

@Test func aByteaMayMeanASketch() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    // To its client an hll is a bytea: where no bytea is taken it is one. Another parameter is what it was called.
    try await client.send(parse("", "SELECT $1::hll, $2", [17, 17]), describe("S", ""), sync)
    try await expect(client, ["1", "t 17 17", "T ?column?:17 ?column?:17", "Z I"])
  }
}
