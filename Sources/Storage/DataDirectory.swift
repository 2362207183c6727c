// DataDirectory.swift — whose data directory this is, and the right to use it.
//
//   IDENTITY    text, written once, durable before anything else: see `encode`
//   LOCK        held while the process lives
//   wal/        the journal          shards/<number>/   one replica each
//   meta/       a node's own records tmp/               scratch; emptied at start
//   quarantine/ files that failed their hashes and were replaced (Quarantine.swift)
//   salvaged/   files that an operator gave up (Salvage.swift)
//   reserve     room kept back (DiskSpace.swift)
//   sync-failures   marks of failed syncs (Capabilities)
//
// A directory of another cluster, node, role or of a newer format is refused, and so is one in use or one that holds other
// things (rules D1, D15, D18). Nothing is ever deleted here but what lies in tmp/.
import Bytes
public import Capabilities
public import Model

/// A node's data directory, locked.
public struct DataDirectory: Sendable {
  /// What IDENTITY says.
  public struct Identity: Equatable, Sendable {
    /// Cluster.
    public var cluster: ClusterID
    /// Node.
    public var node: NodeID
    /// `worker-1`, …
    public var name: String
    /// Role.
    public var role: NodeRecord.Role
    /// Makes an identity.
    public init(cluster: ClusterID, node: NodeID, name: String, role: NodeRecord.Role) {
      self.cluster = cluster
      self.node = node
      self.name = name
      self.role = role
    }
  }
  static let version = 1
  static let identityPath = "IDENTITY"
  static let lockPath = "LOCK"
  static let parts = ["meta", "shards", "tmp", "wal"]
  /// Who the directory belongs to.
  public let identity: Identity
  /// Keep it while the directory is in use.
  public let lock: any DiskLock

  /// Locks a directory and reads whose it is; nil identity when it is empty and nobody's yet.
  public static func lock(disk: any Disk) async throws -> (lock: any DiskLock, identity: Identity?) {
    let lock: any DiskLock
    do { lock = try await disk.lock(lockPath) } catch let failure as DiskFailure where failure.kind == .locked {
      throw TallyError(
        .unavailable,
        "the data directory is in use by another process",
        sqlState: "55006",
        detail: failure.message,
        hint: "Stop the other process, or choose another directory."
      )
    }
    do {
      let names = try await disk.list("").map(\.name).filter { ![lockPath, identityPath + ".tmp", SyncFailures.path].contains($0) }
      if names.contains(identityPath) { return (lock, try decode(try await disk.readAll(identityPath))) }
      // Directories of ours may stand there from a creation that was not finished, but nothing in them.
      for name in names {
        let isOurs = parts.contains(name)
        if isOurs, try await disk.list(name).isEmpty { continue }
        throw TallyError(
          .invalid,
          "the data directory is not empty and has no \(identityPath)",
          sqlState: "55000",
          detail: "it contains \(name)",
          hint: "Choose an empty directory."
        )
      }
      return (lock, nil)
    } catch {
      lock.release()
      throw error
    }
  }
  /// Refuses a directory that others can change, a volume that forgets or lies elsewhere (unless `allowVolatile`), and one without
  /// room (rule D15).
  public static func checkVolume(disk: any Disk, allowVolatile: Bool, needsRoom: Bool = true) async throws {
    let facts = try await disk.volume()
    func refuse(_ message: String, _ hint: String) -> TallyError { TallyError(.invalid, message, sqlState: "55000", hint: hint) }
    guard facts.isOwn else {
      throw refuse("the data directory belongs to another user", "Run the node as its owner, or chown the directory.")
    }
    guard facts.mode & 0o022 == 0 else {
      throw refuse(
        "others may write into the data directory (mode \(String(facts.mode, radix: 8)))",
        "chmod 700 makes it the owner's alone."
      )
    }
    guard allowVolatile || !facts.isVolatile else {
      throw refuse(
        "the data directory lies on \(facts.fileSystem), which forgets everything when the machine stops",
        "Choose a directory on a disk, or say --allow-volatile for a test."
      )
    }
    guard allowVolatile || !facts.isRemote else {
      throw refuse(
        "the data directory lies on \(facts.fileSystem), where syncs and locks cannot be relied on",
        "Choose a directory on a local disk, or say --allow-volatile for a test."
      )
    }
    let reserve = DiskReserve.bytes(of: facts)
    guard !needsRoom || facts.freeBytes >= reserve else {
      throw TallyError(
        .diskFull,
        "the volume has \(facts.freeBytes) bytes left, less than the reserve of \(reserve)",
        hint: "Make room on the volume of the data directory."
      )
    }
  }
  /// Reads the marks of failed syncs. Throws when the disk is taken for broken.
  public static func syncFailures(disk: any Disk) async throws -> SyncFailures {
    let marks: SyncFailures
    do {
      marks = SyncFailures(String(decoding: try await disk.readAll(SyncFailures.path), as: UTF8.self))
    } catch let failure as DiskFailure where failure.kind == .notFound { return SyncFailures("") }
    guard !marks.isBroken else {
      throw TallyError(
        .dataDamaged,
        "two syncs failed within ten minutes: the disk is taken for broken",
        detail: "the failures stand in \(SyncFailures.path)",
        hint: "Replace the disk; to start on this one all the same, remove \(SyncFailures.path)."
      )
    }
    return marks
  }
  /// Drops what the system holds of the files in memory: what is read next is what the device has (rule D8).
  public static func dropCached(disk: any Disk, below directory: String = "") async throws {
    for entry in try await disk.list(directory) {
      let path = directory.isEmpty ? entry.name : directory + "/" + entry.name
      if entry.isDirectory { try await dropCached(disk: disk, below: path) } else { try await disk.dropCached(path) }
    }
  }
  /// Notes that everything was read back and found whole.
  public static func noteVerified(disk: any Disk, at time: Int64) async throws {
    let known = try await disk.readAll(SyncFailures.path)
    try await disk.writeDurably(SyncFailures.path, [known, SyncFailures.verifiedLine(at: time)])
  }
  /// Opens a directory for `identity`: an empty one becomes its own, another's is refused.
  public static func open(disk: any Disk, identity: Identity) async throws -> DataDirectory {
    let (lock, found) = try await lock(disk: disk)
    do { try await adopt(disk: disk, found: found, identity: identity) } catch {
      lock.release()
      throw error
    }
    return DataDirectory(identity: identity, lock: lock)
  }
  /// Makes a locked directory that belongs to `found` ready for `identity`.
  public static func adopt(disk: any Disk, found: Identity?, identity: Identity) async throws {
    if let found {
      try check(found, identity)
    } else {
      for part in parts { try await disk.createDirectory(part) }
      try await disk.syncDirectory("")
      try await disk.writeDurably(identityPath, [encode(identity)])
    }
    for part in parts { try await disk.createDirectory(part) }
    for entry in try await disk.list("tmp") where !entry.isDirectory { try await disk.remove("tmp/" + entry.name) }
  }
  static func check(_ found: Identity, _ wanted: Identity) throws(TallyError) {
    guard found.cluster == wanted.cluster else {
      throw TallyError(
        .wrongCluster,
        "the data directory belongs to another cluster",
        detail: "it is of \(found.cluster), not \(wanted.cluster)",
        hint: "Choose the directory of this cluster's node, or an empty one."
      )
    }
    guard found.role == wanted.role else {
      throw TallyError(.wrongCluster, "the data directory belongs to a \(found.role), not to a \(wanted.role)")
    }
    guard found.node == wanted.node, found.name == wanted.name else {
      throw TallyError(
        .wrongCluster,
        "the data directory belongs to node \(found.name) (\(found.node)), not to \(wanted.name) (\(wanted.node))"
      )
    }
  }
  /// The bytes of IDENTITY: a line `tally data directory, format <n>`, then `cluster`, `node`, `name`, `role` with their values, and
  /// `checksum` with the CRC32C in hexadecimal of all before it.
  static func encode(_ identity: Identity) -> [UInt8] {
    var text = "tally data directory, format \(version)\n"
    text += "cluster \(identity.cluster)\nnode \(identity.node)\nname \(identity.name)\nrole \(identity.role)\n"
    let checksum = String(CRC32C.checksum(Array(text.utf8)), radix: 16)
    return Array((text + "checksum " + checksum + "\n").utf8)
  }
  static func decode(_ bytes: [UInt8]) throws(TallyError) -> Identity {
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    func damaged(_ what: String) -> TallyError {
      TallyError(.dataDamaged, "\(identityPath) of the data directory cannot be read", detail: what)
    }
    let title = "tally data directory, format "
    guard let first = lines.first, first.hasPrefix(title), let format = Int(first.dropFirst(title.count)) else {
      throw damaged("its first line is not ours")
    }
    guard format <= version else {
      throw TallyError(
        .unsupported,
        "the data directory has format \(format), this version reads up to \(version)",
        sqlState: "0A000",
        hint: "Start the newer version that wrote it."
      )
    }
    func value(_ line: Int, _ key: String) throws(TallyError) -> String {
      guard lines.indices.contains(line), lines[line].hasPrefix(key + " ") else { throw damaged("no \(key)") }
      return String(lines[line].dropFirst(key.utf8.count + 1))
    }
    let role: NodeRecord.Role
    switch try value(4, "role") {
    case "worker": role = .worker
    case "coordinator": role = .coordinator
    default: throw damaged("an unknown role")
    }
    guard let cluster = ClusterID(try value(1, "cluster")), let node = UInt64(try value(2, "node")) else {
      throw damaged("no cluster or node number")
    }
    let identity = Identity(cluster: cluster, node: NodeID(node), name: try value(3, "name"), role: role)
    guard encode(identity) == bytes else { throw damaged("its checksum does not hold") }
    return identity
  }
}
