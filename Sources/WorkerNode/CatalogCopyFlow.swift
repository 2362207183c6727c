// CatalogCopyFlow.swift — a worker keeps the coordinators' newest state on its disk and gives it to whoever makes a catalog anew, also
// while it waits for a coordinator itself. What it keeps tells the generation below which no coordinator is listened to (RPC's hello).
import Bytes
import Capabilities
import Model
import RPC
import Storage
internal import Synchronization
import Wire

/// What a worker keeps of the catalog.
actor CatalogKeeper {
  private let surroundings: Surroundings
  private let identity: IdentityCell
  private var kept: CatalogCopyRecord?
  private var isWriting = false
  private var waiting: [Promise<Void>] = []

  init(_ surroundings: Surroundings, _ identity: IdentityCell) {
    self.surroundings = surroundings
    self.identity = identity
  }
  /// Reads what an earlier life kept. One that is damaged is as good as none: the coordinators send another.
  func open(_ cluster: ClusterID) async throws {
    do { kept = try await CatalogCopyFile.read(cluster: cluster, disk: surroundings.disk) } catch let error as TallyError
      where error.status == .dataDamaged
    { surroundings.log.warning("catalog-copy-damaged", ("reason", error.message)) }
    if let kept { identity.raise(generation: kept.generation) }
  }
  /// Keeps a newer state; an older one changes nothing.
  func keep(_ request: StoreCatalogCopy) async throws {
    while isWriting {
      let turn = Promise<Void>()
      waiting.append(turn)
      try await turn.value
    }
    let next = request.record
    guard next.isNewer(than: kept), identity.value.cluster != .none else { return }
    isWriting = true
    defer {
      isWriting = false
      let turns = waiting
      waiting = []
      for turn in turns { turn.fulfil(()) }
    }
    do { try await CatalogCopyFile.write(next, cluster: identity.value.cluster, disk: surroundings.disk) } catch let failure as DiskFailure
      where failure.kind == .full
    { throw TallyError(.diskFull, failure.message) }
    if next.generation > kept?.generation ?? next.generation {
      surroundings.log.warning("generation-raised", ("generation", String(next.generation)))
    }
    kept = next
    identity.raise(generation: next.generation)
  }
  /// What whoever makes a catalog anew is told.
  func copy(_ shards: [ShardPosition], catalog: [UInt8], incarnation: Incarnation) -> CatalogCopy {
    let known = identity.value
    return CatalogCopy(
      nodeName: known.name,
      cluster: known.cluster,
      node: known.node,
      incarnation: incarnation,
      generation: kept?.generation ?? 0,
      index: kept?.index ?? 0,
      term: kept?.term ?? 0,
      shards: shards,
      catalog: catalog,
      state: kept?.state ?? []
    )
  }
}

/// Answers for a worker that is on its way into its cluster: only those who look for what a catalog can be made of, or bring one.
final class WorkerDoor: RPCResponder {
  private struct State {
    var shards: [ShardPosition]?
    var incarnation = Incarnation(0)
  }
  private let keeper: CatalogKeeper
  private let name: String
  private let inside = Promise<Worker>()
  private let state = Mutex(State())

  init(_ keeper: CatalogKeeper, name: String) {
    self.keeper = keeper
    self.name = name
  }
  /// Its shards are known.
  func show(_ shards: [ShardPosition], incarnation: Incarnation) {
    state.withLock { $0 = State(shards: shards, incarnation: incarnation) }
  }
  /// From now on the worker answers.
  func open(_ worker: Worker) { inside.fulfil(worker) }
  func respond(to request: Message, call: ServerCall) async throws {
    if case .success(let worker)? = inside.settled { return try await worker.respond(to: request, call: call) }
    let known = state.withLock { $0 }
    switch (request, known.shards) {
    case (.fetchCatalogCopy, let shards?):
      try await call.reply(.catalogCopy(await keeper.copy(shards, catalog: [], incarnation: known.incarnation)))
    case (.storeCatalogCopy(let copy), _?):
      try await keeper.keep(copy)
      try await call.reply(.done(Done(version: CatalogVersion(0))))
    default: throw TallyError(.unavailable, "worker \"\(name)\" is starting", node: name)
    }
  }
}

extension Worker {
  /// The catalog as it is used here, and what is kept.
  func catalogCopy() async -> CatalogCopy {
    var out = ByteWriter(capacity: 4096)
    CatalogFormat.encode(catalog, into: &out)
    let shards = orderedHosts.map {
      ShardPosition(shard: $0.id, replica: $0.store.replica, epoch: $0.store.head.epoch, last: $0.store.head.position)
    }
    return await keeper.copy(shards, catalog: out.finish(), incarnation: identity.value.incarnation)
  }
}
