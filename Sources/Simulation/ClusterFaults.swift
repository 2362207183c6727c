// ClusterFaults.swift — what happens to a cluster while it works: drawn from the seed, class by class on or off.
//
// Faults come one after another; what they begin may last while the next ones come. Each is counted by its kind when it takes effect, so
// that a report says what a campaign really did. When everything is delivered, what lasts is ended: stopped nodes go on, links are healed,
// only wall clocks stay as wrong as they are. Disks that fail or rot: DiskFaults.
import Capabilities

/// Classes of faults; a seed has some of them.
struct FaultClasses: OptionSet, Sendable {
  let rawValue: UInt64
  /// Processes and machines end and start again.
  static let ends = FaultClasses(rawValue: 1)
  /// Partitions, one-way cuts, resets.
  static let links = FaultClasses(rawValue: 2)
  /// A process stands still and goes on.
  static let stops = FaultClasses(rawValue: 4)
  /// Wall clocks jump and drift.
  static let clocks = FaultClasses(rawValue: 8)
  /// Links are slow, hold everything back for a while, or lose single connections without a word.
  static let delays = FaultClasses(rawValue: 16)
  /// Disks are lost, or put back to an older state.
  static let disks = FaultClasses(rawValue: 32)

  static let all: [FaultClasses] = [.ends, .links, .stops, .clocks, .delays, .disks]

  init(rawValue: UInt64) { self.rawValue = rawValue }
  /// Some of them, at least one.
  init(_ random: SeededGenerator) {
    var some: FaultClasses = []
    for one in Self.all where random.chance(percent: one == .ends ? 80 : 40) { some.insert(one) }
    self = some.isEmpty ? .ends : some
  }
}

extension ClusterRun {
  /// Disturbs the cluster until everything was delivered.
  func disturb() async throws {
    let random = world.random.fork("faults")
    let disks = world.random.fork("disk faults")
    let classes = FaultClasses.all.filter { workload.faultClasses.contains($0) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      var left = workload.faults
      while isReading, left > 0 {
        left -= 1
        try await rest(.milliseconds(Int64(random.next(below: UInt64(max(1, workload.faultGap / .milliseconds(1)))))))
        if !isReading { break }
        if !diskFaults.kinds.isEmpty, disks.chance(percent: 40) {
          try await strikeDisk(disks)
          continue
        }
        let fault = Fault(random)
        switch classes[Int(random.next(below: UInt64(classes.count)))] {
        case .links: try await disturbLinks(fault)
        case .stops: stop(fault, &group)
        case .clocks: disturbClock(fault)
        case .delays: delay(fault, &group)
        case .disks: try await disturbDisk(fault)
        default: try await end(fault)
        }
      }
      try await group.waitForAll()
    }
  }
  /// Lets time pass, but not for longer than there is work.
  private func rest(_ time: Duration) async throws {
    let limit = world.clock.now + time
    while isReading, world.clock.now < limit { try await world.clock.sleep(until: min(limit, world.clock.now + .milliseconds(500))) }
  }

  /// What is drawn for one fault, whichever it is.
  private struct Fault {
    let kind: NodeFault
    /// Now and then long enough that everybody gives a node up.
    let pause: Duration
    let operations: UInt64
    let at: UInt64
    let other: UInt64
    let random: SeededGenerator

    init(_ random: SeededGenerator) {
      kind = NodeFault.allCases[Int(random.next(below: UInt64(NodeFault.allCases.count)))]
      pause = .milliseconds(Int64(random.next(below: random.chance(percent: 20) ? 12_000 : 2500)))
      (operations, at, other) = (random.next(in: 1...30), random.next(), random.next())
      self.random = random
    }
  }
  /// Servers three times as often as clients.
  private func target(_ fault: Fault) -> (process: SimulatedProcess, isClient: Bool) {
    let servers = cluster.servers
    let number = Int(fault.at % UInt64(3 * servers.count + producers.count))
    return number < 3 * servers.count ? (servers[number / 3], false) : (producers[number - 3 * servers.count], true)
  }
  /// Two hosts, of which the second is a server's.
  private func hosts(_ fault: Fault) -> (String, String)? {
    let all = (cluster.servers + producers).map(\.node.host)
    let (a, b) = (all[Int(fault.at % UInt64(all.count))], cluster.hosts[Int(fault.other % UInt64(cluster.hosts.count))])
    return a == b ? nil : (a, b)
  }

  // MARK: Classes

  private func end(_ fault: Fault) async throws {
    let (process, isClient) = target(fault)
    if process.isFinished || !process.node.isUp { return }
    let kind = isClient && fault.kind != .power ? .kill : fault.kind
    note("node-fault", "\(process.node.name) \(kind)")
    count(kind.rawValue)
    process.fail(kind, pause: fault.pause, operations: fault.operations)
    try await rest(fault.pause)
  }
  private func disturbLinks(_ fault: Fault) async throws {
    guard let (a, b) = hosts(fault) else { return }
    note("link-fault", "\(a) \(b)")
    switch fault.random.next(below: 10) {
    case 0...3:
      count("reset")
      return world.fabric.reset(a, b)
    case 4...5:
      count("isolation")
      world.fabric.partition([[b], (cluster.servers + producers).map(\.node.host).filter { $0 != b }])
      try await rest(fault.pause)
    case 6...7:
      // Only its words are lost.
      count("one-way cut")
      for other in (cluster.servers + producers).map(\.node.host) where other != b { world.fabric.cut(from: b, to: other) }
      try await rest(fault.pause)
    default:
      count("partition")
      world.fabric.partition([[a], [b]])
      try await rest(fault.pause * 2)
    }
    world.fabric.heal()
  }
  private func stop(_ fault: Fault, _ group: inout ThrowingTaskGroup<Void, any Error>) {
    let (process, _) = target(fault)
    if process.isFinished || !process.node.isUp || process.node.isStopped { return }
    let time = Duration.milliseconds(Int64(fault.random.next(in: fault.random.chance(percent: 30) ? 3000...60_000 : 10...3000)))
    note("stopped", "\(process.node.name) for \(time)")
    count("SIGSTOP")
    process.node.stop()
    lasting += 1
    group.addTask {
      defer { self.lasting -= 1 }
      try await self.rest(time)
      self.note("goes-on", process.node.name)
      process.node.resume()
    }
  }
  private func disturbClock(_ fault: Fault) {
    let node = target(fault).process.node
    let sign: Int64 = fault.other % 2 == 0 ? 1 : -1
    if fault.random.chance(percent: 30) {
      let drift = sign * Int64(fault.random.next(in: 100...100_000))
      note("clock-drifts", "\(node.name) by \(drift) microseconds a second")
      count("clock drift")
      return node.driftWallClock(microsecondsPerSecond: drift)
    }
    // From a second to ten years, each order of magnitude alike.
    let jumps: [UInt64] = [10, 600, 36_000, 2_000_000, 315_000_000]
    let seconds = fault.random.next(in: 1...jumps[Int(fault.random.next(below: UInt64(jumps.count)))])
    note("clock-jumps", "\(node.name) by \(sign * Int64(seconds)) s")
    count("clock jump")
    node.jumpWallClock(byMicroseconds: sign * Int64(seconds) * Workload.second)
  }
  private func delay(_ fault: Fault, _ group: inout ThrowingTaskGroup<Void, any Error>) {
    guard let (a, b) = hosts(fault) else { return }
    note("link-delay", "\(a) \(b)")
    switch fault.random.next(below: 3) {
    case 0:
      count("half-open connections")
      world.fabric.stall(a, b)
      // Until it shows, copies seem whole that are not.
      lasting += 1
      group.addTask {
        defer { self.lasting -= 1 }
        try await self.rest(.seconds(5))
      }
    case 1:
      count("clogged link")
      world.fabric.cut(from: a, to: b)
      let time = Duration.milliseconds(Int64(fault.random.next(in: 1...5000)))
      lasting += 1
      group.addTask {
        defer { self.lasting -= 1 }
        try await self.rest(time)
        self.world.fabric.heal(from: a, to: b)
      }
    default:
      count("slow link")
      let mean = fault.random.next(in: 1_000_000...100_000_000)
      for (from, to) in [(a, b), (b, a)] where !slowLinks.contains("\(from) \(to)") {
        slowLinks.insert("\(from) \(to)")
        let usual = world.fabric.delay(from: from, to: to)
        world.fabric.setDelay(from: from, to: to, nanoseconds: 0...2 * mean)
        lasting += 1
        group.addTask {
          defer { self.lasting -= 1 }
          try await self.rest(fault.pause * 4)
          self.world.fabric.setDelay(from: from, to: to, nanoseconds: usual)
          self.slowLinks.remove("\(from) \(to)")
        }
      }
    }
  }
  private func disturbDisk(_ fault: Fault) async throws {
    let server = cluster.servers[Int(fault.at % UInt64(cluster.servers.count))]
    if !server.node.isUp || server.node.isStopped { return }
    guard cluster.workers.contains(where: { $0 === server }) else { return try await replace(coordinator: server) }
    if fault.random.chance(percent: 40) {
      images[server.node.host] = server.node.diskImage()
    } else if let image = images[server.node.host], fault.random.chance(percent: 60) {
      images[server.node.host] = nil
      try await rollBack(server, to: image)
    } else {
      try await wipe(server)
    }
  }
}
