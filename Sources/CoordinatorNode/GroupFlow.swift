// GroupFlow.swift — a coordinator among coordinators: founding or joining the group, leading it, and asking the leader.
//
// A group is founded by the first coordinator of the list that all of them are given; the others join it, as any later one does: first as
// learners, then, in pairs, as voters, so that their number stays odd. A coordinator that does not lead passes on what only the leader can
// do (decisions, and what only the leader hears: the workers' words), so that clients and workers need to know no leader and one living
// coordinator of their list is enough. It answers SELECT by itself, once its catalog is as new as the question.
import Bytes
public import Capabilities
import Consensus
import Model
import RPC
import Storage
internal import Synchronization
import Wire

/// A coordinator of the list that all are given.
public struct CoordinatorPeer: Sendable, Equatable {
  /// `coordinator-2`.
  public var name: String
  /// Where it listens.
  public var address: NetworkAddress
  /// Makes an entry.
  public init(name: String, address: NetworkAddress) {
    self.name = name
    self.address = address
  }
  /// Parses `name=host:port`.
  public init?(_ text: String) {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2, !parts[0].isEmpty, let address = NetworkAddress(parts[1]) else { return nil }
    self.init(name: parts[0], address: address)
  }
}

/// What a coordinator begins with.
struct GroupEntry {
  var cluster: ClusterID
  var origin: GroupOrigin
}

/// Most coordinators of a group.
let coordinatorsMax = 5

extension Coordinator {
  /// How long a request waits for somebody to lead.
  static let leaderPatience = Duration.seconds(5)

  // MARK: Beginning

  /// Founds or joins the group that an empty data directory shall belong to; `known` when an earlier start got as far as the cluster.
  static func enter(
    _ surroundings: Surroundings,
    _ settings: CoordinatorSettings,
    _ pool: ConnectionPool,
    _ address: NetworkAddress,
    known: ClusterID?
  ) async throws -> GroupEntry {
    let others = settings.peers.filter { $0.name != settings.name }
    let isFounder = settings.peers.first.map { $0.name == settings.name } ?? true
    // The founder's lost disk must not make a second cluster beside the one the others have.
    let isNew = isFounder ? try await !hasCluster(others, pool, surroundings.clock) : false
    if isNew {
      let cluster = known ?? ClusterID(high: surroundings.random.next(), low: surroundings.random.next())
      return GroupEntry(cluster: cluster, origin: .founding(name: settings.name, address: address.description))
    }
    let member = GroupDisk.draw(surroundings)
    var attempt = 0
    while true {
      let peer = others[attempt % others.count]
      attempt += 1
      do {
        let reply = try await pool.call(
          .joinGroup(JoinGroup(member: member, name: settings.name, address: address.description)),
          to: peer.address,
          deadline: surroundings.clock.now + .seconds(3)
        )
        guard case .joinedGroup(let joined) = reply else {
          throw TallyError(.protocolViolation, "\(peer.name) answered a join request with \(reply.name)")
        }
        guard known == nil || known == joined.cluster else {
          throw TallyError(.wrongCluster, "the data directory belongs to another cluster than \(peer.name), \(joined.cluster)")
        }
        return GroupEntry(cluster: joined.cluster, origin: .joining(member))
      } catch let error as TallyError where error.isRetryable {
        if attempt % 100 == others.count {
          surroundings.log.warning("joining-waits", ("coordinator", peer.name), ("reason", error.message))
        }
        try await surroundings.clock.sleep(for: .milliseconds(50))
      }
    }
  }
  /// Whether one of the others belongs to a cluster already.
  private static func hasCluster(_ others: [CoordinatorPeer], _ pool: ConnectionPool, _ clock: any Clock) async throws -> Bool {
    for other in others {
      do {
        let connection = try await pool.connection(to: other.address, deadline: clock.now + .milliseconds(500))
        if connection.peer.cluster != .none { return true }
        // It did not know its cluster when it was asked: the next connection asks again.
        connection.close()
      } catch let error as TallyError where error.isRetryable {}
    }
    return false
  }

  /// Tells the leader of this start, until it is a voter: its address may be another than before.
  func announceToGroup() async throws {
    let clock = surroundings.clock
    while true {
      let standing = await log.standing
      if standing.isLeader { return }
      if let leader = standing.leader, leader.id != standing.member, let target = NetworkAddress(leader.address) {
        do {
          let request = JoinGroup(member: standing.member, name: settings.name, address: address.description)
          let reply = try await pool.call(.joinGroup(request), to: target, deadline: clock.now + .seconds(3))
          if case .joinedGroup(let joined) = reply, joined.isVoter { return }
        } catch let error as TallyError where error.isRetryable {}
      }
      try await clock.sleep(for: .milliseconds(200))
    }
  }

  /// Takes a coordinator into the group, or notes that it started again.
  func join(_ request: JoinGroup) async throws -> JoinedGroup {
    let standing = await log.standing
    let member = standing.members.member(request.member)
    if let old = standing.members.all.first(where: { $0.name == request.name && $0.id != request.member }) {
      guard !standing.heard.contains(old.id) else {
        // Perhaps it has just ended, and will be silent in a moment.
        throw TallyError(
          .unavailable,
          "coordinator \"\(request.name)\" is up with another data directory than the one that asks to join",
          hint: "give each coordinator a name of its own; a lost disk is replaced once the old process has ended"
        )
      }
      // Its disk was lost: what it may have voted for is gone with it, so it comes back as another member.
      try await log.change(.remove(old.id))
    }
    if member == nil || member?.address != request.address || member?.name != request.name {
      guard member != nil || standing.members.all.count < coordinatorsMax else {
        throw TallyError(.invalid, "the cluster has \(standing.members.all.count) coordinators, the most there can be")
      }
      try await log.change(.set(Member(id: request.member, name: request.name, address: request.address, isVoter: false)))
    }
    try await register(coordinator: request.name, request.address)
    surroundings.log.info("coordinator-joined", ("name", request.name), ("address", request.address), ("member", "\(request.member)"))
    return JoinedGroup(cluster: cluster, isVoter: member?.isVoter ?? false)
  }
  /// Brings a coordinator into the catalog's list of nodes.
  private func register(coordinator name: String, _ address: String) async throws {
    let known = await log.catalog.snapshot.nodes.first { $0.name == name }
    if known?.address == address { return }
    _ = try await log.propose(
      .registerNode(name: name, role: .coordinator, address: address, previous: known?.incarnation ?? Incarnation(0))
    )
  }

  // MARK: Leading

  /// Begins and ends this coordinator's leadership, until cancelled.
  func lead() async throws {
    while true {
      let change = await log.nextLeadershipChange()
      let term = await log.leadingTerm
      if term != decidingTerm {
        decidingTerm = nil
        fleet = Fleet()
        if let term {
          do {
            try await begin()
            decidingTerm = term
            decidingSince = surroundings.clock.now
            erasingBell.notify()
            surroundings.log.info("leading", ("term", String(term)))
          } catch let error as TallyError where error.isRetryable {
            surroundings.log.warning("leading-not-begun", ("term", String(term)), ("reason", error.message))
          }
          // Leadership may have ended meanwhile, or what failed may succeed now.
          if await log.leadingTerm != decidingTerm {
            try await surroundings.clock.sleep(for: .milliseconds(20))
            continue
          }
        }
      }
      try await change.value
    }
  }
  /// A leader's first commands: the cluster's own, its place in the catalog, the session of its statements.
  private func begin() async throws {
    if await log.catalog.snapshot.cluster == .none { _ = try await log.propose(.bootstrap(cluster: cluster)) }
    try await register(coordinator: settings.name, address.description)
    // Their transactions were of a coordinator that led before, or of this one then.
    for draft in await log.catalog.drafts.keys.sorted() { _ = try await log.propose(.discardDraft(draft)) }
    for move in await log.catalog.moves.keys.sorted() { _ = try await log.propose(.cancelMove(move)) }
    try await openSession()
  }
  /// Opens a session for this coordinator's statements, in place of one that shards will forget.
  func openSession() async throws {
    // Numbers of statements go on: some of an earlier session may still be under way.
    statementSession = try await openSession(of: settings.name).session
    sessionOpened = surroundings.clock.now
  }
  /// Opens a session for a coordinator's statements.
  func openSession(of coordinator: String) async throws -> ProducerSession {
    let request = ProducerRequest(
      name: "statements of \(coordinator)",
      chunkBytes: 0,
      fingerprint: .zero,
      time: await stamp(),
      isAnew: true
    )
    guard case .producer(let record, _) = try await log.propose(.openProducer(request)) else {
      throw TallyError(.internalError, "opening a coordinator's session gave none")
    }
    return ProducerSession(session: record.session, issuedAt: record.request.time, chunkBytes: 0, isNew: true, firstLoad: "")
  }
  /// Promotes learners that have caught up, when the number of voters is odd afterwards; renews the session of statements.
  func keepGroup() async throws {
    while true {
      try await log.untilLeading()
      try await surroundings.clock.sleep(for: .milliseconds(100))
      guard decidingTerm != nil else { continue }
      if surroundings.clock.now - sessionOpened >= .microseconds(KeyLifetimes.renewal) {
        do { try await openSession() } catch let error as TallyError where error.isRetryable {
          surroundings.log.warning("session-not-renewed", ("reason", error.message))
        }
      }
      let standing = await log.standing
      let ready = standing.members.all.filter { !$0.isVoter && standing.current.contains($0.id) && standing.heard.contains($0.id) }
      let wanted = standing.members.voters.count % 2 == 0 ? 1 : 2
      guard ready.count >= wanted else { continue }
      for learner in ready.prefix(wanted) {
        do {
          try await log.change(.promote(learner.id))
          surroundings.log.info("coordinator-promoted", ("name", learner.name))
        } catch let error as TallyError where error.isRetryable {
          surroundings.log.warning("coordinator-not-promoted", ("name", learner.name), ("reason", error.message))
        }
      }
    }
  }
  /// Returns once every worker that was up has had the time to tell this leader so.
  func untilFleetKnown() async throws {
    while surroundings.clock.now < decidingSince + .seconds(1), !(await log.isAlone) {
      let now = surroundings.clock.now
      let workers = await log.catalog.snapshot.nodes.filter { $0.role == .worker }
      if workers.allSatisfy({ fleet.isUp($0.id, at: now) }) { return }
      try await surroundings.clock.sleep(for: .milliseconds(20))
    }
  }

  // MARK: Asking the leader

  /// Whether this coordinator decides now.
  var decides: Bool {
    get async {
      guard let decidingTerm else { return false }
      return await log.leadingTerm == decidingTerm
    }
  }
  /// Has the leader answer a request; false when that is this coordinator, which shall do so itself. Waits a while for a leader.
  ///
  /// What a coordinator passed on is not passed on again: it is refused, and the sender looks for the leader anew.
  func passOn(_ request: Message, _ call: ServerCall, isStream: Bool) async throws -> Bool {
    if await decides { return false }
    let clock = surroundings.clock
    let limit = min(call.deadline, clock.now + Self.leaderPatience)
    while true {
      if await decides { return false }
      let standing = await log.standing
      var reason = TallyError(.unavailable, "no coordinator leads at the moment")
      if let leader = standing.leader, leader.id != standing.member {
        reason = TallyError(.notPrimary, "coordinator \(leader.name) at \(leader.address) leads, not \(settings.name)", node: leader.name)
        if call.peer.role == .coordinator { throw reason }
        if let target = NetworkAddress(leader.address) {
          let errand = Errand()
          do {
            try await pass(request, to: target, of: leader.id, call, isStream: isStream, errand)
            return true
          } catch let error as TallyError where error.status == .notPrimary || error.status == .unavailable {
            if errand.isAnswered { throw error }
            reason = error
          }
        }
      }
      guard clock.now < limit else { throw reason }
      try await clock.sleep(for: .milliseconds(20))
    }
  }
  /// Has the leader answer a request of this coordinator's own; gives all its messages. Waits a while for a leader.
  func askLeader(_ request: Message, until deadline: Instant) async throws -> [Message] {
    let clock = surroundings.clock
    let limit = min(deadline, clock.now + Self.leaderPatience)
    while true {
      let standing = await log.standing
      var reason = TallyError(.unavailable, "no coordinator leads at the moment")
      if let leader = standing.leader, leader.id != standing.member, let target = NetworkAddress(leader.address) {
        var answer: [Message] = []
        do {
          let stream = try await pool.openStream(request, to: target, deadline: deadline)
          while let message = try await stream.next() { answer.append(message) }
          return answer
        } catch let error as TallyError where error.status == .notPrimary || error.status == .unavailable {
          if !answer.isEmpty { throw error }
          reason = error
        }
      }
      guard clock.now < limit else { throw reason }
      try await clock.sleep(for: .milliseconds(20))
    }
  }
  /// Passes a request and its answers on; gives up when another leads meanwhile, because the old leader may never answer.
  private func pass(
    _ request: Message,
    to target: NetworkAddress,
    of leader: MemberID,
    _ call: ServerCall,
    isStream: Bool,
    _ errand: Errand
  ) async throws {
    let (pool, log, clock) = (pool, log, surroundings.clock)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        guard isStream else {
          let reply = try await pool.call(request, to: target, deadline: call.deadline)
          errand.isAnswered = true
          try await call.reply(reply)
          return true
        }
        let stream = try await pool.openStream(request, to: target, deadline: call.deadline)
        while let message = try await stream.next() {
          errand.isAnswered = true
          try await call.send(message)
        }
        return true
      }
      group.addTask {
        while true {
          try await clock.sleep(for: .milliseconds(50))
          if let other = await log.standing.leader, other.id != leader { return false }
        }
      }
      defer { group.cancelAll() }
      guard try await group.next() == true else {
        throw TallyError(request.mayChangeState ? .unknownOutcome : .unavailable, "the coordinator at \(target) stopped leading meanwhile")
      }
    }
  }

  /// Returns once this coordinator's catalog holds everything that was answered before the call (ReadIndex; nothing to do when alone).
  func freshen(until limit: Instant) async throws {
    if await log.decidesAlone { return }
    let clock = surroundings.clock
    while true {
      do {
        let index = try await newestIndex()
        while await log.applied < index {
          guard clock.now < limit else { throw TallyError(.unavailable, "this coordinator is behind the others") }
          try await clock.sleep(for: .milliseconds(1))
        }
        return
      } catch let error as TallyError where error.isRetryable {
        guard clock.now < limit else { throw error }
        try await clock.sleep(for: .milliseconds(20))
      }
    }
  }
  /// As far as that takes no long time: for those who can use an older catalog, and ask again when it turns out to be one.
  func freshenBriefly() async throws {
    if await decides { return }
    do { try await freshen(until: surroundings.clock.now + .milliseconds(300)) } catch let error as TallyError where error.isRetryable {
      guard await log.catalog.snapshot.cluster != .none else { throw error }
    }
  }
  private func newestIndex() async throws -> UInt64 {
    if await log.leadingTerm != nil { return try await log.readIndex() }
    let answer = Promise<UInt64>()
    try await indexQuestions.send(answer)
    return try await answer.value
  }
  /// Asks the leader for indexes, one question for all that came since the last, until cancelled.
  func askForIndexes() async throws {
    do {
      while let first = try await indexQuestions.receive() {
        var waiting = [first]
        while indexQuestions.count > 0, let next = try await indexQuestions.receive() { waiting.append(next) }
        do {
          let index = try await askForIndex()
          for answer in waiting { answer.fulfil(index) }
        } catch {
          for answer in waiting { answer.fail(error) }
          guard error is TallyError else { throw error }
        }
      }
    } catch {
      indexQuestions.finish()
      while indexQuestions.count > 0, let left = try await indexQuestions.receive() { left.fail(error) }
      throw error
    }
  }
  private func askForIndex() async throws -> UInt64 {
    let standing = await log.standing
    guard let leader = standing.leader, leader.id != standing.member, let target = NetworkAddress(leader.address) else {
      throw TallyError(.unavailable, "no coordinator leads at the moment")
    }
    let reply = try await pool.call(.readIndex(ReadIndex()), to: target, deadline: surroundings.clock.now + .seconds(1))
    guard case .readIndexReply(let answer) = reply else {
      throw TallyError(.protocolViolation, "\(leader.name) answered a read index request with \(reply.name)")
    }
    return answer.index
  }
}

/// What became of a request that was passed on.
private final class Errand: Sendable {
  private let state = Mutex(false)
  /// Whether something of the answer came: then it cannot be asked for again.
  var isAnswered: Bool {
    get { state.withLock { $0 } }
    set { state.withLock { $0 = newValue } }
  }
}

/// Answers for a coordinator that is still on its way into its group.
final class FrontDoor: RPCResponder {
  private let inside = Promise<Coordinator>()
  /// From now on the coordinator answers.
  func open(_ coordinator: Coordinator) { inside.fulfil(coordinator) }
  func respond(to request: Message, call: ServerCall) async throws {
    guard case .success(let coordinator)? = inside.settled else {
      throw TallyError(.unavailable, "this coordinator is not a member of its group yet")
    }
    try await coordinator.respond(to: request, call: call)
  }
}
