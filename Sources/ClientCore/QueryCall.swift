// QueryCall.swift — SQL to a coordinator and its typed answer, batch by batch.
//
// A text may hold several statements; each answers [header, batches…,] end, in order. Batches come as fast as they
// are read.

import Bytes
public import Capabilities
public import Columns
import Model
import RPC
public import Wire

/// One step of an answer.
public enum QueryEvent: Sendable {
  /// A statement's rows follow; their columns.
  case header([ResultColumn])
  /// Rows, with the header's types.
  case batch(Batch)
  /// The statement is done.
  case end(ResultEnd)
}

/// The answer to one request of SQL text, or to a list.
///
/// One task reads it; dropping it cancels the request.
public final class QueryCall: AsyncSequence {
  /// The elements.
  public typealias Element = QueryEvent
  private let stream: MessageStream
  private let map: ClusterMap
  private let coordinator: NetworkAddress
  private var types: [DataType] = []

  private init(_ asked: (stream: MessageStream, coordinator: NetworkAddress), _ map: ClusterMap) {
    (stream, coordinator) = asked
    self.map = map
  }

  /// Sends SQL text to a coordinator; with level `session` also what the session has seen.
  public static func open(
    _ query: QueryRequest,
    map: ClusterMap,
    deadline: Instant = .distantFuture
  ) async throws -> QueryCall {
    guard query.sql.utf8.count <= Limits.sqlBytesMax else {
      throw .sql(
        "54000",
        "the SQL text has \(query.sql.utf8.count) bytes, over the limit of \(Limits.sqlBytesMax)"
      ) as TallyError
    }
    try query.read.check()
    var query = query
    if query.read == .session { query.seen = map.session.token }
    return QueryCall(try await map.ask(.query(query), deadline: deadline), map)
  }
  /// Asks a coordinator for one of its lists.
  public static func list(
    _ kind: ListRequest.Kind,
    map: ClusterMap,
    deadline: Instant = .distantFuture
  ) async throws -> QueryCall {
    QueryCall(try await map.ask(.list(ListRequest(kind)), deadline: deadline), map)
  }

  /// Has a coordinator delete a tenant, and asks for the receipt.
  public static func tenant(
    _ request: TenantRequest,
    map: ClusterMap,
    deadline: Instant = .distantFuture
  ) async throws -> QueryCall {
    QueryCall(try await map.ask(.tenant(request), deadline: deadline), map)
  }

  /// The next step; nil after the last statement's end.
  public func next() async throws -> QueryEvent? {
    let next: Message?
    do { next = try await stream.next() } catch let error as TallyError where error.isRetryable {
      // Whether it is gone or hangs: the next request is another's.
      map.turn(from: coordinator)
      throw error
    }
    guard let message = next else { return nil }
    switch message {
    case .resultHeader(let header):
      types = header.columns.map(\.type)
      return .header(header.columns)
    case .resultBatch(let content):
      do {
        return .batch(try BatchFormat.decode(content.batch, types: types))
      } catch {
        stream.cancel()
        throw TallyError(.protocolViolation, "rows cannot be read: \(error)")
      }
    case .resultEnd(let end):
      types = []
      map.session.merge(end.seen)
      return .end(end)
    default:
      stream.cancel()
      throw ClusterMap.unexpected(message, "query")
    }
  }
  /// Gives the request up.
  public func cancel() { stream.cancel() }

  /// Reads the answer by `for try await`.
  public func makeAsyncIterator() -> Iterator { Iterator(call: self) }
  /// Reads an answer.
  public struct Iterator: AsyncIteratorProtocol {
    let call: QueryCall
    /// The next step.
    public mutating func next() async throws -> QueryEvent? { try await call.next() }
  }
}

extension ClusterMap {
  /// Returns when a rollup has taken in every row acknowledged before the call.
  public func refreshRollup(_ name: String, deadline: Instant = .distantFuture) async throws {
    let reply = try await call(.refreshRollup(RefreshRollup(name: name)), deadline: deadline)
    guard case .done = reply else { throw Self.unexpected(reply, "refreshRollup") }
  }
  /// Makes a copy that does not count the primary of its shard.
  public func forcePrimary(_ order: ForcePrimary, deadline: Instant = .distantFuture) async throws {
    let reply = try await call(.forcePrimary(order), deadline: deadline)
    guard case .done = reply else { throw Self.unexpected(reply, "forcePrimary") }
  }
  /// Takes a coordinator out of the group for good.
  public func removeCoordinator(_ name: String, deadline: Instant = .distantFuture) async throws {
    let reply = try await call(.removeCoordinator(RemoveCoordinator(node: name)), deadline: deadline)
    guard case .done = reply else { throw Self.unexpected(reply, "removeCoordinator") }
  }
}
