// ChaosCluster.swift — the cluster under test: its processes, which of them should run, the forwarders and the volume in front of them.
//
// A node that is not there although nobody killed it is a violation; it is started again. Everything made here is undone by `end`, or by
// the watchdog when this process cannot.
import Foundation
import Glibc
import Launcher
import Synchronization
import TallyClient

/// The processes of a run.
final class ChaosCluster: Sendable {
  let processes: LocalCluster
  let forwarders: Forwarders?
  let volume: SmallVolume?
  private let wanted = Mutex<Set<String>>([])
  private let starting = Mutex<[String: PendingStart]>([:])

  var layout: ClusterLayout { processes.layout }
  var names: [String] { layout.nodes.map(\.name) }
  var workers: [String] { layout.nodes.filter { !$0.isCoordinator }.map(\.name) }
  var coordinators: [String] { layout.nodes.filter(\.isCoordinator).map(\.name) }

  /// Prepares the cluster of some settings; starts nothing.
  init(_ settings: ChaosSettings, say: (String) -> Void) throws {
    var shape = ClusterLayout(
      directory: settings.directory,
      coordinators: settings.coordinators,
      workers: settings.workers,
      portBase: settings.portBase,
      settings: ["memory": settings.memory]
    )
    if settings.copies > 0 { shape.settings["copies"] = "\(settings.copies)" }
    try FileManager.default.createDirectory(atPath: settings.directory, withIntermediateDirectories: true)
    if settings.faults.contains(where: \.needsForwarder) {
      // Ports of the forwarders: 50 above those of the nodes.
      let nodes = shape.nodes.map { ForwardedNode(name: $0.name, port: $0.port + 50, target: $0.port) }
      forwarders = try Forwarders(nodes)
      for node in nodes { shape.settings["advertise-\(node.name)"] = "127.0.0.1:\(node.port)" }
    } else {
      forwarders = nil
    }
    try shape.save()
    var volume: SmallVolume?
    if settings.faults.contains(.full), let last = shape.nodes.last {
      do {
        volume = try SmallVolume(
          for: last.name,
          directory: shape.dataDirectory(last),
          image: settings.directory + "/small-volume",
          seconds: settings.seconds
        )
      } catch {
        say("no fault `full`: \(error)")
      }
    }
    self.volume = volume
    processes = LocalCluster(shape)
  }

  // MARK: Processes

  /// Starts everything and waits until it is ready.
  func up() throws {
    try processes.up(timeout: 60)
    wanted.withLock { $0 = Set(names) }
  }
  /// Kills nodes; they stay down until `start`.
  func kill(_ nodes: [String]) async throws {
    wanted.withLock { $0.subtract(nodes) }
    let (processes, forwarders) = (processes, forwarders)
    try await blocking {
      try processes.kill(nodes)
      for node in nodes { forwarders?.note(node, isUp: false) }
    }
  }
  /// Stops a node in order.
  func stop(_ node: String) async throws {
    wanted.withLock { _ = $0.remove(node) }
    let (processes, forwarders) = (processes, forwarders)
    try await blocking {
      try processes.stop(node, timeout: 30)
      forwarders?.note(node, isUp: false)
    }
  }
  /// Starts nodes without waiting for them.
  func start(_ nodes: [String]) async throws {
    let (processes, forwarders) = (processes, forwarders)
    let begun = try await blocking {
      try nodes.compactMap { node in
        forwarders?.note(node, isUp: true)
        return try processes.launch(node)
      }
    }
    starting.withLock { starting in for pending in begun { starting[pending.node.name] = pending } }
    wanted.withLock { $0.formUnion(nodes) }
  }
  /// Waits until a node that was started is ready; false when the time is up.
  func waitReady(_ node: String, seconds: Double) async throws -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < end {
      guard let pending = starting.withLock({ $0[node] }) else { return true }
      if try processes.isReady(pending) {
        starting.withLock { $0[node] = nil }
        return true
      }
      try await Task.sleep(for: .milliseconds(20))
    }
    return false
  }
  func signal(_ node: String, _ signal: Int32) {
    // A node that is down at the moment has no process to be signalled.
    do { try processes.signal(node, signal) } catch { return }
  }
  /// Nodes that should run and do not; each is said once and started again.
  func lookForEnded(_ run: RunState) async throws {
    for node in layout.nodes where wanted.withLock({ $0.contains(node.name) }) && processes.processID(node) == nil {
      guard wanted.withLock({ $0.contains(node.name) }) else { continue }
      let how = try processes.lastExit(node.name) ?? "unknown"
      run.ledger.violated("\(node.name) ended by itself (\(how)); the end of its log:\n\(try processes.logEnd(node.name, lines: 4))")
      try await start([node.name])
    }
  }

  // MARK: State

  /// Waits until every node is up and every shard is served by all its copies; nil, or what is missing when the time is up.
  func waitWhole(_ url: String, copies: Int, seconds: Double) async throws -> String? {
    let end = ContinuousClock.now + .seconds(seconds)
    var missing = "nothing was asked"
    while ContinuousClock.now < end {
      do {
        missing =
          try await TallyClient.with(url) { client in try await Self.missing(client, copies: copies, workers: self.workers.count) } ?? ""
        if missing.isEmpty { return nil }
      } catch let error as TallyError { missing = "\(error)" }
      try await Task.sleep(for: .milliseconds(100))
    }
    return missing
  }
  private static func missing(_ client: TallyClient, copies: Int, workers: Int) async throws -> String? {
    let nodes = try await client.list(.nodes, deadline: .seconds(5)).textRows()
    let up = nodes.count { $0.count > 2 && $0[1] == "worker" && $0[2] == "up" }
    if up < workers { return "\(up) of \(workers) workers are up" }
    for shard in try await ShardState.list(client) {
      if shard.state != "serving" { return "shard \(shard.id) of \(shard.primary) is \(shard.state)" }
      if shard.inSync < max(copies, 1) || shard.inSync < shard.copies {
        return "shard \(shard.id) has \(shard.inSync) of \(max(copies, shard.copies)) copies in sync"
      }
    }
    return nil
  }
  /// Kills everything and removes it.
  func end(keepsData: Bool) throws {
    wanted.withLock { $0 = [] }
    try processes.killAll()
    forwarders?.close()
    try volume?.remove()
    if !keepsData { try FileManager.default.removeItem(atPath: layout.directory) }
  }
}
