// JoinProbe.swift — candidate pairs of a batch of left rows and the right rows of their keys, a block at a time.
//
// Pairs come by left row, then in the order of the right rows. A block has at most `blockRows` pairs, so one left row may
// lie in several blocks, and one block may hold many.
import Columns
import Model
import Planning

/// A block of pairs that meet the join's condition.
struct JoinPairs {
  var left: [UInt32] = []
  var right: [UInt32] = []
  /// Left rows below it have no further pairs.
  var finished = 0
}

struct JoinProbe {
  let batch: Batch
  let right: [ColumnVector]
  let condition: Expression?
  let context: ExecutionContext
  let blockRows: Int

  /// Calls `body` with the pairs of each block; `skips` tells of a left row, asked before its first pair of a block, whether it needs
  /// no more.
  func run(
    _ index: JoinIndex,
    _ groups: [UInt32],
    skips: (Int) -> Bool = { _ in false },
    _ body: (JoinPairs) throws -> Void
  ) throws {
    var pairs = JoinPairs()
    var row = 0
    // Of the row that was cut by a block's end.
    var done = 0
    while row < batch.count {
      try context.cancel.check()
      pairs.left.removeAll(keepingCapacity: true)
      pairs.right.removeAll(keepingCapacity: true)
      index.withRows { rows in
        while row < batch.count && pairs.left.count < blockRows {
          let places = index.places(groups[row])
          if places.count == done || skips(row) {
            (row, done) = (row + 1, 0)
            continue
          }
          let taken = min(places.count - done, blockRows - pairs.left.count)
          let first = places.lowerBound + done
          if taken == 1 {
            pairs.left.append(UInt32(row))
            pairs.right.append(rows[first])
          } else {
            pairs.left.append(contentsOf: repeatElement(UInt32(row), count: taken))
            pairs.right.append(contentsOf: rows[first..<first + taken])
          }
          done += taken
          if done == places.count { (row, done) = (row + 1, 0) }
        }
      }
      pairs.finished = row
      try body(try tested(pairs))
    }
  }
  private func tested(_ pairs: JoinPairs) throws -> JoinPairs {
    guard let condition, !pairs.left.isEmpty else { return pairs }
    let block = RowBlock(batch, pairs.left, right, pairs.right)
    let truth = Truth(try ExpressionEvaluation.evaluate(condition, block), count: pairs.left.count)
    guard let chosen = truth.rows({ $0 == Truth.yes }) else { return pairs }
    var kept = pairs
    kept.left = chosen.map { pairs.left[Int($0)] }
    kept.right = chosen.map { pairs.right[Int($0)] }
    return kept
  }
}
