// ClusterLayout.swift — where a local cluster's pieces lie below its directory, and the file that remembers its shape.
//
//   DIR/cluster.conf            one line a node: NAME ROLE HOST:PORT; then `setting NAME VALUE` lines
//   DIR/NAME/                   the node's data directory
//   DIR/logs/NAME.log           its standard error
//   DIR/NAME.pid                process id of the last start
//   DIR/NAME.exit               how the last process ended that this program had started: `status 86`, `signal 9`
internal import Foundation

/// A node of a local cluster.
public struct LocalNode: Sendable, Equatable {
  /// `coordinator-1`, `worker-1`, …
  public var name: String
  /// True for a coordinator.
  public var isCoordinator: Bool
  /// Port of its RPC listener on 127.0.0.1.
  public var port: UInt16
  /// `127.0.0.1:port`.
  public var address: String { "127.0.0.1:\(port)" }
}

/// The shape of a local cluster.
public struct ClusterLayout: Sendable, Equatable {
  /// Directory of everything.
  public var directory: String
  /// Coordinators first.
  public var nodes: [LocalNode]
  /// Settings every start of a node uses (`memory`, `copies`, `dead-after`).
  public var settings: [String: String]

  /// A cluster of coordinators and workers; ports as the CLI documents them.
  public init(directory: String, coordinators: Int = 1, workers: Int, portBase: UInt16, settings: [String: String]) {
    self.directory = directory
    self.settings = settings
    nodes =
      (0..<coordinators).map {
        LocalNode(name: "coordinator-\($0 + 1)", isCoordinator: true, port: portBase + 10 * UInt16($0))
      }
      + (0..<workers).map {
        LocalNode(name: "worker-\($0 + 1)", isCoordinator: false, port: portBase + 100 + UInt16($0))
      }
  }
  /// URL for clients.
  public var url: String { "tally://" + coordinatorAddresses + "/tally" }
  /// Where the coordinators are reached, separated by commas.
  var coordinatorAddresses: String { nodes.filter(\.isCoordinator).map(reachedAt).joined(separator: ",") }
  /// Where others reach a node: its own address, or that of a forwarder in front of it (setting `advertise-NAME`).
  public func reachedAt(_ node: LocalNode) -> String { settings["advertise-" + node.name] ?? node.address }
  /// Where PostgreSQL's clients reach a coordinator; nil for a worker.
  ///
  /// Counted from the first coordinator's port, 7432, 7433, … by default, so that clusters made before there was such a listener have one.
  public func sqlPort(_ node: LocalNode) -> UInt16? {
    let coordinators = nodes.filter(\.isCoordinator)
    guard let first = coordinators.first, let at = coordinators.firstIndex(of: node) else { return nil }
    return UInt16(exactly: Int(first.port) + 32 + at)
  }
  /// The node with that name.
  public func node(_ name: String) throws -> LocalNode {
    guard let node = nodes.first(where: { $0.name == name }) else {
      throw LaunchFailure("no node \"\(name)\" in \(directory); it has \(nodes.map(\.name).joined(separator: ", "))")
    }
    return node
  }
  /// Where a node's data are.
  public func dataDirectory(_ node: LocalNode) -> String { directory + "/" + node.name }
  /// Where a node writes its log.
  public func logFile(_ node: LocalNode) -> String { directory + "/logs/" + node.name + ".log" }
  func exitFile(_ node: LocalNode) -> String { directory + "/" + node.name + ".exit" }
  func pidFile(_ node: LocalNode) -> String { directory + "/" + node.name + ".pid" }
  static func file(_ directory: String) -> String { directory + "/cluster.conf" }

  /// True when a cluster was made in that directory.
  public static func exists(in directory: String) -> Bool {
    FileManager.default.fileExists(atPath: file(directory))
  }
  /// Reads the shape of the cluster in a directory.
  public static func load(from directory: String) throws -> ClusterLayout {
    guard let text = FileManager.default.contents(atPath: file(directory)).map({ String(decoding: $0, as: UTF8.self) })
    else { throw LaunchFailure("no cluster in \(directory) (there is no cluster.conf)") }
    var layout = ClusterLayout(directory: directory, workers: 0, portBase: 0, settings: [:])
    layout.nodes = []
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: " ", maxSplits: 2).map(String.init)
      guard parts.count == 3 else { throw LaunchFailure("\(file(directory)): cannot read line \"\(line)\"") }
      if parts[0] == "setting" {
        layout.settings[parts[1]] = parts[2]
      } else {
        guard let port = parts[2].split(separator: ":").last.flatMap({ UInt16($0) }) else {
          throw LaunchFailure("\(file(directory)): cannot read line \"\(line)\"")
        }
        layout.nodes.append(LocalNode(name: parts[0], isCoordinator: parts[1] == "coordinator", port: port))
      }
    }
    return layout
  }
  /// Writes cluster.conf: from then on the directory holds this cluster.
  public func save() throws {
    var text = ""
    for node in nodes { text += "\(node.name) \(node.isCoordinator ? "coordinator" : "worker") \(node.address)\n" }
    for (name, value) in settings.sorted(by: { $0.key < $1.key }) { text += "setting \(name) \(value)\n" }
    try FileManager.default.createDirectory(atPath: directory + "/logs", withIntermediateDirectories: true)
    try text.write(toFile: Self.file(directory), atomically: true, encoding: .utf8)
  }
}

/// Why a local cluster could not be started, found or stopped.
public struct LaunchFailure: Error, CustomStringConvertible, Sendable {
  /// For people.
  public var description: String
  /// Makes a failure.
  public init(_ description: String) { self.description = description }
}
