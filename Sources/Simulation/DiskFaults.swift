// DiskFaults.swift — disks that fail, rot, lie and dawdle: which kinds a seed has, and what strikes during a run.
//
// Fault atlas: what strikes a copy's data (rot, lost and misdirected writes, failing reads) strikes one worker at a time, only while
// every shard has all its copies in sync, and nothing else happens until all are whole again: so one good copy of everything is always
// left, and being whole again within a minute is a law. A rotten file is forgotten once it is gone or whole; what no check covers
// (padding) does not count. Slow and stalled disks strike at any time, coordinators' too.
import Capabilities
import Model
import Storage
import WorkerNode

/// What may happen to a disk.
enum DiskFault: CaseIterable, Sendable {
  /// A bit of a closed file flips.
  case rot
  /// A block of a closed file is as it was before it was written: zeros.
  case lostWrite
  /// A block of a closed file holds what belongs elsewhere.
  case misdirectedWrite
  /// One of the next reads fails.
  case readError
  /// One of the next writes fails; if a sync does, the machine goes down.
  case writeError
  /// Every operation takes up to a second for a while.
  case slow
  /// Nothing moves for half a minute.
  case stalled
  /// Nothing more fits on it for some seconds.
  case full

  var spoilsData: Bool { ![.slow, .stalled, .full].contains(self) }
}

/// The kinds of a seed: swarm testing, each on or off.
struct DiskFaults: Sendable {
  let kinds: [DiskFault]
  init(_ random: SeededGenerator, copies: Int) {
    let isAny = random.chance(percent: 50)
    let drawn = DiskFault.allCases.filter { _ in random.chance(percent: 40) }
    kinds = isAny ? drawn.filter { copies > 1 || !$0.spoilsData } : []
  }
  /// Scrubs come often enough that rot is found while the run waits for it.
  func tune(_ settings: inout WorkerSettings) {
    guard kinds.contains(where: \.spoilsData) else { return }
    settings.scrubPeriod = 3_000_000
    settings.scrubLook = .seconds(1)
  }
}

/// Bytes of a file that are not what was written.
struct RottenPlace {
  let path: String
  let offset: Int
  let bytes: [UInt8]
}

extension SimulatedDisk {
  /// All files below a directory, by path.
  private func files(below directory: String) throws -> [String] {
    try look { state in
      func walk(_ path: String) throws -> [String] {
        try state.tree.list(path).flatMap { entry in
          let inner = path + "/" + entry.name
          return entry.isDirectory ? try walk(inner) : [inner]
        }
      }
      return try walk(directory)
    }
  }
  /// Files that nothing writes to any more: all of the shards', and the journal's but the one written to and the one prepared.
  func closedFiles() throws -> [String] {
    let journal = try files(below: "wal").filter { $0.hasSuffix(".journal") }
    return try files(below: "shards").filter { !$0.hasSuffix(".tmp") } + journal.dropLast(2)
  }
  /// Spoils a place of a closed file; nil when that would change nothing that a check covers.
  func spoil(_ path: String, _ kind: DiskFault, _ random: SeededGenerator, from other: String) throws -> RottenPlace? {
    try look { state in
      let node = try state.tree.file(path)
      guard !node.content.isEmpty, node.pending.isEmpty else { return nil }
      let at = Int(random.next(below: UInt64(node.content.count)))
      let block = at / 4096 * 4096
      let end = min(node.content.count, block + 4096)
      var bytes: [UInt8]
      var offset = block
      switch kind {
      case .lostWrite: bytes = [UInt8](repeating: 0, count: end - block)
      case .misdirectedWrite:
        let source = try state.tree.file(other).content
        bytes = Array(source.prefix(end - block))
      default:
        offset = at
        bytes = [node.content[at] ^ (1 << UInt8(random.next(below: 8)))]
      }
      let before = Array(node.content[offset..<offset + bytes.count])
      guard bytes != before else { return nil }
      node.content.replaceSubrange(offset..<offset + bytes.count, with: bytes)
      if path.hasSuffix(".seg"), Self.isSound(node.content) {
        node.content.replaceSubrange(offset..<offset + before.count, with: before)
        return nil
      }
      return RottenPlace(path: path, offset: offset, bytes: bytes)
    }
  }
  private static func isSound(_ content: [UInt8]) -> Bool {
    do {
      try SegmentReader.verify(image: FileImage(copying: content))
      return true
    } catch { return false }
  }
  /// Whether a rotten place is still there.
  func holds(_ place: RottenPlace) throws -> Bool {
    do {
      return try look { state in
        let content = try state.tree.file(place.path).content
        return content.count >= place.offset + place.bytes.count
          && Array(content[place.offset..<place.offset + place.bytes.count]) == place.bytes
      }
    } catch is DiskFailure { return false }
  }
}

extension ClusterRun {
  /// How long a copy may take to be whole again.
  static let repairMax = Duration.seconds(60)

  /// Has one disk fail in one of the seed's ways.
  func strikeDisk(_ random: SeededGenerator) async throws {
    let kind = diskFaults.kinds[Int(random.next(below: UInt64(diskFaults.kinds.count)))]
    if kind.spoilsData { return try await spoilData(kind, random) }
    // A coordinator that cannot write ends.
    let targets = kind == .full ? Array(cluster.workers) : cluster.servers
    let target = targets[Int(random.next(below: UInt64(targets.count)))]
    guard target.node.isUp else { return }
    note("disk-fault", "\(target.node.name) \(kind)")
    count("disk \(kind)")
    if kind == .full {
      target.node.disk.fill(for: .milliseconds(Int64(random.next(in: 500...15_000))))
    } else if kind == .slow {
      target.node.disk.slow(for: .seconds(Int64(random.next(in: 1...6))), by: 1_000_000...1_000_000_000)
    } else {
      target.node.disk.slow(for: .milliseconds(200), by: 30_000_000_000...30_000_000_000)
    }
  }
  private func spoilData(_ kind: DiskFault, _ random: SeededGenerator) async throws {
    let workers = Array(cluster.workers)
    let victim = workers[Int(random.next(below: UInt64(workers.count)))]
    guard lasting == 0, try await isWhole(), workers.allSatisfy({ $0.node.isUp && !$0.isFinished }) else { return }
    let disk = victim.node.disk
    var place: RottenPlace?
    switch kind {
    case .readError: disk.failRead(after: random.next(below: 12), .io)
    case .writeError: disk.fail(operation: disk.operations + 1 + random.next(below: 20), .io)
    default:
      let files = try disk.closedFiles()
      guard !files.isEmpty else { return }
      let (at, other) = (random.next(below: UInt64(files.count)), random.next(below: UInt64(files.count)))
      place = try disk.spoil(files[Int(at)], kind, random, from: files[Int(other)])
      guard let place else { return }
      rotted.insert(victim.node.name)
      note("rot", "\(victim.node.name) \(place.path) at \(place.offset), \(place.bytes.count) bytes")
    }
    note("disk-fault", "\(victim.node.name) \(kind)")
    count("disk \(kind)")
    victim.excusesDiskFailures = true
    defer {
      // One that has not come by now strikes nobody later, when it would not be alone.
      victim.node.disk.forgetFailures()
      victim.excusesDiskFailures = false
    }
    // Manifests and the like are read at a start only.
    let isReadWhileItRuns = place.map { $0.path.hasSuffix(".seg") || $0.path.hasSuffix(".journal") } ?? true
    if !isReadWhileItRuns || random.chance(percent: 40) {
      try await world.clock.sleep(for: .milliseconds(Int64(random.next(below: 3000))))
      victim.fail(random.chance(percent: 50) ? .power : .kill, pause: .milliseconds(100), operations: 0)
    }
    // Scrubs have come by twice then.
    try await world.clock.sleep(for: .seconds(10))
    let limit = world.clock.now + Self.repairMax
    var isRestarted = false
    while world.clock.now < limit {
      let isRotten = try place.map { victim.node.isUp && $0.path.hasSuffix(".seg") ? try victim.node.disk.holds($0) : false } ?? false
      if !isRotten, victim.node.isUp, try await isWhole() { return }
      if isRotten, !isRestarted, limit - world.clock.now < Self.repairMax / 2 {
        // Perhaps nothing names that file (it was made for an entry that was not written): a start removes it.
        isRestarted = true
        victim.fail(.kill, pause: .milliseconds(100), operations: 0)
      }
      try await world.clock.sleep(for: .milliseconds(200))
    }
    ledger.violated("\(victim.node.name) was not whole again a minute after \(kind)" + (place.map { " in \($0.path)" } ?? ""))
  }
  /// Whether every shard has all its copies in sync.
  private func isWhole() async throws -> Bool {
    guard let catalog = try await catalog(), !catalog.shards.isEmpty else { return false }
    return catalog.shards.allSatisfy { $0.inSync.count >= workload.copiesInSync }
  }
}
