// ColumnVector.swift — the values of one column of a batch, in memory. Bytes: BatchFormat.swift.
//
// A NULL row has its validity bit clear and the canonical empty value in its place (0, "", code 0, empty state).
import Bytes
public import Model

/// Texts without a dictionary.
public struct TextColumn: Equatable, Sendable {
  /// Start of row i is `offsets[i]`, its end `offsets[i + 1]`.
  public var offsets: [UInt32]
  /// UTF-8.
  public var bytes: [UInt8]
  /// Takes over arrays.
  public init(offsets: [UInt32] = [0], bytes: [UInt8] = []) {
    self.offsets = offsets
    self.bytes = bytes
  }
  /// Number of texts.
  public var count: Int { offsets.count - 1 }
  /// Appends a text.
  public mutating func append(_ text: UnsafeRawBufferPointer) {
    bytes.append(contentsOf: text)
    offsets.append(UInt32(bytes.count))
  }
}

/// One column of a batch.
public struct ColumnVector: Sendable {
  /// How the values lie; the case fits `type.layout`.
  public enum Values: Sendable {
    /// See `VectorLayout.fixed`.
    case fixed([Int64])
    case double([Double])
    case numeric([Numeric])
    case interval([Interval])
    /// Plain texts.
    case text(TextColumn)
    /// Texts by dictionary code. A code is always below the dictionary's count, except that with an empty dictionary all rows are
    /// NULL with code 0.
    case codes([UInt32], TextDictionary)
    case hll(HLLColumn)
    case topn(TopNColumn)
  }
  /// SQL type.
  public var type: DataType
  /// One bit a row, 1 = not NULL; nil = no NULLs.
  public var validity: Bitmap?
  /// The values.
  public var values: Values

  /// Makes a column; an all-set validity is dropped.
  public init(_ type: DataType, _ values: Values, validity: Bitmap? = nil) {
    self.type = type
    self.values = values
    self.validity = validity.flatMap { $0.isAllSet ? nil : $0 }
    invariant(self.validity.map { $0.count == count } ?? true, "validity of another length")
  }
  /// Number of rows.
  public var count: Int {
    switch values {
    case .fixed(let v): v.count
    case .double(let v): v.count
    case .numeric(let v): v.count
    case .interval(let v): v.count
    case .text(let v): v.count
    case .codes(let v, _): v.count
    case .hll(let v): v.count
    case .topn(let v): v.count
    }
  }
  /// True when row `index` is NULL.
  @inlinable public func isNull(_ index: Int) -> Bool { validity.map { !$0[index] } ?? false }

  /// A column of `count` NULLs.
  public static func nulls(_ type: DataType, count: Int) -> ColumnVector {
    let values: Values =
      switch type {
      case .hll(let p):
        .hll(
          HLLColumn(
            parameters: p,
            forms: .init(repeating: HLLForm.empty.rawValue, count: count),
            offsets: .init(repeating: 0, count: count + 1),
            words: []
          )
        )
      case .topn(let p):
        .topn(
          TopNColumn(
            parameters: p,
            offsets: .init(repeating: 0, count: count + 1),
            codes: [],
            uppers: [],
            errors: [],
            absent: .init(repeating: 0, count: count),
            totals: .init(repeating: 0, count: count),
            dictionary: .empty
          )
        )
      default:
        switch type.layout {
        case .double: .double(.init(repeating: 0, count: count))
        case .numeric: .numeric(.init(repeating: Numeric(0), count: count))
        case .interval: .interval(.init(repeating: Interval(), count: count))
        case .text: .codes(.init(repeating: 0, count: count), .empty)
        default: .fixed(.init(repeating: 0, count: count))
        }
      }
    return ColumnVector(type, values, validity: Bitmap(repeating: false, count: count))
  }

  /// The rows at the given places, in that order (places may repeat).
  public func gather(_ indices: UnsafeBufferPointer<UInt32>) -> ColumnVector {
    let gathered: Values =
      switch values {
      case .fixed(let v): .fixed(Self.gather(v, indices))
      case .double(let v): .double(Self.gather(v, indices))
      case .numeric(let v): .numeric(Self.gather(v, indices))
      case .interval(let v): .interval(Self.gather(v, indices))
      case .codes(let v, let d): .codes(Self.gather(v, indices), d)
      case .text(let v): .text(v.gather(indices))
      case .hll(let v): .hll(v.gather(indices))
      case .topn(let v): .topn(v.gather(indices))
      }
    return ColumnVector(type, gathered, validity: validity?.gather(indices))
  }
  /// The rows at the given places.
  public func gather(_ indices: [UInt32]) -> ColumnVector { indices.withUnsafeBufferPointer { gather($0) } }

  private static func gather<T>(_ source: [T], _ indices: UnsafeBufferPointer<UInt32>) -> [T] {
    source.withUnsafeBufferPointer { source in
      [T](unsafeUninitializedCapacity: indices.count) { out, written in
        for i in 0..<indices.count { (out.baseAddress! + i).initialize(to: source[Int(indices[i])]) }
        written = indices.count
      }
    }
  }
  /// A half-open range of rows.
  public func slice(_ range: Range<Int>) -> ColumnVector {
    if range == 0..<count { return self }
    let sliced: Values =
      switch values {
      case .fixed(let v): .fixed(Array(v[range]))
      case .double(let v): .double(Array(v[range]))
      case .numeric(let v): .numeric(Array(v[range]))
      case .interval(let v): .interval(Array(v[range]))
      case .codes(let v, let d): .codes(Array(v[range]), d)
      case .text(let v): .text(v.slice(range))
      case .hll(let v): .hll(v.slice(range))
      case .topn(let v): .topn(v.slice(range))
      }
    return ColumnVector(type, sliced, validity: validity?.slice(range))
  }
}

extension TextColumn {
  func gather(_ indices: UnsafeBufferPointer<UInt32>) -> TextColumn {
    let (starts, picks) = flatGather(offsets, indices)
    return bytes.withUnsafeBytes { source in
      let out = [UInt8](unsafeUninitializedCapacity: Int(starts.last ?? 0)) { target, written in
        written = Int(starts.last ?? 0)
        for i in 0..<picks.count where picks[i].count > 0 {
          (UnsafeMutableRawPointer(target.baseAddress!) + Int(starts[i])).copyMemory(
            from: source.baseAddress! + picks[i].lowerBound,
            byteCount: picks[i].count
          )
        }
      }
      return TextColumn(offsets: starts, bytes: out)
    }
  }
  func slice(_ range: Range<Int>) -> TextColumn {
    let base = offsets[range.lowerBound]
    return TextColumn(
      offsets: offsets[range.lowerBound...range.upperBound].map { $0 - base },
      bytes: Array(bytes[Int(base)..<Int(offsets[range.upperBound])])
    )
  }
}

/// New offsets of gathered rows and, for each, its old range.
func flatGather(_ offsets: [UInt32], _ indices: UnsafeBufferPointer<UInt32>) -> ([UInt32], [Range<Int>]) {
  var starts: [UInt32] = [0]
  starts.reserveCapacity(indices.count + 1)
  var picks: [Range<Int>] = []
  picks.reserveCapacity(indices.count)
  var total: UInt32 = 0
  for i in 0..<indices.count {
    let at = Int(indices[i])
    picks.append(Int(offsets[at])..<Int(offsets[at + 1]))
    total += offsets[at + 1] - offsets[at]
    starts.append(total)
  }
  return (starts, picks)
}

func flatPick<T>(_ source: [T], _ picks: [Range<Int>], _ total: Int) -> [T] {
  var out: [T] = []
  out.reserveCapacity(total)
  for range in picks { out.append(contentsOf: source[range]) }
  return out
}

extension HLLColumn {
  func gather(_ indices: UnsafeBufferPointer<UInt32>) -> HLLColumn {
    let (starts, picks) = flatGather(offsets, indices)
    return HLLColumn(
      parameters: parameters,
      forms: indices.map { forms[Int($0)] },
      offsets: starts,
      words: flatPick(words, picks, Int(starts.last ?? 0))
    )
  }
  func slice(_ range: Range<Int>) -> HLLColumn {
    let base = offsets[range.lowerBound]
    return HLLColumn(
      parameters: parameters,
      forms: Array(forms[range]),
      offsets: offsets[range.lowerBound...range.upperBound].map { $0 - base },
      words: Array(words[Int(base)..<Int(offsets[range.upperBound])])
    )
  }
}

extension TopNColumn {
  func gather(_ indices: UnsafeBufferPointer<UInt32>) -> TopNColumn {
    let (starts, picks) = flatGather(offsets, indices)
    let total = Int(starts.last ?? 0)
    return TopNColumn(
      parameters: parameters,
      offsets: starts,
      codes: flatPick(codes, picks, total),
      uppers: flatPick(uppers, picks, total),
      errors: flatPick(errors, picks, total),
      absent: indices.map { absent[Int($0)] },
      totals: indices.map { totals[Int($0)] },
      dictionary: dictionary
    )
  }
  func slice(_ range: Range<Int>) -> TopNColumn {
    let base = offsets[range.lowerBound]
    let items = Int(base)..<Int(offsets[range.upperBound])
    return TopNColumn(
      parameters: parameters,
      offsets: offsets[range.lowerBound...range.upperBound].map { $0 - base },
      codes: Array(codes[items]),
      uppers: Array(uppers[items]),
      errors: Array(errors[items]),
      absent: Array(absent[range]),
      totals: Array(totals[range]),
      dictionary: dictionary
    )
  }
}
