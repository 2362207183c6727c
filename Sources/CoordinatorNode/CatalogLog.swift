// CatalogLog.swift — the flow around RaftCore: it carries out what the core wants done, and keeps the catalog that the log makes.
//
// Proposals are handed to the core; `run` writes what waits in one go, tells the core, wakes it when its time has come, and carries letters
// to the other members (GroupPost). Committed commands are applied in order, once; whoever proposed one is answered then. A log that has
// grown past `rewriteBytes` is replaced by one that begins with a snapshot. Durable bytes: GroupDisk.
import Bytes
import Capabilities
import Consensus
import Model
import Wire

/// The catalog of one coordinator, as a member of the coordinators' group.
actor CatalogLog {
  private struct Proposal {
    var term: UInt64
    var answer: Promise<CatalogOutcome>
  }
  private enum Question {
    case command(Promise<CatalogOutcome>)
    case change(Promise<Void>)
    case index(Promise<UInt64>)
  }
  /// How the group stands, as this member sees it.
  struct Standing: Sendable {
    var member: MemberID
    var term: UInt64
    var role: RaftCore.Role
    var isLeader: Bool
    var leader: Member?
    var members: Members
    /// Members that a leader hears, itself included; of others it is not known.
    var heard: Set<MemberID>
    /// Members that hold everything that is committed, as a leader knows.
    var current: Set<MemberID>
  }
  private let surroundings: Surroundings
  private var disk: GroupDisk
  private var core: RaftCore
  private let post: GroupPost
  private let witness: (any CatalogWitness)?
  /// Everything applied so far.
  private(set) var catalog: Catalog
  /// What the transaction with a draft saw last, and how much was applied then.
  private var lastDrafted: (draft: DraftID, applied: UInt64, snapshot: CatalogSnapshot)?
  /// Index of the last entry in it.
  private(set) var applied: UInt64
  private var writes: [RaftWrite] = []
  private let writing = BoundedQueue<Void>(capacity: 1)
  private let waking = Signal()
  private var sleepsUntil: UInt64 = 0
  /// The letters that answer those which are being taken in.
  private var reply: (to: MemberID, letters: [RaftMessage])?
  private var nextTicket: UInt64 = 0
  private var questions: [UInt64: Question] = [:]
  /// Entries that somebody waits for, by index.
  private var proposals: [UInt64: Proposal] = [:]
  private var changes: [UInt64: (term: UInt64, answer: Promise<Void>)] = [:]
  /// Rung after each change of the version, by ticket.
  private var versionBells: [UInt64: BoundedQueue<Void>] = [:]
  /// Told when leadership begins or ends.
  private var leadershipWaiters: [Promise<Void>] = []
  /// Why it ended.
  private var failure: (any Error)?

  static let rewriteBytes = 1 << 20
  /// Bytes of a letter that may travel back with an answer.
  static let replyWeight = 1024
  /// A leader that is gone is replaced within a second or so: 0.6 to 1 s of silence, then a round of pre-votes and one of votes.
  static let times = RaftSettings(heartbeat: 100_000_000, electionMin: 600_000_000, electionSpread: 400_000_000)

  /// Opens the log of `cluster`, making it when there is none. `address` is where this coordinator listens.
  init(
    _ surroundings: Surroundings,
    cluster: ClusterID,
    origin: GroupOrigin,
    post: GroupPost,
    witness: (any CatalogWitness)? = nil
  ) async throws {
    let found = try await GroupDisk.open(surroundings, cluster: cluster, origin: origin)
    let catalog: Catalog
    do {
      catalog = found.log.snapshot.state.isEmpty ? Catalog() : try CatalogCommandFormat.decodeState(found.log.snapshot.state)
    } catch {
      throw TallyError(.dataDamaged, "the catalog's snapshot at \(found.log.snapshot.index) cannot be read: \(error)")
    }
    self.surroundings = surroundings
    self.post = post
    self.witness = witness
    self.catalog = catalog
    disk = found.disk
    core = RaftCore(id: found.disk.member, settings: Self.times, hard: found.hard, log: found.log)
    applied = found.log.snapshot.index
    post.member = found.disk.member
  }

  // MARK: Proposing

  /// Proposes a command; returns what applying it gave, once it is durable on a quorum. Refusals are thrown; so is, when another member
  /// leads, `notPrimary` with its name.
  func propose(_ command: CatalogCommand) async throws -> CatalogOutcome {
    let answer = Promise<CatalogOutcome>()
    let bytes = CatalogCommandFormat.encode(command)
    // What no coordinator could read again must not come into the log: all would end by it, at every start.
    do { _ = try CatalogCommandFormat.decode(bytes) } catch {
      throw TallyError.sql("54000", "the catalog cannot hold this definition: \(error)")
    }
    ask(.command(answer)) { .propose(ticket: $0, [bytes]) }
    let outcome = try await answer.value
    if case .refused(let error) = outcome { throw error }
    return outcome
  }
  /// Changes the group's members; returns once the change is committed.
  func change(_ change: MemberChange) async throws {
    let answer = Promise<Void>()
    ask(.change(answer)) { .change(ticket: $0, change) }
    try await answer.value
  }
  /// Asks this leader for an index as new as this moment.
  func readIndex() async throws -> UInt64 {
    let answer = Promise<UInt64>()
    ask(.index(answer)) { .read(ticket: $0) }
    return try await answer.value
  }
  private func ask(_ question: Question, _ event: (UInt64) -> RaftEvent) {
    nextTicket += 1
    questions[nextTicket] = question
    step(event(nextTicket))
  }

  // MARK: Standing

  /// Everything applied, with its index and the present term.
  var copy: (catalog: Catalog, index: UInt64, term: UInt64) { (catalog, applied, core.hard.term) }

  /// Whether this coordinator decides: only then may a flow of its own (failover, re-replication) begin. It may have ended a moment ago;
  /// what such a flow proposes is checked against the catalog when it is applied, so a late one changes nothing.
  var isLeader: Bool { get async { core.isEstablished } }
  /// The catalog as the transaction with a draft sees it.
  func drafted(_ id: DraftID) throws -> CatalogSnapshot {
    if let lastDrafted, lastDrafted.draft == id, lastDrafted.applied == applied { return lastDrafted.snapshot }
    let snapshot = try catalog.drafted(id).snapshot
    lastDrafted = (id, applied, snapshot)
    return snapshot
  }
  /// The catalog, while this coordinator decides.
  var catalogToDecide: CatalogSnapshot? { core.isEstablished ? catalog.snapshot : nil }
  /// The term in which this coordinator decides; nil when it does not.
  var leadingTerm: UInt64? { core.isEstablished ? core.hard.term : nil }
  /// How the group stands.
  var standing: Standing {
    let members = core.role == .leader ? core.log.members.all.map(\.id) : []
    let now = surroundings.clock.now.nanoseconds
    return Standing(
      member: core.id,
      term: core.hard.term,
      role: core.role,
      isLeader: core.isEstablished,
      leader: core.leader.flatMap { core.log.members.member($0) },
      members: core.log.members,
      heard: Set(members.filter { core.hears($0, now: now) }),
      current: Set(members.filter { core.match($0) ?? 0 >= core.commit })
    )
  }
  /// Whether this coordinator is the only one and decides: then nobody can know more than it does.
  var decidesAlone: Bool { isAlone && core.isEstablished }
  /// Whether there is no other coordinator.
  var isAlone: Bool { core.log.members.all.count == 1 && core.log.members.member(core.id) != nil }
  /// Settled when leadership begins or ends, here or elsewhere; read `isLeader` then. It fails when the log ends.
  func nextLeadershipChange() -> Promise<Void> {
    let promise = Promise<Void>()
    if let failure { promise.fail(failure) } else { leadershipWaiters.append(promise) }
    return promise
  }
  /// Returns once this coordinator decides; throws when the log ends.
  func untilLeading() async throws { while !core.isEstablished { try await nextLeadershipChange().value } }
  /// Returns once the catalog is newer than `version`, or at `deadline`.
  func awaitChange(after version: CatalogVersion, until deadline: Instant) async throws {
    let bell = BoundedQueue<Void>(capacity: 1)
    nextTicket += 1
    let ticket = nextTicket
    versionBells[ticket] = bell
    defer { versionBells[ticket] = nil }
    while failure == nil, catalog.snapshot.version <= version {
      do { _ = try await withDeadline(deadline, surroundings.clock) { try await bell.receive() } } catch is DeadlineExceeded { return }
    }
    if let failure { throw failure }
  }
  /// Takes letters of another member in; returns those that answer them at once.
  func answer(_ envelope: RaftEnvelope) throws -> RaftEnvelope? {
    reply = (envelope.from, [])
    defer { reply = nil }
    try receive(envelope)
    guard let letters = reply?.letters, !letters.isEmpty else { return nil }
    return post.envelope(letters, to: envelope.from)
  }
  private func receive(_ envelope: RaftEnvelope) throws {
    guard envelope.to == core.id else {
      throw TallyError(.wrongCluster, "member \(envelope.to) is written to, but this is member \(core.id)")
    }
    post.heard(envelope.from, at: envelope.address)
    for letter in envelope.letters { step(.receive(from: envelope.from, letter)) }
  }
  /// Asks another member to lead, before this one stops.
  func handOver() { step(.handOver) }

  // MARK: Running

  /// Runs the member until cancelled; then, as after a failure, whoever waits fails.
  func run() async throws {
    do {
      step(.start)
      try await withThrowingTaskGroup(of: Void.self) { group in
        defer { group.cancelAll() }
        group.addTask { try await self.write() }
        group.addTask { try await self.wake() }
        group.addTask { await self.post.run { try await self.receive($0) } }
        try await group.next()
      }
      throw CancellationError()
    } catch {
      end(failure ?? error)
      throw failure ?? error
    }
  }
  private func write() async throws {
    while true {
      while !writes.isEmpty {
        let batch = writes
        writes = []
        var disk = disk
        try await disk.write(batch)
        self.disk = disk
        if let last = batch.last { step(.persisted(last.number)) }
      }
      if let failure { throw failure }
      _ = try await writing.receive()
    }
  }
  private func wake() async throws {
    while true {
      let due = core.wakeAt
      sleepsUntil = due
      await waking.wait(until: Instant(nanoseconds: due), surroundings.clock)
      try Task.checkCancellation()
      if surroundings.clock.now.nanoseconds >= core.wakeAt { step(.tick) }
    }
  }
  private func end(_ error: any Error) {
    if failure == nil { failure = error }
    for question in questions.sorted(by: { $0.key < $1.key }).map(\.value) { fail(question, error) }
    for (_, proposal) in proposals.sorted(by: { $0.key < $1.key }) { proposal.answer.fail(error) }
    for (_, change) in changes.sorted(by: { $0.key < $1.key }) { change.answer.fail(error) }
    for waiter in leadershipWaiters { waiter.fail(error) }
    for bell in versionBells.values { bell.finish() }
    (questions, proposals, changes, versionBells, leadershipWaiters) = ([:], [:], [:], [:], [])
    post.finish()
  }
  private func fail(_ question: Question, _ error: any Error) {
    switch question {
    case .command(let answer): answer.fail(error)
    case .change(let answer): answer.fail(error)
    case .index(let answer): answer.fail(error)
    }
  }

  // MARK: Effects

  private func step(_ event: RaftEvent) {
    if let failure {
      // The log has ended: whoever asks is told why.
      for question in questions.sorted(by: { $0.key < $1.key }).map(\.value) { fail(question, failure) }
      return questions = [:]
    }
    let effects = core.handle(event, now: surroundings.clock.now.nanoseconds, chance: surroundings.random.next())
    for effect in effects { carryOut(effect) }
    if core.wakeAt < sleepsUntil { waking.notify() }
    if core.log.byteCount > max(Self.rewriteBytes, 2 * core.log.snapshot.state.count), core.applied == applied,
      core.applied > core.log.snapshot.index
    {
      for effect in core.handle(
        .compact(state: CatalogCommandFormat.encode(catalog)),
        now: surroundings.clock.now.nanoseconds,
        chance: surroundings.random.next()
      ) { carryOut(effect) }
    }
  }
  private func carryOut(_ effect: RaftEffect) {
    switch effect {
    case .persist(let write):
      writes.append(write)
      _ = writing.trySend(())
    case .send(let to, let message):
      // Light answers travel back with the request's own; all others by the post.
      if let letters = reply?.letters, reply?.to == to, letters.count < RaftLimits.lettersMax, message.weight < Self.replyWeight {
        reply?.letters.append(message)
      } else {
        post.send(message, to: to)
      }
    case .apply(let records): for record in records { apply(record) }
    case .restore(let snapshot): restore(snapshot)
    case .accepted(let ticket, let first, let term):
      switch questions.removeValue(forKey: ticket) {
      case .command(let answer): proposals[first] = Proposal(term: term, answer: answer)
      case .change(let answer): changes[first] = (term, answer)
      case .index, nil: break
      }
    case .readable(let ticket, let index):
      if case .index(let answer) = questions.removeValue(forKey: ticket) { answer.fulfil(index) }
    case .refused(let ticket, let refusal):
      if let question = questions.removeValue(forKey: ticket) { fail(question, explain(refusal)) }
    case .standing: changed()
    }
  }
  private func explain(_ refusal: RaftRefusal) -> TallyError {
    switch refusal {
    case .notLeader(let other):
      guard let leader = other.flatMap({ core.log.members.member($0) }) else {
        return TallyError(
          .unavailable,
          "no coordinator leads at the moment",
          hint: "most of the coordinators must be up and hear each other"
        )
      }
      return TallyError(.notPrimary, "coordinator \(leader.name) at \(leader.address) leads, not this one", node: leader.name)
    case .notYet: return TallyError(.unavailable, "a change of the coordinators' group is under way")
    case .invalid(let reason): return TallyError(.invalid, reason)
    }
  }
  private func apply(_ record: CommandRecord) {
    invariant(record.index == applied + 1, "entry \(record.index) is applied after \(applied)")
    applied = record.index
    var outcome = CatalogOutcome.done
    let before = catalog.snapshot.version
    let known = witness.map { ($0, catalog) }
    if record.kind == .command {
      do { outcome = catalog.apply(try CatalogCommandFormat.decode(record.body), at: record.index) } catch {
        // Nothing behind it can be applied rightly: the node ends, and a newer version takes the log up.
        failure = TallyError(.dataDamaged, "catalog command \(record.index) cannot be read: \(error)")
        _ = writing.trySend(())
        return
      }
    }
    if let (witness, known) = known { catalog.tell(witness, since: known) }
    if let proposal = proposals.removeValue(forKey: record.index) {
      if proposal.term == record.term { proposal.answer.fulfil(outcome) } else { proposal.answer.fail(Self.replaced) }
    }
    if let change = changes.removeValue(forKey: record.index) {
      if change.term == record.term { change.answer.fulfil(()) } else { change.answer.fail(Self.replaced) }
    }
    progress(versionChanged: catalog.snapshot.version != before)
  }
  private static let replaced = TallyError(.unavailable, "another coordinator began to lead before the command was taken in")

  private func restore(_ snapshot: RaftSnapshot) {
    do { catalog = snapshot.state.isEmpty ? Catalog() : try CatalogCommandFormat.decodeState(snapshot.state) } catch {
      failure = TallyError(.dataDamaged, "the catalog's snapshot at \(snapshot.index) cannot be read: \(error)")
      _ = writing.trySend(())
      return
    }
    applied = snapshot.index
    surroundings.log.info("catalog-snapshot-taken", ("index", String(snapshot.index)))
    progress(versionChanged: true)
  }
  private func progress(versionChanged: Bool) {
    guard versionChanged else { return }
    for (_, bell) in versionBells.sorted(by: { $0.key < $1.key }) { _ = bell.trySend(()) }
  }
  private func changed() {
    post.book(core.log.members)
    if core.role != .leader {
      // They may be committed by the next leader, or not.
      let unknown = TallyError(.unknownOutcome, "this coordinator stopped leading before the command was committed")
      for (_, proposal) in proposals.sorted(by: { $0.key < $1.key }) { proposal.answer.fail(unknown) }
      for (_, change) in changes.sorted(by: { $0.key < $1.key }) { change.answer.fail(unknown) }
      (proposals, changes) = ([:], [:])
    }
    surroundings.log.info(
      "group-standing",
      ("term", String(core.hard.term)),
      ("role", "\(core.role)"),
      ("leader", core.leader.map { core.log.members.member($0)?.name ?? $0.description } ?? "none"),
      ("voters", core.log.members.voters.map(\.name).joined(separator: ",")),
      ("established", String(core.isEstablished))
    )
    let waiters = leadershipWaiters
    leadershipWaiters = []
    for waiter in waiters { waiter.fulfil(()) }
  }
}
