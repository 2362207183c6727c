// CoordinatorMain.swift — the program `tally-coordinator`: flags over TALLY_… over defaults, then Coordinator.run on the real machine.
import ArgumentParser
import Capabilities
import CoordinatorNode
import Glibc
import Model
import NodeRuntime
import PostgresWire

@main struct CoordinatorMain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tally-coordinator",
    abstract: "A Tally coordinator: owns the catalog, plans queries and merges their parts. Without a subcommand it runs.",
    version: "tally-coordinator 0.1.0",
    subcommands: [RunCommand.self, RecoverMetadataCommand.self],
    defaultSubcommand: RunCommand.self
  )
}

/// Runs a coordinator.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Runs the coordinator of a data directory.",
    discussion: """
      Every option can also be set by an environment variable: TALLY_NAME, TALLY_DATA, TALLY_LISTEN, TALLY_PEERS, TALLY_COPIES,
      TALLY_DEAD_AFTER, TALLY_SQL_LISTEN, TALLY_SQL_CONNECTIONS, TALLY_SQL_RESULTS, TALLY_DATABASE,
      TALLY_PASSWORDS, TALLY_SQL_CERTIFICATE, TALLY_SQL_KEY.
      """
  )
  @Option(help: "Name of this node, for example coordinator-1.") var name: String = setting("TALLY_NAME") ?? "coordinator-1"
  @Option(help: "Data directory.") var data: String?
  @Option(help: "Address to listen on, host:port; loopback only in this version.") var listen: String =
    setting("TALLY_LISTEN") ?? "127.0.0.1:7400"
  @Option(
    help: ArgumentHelp(
      "Address to listen on for PostgreSQL's clients, host:port, or off. Also TALLY_SQL_LISTEN.",
      discussion: "Other than loopback addresses need --passwords, --sql-certificate and --sql-key."
    )
  )
  var sqlListen: String = setting("TALLY_SQL_LISTEN") ?? "127.0.0.1:7432"
  @Option(
    help: ArgumentHelp(
      "File of users, NAME:SCRAM-SHA-256$… a line, as tally password makes them; read again when it changes.",
      discussion: "Without it everybody on this machine may log in under any name; with it nobody without a password."
    )
  )
  var passwords: String?
  @Option(help: "Name of the cluster's one database, as PostgreSQL's clients give it; the same at every coordinator.") var database:
    String =
      setting("TALLY_DATABASE") ?? "tally"
  @Option(help: "File of the certificate chain for TLS, PEM; read again when it changes.") var sqlCertificate: String?
  @Option(help: "File of its private key, PEM, readable by its owner only.") var sqlKey: String?
  @Option(help: "PostgreSQL's clients that may be logged in at once; more get 53300. Also TALLY_SQL_CONNECTIONS.")
  var sqlConnections: String = setting("TALLY_SQL_CONNECTIONS") ?? "1000"
  @Option(
    help: ArgumentHelp(
      "Memory of results that wait for PostgreSQL's clients to read them, for example 1GiB. Also TALLY_SQL_RESULTS.",
      discussion: "One query's result is at most 256 MiB; those above the bound together get 53200."
    )
  )
  var sqlResults: String = setting("TALLY_SQL_RESULTS") ?? "1GiB"
  @Option(help: "Copies of a new table's shards, 1 to 5, or auto: 1 with one worker, 2 with more.") var copies: String =
    setting("TALLY_COPIES") ?? "auto"
  @Option(
    help: """
      Seconds after which a worker that is down is dead: its copies are made elsewhere; temporary tables of a coordinator that is down are \
      dropped.
      """
  )
  var deadAfter: String =
    setting("TALLY_DEAD_AFTER") ?? "600"
  @Flag(name: .customLong("init"), help: "Makes a new cluster in an empty data directory, or joins the one of --peers.")
  var initializes = false
  @Option(
    help: ArgumentHelp(
      "All coordinators, this one included, as name=host:port,…; the same list everywhere. Also TALLY_PEERS.",
      discussion: "The first one founds the cluster, the others join it. Without it this coordinator is alone."
    )
  )
  var peers: String = setting("TALLY_PEERS") ?? ""
  @Flag(help: "Accepts a data directory on tmpfs or a network file system: for tests. Also TALLY_ALLOW_VOLATILE=1.")
  var allowVolatile = false

  func run() throws {
    guard let data = data ?? setting("TALLY_DATA") else { throw ValidationError("--data (or TALLY_DATA) is missing") }
    var settings = CoordinatorSettings(name: name, listen: try loopback(listen), initializes: initializes)
    settings.peers = try peers.split(separator: ",").map { text in
      guard let peer = CoordinatorPeer(String(text)) else { throw ValidationError("\"\(text)\" is not of the form name=host:port") }
      return peer
    }
    settings.allowsVolatile = allowVolatile || setting("TALLY_ALLOW_VOLATILE") == "1"
    guard let number = copies == "auto" ? 0 : Int(copies).flatMap({ (1...5).contains($0) ? $0 : nil }) else {
      throw ValidationError("--copies \"\(copies)\" is neither auto nor a number from 1 to 5")
    }
    settings.copies = number
    guard let seconds = Int(deadAfter), (1...86_400_000).contains(seconds) else {
      throw ValidationError("--dead-after \"\(deadAfter)\" is not a number of seconds")
    }
    settings.deadAfter = .seconds(seconds)
    var fronts: [any CoordinatorFront] = []
    if sqlListen != "off" { fronts.append(PostgresFront(try front())) }
    let status = ProcessMain.run(node: name, directory: data) { [settings, fronts] surroundings, stop in
      try await Coordinator.run(surroundings, settings, stop: stop, fronts: fronts)
    }
    if status != 0 { throw ExitCode(status) }
  }
}

extension RunCommand {
  /// The settings of the listener for PostgreSQL's clients.
  private func front() throws -> PostgresFrontSettings {
    guard let address = NetworkAddress(sqlListen) else { throw ValidationError("\"\(sqlListen)\" is not of the form host:port") }
    var front = PostgresFrontSettings(listen: address)
    front.database = database
    guard let connections = Int(sqlConnections), (1...100_000).contains(connections) else {
      throw ValidationError("--sql-connections \"\(sqlConnections)\" is not a number of connections")
    }
    front.connectionsMax = connections
    front.resultBytesMax = try bytes(sqlResults)
    if let path = passwords ?? setting("TALLY_PASSWORDS") { front.passwords = NamedFiles([OperatorFile(path, isSecret: true)]) }
    switch (sqlCertificate ?? setting("TALLY_SQL_CERTIFICATE"), sqlKey ?? setting("TALLY_SQL_KEY")) {
    case (let certificate?, let key?):
      front.certificate = NamedFiles([OperatorFile(certificate, isSecret: false), OperatorFile(key, isSecret: true)])
    case (nil, nil): break
    default: throw ValidationError("--sql-certificate and --sql-key belong together")
    }
    return front
  }
}

/// Files that the operator named.
private struct NamedFiles: WatchedFiles {
  private let files: [OperatorFile]
  init(_ files: [OperatorFile]) { self.files = files }
  func version() throws(TallyError) -> [Int64] {
    var version: [Int64] = []
    for file in files { version += try file.version() }
    return version
  }
  func read() throws(TallyError) -> [[UInt8]] {
    var bytes: [[UInt8]] = []
    for file in files { bytes.append(try file.read()) }
    return bytes
  }
}

/// An environment variable's text, unless it is empty.
func setting(_ name: String) -> String? { getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 } }

/// Parses an address and refuses those that others could reach: there is no authentication yet.
func loopback(_ text: String) throws -> NetworkAddress {
  guard let address = NetworkAddress(text) else { throw ValidationError("\"\(text)\" is not of the form host:port") }
  guard address.isLoopback else {
    throw ValidationError("refusing to listen on \(text): this version has no authentication and binds loopback addresses only")
  }
  return address
}

/// Parses a size with a unit: MiB or GiB.
func bytes(_ text: String) throws -> Int {
  for (unit, factor) in [("MiB", 1 << 20), ("GiB", 1 << 30)] where text.hasSuffix(unit) {
    if let value = Int(text.dropLast(unit.count)), (1...1 << 20).contains(value) { return value * factor }
  }
  throw ValidationError("\"\(text)\" is not a size such as 512MiB or 2GiB")
}
