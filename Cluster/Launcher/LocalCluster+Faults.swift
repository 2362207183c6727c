// LocalCluster+Faults.swift — what chaos does to the processes of a local cluster beyond stopping and starting them.
//
// Nothing here waits longer than it is told. A node that is started without waiting is looked at later by `isReady`.
internal import Foundation
internal import Glibc

/// A start that was not waited for.
public struct PendingStart: Sendable {
  /// The node.
  public let node: LocalNode
  /// Size of its log before.
  let mark: UInt64
}

extension LocalCluster {
  /// Sends SIGKILL to several nodes at once, stopped ones too; those that do not run are left out.
  public func kill(_ names: [String]) throws {
    let running = try names.map(layout.node).compactMap { node in processID(node).map { (node, $0) } }
    for (_, pid) in running { Glibc.kill(pid, SIGKILL) }
    for (node, _) in running { try waitGone(node, timeout: 10) }
  }
  /// Stops one node by SIGTERM, by SIGKILL when that takes too long.
  public func stop(_ name: String, timeout: Double = 60) throws { try stop(try layout.node(name), timeout: timeout) }
  /// Starts a node's process without waiting until it is ready; nil when it runs.
  public func launch(_ name: String) throws -> PendingStart? {
    let node = try layout.node(name)
    if processID(node) != nil { return nil }
    return PendingStart(node: node, mark: try start(node))
  }
  /// True once a node that was launched is ready.
  ///
  /// Throws with the end of its log when it has ended.
  public func isReady(_ pending: PendingStart) throws -> Bool {
    let text = tail(layout.logFile(pending.node), from: pending.mark)
    if text.contains("event=ready ") { return true }
    guard processID(pending.node) == nil else { return false }
    throw LaunchFailure("\(pending.node.name) ended while starting:\n" + lastLines(text, 8))
  }
  /// Keeps every process of the cluster from running on, whatever state they are in; the data stay.
  public func killAll() throws { try kill(layout.nodes.map(\.name)) }
  /// Removes all data of a node that does not run: its next start joins the cluster anew under its name.
  public func wipe(_ name: String) throws {
    let node = try layout.node(name)
    if processID(node) != nil { throw LaunchFailure("\(name) runs: its data stay") }
    // The directory itself may be a mount point.
    let directory = layout.dataDirectory(node)
    for entry in try FileManager.default.contentsOfDirectory(atPath: directory) {
      try FileManager.default.removeItem(atPath: directory + "/" + entry)
    }
  }
  /// The last lines of a node's log.
  public func logEnd(_ name: String, lines: Int = 8) throws -> String {
    lastLines(tail(layout.logFile(try layout.node(name)), from: 0), lines)
  }

  /// Writes down how a process ended.
  func note(exit status: Int32, of node: LocalNode) {
    let (signal, code) = (status & 0x7F, status >> 8 & 0xFF)
    let text = signal == 0 ? "status \(code)" : "signal \(signal)"
    // For people who look for the cause; the cluster does not depend on it.
    _ = FileManager.default.createFile(atPath: layout.exitFile(node), contents: Data(text.utf8))
  }
  /// How the last process of a node ended, when this program had started it.
  public func lastExit(_ name: String) throws -> String? {
    FileManager.default.contents(atPath: layout.exitFile(try layout.node(name))).map { String(decoding: $0, as: UTF8.self) }
  }
}
