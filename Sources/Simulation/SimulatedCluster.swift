// SimulatedCluster.swift — coordinator, workers and clients as processes on simulated machines: started, ended, started again.
//
// A process is a flow that is run again whenever it ended. It ends by a fault; one that ends on its own broke a law.
internal import Bytes
import Capabilities
import ClientCore
import CoordinatorNode
import Model
import WorkerNode

/// How a process is made to end.
enum NodeFault: String, Sendable, CaseIterable {
  /// The machine loses its power.
  case power = "power cut"
  /// SIGKILL.
  case kill = "SIGKILL"
  /// The machine loses its power in the middle of one of its next operations on the disk.
  case diskCut = "power cut in a disk operation"
  /// SIGTERM.
  case stop = "SIGTERM"
}

/// One process that lives through faults.
final class SimulatedProcess: @unchecked Sendable {
  // Safe: touched by the simulation's thread only.
  let node: SimulatedNode
  private let world: SimulatedWorld
  private let ledger: Ledger
  private let program: @Sendable (Surroundings, Promise<Int32>) async throws -> Void
  /// True for a program whose return is the end of its work.
  private let isTask: Bool
  private var stop = Promise<Int32>()
  private var ended = Promise<Void>()
  private var isStopping = false
  private(set) var isFinished = false
  private var pause = Duration.zero
  /// It is not started again while this is set.
  var isHeldDown = false
  /// It may end on its own: it was refused, as it must be.
  var mayEnd = false
  /// Times it ended on its own while it might.
  private(set) var ends = 0
  /// It may end because its disk fails.
  var excusesDiskFailures = false
  /// Times it was made to end.
  private(set) var faults = 0

  init(
    _ world: SimulatedWorld,
    _ node: SimulatedNode,
    _ ledger: Ledger,
    isTask: Bool = false,
    _ program: @escaping @Sendable (Surroundings, Promise<Int32>) async throws -> Void
  ) {
    self.world = world
    self.node = node
    self.ledger = ledger
    self.isTask = isTask
    self.program = program
    node.onDiskCrash = { [weak self] in self?.died() }
  }

  /// Runs the program again and again until `finish`.
  func live() async throws {
    while !isFinished {
      // A fault may come before the first start too.
      if !node.isUp { node.restart() }
      let (stop, ended, program) = (Promise<Int32>(), Promise<Void>(), program)
      (self.stop, self.ended, isStopping) = (stop, ended, false)
      node.start { near in
        do {
          try await program(near, stop)
          ended.fulfil(())
        } catch { ended.fail(error) }
      }
      do {
        try await ended.value
        if node.isUp {
          if isTask { return isFinished = true }
          if !isStopping && !isFinished { endedAlone("") }
        }
      } catch {
        if node.isUp && !isFinished && !(excusesDiskFailures && error is DiskFailure) {
          endedAlone(": \(error)")
        }
      }
      if isFinished { return }
      node.kill(losingPower: false)
      try await world.clock.sleep(for: max(pause, .milliseconds(1)))
      while isHeldDown && !isFinished { try await world.clock.sleep(for: .milliseconds(10)) }
      world.executor.note("starting-again")
    }
  }
  /// Makes the process end; it is started again after `pause`.
  func fail(_ fault: NodeFault, pause: Duration, operations: UInt64) {
    guard node.isUp, !isFinished else { return }
    faults += 1
    self.pause = pause
    switch fault {
    case .power:
      node.crash()
      died()
    case .kill:
      node.kill(losingPower: false)
      died()
    case .diskCut: node.disk.crashAfter(operation: node.disk.operations + operations)
    case .stop:
      isStopping = true
      stop.fulfil(0)
    }
  }
  /// Ends the process for good.
  func finish() {
    isFinished = true
    if node.isUp { node.kill(losingPower: false) }
    died()
  }
  private func endedAlone(_ reason: String) {
    if !mayEnd { return ledger.violated("\(node.name) ended on its own\(reason)") }
    ends += 1
    // As an operator sees it: it is not started again by itself.
    isHeldDown = true
  }
  private func died() {
    // Nobody else can settle these once the node is gone.
    stop.fail(CancellationError())
    ended.fail(CancellationError())
  }
}

/// The nodes of a run.
final class SimulatedCluster: Sendable {
  /// Where coordinators listen.
  let coordinators: [NetworkAddress]
  let world: SimulatedWorld
  /// The coordinators first.
  let servers: [SimulatedProcess]

  /// Nodes that are not started yet. `wallOffsets` are microseconds: the coordinators', then each worker's; none: all clocks are right.
  /// `copies`: of tables that do not say it themselves.
  init(
    _ world: SimulatedWorld,
    _ ledger: Ledger,
    coordinators count: Int,
    workers: Int,
    wallOffsets: [Int64] = [],
    deadAfter: Duration? = nil,
    copies: Int? = nil,
    witness: (any CatalogWitness)? = nil,
    fronts: @escaping @Sendable (_ coordinator: String, Surroundings) -> [any CoordinatorFront] = { _, _ in [] },
    tune: (inout WorkerSettings) -> Void
  ) {
    self.world = world
    var servers: [SimulatedProcess] = []
    let peers = (1...count).map {
      CoordinatorPeer(name: "coordinator-\($0)", address: NetworkAddress(host: "10.0.0.\($0)", port: 7400))
    }
    coordinators = peers.map(\.address)
    for peer in peers {
      let coordinator = world.node(peer.name, host: peer.address.host)
      coordinator.wallOffsetMicroseconds = wallOffsets.first ?? 0
      servers.append(
        SimulatedProcess(world, coordinator, ledger) { near, stop in
          var settings = CoordinatorSettings(name: peer.name, listen: peer.address, initializes: true)
          if count > 1 { settings.peers = peers }
          if let deadAfter { settings.deadAfter = deadAfter }
          if let copies { settings.copies = copies }
          settings.witness = witness
          try await Coordinator.run(near, settings, stop: stop, fronts: fronts(peer.name, near))
        }
      )
    }
    for number in 1...workers {
      let name = "worker-\(number)"
      let host = "10.0.1.\(number)"
      let node = world.node(name, host: host)
      node.wallOffsetMicroseconds = number < wallOffsets.count ? wallOffsets[number] : 0
      var settings = WorkerSettings(
        name: name,
        listen: NetworkAddress(host: host, port: 7500),
        coordinators: coordinators,
        initializes: true
      )
      settings.reserveBytes = 64 << 10
      tune(&settings)
      let tuned = settings
      servers.append(
        SimulatedProcess(world, node, ledger) { near, stop in try await Worker.run(near, tuned, stop: stop) }
      )
    }
    self.servers = servers
  }
  /// The workers.
  var workers: ArraySlice<SimulatedProcess> { servers[coordinators.count...] }
  /// Where they listen.
  var workerAddresses: [NetworkAddress] { workers.map { NetworkAddress(host: $0.node.host, port: 7500) } }
  /// The servers' hosts.
  var hosts: [String] { servers.map(\.node.host) }
  /// Returns once every worker has registered.
  func formed() async throws {
    while world.log.events.count(where: { $0.event == "ready" && $0["role"] == "worker" }) < workers.count {
      try await world.clock.sleep(for: .milliseconds(20))
    }
  }
}
