// ExpressionEvaluation.swift — evaluates a bound expression over the rows of a batch, a block at a time.
//
// A function of one dictionary-coded text and constants is computed once for each text in use. CASE, COALESCE, AND and OR
// evaluate their later operands only for the rows that reach them where those could fail; so a guarded division does not.
// Constants stay constants until someone needs a column.
import Aggregates
import Bytes
import Columns
import Model
import Planning

/// Rows that an expression is evaluated over: of a batch, or pairs of rows of two batches, whose columns come one after the other;
/// columns are gathered when first asked for.
final class RowBlock {
  private let batch: Batch
  private let rows: [UInt32]?
  private let other: (columns: [ColumnVector], rows: [UInt32])?
  private var gathered: [Int: ColumnVector] = [:]
  let count: Int

  init(_ batch: Batch) {
    self.batch = batch
    rows = nil
    other = nil
    count = batch.count
  }
  private init(_ batch: Batch, _ rows: [UInt32], _ other: (columns: [ColumnVector], rows: [UInt32])?) {
    self.batch = batch
    self.rows = rows
    self.other = other
    count = rows.count
  }
  /// Pair i is row `leftRows[i]` of a batch and row `rightRows[i]` of other columns.
  convenience init(_ left: Batch, _ leftRows: [UInt32], _ right: [ColumnVector], _ rightRows: [UInt32]) {
    self.init(left, leftRows, (right, rightRows))
  }
  /// Rows of columns that are no batch.
  convenience init(_ columns: [ColumnVector], _ rows: [UInt32]) {
    self.init(Batch(count: 0, columns: []), rows, (columns, rows))
  }
  /// A chosen part of these rows.
  func narrowed(to chosen: [UInt32]) -> RowBlock {
    func pick(_ rows: [UInt32]) -> [UInt32] { chosen.map { rows[Int($0)] } }
    return RowBlock(batch, rows.map(pick) ?? chosen, other.map { ($0.columns, pick($0.rows)) })
  }
  func column(_ index: Int) -> ColumnVector {
    guard let rows else { return batch.columns[index] }
    if let column = gathered[index] { return column }
    let left = batch.columns.count
    let column: ColumnVector
    if let other, index >= left {
      column = other.columns[index - left].gather(other.rows)
    } else {
      column = batch.columns[index].gather(rows)
    }
    gathered[index] = column
    return column
  }
}

enum ExpressionEvaluation {
  /// The expression's column over a whole batch.
  static func column(_ expression: Expression, _ batch: Batch) throws -> ColumnVector {
    try evaluate(expression, RowBlock(batch)).expanded(batch.count)
  }
  /// Rows of the batch for which the condition is TRUE; nil when all are.
  static func matching(_ condition: Expression, _ batch: Batch) throws -> [UInt32]? {
    let truth = Truth(try evaluate(condition, RowBlock(batch)), count: batch.count)
    return truth.rows { $0 == Truth.yes }
  }
  /// The value of a constant expression.
  static func constant(_ expression: Expression) throws -> ColumnVector {
    try evaluate(expression, RowBlock(Batch(count: 1, columns: []))).expanded(1)
  }

  static func evaluate(_ expression: Expression, _ block: RowBlock) throws -> Operand {
    switch expression.node {
    case .column(let index): return Operand(block.column(index))
    case .constant(let value): return try Operand(expression.type, value)
    case .parameter(let number): throw TallyError(.internalError, "parameter \(number) has no value")
    case .call(let function, let arguments):
      let operands = try arguments.map { try evaluate($0, block) }
      return try call(function, operands, expression.type, block.count)
    case .and(let parts): return try logic(parts, block, decided: Truth.no)
    case .or(let parts): return try logic(parts, block, decided: Truth.yes)
    case .not(let inner):
      let truth = Truth(try evaluate(inner, block), count: block.count)
      return truth.negated().operand()
    case .isNull(let inner):
      let operand = try evaluate(inner, block)
      if operand.isConstant {
        return try Operand(.boolean, .fixed(operand.column.isNull(0) ? 1 : 0))
      }
      guard let validity = operand.column.validity else { return try Operand(.boolean, .fixed(0)) }
      return Operand(ColumnVector(.boolean, .fixed((0..<block.count).map { validity[$0] ? 0 : 1 })))
    case .caseWhen(let branches, let otherwise):
      return try choice(branches, otherwise, expression.type, block)
    case .coalesce(let parts): return try coalesce(parts, expression.type, block)
    case .inList(let inner, let values, let hasNull):
      let operand = try evaluate(inner, block)
      let found = try strict([operand], .boolean, block.count, usesWholeDictionary: true) {
        operands,
        count,
        _ in
        .fixed(ComparisonKernels.isIn(operands[0], values, count: count))
      }
      return hasNull ? Truth(found, count: block.count).withNullForNo().operand() : found
    case .like(let inner, let text):
      let pattern = try LikePattern(text)
      return try strict(
        [try evaluate(inner, block)],
        .boolean,
        block.count,
        usesWholeDictionary: true
      ) {
        operands,
        count,
        _ in
        operands[0].withTexts { texts in
          .fixed(
            (0..<count).map {
              pattern.matches(texts[$0 & operands[0].mask].assumingMemoryBound(to: UInt8.self))
                ? 1 : 0
            }
          )
        }
      }
    case .hosted(let function, let arguments):
      let operands = try arguments.map { try evaluate($0, block) }
      return Operand(try HostedCalls.evaluate(function, operands, count: block.count))
    case .cast(let inner):
      let operand = try evaluate(inner, block)
      if operand.type == expression.type { return operand }
      if let same = CastKernels.relabelled(operand, as: expression.type) { return same }
      if !CastKernels.hasKernel(operand.type, expression.type) { return try LiftedKernels.cast(operand, expression.type, block.count) }
      return try strict([operand], expression.type, block.count, usesWholeDictionary: false) {
        operands,
        count,
        validity in
        try CastKernels.cast(operands[0], to: expression.type, count: count, validity)
      }
    }
  }

  /// Applies a strict kernel: NULL constants answer at once, constants give a constant, texts are computed by dictionary.
  static func strict(
    _ operands: [Operand],
    _ type: DataType,
    _ count: Int,
    usesWholeDictionary: Bool,
    _ kernel: ([Operand], Int, Bitmap?) throws -> ColumnVector.Values
  ) throws -> Operand {
    if operands.contains(where: \.isNullConstant) { return .null(type) }
    guard let only = operands.firstIndex(where: { !$0.isConstant }) else {
      return Operand(constant: ColumnVector(type, try kernel(operands, 1, nil)))
    }
    if operands.lastIndex(where: { !$0.isConstant }) == only,
      case .codes(let codes, let dictionary) = operands[only].column.values, dictionary.count > 0,
      count > 1
    {
      let validity = operands[only].column.validity
      let isWhole = usesWholeDictionary && dictionary.count <= count
      let (used, places) = isWhole ? (nil, nil) : inUse(codes, validity, dictionary.count)
      let entries = used ?? (0..<UInt32(dictionary.count)).map { $0 }
      var own = operands
      own[only] = Operand(ColumnVector(operands[only].type, .codes(entries, dictionary)))
      let values = try kernel(own, entries.count, nil)
      let results = ColumnVector(type, values).withDictionary()
      let picks = places.map { places in codes.map { places[Int($0)] } } ?? codes
      if entries.isEmpty { return Operand(.nulls(type, count: count)) }
      return Operand(results.gather(picks).masked(by: validity))
    }
    let validity = commonValidity(operands, count: count)
    return Operand(ColumnVector(type, try kernel(operands, count, validity)).masked(by: validity))
  }
  /// The codes of rows that are not NULL, rising, and where each lies among them (0 for the others).
  private static func inUse(
    _ codes: [UInt32],
    _ validity: Bitmap?,
    _ dictionaryCount: Int
  ) -> ([UInt32]?, [UInt32]?) {
    var places = [UInt32](repeating: 0, count: dictionaryCount)
    for row in codes.indices where validity?[row] ?? true { places[Int(codes[row])] = 1 }
    var used: [UInt32] = []
    for code in 0..<dictionaryCount where places[code] == 1 {
      places[code] = UInt32(used.count)
      used.append(UInt32(code))
    }
    return (used, places)
  }

  private static func call(
    _ function: Function,
    _ operands: [Operand],
    _ type: DataType,
    _ count: Int
  ) throws -> Operand {
    if function == .topnAdd { return try SketchKernels.topnAdd(operands, type, count) }
    if let zoned = try ZonedKernels.call(function, operands, type, count) { return zoned }
    if function.isTabled { return try LiftedKernels.call(function, operands, type, count) }
    let result = try strict(operands, type, count, usesWholeDictionary: function != .concatenate) {
      operands,
      count,
      validity in
      try compute(function, operands, type, count, validity)
    }
    switch function {
    // These give NULL for some values.
    case .hllCardinality: return try SketchKernels.nullForUndefined(result, operands[0])
    case .extract: return try ExtractKernels.nullForInfinite(result, operands)
    default: return result
    }
  }
  private static func compute(
    _ function: Function,
    _ operands: [Operand],
    _ type: DataType,
    _ count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    switch function {
    case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual:
      return .fixed(ComparisonKernels.compare(function, operands[0], operands[1], count: count))
    case .add, .subtract, .multiply, .divide, .modulo:
      return try ArithmeticKernels.binary(
        function,
        operands[0],
        operands[1],
        type,
        count: count,
        validity
      )
    case .round where operands.count == 2, .truncate where operands.count == 2:
      return try ArithmeticKernels.rounding(
        function,
        operands[0],
        operands[1],
        count: count,
        validity
      )
    case .negate, .absolute, .floor, .ceiling, .round, .truncate:
      return try ArithmeticKernels.unary(function, operands[0], type, count: count, validity)
    case .addDays, .subtractDays, .dateDifference, .addInterval, .subtractInterval, .timeDifference,
      .intervalAdd,
      .intervalSubtract, .intervalMultiply, .intervalDivide:
      return try TimeKernels.arithmetic(function, operands[0], operands[1], count: count, validity)
    case .dateTrunc:
      return try TimeKernels.truncate(operands[0], operands[1], count: count, validity)
    case .extract:
      return try ExtractKernels.extract(operands[0], operands[1], count: count, validity)
    case .timeBucket:
      return try TimeKernels.bucket(operands[0], operands[1], count: count, validity)
    case .concatenate:
      return try TextKernels.concatenate(operands[0], operands[1], count: count, validity)
    case .lower: return TextKernels.changeCase(operands[0], toUpper: false, count: count)
    case .upper: return TextKernels.changeCase(operands[0], toUpper: true, count: count)
    case .length: return TextKernels.length(operands[0], count: count, validity)
    case .hllHash:
      return try SketchKernels.hash(operands[0], seed: operands[1].fixed[0], count: count)
    case .hllCardinality: return try SketchKernels.cardinality(operands[0], count: count)
    case .hllUnion: return try SketchKernels.hllUnion(operands[0], operands[1], count: count)
    case .hllAdd: return try SketchKernels.hllAdd(operands[0], operands[1], count: count)
    case .hllEqual: return SketchKernels.hllEqual(operands[0], operands[1], count: count)
    case .hllForm: return SketchKernels.hllForm(operands[0], count: count)
    case .hllPrint: return SketchKernels.hllPrint(operands[0], count: count, validity)
    case .topnUnion: return try SketchKernels.topnUnion(operands[0], operands[1], count: count)
    default: fatalError("\(function) has no kernel of its own")
    }
  }

  // MARK: - Three-valued logic and branches

  private static func logic(
    _ parts: [Expression],
    _ block: RowBlock,
    decided: UInt8
  ) throws -> Operand {
    guard let first = parts.first else {
      return try Operand(.boolean, .fixed(decided == Truth.no ? 1 : 0))
    }
    var truth = Truth(try evaluate(first, block), count: block.count)
    for part in parts.dropFirst() {
      guard let open = truth.rows({ $0 != decided }) else {
        truth.combine(
          Truth(try evaluate(part, block), count: block.count),
          takesLess: decided == Truth.no
        )
        continue
      }
      if open.isEmpty { break }
      if part.canFail || open.count < block.count / 4 {
        let own = Truth(try evaluate(part, block.narrowed(to: open)), count: open.count)
        truth.combine(own, at: open, takesLess: decided == Truth.no)
      } else {
        truth.combine(
          Truth(try evaluate(part, block), count: block.count),
          takesLess: decided == Truth.no
        )
      }
    }
    return truth.operand()
  }
  private static func choice(
    _ branches: [CaseBranch],
    _ otherwise: Expression?,
    _ type: DataType,
    _ block: RowBlock
  ) throws -> Operand {
    var scatter = ScatteredColumn(type, count: block.count)
    // nil: all rows are still open.
    var open: [UInt32]?
    var rest = block
    for branch in branches {
      let truth = Truth(try evaluate(branch.condition, rest), count: rest.count)
      guard let taken = truth.rows({ $0 == Truth.yes }) else {
        let result = try evaluate(branch.result, rest)
        if open == nil { return result.relabelled(type) }
        scatter.place(result.expanded(rest.count), at: open)
        return Operand(try scatter.finish())
      }
      if taken.isEmpty { continue }
      let rows = open.map { open in taken.map { open[Int($0)] } } ?? taken
      scatter.place(
        try evaluate(branch.result, rest.narrowed(to: taken)).expanded(taken.count),
        at: rows
      )
      let left = truth.rows { $0 != Truth.yes } ?? []
      open = open.map { open in left.map { open[Int($0)] } } ?? left
      rest = rest.narrowed(to: left)
    }
    if let otherwise {
      let result = try evaluate(otherwise, rest)
      if open == nil { return result.relabelled(type) }
      scatter.place(result.expanded(rest.count), at: open)
    } else if open == nil {
      return .null(type)
    }
    return Operand(try scatter.finish())
  }
  private static func coalesce(
    _ parts: [Expression],
    _ type: DataType,
    _ block: RowBlock
  ) throws -> Operand {
    var scatter = ScatteredColumn(type, count: block.count)
    var open: [UInt32]?
    var rest = block
    for part in parts {
      let operand = try evaluate(part, rest)
      if operand.isNullConstant { continue }
      guard let validity = operand.isConstant ? nil : operand.column.validity else {
        if open == nil { return operand.relabelled(type) }
        scatter.place(operand.expanded(rest.count), at: open)
        return Operand(try scatter.finish())
      }
      var (taken, left): ([UInt32], [UInt32]) = ([], [])
      for row in 0..<rest.count {
        if validity[row] { taken.append(UInt32(row)) } else { left.append(UInt32(row)) }
      }
      if taken.isEmpty { continue }
      scatter.place(
        operand.column.gather(taken),
        at: open.map { open in taken.map { open[Int($0)] } } ?? taken
      )
      open = open.map { open in left.map { open[Int($0)] } } ?? left
      rest = rest.narrowed(to: left)
    }
    return open == nil ? .null(type) : Operand(try scatter.finish())
  }
}

extension Operand {
  func relabelled(_ type: DataType) -> Operand {
    isConstant ? Operand(constant: column.retyped(type)) : Operand(column.retyped(type))
  }
}

extension ColumnVector {
  /// NULL where the bitmap is clear; values there become the canonical empty ones for fixed and double.
  func masked(by validity: Bitmap?) -> ColumnVector {
    guard let validity, !validity.isAllSet else { return self }
    var values = values
    switch values {
    case .fixed(var v):
      for row in 0..<v.count where !validity[row] { v[row] = 0 }
      values = .fixed(v)
    case .double(var v):
      for row in 0..<v.count where !validity[row] { v[row] = 0 }
      values = .double(v)
    case .numeric(var v):
      for row in 0..<v.count where !validity[row] { v[row] = Numeric(0) }
      values = .numeric(v)
    case .interval(var v):
      for row in 0..<v.count where !validity[row] { v[row] = Interval() }
      values = .interval(v)
    case .codes(var v, let dictionary):
      for row in 0..<v.count where !validity[row] { v[row] = 0 }
      values = .codes(v, dictionary)
    case .text, .hll, .topn: break
    }
    return ColumnVector(type, values, validity: validity)
  }
}

/// A column put together from parts at chosen rows; rows given no value are NULL.
struct ScatteredColumn {
  private let type: DataType
  private let count: Int
  private var parts: [ColumnVector] = []
  private var places: [UInt32]
  private var total: UInt32 = 0

  init(_ type: DataType, count: Int) {
    self.type = type
    self.count = count
    places = [UInt32](repeating: .max, count: count)
  }
  /// Values for the given rows; nil = all rows.
  mutating func place(_ column: ColumnVector, at rows: [UInt32]?) {
    for i in 0..<column.count { places[rows.map { Int($0[i]) } ?? i] = total + UInt32(i) }
    total += UInt32(column.count)
    parts.append(column.retyped(type))
  }
  func finish() throws -> ColumnVector {
    var places = places
    var parts = parts
    if places.contains(.max) {
      for row in places.indices where places[row] == .max { places[row] = total }
      parts.append(.nulls(type, count: 1))
    }
    return ColumnVector.concatenate(parts, type: type).gather(places)
  }
}
