// ColumnSource.swift — of a statement's result what sessions of PostgreSQL's clients want beside rows: the columns it shows, and its size.
public import Columns
import Execution
import Model
import Planning

/// The table's column that a column of a result shows, by the numbers of pg_attribute.
public struct ColumnSource: Sendable, Equatable {
  /// attrelid.
  public var relation: UInt32
  /// attnum.
  public var number: Int16
}

extension [Batch] {
  /// About how many bytes their rows hold; a dictionary that batches share counts once.
  public var rowBytes: Int {
    var total = 0
    var known: Set<UnsafeRawPointer> = []
    for batch in self {
      total += batch.memoryBytes
      for case .codes(_, let dictionary) in batch.columns.map(\.values) {
        dictionary.bytes.withUnsafeBytes { texts in
          guard let place = texts.baseAddress, known.insert(place).inserted else { return }
          total += texts.count + dictionary.offsets.count * 4
        }
      }
    }
    return total
  }
}

extension StatementReply {
  func showing(_ sources: [ColumnSource?]) -> StatementReply {
    var reply = self
    reply.sources = sources
    return reply
  }
}

extension BoundStatement {
  /// What the columns of its rows show.
  var sources: [ColumnSource?] {
    let described: [OutputColumn] =
      switch self {
      case .select(let plan): plan.output
      case .modify(let plan): plan.returning?.described(plan.table.objectID) ?? []
      default: []
      }
    return described.map { column in
      column.origin.map { origin in
        ColumnSource(relation: UInt32(ObjectNumbers.relation(origin.table)), number: Int16(truncatingIfNeeded: origin.column + 1))
      }
    }
  }
}
