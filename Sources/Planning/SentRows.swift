// SentRows.swift — rows of earlier fragments inside of a fragment's plan: put in by the coordinator, as bytes, and their bound.
//
// Bytes: count of batches, then each as BatchFormat has it. A decoder takes no more batches than there are bytes.
import Bytes
public import Columns
import Model

/// Rows that travel with a fragment.
public enum SentRows {
  /// Bytes of all rows sent with one fragment: they go to every worker, next to the plan, in one frame.
  public static let bytesMax = Limits.frameBytesMax / 2

  /// A batch in pieces that BatchFormat takes.
  static func pieces(_ batch: Batch) -> [Batch] {
    if batch.count <= Limits.batchRowsMax { return batch.count > 0 ? [batch] : [] }
    return stride(from: 0, to: batch.count, by: Limits.batchRowsMax).map { start in
      batch.slice(start..<min(batch.count, start + Limits.batchRowsMax))
    }
  }
  static func encode(_ rows: [Batch], into out: inout ByteWriter) {
    let pieces = rows.flatMap(pieces)
    out.count(pieces.count)
    for piece in pieces { BatchFormat.encode(piece, into: &out) }
  }
  static func decode(_ reader: inout ByteReader, types: [DataType]) throws(DecodingFailure) -> [Batch] {
    var rows: [Batch] = []
    for _ in 0..<(try reader.countOfRest("batches")) { rows.append(try BatchFormat.decode(&reader, types: types)) }
    return rows
  }
}

extension Fragment {
  /// The fragment with the rows of earlier ones in its plan; nil where they are too many to travel. `rows`: by fragment.
  public func supplied(_ rows: [[Batch]]) -> Fragment? {
    let read = plan.fragmentsRead
    if read.isEmpty { return self }
    var bytes = 0
    for fragment in read where fragment < rows.count {
      for piece in rows[fragment].flatMap(SentRows.pieces) {
        bytes += BatchFormat.encode(piece).count
        if bytes > SentRows.bytesMax { return nil }
      }
    }
    var result = self
    result.plan = Self.supplied(plan, rows)
    return result
  }
  private static func supplied(_ plan: PlanNode, _ rows: [[Batch]]) -> PlanNode {
    guard case .fragmentInput(var node) = plan else { return plan.mapInputs { supplied($0, rows) } }
    node.rows = node.fragment < rows.count ? rows[node.fragment] : []
    return .fragmentInput(node)
  }
}
