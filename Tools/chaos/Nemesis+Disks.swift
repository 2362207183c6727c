// Nemesis+Disks.swift — faults of disks: a full volume, a flipped bit, a lost directory.
//
// Data are destroyed only of a node that is down and that nobody needs: every shard is served by another node, which took over while the
// in-sync set was whole. So nothing acknowledged may be lost, whatever else happens.
import Foundation
import Launcher
import TallyClient

extension Nemesis {
  func fillVolume(_ chance: inout Chance) async throws {
    guard let volume = cluster.volume, take(1, of: [volume.worker], &chance) != nil else { return }
    defer { giveBack([volume.worker]) }
    let time = chance.milliseconds(1000...6000)
    begin(.full, "the volume of \(volume.worker) is full for \(time)")
    run.gaps.hit([volume.worker], "volume full 1-6 s")
    // It goes on: it refuses rows, and with room again it takes them. A worker that ends is found by the watch over all nodes.
    defer { volume.free() }
    try await blocking { try volume.fill() }
    try await Task.sleep(for: time)
    volume.free()
    if try await !cluster.waitReady(volume.worker, seconds: 60) {
      run.ledger.violated("\(volume.worker) does not answer 60 s after its volume had room again")
    }
  }

  func destroy(_ kind: FaultKind, _ chance: inout Chance) async throws {
    // Only one at a time, and only when all copies are there.
    guard let guardian = take(1, of: ["destruction"], &chance) else { return }
    defer { giveBack(guardian) }
    // While rot may lie unfound on one worker, the other copies of what it holds are the only good ones. The small volume's worker keeps
    // its mount; wiping empties it as well.
    let rotten = try cluster.unscrubbed()
    guard let victims = take(1, of: rotten.isEmpty ? cluster.workers : rotten, &chance) else { return }
    defer { giveBack(victims) }
    let victim = victims[0]
    guard try await cluster.waitWhole(run.url, copies: run.settings.copies, seconds: 10) == nil else { return }
    begin(kind, "\(kind.rawValue) \(victim)")
    run.gaps.hit(victims, "kill, until others serve")
    try await cluster.kill(victims)
    if try await othersServeAll(without: victim, seconds: 8) {
      switch kind {
      case .wipe:
        try await blocking { [cluster] in try cluster.processes.wipe(victim) }
        run.figures.count("directories wiped")
      default: try flip(victim, &chance)
      }
    } else {
      run.figures.count("faults left out: others did not take over in time")
    }
    try await start(victims)
    if let missing = try await cluster.waitWhole(run.url, copies: run.settings.copies, seconds: 60) {
      // Other faults may be at work; what is still missing at the end is a violation there.
      run.say("\(victim) is not whole again after 60 s: \(missing)")
    }
  }
  /// Waits until no shard is led by the victim and all are served.
  private func othersServeAll(without victim: String, seconds: Double) async throws -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < end && !run.isStopping {
      do {
        let shards = try await TallyClient.with(run.url) { try await ShardState.list($0) }
        if !shards.isEmpty && shards.allSatisfy({ $0.primary != victim && $0.state == "serving" }) { return true }
      } catch let error as TallyError where error.isRetryable {}
      try await Task.sleep(for: .milliseconds(100))
    }
    return false
  }
  /// Flips one bit of one of a node's files, and makes its next scrub due: a week is longer than the run.
  private func flip(_ node: String, _ chance: inout Chance) throws {
    let directory = cluster.layout.dataDirectory(try cluster.layout.node(node))
    var files: [(path: String, size: Int)] = []
    guard let all = FileManager.default.enumerator(atPath: directory) else { return }
    for case let name as String in all {
      let attributes = try FileManager.default.attributesOfItem(atPath: directory + "/" + name)
      let size = (attributes[.size] as? NSNumber)?.intValue ?? 0
      // Segments and journal: what holds rows. Identity and the like are an operator's to restore.
      guard attributes[.type] as? FileAttributeType == .typeRegular, size > 4096 else { continue }
      if name.contains("segment") || name.contains("journal") || name.hasSuffix(".seg") { files.append((directory + "/" + name, size)) }
    }
    files.sort { $0.path < $1.path }
    guard let file = chance.pick(files) else { return }
    let at = UInt64(chance.below(file.size))
    let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file.path))
    defer { handle.closeFile() }
    try handle.seek(toOffset: at)
    guard let byte = try handle.read(upToCount: 1)?.first else { return }
    try handle.seek(toOffset: at)
    try handle.write(contentsOf: Data([byte ^ (1 << UInt8(chance.below(8)))]))
    run.say("a bit of \(file.path.dropFirst(directory.count - node.count)) at byte \(at) of \(file.size) flipped")
    run.figures.count("bits flipped")
    try cluster.makeScrubDue(node)
  }
}
