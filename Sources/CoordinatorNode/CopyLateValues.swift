// CopyLateValues.swift — columns that COPY's data lacks and whose default differs from row to row (nextval, random): computed piece by
// piece.
//
// Pieces are parsed at the same time; here one after the other takes its numbers, because an evaluation that lacks some is repeated from
// where it began (StatementNumbers).
import Capabilities
import Columns
import Model
import Planning

/// Fills such columns.
final class CopyLateValues: Sendable {
  private let coordinator: Coordinator
  private let plan: CopyInPlan
  private let request: StatementRequest
  /// Holds a token while nobody evaluates.
  private let turn = BoundedQueue<Void>(capacity: 1)

  init(_ coordinator: Coordinator, _ plan: CopyInPlan, _ request: StatementRequest) {
    self.coordinator = coordinator
    self.plan = plan
    self.request = request
    _ = turn.trySend(())
  }

  /// A piece with all its values.
  func filled(_ parsed: CopyParsed) async throws -> CopyParsed {
    guard parsed.rows > 0, parsed.fault == nil else { return parsed }
    _ = try await turn.receive()
    defer { _ = turn.trySend(()) }
    let (plan, compute) = (plan, coordinator.surroundings.compute)
    var filled = parsed
    filled.parts = try await coordinator.withNumbers(request, hint: parsed.rows) {
      try await compute.attempt { try Self.parts(parsed, plan) }
    }
    request.facts.numbers.forgetUsed()
    return filled
  }
  private static func parts(_ parsed: CopyParsed, _ plan: CopyInPlan) throws -> [ShardRows] {
    let types = plan.table.columns.map(\.type)
    var parts = parsed.parts
    for part in parts.indices {
      for at in parts[part].batches.indices {
        var batch = try BatchFormat.decode(parts[part].batches[at].bytes, types: types)
        for late in plan.late {
          var values: [Value] = []
          values.reserveCapacity(batch.count)
          for _ in 0..<batch.count { values.append(try ScalarEvaluator.evaluateNow(late.expression) ?? .null) }
          batch.columns[late.column] = ColumnVector(types[late.column], values: values)
        }
        parts[part].batches[at].bytes = BatchFormat.encode(batch)
      }
    }
    return parts
  }
}
