// BlockTrials.swift — transaction blocks over two tenants' rows through the faults, foreign keys beside them, and the judge of both.
//
// A block moves an amount from one account to another and adds a power of two of its own to both, so that a row's number says which
// blocks it has, and its balance must be what these moved. It also makes an entry of each, in a table that refers to the accounts; some
// blocks take a change back to a savepoint, some end with ROLLBACK, some rest in between, so that failovers find them open. Laws, of every
// read: a block that was answered is in both its rows and has both its entries, one that was refused in none; rows of one tenant lie in
// one shard and have a block both or neither; balances are those of the blocks. At the end, and for good: each is in all of its rows or
// in none. A block sees what it wrote.
//
// Beside it teams are made and deleted while members are made that refer to them: no read finds a member without its team.
//
// Blocks are a coordinator's own clients: they run in its process, as psql's do, and go with it (BlockFront).
import Capabilities
import ClientCore
import Columns
import CoordinatorNode
import Model
import SQL
internal import Synchronization
import Wire

/// What is known of the blocks.
final class BlockTrials: Sendable {
  private struct Block {
    var from: Int
    var to: Int
    var amount: Int64
    /// Nil: nobody knows.
    var isDone: Bool?
  }
  private struct State {
    var blocks: [Block] = []
    var isReady = false
    var isOver = false
    /// Blocks that are under way.
    var running = 0
    var members: Int64 = 0
    /// The team that members come into; none comes a second time.
    var team: Int64 = 0
  }
  private struct Account {
    var balance: Int64
    var blocks: Int64
  }
  private static let tenants = 3
  private static let keys = 2
  /// Bits of a number that are used.
  private static let blocksMax = 60
  private static let membersMax: Int64 = 80
  private static var accounts: Range<Int> { 0..<tenants * keys }
  private let workload: Workload
  private let ledger: Ledger
  private let state = Mutex(State())

  init(_ workload: Workload, _ ledger: Ledger) {
    self.workload = workload
    self.ledger = ledger
  }
  private static func key(_ account: Int) -> String { "tenant = \(account / keys) AND k = \(account % keys)" }

  // MARK: Blocks

  /// Runs blocks on a coordinator until it is drained.
  func work(_ coordinator: Coordinator, _ near: Surroundings, _ random: SeededGenerator, while isOpen: () -> Bool) async throws {
    while isOpen() {
      try await near.clock.sleep(for: workload.pause(random, 20...600, steps: Self.blocksMax))
      guard state.withLock({ $0.isReady || $0.isOver }), isOpen() else { continue }
      let from = Int(random.next(below: UInt64(Self.accounts.count)))
      let to = (from + 1 + Int(random.next(below: UInt64(Self.accounts.count - 1)))) % Self.accounts.count
      let block = Block(from: from, to: to, amount: Int64(random.next(in: 1...100)))
      let number = state.withLock { state -> Int? in
        guard !state.isOver, state.blocks.count < Self.blocksMax else { return nil }
        state.blocks.append(block)
        state.running += 1
        return state.blocks.count - 1
      }
      guard let number else { return }
      defer { state.withLock { $0.running -= 1 } }
      let transaction = coordinator.beginTransaction(now: coordinator.wallMicroseconds)
      var isEnding = false
      do {
        if try await run(block, number, transaction, coordinator, near, random) {
          isEnding = true
          _ = try await transaction.commit()
          near.log.record(.debug, "block-committed", [("block", "\(number)")])
          state.withLock { $0.blocks[number].isDone = true }
        } else {
          await transaction.rollBack()
          state.withLock { $0.blocks[number].isDone = false }
        }
      } catch let error as TallyError {
        // Before COMMIT nothing can have been done; of COMMIT it depends on what was told.
        let isKnown = !isEnding || ![.unknownOutcome, .timedOut, .cancelled].contains(error.status)
        await transaction.rollBack()
        if isKnown { state.withLock { $0.blocks[number].isDone = false } }
        if !Self.mayFail(error) { ledger.violated("block \(number) failed: \(error)") }
        near.log.info("block-failed", ("block", "\(number)"), ("error", "\(error)"))
      }
    }
  }
  private static func mayFail(_ error: TallyError) -> Bool {
    switch error.status {
    case .unknownOutcome, .timedOut, .cancelled, .stalePlan: true
    case .unavailable, .notPrimary, .staleCatalog, .overloaded, .diskFull: true
    default: error.sqlState == "40001"
    }
  }
  /// Runs a block up to its end; false when that shall be ROLLBACK.
  private func run(
    _ block: Block,
    _ number: Int,
    _ transaction: OpenTransaction,
    _ coordinator: Coordinator,
    _ near: Surroundings,
    _ random: SeededGenerator
  ) async throws -> Bool {
    let bit = Int64(1) << Int64(number)
    func carryOut(_ sql: String) async throws -> StatementReply {
      for part in try await coordinator.takeApart(sql) {
        guard case .planned(let statement) = part.content else { continue }
        var request = StatementRequest(statement, now: transaction.now)
        request.transaction = transaction
        request.deadline = near.clock.now + .seconds(8)
        return try await coordinator.carryOut(request)
      }
      throw TallyError(.internalError, "no statement: \(sql)")
    }
    func rest() async throws {
      let longest: UInt64 = random.chance(percent: 30) ? 4000 : 20
      try await near.clock.sleep(for: .milliseconds(Int64(random.next(below: longest))))
    }
    func move(_ amount: Int64, _ account: Int) async throws {
      let reply = try await carryOut("UPDATE accounts SET balance = balance + \(amount), n = n + \(bit) WHERE \(Self.key(account))")
      if reply.rows != 1 { ledger.violated("block \(number) changed \(reply.rows) rows of account \(account)") }
    }
    try await move(-block.amount, block.from)
    try await rest()
    if random.chance(percent: 25) {
      try transaction.savepoint("here")
      let other = Int(random.next(below: UInt64(Self.accounts.count)))
      _ = try await carryOut("UPDATE accounts SET balance = 0, n = 0 WHERE \(Self.key(other))")
      try await transaction.rollBack(to: "here")
    }
    try await move(block.amount, block.to)
    let entries = [(block.from, 0), (block.to, 1)].map { "(\($0 / Self.keys), \(2 * number + $1), \($0 % Self.keys))" }
    _ = try await carryOut("INSERT INTO entries VALUES " + entries.joined(separator: ", "))
    let seen = try await carryOut("SELECT tenant, k, n, balance FROM accounts WHERE tenant = \(block.to / Self.keys)")
    let own = seen.batches.flatMap { batch in
      (0..<batch.count).map { row in batch.columns.map { ClusterClient.cell($0, row).integer ?? -1 } }
    }
    if own.first(where: { $0[1] == Int64(block.to % Self.keys) }).map({ $0[2] & bit == 0 }) ?? true {
      ledger.violated("block \(number) does not see what it wrote: \(own)")
    }
    try await rest()
    return !random.chance(percent: 15)
  }

  // MARK: Tables, teams and readers

  /// Makes the tables, changes teams and members, and reads, until `isOver`.
  func run(_ client: ClusterClient, _ random: SeededGenerator, until isOver: @escaping @Sendable () -> Bool) async throws {
    let (shards, copies) = (workload.shards, workload.copies)
    let account = "(tenant bigint, k bigint, balance bigint NOT NULL, n bigint NOT NULL, PRIMARY KEY (tenant, k))"
    // All of them come into the events' group: who refers to another is in one shard with it.
    try await client.makeTable("accounts", account, shards: shards, copies: copies)
    try await client.makeTable("teams", "(tenant bigint, k bigint, PRIMARY KEY (tenant, k))", shards: shards, copies: copies)
    for (table, other) in [("entries", "accounts"), ("members", "teams")] {
      let columns = "(tenant bigint, id bigint, k bigint, PRIMARY KEY (tenant, id))"
      try await client.makeTable(table, columns, shards: shards, copies: copies)
      let reference = "ADD CONSTRAINT \(table)_k FOREIGN KEY (tenant, k) REFERENCES \(other) (tenant, k)"
      try await client.persist("a reference of \(table)", accepting: ["42710"]) {
        _ = try await client.query("ALTER TABLE \(table) \(reference)")
      }
    }
    let all = Self.accounts.map { "(\($0 / Self.keys), \($0 % Self.keys), 0, 0)" }.joined(separator: ", ")
    try await client.persist("INSERT INTO accounts") {
      _ = try await client.query("INSERT INTO accounts VALUES \(all) ON CONFLICT DO NOTHING")
    }
    state.withLock { $0.isReady = true }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<3 {
        let own = random.fork("teams \(number)")
        group.addTask { while !isOver(), try await self.changeTeams(client, own) {} }
      }
      let own = random.fork("reader")
      group.addTask {
        while !isOver() {
          try await client.near.clock.sleep(for: self.workload.pause(own, 50...800, steps: 100))
          do {
            if let law = try await self.check(client, isEnd: false) { self.ledger.violated(law) }
            self.ledger.answered()
          } catch let error as TallyError {
            if error.isRetryable { self.ledger.refused() } else { self.ledger.violated("a read of blocks failed: \(error)") }
          }
        }
      }
      try await group.waitForAll()
    }
  }
  /// Makes a member of the present team, or deletes that with its members and makes the next; false when there are enough.
  private func changeTeams(_ client: ClusterClient, _ random: SeededGenerator) async throws -> Bool {
    // Close upon one another, and few of them: so that they meet.
    try await client.near.clock.sleep(for: workload.pause(random, 1...40, steps: Int(Self.membersMax)))
    let (id, team) = state.withLock { state -> (Int64, Int64) in
      state.members += 1
      return (state.members, state.team)
    }
    if id > Self.membersMax { return false }
    var statements = ["INSERT INTO members VALUES (1, \(id), \(team))"]
    if random.chance(percent: 30) {
      statements = ["members", "teams"].map { "DELETE FROM \($0) WHERE tenant = 1 AND k = \(team)" }
      statements.append("INSERT INTO teams VALUES (1, \(team + 1)) ON CONFLICT DO NOTHING")
    }
    for sql in statements {
      do { _ = try await client.query(sql, timeout: .seconds(8)) } catch let error as TallyError {
        // There is no such team, or it has members.
        if error.sqlState != "23503", !Self.mayFail(error) { ledger.violated("\(sql) failed: \(error)") }
      }
    }
    if statements.count > 1 { state.withLock { $0.team = max($0.team, team + 1) } }
    return true
  }

  // MARK: Judging

  /// Has no block begin any more, and waits for those under way.
  func end(_ clock: any Clock) async throws {
    state.withLock { $0.isOver = true }
    while state.withLock({ $0.running > 0 }) { try await clock.sleep(for: .milliseconds(100)) }
  }
  /// Judges all rows, once what is open has ended: within 40 s.
  func judge(_ client: ClusterClient, _ what: String) async throws {
    guard state.withLock({ $0.isReady }) else { return }
    // One whose outcome is not known may still be open on its shards: until those are in doubt about it.
    if state.withLock({ $0.blocks.contains { $0.isDone == nil } }) { try await client.near.clock.sleep(for: .seconds(15)) }
    let limit = client.near.clock.now + .seconds(40)
    while true {
      let broken = Mutex<String?>(nil)
      try await client.persist("blocks, \(what)") {
        let found = try await self.check(client, isEnd: true)
        broken.withLock { $0 = found }
      }
      guard let law = broken.withLock({ $0 }) else { return }
      guard client.near.clock.now < limit else { return ledger.violated("\(what): \(law)") }
      try await client.near.clock.sleep(for: .milliseconds(500))
    }
  }
  /// What is broken. At the end each block is there or not, and that is known from then on.
  private func check(_ client: ClusterClient, isEnd: Bool) async throws -> String? {
    func rows(_ sql: String) async throws -> [[Int64]] {
      try await client.query(sql, timeout: .seconds(30)).map { $0.map { $0.integer ?? -1 } }
    }
    // What is known before the read must be in it.
    let before = state.withLock { $0.blocks }
    var accounts: [Int: Account] = [:]
    for row in try await rows("SELECT tenant, k, balance, n FROM accounts") {
      let at = Int(row[0]) * Self.keys + Int(row[1])
      if accounts.updateValue(Account(balance: row[2], blocks: row[3]), forKey: at) != nil { return "account \(at) is there twice" }
    }
    let entries = Set(try await rows("SELECT id, tenant, k FROM entries"))
    let orphans = try await rows(
      "SELECT m.id, m.tenant, m.k FROM members m LEFT JOIN teams g ON m.tenant = g.tenant AND m.k = g.k WHERE g.k IS NULL"
    )
    if let orphan = orphans.first { return "member \(orphan[0]) of tenant \(orphan[1]) has no team \(orphan[2])" }
    return state.withLock { state in
      for at in Self.accounts where accounts[at] == nil { return "account \(at) is not there" }
      for (at, account) in accounts.sorted(by: { $0.key < $1.key }) {
        var balance: Int64 = 0
        for number in 0..<Self.blocksMax + 3 where account.blocks >> Int64(number) & 1 == 1 {
          guard number < state.blocks.count, state.blocks[number].from == at || state.blocks[number].to == at else {
            return "account \(at) has block \(number), which is none of its own"
          }
          balance += state.blocks[number].from == at ? -state.blocks[number].amount : state.blocks[number].amount
        }
        if balance != account.balance { return "account \(at) has \(account.balance) and blocks that come to \(balance)" }
      }
      for (number, block) in state.blocks.enumerated() {
        let isThere = [block.from, block.to].map { accounts[$0].map { $0.blocks >> Int64(number) & 1 == 1 } ?? false }
        let isEntered = [(block.from, 0), (block.to, 1)].map {
          entries.contains([Int64(2 * number + $1), Int64($0 / Self.keys), Int64($0 % Self.keys)])
        }
        let places = "accounts \(isThere), entries \(isEntered)"
        if number < before.count, let isDone = before[number].isDone, (isThere + isEntered).contains(!isDone) {
          return "block \(number) was \(isDone ? "answered" : "refused"): \(places)"
        }
        if block.from / Self.keys == block.to / Self.keys, isThere[0] != isThere[1] {
          return "block \(number) of one shard is half there: \(places)"
        }
        if isEnd, Set(isThere + isEntered).count > 1 { return "block \(number) is there in part: \(places)" }
        if isEnd, block.isDone == nil { state.blocks[number].isDone = isThere[0] }
      }
      return nil
    }
  }
}

/// A coordinator's own clients: they begin when it is there and end with it.
final class BlockFront: CoordinatorFront {
  private struct State {
    var near: Surroundings?
    var coordinator: Coordinator?
    var isDraining = false
  }
  /// Clients of one coordinator: blocks meet one another.
  private static let clients = 3
  private let trials: BlockTrials
  private let random: SeededGenerator
  private let state = Mutex(State())

  init(_ trials: BlockTrials, _ random: SeededGenerator) {
    self.trials = trials
    self.random = random
  }
  func listen(_ surroundings: Surroundings) async throws { state.withLock { $0.near = surroundings } }
  func open(_ coordinator: Coordinator) { state.withLock { $0.coordinator = coordinator } }
  func serve() async {
    guard let near = state.withLock({ $0.near }) else { return }
    do {
      while true {
        if let coordinator = state.withLock({ $0.coordinator }) {
          return try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...Self.clients {
              let own = random.fork("client \(number)")
              group.addTask {
                try await self.trials.work(coordinator, near, own) { !self.state.withLock { $0.isDraining } }
              }
            }
            try await group.waitForAll()
          }
        }
        try await near.clock.sleep(for: .milliseconds(50))
      }
    } catch {
      // Its process ends.
    }
  }
  func cancel(process: UInt32, secret: [UInt8]) -> Bool { false }
  func drain(until deadline: Instant) async { state.withLock { $0.isDraining = true } }
}
