// WorkerLossScenarios.swift — rows of the behaviour table (protocol.md §2.16) in which workers or their disks are lost.
import Model
import Testing

@testable import Simulation

enum WorkerLossScenarios {
  static let all: [NamedScenario] =
    (1...3).flatMap { copies in
      [
        NamedScenario("primary-killed", Scenario.Shape(copies: copies, workers: copies), primaryKilled),
        NamedScenario("disk-destroyed", Scenario.Shape(copies: copies, workers: copies), diskDestroyed),
        NamedScenario("power-lost", Scenario.Shape(copies: copies, workers: copies, coordinators: 3), powerLost),
      ]
    }
    + (2...3).flatMap { copies in
      [
        NamedScenario("disk-replaced-at-once", Scenario.Shape(copies: copies, workers: copies), diskReplacedAtOnce),
        NamedScenario("empty-disk-comes-first", Scenario.Shape(copies: copies, workers: copies), emptyDiskComesFirst),
        NamedScenario("follower-killed", Scenario.Shape(copies: copies, workers: copies), followerKilled),
        NamedScenario(
          "worker-dead-for-good",
          Scenario.Shape(copies: copies, workers: copies + 1, deadAfter: .seconds(10)),
          workerDeadForGood
        ),
        NamedScenario("shrunk-then-disk-lost", Scenario.Shape(copies: copies, workers: copies), shrunkThenDiskLost),
        NamedScenario("two-workers-down", Scenario.Shape(copies: copies, workers: copies), twoWorkersDown),
      ]
    }

  /// "kill -9 of one worker": alone, its shard is down until it is back; else writes go on within 3 s on what is left.
  static let primaryKilled: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
    let primary = try await scene.primary()
    scene.end([(primary, as: "the primary")], .kill)
    if copies == 1 {
      try await scene.writesAreRefused(for: .seconds(3), with: [.unavailable, .unknownOutcome])
      try await scene.queriesFail(with: [.unavailable])
      scene.start([(primary, as: "the worker")])
      try await scene.writesGoOn(for: .seconds(4), gap: .seconds(3), copies: 1)
    } else {
      try await scene.writesGoOn(for: .seconds(5), gap: .seconds(3), copies: copies - 1)
      try await scene.queriesAnswer()
      scene.start([(primary, as: "the worker")])
      try await scene.copiesInSync(copies, within: .seconds(10))
      try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
      try await scene.everyCopyAnswers()
    }
    try await scene.queriesAnswer()
  }

  /// The same, of a worker that does not lead: the primary takes its copy out of the in-sync set.
  static let followerKilled: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
    let follower = try await scene.roles().followers[0]
    scene.end([(follower, as: "a follower")], .kill)
    try await scene.writesGoOn(for: .seconds(5), gap: .seconds(3), copies: copies - 1)
    try await scene.queriesAnswer()
    scene.start([(follower, as: "the follower")])
    try await scene.copiesInSync(copies, within: .seconds(10))
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
  }

  /// "one disk destroyed": alone its data are lost, and nobody is told otherwise; else nothing is, and it gets its copies again.
  static let diskDestroyed: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
    let primary = try await scene.primary()
    scene.end([(primary, as: "the primary")], .kill)
    if copies > 1 { try await scene.writesGoOn(for: .seconds(5), gap: .seconds(3), copies: copies - 1) }
    scene.destroyDisk(primary, as: "the worker")
    if copies == 1 {
      try await scene.isRefused(primary, as: "the worker", because: "the only copy of a shard was on its disk")
      try await scene.writesAreRefused(for: .seconds(3), with: [.unavailable, .unknownOutcome])
      try await scene.queriesFail(with: [.unavailable])
    } else {
      scene.start([(primary, as: "the worker")])
      try await scene.copiesInSync(copies, within: .seconds(15))
      try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
      try await scene.everyCopyAnswers()
    }
  }

  /// The same, and the worker is back before anybody missed it: its copy still counted when it came without its data.
  static let diskReplacedAtOnce: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
    for role in ["a follower", "the primary"] {
      let (primary, followers) = try await scene.roles()
      let worker = role == "the primary" ? primary : followers[0]
      scene.end([(worker, as: role)], .kill)
      scene.destroyDisk(worker, as: "the worker")
      scene.start([(worker, as: "the worker")])
      try await scene.writesGoOn(for: .seconds(5), gap: .seconds(3), copies: copies)
      try await scene.copiesInSync(copies, within: .seconds(10))
    }
    try await scene.everyCopyAnswers()
  }

  /// Everybody is down, and who comes back first has lost its disk: it leads nothing, and the others go on where they were.
  static let emptyDiskComesFirst: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
    let (primary, followers) = try await scene.roles()
    scene.end([(primary, as: "the primary")] + followers.map { ($0, as: "a follower") }, .kill)
    scene.destroyDisk(followers[0], as: "a follower")
    scene.start([(followers[0], as: "the worker with the empty disk")])
    try await scene.writesAreRefused(for: .seconds(5), with: [.unavailable, .unknownOutcome])
    try await scene.queriesFail(with: [.unavailable])
    scene.start(([primary] + followers.dropFirst()).map { ($0, as: "another worker") })
    try await scene.writesGoOn(for: .seconds(8), gap: .seconds(6), copies: copies)
    try await scene.queriesAnswer()
    try await scene.everyCopyAnswers()
  }

  /// "re-replicate after 10 min": another worker gets the copies of one that does not come back.
  static let workerDeadForGood: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
    let primary = try await scene.primary()
    scene.end([(primary, as: "the primary")], .kill)
    try await scene.writesGoOn(for: .seconds(5), gap: .seconds(3), copies: copies - 1)
    scene.say("after 10 s, as these coordinators are told, a worker is dead for good: another gets its copies")
    try await scene.copiesInSync(copies, within: .seconds(20))
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
    try await scene.queriesAnswer()
  }

  /// "shrink to 1, then that disk lost": what only the last copy had is lost, and no older copy takes its place by itself. With three
  /// copies the in-sync set never shrinks to one, so nothing is lost.
  static let shrunkThenDiskLost: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
    let (primary, followers) = try await scene.roles()
    scene.end([(followers[0], as: "a follower")], .kill)
    try await scene.writesGoOn(for: .seconds(5), gap: .seconds(3), copies: copies - 1)
    if copies == 3 {
      scene.end([(followers[1], as: "the other follower")], .kill)
      try await scene.writesAreRefused(for: .seconds(5), with: [.unavailable, .unknownOutcome, .timedOut])
    }
    scene.end([(primary, as: "the primary")], .kill)
    scene.destroyDisk(primary, as: "the primary")
    scene.start([(followers[0], as: "the follower that left first")])
    try await scene.writesAreRefused(for: .seconds(5), with: [.unavailable, .unknownOutcome])
    try await scene.queriesFail(with: [.unavailable])
    if copies == 2 {
      scene.deviates("the table lets an operator lead the old copy by force-primary, with a record of the loss; there is no such command")
      return
    }
    scene.start([(followers[1], as: "the follower that stayed")])
    try await scene.writesGoOn(for: .seconds(8), gap: .seconds(6), copies: 2)
    try await scene.queriesAnswer()
    scene.start([(primary, as: "the worker with the empty disk")])
    try await scene.copiesInSync(3, within: .seconds(15))
    try await scene.everyCopyAnswers()
  }

  /// "two workers down": of two copies nobody is left; of three one is too few to write, and no row is lost either way.
  static let twoWorkersDown: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
    let (primary, followers) = try await scene.roles()
    if copies == 2 {
      scene.end([(primary, as: "the primary"), (followers[0], as: "the follower")], .kill)
      try await scene.writesAreRefused(for: .seconds(4), with: [.unavailable, .unknownOutcome])
      try await scene.queriesFail(with: [.unavailable])
    } else {
      scene.end([(followers[0], as: "a follower"), (followers[1], as: "the other follower")], .kill)
      try await scene.writesAreRefused(for: .seconds(4), with: [.unavailable, .unknownOutcome, .timedOut])
      scene.say("the primary survived: it is still read")
      try await scene.queriesAnswer()
      scene.start([(followers[0], as: "a follower"), (followers[1], as: "the other follower")])
      try await scene.writesGoOn(for: .seconds(5), gap: .seconds(4), copies: 3)
      scene.end([(primary, as: "the primary"), (followers[0], as: "a follower")], .kill)
      try await scene.writesAreRefused(for: .seconds(6), with: [.unavailable, .unknownOutcome, .timedOut, .notPrimary])
      scene.say("a new primary cannot establish itself alone: it is not read")
      try await scene.queriesFail(with: [.unavailable, .notPrimary])
    }
    scene.start([(primary, as: "the primary"), (followers[0], as: "the follower")])
    try await scene.writesGoOn(for: .seconds(8), gap: .seconds(7), copies: copies)
    try await scene.everyCopyAnswers()
  }

  /// "total power loss": what was acknowledged is replayed, epochs rise, and it serves within a minute.
  static let powerLost: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(3), gap: .milliseconds(500), copies: copies)
    let epoch = try await scene.record()?.shard.epoch ?? Epoch(0)
    scene.end(scene.cluster.servers.map { ($0, as: $0.node.name) }, .power)
    try await scene.writesAreRefused(for: .seconds(2), with: [.unavailable, .unknownOutcome, .timedOut])
    scene.start(scene.cluster.servers.map { ($0, as: $0.node.name) })
    try await scene.epochRises(above: epoch, within: .seconds(15))
    try await scene.queriesAnswer()
    try await scene.writesGoOn(for: .seconds(3), gap: .milliseconds(500), copies: copies)
    try await scene.copiesInSync(copies, within: .seconds(10))
    try await scene.queriesAnswer()
  }
}
