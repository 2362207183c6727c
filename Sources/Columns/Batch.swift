// Batch.swift — rows that travel together, by column; and joining batches into one.
import Bytes
public import Model

/// Rows of typed columns. Names and meaning stand elsewhere (schema, plan).
public struct Batch: Sendable {
  /// Number of rows (columns may be none).
  public var count: Int
  /// Columns, all of `count` rows.
  public var columns: [ColumnVector]
  /// Makes a batch.
  public init(count: Int, columns: [ColumnVector]) {
    for column in columns { invariant(column.count == count, "a column of \(column.count) rows in a batch of \(count)") }
    self.count = count
    self.columns = columns
  }
  /// No rows of the given types.
  public init(emptyOf types: [DataType]) {
    self.init(count: 0, columns: types.map { ColumnVector.nulls($0, count: 0) })
  }
  /// Types of the columns.
  public var types: [DataType] { columns.map(\.type) }
  /// The rows at the given places, in that order.
  public func gather(_ indices: [UInt32]) -> Batch {
    Batch(count: indices.count, columns: columns.map { $0.gather(indices) })
  }
  /// A half-open range of rows.
  public func slice(_ range: Range<Int>) -> Batch {
    Batch(count: range.count, columns: columns.map { $0.slice(range) })
  }
  /// The columns at the given places.
  public func select(_ columns: [Int]) -> Batch { Batch(count: count, columns: columns.map { self.columns[$0] }) }
}

extension Batch {
  /// One batch of all rows, in order; the batches have the same types. Texts get one common dictionary.
  public static func concatenate(_ batches: [Batch], types: [DataType]) -> Batch {
    if batches.count == 1 { return batches[0] }
    return Batch(
      count: batches.reduce(0) { $0 + $1.count },
      columns: types.indices.map { at in ColumnVector.concatenate(batches.map { $0.columns[at] }, type: types[at]) }
    )
  }
}

extension ColumnVector {
  /// One column of all rows, in order. TopN states get a merged dictionary in canonical order.
  public static func concatenate(_ parts: [ColumnVector], type: DataType) -> ColumnVector {
    if parts.count == 1 { return parts[0] }
    let total = parts.reduce(0) { $0 + $1.count }
    var validity: Bitmap?
    if parts.contains(where: { $0.validity != nil }) {
      var bits = Bitmap(words: [], count: 0)
      for part in parts {
        if let own = part.validity {
          for i in 0..<own.count { bits.append(own[i]) }
        } else {
          for _ in 0..<part.count { bits.append(true) }
        }
      }
      validity = bits
    }
    let values: Values
    switch type.layout {
    case .fixed:
      values = .fixed(join(parts, total) { if case .fixed(let v) = $0.values { v } else { nil } })
    case .double:
      values = .double(join(parts, total) { if case .double(let v) = $0.values { v } else { nil } })
    case .numeric:
      values = .numeric(join(parts, total) { if case .numeric(let v) = $0.values { v } else { nil } })
    case .interval:
      values = .interval(join(parts, total) { if case .interval(let v) = $0.values { v } else { nil } })
    case .text: values = TextJoin.join(parts, total)
    case .hll: values = .hll(HLLColumn.concatenate(parts, type))
    case .topn: values = .topn(TopNColumn.concatenate(parts, type))
    }
    return ColumnVector(type, values, validity: validity)
  }
  private static func join<T>(_ parts: [ColumnVector], _ total: Int, _ get: (ColumnVector) -> [T]?) -> [T] {
    var out: [T] = []
    out.reserveCapacity(total)
    for part in parts {
      guard let values = get(part) else { fatalError("concatenating columns of different layouts") }
      out.append(contentsOf: values)
    }
    return out
  }
}

extension HLLColumn {
  static func concatenate(_ parts: [ColumnVector], _ type: DataType) -> HLLColumn {
    guard case .hll(let parameters) = type else { fatalError("not an hll type: \(type)") }
    var out = HLLColumn(parameters: parameters)
    for part in parts {
      guard case .hll(let own) = part.values else { fatalError("concatenating columns of different layouts") }
      let base = UInt32(out.words.count)
      out.forms.append(contentsOf: own.forms)
      out.offsets.append(contentsOf: own.offsets.dropFirst().map { $0 + base })
      out.words.append(contentsOf: own.words)
    }
    return out
  }
}

extension TopNColumn {
  static func concatenate(_ parts: [ColumnVector], _ type: DataType) -> TopNColumn {
    guard case .topn(let parameters) = type else { fatalError("not a topn type: \(type)") }
    let columns = parts.map { part -> TopNColumn in
      guard case .topn(let own) = part.values else { fatalError("concatenating columns of different layouts") }
      return own
    }
    let (dictionary, remaps) = TextDictionary.mergeCanonical(columns.map(\.dictionary))
    var out = TopNColumn(parameters: parameters)
    out.dictionary = dictionary
    for (own, remap) in zip(columns, remaps) {
      let base = UInt32(out.codes.count)
      out.offsets.append(contentsOf: own.offsets.dropFirst().map { $0 + base })
      if let remap { out.codes.append(contentsOf: own.codes.map { remap[Int($0)] }) } else { out.codes.append(contentsOf: own.codes) }
      out.uppers.append(contentsOf: own.uppers)
      out.errors.append(contentsOf: own.errors)
      out.absent.append(contentsOf: own.absent)
      out.totals.append(contentsOf: own.totals)
    }
    return out
  }
}
