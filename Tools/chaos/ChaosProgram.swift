// ChaosProgram.swift — the program `chaos`: a cluster of real processes under load and faults, judged by a ledger.
import ArgumentParser
import Foundation
import Glibc
import Launcher

@main struct ChaosProgram: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chaos",
    abstract: "Kills, stops, cuts off and fills the nodes of a cluster under load, and checks that nothing was lost or counted twice.",
    subcommands: [Strike.self, Watch.self],
    defaultSubcommand: Strike.self
  )

  struct Strike: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "run",
      abstract: "Runs (the default).",
      discussion: """
        Faults: \(FaultKind.allCases.map(\.rawValue).joined(separator: ", ")); `disk` is full, flip and wipe, `all` everything, `none` nothing. What
        cannot be done here (full without root, flip and wipe with one copy) is left out, and said. Exits with 1 when a law was broken.
        """
    )
    @Option(help: "All chance comes from it.") var seed: UInt64 = 1
    @Option(help: "Minutes of faults; fractions are fine.") var minutes = 1.0
    @Option(help: "Workers.") var workers = 3
    @Option(help: "Coordinators.") var coordinators = 1
    @Option(help: "Copies of every shard; 0: as the cluster has it by default.") var copies = 0
    @Option(help: "Shards of the table.") var shards = 6
    @Option(help: "Clients that send loads.") var clients = 3
    @Option(help: "Kinds of faults, separated by commas.") var faults = "all"
    @Option(help: "Directory of the cluster; it must be empty or not exist.") var dir: String?
    @Option(help: "First port; forwarders take those 50 above. Default: the first from 8400 on with enough free ones.")
    var portBase: UInt16?
    @Option(help: "Memory budget of a worker.") var memory = "256MiB"
    @Option(help: "Writes the report there as JSON.") var report: String?
    @Flag(help: "Leaves the data and logs in place.") var keep = false

    func validate() throws {
      if FaultKind.list(faults) == nil { throw ValidationError("--faults \(faults): there are \(FaultKind.allCases.map(\.rawValue))") }
      if !(1...16).contains(workers) { throw ValidationError("--workers must be between 1 and 16") }
      if ![1, 3, 5].contains(coordinators) { throw ValidationError("--coordinators must be 1, 3 or 5") }
      if !(0...5).contains(copies) || copies > workers { throw ValidationError("--copies must be between 0 and the number of workers") }
      if !(0.01...1440).contains(minutes) { throw ValidationError("--minutes must be between 0.01 and 1440") }
      if let portBase, !(1024...60_000).contains(portBase) { throw ValidationError("--port-base must be between 1024 and 60000") }
      if !(1...256).contains(shards) || !(1...32).contains(clients) { throw ValidationError("--shards 1 to 256, --clients 1 to 32") }
    }

    func run() async throws {
      let place = dir ?? NSTemporaryDirectory() + "tally-chaos-\(getpid())"
      let directory = place.hasPrefix("/") ? place : FileManager.default.currentDirectoryPath + "/" + place
      // What a run before this one left there, killed with its watchdog, is undone; its data stay.
      try Watchdog.cleanUp(directory)
      if let found = FileManager.default.enumerator(atPath: directory)?.nextObject() {
        throw ValidationError("\(directory) is not empty (\(found))")
      }
      let settings = ChaosSettings(
        seed: seed,
        seconds: minutes * 60,
        workers: workers,
        coordinators: coordinators,
        copies: copies,
        shards: shards,
        clients: clients,
        faults: FaultKind.list(faults) ?? [],
        directory: directory,
        portBase: try portBase ?? ChaosProgram.freePorts(coordinators: coordinators, workers: workers),
        memory: memory
      )
      // A directory on tmpfs is good enough here: what is tested is the loss of processes, not of power.
      setenv("TALLY_ALLOW_VOLATILE", "1", 1)
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      let watchdog = try Watchdog(over: directory)
      let cluster = try ChaosCluster(settings) { tell($0) }
      let state = RunState(settings, url: cluster.layout.url)
      for kind in settings.faults where kind.needsCopies && copies < 2 { tell("no fault `\(kind.rawValue)`: it needs --copies 2 or more") }
      let outcome: Result<Report, any Error>
      do { outcome = .success(try await ChaosRun(run: state, cluster: cluster).carryOut()) } catch { outcome = .failure(error) }
      let isClean = state.ledger.violationCount == 0
      let keepsData = keep || !isClean
      do { try cluster.end(keepsData: keepsData) } catch { tell("cleaning up: \(error)") }
      watchdog.dismiss()
      let found = try outcome.get()
      found.show()
      if let report { try found.write(to: report) }
      if keepsData { tell("data and logs are in \(directory)") }
      if !isClean {
        tell(
          "replay: chaos --seed \(seed) --minutes \(minutes) --workers \(workers) --coordinators \(coordinators) --copies \(copies) --shards \(shards) --clients \(clients) --faults \(faults)"
        )
        throw ExitCode(1)
      }
    }
  }

  /// The first port of a run: those of coordinators, workers and their forwarders are free.
  fileprivate static func freePorts(coordinators: Int, workers: Int) throws -> UInt16 {
    var offsets: [UInt16] = []
    for coordinator in 0..<coordinators { offsets += [UInt16(coordinator * 10), UInt16(coordinator * 10 + 50), UInt16(coordinator + 32)] }
    for worker in 0..<workers { offsets += [UInt16(worker + 100), UInt16(worker + 150)] }
    for base in stride(from: UInt16(8400), to: 10_800, by: 200) where offsets.allSatisfy({ Socket.isFree(base + $0) }) { return base }
    throw LaunchFailure("no free ports between 8400 and 10800: give --port-base")
  }

  struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Ends a run's cluster when the run has ended; started by the run itself.",
      shouldDisplay: false
    )
    @Argument(help: "The cluster's directory.") var directory: String
    func run() throws { try Watchdog.watch(directory) }
  }
}
