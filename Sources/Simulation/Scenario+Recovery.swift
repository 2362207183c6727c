// Scenario+Recovery.swift — what operators do in a scenario with their tools of last resort.
import Capabilities
import CoordinatorNode

extension Scenario {
  /// An operator makes the catalog of a coordinator, which is down and has an empty disk, anew of what the workers keep.
  func metadataIsRecovered(on coordinator: SimulatedProcess) async throws {
    say("an operator makes its catalog anew of what the workers keep: nothing has to be given up")
    let node = coordinator.node
    if node.isUp { return fail("it is up") }
    node.restart()
    do {
      var order = MetadataRecovery.Order(name: node.name, address: cluster.coordinators[0], workers: cluster.workerAddresses)
      order.allowsVolatile = true
      let outcome = try await node.run { [order] near in try await MetadataRecovery.carryOut(order, near) }
      if !outcome.isWritten || !outcome.found.problems.isEmpty { fail("\(outcome.found.problems.map(\.message))") }
      if !outcome.untold.isEmpty || !outcome.found.missing.isEmpty { fail("not all workers: \(outcome.found.missing), \(outcome.untold)") }
    } catch { fail("\(error)") }
    node.kill(losingPower: true)
    try await past(.seconds(12))
  }
}
