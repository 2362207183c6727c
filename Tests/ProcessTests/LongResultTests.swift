// A result of a million rows read one row at a time, left unread, cancelled and forgotten: memory stays within the query's, others are
// served meanwhile, and nothing is left when its reader has gone.
import Foundation
import Testing

@Suite(.serialized) struct LongResultTests {
  private static let rows = 1_000_000
  /// Memory of a query, and what a process may take beside it.
  private static let budgetMiB = 256 + 64

  private func filled(settings: [String: String] = [:]) throws -> RunningCluster {
    let cluster = try RunningCluster(workers: 2, settings: settings)
    try cluster.table("big", "app bigint, n bigint, note text")
    for part in 0..<4 {
      let series = "generate_series(\(part * 250_000), \(part * 250_000 + 249_999))"
      let told = try cluster.psql(["-c", "INSERT INTO big SELECT g % 97, g, 'note number ' || g || ' of a million' FROM \(series) g"])
      #expect(told.output == "INSERT 0 250000\n", "\(told.output)")
    }
    return cluster
  }
  private func others(_ cluster: RunningCluster) throws -> String {
    try cluster.ask("SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
  }

  @Test func oneRowAtATime() throws {
    let cluster = try filled()
    let nodes = ["coordinator-1", "worker-1", "worker-2"]
    let before = try nodes.map { try cluster.residentMiB($0) }
    let socket = try cluster.client()
    // Each Execute asks for one row; a hundred are on their way at once.
    socket.send(PostgresSocket.open("SELECT n, note FROM big") + PostgresSocket.message("H"))
    var (read, sum, suspended) = (0, 0, 0)
    let step = Array(repeatElement(PostgresSocket.execute(rows: 1), count: 100).joined()) + PostgresSocket.message("H")
    var bytes: [UInt8] = []
    var isComplete = false
    while !isComplete {
      socket.send(step)
      let wanted = suspended + 100
      while suspended < wanted, !isComplete {
        guard let more = socket.receive(), !more.isEmpty else { break }
        bytes += more
        var at = 0
        while at + 5 <= bytes.count {
          let length = bytes[(at + 1)..<(at + 5)].reduce(0) { $0 << 8 | Int($1) }
          guard at + 1 + length <= bytes.count else { break }
          switch bytes[at] {
          case 0x44:
            // The first column's text.
            let size = bytes[(at + 7)..<(at + 11)].reduce(0) { $0 << 8 | Int($1) }
            sum += bytes[(at + 11)..<(at + 11 + size)].reduce(0) { $0 * 10 + Int($1 - 0x30) }
            read += 1
          case 0x73: suspended += 1
          case 0x43: isComplete = true
          case 0x45: Issue.record("\(String(decoding: bytes[at..<(at + 1 + length)], as: UTF8.self))")
          default: break
          }
          at += 1 + length
        }
        bytes.removeFirst(at)
      }
      if suspended < wanted, !isComplete {
        Issue.record("\(read) rows came, and no more")
        break
      }
      if read % 200_000 == 0 {
        // Others are served meanwhile, and memory is bounded.
        #expect(try cluster.ask("SELECT count(*) FROM big WHERE app = 5") == "10310\n" || read == 0)
        for (node, size) in zip(nodes, before) {
          #expect(try cluster.residentMiB(node) < size + Self.budgetMiB, "\(node) after \(read) rows")
        }
      }
    }
    #expect(read == Self.rows && sum == Self.rows * (Self.rows - 1) / 2)
    socket.close()
    #expect(try eventually(seconds: 10) { try others(cluster) == "0\n" })
  }

  @Test func cursorsOfPsqlReadItInPieces() throws {
    let cluster = try filled()
    let told = try cluster.psql(
      ["-A", "-t", "-q", "-v", "FETCH_COUNT=1000"],
      input: "SELECT n FROM big;\nBEGIN;\nDECLARE c CURSOR FOR SELECT n FROM big;\nFETCH 1 FROM c;\nMOVE ALL c;\nFETCH 1 FROM c;\nCOMMIT;\n"
    )
    let numbers = told.output.split(separator: "\n").compactMap { Int($0) }
    #expect(numbers.count == Self.rows + 1 && numbers.dropLast().reduce(0, +) == Self.rows * (Self.rows - 1) / 2)
  }

  @Test func whoDoesNotReadIsBoundedAndFreesItAll() throws {
    // One such result is some 60 MiB: two fit, three do not.
    let cluster = try filled(settings: ["TALLY_SQL_RESULTS": "160MiB"])
    let before = try cluster.residentMiB("coordinator-1")
    var readers: [PostgresSocket] = []
    var refused = 0
    for _ in 0..<6 {
      let socket = try cluster.client()
      socket.send(PostgresSocket.open("SELECT app, n, note FROM big") + PostgresSocket.execute(rows: 1) + PostgresSocket.message("H"))
      var told: [UInt8] = []
      while let more = socket.receive(), !more.isEmpty {
        told += more
        if told.suffix(5).elementsEqual(PostgresSocket.message("s")) || String(decoding: told, as: UTF8.self).contains("53200") { break }
      }
      let text = String(decoding: told, as: UTF8.self)
      if text.contains("53200") {
        #expect(text.contains("wait for their clients to read them"), "\(text)")
        refused += 1
      }
      readers.append(socket)
    }
    #expect(refused > 0 && refused < 6, "\(refused) of 6 were refused")
    #expect(try cluster.residentMiB("coordinator-1") < before + 160 + Self.budgetMiB)
    // Small results are served all the same.
    #expect(try cluster.ask("SELECT count(*) FROM big") == "\(Self.rows)\n")
    // COPY holds its rows as queries do.
    let copied = try cluster.psql(["-c", "COPY big TO STDOUT"])
    #expect(copied.status == 1 && copied.output.contains("wait for their clients to read them"), "\(copied.output.prefix(300))")
    // One that is cancelled, and one whose client dies: what they held is free.
    readers.removeAll()
    #expect(try eventually(seconds: 10) { try others(cluster) == "0\n" })
    for _ in 0..<6 {
      let socket = try cluster.client()
      socket.send(PostgresSocket.open("SELECT app, n, note FROM big") + PostgresSocket.execute(rows: 1) + PostgresSocket.message("S"))
      #expect(socket.read(until: PostgresSocket.ready))
      socket.close()
      #expect(try eventually(seconds: 10) { try others(cluster) == "0\n" })
    }
    // What was given back is used again: it does not grow with every reader.
    #expect(try cluster.residentMiB("coordinator-1") < before + 160 + Self.budgetMiB)
    // A simple query whose client reads nothing ends with its cancellation.
    let mute = try cluster.client()
    mute.send(PostgresSocket.query("SELECT app, n, note FROM big"))
    #expect(try eventually(seconds: 20) { try others(cluster) == "1\n" })
    let ended = try cluster.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    #expect(ended == "t\n")
    #expect(try eventually(seconds: 20) { try others(cluster) == "0\n" })
  }

  @Test func rowsOfReturningAreCounted() throws {
    let cluster = try RunningCluster(workers: 2, settings: ["TALLY_SQL_RESULTS": "6MiB"])
    try cluster.table("big", "app bigint, n bigint, note text")
    let told = try cluster.psql(["-c", "INSERT INTO big SELECT g % 97, g, 'note number ' || g FROM generate_series(1, 100000) g"])
    #expect(told.output == "INSERT 0 100000\n", "\(told.output)")
    let refusal = "wait for their clients to read them"
    // Somebody reads slowly.
    let reader = try cluster.client()
    reader.send(PostgresSocket.open("SELECT app, n, note FROM big") + PostgresSocket.execute(rows: 1) + PostgresSocket.message("H"))
    #expect(reader.read(until: PostgresSocket.message("s")))
    // What finds no room has not taken effect: alone, copied, in a block.
    for text in [
      "DELETE FROM big RETURNING *", "COPY (DELETE FROM big RETURNING *) TO STDOUT", "BEGIN; DELETE FROM big RETURNING *; COMMIT",
    ] {
      let refused = try cluster.psql(["-q", "-c", text])
      #expect(refused.status == 1 && refused.output.contains(refusal), "\(text): \(refused.output.prefix(300))")
    }
    #expect(try cluster.ask("DELETE FROM big WHERE n <= 10 RETURNING n").split(separator: "\n").count == 10)
    #expect(try cluster.ask("SELECT count(*) FROM big") == "99990\n")
    reader.close()
    #expect(try eventually(seconds: 10) { try others(cluster) == "0\n" })
    // Rows of a change wait as those of a query do.
    let changer = try cluster.client()
    changer.send(PostgresSocket.open("DELETE FROM big RETURNING *") + PostgresSocket.execute(rows: 1) + PostgresSocket.message("H"))
    #expect(changer.read(until: PostgresSocket.message("s")))
    let refused = try cluster.psql(["-c", "SELECT app, n, note FROM big"])
    #expect(refused.status == 1 && refused.output.contains(refusal), "\(refused.output.prefix(300))")
    changer.close()
    #expect(try eventually(seconds: 10) { try others(cluster) == "0\n" })
  }
}
