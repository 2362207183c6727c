// ClusterFaults.swift — what happens to a cluster while it works: nodes end, links are cut, disks are lost; drawn from the seed.
//
// One fault at a time. Each is counted by its kind when it takes effect, so that a report says what a campaign really did.
import Capabilities

extension ClusterRun {
  /// Disturbs the cluster until everything was delivered.
  func disturb() async throws {
    let random = world.random.fork("faults")
    let targets = cluster.servers + producers
    for _ in 0..<workload.faults {
      let gap = random.next(below: UInt64(max(1, workload.faultGap / .milliseconds(1))))
      try await world.clock.sleep(for: .milliseconds(Int64(gap)))
      if !isReading { return }
      let kind = NodeFault.allCases[Int(random.next(below: UInt64(NodeFault.allCases.count)))]
      // Now and then long enough that everybody gives the node up.
      let pause = Duration.milliseconds(Int64(random.next(below: random.chance(percent: 20) ? 12_000 : 2500)))
      let (operations, at, other) = (random.next(in: 1...30), random.next(), random.next())
      if workload.hasLinkFaults && random.chance(percent: 30) {
        let hosts = targets.map(\.node.host)
        let (a, b) = (hosts[Int(at % UInt64(hosts.count))], cluster.hosts[Int(other % UInt64(cluster.hosts.count))])
        if a == b { continue }
        note("link-fault", "\(a) \(b)")
        if random.chance(percent: 40) {
          count("reset")
          world.fabric.reset(a, b)
        } else if random.chance(percent: 40) {
          // Nobody reaches it, or only its words are lost.
          let others = hosts.filter { $0 != b }
          if random.chance(percent: 50) {
            count("isolation")
            world.fabric.partition([[b], others])
          } else {
            count("one-way cut")
            for other in others { world.fabric.cut(from: b, to: other) }
          }
          try await world.clock.sleep(for: pause)
          world.fabric.heal()
        } else {
          count("partition")
          world.fabric.partition([[a], [b]])
          try await world.clock.sleep(for: pause * 2)
          world.fabric.heal()
        }
        continue
      }
      // Servers three times as often as clients.
      let number = Int(at % UInt64(3 * cluster.servers.count + producers.count))
      let target = number < 3 * cluster.servers.count ? cluster.servers[number / 3] : producers[number - 3 * cluster.servers.count]
      if target.isFinished || !target.node.isUp { continue }
      let isClient = number >= 3 * cluster.servers.count
      if !isClient, operations > 26, cluster.workers.contains(where: { $0 === target }) {
        try await wipe(target)
        continue
      }
      note("node-fault", "\(target.node.name) \(kind)")
      let fault = isClient && kind != .power ? .kill : kind
      count(fault.rawValue)
      target.fail(fault, pause: pause, operations: operations)
      try await world.clock.sleep(for: pause)
    }
  }
}
