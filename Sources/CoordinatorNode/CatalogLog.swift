// CatalogLog.swift — the command log of one coordinator on its disk: recovery, group append, and the apply loop.
//
// Proposals queue; `run()` writes all that wait in one write and sync, then applies them in order and answers. A file that has grown past
// `rewriteBytes` is replaced at start by one that begins with a snapshot. Bytes: Consensus/CommandRecord.swift.
import Bytes
import Capabilities
import Consensus
import Model

/// The durable catalog of a single coordinator.
actor CatalogLog {
  private struct Proposal: Sendable {
    var command: CatalogCommand
    var answer: Promise<CatalogOutcome>
  }
  private let surroundings: Surroundings
  private let file: any DiskFile
  private var length: UInt64
  private var index: UInt64
  private var chain: Hash128
  private let proposals = BoundedQueue<Proposal>(capacity: 1024)
  /// Everything applied so far.
  private(set) var catalog: Catalog
  /// Told after each change, with the new version.
  private var versionWaiters: [Promise<Void>] = []
  /// Told when leadership begins or ends.
  private var leadershipWaiters: [Promise<Void>] = []

  static let path = "meta/catalog.log"
  static let rewriteBytes = 1 << 20
  static let term: UInt64 = 1

  private init(
    _ surroundings: Surroundings,
    file: any DiskFile,
    length: UInt64,
    index: UInt64,
    chain: Hash128,
    catalog: Catalog
  ) {
    self.surroundings = surroundings
    self.file = file
    self.length = length
    self.index = index
    self.chain = chain
    self.catalog = catalog
  }

  /// Opens the log of `cluster`, making it when there is none.
  static func open(_ surroundings: Surroundings, cluster: ClusterID) async throws -> CatalogLog {
    let disk = surroundings.disk
    try await disk.createDirectory("meta")
    try await disk.syncDirectory("")
    var bytes: [UInt8]
    do { bytes = try await disk.readAll(path) } catch let failure as DiskFailure where failure.kind == .notFound {
      try await disk.writeDurably(path, [CommandRecordFormat.header(cluster)])
      bytes = CommandRecordFormat.header(cluster)
    }
    let contents: CommandRecordFormat.Contents
    do { contents = try CommandRecordFormat.decode(bytes) } catch {
      throw TallyError(
        .dataDamaged,
        "the catalog's log \(path) is damaged: \(error)",
        hint: "restore the coordinator's data directory from a backup"
      )
    }
    guard contents.cluster == cluster else {
      throw TallyError(.wrongCluster, "\(path) belongs to cluster \(contents.cluster), not \(cluster)")
    }
    var (catalog, index) = (Catalog(), UInt64(0))
    for record in contents.records {
      do {
        switch record.kind {
        case .snapshot: catalog = try CatalogCommandFormat.decodeState(record.body)
        case .command: _ = catalog.apply(try CatalogCommandFormat.decode(record.body), at: record.index)
        }
      } catch {
        throw TallyError(.dataDamaged, "catalog command \(record.index) cannot be read: \(error)")
      }
      index = record.index
    }
    var (length, chain) = (UInt64(contents.validBytes), contents.chain)
    if contents.validBytes < bytes.count {
      surroundings.log.warning(
        "catalog-tail-cut",
        ("bytes", String(bytes.count - contents.validBytes)),
        ("after", String(index))
      )
    }
    if contents.validBytes < bytes.count || bytes.count > rewriteBytes {
      // A file of its own makes the cut (or the compaction) one atomic step.
      let header = CommandRecordFormat.header(cluster)
      var pieces = [header]
      if index > 0 {
        let (record, next) = CommandRecordFormat.encode(
          CommandRecord(index: index, term: term, kind: .snapshot, body: CatalogCommandFormat.encode(catalog)),
          after: .zero
        )
        pieces.append(record)
        chain = next
      } else {
        chain = .zero
      }
      try await disk.writeDurably(path, pieces)
      length = UInt64(pieces.reduce(0) { $0 + $1.count })
    }
    let log = CatalogLog(
      surroundings,
      file: try await disk.open(path, .readWrite),
      length: length,
      index: index,
      chain: chain,
      catalog: catalog
    )
    if index == 0 { try await log.commit([.bootstrap(cluster: cluster)]) }
    return log
  }

  /// Proposes a command; returns what applying it gave, once it is durable. Refusals are thrown.
  func propose(_ command: CatalogCommand) async throws -> CatalogOutcome {
    let answer = Promise<CatalogOutcome>()
    try await proposals.send(Proposal(command: command, answer: answer))
    let outcome = try await answer.value
    if case .refused(let error) = outcome { throw error }
    return outcome
  }
  /// Writes and applies proposals until cancelled; then, as after a failure, every proposal fails.
  func run() async throws {
    do { try await write() } catch {
      proposals.finish()
      for waiter in leadershipWaiters { waiter.fail(error) }
      leadershipWaiters = []
      while proposals.count > 0, let left = try await proposals.receive() { left.answer.fail(error) }
      throw error
    }
  }
  private func write() async throws {
    while let first = try await proposals.receive() {
      var batch = [first]
      while batch.count < 256, proposals.count > 0, let next = try await proposals.receive() { batch.append(next) }
      do {
        let outcomes = try await commit(batch.map(\.command))
        for (proposal, outcome) in zip(batch, outcomes) { proposal.answer.fulfil(outcome) }
      } catch {
        for proposal in batch { proposal.answer.fail(error) }
        throw error
      }
    }
  }
  /// Ends the queue; proposals that wait are still written.
  func finish() { proposals.finish() }

  @discardableResult private func commit(_ commands: [CatalogCommand]) async throws -> [CatalogOutcome] {
    var pieces: [[UInt8]] = []
    var (nextIndex, nextChain) = (index, chain)
    for command in commands {
      nextIndex += 1
      let (bytes, link) = CommandRecordFormat.encode(
        CommandRecord(index: nextIndex, term: Self.term, kind: .command, body: CatalogCommandFormat.encode(command)),
        after: nextChain
      )
      pieces.append(bytes)
      nextChain = link
    }
    try await file.write(pieces, at: length, sync: true)
    length += UInt64(pieces.reduce(0) { $0 + $1.count })
    let before = catalog.snapshot.version
    var outcomes: [CatalogOutcome] = []
    for command in commands {
      index += 1
      outcomes.append(catalog.apply(command, at: index))
    }
    chain = nextChain
    if catalog.snapshot.version != before {
      let waiters = versionWaiters
      versionWaiters = []
      for waiter in waiters { waiter.fulfil(()) }
    }
    return outcomes
  }
  /// Whether this coordinator decides: only then may a flow of its own (failover, re-replication) begin. It may have ended a moment ago;
  /// what such a flow proposes is checked against the catalog when it is applied, so a late one changes nothing.
  var isLeader: Bool { get async { true } }
  /// Settled when leadership begins or ends, here or elsewhere; read `isLeader` then. It fails when the log ends.
  func nextLeadershipChange() -> Promise<Void> {
    let promise = Promise<Void>()
    leadershipWaiters.append(promise)
    return promise
  }
  /// The next change of the catalog's version.
  func nextChange() -> Promise<Void> {
    let promise = Promise<Void>()
    versionWaiters.append(promise)
    return promise
  }
}
