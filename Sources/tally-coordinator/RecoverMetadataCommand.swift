// RecoverMetadataCommand.swift — `tally-coordinator recover-metadata`: makes a coordinator's data directory anew from what the workers
// keep, when no coordinator is left; with --from-survivor from one that is left of a group that lost most of its members.
//
// Exit codes: 0 written; 1 nothing was written, because of an error or because --accept-loss is needed.
import ArgumentParser
import Capabilities
import CoordinatorNode
import Model
import NodeRuntime
import Synchronization

struct RecoverMetadataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recover-metadata",
    abstract: "Makes a coordinator anew from what the workers keep, when all coordinators, or most of them, are lost for good.",
    discussion: """
      The workers must be running; no coordinator may be. Afterwards start tally-coordinator on the directory, alone, with the same --name \
      and --listen; others with empty directories and --init join it. Coordinators from before are fenced: no worker listens to them any \
      more. Where a copy of a shard that counts does not answer, nothing is written without --accept-loss.
      """
  )
  @Option(help: "Name of the coordinator to be made, for example coordinator-1.") var name: String
  @Option(help: "Its data directory: empty, or with --from-survivor that of the coordinator of this name.") var data: String
  @Option(help: "Where it will listen, host:port.") var listen: String
  @Option(help: "All workers that can be reached, host:port,…") var workers: String
  @Flag(help: "The directory is that of a coordinator that is left.") var fromSurvivor = false
  @Flag(help: "Goes on although a shard may lose rows; tally shard losses keeps it in mind.") var acceptLoss = false
  @Flag(help: "Accepts a data directory on tmpfs or a network file system: for tests. Also TALLY_ALLOW_VOLATILE=1.")
  var allowVolatile = false

  func run() throws {
    var order = MetadataRecovery.Order(
      name: name,
      address: try loopback(listen),
      workers: try workers.split(separator: ",").map { text in
        guard let address = NetworkAddress(String(text)) else { throw ValidationError("\"\(text)\" is not of the form host:port") }
        return address
      }
    )
    order.isSurvivor = fromSurvivor
    order.acceptsLoss = acceptLoss
    order.allowsVolatile = allowVolatile || setting("TALLY_ALLOW_VOLATILE") == "1"
    let outcome = Mutex<MetadataRecovery.Outcome?>(nil)
    let status = ProcessMain.run(node: name, directory: data) { [order] surroundings, _ in
      let found = try await MetadataRecovery.carryOut(order, surroundings)
      outcome.withLock { $0 = found }
    }
    guard status == 0, let done = outcome.withLock({ $0 }) else { throw ExitCode(1) }
    show(done)
    if !done.isWritten { throw ExitCode(1) }
  }
  private func show(_ outcome: MetadataRecovery.Outcome) {
    let found = outcome.found
    let counts = found.counts
    print("cluster \(found.cluster): the newest state is at index \(found.foundIndex), kept by \(found.source)")
    print("\(counts.tables) tables, \(counts.rollups) rollups, \(counts.shards) shards")
    print("workers that answered: \(found.workers.joined(separator: ", "))")
    if !found.missing.isEmpty { print("workers that did not: \(found.missing.joined(separator: ", "))") }
    for problem in found.problems { print("shard \(problem.shard): \(problem.message)") }
    guard outcome.isWritten else {
      print("nothing was written: bring these workers back, or say --accept-loss")
      return
    }
    if !outcome.untold.isEmpty { print("workers that could not be told yet: \(outcome.untold.joined(separator: ", "))") }
    print("generation \(found.generation) begins; start it: tally-coordinator --name \(name) --data \(data) --listen \(listen)")
  }
}
