// TenantCommand.swift — `tally tenant delete` and `tally tenant receipt`.
import ArgumentParser
import Foundation
import TallyClient

/// Which tenant.
struct TenantOptions: ParsableArguments {
  @OptionGroup var connection: ConnectionOptions
  @Argument(help: "The tenant key, as it stands in the tables.") var tenant: String
  @Option(help: "A table of the tenant's group; needed where there are several groups.") var table: String?
  @Option(help: "table, csv or json (one object a line).") var format = OutputFormat.table
  @Option(help: "Seconds to wait.") var timeout = 600.0
}

struct TenantCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tenant",
    abstract: "Single tenants.",
    subcommands: [Delete.self, Receipt.self]
  )

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Deletes a tenant from every table and rollup of its group, for good, and prints the receipt.",
      discussion: """
        When the receipt says "deleted" nothing of the tenant that was acknowledged before is visible any more. Copies then rewrite
        their files and let go of their journals by themselves; --wait returns once every copy has.
        """
    )
    @OptionGroup var options: TenantOptions
    @Flag(help: "Does not ask.") var yes = false
    @Flag(help: "Returns once no file of any copy holds the tenant.") var wait = false

    func run() async throws {
      try await reporting {
        if !yes {
          complain("Delete tenant \(options.tenant) from every table and rollup of its group? Rows cannot be brought back. Type yes:")
          guard readLine() == "yes" else {
            complain("Nothing was deleted.")
            throw ExitCode(ExitStatus.failed)
          }
        }
        let (options, wait) = (options, wait)
        try await TallyClient.with(try options.connection.resolved()) { client in
          let end = Date() + options.timeout
          var receipt = try await client.deleteTenant(options.tenant, table: options.table, deadline: .seconds(options.timeout))
          while wait, !receipt.isErased, Date() < end {
            try await Task.sleep(for: .milliseconds(200))
            receipt = try await client.tenantReceipt(options.tenant, table: options.table, deadline: .seconds(options.timeout))
          }
          show(receipt, as: options.format)
          if !receipt.isDeleted || wait && !receipt.isErased { throw ExitCode(ExitStatus.timedOut) }
        }
      }
    }
  }

  struct Receipt: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints the receipt of a tenant's last deletion, as of now.",
      aliases: ["status"]
    )
    @OptionGroup var options: TenantOptions
    func run() async throws {
      try await reporting {
        let receipt = try await TallyClient.with(try options.connection.resolved()) { [options] client in
          try await client.tenantReceipt(options.tenant, table: options.table, deadline: .seconds(options.timeout))
        }
        show(receipt, as: options.format)
      }
    }
  }
}

extension Rows {
  /// Nothing acknowledged before is visible.
  fileprivate var isDeleted: Bool { textRows().contains { $0[0] == "tenant" && $0[2] == "deleted" } }
  /// Nor does any copy keep it in a file.
  fileprivate var isErased: Bool { isDeleted && textRows().filter { $0[0] == "copy" }.allSatisfy { $0[2] == "erased" } }
}
