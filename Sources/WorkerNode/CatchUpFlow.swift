// CatchUpFlow.swift — a copy that begins again from its primary's checkpoint, and the primary's side of that.
//
// The copy voids its own entries in the journal, installs manifest and files (those it has are not fetched again), and goes on with the
// entries above the checkpoint, which the primary's journal keeps for it. The primary's files stay readable while a copy fetches them.
import Bytes
import Capabilities
import Model
import RPC
import Replication
import Storage
import Wire

/// A checkpoint that copies fetch.
struct OfferedCheckpoint {
  var snapshot: ReplicaSnapshot
  var usedAt: Instant
}

extension Worker {
  /// Bytes of one piece of a file.
  static let pieceBytes = 1 << 20
  /// A checkpoint nobody fetched from for so long is given up.
  static let offerLifetime = Duration.seconds(60)
  /// Copies that begin again at the same time.
  static let catchUpsMax = 2

  // MARK: The copy

  /// Begins again from the primary's checkpoint, unless that is under way.
  func beginCatchUp(_ shard: ShardID) {
    guard !catchingUp.contains(shard), !beingMade.contains(shard), catchingUp.count < Self.catchUpsMax else { return }
    catchingUp.insert(shard)
    perform { worker in
      try await worker.catchUp(shard)
      await worker.endCatchUp(shard)
    }
  }
  private func endCatchUp(_ shard: ShardID) { catchingUp.remove(shard) }
  private func catchUp(_ shard: ShardID) async throws {
    let started = surroundings.clock.now
    do {
      guard let (record, mine) = try dispensable(shard) else { return }
      try requireRoom()
      guard let primary = catalog.node(record.primary), let address = NetworkAddress(primary.address) else { return }
      let reply = try await pool.call(
        .fetchReplica(FetchReplica(shard: shard, epoch: record.epoch, replica: mine.id)),
        to: address,
        deadline: surroundings.clock.now + .seconds(30)
      )
      guard case .replicaManifest(let offer) = reply else {
        throw TallyError(.protocolViolation, "\(primary.name) answered a request for a checkpoint with \(reply.name)")
      }
      if let host = hosts[shard] {
        host.stepDown()
        // A flow that changes its files ends first: it must not touch those of the copy that takes its place.
        try await host.store.untilFilesAreQuiet()
        // Other records may have come while it was waited.
        guard let (_, now) = try dispensable(shard), now == mine else { return }
        hosts[shard] = nil
      }
      _ = try await journal.append([JournalRecord(shard: shard, entry: .cut(from: LogPosition(1), epoch: record.epoch))])
      let store = try await ShardStore.install(
        disk: surroundings.disk,
        clock: surroundings.clock,
        compute: surroundings.compute,
        cluster: identity.value.cluster,
        shard: shard,
        replica: mine.id,
        manifest: offer.manifest
      ) { file, path in try await self.fetch(file, of: shard, from: address, to: path) }
      journal.release(shard, through: store.releasable)
      // A newer record may have come meanwhile: the next catalog, or the next append, sees to it.
      hosts[shard] = makeHost(store)
      refused[shard] = nil
      surroundings.log.info(
        "copy-installed",
        ("shard", shard.description),
        ("position", offer.position.description),
        ("bytes", String(store.fileBytes)),
        ("after", "\(surroundings.clock.now - started)")
      )
    } catch let error as TallyError where error.status != .internalError {
      try await waitToCatchUp(shard, error.message)
    } catch let failure as DiskFailure where failure.kind == .full {
      lacksRoom = true
      try await waitToCatchUp(shard, failure.message)
    }
  }
  /// The shard's record and the copy of it here, when that may be given up; nil when there is none to be made.
  private func dispensable(_ shard: ShardID) throws(TallyError) -> (record: ShardRecord, mine: ReplicaRecord)? {
    guard let record = catalog.shard(shard), let mine = record.replica(on: identity.value.node), record.primary != identity.value.node
    else { return nil }
    if (record.inSync + record.eligible).contains(mine) {
      // Never give up a copy that counts, not even a damaged one: it could be elected meanwhile. It does not count any more once the
      // coordinators heard of the damage; else its primary is mistaken, or a newer record is on its way.
      throw TallyError(.unavailable, "the copy of shard \(shard) counts")
    }
    return (record, mine)
  }
  private func waitToCatchUp(_ shard: ShardID, _ reason: String) async throws {
    surroundings.log.warning("catch-up-waits", ("shard", shard.description), ("reason", reason))
    if hosts[shard] == nil, refused[shard] == nil { refused[shard] = "it is being copied" }
    try await surroundings.clock.sleep(for: .milliseconds(500))
  }
  /// Fetches a file of the primary and writes it durably.
  func fetch(_ file: FileRecord, of shard: ShardID, from address: NetworkAddress, to path: String) async throws {
    var pieces: [[UInt8]] = []
    var offset: UInt64 = 0
    while offset < file.bytes {
      let now = surroundings.clock.now
      let start = copyPace.take(Int(min(UInt64(Self.pieceBytes), file.bytes - offset)), now: now)
      if start > now { try await surroundings.clock.sleep(until: start) }
      let reply = try await pool.call(
        .fetchFile(FetchFile(shard: shard, file: file.number, hash: file.hash, offset: offset)),
        to: address,
        deadline: surroundings.clock.now + .seconds(10)
      )
      guard case .filePiece(let piece) = reply, piece.size == file.bytes, !piece.bytes.isEmpty,
        piece.bytes.count <= Self.pieceBytes
      else { throw TallyError(.protocolViolation, "a file of shard \(shard) was answered with \(reply.name)") }
      pieces.append(piece.bytes)
      offset += UInt64(piece.bytes.count)
    }
    do { try await surroundings.disk.writeDurably(path, pieces) } catch let failure as DiskFailure where failure.kind == .full {
      lacksRoom = true
      throw TallyError(.diskFull, failure.message, node: settings.name)
    }
  }

  // MARK: The primary

  /// Offers the shard's checkpoint to a copy.
  func offer(_ request: FetchReplica) async throws -> ReplicaManifest {
    guard let host = hosts[request.shard], let primary = host.primary, primary.epoch == request.epoch, primary.isEstablished else {
      throw TallyError(.notPrimary, "shard \(request.shard) is not led here in epoch \(request.epoch)", node: settings.name)
    }
    // Nothing of what follows the checkpoint may be given back from here on.
    journal.pin(request.shard, above: host.store.releasable, for: request.replica.rawValue)
    host.links[request.replica]?.isPinned = true
    let snapshot = try await host.store.replicaSnapshot()
    // A beat may have unpinned it meanwhile, as nothing was offered yet.
    journal.pin(request.shard, above: snapshot.position, for: request.replica.rawValue)
    host.links[request.replica]?.isPinned = true
    offers[request.shard, default: [:]][request.replica] = OfferedCheckpoint(snapshot: snapshot, usedAt: surroundings.clock.now)
    return ReplicaManifest(position: snapshot.position, manifest: snapshot.manifest)
  }
  /// A piece of a file: of an offered checkpoint, or of the shard as it is.
  func piece(_ request: FetchFile) async throws -> FilePiece {
    let now = surroundings.clock.now
    for (replica, offer) in offers[request.shard] ?? [:] {
      guard let file = offer.snapshot.files.first(where: { $0.record.number == request.file && $0.record.hash == request.hash }) else {
        continue
      }
      offers[request.shard]?[replica]?.usedAt = now
      if request.offset == 0 { try await requireSound(file.image, request) }
      return try Self.piece(of: file.image, at: request.offset)
    }
    guard let host = hosts[request.shard], let image = try await host.store.image(of: request.file, hash: request.hash) else {
      // Merged or expired meanwhile: who still needs it has to begin from a checkpoint.
      throw TallyError(.dataDamaged, "file \(request.file) of shard \(request.shard) is not here any more", node: settings.name)
    }
    if request.offset == 0 { try await requireSound(image, request) }
    return try Self.piece(of: image, at: request.offset)
  }
  /// Damage is found here, where it can be told of, rather than by the copy that would fetch it again and again.
  private func requireSound(_ image: FileImage, _ request: FetchFile) async throws {
    guard let failure = await Scrub.verify(image, surroundings.compute) else { return }
    let error = TallyError(.dataDamaged, "file \(request.file) of shard \(request.shard): \(failure)", node: settings.name)
    if let host = hosts[request.shard] { noteDamage(host, error) }
    throw error
  }
  private static func piece(of image: FileImage, at offset: UInt64) throws(TallyError) -> FilePiece {
    let size = image.bytes.count
    guard offset < UInt64(size) else { throw TallyError(.invalid, "a piece at byte \(offset) of a file of \(size)") }
    let end = min(size, Int(offset) + pieceBytes)
    return FilePiece(size: UInt64(size), bytes: [UInt8](image.bytes[Int(offset)..<end]))
  }
  /// Gives up offers that nobody uses.
  func trimOffers(_ now: Instant) {
    for (shard, known) in offers {
      let kept = known.filter { now - $0.value.usedAt < Self.offerLifetime }
      offers[shard] = kept.isEmpty ? nil : kept
    }
  }
}
