// Loads of files: exactly once through every failure that can pass, resumable, and exact about what is stored when they stop.

import Bytes
import Capabilities
import ClientCore
import Columns
import Model
import Simulation
import Synchronization
import Testing
import Wire

/// A file of `rows` records and what the shards should hold of it.
private func sample(_ rows: Int, header: Bool = true) -> (bytes: [UInt8], rows: [String]) {
  var text = header ? "n,tenant,note\n" : ""
  var expected: [String] = []
  for n in 0..<rows {
    let note = n % 7 == 0 ? "" : n % 5 == 0 ? "\"a, \"\"b\"\"\nc\"" : "note \(n)"
    text += "\(n),tenant-\(n % 37),\(note)\n"
    expected.append(
      "tenant-\(n % 37)|\(n)|" + (n % 7 == 0 ? "NULL" : n % 5 == 0 ? "a, \"b\"\nc" : "note \(n)")
    )
  }
  return (Array(text.utf8), expected.sorted())
}

private func request(_ path: String = "data.csv") -> IngestRequest {
  var request = IngestRequest(path: path, table: "events")
  request.chunkBytes = 4096
  return request
}

@Test func aFileIsStoredOnceHoweverOftenItIsLoaded() throws {
  try withFakeCluster { cluster, _, client in
    let file = sample(3000)
    try await client.surroundings.disk.writeDurably("data.csv", [file.bytes])
    let first = await client.flow.run(request())
    #expect(first.failure == nil)
    #expect(
      first.rowsDurable == 3000 && first.rowsDuplicate == 0 && first.rowsRejected == 0
        && first.firstLoad == ""
    )
    #expect(first.bytesRead == UInt64(file.bytes.count) && first.chunks > 10)
    #expect(cluster.rows == file.rows)

    let second = await client.flow.run(request())
    #expect(second.failure == nil)
    #expect(
      second.rowsDurable == 0 && second.rowsDuplicate == 3000 && second.firstLoad == "earlier"
    )
    #expect(cluster.rows == file.rows)

    var again = request()
    again.again = true
    let third = await client.flow.run(again)
    #expect(third.rowsDurable == 3000 && cluster.rows.count == 6000)
  }
}

@Test func loadsGoThroughRefusalsLostAnswersAndMovedShards() throws {
  let marked = Mutex(0)
  for seed in UInt64(1)...8 {
    try withFakeCluster(seed: seed) { cluster, world, client in
      let file = sample(2000)
      try await client.surroundings.disk.writeDurably("data.csv", [file.bytes])
      let moves = Mutex(0)
      let statuses: [StatusCode] = [.overloaded, .unavailable, .diskFull, .staleCatalog, .timedOut]
      cluster.state.withLock { state in
        state.refusal = { number in
          number % 5 == 2 ? TallyError(statuses[number % statuses.count], "not now") : nil
        }
        state.loses = { number in number % 7 == 3 }
      }
      let report = await client.flow.run(request()) { _ in
        if moves.withLock({ count in
          count += 1
          return count % 6 == 0
        }) {
          cluster.moveAll()
        }
      }
      #expect(report.failure == nil)
      #expect(report.retries > 10)
      #expect(report.rowsDurable == 2000 && report.rowsDuplicate == 0)
      #expect(cluster.rows == file.rows)
      if cluster.state.withLock({ $0.doneBelow }) > 0 { marked.withLock { $0 += 1 } }
    }
  }
  // What was acknowledged moves the mark below which shards need remember nothing, unless the first chunk happens to be the last.
  #expect(marked.withLock { $0 } >= 4)
}

@Test func aWorkerThatDiesAndComesBackLosesNothing() throws {
  for seed in UInt64(1)...6 {
    try withFakeCluster(seed: seed) { cluster, world, client in
      let file = sample(2000)
      try await client.surroundings.disk.writeDurably("data.csv", [file.bytes])
      try await withThrowingTaskGroup(of: IngestReport?.self) { group in
        group.addTask { await client.flow.run(request()) }
        group.addTask {
          for _ in 0..<5 {
            try await client.surroundings.clock.sleep(
              for: .milliseconds(Int64(1 + client.surroundings.random.next(below: 15)))
            )
            world.fabric.reset("client", "w1")
            world.fabric.reset("client", "w2")
          }
          return nil
        }
        for try await report in group {
          guard let report else { continue }
          #expect(report.failure == nil)
          #expect(report.rowsDurable + report.rowsDuplicate == 2000)
        }
      }
      #expect(cluster.rows == file.rows)
    }
  }
}

@Test func aWrongRowStopsTheLoadAndWhatIsStoredIsSaidExactly() throws {
  try withFakeCluster { cluster, _, client in
    let file = sample(3000)
    let lines = String(decoding: file.bytes, as: UTF8.self)
    let wrong = lines.replacing("\n1511,tenant", with: "\n15x1,tenant")
    try await client.surroundings.disk.writeDurably("data.csv", [Array(wrong.utf8)])
    let report = await client.flow.run(request())
    let failure = try #require(report.failure)
    #expect(failure.error.sqlState == "22P02")
    #expect(failure.column == "n")
    let line = try #require(failure.line)
    #expect(
      wrong.split(separator: "\n", omittingEmptySubsequences: false)[line - 1].hasPrefix("15x1")
    )
    #expect(report.rowsDurable == UInt64(cluster.rows.count))
    #expect(
      failure.acknowledged
        == "\(cluster.rows.count) rows of the file are stored: \(cluster.rows.count) by this load, 0 by an earlier one"
    )
    // Everything before the chunk with the wrong row, and nothing of it or behind it.
    #expect(cluster.rows.count > 1000 && cluster.rows.count <= 1511)

    // The corrected file completes the load.
    try await client.surroundings.disk.writeDurably("data.csv", [file.bytes])
    let second = await client.flow.run(request())
    #expect(second.failure == nil)
    #expect(
      second.rowsDurable + second.rowsDuplicate == 3000
        && second.rowsDuplicate == report.rowsDurable
    )
    #expect(cluster.rows == file.rows)
  }
}

@Test func wrongRowsGoToTheRejectFile() throws {
  try withFakeCluster { cluster, _, client in
    let file = sample(1000)
    let wrong = String(decoding: file.bytes, as: UTF8.self).replacing("\n11,", with: "\nx11,")
      .replacing("\n908,", with: "\nx908,")
    try await client.surroundings.disk.writeDurably("data.csv", [Array(wrong.utf8)])
    var rejecting = request()
    rejecting.rejectPath = "bad.csv"
    for _ in 0..<2 {
      let report = await client.flow.run(rejecting)
      #expect(report.failure == nil)
      #expect(report.rowsDurable + report.rowsDuplicate == 998 && report.rowsRejected == 2)
      #expect(report.firstRejects.map(\.column) == ["n", "n"])
      let rejects = String(
        decoding: try await client.surroundings.disk.readAll("bad.csv"),
        as: UTF8.self
      )
      let lines = rejects.split(separator: "\n")
      #expect(lines.count == 3 && lines[0] == "line,column,sqlstate,reason,record")
      #expect(lines[1].hasPrefix("\(report.firstRejects[0].line),n,22P02,\"invalid input syntax for type bigint: \"\"x11\"\"\","))
      #expect(lines[1].contains(",\"x11,tenant-11,note 11"))
      #expect(lines[2].hasPrefix("\(report.firstRejects[1].line),n,22P02,") && lines[2].contains(",\"x908,tenant-20,note 908"))
    }
    #expect(cluster.rows.count == 998)
  }
}

@Test func columnsMayBeNamedAndHeadersLeftOut() throws {
  try withFakeCluster { cluster, _, client in
    try await client.surroundings.disk.writeDurably("data.csv", [Array("5,t\n6,u".utf8)])
    var named = request()
    named.hasHeader = false
    named.columns = ["n", "tenant"]
    let report = await client.flow.run(named)
    #expect(report.failure == nil && cluster.rows == ["t|5|NULL", "u|6|NULL"])

    try await client.surroundings.disk.writeDurably("empty.csv", [])
    let empty = await client.flow.run(request("empty.csv"))
    #expect(empty.failure == nil && empty.rowsDurable == 0)
  }
}

@Test func loadsThatCannotBeginSayWhy() throws {
  try withFakeCluster { _, _, client in
    let missing = await client.flow.run(request("nowhere.csv"))
    #expect(missing.failure?.error.sqlState == "58P01")
    #expect(missing.failure?.acknowledged == "no row of the file was acknowledged")
    try await client.surroundings.disk.writeDurably("data.csv", [Array("tenant,other\na,b\n".utf8)])
    let column = await client.flow.run(request())
    #expect(column.failure?.error.sqlState == "42703")
    var table = request()
    table.table = "nothing"
    #expect(await client.flow.run(table).failure?.error.sqlState == "42P01")
  }
}

@Test func anOutageLongerThanThePatienceEndsTheLoad() throws {
  try withFakeCluster { cluster, _, client in
    try await client.surroundings.disk.writeDurably("data.csv", [sample(2000).bytes])
    cluster.state.withLock {
      $0.refusal = { number in number > 40 ? TallyError(.unavailable, "down") : nil }
    }
    var impatient = request()
    impatient.producer.patience = .seconds(5)
    let start = client.surroundings.clock.now
    let report = await client.flow.run(impatient)
    #expect(report.failure?.error.status == .unavailable)
    #expect(client.surroundings.clock.now - start < .seconds(12))
    cluster.state.withLock { $0.refusal = { _ in nil } }
    let second = await client.flow.run(impatient)
    #expect(second.failure == nil && second.rowsDurable + second.rowsDuplicate == 2000)
    #expect(cluster.rows == sample(2000).rows)
  }
}

/// Rows whose answer was lost may be stored, and may have been moved since: then a table that is moved does not say that they are not.
@Test func aLoadWhoseTableMovesIsInDoubtAfterALostAnswer() throws {
  for isLost in [true, false] {
    try withFakeCluster(shards: 1) { cluster, _, client in
      try await client.surroundings.disk.writeDurably("data.csv", [sample(20).bytes])
      cluster.state.withLock { state in
        state.refusal = { number in number > (isLost ? 1 : 0) ? TallyError(.stalePlan, "its rows are being moved") : nil }
        state.loses = { _ in isLost }
      }
      let report = await client.flow.run(request())
      #expect(report.failure?.error.status == (isLost ? .unknownOutcome : .stalePlan))
      #expect(cluster.rows.count == (isLost ? 20 : 0))
    }
  }
}

@Test func queriesAnswerTypedBatches() throws {
  try withFakeCluster { _, _, client in
    let call = try await QueryCall.open(QueryRequest(sql: "SELECT x"), map: client.map)
    var seen: [String] = []
    for try await event in call {
      switch event {
      case .header(let columns):
        seen.append(columns.map { "\($0.name) \($0.type.name)" }.joined(separator: ","))
      case .batch(let batch): seen += batch.texts
      case .end(let end): seen.append(end.tag)
      }
    }
    #expect(seen == ["text text,n bigint", "SELECT x|0", "SELECT x|1", "SELECT x|2", "SELECT 3"])
  }
}

@Test func routingFindsTheShardOfEveryHash() throws {
  try withFakeCluster(shards: 5) { cluster, _, client in
    let routing = try await client.map.current()
    let shards = routing.shards(of: GroupID(1))
    #expect(shards.count == 5)
    for shard in shards {
      for hash in [shard.lower, shard.upper] {
        #expect(routing.shard(of: GroupID(1), hash: hash)?.id == shard.id)
      }
    }
    #expect(routing.shard(of: GroupID(9), hash: 1) == nil)
    let (address, epoch) = try routing.primary(of: ShardID(2))
    #expect(address == NetworkAddress(host: "w2", port: 7100) && epoch == Epoch(1))
    cluster.moveAll()
    let newer = try await client.map.refresh(after: routing)
    #expect(try newer.primary(of: ShardID(2)).epoch == Epoch(2))
    #expect(try await client.map.refresh(after: newer) === newer)
  }
}

@Test func theSameSeedGivesTheSameRunToTheLastEvent() throws {
  func hash(_ seed: UInt64) throws -> UInt64 {
    try withFakeCluster(seed: seed) { cluster, world, client in
      try await client.surroundings.disk.writeDurably("data.csv", [sample(1500).bytes])
      cluster.state.withLock { $0.loses = { number in number % 4 == 1 } }
      let report = await client.flow.run(request()) { _ in world.fabric.reset("client", "w1") }
      #expect(report.failure == nil && cluster.rows.count == 1500)
    }
  }
  let first = try hash(21)
  #expect(try hash(21) == first)
  #expect(try hash(22) != first)
}

@Test func aCoordinatorThatHangsIsNotWaitedForAlone() throws {
  try withFakeCluster { cluster, world, client in
    let clock = client.surroundings.clock
    world.node("coordinator-0", host: "c0").start { near in
      // The first of the list: it takes connections and never says a word.
      let listener = try await near.network.listen(on: NetworkAddress(host: "c0", port: 1))
      var held: [any Connection] = []
      while true { held.append(try await listener.accept()) }
    }
    try await clock.sleep(for: .milliseconds(1))
    let began = clock.now
    _ = try await client.map.current()
    #expect(clock.now - began < .milliseconds(500))
    // Who answered is asked first from then on, whatever is asked.
    let then = clock.now
    _ = try await client.map.refresh(after: client.map.known)
    let call = try await QueryCall.open(QueryRequest(sql: "SELECT x"), map: client.map)
    while try await call.next() != nil {}
    #expect(clock.now - then < .milliseconds(100))
  }
}

@Test func aQueryIsSentOnceAndNotToACoordinatorThatHangs() throws {
  try withFakeCluster { cluster, world, client in
    let clock = client.surroundings.clock
    world.node("coordinator-0", host: "c0").start { near in
      let listener = try await near.network.listen(on: NetworkAddress(host: "c0", port: 1))
      var held: [any Connection] = []
      while true { held.append(try await listener.accept()) }
    }
    try await clock.sleep(for: .milliseconds(1))
    let began = clock.now
    let call = try await QueryCall.open(QueryRequest(sql: "SELECT x"), map: client.map)
    while try await call.next() != nil {}
    #expect(clock.now - began < .milliseconds(500))
    #expect(cluster.state.withLock { $0.queries } == 1)
  }
}
