// SketchKernels.swift — the HLL and TopN functions over blocks. What the states mean is Aggregates' business.
import Aggregates
import Bytes
import Columns
import Model
import Planning

enum SketchKernels {
  // MARK: - HyperLogLog

  static func unpackHLL(_ packed: [UInt8], _ type: DataType, count: Int) throws -> ColumnVector {
    guard case .hll(let parameters) = type else { fatalError("not an hll type: \(type)") }
    let state = try decodeHLL(packed, parameters)
    return ColumnVector(hll: .init(repeating: state, count: count), parameters).retyped(type)
  }
  private static func decodeHLL(
    _ packed: [UInt8],
    _ parameters: HLLParameters
  ) throws -> HyperLogLog {
    let state: HyperLogLog
    do {
      state = try HLLFormat.decode(packed)
    } catch {
      throw TallyError.sql("22P02", "invalid hll value", detail: "\(error)")
    }
    try HyperLogLog.expectSame(source: state.parameters, destination: parameters)
    return state
  }
  static func parseHLL(
    _ type: DataType,
    _ count: Int,
    _ validity: Bitmap?,
    _ value: (Int) throws -> Value
  ) throws -> ColumnVector.Values {
    guard case .hll(let parameters) = type else { fatalError("not an hll type: \(type)") }
    var states: [HyperLogLog?] = []
    for row in 0..<count {
      if validity?[row] ?? true, case .hll(let packed) = try value(row) {
        states.append(try decodeHLL(packed, parameters))
      } else {
        states.append(nil)
      }
    }
    return ColumnVector(hll: states, parameters).values
  }
  static func pack(_ states: HLLColumn, _ row: Int) -> [UInt8] {
    HLLFormat.encode(states.state(row))
  }

  static func hash(_ a: Operand, seed: Int64, count: Int) throws -> ColumnVector.Values {
    let hashes = try HLLHash.hash(a.column, seed: Int32(truncatingIfNeeded: seed))
    return Operand.like(a, hashes).expanded(count).values
  }
  static func cardinality(_ a: Operand, count: Int) throws -> ColumnVector.Values {
    Operand.like(a, try HLLEstimate.cardinalities(a.column)).expanded(count).values
  }
  /// Cardinalities of UNDEFINED states are NULL.
  static func nullForUndefined(_ result: Operand, _ a: Operand) throws -> Operand {
    guard case .hll(let states) = a.column.values, states.forms.contains(HLLForm.undefined.rawValue)
    else { return result }
    return Operand.like(a, try HLLEstimate.cardinalities(a.column).retyped(result.type))
  }
  private static func states(_ a: Operand) -> HLLColumn {
    guard case .hll(let states) = a.column.values else { fatalError("not an hll: \(a.type)") }
    return states
  }
  static func hllUnion(_ a: Operand, _ b: Operand, count: Int) throws -> ColumnVector.Values {
    let (x, y) = (states(a), states(b))
    return try eachHLL(a, b, x.parameters, count) { row in
      var state = x.state(row & a.mask)
      try state.union(y.state(row & b.mask))
      return state
    }
  }
  static func hllAdd(_ a: Operand, _ b: Operand, count: Int) throws -> ColumnVector.Values {
    let (x, hashes) = (states(a), b.fixed)
    return try eachHLL(a, b, x.parameters, count) { row in
      var state = x.state(row & a.mask)
      state.add(hashes[row & b.mask])
      return state
    }
  }
  private static func eachHLL(
    _ a: Operand,
    _ b: Operand,
    _ parameters: HLLParameters,
    _ count: Int,
    _ make: (Int) throws -> HyperLogLog
  ) throws -> ColumnVector.Values {
    let made: [HyperLogLog?] = try (0..<count).map { row in
      a.validity(at: row) && b.validity(at: row) ? try make(row) : nil
    }
    return ColumnVector(hll: made, parameters).values
  }
  static func hllEqual(_ a: Operand, _ b: Operand, count: Int) -> ColumnVector.Values {
    let (x, y) = (states(a), states(b))
    return .fixed((0..<count).map { pack(x, $0 & a.mask) == pack(y, $0 & b.mask) ? 1 : 0 })
  }

  static func hllForm(_ a: Operand, count: Int) -> ColumnVector.Values {
    let states = states(a)
    return .fixed((0..<count).map { Int64(pack(states, $0 & a.mask)[0] & 15) })
  }
  static func hllPrint(_ a: Operand, count: Int, _ validity: Bitmap?) -> ColumnVector.Values {
    let states = states(a)
    var out = TextColumn()
    for row in 0..<count {
      let text = validity?[row] ?? true ? HLLText.listing(states.state(row & a.mask)) : ""
      Array(text.utf8).withUnsafeBytes { out.append($0) }
    }
    return .text(out)
  }

  // MARK: - TopN

  /// States from JSON objects.
  static func parseTopN(
    _ texts: TextRows,
    _ a: Operand,
    _ type: DataType,
    _ count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    guard case .topn(let parameters) = type else { fatalError("not a topn type: \(type)") }
    let states: [TopN?] = try (0..<count).map { row in
      guard validity?[row] ?? true else { return nil }
      return try TopNText.parse(String(decoding: texts[row & a.mask], as: UTF8.self), parameters)
    }
    return ColumnVector(topn: states, parameters).values
  }
  /// States as JSON objects, in jsonb's form.
  static func printTopN(_ a: Operand, _ count: Int, _ validity: Bitmap?) throws -> ColumnVector.Values {
    let states = states(topn: a)
    var out = TextColumn()
    for row in 0..<count {
      let text = validity?[row] ?? true ? try JSONValue(parsing: TopNText.print(states.state(row & a.mask))).text : ""
      Array(text.utf8).withUnsafeBytes { out.append($0) }
    }
    return .text(out)
  }

  static func unpackTopN(_ packed: [UInt8], _ type: DataType, count: Int) throws -> ColumnVector {
    guard case .topn(let parameters) = type else { fatalError("not a topn type: \(type)") }
    let state: TopN
    do {
      state = try TopNFormat.decode(packed)
    } catch {
      throw TallyError.sql("22P02", "invalid topn value", detail: "\(error)")
    }
    return ColumnVector(topn: .init(repeating: state, count: count), parameters).retyped(type)
  }
  static func pack(_ states: TopNColumn, _ row: Int) -> [UInt8] {
    TopNFormat.encode(states.state(row))
  }
  private static func states(topn a: Operand) -> TopNColumn {
    guard case .topn(let states) = a.column.values else { fatalError("not a topn: \(a.type)") }
    return states
  }
  static func topnUnion(_ a: Operand, _ b: Operand, count: Int) throws -> ColumnVector.Values {
    let (x, y) = (states(topn: a), states(topn: b))
    let made: [TopN?] = try (0..<count).map { row in
      guard a.validity(at: row), b.validity(at: row) else { return nil }
      return try TopN.union(x.state(row & a.mask), y.state(row & b.mask))
    }
    return ColumnVector(topn: made, x.parameters).values
  }
  /// TopN states with at most their type's counters; other columns as they are.
  static func pruned(_ column: ColumnVector) -> ColumnVector {
    guard case .topn(let states) = column.values else { return column }
    let limit = states.parameters.counters
    guard
      (0..<states.count).contains(where: { states.offsets[$0 + 1] - states.offsets[$0] > limit })
    else { return column }
    let made: [TopN?] = (0..<states.count).map { row in
      if column.isNull(row) { return nil }
      var state = states.state(row)
      state.prune(to: Int(limit))
      return state
    }
    return ColumnVector(topn: made, states.parameters).retyped(column.type)
  }
  /// Not strict: see `TopN.add`.
  static func topnAdd(_ operands: [Operand], _ type: DataType, _ count: Int) throws -> Operand {
    guard case .topn(let parameters) = type else { fatalError("not a topn type: \(type)") }
    let isConstant = operands.allSatisfy(\.isConstant)
    let (state, item, weight) = (operands[0], operands[1], operands[2])
    let (states, weights) = (states(topn: state), weight.fixed)
    let made: [TopN?] = item.withTexts { texts in
      (0..<(isConstant ? 1 : count)).map { row in
        TopN.add(
          state.validity(at: row) ? states.state(row & state.mask) : nil,
          item.validity(at: row) ? String(decoding: texts[row & item.mask], as: UTF8.self) : nil,
          weight: weight.validity(at: row) ? weights[row & weight.mask] : nil,
          parameters: parameters
        )
      }
    }
    let column = ColumnVector(topn: made, parameters)
    return isConstant ? Operand(constant: column) : Operand(column)
  }
}

extension Operand {
  /// Values computed from an operand row by row: constant when it is.
  static func like(_ operand: Operand, _ column: ColumnVector) -> Operand {
    operand.isConstant ? Operand(constant: column) : Operand(column)
  }
}
