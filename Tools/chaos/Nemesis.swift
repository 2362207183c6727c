// Nemesis.swift — hits the cluster with one fault after the other, now and then with two at once, until its time is up; then heals all.
//
// What it does when and to whom comes from the seed. Nodes it works on are its own meanwhile: two faults never share a node, except that
// links of any node may be cut. Faults that destroy data wait until everything was whole, take the node down, see that others serve all
// it had, and let nothing else destroy data until the cluster is whole again; after a flipped bit, of no other worker until a scrub was
// there.
import Foundation
import Glibc
import Synchronization
import TallyClient

/// The source of faults.
final class Nemesis: Sendable {
  let run: RunState
  let cluster: ChaosCluster
  private let busy = Mutex<Set<String>>([])

  init(_ run: RunState, _ cluster: ChaosCluster) {
    self.run = run
    self.cluster = cluster
  }

  /// Kinds that this cluster can bear, with how often each comes.
  var kinds: [(kind: FaultKind, weight: Int)] {
    run.settings.faults.compactMap { kind in
      if kind.needsForwarder && cluster.forwarders == nil { return nil }
      if kind.needsCopies && run.settings.copies < 2 { return nil }
      if kind == .full && cluster.volume == nil { return nil }
      switch kind {
      case .kill: return (kind, 6)
      case .stop, .net: return (kind, 3)
      case .failover where run.settings.copies == 1, .freeze where run.settings.copies == 1: return nil
      default: return (kind, 1)
      }
    }
  }

  /// Hits until the end.
  func strike(until end: Double) async throws {
    var chance = run.chance("nemesis")
    let kinds = kinds
    guard !kinds.isEmpty else { return }
    func draw() -> FaultKind {
      var at = chance.below(kinds.reduce(0) { $0 + $1.weight })
      for (kind, weight) in kinds {
        if at < weight { return kind }
        at -= weight
      }
      return kinds[0].kind
    }
    while run.elapsed < end && !run.isStopping {
      let first = draw()
      let own = chance.fork("fault", Int(chance.next() >> 33))
      if chance.percent(25) {
        let second = draw()
        let other = chance.fork("fault", Int(chance.next() >> 33))
        async let a: Void = hit(first, own)
        async let b: Void = hit(second, other)
        _ = try await (a, b)
      } else {
        try await hit(first, own)
      }
      try await Task.sleep(for: chance.milliseconds(chance.percent(30) ? 20...200 : 200...2500))
    }
  }

  /// One fault from its beginning to its end.
  private func hit(_ kind: FaultKind, _ chance: Chance) async throws {
    var chance = chance
    do {
      switch kind {
      case .kill: try await kill(&chance)
      case .stop: try await freeze(&chance)
      case .roll: try await roll(&chance)
      case .storm: try await storm(&chance)
      case .reset: reset(&chance)
      case .net: try await cut(&chance)
      case .slow: try await slow(&chance)
      case .full: try await fillVolume(&chance)
      case .flip, .wipe: try await destroy(kind, &chance)
      case .failover, .freeze: try await measure(kind, &chance)
      }
    } catch is CancellationError { throw CancellationError() } catch {
      run.ledger.violated("fault \(kind.rawValue): \(error)")
    }
  }
  func begin(_ kind: FaultKind, _ what: String) {
    run.figures.count("fault \(kind.rawValue)")
    run.say(what)
  }
  /// Takes nodes that no other fault has; nil when there are not so many.
  func take(_ count: Int, of names: [String], _ chance: inout Chance) -> [String]? {
    let shuffled = names.shuffled(using: &chance)
    return busy.withLock { busy in
      let free = shuffled.filter { !busy.contains($0) }
      guard free.count >= count else { return nil }
      busy.formUnion(free.prefix(count))
      return Array(free.prefix(count))
    }
  }
  func giveBack(_ names: [String]) { busy.withLock { $0.subtract(names) } }
  /// Starts nodes and waits until they are ready.
  func start(_ nodes: [String]) async throws {
    try await cluster.start(nodes)
    for node in nodes where try await !cluster.waitReady(node, seconds: 60) {
      run.ledger.violated("\(node) is not ready 60 s after its start")
    }
  }

  // MARK: Processes

  private func kill(_ chance: inout Chance) async throws {
    let draw = chance.below(100)
    // Mostly a worker, sometimes a coordinator, several or all.
    let (count, names, name): (Int, [String], String) =
      switch draw {
      case 0..<60: (1, cluster.workers, "kill")
      case 60..<75: (1, cluster.coordinators, "kill a coordinator")
      case 75..<90: (min(2, cluster.names.count), cluster.names, "kill several")
      default: (cluster.names.count, cluster.names, "kill all")
      }
    guard let victims = take(count, of: names, &chance) else { return }
    defer { giveBack(victims) }
    // Long enough for others to take over, or too short.
    let down = chance.milliseconds(chance.percent(50) ? 0...300 : 500...6000)
    begin(.kill, "\(name): \(victims.joined(separator: " ")), down for \(down)")
    run.gaps.hit(victims, name)
    try await cluster.kill(victims)
    try await Task.sleep(for: down)
    try await start(victims)
  }
  private func freeze(_ chance: inout Chance) async throws {
    guard let victims = take(1, of: cluster.names, &chance) else { return }
    defer { giveBack(victims) }
    let time = chance.milliseconds(chance.percent(70) ? 1000...4000 : 4000...10_000)
    begin(.stop, "stop \(victims[0]) for \(time)")
    run.gaps.hit(victims, "stop 1-10 s")
    cluster.signal(victims[0], SIGSTOP)
    // Whatever happens meanwhile it goes on: SIGCONT also comes when everything is healed.
    try await Task.sleep(for: time)
    cluster.signal(victims[0], SIGCONT)
  }
  private func measure(_ kind: FaultKind, _ chance: inout Chance) async throws {
    // Alone, also when the dice give two at once.
    guard let all = take(cluster.names.count, of: cluster.names, &chance) else { return }
    defer { giveBack(all) }
    if let missing = try await cluster.waitWhole(run.url, copies: run.settings.copies, seconds: 60) {
      return run.ledger.violated("not whole 60 s after the last fault: \(missing)")
    }
    guard let victim = chance.pick(cluster.workers) else { return }
    begin(kind, kind == .freeze ? "stop \(victim) for 10 s, alone" : "kill \(victim), alone")
    run.gaps.hit([victim], kind.rawValue)
    if kind == .freeze {
      cluster.signal(victim, SIGSTOP)
      try await Task.sleep(for: .seconds(10))
      cluster.signal(victim, SIGCONT)
    } else {
      try await cluster.kill([victim])
      try await Task.sleep(for: chance.milliseconds(2000...4000))
      try await start([victim])
    }
  }
  private func roll(_ chance: inout Chance) async throws {
    guard let victims = take(cluster.names.count, of: cluster.names, &chance) else { return }
    defer { giveBack(victims) }
    begin(.roll, "restart one after the other")
    for victim in victims {
      run.gaps.hit([victim], "restart in order")
      try await cluster.stop(victim)
      try await start([victim])
      try await Task.sleep(for: chance.milliseconds(0...1000))
    }
  }
  private func storm(_ chance: inout Chance) async throws {
    guard let victims = take(1, of: cluster.names, &chance) else { return }
    defer { giveBack(victims) }
    let times = chance.within(3...6)
    begin(.storm, "kill \(victims[0]) \(times) times")
    run.gaps.hit(victims, "storm")
    for _ in 0..<times {
      try await cluster.kill(victims)
      try await Task.sleep(for: chance.milliseconds(0...50))
      try await cluster.start(victims)
      try await Task.sleep(for: chance.milliseconds(50...500))
    }
    try await start(victims)
  }
}
