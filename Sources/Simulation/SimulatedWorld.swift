// SimulatedWorld.swift — a run: one executor, the wires, the nodes, the collected log; and the nodes' lives.
//
// `run` blocks the calling thread until the body is done, and then ends all nodes, so that nothing outlives the run. It
// throws when nothing can go on (deadlock), virtual time passes the limit, or time stands still for too long.
internal import Bytes
public import Capabilities

/// Why a run did not reach its end.
public struct SimulationFailure: Error, Sendable, CustomStringConvertible {
  /// What happened, with what every node waits for.
  public let description: String
}

/// Everything of one simulated run.
public final class SimulatedWorld: @unchecked Sendable {
  // Safe: touched by the one thread that calls `run`, before, during and after it.
  /// The seed everything is drawn from.
  public let seed: UInt64
  /// The executor of all tasks of the run.
  public let executor = SimulatedExecutor()
  /// The wires.
  public let fabric: SimulatedFabric
  /// The nodes' events.
  public let log = SimulatedEventLog()
  /// For the run's own choices (faults, workloads).
  public let random: SeededGenerator
  /// Virtual time for the body of the run.
  public var clock: any Clock { SimulatedClock(lifeline: lifeline, wall: WallClock()) }
  private let lifeline: Lifeline
  private var nodes: [SimulatedNode] = []
  private let limit: UInt64
  private var isBodyDone = false
  fileprivate var nextIncarnation: UInt64 = 0

  /// Makes a world that may last for `limit` of virtual time.
  public init(seed: UInt64, limit: Duration = .seconds(3600)) {
    self.seed = seed
    let root = SeededGenerator(seed: seed)
    random = root.fork("run")
    fabric = SimulatedFabric(executor, root.fork("fabric"))
    lifeline = Lifeline(node: "the run", executor)
    self.limit = (Instant(nanoseconds: 0) + limit).nanoseconds
  }
  /// The hash of all that happened: equal for equal seeds.
  public var eventHash: UInt64 { executor.eventHash }

  /// Adds a node. Its host name is where others connect to.
  public func node(_ name: String, host: String, diskCapacity: UInt64 = 1 << 40) -> SimulatedNode {
    invariant(!nodes.contains { $0.host == host }, "two nodes on host \(host)")
    let node = SimulatedNode(
      self,
      name,
      host,
      SeededGenerator(seed: seed).fork("node \(name)"),
      diskCapacity
    )
    nodes.append(node)
    return node
  }
  /// Names of nodes whose flows did not end when their incarnation did: something they wait for was never settled.
  public var unreleased: [String] { nodes.filter { !$0.isReleased }.map(\.name) }

  /// Runs `body` to its end and returns its result.
  public func run<R: Sendable>(
    _ body: @escaping @Sendable (SimulatedWorld) async throws -> R
  ) throws -> R {
    let ended = Promise<R>()
    isBodyDone = false
    let task = Task(executorPreference: executor) { [self] in
      do { ended.fulfil(try await body(self)) } catch { ended.fail(error) }
      isBodyDone = true
    }
    let outcome = executor.run(until: limit) { isBodyDone }
    let report = ([lifeline.report] + nodes.map(\.report)).joined(separator: "; ")
    // Whatever the outcome, nothing of the run goes on after it.
    for node in nodes { node.kill(losingPower: false) }
    task.cancel()
    lifeline.die()
    executor.drain()
    switch outcome {
    case .done: break
    case .idle:
      throw SimulationFailure(
        description: "deadlock at \(executor.now) ns of seed \(seed): \(report)"
      )
    case .limit:
      throw SimulationFailure(
        description: "time limit at \(executor.now) ns of seed \(seed): \(report)"
      )
    case .livelock:
      throw SimulationFailure(
        description: "livelock at \(executor.now) ns of seed \(seed): \(report)"
      )
    }
    guard let result = ended.settled else { fatalError("a run ended without its result") }
    return try result.get()
  }
}

/// A machine and the process on it.
public final class SimulatedNode: @unchecked Sendable {
  // Safe: touched by the simulation's thread only.
  /// Its name in logs.
  public let name: String
  /// Its address.
  public let host: String
  /// The disk of the current incarnation.
  public private(set) var disk: SimulatedDisk
  /// The wall clock's error in microseconds.
  public var wallOffsetMicroseconds: Int64 = 0 {
    didSet { wall.set(offset: wallOffsetMicroseconds) }
  }
  private let wall = WallClock()
  /// Called when the disk stopped the machine (`crashAfter`, or a failed sync).
  public var onDiskCrash: (@Sendable () -> Void)?

  private unowned let world: SimulatedWorld
  private let random: SeededGenerator
  private let capacity: UInt64
  private var lifeline: Lifeline
  private var owned: OwnedExecutor
  private var tasks: [(task: Task<Void, Never>, end: Promise<Bool>)] = []
  private var ends: [Promise<Bool>] = []

  fileprivate init(
    _ world: SimulatedWorld,
    _ name: String,
    _ host: String,
    _ random: SeededGenerator,
    _ capacity: UInt64
  ) {
    self.world = world
    self.name = name
    self.host = host
    self.random = random
    lifeline = Lifeline(node: name, world.executor)
    owned = OwnedExecutor(world.executor, number: 0)
    self.capacity = capacity
    disk = SimulatedDisk(DiskTree(), random.fork("disk"), capacity, nil, nil)
    lifeline.die()
    owned.die()
    boot(disk, losingPower: false)
  }
  private func boot(_ last: SimulatedDisk, losingPower: Bool) {
    world.nextIncarnation += 1
    lifeline = Lifeline(node: name, world.executor)
    owned = OwnedExecutor(world.executor, number: world.nextIncarnation)
    disk = last.recovered(losingPower: losingPower, lifeline) { [weak self] in
      guard let self else { return }
      kill(losingPower: true)
      onDiskCrash?()
    }
  }
  /// True between (re)start and crash.
  public var isUp: Bool { !lifeline.isDead }
  fileprivate var isReleased: Bool { ends.allSatisfy(\.isSettled) }
  fileprivate var report: String { isUp ? lifeline.report : "\(name): down" }

  /// The capabilities of the current incarnation.
  public var surroundings: Surroundings {
    let number = owned.number
    return Surroundings(
      clock: SimulatedClock(lifeline: lifeline, wall: wall, owner: owned),
      network: SimulatedNetwork(fabric: world.fabric, host: host, lifeline: lifeline),
      disk: disk,
      random: random.fork("random \(number)"),
      compute: SimulatedCompute(lifeline: lifeline, random: random.fork("compute \(number)")),
      log: SimulatedNodeLog(lifeline: lifeline, log: world.log)
    )
  }

  /// Runs a flow on the node and returns its result; throws CancellationError when the node crashes first.
  public func run<R: Sendable>(
    _ flow: @escaping @Sendable (Surroundings) async throws -> R
  ) async throws -> R {
    let result = start(flow)
    return try await withTaskCancellationHandler {
      try await result.value
    } onCancel: {
      result.fail(CancellationError())
    }
  }
  /// Starts a flow on the node and returns the promise of its result.
  @discardableResult
  public func start<R: Sendable>(
    _ flow: @escaping @Sendable (Surroundings) async throws -> R
  ) -> Promise<R> {
    invariant(isUp, "\(name) is down: restart it first")
    let (surroundings, result, end) = (self.surroundings, Promise<R>(), Promise<Bool>())
    let task = Task<Void, Never>(executorPreference: owned) {
      do { result.fulfil(try await flow(surroundings)) } catch { result.fail(error) }
      end.fulfil(true)
    }
    ends.removeAll { $0.isSettled }
    tasks.removeAll { $0.end.isSettled }
    tasks.append((task, end))
    ends.append(end)
    return result
  }
  /// Ends the process at once; its machine's page cache survives. With `losingPower`, unsynced data may be lost, and peers
  /// hear nothing. The node stays down until `restart`.
  public func kill(losingPower: Bool) {
    if !isUp { return }
    world.executor.note("kill", owned.number, losingPower ? 1 : 0)
    wasPowerLost = losingPower
    owned.die()
    lifeline.die()
    let ending = tasks
    tasks = []
    for (task, _) in ending { task.cancel() }
    world.fabric.crash(host, losingPower: losingPower)
  }
  private var wasPowerLost = false
  /// Stops the process (SIGSTOP): nothing of it runs until `resume`; its sockets stay open and take what arrives.
  public func stop() {
    invariant(isUp, "\(name) is down")
    world.executor.note("stop", owned.number)
    owned.stop()
  }
  /// Lets a stopped process go on, if it still lives.
  public func resume() {
    world.executor.note("resume", owned.number)
    if isUp { owned.resume() }
  }
  /// Whether the process is stopped.
  public var isStopped: Bool { isUp && owned.isStopped }
  /// Moves the wall clock.
  public func jumpWallClock(byMicroseconds change: Int64) { wall.jump(by: change) }
  /// Has the wall clock gain or lose so much each second from now on.
  public func driftWallClock(microsecondsPerSecond drift: Int64) { wall.run(fastBy: drift, from: world.executor.now) }
  /// Cuts the machine's power.
  public func crash() { kill(losingPower: true) }
  /// Gives the machine, which is down, an empty disk.
  public func wipe() {
    invariant(!isUp, "\(name) is up")
    world.executor.note("wipe", owned.number)
    wipes += 1
    disk = SimulatedDisk(DiskTree(), random.fork("disk \(wipes)"), capacity, nil, nil)
  }
  /// What the disk holds now, to be put back later.
  public func diskImage() -> SimulatedDiskImage { disk.image() }
  /// Gives the machine, which is down, an older state of its disk.
  public func restore(_ image: SimulatedDiskImage) {
    invariant(!isUp, "\(name) is up")
    world.executor.note("restore", owned.number)
    wipes += 1
    disk = SimulatedDisk(image.tree.copy(), random.fork("disk \(wipes)"), capacity, nil, nil)
  }
  private var wipes = 0
  /// Starts the machine again with what survived on its disk; flows are started by the caller.
  public func restart() {
    invariant(!isUp, "\(name) is up")
    world.executor.note("restart", owned.number)
    world.fabric.powerUp(host)
    boot(disk, losingPower: wasPowerLost)
  }
}
