// RemovalFlow.swift — `tally node remove`: a coordinator leaves the group for good, by order of an operator.
//
// One at a time: from three to one in two orders. It is refused when fewer than a majority of those that stay would be heard: the group
// could not decide anything afterwards. A leader that shall go hands over first, and whoever leads then takes it out. What was taken out
// keeps its directory, but nobody writes to it any more; emptied it can join again.
import Capabilities
import Consensus
import Model
import RPC
import Wire

extension Coordinator {
  /// How long a leader that shall go waits for another.
  private static let handOverPatience = Duration.seconds(3)

  /// Carries out the order, or says why not.
  func remove(_ order: RemoveCoordinator, deadline: Instant) async throws -> Done {
    let standing = await log.standing
    let snapshot = await log.catalog.snapshot
    guard let member = standing.members.all.first(where: { $0.name == order.node }) else {
      if let node = snapshot.nodes.first(where: { $0.name == order.node }) {
        guard node.role == .coordinator else {
          throw TallyError.sql(
            "0A000",
            "\"\(order.node)\" is a worker: only coordinators are removed by order",
            hint: "stop it: its copies are made elsewhere"
          )
        }
        // An order before this one was cut off in between.
        return try await forget(order.node)
      }
      let names = standing.members.all.map(\.name).joined(separator: ", ")
      throw TallyError.sql("42704", "there is no coordinator \"\(order.node)\"", hint: "the coordinators are \(names)")
    }
    let rest = standing.members.voters.filter { $0.id != member.id }
    guard !rest.isEmpty else { throw TallyError.sql("55000", "\(order.node) is the only coordinator") }
    let heard = rest.count { standing.heard.contains($0.id) }
    guard 2 * heard > rest.count else {
      let silent = rest.filter { !standing.heard.contains($0.id) }.map(\.name).joined(separator: ", ")
      throw TallyError.sql(
        "55000",
        "without \(order.node) too few coordinators would be up: \(heard) of \(rest.count)",
        detail: "not heard: \(silent)",
        hint: "start those, or remove one of them first"
      )
    }
    if member.id == standing.member { return try await removeElsewhere(order, deadline) }
    try await log.change(.remove(member.id))
    surroundings.log.warning("coordinator-removed", ("name", order.node), ("member", "\(member.id)"))
    return try await forget(order.node)
  }
  /// Takes a coordinator out of the list of nodes.
  private func forget(_ name: String) async throws -> Done {
    _ = try await log.propose(.removeCoordinator(name))
    return Done(version: await log.catalog.snapshot.version)
  }
  /// Has another lead and remove this one.
  private func removeElsewhere(_ order: RemoveCoordinator, _ deadline: Instant) async throws -> Done {
    let clock = surroundings.clock
    let limit = min(deadline, clock.now + Self.handOverPatience)
    await log.handOver()
    while true {
      let standing = await log.standing
      if let leader = standing.leader, leader.id != standing.member { break }
      guard clock.now < limit else { throw TallyError(.unavailable, "no other coordinator takes the lead over", hint: "try again") }
      try await clock.sleep(for: .milliseconds(20))
    }
    for answer in try await askLeader(.removeCoordinator(order), until: deadline) { if case .done(let done) = answer { return done } }
    throw TallyError(.protocolViolation, "the leader did not answer the order to remove \(order.node)")
  }
}
