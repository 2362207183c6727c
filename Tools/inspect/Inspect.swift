// Inspect.swift — the program `inspect`: prints what the data directory of a stopped node holds. Reads only.
import ArgumentParser
import Bytes
import Capabilities
import Glibc
import Model
import NodeRuntime
import Storage

@main struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Prints whose a data directory is, its journal files, and each shard's state, files, sections and rollups.",
    discussion: "Changes nothing. The node should be stopped: what it writes meanwhile may show as unfinished. Exits with 1 on faults."
  )
  @Argument(help: "A node's data directory.") var directory: String

  func run() throws {
    guard access(directory + "/IDENTITY", R_OK) == 0 else {
      throw ValidationError("\(directory) has no readable IDENTITY: it is not a node's data directory, or it is empty")
    }
    let disk = try PosixDisk(root: directory)
    let loop = UVLoop()
    defer {
      loop.stop()
      disk.stop()
    }
    let report = try loop.runBlocking { try await DataDirectoryReport.read(disk) }
    if let identity = report.identity {
      print("cluster \(identity.cluster), node \(identity.node), \(identity.role) \"\(identity.name)\"")
    }
    for file in report.journal { show(file) }
    for shard in report.shards { show(shard) }
    let faults = report.journal.reduce(0) { $0 + $1.faults.count } + report.shards.reduce(0) { $0 + $1.faults.count }
    if faults > 0 {
      print("\(faults) faults")
      throw ExitCode(1)
    }
  }
  private func show(_ file: JournalFileReport) {
    print("\(file.path): \(file.bytes) bytes, \(file.groups) groups")
    for (shard, first, last, records) in file.positions { print("  shard \(shard): \(records) entries, \(first) to \(last)") }
    for fault in file.faults { print("  FAULT: \(fault)") }
  }
  private func show(_ shard: ShardDirectoryReport) {
    let state = shard.checkpoint
    print(
      "shard \(shard.shard): manifest \(shard.manifest), checkpoint at position \(state.position), epoch \(state.epoch), "
        + "layout at position \(shard.layoutPosition), \(shard.files.count) files"
    )
    for table in state.schema.tables {
      print("  table \(table.id) \(table.name): \(state.rowsLogged[table.id] ?? 0) rows logged")
    }
    for rollup in state.schema.rollups {
      guard let progress = state.rollups[rollup.id] else { continue }
      let backfill = progress.isBackfilled ? "backfilled" : "covered from \(progress.coveredFrom)"
      print(
        "  rollup \(rollup.id) \(rollup.name): watermark \(progress.watermark), cut \(progress.cut), \(backfill), "
          + "\(progress.rowsConsumed) rows taken in"
      )
    }
    if state.dedup.sessionCount + state.ids.count > 0 {
      print("  batch keys: \(state.dedup.sessionCount) sessions, \(state.ids.count) ids in \(state.ids.bytes) bytes")
    }
    for mark in state.tenants.all {
      // Who it was is not printed: what a directory holds is shown to others.
      let rest = mark.isErased ? "in no file" : "\(mark.sectionsLeft.count) of \(mark.sectionsNamed) sections still hold it"
      print("  tenant deletion \(mark.number): at position \(mark.position), \(rest)")
    }
    for (file, dropped) in shard.files {
      print("  file \(file.number): \(file.bytes) bytes, hash \(file.hash)")
      for (at, section) in file.sections.enumerated() {
        print(
          "    section \(at): relation \(section.relation), \(section.slice), \(section.rows) rows, positions \(section.low) to "
            + "\(section.high), \(section.bytes) bytes\(dropped.contains(at) ? ", dropped" : "")"
        )
      }
    }
    for fault in shard.faults { print("  FAULT: \(fault)") }
  }
}
