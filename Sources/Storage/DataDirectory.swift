// DataDirectory.swift — whose data directory this is, and the right to use it.
//
//   IDENTITY    text, written once, durable before anything else: see `encode`
//   LOCK        held while the process lives
//   wal/        the journal          shards/<number>/   one replica each
//   meta/       a node's own records tmp/               scratch; emptied at start
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
      let names = try await disk.list("").map(\.name).filter { $0 != lockPath && $0 != identityPath + ".tmp" }
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
