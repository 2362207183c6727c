// FragmentFlow.swift — a fragment to the workers that ReadRouting chooses, one request a worker, and their rows and outcomes back.
//
// Every shard is read once, at one position. With `latest` the first failure ends the query, and the caller plans it again under a newer
// catalog. With other levels a copy that does not answer, is behind, too old or damaged is followed by another copy of the same shard;
// what others answered stays.
import Capabilities
import Columns
import Model
import Planning
import RPC
import Wire

/// What came back for a fragment.
struct FragmentAnswer: Sendable {
  var batches: [Batch] = []
  var shards: [ShardOutcome] = []
  /// Shards that its copies could not be asked for.
  var refused: [ShardRefusal] = []
  /// The workers that answered.
  var nodes: [NodeID] = []
}

extension Coordinator {
  /// Runs a fragment on workers and gathers their rows, in the order of workers.
  func run(
    _ fragment: Fragment,
    _ snapshot: CatalogSnapshot,
    _ read: ReadContext,
    deadline: Instant
  ) async throws -> FragmentAnswer {
    let request = FragmentRequest(
      version: snapshot.version,
      memory: UInt64(settings.queryMemory),
      read: read.level,
      statement: read.statement,
      types: fragment.plan.columns.map(\.type),
      bytes: FragmentFormat.encode(fragment.plan),
      deadline: deadline
    )
    var open = try Self.shards(of: fragment, snapshot)
    var failed: Set<FailedCopy> = []
    var failure: TallyError?
    var answer = FragmentAnswer()
    while !open.isEmpty {
      let reads: [WorkerRead]
      do { reads = try ReadRouting.assign(open, snapshot, read, failed: failed, isDown: isDown) } catch {
        // Where there are other copies, damage of one passes: it begins again from another.
        if let damage = failure, damage.status == .dataDamaged, open.allSatisfy({ $0.replicas.count > 1 }) {
          throw TallyError(
            .unavailable,
            damage.message,
            detail: damage.detail,
            hint: "Ask again: another copy repairs it.",
            node: damage.node
          )
        }
        throw failure ?? error
      }
      for (asked, outcome) in try await ask(reads, request) {
        let refused: [ShardID]
        let reason: TallyError?
        switch outcome {
        case .success(let part):
          answer.batches += part.batches
          answer.shards += part.shards
          if !part.shards.isEmpty { answer.nodes.append(asked.node.id) }
          let done = Set(part.shards.map(\.shard))
          open.removeAll { done.contains($0.id) }
          refused = part.refused.map(\.shard)
          reason = part.refused.first?.error
        case .failure(let error):
          refused = asked.shards.map(\.shard)
          reason = error
        }
        for shard in refused { failed.insert(FailedCopy(shard: shard, node: asked.node.id)) }
        // Damage of one copy is no answer while another may only be away.
        if let reason, failure == nil || reason.isRetryable { failure = reason }
      }
    }
    return answer
  }
  static func shards(of fragment: Fragment, _ snapshot: CatalogSnapshot) throws(TallyError) -> [ShardRecord] {
    guard let group = snapshot.group(fragment.group) else {
      throw TallyError(.staleCatalog, "colocation group \(fragment.group) is gone")
    }
    switch fragment.shards {
    case .all: return group.shards.compactMap { snapshot.shard($0) }
    case .coordinator: return []
    case .one(let hash):
      return snapshot.shards.filter { $0.group == group.id && $0.lower <= hash && hash <= $0.upper && group.shards.contains($0.id) }
    }
  }
  /// Whether a worker is known to be down: only the coordinator that leads hears them.
  private func isDown(_ node: NodeID) -> Bool { fleet.isSilent(node, at: surroundings.clock.now) }

  /// Asks workers at the same time. An error that another copy may not have is an outcome; others are thrown.
  private func ask(
    _ reads: [WorkerRead],
    _ request: FragmentRequest
  ) async throws -> [(asked: WorkerRead, outcome: Result<FragmentAnswer, TallyError>)] {
    let pool = pool
    if reads.count == 1 { return [(reads[0], try await Self.outcome(of: reads[0], request, pool))] }
    return try await withThrowingTaskGroup(of: (Int, Result<FragmentAnswer, TallyError>).self) { tasks in
      for (at, read) in reads.enumerated() { tasks.addTask { (at, try await Self.outcome(of: read, request, pool)) } }
      // In the order of nodes, so that results do not depend on who answers first.
      var outcomes = [Result<FragmentAnswer, TallyError>?](repeating: nil, count: reads.count)
      for try await (at, outcome) in tasks { outcomes[at] = outcome }
      return zip(reads, outcomes).compactMap { read, outcome in outcome.map { (read, $0) } }
    }
  }
  private static func outcome(
    of read: WorkerRead,
    _ request: FragmentRequest,
    _ pool: ConnectionPool
  ) async throws -> Result<FragmentAnswer, TallyError> {
    do { return .success(try await ask(read, request, pool)) } catch let error as TallyError {
      guard request.read != .latest else { throw error }
      switch error.status {
      case .notPrimary, .unavailable, .staleCatalog, .overloaded, .dataDamaged, .wrongCluster: return .failure(error)
      default: throw error
      }
    }
  }
  private static func ask(_ read: WorkerRead, _ request: FragmentRequest, _ pool: ConnectionPool) async throws -> FragmentAnswer {
    let node = read.node
    guard let address = NetworkAddress(node.address) else {
      throw TallyError(.unavailable, "node \(node.name) has no address")
    }
    do {
      let stream = try await pool.openStream(.execute(request.message(read.shards)), to: address, deadline: request.deadline)
      var answer = FragmentAnswer()
      while let message = try await stream.next() {
        switch message {
        case .resultBatch(let result): answer.batches.append(try BatchFormat.decode(result.batch, types: request.types))
        case .executeEnd(let end):
          (answer.shards, answer.refused) = (end.shards, end.refused)
          let named = Set(end.shards.map(\.shard) + end.refused.map(\.shard))
          guard read.shards.allSatisfy({ named.contains($0.shard) }), request.read != .latest || end.refused.isEmpty else {
            throw TallyError(.protocolViolation, "\(node.name) answered a fragment for other shards than it was asked for")
          }
          return answer
        default: throw TallyError(.protocolViolation, "\(node.name) sent a \(message.name) message as a fragment's answer")
        }
      }
      throw TallyError(.unavailable, "\(node.name) ended a fragment's answer early")
    } catch var error as TallyError {
      if error.node == nil { error.node = node.name }
      throw error
    }
  }
}

/// What every worker of a fragment is sent.
private struct FragmentRequest: Sendable {
  var version: CatalogVersion
  var memory: UInt64
  var read: ReadLevel
  var statement: StatementID?
  var types: [DataType]
  var bytes: [UInt8]
  var deadline: Instant
  func message(_ shards: [ShardPoint]) -> Execute {
    Execute(shards: shards, version: version, memoryLimit: memory, read: read, statement: statement, fragment: bytes)
  }
}
