// ListCommands.swift — `tally status`, `node list|remove`, `shard list|losses|force-primary`, `table list`, `rollup list|refresh`,
// `statement list`.
import ArgumentParser
import TallyClient

/// What every listing takes.
struct ListOptions: ParsableArguments {
  @OptionGroup var connection: ConnectionOptions
  @Option(help: "table, csv or json (one object a line).") var format = OutputFormat.table

  func show(_ kind: ListKind) async throws {
    try await reporting {
      let rows = try await TallyClient.with(try connection.resolved()) { client in
        try await client.list(kind)
      }
      tally.show(rows, as: format)
    }
  }
}

struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "The cluster's health on one screen; exit code 3 when a node or shard is down."
  )
  @OptionGroup var options: ListOptions
  func run() async throws {
    try await reporting {
      let (status, nodes) = try await TallyClient.with(try options.connection.resolved()) {
        client in
        (try await client.list(.status), try await client.list(.nodes))
      }
      show(status, as: options.format)
      if options.format == .table { show(nodes, as: options.format) }
      let isHealthy = nodes.textRows().allSatisfy { $0.count > 2 && $0[2] == "up" }
      if !isHealthy { throw ExitCode(ExitStatus.degraded) }
    }
  }
}

struct NodeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "node",
    abstract: "The cluster's nodes.",
    subcommands: [List.self, Remove.self]
  )
  struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Takes a coordinator out of the group for good; from three to one in two orders.",
      discussion: """
        Refused when too few of those that stay are up. Stop it afterwards, and leave it out of --peers and --coordinators of the others \
        when they start next; with an empty data directory and --init it can join again.
        """
    )
    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "Name of the coordinator.") var node: String
    func run() async throws {
      try await reporting {
        try await TallyClient.with(try connection.resolved()) { client in
          try await client.removeCoordinator(node, deadline: .seconds(30))
        }
        print("\(node) is no coordinator of the cluster any more")
      }
    }
  }
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists nodes with their state and load."
    )
    @OptionGroup var options: ListOptions
    func run() async throws { try await options.show(.nodes) }
  }
}

struct ShardCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shard",
    abstract: "The cluster's shards.",
    subcommands: [List.self, Losses.self, Force.self]
  )
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists shards with their primary, epoch, rows and bytes."
    )
    @OptionGroup var options: ListOptions
    func run() async throws { try await options.show(.shards) }
  }
  struct Losses: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists what operators gave up, by force-primary or salvage."
    )
    @OptionGroup var options: ListOptions
    func run() async throws { try await options.show(.losses) }
  }
  struct Force: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "force-primary",
      abstract: "Makes an old copy lead a shard whose other copies are gone for good. Acknowledged rows may be lost.",
      discussion: "Refused while a copy that counts is up. Without --yes it only says what would be lost."
    )
    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "Number of the shard (tally shard list).") var shard: UInt64
    @Option(help: "The worker whose copy shall lead.") var node: String
    @Option(help: "Why; it is kept.") var reason = ""
    @Flag(help: "Does it.") var yes = false
    func run() async throws {
      try await reporting {
        try await TallyClient.with(try connection.resolved()) { client in
          try await client.forcePrimary(shard: shard, node: node, reason: reason, isCertain: yes, deadline: .seconds(30))
        }
        print("\(node) leads shard \(shard); tally shard losses keeps it in mind")
      }
    }
  }
}

struct TableCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "table",
    abstract: "The cluster's tables.",
    subcommands: [List.self]
  )
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists tables with their tenant key and shards."
    )
    @OptionGroup var options: ListOptions
    func run() async throws { try await options.show(.tables) }
  }
}

struct RollupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rollup",
    abstract: "The cluster's rollups.",
    subcommands: [List.self, Refresh.self]
  )
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists rollups with their levels and lag."
    )
    @OptionGroup var options: ListOptions
    func run() async throws { try await options.show(.rollups) }
  }
  struct Refresh: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Returns when the rollup has taken in every row acknowledged before."
    )
    @OptionGroup var connection: ConnectionOptions
    @Argument(help: "Name of the rollup.") var name: String
    @Option(help: "Seconds to wait.") var timeout = 600.0
    func run() async throws {
      try await reporting {
        try await TallyClient.with(try connection.resolved()) { client in
          try await client.refreshRollup(name, deadline: .seconds(timeout))
        }
      }
    }
  }
}

struct StatementCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "statement",
    abstract: "Statements over several shards.",
    subcommands: [List.self]
  )
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists statements that have not ended, a row for each of their shards."
    )
    @OptionGroup var options: ListOptions
    func run() async throws { try await options.show(.statements) }
  }
}
