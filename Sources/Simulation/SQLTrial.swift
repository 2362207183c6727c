// SQLTrial.swift — SQL texts through a simulated cluster, one after the other, and their answers as PostgreSQL prints values.
//
// Coordinator and workers are the real flows (planner, fragments, storage, merge), nothing fails, and the seed decides only the order of
// messages. For comparisons with another database: Tools/differential.
import Capabilities
import ClientCore
import Columns
import Execution
public import Model
import Storage
import Wire
import WorkerNode

/// What one statement gave.
public struct SQLAnswer: Sendable {
  /// Types of the columns; none for a statement without rows.
  public var types: [DataType] = []
  /// Rows; NULL is nil.
  public var rows: [[String?]] = []
  /// The statement's error.
  public var error: TallyError?
}

/// Runs statements.
public enum SQLTrial {
  /// Runs the statements in order, each as a request of its own, whatever became of the ones before.
  public static func run(seed: UInt64, workers: Int, _ statements: [String]) throws -> [SQLAnswer] {
    let world = SimulatedWorld(seed: seed, limit: .seconds(36_000))
    let ledger = Ledger([])
    let cluster = SimulatedCluster(world, ledger, coordinators: 1, workers: workers) { settings in
      // Small files: a simulated disk holds every byte of them in memory.
      settings.memory = 64 << 20
      settings.journal.fileBytes = 1 << 18
      settings.journal.groupBytes = 1 << 16
      settings.journal.pinnedBytesMax = 1 << 20
    }
    let node = world.node("client", host: "10.0.2.1")
    let answers = try world.run { _ in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for server in cluster.servers { group.addTask { try await server.live() } }
        // Also when something throws: the lives of servers end by this only.
        defer { for server in cluster.servers { server.finish() } }
        try await cluster.formed()
        return try await node.run { near in
          try await ClusterClient.run(near, "client", cluster.coordinators) { client in
            var answers: [SQLAnswer] = []
            for sql in statements { answers.append(await answer(to: sql, client)) }
            return answers
          }
        }
      }
    }
    if let violation = ledger.violations.first { throw TallyError(.internalError, violation) }
    return answers
  }
  private static func answer(to sql: String, _ client: ClusterClient) async -> SQLAnswer {
    for attempt in 1... {
      var answer = SQLAnswer()
      do {
        let deadline = client.near.clock.now + .seconds(60)
        let call = try await QueryCall.open(QueryRequest(sql: sql, read: .latest), map: client.map, deadline: deadline)
        while let event = try await call.next() {
          switch event {
          case .header(let columns): answer.types = columns.map(\.type)
          case .batch(let batch): try answer.add(batch)
          case .end: break
          }
        }
        return answer
      } catch let error as TallyError {
        answer.error = error
        // Shards are led a moment after they are made.
        guard error.isRetryable, attempt < 200 else { return answer }
      } catch {
        answer.error = TallyError(.internalError, "\(error)")
        return answer
      }
      do { try await client.near.clock.sleep(for: .milliseconds(50)) } catch { return answer }
    }
    return SQLAnswer()
  }
}

extension SQLAnswer {
  fileprivate mutating func add(_ batch: Batch) throws {
    for row in 0..<batch.count {
      rows.append(
        try batch.columns.map { column in
          let value = try column.value(row)
          // The protocol's text of a boolean, as psql shows it.
          if column.type == .boolean, case .fixed(let flag) = value { return flag == 1 ? "t" : "f" }
          return ValueText.print(value, as: column.type)
        }
      )
    }
  }
}
