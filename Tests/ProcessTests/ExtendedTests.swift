// The extended protocol as drivers speak it, byte by byte: read-only transactions in one go, parameters whose types the client named.
import Foundation
import Testing

private func parse(_ sql: String, _ types: [Int] = [], name: String = "") -> [UInt8] {
  let named = types.flatMap { PostgresSocket.number($0) }
  return PostgresSocket.message("P", Array("\(name)\0\(sql)\0".utf8) + [0, UInt8(types.count)] + named)
}
/// Values, all of one format, and rows in it.
private func bind(_ values: [[UInt8]] = [], name: String = "", isBinary: Bool = false) -> [UInt8] {
  let format: [UInt8] = [0, 1, 0, isBinary ? 1 : 0]
  let fields = values.flatMap { PostgresSocket.number($0.count) + $0 }
  return PostgresSocket.message("B", Array("\0\(name)\0".utf8) + format + [0, UInt8(values.count)] + fields + format)
}
private func run(_ sql: String) -> [UInt8] { parse(sql) + bind() + PostgresSocket.execute(rows: 0) }
private let describe = PostgresSocket.message("D", Array("S\0".utf8))

extension PostgresSocket {
  /// Sends messages and a Sync; all that came until the session was ready, whatever its state.
  fileprivate func answer(_ messages: [UInt8]) -> [UInt8] {
    send(messages + Self.message("S"))
    var all: [UInt8] = []
    while let more = receive(), !more.isEmpty {
      all += more
      if all.suffix(6).dropLast().elementsEqual(Self.ready.dropLast()) { break }
    }
    return all
  }
  fileprivate func exchange(_ messages: [UInt8]) -> String {
    String(decoding: answer(messages).map { $0 < 0x20 || $0 > 0x7e ? UInt8(ascii: ".") : $0 }, as: UTF8.self)
  }
}

@Suite(.serialized) struct ExtendedTests {
  @Test func readOnlyTransactionsInOneGo() throws {
    let cluster = try RunningCluster(workers: 1)
    try cluster.table("ev", "app text, n int")
    try cluster.execute("CREATE FUNCTION wsql(int) RETURNS int LANGUAGE sql AS 'INSERT INTO ev VALUES (''a'', $1) RETURNING n'")
    let socket = try cluster.client()
    let refused = "cannot execute INSERT in a read-only transaction"
    func expectRefused(_ messages: [UInt8], _ line: Int = #line) {
      let told = socket.exchange(messages)
      #expect(told.contains("C25006") && told.contains(refused), "line \(line): \(told)")
      #expect(socket.exchange(run("ROLLBACK")).contains("ROLLBACK"))
    }
    expectRefused(run("BEGIN READ ONLY") + run("SELECT wsql(1)"))
    expectRefused(run("BEGIN") + run("SET TRANSACTION READ ONLY") + run("SELECT n FROM ev") + run("SELECT wsql(2)"))
    // One that was prepared before.
    #expect(!socket.exchange(parse("SELECT wsql($1)", [23], name: "w")).contains("ERROR"))
    let write = bind([Array("3".utf8)], name: "w") + PostgresSocket.execute(rows: 0)
    expectRefused(run("BEGIN READ ONLY") + write)
    expectRefused(run("SET TRANSACTION READ ONLY") + write)
    #expect(socket.exchange(run("SET default_transaction_read_only = on") + write).contains("SELECT 1"))
    expectRefused(write)
    #expect(socket.exchange(run("BEGIN READ WRITE") + write + run("COMMIT")).contains("COMMIT"))
    let late = socket.exchange(run("BEGIN") + run("SELECT 1") + run("SET TRANSACTION READ WRITE"))
    #expect(late.contains("C25001") && late.contains("transaction read-write mode must be set before any query"), "\(late)")
    #expect(try cluster.ask("SELECT n FROM ev") == "3\n3\n")
  }

  @Test func parametersAreWhatTheirClientCallsThem() throws {
    let cluster = try RunningCluster(workers: 1)
    try cluster.table("sk", "app text, h hll, b bytea, j jsonb")
    let socket = try cluster.client()
    let types = [25, 17, 17, 3802]
    let told = socket.answer(parse("INSERT INTO sk VALUES ($1, $2, $3, $4)", types) + describe)
    let given = PostgresSocket.message("t", [0, UInt8(types.count)] + types.flatMap { PostgresSocket.number($0) })
    #expect(Data(told).range(of: Data(given)) != nil, "\(String(decoding: told, as: UTF8.self))")
    // An hll in its packed bytes.
    let object = [1] + Array("{\"x\": 3}".utf8)
    let values = [Array("a".utf8), [0x11, 0x8b, 0x7f], [0xff, 0], object]
    let stored = socket.exchange(bind(values, isBinary: true) + PostgresSocket.execute(rows: 0))
    #expect(stored.contains("INSERT 0 1"), "\(stored)")
    let shown = try cluster.ask("SELECT hll_cardinality(h), b, j FROM sk")
    #expect(shown == "0|\\xff00|{\"x\": 3}\n", "\(shown)")
    // What depends on a type finds it.
    let sql = "SELECT length($1), $2 ->> 'x', $3 -> 'b'"
    let row = socket.exchange(
      parse(sql, [17, 3802, 114]) + bind([[0xff, 0], object, Array("{\"b\": 7}".utf8)], isBinary: true) + PostgresSocket.execute(rows: 0)
    )
    #expect(row.contains("SELECT 1"), "\(row)")
  }
}
