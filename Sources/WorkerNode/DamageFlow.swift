// DamageFlow.swift — what a worker does about damaged data of a shard: it tells, and gets whole again from another copy.
//
// The coordinator hears of damage at once. While another copy that counts is sound, the damaged one does not count any more and a sound
// one leads (CoordinatorNode/FailoverFlow); this copy then begins again from its primary's checkpoint (CatchUpFlow), keeping only files
// whose every byte verifies. Without another copy it goes on with what can be read: rows come in, a query that meets the damage fails,
// merges and rollups leave the shard alone. Damage of the journal lasts only until the rows that lie there are in files.
import Capabilities
import Model
import Replication
import Storage

extension Worker {
  /// Notes damage that a flow met in a shard's data; `through` when it lies in the journal and files will hold what is up to there.
  func noteDamage(_ host: ShardHost, _ error: any Error, inJournalThrough through: LogPosition? = nil) {
    let isNew = host.damage == nil
    host.noteDamage("\(error)", inJournalThrough: through)
    guard isNew else { return }
    surroundings.log.error("damage-found", ("shard", host.id.description), ("what", "\(error)"))
    perform { try await $0.tellDamage() }
  }
  /// Says so before the next heartbeat is due.
  private func tellDamage() async throws {
    do { try await beat() } catch let error as TallyError where error.isRetryable {
      surroundings.log.info("damage-unheard", ("reason", error.message))
    }
  }
  /// What a request is told that met damage of a shard here.
  func refusal(of host: ShardHost, for what: String) -> TallyError {
    Self.refusal(of: host.id, catalog.shard(host.id), for: what, node: settings.name)
  }
  /// To try again where there is another copy: it leads once it is in sync, and may do so already. That there is none, else.
  static func refusal(of shard: ShardID, _ record: ShardRecord?, for what: String, node: String) -> TallyError {
    if let record, record.replicas.count > 1 {
      return TallyError(
        .unavailable,
        "shard \(shard) is damaged",
        detail: what,
        hint: "another copy takes its place once it is in sync; try again, and if it stays away restore the shard from a backup",
        node: node
      )
    }
    return TallyError(
      .dataDamaged,
      "shard \(shard) is damaged and has no other copy",
      detail: what,
      hint: "restore it from a backup; tally doctor shows what is damaged, tally salvage what giving that up costs",
      node: node
    )
  }
  /// Notes damage that a fragment met in a shard, and says what its request is told.
  func damaged(_ shard: ShardID, _ error: TallyError) -> TallyError {
    guard let host = hosts[shard] else { return TallyError(.notPrimary, "shard \(shard) is not here any more", node: settings.name) }
    noteDamage(host, error)
    return refusal(of: host, for: error.detail ?? error.message)
  }
  /// Brings the rows of a damaged part of the journal into a file; then a restart does not need that part.
  func leaveDamagedJournal(_ host: ShardHost) async throws {
    guard let through = host.journalDamage else { return }
    if host.store.releasable < through { _ = try await flush(host) }
    guard host.healJournal() else { return }
    surroundings.log.info("journal-damage-left", ("shard", host.id.description), ("position", through.description))
  }
}
