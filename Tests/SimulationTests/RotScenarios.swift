// RotScenarios.swift — rows of the behaviour table (protocol.md §2.16) in which files rot: segments, and the journal.
import Model
import Storage
import Testing
import WorkerNode

@testable import Simulation

enum RotScenarios {
  static let all: [NamedScenario] =
    (1...3).flatMap { copies in
      [
        NamedScenario("segment-rots", Scenario.Shape(copies: copies, workers: copies, tune: flushesSoon), segmentRots),
        NamedScenario("journal-rots", Scenario.Shape(copies: copies, workers: copies, tune: keepsInJournal), journalRots),
        NamedScenario("journal-scrubbed", Scenario.Shape(copies: copies, workers: copies, tune: keepsAndScrubs), journalScrubbed),
      ]
    }
    + (2...3).flatMap { copies in
      [
        NamedScenario("segment-scrubbed", Scenario.Shape(copies: copies, workers: copies, tune: flushesAndScrubs), segmentScrubbed),
        NamedScenario("tail-lost", Scenario.Shape(copies: copies, workers: copies, tune: rollsNever), tailLost),
      ]
    } + [NamedScenario("journal-rots-then-alone", Scenario.Shape(copies: 2, workers: 2, tune: keepsInJournal), journalRotsThenAlone)]

  private static let flushesSoon: @Sendable (inout WorkerSettings) -> Void = { $0.memoryAgeMax = .seconds(1) }
  /// Rows stay in memory and so in the journal, which has many small files.
  private static let keepsInJournal: @Sendable (inout WorkerSettings) -> Void = { settings in
    settings.journal.fileBytes = 1 << 15
    settings.journal.pinnedBytesMax = 1 << 26
  }
  /// The last entry is a batch.
  private static let rollsNever: @Sendable (inout WorkerSettings) -> Void = { $0.rollInterval = .seconds(3600) }
  private static let scrubs: @Sendable (inout WorkerSettings) -> Void = { settings in
    settings.scrubPeriod = 3_000_000
    settings.scrubLook = .seconds(1)
  }
  private static let flushesAndScrubs: @Sendable (inout WorkerSettings) -> Void = { settings in
    flushesSoon(&settings)
    scrubs(&settings)
  }
  private static let keepsAndScrubs: @Sendable (inout WorkerSettings) -> Void = { settings in
    keepsInJournal(&settings)
    scrubs(&settings)
  }

  /// "bit rot in a segment", met by a query: alone the shard's queries that need it fail, for good, and rows come in; else another copy
  /// answers, and the file comes from there.
  static let segmentRots: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(3), gap: .milliseconds(500), copies: copies)
    try await scene.past(.seconds(4))
    let (primary, followers) = try await scene.roles()
    scene.end([(primary, as: "the primary")] + followers.map { ($0, as: "a follower") }, .kill)
    let file = try await scene.rotSegment(of: primary, as: "the primary")
    scene.start([(primary, as: "the primary")])
    if copies == 1 {
      try await scene.past(.seconds(3))
      try await scene.queriesFail(with: [.dataDamaged])
      try await scene.rollupIsRead()
      try await scene.writesGoOn(for: .seconds(3), gap: .milliseconds(500), copies: 1)
      try await scene.restart(primary, as: "the worker")
      try await scene.queriesFail(with: [.dataDamaged])
      scene.end([(primary, as: "the worker")], .kill)
      try scene.restore(file, on: primary, as: "the worker")
      scene.start([(primary, as: "the worker")])
      try await scene.past(.seconds(3))
      try await scene.queriesAnswer()
      try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: 1)
    } else {
      // It leads again, as it is there first.
      try await scene.past(.milliseconds(500))
      scene.start(followers.map { ($0, as: "a follower") })
      try await scene.copiesInSync(copies, within: .seconds(10))
      try await scene.queriesAnswer(within: .seconds(5))
      try await scene.writesGoOn(for: .seconds(5), gap: .seconds(3), copies: copies)
      try await scene.copiesInSync(copies, within: .seconds(10))
      try scene.isWhole(file, on: primary, as: "the worker that led")
      try await scene.everyCopyAnswers()
    }
  }

  /// The same, before anybody reads it: scrubs find it, on a copy that is not read as on the primary.
  static let segmentScrubbed: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(3), gap: .milliseconds(500), copies: copies)
    for role in ["a follower", "the primary"] {
      try await scene.past(.seconds(4))
      let (primary, followers) = try await scene.roles()
      let worker = role == "the primary" ? primary : followers[0]
      let file = try await scene.rotSegment(of: worker, as: role)
      try await scene.scrubFinds(file, on: worker, as: role, within: .seconds(8))
      try await scene.writesGoOn(for: .seconds(5), gap: .seconds(3), copies: copies)
      try await scene.copiesInSync(copies, within: .seconds(10))
      try scene.isWhole(file, on: worker, as: "the worker")
      try await scene.queriesAnswer()
    }
    try await scene.everyCopyAnswers()
  }

  /// "rot in journal, entry possibly acked", met at a start: alone the shard is refused until an operator did something; else the copy
  /// begins again from another, and the others serve.
  static let journalRots: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(3), gap: .milliseconds(500), copies: copies)
    if copies == 1 {
      let worker = try await scene.primary()
      scene.end([(worker, as: "the worker")], .kill)
      let file = try scene.rotJournal(of: worker, as: "the worker")
      scene.start([(worker, as: "the worker")])
      try await scene.past(.seconds(3))
      try await scene.writesAreRefused(for: .seconds(2), with: [.dataDamaged])
      try await scene.queriesFail(with: [.dataDamaged])
      try await scene.restart(worker, as: "the worker")
      try await scene.writesAreRefused(for: .seconds(2), with: [.dataDamaged])
      try await scene.queriesFail(with: [.dataDamaged])
      scene.end([(worker, as: "the worker")], .kill)
      try scene.restore(file, on: worker, as: "the worker")
      scene.start([(worker, as: "the worker")])
      try await scene.past(.seconds(3))
      try await scene.queriesAnswer()
      try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: 1)
      return
    }
    for role in ["a follower", "the primary"] {
      let (primary, followers) = try await scene.roles()
      let worker = role == "the primary" ? primary : followers[0]
      scene.end([(worker, as: role)], .kill)
      let file = try scene.rotJournal(of: worker, as: role)
      try await scene.writesGoOn(for: .seconds(5), gap: .seconds(3), copies: copies - 1)
      try await scene.queriesAnswer()
      scene.start([(worker, as: "the worker")])
      try await scene.copiesInSync(copies, within: .seconds(15))
      scene.beganAgain(file, on: worker, as: "the worker")
      try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: copies)
    }
    try await scene.everyCopyAnswers()
  }

  /// A copy that began again is whole, though the rotten file is still on its disk: it may lead alone and start again.
  static let journalRotsThenAlone: Scenario.Script = { scene in
    try await scene.writesGoOn(for: .seconds(3), gap: .milliseconds(500), copies: 2)
    let (first, others) = try await scene.roles()
    scene.end([(first, as: "the primary")], .kill)
    let file = try scene.rotJournal(of: first, as: "the primary")
    try await scene.writesGoOn(for: .seconds(3), gap: .seconds(3), copies: 1)
    scene.start([(first, as: "the worker with the rotten journal")])
    try await scene.copiesInSync(2, within: .seconds(15))
    scene.beganAgain(file, on: first, as: "the worker with the rotten journal")
    scene.end(others.map { ($0, as: "the other worker") }, .kill)
    try await scene.writesGoOn(for: .seconds(5), gap: .seconds(3), copies: 1)
    try await scene.restart(first, as: "the worker with the rotten journal")
    try await scene.writesGoOn(for: .seconds(3), gap: .seconds(3), copies: 1)
    try await scene.queriesAnswer()
    scene.start(others.map { ($0, as: "the other worker") })
    try await scene.copiesInSync(2, within: .seconds(15))
    try await scene.everyCopyAnswers()
  }

  /// The same, found by a scrub while it runs. Alone the rows are still in memory: they get into a segment file, and the journal is not
  /// needed any more. Else the copy begins again.
  static let journalScrubbed: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(3), gap: .milliseconds(500), copies: copies)
    for role in copies == 1 ? ["the primary"] : ["a follower", "the primary"] {
      let (primary, followers) = try await scene.roles()
      let worker = role == "the primary" ? primary : followers[0]
      let file = try scene.rotJournal(of: worker, as: role)
      try await scene.scrubFinds(file, on: worker, as: role, within: .seconds(8))
      try await scene.writesGoOn(for: .seconds(5), gap: .seconds(3), copies: copies)
      try await scene.queriesAnswer()
      try await scene.restart(worker, as: "the worker")
      try await scene.copiesInSync(copies, within: .seconds(10))
      try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: copies)
      try await scene.queriesAnswer()
    }
    if copies > 1 { try await scene.everyCopyAnswers() }
  }

  /// D11: all are down, and the primary's disk lost the end of its journal, which leaves no trace. The primary comes first, but it waits
  /// for the others, whose logs are longer.
  static let tailLost: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(3), gap: .milliseconds(500), copies: copies)
    let (primary, followers) = try await scene.roles()
    scene.end([(primary, as: "the primary")] + followers.map { ($0, as: "a follower") }, .kill)
    try scene.loseTail(of: primary, as: "the primary")
    scene.start([(primary, as: "the primary")])
    try await scene.past(.seconds(1))
    scene.start(followers.map { ($0, as: "a follower") })
    try await scene.writesGoOn(for: .seconds(8), gap: .seconds(6), copies: copies)
    try await scene.copiesInSync(copies, within: .seconds(5))
    try await scene.queriesAnswer()
    try await scene.everyCopyAnswers()
  }
}
