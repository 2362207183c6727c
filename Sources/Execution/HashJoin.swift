// HashJoin.swift — joins of every kind: the right side is gathered and indexed by its keys, the left side streams by.
//
// Literature: Neumann, Kemper, "Unnesting Arbitrary Queries", BTW 2015 (single and mark joins). Invariants: left rows come out in
// their order for every kind but the lonely right rows, which come last; the answer does not depend on how the rows are cut into
// batches. Memory: right columns that someone looks at, their keys, and one flag a row for right and full.
import Bytes
import Columns
import Model
import Planning

final class HashJoin {
  private let node: JoinNode
  private let context: ExecutionContext
  /// Candidate pairs at once.
  private let blockRows: Int
  private let leftWidth: Int
  private let needed: Set<Int>?
  private let rightNeeded: Set<Int>?
  private let store: RowStore
  private let index: JoinIndex
  /// Of a mark join with a key that marks NULLs: the rows by the other keys, all of them and those where that key is NULL.
  private let unsure: (key: Int, all: JoinIndex, withNull: JoinIndex)?
  private var held = 0
  private var right = StoredRows(columns: [], count: 0)
  private var isRightMatched: [Bool] = []

  /// `needed`: output columns that are looked at.
  init(_ node: JoinNode, needed: Set<Int>?, _ context: ExecutionContext, blockRows: Int = Limits.batchRowsMax) throws {
    self.node = node
    self.blockRows = blockRows
    self.context = context
    self.needed = needed
    leftWidth = node.left.columns.count
    let types = node.keys.map(\.right.type)
    for type in types { try EqualityTypes.check(type) }
    var read: Set<Int>?
    let showsRight = node.output.count > leftWidth && node.kind != .mark
    if let needed, showsRight {
      let width = leftWidth
      read = Set(needed.filter { $0 >= width }.map { $0 - width })
    } else if !showsRight {
      read = []
    }
    rightNeeded = read
    for column in node.condition?.columnsRead ?? [] where column >= leftWidth { read?.insert(column - leftWidth) }
    store = RowStore(node.right.columns.map(\.type), needed: read, context)
    index = JoinIndex(types, matchesNulls: node.keys.map(\.matchesNulls))
    if node.kind == .mark, let key = node.keys.firstIndex(where: \.marksNulls) {
      let others = node.keys.indices.filter { $0 != key }
      func other() -> JoinIndex { JoinIndex(others.map { types[$0] }, matchesNulls: others.map { node.keys[$0].matchesNulls }) }
      unsure = (key, other(), other())
    } else {
      unsure = nil
    }
  }
  deinit { context.release(held) }

  /// Columns of the left side that must be there.
  var leftColumns: Set<Int>? {
    guard var read = needed?.filter({ $0 < leftWidth }) else { return nil }
    for key in node.keys { key.left.collectColumns(into: &read) }
    for column in node.condition?.columnsRead ?? [] where column < leftWidth { read.insert(column) }
    return read
  }
  /// Columns of the right side that must be there.
  var rightColumns: Set<Int>? {
    guard var read = rightNeeded else { return nil }
    for key in node.keys { key.right.collectColumns(into: &read) }
    for column in node.condition?.columnsRead ?? [] where column >= leftWidth { read.insert(column - leftWidth) }
    return read
  }

  // MARK: - The right side

  func addRight(_ batch: Batch) throws {
    let keys = try node.keys.map { try ExpressionEvaluation.column($0.right, batch) }
    index.add(keys, count: batch.count)
    if let unsure {
      var others = keys
      let marking = others.remove(at: unsure.key)
      unsure.all.add(others, count: batch.count)
      let isSet = marking.validity ?? Bitmap(repeating: true, count: batch.count)
      unsure.withNull.add(others, count: batch.count, excluding: isSet)
    }
    try store.add(batch)
    try account()
  }
  private func account() throws {
    let now = index.bytes + (unsure.map { $0.all.bytes + $0.withNull.bytes } ?? 0) + isRightMatched.count
    let grown = now - held
    held = now
    if grown > 0 { try context.hold(grown) } else { context.release(-grown) }
  }
  func finishRight() throws {
    index.finish()
    unsure?.all.finish()
    unsure?.withNull.finish()
    // Lonely left rows are shown with the extra row.
    right = try store.finish(extraNull: node.kind == .left || node.kind == .full || node.kind == .single)
    if node.kind == .right || node.kind == .full { isRightMatched = [Bool](repeating: false, count: right.count) }
    try account()
  }
  /// Whether no left row can give anything.
  var needsNoLeft: Bool {
    switch node.kind {
    case .inner, .semi: index.isEmpty
    case .right: index.isEmpty
    case .left, .full, .anti, .single, .mark: false
    }
  }

  // MARK: - The left side

  func addLeft(_ batch: Batch, _ sink: (Batch) throws -> Void) throws {
    let keys = try node.keys.map { try ExpressionEvaluation.column($0.left, batch) }
    let groups = index.find(keys, count: batch.count)
    switch node.kind {
    case .inner, .left, .right, .full, .single: try pairs(batch, groups, sink)
    case .semi, .anti:
      let isMatched = try matched(batch, index, groups)
      let wanted = node.kind == .semi
      let rows = (0..<UInt32(batch.count)).filter { isMatched[Int($0)] == wanted }
      if !rows.isEmpty { try sink(Batch(count: rows.count, columns: leftSide(batch, rows))) }
    case .mark: try mark(batch, keys, groups, sink)
    }
  }
  private func probe(_ batch: Batch) -> JoinProbe {
    JoinProbe(batch: batch, right: right.columns, condition: node.condition, context: context, blockRows: blockRows)
  }
  private func leftSide(_ batch: Batch, _ rows: [UInt32]) -> [ColumnVector] {
    let isWhole = rows.count == batch.count && rows.indices.allSatisfy { rows[$0] == UInt32($0) }
    return batch.columns.enumerated().map { at, column in
      if let needed, !needed.contains(at) { return .nulls(column.type, count: rows.count) }
      return isWhole ? column : column.gather(rows)
    }
  }
  private func emit(_ batch: Batch, _ left: [UInt32], _ right: [UInt32], _ sink: (Batch) throws -> Void) throws {
    for start in stride(from: 0, to: left.count, by: Limits.batchRowsMax) {
      let end = min(left.count, start + Limits.batchRowsMax)
      let isAll = end - start == left.count
      let (own, other) = isAll ? (left, right) : (Array(left[start..<end]), Array(right[start..<end]))
      try sink(Batch(count: own.count, columns: leftSide(batch, own) + self.right.gather(other, needed: rightNeeded)))
    }
  }
  private func pairs(_ batch: Batch, _ groups: [UInt32], _ sink: (Batch) throws -> Void) throws {
    let showsLonely = node.kind == .left || node.kind == .full || node.kind == .single
    let lonely = UInt32(right.count)
    // Left rows below it are out.
    var shown = 0
    var isMatched = [Bool](repeating: false, count: showsLonely ? batch.count : 0)
    try probe(batch).run(index, groups) { found in
      if !isRightMatched.isEmpty { for row in found.right { isRightMatched[Int(row)] = true } }
      guard showsLonely else { return try emit(batch, found.left, found.right, sink) }
      if node.kind == .single { try requireSingle(found.left, isMatched) }
      for row in found.left { isMatched[Int(row)] = true }
      var left: [UInt32] = []
      var right: [UInt32] = []
      var at = 0
      while shown < found.finished {
        while at < found.left.count && Int(found.left[at]) == shown {
          left.append(found.left[at])
          right.append(found.right[at])
          at += 1
        }
        if !isMatched[shown] {
          left.append(UInt32(shown))
          right.append(lonely)
        }
        shown += 1
      }
      // Pairs of a row that goes on in the next block.
      left.append(contentsOf: found.left[at...])
      right.append(contentsOf: found.right[at...])
      try emit(batch, left, right, sink)
    }
  }
  private func requireSingle(_ left: [UInt32], _ isMatched: [Bool]) throws {
    for at in left.indices where isMatched[Int(left[at])] || (at > 0 && left[at - 1] == left[at]) {
      throw TallyError.sql("21000", "more than one row returned by a subquery used as an expression")
    }
  }
  /// Whether each left row has a pair that meets the condition.
  private func matched(_ batch: Batch, _ index: JoinIndex, _ groups: [UInt32]) throws -> [Bool] {
    if node.condition == nil { return groups.map { !index.places($0).isEmpty } }
    var isMatched = [Bool](repeating: false, count: batch.count)
    func skips(_ row: Int) -> Bool { isMatched[row] }
    try probe(batch).run(index, groups, skips: skips) { found in
      for row in found.left { isMatched[Int(row)] = true }
    }
    return isMatched
  }
  private func mark(_ batch: Batch, _ keys: [ColumnVector], _ groups: [UInt32], _ sink: (Batch) throws -> Void) throws {
    let isMatched = try matched(batch, index, groups)
    var validity: Bitmap?
    if let unsure {
      var others = keys
      let marking = others.remove(at: unsure.key)
      // A NULL on the left is unsure of every row, any other value of those with a NULL.
      var ofAll = unsure.all.find(others, count: batch.count)
      var ofNull = unsure.withNull.find(others, count: batch.count)
      for row in 0..<batch.count {
        if isMatched[row] || !marking.isNull(row) { ofAll[row] = JoinIndex.none }
        if isMatched[row] || marking.isNull(row) { ofNull[row] = JoinIndex.none }
      }
      let isUnsure = zip(try matched(batch, unsure.all, ofAll), try matched(batch, unsure.withNull, ofNull)).map { $0 || $1 }
      if isUnsure.contains(true) {
        var bits = Bitmap(repeating: true, count: batch.count)
        for row in isUnsure.indices where isUnsure[row] { bits[row] = false }
        validity = bits
      }
    }
    let marks = ColumnVector(.boolean, .fixed(isMatched.map { $0 ? 1 : 0 }), validity: validity)
    try sink(Batch(count: batch.count, columns: batch.columns + [marks]))
  }

  /// Right rows without a match, after the last left row.
  func finish(_ sink: (Batch) throws -> Void) throws {
    guard node.kind == .right || node.kind == .full else { return }
    let lonely = (0..<UInt32(right.count)).filter { !isRightMatched[Int($0)] }
    let leftTypes = node.left.columns.map(\.type)
    for start in stride(from: 0, to: lonely.count, by: Limits.batchRowsMax) {
      try context.cancel.check()
      let rows = Array(lonely[start..<min(lonely.count, start + Limits.batchRowsMax)])
      let left = leftTypes.map { ColumnVector.nulls($0, count: rows.count) }
      try sink(Batch(count: rows.count, columns: left + right.gather(rows, needed: rightNeeded)))
    }
  }
}

/// Which types compare for equality.
enum EqualityTypes {
  static func check(_ type: DataType) throws {
    switch type.layout {
    case .hll, .topn:
      throw TallyError.sql("42883", "could not identify an equality operator for type \(type.name)")
    default: return
    }
  }
}
