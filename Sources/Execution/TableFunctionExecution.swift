// TableFunctionExecution.swift — functions that give rows: for each input row the rows of its functions, side by side.
//
// Rows are made as the output takes them, so a LIMIT above ends a series of any length. A batch of the output may hold rows of several
// input rows, never of several input batches.
import Bytes
import Columns
import Model
import Planning

/// The rows one function gives for the input row at hand.
protocol RowSeries: AnyObject {
  /// Begins with the rows of an input row.
  func start(_ row: Int) throws
  /// Makes at most `count` more rows; fewer when there are no more.
  func extend(_ count: Int) throws -> Int
  /// Fills up with NULLs.
  func extendByNulls(_ count: Int)
  /// What was made since the last time, by column.
  func take() -> [ColumnVector]
}

final class TableFunctionExecution {
  private let node: TableFunctionNode
  private let needed: Set<Int>?
  private let context: ExecutionContext
  private let inputWidth: Int

  init(_ node: TableFunctionNode, needed: Set<Int>?, _ context: ExecutionContext) throws {
    self.node = node
    self.needed = needed
    self.context = context
    inputWidth = node.input.columns.count
  }
  /// Input columns that must be there.
  var inputColumns: Set<Int>? {
    guard var read = needed?.filter({ $0 < inputWidth }) else { return nil }
    for call in node.calls { for argument in call.arguments { argument.collectColumns(into: &read) } }
    return read
  }

  func add(_ batch: Batch, _ sink: (Batch) throws -> Void) throws {
    let block = RowBlock(batch)
    let series = try node.calls.map { call in
      try TableFunctions.series(
        call,
        try call.arguments.map { try ExpressionEvaluation.evaluate($0, block) },
        count: batch.count,
        context
      )
    }
    var output = Output()
    func flush() throws {
      try context.cancel.check()
      if output.rows.isEmpty { return }
      let count = output.rows.count
      var columns = batch.columns.enumerated().map { at, column in
        needed?.contains(at) ?? true ? column.gather(output.rows) : .nulls(column.type, count: count)
      }
      for one in series { columns.append(contentsOf: one.take()) }
      if node.ordinality != nil { columns.append(ColumnVector(.bigint, .fixed(output.ordinals), validity: output.validity())) }
      output = Output()
      try sink(Batch(count: count, columns: columns))
    }
    for row in 0..<batch.count {
      for one in series { try one.start(row) }
      var made = 0
      while true {
        let room = Limits.batchRowsMax - output.rows.count
        let lengths = try series.map { try $0.extend(room) }
        let most = lengths.max() ?? 0
        for (one, length) in zip(series, lengths) where length < most { one.extendByNulls(most - length) }
        output.rows.append(contentsOf: repeatElement(UInt32(row), count: most))
        if node.ordinality != nil { for at in 0..<most { output.ordinals.append(Int64(made + at + 1)) } }
        made += most
        if most < room { break }
        try flush()
      }
      if made == 0 && node.keepsLonely {
        for one in series { one.extendByNulls(1) }
        output.lonely.append(output.rows.count)
        output.rows.append(UInt32(row))
        if node.ordinality != nil { output.ordinals.append(0) }
        if output.rows.count == Limits.batchRowsMax { try flush() }
      }
    }
    try flush()
  }
  /// Rows made and not given out.
  private struct Output {
    var rows: [UInt32] = []
    var ordinals: [Int64] = []
    var lonely: [Int] = []
    /// Lonely rows have no ordinal.
    func validity() -> Bitmap? {
      if lonely.isEmpty { return nil }
      var bits = Bitmap(repeating: true, count: rows.count)
      for row in lonely { bits[row] = false }
      return bits
    }
  }
}

/// Which series a function makes.
enum TableFunctions {
  static func series(
    _ call: TableFunctionNode.Call,
    _ operands: [Operand],
    count: Int,
    _ context: ExecutionContext
  ) throws -> any RowSeries {
    let type = call.output.first?.type ?? .bigint
    switch call.function {
    case .generateIntegers: return NumberSeries<IntegerSteps>(operands, type)
    case .generateNumerics: return NumberSeries<NumericSteps>(operands, type)
    case .generateTimes:
      return operands.count == 4 ? NumberSeries<ZonedTimeSteps>(operands, type) : NumberSeries<TimeSteps>(operands, type)
    case .stringToTable: return try FlatSeries(try TextSplitting.rows(operands[0], operands[1], count: count), context)
    case .unnest, .regexpSplit, .jsonbArrayElements, .jsonbArrayElementsText, .jsonbEach, .jsonbEachText, .jsonbObjectKeys,
      .regexpMatches, .generateSubscripts:
      return try FlatSeries(try LiftedRows.rows(call, operands, count: count, context), context)
    }
  }
}

/// Rows of all input rows at once: those of input row i are `offsets[i]` ..< `offsets[i + 1]` of the columns.
struct FlatRows {
  var offsets: [UInt32]
  var columns: [ColumnVector]
}

/// Gives rows that were made for the whole batch.
final class FlatSeries: RowSeries {
  private let rows: FlatRows
  private let null: UInt32
  private var at = 0
  private var end = 0
  private var places: [UInt32] = []
  private let context: ExecutionContext
  private let held: Int

  init(_ rows: FlatRows, _ context: ExecutionContext) throws {
    null = rows.offsets.last ?? 0
    var rows = rows
    // One more row, of NULLs, to fill up with.
    rows.columns = rows.columns.map { .concatenate([$0, .nulls($0.type, count: 1)], type: $0.type) }
    self.rows = rows
    self.context = context
    held = rows.columns.reduce(0) { $0 + $1.memoryBytes }
    try context.hold(held)
  }
  deinit { context.release(held) }
  func start(_ row: Int) { (at, end) = (Int(rows.offsets[row]), Int(rows.offsets[row + 1])) }
  func extend(_ count: Int) -> Int {
    let taken = min(count, end - at)
    places.append(contentsOf: UInt32(at)..<UInt32(at + taken))
    at += taken
    return taken
  }
  func extendByNulls(_ count: Int) { places.append(contentsOf: repeatElement(null, count: count)) }
  func take() -> [ColumnVector] {
    defer { places.removeAll(keepingCapacity: true) }
    return rows.columns.map { $0.gather(places) }
  }
}
