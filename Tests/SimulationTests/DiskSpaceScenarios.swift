// DiskSpaceScenarios.swift — the row of the behaviour table (protocol.md §2.16) in which a volume fills up.
import Model
import Storage
import Testing
import WorkerNode

@testable import Simulation

enum DiskSpaceScenarios {
  /// Others write to the volume too, which is why it can fill up at all.
  static let all: [NamedScenario] =
    (1...3).flatMap { copies in
      [
        NamedScenario("disk-full", Scenario.Shape(copies: copies, workers: copies, tune: { $0.reserveBytes = 1 << 20 }), diskFull),
        NamedScenario("disk-used-up", Scenario.Shape(copies: copies, workers: copies, tune: hasNoFloor), diskUsedUp),
      ]
    }
    + (2...3).map { copies in
      NamedScenario("follower-disk-full", Scenario.Shape(copies: copies, workers: copies, tune: hasSmallJournal), followerDiskFull)
    }
  /// Small files, so that the next one is needed soon.
  private static let hasSmallJournal: @Sendable (inout WorkerSettings) -> Void = { $0.journal.fileBytes = 1 << 15 }
  private static let hasNoFloor: @Sendable (inout WorkerSettings) -> Void = { settings in
    hasSmallJournal(&settings)
    settings.diskFloor = 0
  }

  /// "at 95 % ingest refused": by the primary, whoever else has room; what makes room goes on, in the end from the reserve.
  static let diskFull: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(4), gap: .milliseconds(500), copies: copies)
    let primary = try await scene.primary()
    scene.leave(40 << 30, on: primary, as: "the primary")
    try await scene.past(.seconds(1))
    try await scene.writesAreRefused(for: .seconds(3), with: [.diskFull])
    try await scene.queriesAnswer()
    try await scene.deletionTakesEffect(of: 1...60)
    try await scene.tenantIsDeleted(5)
    try await scene.queriesAnswer()
    if copies == 1 {
      scene.leave(0, on: primary, as: "the worker")
      try await scene.past(.seconds(1))
      try await scene.writesAreRefused(for: .seconds(2), with: [.diskFull])
      scene.say("the worker gives its reserve up for what makes room")
      try await scene.tenantIsDeleted(6)
      try await scene.queriesAnswer()
      try await scene.restart(primary, as: "the worker")
      try await scene.queriesAnswer()
      try await scene.writesAreRefused(for: .seconds(2), with: [.notPrimary, .diskFull])
    }
    scene.makeRoom(on: primary, as: "the primary")
    try await scene.past(.seconds(1))
    try await scene.writesGoOn(for: .seconds(3), gap: .milliseconds(500), copies: copies)
    try await scene.queriesAnswer()
    if copies > 1 { try await scene.everyCopyAnswers() }
  }

  /// "cannot preallocate -> Resign + read-only, no crash loop": a floor of none lets a primary come so far. Alone it refuses; else another
  /// copy leads, and the full one leaves the in-sync set.
  static let diskUsedUp: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: copies)
    let epoch = try await scene.record()?.shard.epoch ?? Epoch(0)
    let primary = try await scene.primary()
    scene.leave(0, on: primary, as: "the primary")
    if copies == 1 {
      try await scene.writesCease(within: .seconds(5), with: [.diskFull, .timedOut, .unknownOutcome])
      try await scene.writesAreRefused(for: .seconds(3), with: [.diskFull])
      try await scene.queriesAnswer()
      scene.makeRoom(on: primary, as: "the worker")
    } else {
      try await scene.writesGoOn(for: .seconds(8), gap: .seconds(4), copies: copies - 1)
      try await scene.epochRises(above: epoch, within: .seconds(1))
      try await scene.copiesInSync(copies - 1, within: .seconds(1))
      try await scene.queriesAnswer()
      scene.makeRoom(on: primary, as: "the worker that led")
      try await scene.copiesInSync(copies, within: .seconds(10))
    }
    try await scene.past(.seconds(1))
    try await scene.writesGoOn(for: .seconds(3), gap: .milliseconds(500), copies: copies)
    try await scene.queriesAnswer()
    if copies > 1 { try await scene.everyCopyAnswers() }
  }

  /// "follower full -> leaves isr": it takes no entries once its journal cannot get its next file.
  static let followerDiskFull: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: copies)
    let follower = try await scene.roles().followers[0]
    scene.leave(0, on: follower, as: "a follower")
    try await scene.writesGoOn(for: .seconds(8), gap: .seconds(3), copies: copies - 1)
    try await scene.copiesInSync(copies - 1, within: .seconds(1))
    try await scene.queriesAnswer()
    scene.makeRoom(on: follower, as: "the follower")
    try await scene.copiesInSync(copies, within: .seconds(10))
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: copies)
    try await scene.everyCopyAnswers()
  }
}
