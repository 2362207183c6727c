// GroupDisk.swift — a coordinator's vote file and command log on its disk: opening them, appending, rewriting.
//
//   meta/vote         which member this directory is, its term and vote: Consensus/VoteFormat.swift; replaced by rename
//   meta/catalog.log  the command log: Consensus/CommandRecord.swift; appended to, replaced by rename when it begins with another snapshot
// The vote is durable before entries of its term are. A log of version 1 (one coordinator alone) is taken up as the log of a group of one.
import Bytes
import Capabilities
import Consensus
import Model

/// How a coordinator comes to its log when its directory has none.
enum GroupOrigin: Sendable {
  /// It founds the group, as its only member so far.
  case founding(name: String, address: String)
  /// It was let in as this member and is told everything by the leader.
  case joining(MemberID)
}

/// The durable half of a member of the group.
struct GroupDisk {
  static let logPath = "meta/catalog.log"
  static let votePath = "meta/vote"
  private let surroundings: Surroundings
  private let cluster: ClusterID
  /// Which member the directory is.
  let member: MemberID
  private var file: any DiskFile
  private var length: UInt64

  /// What was found, to begin from.
  struct Found {
    var disk: GroupDisk
    var hard: HardState
    var log: RaftLog
  }

  /// How a directory that was someone's before came to the group; nil when it got no further than its identity.
  static func origin(_ surroundings: Surroundings, cluster: ClusterID, name: String, address: String) async throws -> GroupOrigin? {
    let founding = GroupOrigin.founding(name: name, address: address)
    do {
      if try await surroundings.disk.list("meta").contains(where: { "meta/" + $0.name == logPath }) { return founding }
    } catch let failure as DiskFailure where failure.kind == .notFound { return nil }
    guard let voted = try await member(surroundings.disk, cluster: cluster) else { return nil }
    // Only a founder has a term before it has a log.
    return voted.hard.term > 0 ? founding : .joining(voted.member)
  }
  /// The member that a directory is; nil before it is one.
  static func member(_ disk: any Disk, cluster: ClusterID) async throws -> (member: MemberID, hard: HardState)? {
    let bytes: [UInt8]
    do { bytes = try await disk.readAll(votePath) } catch let failure as DiskFailure where failure.kind == .notFound { return nil }
    let found: (cluster: ClusterID, member: MemberID, state: HardState)
    do { found = try VoteFormat.decode(bytes) } catch { throw damaged("the vote file \(votePath) is damaged: \(error)") }
    guard found.cluster == cluster else {
      throw TallyError(.wrongCluster, "\(votePath) belongs to cluster \(found.cluster), not \(cluster)")
    }
    return (found.member, found.state)
  }
  private static func damaged(_ message: String) -> TallyError {
    TallyError(.dataDamaged, message, hint: "restore the coordinator's data directory from a backup, or let an empty one join the group")
  }

  /// Opens what the directory holds, making it when there is nothing.
  static func open(_ surroundings: Surroundings, cluster: ClusterID, origin: GroupOrigin) async throws -> Found {
    let disk = surroundings.disk
    try await disk.createDirectory("meta")
    try await disk.syncDirectory("")
    var bytes: [UInt8]?
    do { bytes = try await disk.readAll(logPath) } catch let failure as DiskFailure where failure.kind == .notFound {}
    let voted = try await member(disk, cluster: cluster)
    // What a process that was killed wrote may be read and yet not be durable; from here on it counts as durable.
    try await disk.syncDirectory("meta")
    if let bytes {
      let contents: CommandRecordFormat.Contents
      do { contents = try CommandRecordFormat.decode(bytes) } catch { throw damaged("the catalog's log \(logPath) is damaged: \(error)") }
      guard contents.cluster == cluster else {
        throw TallyError(.wrongCluster, "\(logPath) belongs to cluster \(contents.cluster), not \(cluster)")
      }
      if contents.version > 1 {
        guard let voted else { throw damaged("there is a command log but no vote file \(votePath)") }
        return try await take(surroundings, cluster, contents, bytes.count, voted.member, voted.hard)
      }
      if !contents.records.isEmpty { return try await upgrade(surroundings, cluster, contents, voted?.member, origin) }
    }
    return try await begin(surroundings, cluster, voted, origin)
  }

  /// A log of the present version.
  private static func take(
    _ surroundings: Surroundings,
    _ cluster: ClusterID,
    _ contents: CommandRecordFormat.Contents,
    _ size: Int,
    _ member: MemberID,
    _ hard: HardState
  ) async throws -> Found {
    var log = RaftLog(.empty(Members()))
    do {
      for (at, record) in contents.records.enumerated() {
        if record.kind == .snapshot {
          log = RaftLog(
            try SnapshotFormat.decode(record.body, index: record.index, term: record.term, chain: contents.chains[at])
          )
        } else {
          if record.kind == .members { _ = try Members.decode(record.body) }
          log.restore(record)
        }
      }
    } catch { throw damaged("the catalog's log \(logPath) cannot be read: \(error)") }
    guard hard.term >= log.lastTerm else { throw damaged("the vote file is of term \(hard.term), the log of term \(log.lastTerm)") }
    var opened = GroupDisk(surroundings, cluster, member, try await surroundings.disk.open(logPath, .readWrite), UInt64(size))
    try await opened.file.sync()
    if contents.validBytes < size {
      surroundings.log.warning(
        "catalog-tail-cut",
        ("bytes", String(size - contents.validBytes)),
        ("after", String(log.last))
      )
      // A file of its own makes the cut one atomic step.
      try await opened.rewrite(log.snapshot, log.records, chains: log.records.compactMap { log.chain(at: $0.index) })
    }
    return Found(disk: opened, hard: hard, log: log)
  }

  /// A log of version 1: its state becomes the snapshot of a group of one.
  private static func upgrade(
    _ surroundings: Surroundings,
    _ cluster: ClusterID,
    _ contents: CommandRecordFormat.Contents,
    _ known: MemberID?,
    _ origin: GroupOrigin
  ) async throws -> Found {
    guard case .founding(let name, let address) = origin else {
      throw TallyError(.internalError, "a command log of one coordinator in a directory that is to join a group")
    }
    var catalog = Catalog()
    for record in contents.records {
      do {
        switch record.kind {
        case .snapshot: catalog = try CatalogCommandFormat.decodeState(record.body)
        case .command: _ = catalog.apply(try CatalogCommandFormat.decode(record.body), at: record.index)
        case .nothing, .members: break
        }
      } catch { throw damaged("catalog command \(record.index) cannot be read: \(error)") }
    }
    let last = contents.records[contents.records.count - 1]
    let member = known ?? draw(surroundings)
    let hard = HardState(term: last.term)
    let snapshot = RaftSnapshot(
      index: last.index,
      term: last.term,
      chain: contents.chain,
      members: Members([Member(id: member, name: name, address: address, isVoter: true)]),
      state: CatalogCommandFormat.encode(catalog)
    )
    try await surroundings.disk.writeDurably(votePath, [VoteFormat.encode(cluster, member: member, hard)])
    var opened = GroupDisk(surroundings, cluster, member, try await surroundings.disk.open(logPath, .readWrite), 0)
    try await opened.rewrite(snapshot, [], chains: [])
    surroundings.log.info("catalog-log-upgraded", ("index", String(last.index)))
    return Found(disk: opened, hard: hard, log: RaftLog(snapshot))
  }

  /// An empty log: of the founder, whose first entry makes it the only member; or of one that joins.
  private static func begin(
    _ surroundings: Surroundings,
    _ cluster: ClusterID,
    _ voted: (member: MemberID, hard: HardState)?,
    _ origin: GroupOrigin
  ) async throws -> Found {
    var log = RaftLog(.empty(Members()))
    let member: MemberID
    var hard = HardState()
    switch origin {
    case .founding(let name, let address):
      member = voted?.member ?? draw(surroundings)
      hard = HardState(term: 1)
      let members = Members([Member(id: member, name: name, address: address, isVoter: true)])
      log.restore(CommandRecord(index: 1, term: 1, kind: .members, body: members.encoded()))
    case .joining(let id): member = id
    }
    try await surroundings.disk.writeDurably(votePath, [VoteFormat.encode(cluster, member: member, hard)])
    try await surroundings.disk.writeDurably(logPath, pieces(cluster, nil, log.records, log.records.compactMap { log.chain(at: $0.index) }))
    let file = try await surroundings.disk.open(logPath, .readWrite)
    return Found(disk: GroupDisk(surroundings, cluster, member, file, try await file.size()), hard: hard, log: log)
  }
  /// Puts a log that begins with a snapshot in the place of whatever a directory held.
  static func install(_ snapshot: RaftSnapshot, of member: MemberID, disk: any Disk, cluster: ClusterID) async throws {
    try await disk.writeDurably(votePath, [VoteFormat.encode(cluster, member: member, HardState(term: snapshot.term))])
    try await disk.writeDurably(logPath, pieces(cluster, snapshot, [], []))
  }
  /// A new member's number, never 0.
  static func draw(_ surroundings: Surroundings) -> MemberID { MemberID(max(1, surroundings.random.next())) }

  private init(_ surroundings: Surroundings, _ cluster: ClusterID, _ member: MemberID, _ file: any DiskFile, _ length: UInt64) {
    self.surroundings = surroundings
    self.cluster = cluster
    self.member = member
    self.file = file
    self.length = length
  }

  /// Makes writes durable, all that wait in one go, in their order.
  mutating func write(_ writes: [RaftWrite]) async throws {
    if let hard = writes.last(where: { $0.hardState != nil })?.hardState {
      try await surroundings.disk.writeDurably(Self.votePath, [VoteFormat.encode(cluster, member: member, hard)])
    }
    var rest = writes[...]
    if let at = writes.lastIndex(where: { $0.snapshot != nil }), let snapshot = writes[at].snapshot {
      try await rewrite(snapshot, writes[at].records, chains: writes[at].chains)
      rest = writes[(at + 1)...]
    }
    var pieces: [[UInt8]] = []
    for write in rest {
      for (record, chain) in zip(write.records, write.chains) {
        pieces.append(CommandRecordFormat.encode(record, chain: chain, synced: length))
      }
    }
    guard !pieces.isEmpty else { return }
    try await file.write(pieces, at: length, sync: true)
    length += UInt64(pieces.reduce(0) { $0 + $1.count })
  }
  /// Puts a file of its own in the log's place (D6).
  private mutating func rewrite(_ snapshot: RaftSnapshot, _ records: [CommandRecord], chains: [Hash128]) async throws {
    let pieces = Self.pieces(cluster, snapshot.index > 0 ? snapshot : nil, records, chains)
    await file.close()
    try await surroundings.disk.writeDurably(Self.logPath, pieces)
    file = try await surroundings.disk.open(Self.logPath, .readWrite)
    length = UInt64(pieces.reduce(0) { $0 + $1.count })
  }
  private static func pieces(
    _ cluster: ClusterID,
    _ snapshot: RaftSnapshot?,
    _ records: [CommandRecord],
    _ chains: [Hash128]
  ) -> [[UInt8]] {
    var pieces = [CommandRecordFormat.header(cluster)]
    if let snapshot {
      let record = CommandRecord(
        index: snapshot.index,
        term: snapshot.term,
        kind: .snapshot,
        body: SnapshotFormat.encode(snapshot)
      )
      pieces.append(CommandRecordFormat.encode(record, chain: snapshot.chain, synced: 0))
    }
    for (record, chain) in zip(records, chains) { pieces.append(CommandRecordFormat.encode(record, chain: chain, synced: 0)) }
    return pieces
  }
}
