// ReadSession.swift — what one client has written and seen, so that its reads of level `session` show that and never less.
//
// Every acknowledged batch and every answered statement adds the places of its shards; a session read sends them all. One client is one
// session. It lasts as long as the client: what an earlier one wrote is seen by `latest`.
public import Model
internal import Synchronization

/// A client's session.
public final class ReadSession: Sendable {
  private let state = Mutex(SessionToken())
  init() {}
  /// What was seen so far.
  public var token: SessionToken { state.withLock { $0 } }
  /// A shard was seen up to a place.
  func note(_ seen: ShardPoint) { state.withLock { $0.note(seen) } }
  /// Shards were seen up to these places.
  func merge(_ seen: SessionToken) { if seen.count > 0 { state.withLock { $0.merge(seen) } } }
}
