// PauseScenarios.swift — the row of the behaviour table (protocol.md §2.16) in which a process stands still and goes on as if nothing was.
import Model
import Testing

@testable import Simulation

enum PauseScenarios {
  static let all: [NamedScenario] = (1...3).map { copies in
    NamedScenario("primary-paused", Scenario.Shape(copies: copies, workers: copies), primaryPaused)
  }

  /// "SIGSTOP / VM pause 60 s": alone, its shard is away as long; else it is replaced, and what it still believes when it wakes counts no more.
  static let primaryPaused: Scenario.Script = { scene in
    let copies = scene.shape.copies
    for client in 0...1 { try await scene.writesGoOn(by: client, for: .seconds(1), gap: .milliseconds(500), copies: copies) }
    let epoch = try await scene.record()?.shard.epoch ?? Epoch(0)
    let primary = try await scene.primary()
    scene.pause(primary, as: "the primary")
    if copies == 1 {
      try await scene.writesAreRefused(for: .seconds(4), with: [.unavailable, .unknownOutcome, .timedOut])
      try await scene.queriesFail(with: [.unavailable, .timedOut])
      try await scene.past(.seconds(46))
      scene.resume(primary, as: "the worker")
    } else {
      try await scene.writesGoOn(for: .seconds(10), gap: .seconds(5), copies: copies - 1)
      try await scene.epochRises(above: epoch, within: .seconds(1))
      try await scene.queriesAnswer()
      try await scene.past(.seconds(44))
      scene.resume(primary, as: "the worker that led")
      try await scene.oldRouteAcknowledgesNothing(by: 1)
    }
    try await scene.copiesInSync(copies, within: .seconds(15))
    for client in 0...1 { try await scene.writesGoOn(by: client, for: .seconds(4), gap: .seconds(3), copies: copies) }
    try await scene.queriesAnswer()
    if copies > 1 { try await scene.everyCopyAnswers() }
  }
}
