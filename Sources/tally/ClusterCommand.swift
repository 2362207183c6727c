// ClusterCommand.swift — `tally cluster …`: clusters of real processes on this machine, below one directory.
import ArgumentParser
import Foundation
import Launcher
import TallyClient

struct ClusterCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cluster",
    abstract: "Starts, stops and kills a cluster on this machine.",
    subcommands: [Up.self, Down.self, Status.self, Kill.self, Restart.self, Destroy.self]
  )

  /// Where the cluster's files are.
  struct Place: ParsableArguments {
    @Option(help: "Directory of the cluster.") var dir = "tally-data"
    var absolute: String {
      dir.hasPrefix("/") ? dir : FileManager.default.currentDirectoryPath + "/" + dir
    }
  }

  struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Starts a cluster and returns when it serves; it stays in the background."
    )
    @OptionGroup var place: Place
    @Option(help: "Number of coordinators: 1, 3 or 5.") var coordinators = 1
    @Option(help: "Number of workers.") var workers = 3
    @Option(help: "Copies of every shard, 1 to 5. Default: 1 with one worker, 2 with more.") var copies: Int?
    @Option(help: "First port: coordinators at P, P+10, …, their SQL at P+32, P+33, …, workers at P+100, P+101, …") var portBase: UInt16 =
      7400
    @Option(help: "Memory budget of a worker, for example 512MiB or 2GiB.") var memory = "1GiB"
    @Option(help: "Seconds to wait for the cluster.") var timeout = 60.0
    @Flag(help: "Prints one JSON object.") var json = false

    func validate() throws {
      if ![1, 3, 5].contains(coordinators) { throw ValidationError("--coordinators must be 1, 3 or 5") }
      if workers < 1 || workers > 64 { throw ValidationError("--workers must be between 1 and 64") }
      if let copies, !(1...5).contains(copies) { throw ValidationError("--copies must be between 1 and 5") }
      if let copies, copies > workers { throw ValidationError("--copies \(copies) needs as many workers, not \(workers)") }
      if portBase < 1024 || portBase > 65000 {
        throw ValidationError("--port-base must be between 1024 and 65000")
      }
    }
    func run() async throws {
      try await reporting {
        let started = Date()
        let layout = ClusterLayout(
          directory: place.absolute,
          coordinators: coordinators,
          workers: workers,
          portBase: portBase,
          settings: ["memory": memory, "copies": copies.map(String.init) ?? "auto"]
        )
        let cluster = LocalCluster(layout)
        try cluster.up(timeout: timeout)
        try await waitServing(layout, timeout: timeout)
        if json {
          let nodes = layout.nodes.map {
            "{\"name\":\"\($0.name)\",\"address\":\"\($0.address)\",\"pid\":\(cluster.processID($0) ?? 0)"
              + (layout.sqlPort($0).map { ",\"sql\":\"127.0.0.1:\($0)\"" } ?? "") + "}"
          }
          print(
            "{\"rpc\":\"\(layout.url)\",\"dir\":\(jsonText(layout.directory)),\"nodes\":[\(nodes.joined(separator: ","))]}"
          )
        } else {
          for node in layout.nodes { print("\(node.name)  \(node.address)") }
          print(String(format: "serving after %.1f s", Date().timeIntervalSince(started)))
          print("url     \(layout.url)")
          if let port = layout.nodes.lazy.compactMap(layout.sqlPort).first {
            print("psql    psql -h 127.0.0.1 -p \(port) -U tally tally")
          }
          print("stop    tally cluster down --dir \(place.dir)     (the data stay)")
        }
      }
    }
  }

  struct Down: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stops all nodes; the data stay.")
    @OptionGroup var place: Place
    func run() async throws {
      try await reporting { try LocalCluster(directory: place.absolute).down() }
    }
  }

  struct Destroy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Stops all nodes and removes their data."
    )
    @OptionGroup var place: Place
    func run() async throws {
      try await reporting { try LocalCluster(directory: place.absolute).destroy() }
    }
  }

  struct Kill: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Kills one node with SIGKILL.")
    @OptionGroup var place: Place
    @Argument(help: "coordinator-1, worker-1, …") var node: String
    func run() async throws {
      try await reporting { try LocalCluster(directory: place.absolute).kill(node) }
    }
  }

  struct Restart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Stops one node if it runs, starts it and waits until it is ready."
    )
    @OptionGroup var place: Place
    @Argument(help: "coordinator-1, worker-1, …") var node: String
    func run() async throws {
      try await reporting { try LocalCluster(directory: place.absolute).restart(node) }
    }
  }

  struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Tells which processes run.")
    @OptionGroup var place: Place
    func run() async throws {
      try await reporting {
        let cluster = try LocalCluster(directory: place.absolute)
        var isComplete = true
        for node in cluster.layout.nodes {
          let pid = cluster.processID(node)
          if pid == nil { isComplete = false }
          print(
            "\(node.name)  \(node.address)  \(pid.map { "running, pid \($0)" } ?? "not running")"
          )
        }
        if !isComplete { throw ExitCode(ExitStatus.degraded) }
      }
    }
  }
}

/// Waits until a coordinator answers, all coordinators vote and every worker is registered and up.
private func waitServing(_ layout: ClusterLayout, timeout: Double) async throws {
  let end = Date().addingTimeInterval(timeout)
  while true {
    var reason = ""
    do {
      let rows = try await TallyClient.with(layout.url) { client in try await client.list(.nodes, deadline: .seconds(5)).textRows() }
      let workers = rows.count { $0.count > 2 && $0[1] == "worker" && $0[2] == "up" }
      let voters = rows.count { $0.count > 11 && $0[2] == "up" && ($0[11] == "leader" || $0[11] == "follower") }
      let expected = (workers: layout.nodes.count { !$0.isCoordinator }, voters: layout.nodes.count { $0.isCoordinator })
      if workers >= expected.workers, voters >= expected.voters { return }
      reason = "\(workers) of \(expected.workers) workers are up, \(voters) of \(expected.voters) coordinators vote"
    } catch { reason = "\(error)" }
    if Date() > end {
      throw LaunchFailure("the cluster does not serve after \(Int(timeout)) s: \(reason)")
    }
    usleep(20_000)
  }
}
