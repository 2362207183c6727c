// DiskScenarios.swift — rows of the behaviour table (protocol.md §2.16) in which a disk is there but not as it was.
import Model
import Testing

@testable import Simulation

enum DiskScenarios {
  static let all: [NamedScenario] = (1...3).map { copies in
    NamedScenario("snapshot-restored", Scenario.Shape(copies: copies, workers: copies), snapshotRestored)
  }

  /// "VM snapshot restored": the node is of an earlier life. Its copies are not trusted and learn again; without others an operator decides.
  static let snapshotRestored: Scenario.Script = { scene in
    let copies = scene.shape.copies
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: copies)
    let primary = try await scene.primary()
    scene.say("a snapshot of the primary's machine is taken")
    let image = primary.node.diskImage()
    scene.end([(primary, as: "the primary")], .kill)
    try await scene.past(.seconds(1))
    scene.start([(primary, as: "the worker")])
    try await scene.copiesInSync(copies, within: .seconds(10))
    try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: copies)
    scene.end([(primary, as: "the worker")], .kill)
    try await scene.past(.seconds(3))
    scene.putBack(primary, to: image, as: "the worker")
    if copies == 1 {
      try await scene.isRefused(primary, as: "the worker", because: "its disk is older than is known, and nobody else has the rows")
      try await scene.writesAreRefused(for: .seconds(3), with: [.unavailable, .unknownOutcome])
      try await scene.queriesFail(with: [.unavailable])
    } else {
      scene.start([(primary, as: "the worker")])
      try await scene.copiesInSync(copies, within: .seconds(15))
      try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(500), copies: copies)
      try await scene.everyCopyAnswers()
    }
  }
}
