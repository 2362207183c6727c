// CoordinatorLossScenarios.swift — rows of the behaviour table (protocol.md §2.16): no coordinators, a split network, wrong clocks.
import Model
import Testing

@testable import Simulation

enum CoordinatorLossScenarios {
  static let all: [NamedScenario] =
    (1...2).map { copies in
      NamedScenario("coordinator-lost-for-good", Scenario.Shape(copies: copies, workers: copies), coordinatorLostForGood)
    }
    + (1...3).flatMap { copies in
      [
        NamedScenario("coordinators-down", Scenario.Shape(copies: copies, workers: copies, coordinators: 3), coordinatorsDown),
        NamedScenario("network-split", Scenario.Shape(copies: copies, workers: copies, coordinators: 3), networkSplit),
        NamedScenario("clock-jumps", Scenario.Shape(copies: copies, workers: copies), clockJumps),
      ]
    }

  /// "coordinator majority down": ingest and stale queries go on; no failover, no DDL, no `latest`.
  static let coordinatorsDown: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: copies)
    let coordinators = Array(scene.cluster.servers.prefix(2))
    scene.end(coordinators.map { ($0, as: $0.node.name) }, .kill)
    try await scene.writesGoOn(for: .seconds(4), gap: .milliseconds(500), copies: copies)
    try await scene.queriesFail(with: [.unavailable, .timedOut])
    try await scene.queriesAnswer(at: .stale(max: .seconds(5)))
    try await scene.definitionsFail(with: [.unavailable, .timedOut, .unknownOutcome])
    if copies > 1 {
      let primary = try await scene.primary()
      scene.end([(primary, as: "the primary")], .kill)
      try await scene.writesAreRefused(for: .seconds(5), with: [.unavailable, .unknownOutcome])
      scene.start(coordinators.map { ($0, as: $0.node.name) })
      try await scene.writesGoOn(for: .seconds(8), gap: .seconds(7), copies: copies - 1)
      scene.start([(primary, as: "the worker")])
    } else {
      scene.start(coordinators.map { ($0, as: $0.node.name) })
    }
    try await scene.copiesInSync(copies, within: .seconds(10))
    try await scene.queriesAnswer(within: .seconds(4))
  }

  /// "network split": the side with the coordinators and an in-sync copy serves; the other answers no `latest` query and takes no writes,
  /// unless it has the whole in-sync set.
  static let networkSplit: Scenario.Script = { scene in
    let copies = scene.shape.copies
    let away: [StatusCode] = [.unavailable, .unknownOutcome, .timedOut]
    for client in 0...1 { try await scene.writesGoOn(by: client, for: .seconds(1), gap: .milliseconds(500), copies: copies) }
    let primary = try await scene.primary()
    scene.cutOff([primary], clients: [1], as: "the primary and the other client")
    if copies == 1 {
      try await scene.writesAreRefused(for: .seconds(4), with: away)
      try await scene.queriesFail(with: away)
      scene.say("the other side has the whole in-sync set")
      try await scene.writesGoOn(by: 1, for: .seconds(3), gap: .milliseconds(500), copies: 1)
    } else {
      try await scene.writesGoOn(for: .seconds(10), gap: .seconds(6), copies: copies - 1)
      try await scene.queriesAnswer()
      try await scene.writesAreRefused(by: 1, for: .seconds(4), with: away + [.notPrimary])
    }
    try await scene.queriesFail(by: 1, with: away)
    scene.heal()
    try await scene.copiesInSync(copies, within: .seconds(15))
    for client in 0...1 { try await scene.writesGoOn(by: client, for: .seconds(4), gap: .seconds(3), copies: copies) }
    try await scene.queriesAnswer()
    try await scene.queriesAnswer(by: 1)
    if copies > 1 { try await scene.everyCopyAnswers() }
  }

  /// "One coordinator lost for good": ingest goes on without any, also while its catalog is made anew of what the workers keep; one of
  /// them starts meanwhile. Nothing is lost, nothing is there twice, and the new one is a coordinator like any other.
  static let coordinatorLostForGood: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: copies)
    let (primary, followers) = try await scene.roles()
    let coordinator = scene.cluster.servers[0]
    scene.end([(coordinator, as: "the coordinator")], .kill)
    scene.destroyDisk(coordinator, as: "the coordinator")
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: copies)
    try await scene.restart(followers.first ?? primary, as: "a worker")
    try await scene.metadataIsRecovered(on: coordinator)
    scene.start([(coordinator, as: "the coordinator")])
    try await scene.copiesInSync(copies, within: .seconds(15))
    for client in 0...1 { try await scene.writesGoOn(by: client, for: .seconds(4), gap: .seconds(3), copies: copies) }
    try await scene.queriesAnswer()
    scene.end([(coordinator, as: "the coordinator")], .kill)
    scene.start([(coordinator, as: "the coordinator")])
    try await scene.restart(primary, as: "the primary of before")
    try await scene.copiesInSync(copies, within: .seconds(15))
    try await scene.writesGoOn(for: .seconds(4), gap: .seconds(3), copies: copies)
    try await scene.queriesAnswer()
    if copies > 1 { try await scene.everyCopyAnswers() }
  }

  /// "wall clock jumps": no effect on what is stored, and no row twice.
  static let clockJumps: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: copies)
    for days: Int64 in [365, -365, 0] {
      let primary = try await scene.primary()
      scene.end([(primary, as: "the primary")], .kill)
      scene.setClock(of: primary, as: "its machine", byDays: days)
      if copies > 1 { try await scene.writesGoOn(for: .seconds(4), gap: .seconds(3), copies: copies - 1) }
      scene.start([(primary, as: "the worker")])
      try await scene.copiesInSync(copies, within: .seconds(10))
      try await scene.writesGoOn(for: .seconds(4), gap: .seconds(3), copies: copies)
      try await scene.queriesAnswer()
    }
  }
}
