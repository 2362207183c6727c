// CopyCheckFlow.swift — copies that lack nothing are asked whether they are still there: all of one node by one request.
//
// So idle shards cost a node the same, however many it has. A copy is asked by itself, with what it lacks, as soon as there is more to say
// (ReplicationFlow), and what it answers then counts; a check that was under way meanwhile is forgotten. The asked node answers at once,
// and only of copies for which that is all there is to do.
import Bytes
import Capabilities
import Model
import RPC
import Replication
import Storage
import Wire

/// Copies to be checked, by node, as one look at all copies finds them.
struct CopyChecks {
  /// A copy, and the epoch in which it is asked.
  struct Copy: Sendable {
    var shard: ShardID
    var replica: ReplicaID
    var epoch: Epoch
  }
  private var copies: [NodeID: [Copy]] = [:]
  private var due: Set<NodeID> = []

  /// Notes a copy that lacks nothing and was asked so long ago.
  mutating func note(_ copy: @autoclosure () -> Copy, on node: NodeID, quiet: Duration) {
    // Those that will be due soon go along: in time all copies of a node are due at once.
    guard quiet > Worker.askInterval / 2 else { return }
    copies[node, default: []].append(copy())
    if quiet > Worker.askInterval { due.insert(node) }
  }
  /// What is to be asked now.
  var requests: [(node: NodeID, copies: [Copy])] {
    due.sorted().map { ($0, Array((copies[$0] ?? []).prefix(CheckCopies.max))) }
  }
}

extension ReplicaLink {
  /// As far as is known it has everything, and nothing is on its way to it.
  func lacksNothing(_ host: ShardHost, _ primary: PrimaryCore) -> Bool {
    !isAsked && silentSince == nil && !needsCheckpoint && told >= primary.committed
      && cursor.map { $0.position == host.store.head.position } ?? false
  }
}

extension Worker {
  /// Begins the checks that are due; one at a time for each node.
  func begin(_ checks: CopyChecks) {
    for (node, copies) in checks.requests where nodesChecked.insert(node).inserted {
      perform { try await $0.check(copies, on: node) }
    }
  }
  private func check(_ copies: [CopyChecks.Copy], on node: NodeID) async throws {
    defer { nodesChecked.remove(node) }
    guard let address = catalog.node(node).flatMap({ NetworkAddress($0.address) }) else { return }
    let now = surroundings.clock.now
    var asked: [(host: ShardHost, link: ReplicaLink, append: Append)] = []
    for copy in copies {
      guard let host = hosts[copy.shard], let primary = host.primary, primary.epoch == copy.epoch,
        let link = host.links[copy.replica], link.lacksNothing(host, primary), let place = link.cursor
      else { continue }
      link.askedAt = now
      asked.append((host, link, append(to: link, host, primary, behind: place, now)))
    }
    if asked.isEmpty { return }
    let answers: [Appended?]
    do {
      let request = CheckCopies(asked: asked.map(\.append))
      let reply = try await pool.call(.checkCopies(request), to: address, deadline: now + Self.appendTimeout)
      guard case .copiesChecked(let checked) = reply, checked.answers.count == asked.count else {
        throw TallyError(.protocolViolation, "node \(node) answered a check of \(asked.count) copies with \(reply.name)")
      }
      answers = checked.answers
    } catch let error as TallyError {
      for (_, link, _) in asked where link.askedAt == now { link.noteSilence(error, now: surroundings.clock.now) }
      return
    }
    for ((host, link, append), answer) in zip(asked, answers) {
      guard hosts[append.shard] === host, host.primary?.epoch == append.epoch, host.links[append.replica] === link, link.askedAt == now
      else { continue }
      guard let answer, answer.outcome == .matches, answer.replica == append.replica else {
        link.ring()
        continue
      }
      link.stamp = (answer.incarnation, answer.stamp)
      // What it lets commit, the next beat applies.
      host.noteMatch(append.replica, answer.incarnation, min(append.previous, answer.durable), askedAt: now)
    }
  }

  /// Answers a check.
  func answer(_ check: CheckCopies) -> CopiesChecked { CopiesChecked(answers: check.asked.map(answer(check:))) }
  private func answer(check request: Append) -> Appended? {
    guard space != .full, let host = hosts[request.shard], host.store.replica == request.replica, !isVoid(host), host.damage == nil,
      host.primary == nil, !request.needsCheckpoint, host.copy.promised == request.epoch
    else { return nil }
    let previous = LogPlace(position: request.previous, epoch: request.previousEpoch, chain: request.previousChain)
    let applied = host.store.applied.position
    let verdict = host.copy.judge(epoch: request.epoch, previous: previous, applied: applied, known: host.place(at: previous.position))
    // Its disk has everything that it took over, and there is nothing to apply.
    guard verdict == .accept, host.taken?.isSettled ?? true, journal.diskFailure == nil, applied >= min(request.commit, previous.position)
    else { return nil }
    if let freshness = request.freshness, freshness.incarnation == identity.value.incarnation {
      host.noteFresh(as: freshness, of: request.commit)
    }
    return answer(.matches, request, host, durable: previous.position)
  }
}
