// Clients that mean no good, or no longer mean anything: silent, slow, half open, flooding, lying about lengths, never reading. Each is
// bounded in connections, time and memory, ends with an error that says so, holds nothing when it is gone, and others are served
// meanwhile.
import Foundation
import Launcher
import Testing

@Suite(.serialized) struct HostileClientTests {
  /// Others are served: within ten seconds, however busy the machine is.
  private func expectServed(_ cluster: RunningCluster, _ when: String) throws {
    let started = Date()
    let told = try PostgresSocket(port: cluster.sqlPort(1))
    #expect(told.logIn() == nil, "\(when)")
    #expect(told.ask("SELECT 40 + 2").contains("42"), "\(when)")
    #expect(Date().timeIntervalSince(started) < 10, "\(when)")
  }
  /// Sessions that the coordinator lists, beside the one that asks.
  private func others(_ cluster: RunningCluster) throws -> String {
    try cluster.ask("SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
  }

  @Test func whoSaysNothingOrSpeaksSlowlyTakesNobodysPlace() throws {
    let cluster = try RunningCluster(workers: 1)
    // Three times as many as may wait to log in: those who wait longest are let go first.
    let silent = try (0..<300).map { _ in try PostgresSocket(port: cluster.sqlPort(1)) }
    for round in 0..<20 { try expectServed(cluster, "among silent clients, \(round)") }
    let slow = try PostgresSocket(port: cluster.sqlPort(1))
    let started = Date()
    for byte in PostgresSocket.startup {
      guard slow.send([byte]) == 1, Date().timeIntervalSince(started) < 30 else { break }
      var time = timespec(tv_sec: 0, tv_nsec: 400_000_000)
      nanosleep(&time, nil)
    }
    #expect(slow.rest().contains("canceling authentication due to timeout"))
    #expect(Date().timeIntervalSince(started) < 40)
    for socket in silent {
      // Those that were let go for others are told nothing.
      let end = socket.rest()
      #expect(end.isEmpty || end.contains("canceling authentication due to timeout"), "\(end)")
    }
    #expect(try others(cluster) == "0\n")
  }

  @Test func lengthsAreNotBelieved() throws {
    let cluster = try RunningCluster(workers: 1)
    let before = try cluster.residentMiB("coordinator-1")
    let firsts = [
      PostgresSocket.number(1 << 30) + PostgresSocket.number(196_608), PostgresSocket.number(4), Array("GET / HTTP/1.1\r\n\r\n".utf8),
    ]
    for first in firsts {
      let socket = try PostgresSocket(port: cluster.sqlPort(1))
      socket.send(first)
      #expect(socket.rest().contains("invalid length of startup packet"))
    }
    for length in [1 << 30, 0x7fff_ffff, 3, -1] {
      let socket = try cluster.client()
      socket.send([0x51] + PostgresSocket.number(length))
      #expect(socket.rest().contains("08P01"))
    }
    // Half a message, and gone: also in the middle of an extended query.
    let halves: [[UInt8]] = [
      [0x51] + PostgresSocket.number(1000) + Array("SELECT".utf8), PostgresSocket.open("SELECT 1") + [0x45], [0x42, 0],
    ]
    for half in halves {
      let socket = try cluster.client()
      socket.send(half)
    }
    // Long messages of many at once take memory only as their bytes come.
    let many = try (0..<50).map { _ in try cluster.client() }
    for socket in many { socket.send([0x51] + PostgresSocket.number(16 << 20) + [UInt8](repeating: 0x20, count: 1000)) }
    try expectServed(cluster, "beside long messages")
    #expect(try cluster.residentMiB("coordinator-1") < before + 100)
    for socket in many { socket.close() }
    #expect(try eventually(seconds: 10) { try others(cluster) == "0\n" })
  }

  @Test func connectionsAreLimited() throws {
    let cluster = try RunningCluster(workers: 1, settings: ["TALLY_SQL_CONNECTIONS": "40"])
    var served: [PostgresSocket] = []
    var refused = 0
    for _ in 0..<120 {
      let socket = try PostgresSocket(port: cluster.sqlPort(1))
      if let told = socket.logIn() {
        #expect(told.contains("53300") && told.contains("sorry, too many clients already"), "\(told)")
        refused += 1
      } else {
        served.append(socket)
      }
    }
    #expect(served.count == 40 && refused == 80)
    #expect(served[0].ask("SELECT count(*) FROM pg_stat_activity").contains("40"))
    served.removeAll()
    #expect(try eventually(seconds: 10) { try PostgresSocket(port: cluster.sqlPort(1)).logIn() == nil })
  }

  @Test func whoSendsWithoutReadingIsHeldBack() throws {
    let cluster = try RunningCluster(workers: 1)
    let before = try cluster.residentMiB("coordinator-1")
    // 100,000 statements whose answers nobody reads: 400 bytes each, 80 MB.
    let one = PostgresSocket.query("SELECT '" + String(repeating: "x", count: 380) + "' FROM generate_series(1, 2)")
    let socket = try cluster.client()
    socket.wait(upTo: 2)
    var sent = 0
    let block = Array(repeatElement(one, count: 1000).joined())
    for _ in 0..<100 {
      let taken = socket.send(block)
      sent += taken
      guard taken == block.count else { break }
    }
    #expect(sent < 100 * block.count, "all was taken")
    try expectServed(cluster, "beside one who does not read")
    #expect(try cluster.residentMiB("coordinator-1") < before + 64)
    socket.close()
    #expect(try eventually(seconds: 10) { try others(cluster) == "0\n" })
  }

  @Test func whoStallsInTheMiddleOfCopyHoldsNothingWhenGone() throws {
    let cluster = try RunningCluster(workers: 2)
    try cluster.table("ev", "app bigint, n bigint, note text")
    let rows = "SELECT g % 97, g, repeat('x', 100) FROM generate_series(1, 200000) g"
    #expect(try cluster.psql(["-c", "INSERT INTO ev \(rows)"]).output == "INSERT 0 200000\n")
    let before = try cluster.residentMiB("coordinator-1")
    let out = try cluster.client()
    out.send(PostgresSocket.query("COPY ev TO STDOUT"))
    let stalled = try cluster.client()
    stalled.send(PostgresSocket.query("COPY ev FROM STDIN"))
    #expect(stalled.receive()?.first == 0x47)
    stalled.send(PostgresSocket.message("d", Array("1\t-1\tstalled\n".utf8)))
    try expectServed(cluster, "beside stalled copies")
    #expect(try cluster.ask("INSERT INTO ev VALUES (1, 0, 'beside')").isEmpty)
    #expect(try cluster.ask("SELECT count(*) FROM ev WHERE n <= 0") == "1\n")
    #expect(try cluster.residentMiB("coordinator-1") < before + 150)
    out.close()
    stalled.close()
    #expect(try eventually(seconds: 10) { try others(cluster) == "0\n" })
    #expect(try cluster.ask("SELECT count(*) FROM ev WHERE n < 0") == "0\n")
    #expect(try cluster.ask("DELETE FROM ev WHERE n = 0; SELECT count(*) FROM ev") == "200000\n")
  }
}
