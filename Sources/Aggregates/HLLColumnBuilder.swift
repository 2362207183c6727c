// HLLColumnBuilder.swift — writes columns of HLL states in canonical form, and reads single states out of them.
//
// Canonical (see HLLColumn): explicit sets rise; registers lie sparse while 4 · filled < m, else full.
public import Columns
public import Model

/// Appends states to a column.
struct HLLColumnBuilder: ~Copyable {
  let parameters: HLLParameters
  private var forms: RawArray<UInt8>
  private var offsets: RawArray<UInt32>
  private var words: RawArray<UInt32>
  private var nulls: RawArray<UInt32>

  init(_ parameters: HLLParameters, expected: Int = 16) {
    self.parameters = parameters
    forms = RawArray(capacity: expected)
    offsets = RawArray(capacity: expected + 1)
    words = RawArray(capacity: expected * 8)
    nulls = RawArray(capacity: 4)
    offsets.append(0)
  }
  @inline(__always) private mutating func end(_ form: HLLForm) {
    forms.append(form.rawValue)
    offsets.append(UInt32(words.count))
  }
  mutating func appendNull() {
    nulls.append(UInt32(forms.count))
    end(.empty)
  }
  mutating func appendEmpty() { end(.empty) }
  mutating func appendUndefined() { end(.undefined) }
  /// Appends rising distinct hashes.
  mutating func append(explicit hashes: UnsafePointer<Int64>, count: Int) {
    words.reserve(count * 2)
    let out = words.base + words.count
    for i in 0..<count {
      let bits = UInt64(bitPattern: hashes[i])
      out[2 * i] = UInt32(truncatingIfNeeded: bits)
      out[2 * i + 1] = UInt32(truncatingIfNeeded: bits >> 32)
    }
    words.advance(count * 2)
    end(.explicit)
  }
  /// Appends all m registers, one byte each; memory behind them up to a multiple of four bytes is readable and zero.
  mutating func append(registers: UnsafePointer<UInt8>) {
    let m = parameters.registerCount
    var filled = 0
    for i in 0..<m { filled &+= registers[i] == 0 ? 0 : 1 }
    if 4 * filled < m {
      words.reserve(filled)
      var out = words.base + words.count
      for i in 0..<m where registers[i] != 0 {
        out.pointee = UInt32(truncatingIfNeeded: i) << 8 | UInt32(registers[i])
        out += 1
      }
      words.advance(filled)
      end(.sparse)
    } else {
      let count = (m + 3) / 4
      words.reserve(count)
      UnsafeMutableRawPointer(words.base + words.count).copyMemory(
        from: registers,
        byteCount: count * 4
      )
      words.advance(count)
      end(.full)
    }
  }
  /// Appends a state as it lies in another column.
  mutating func append(form: UInt8, words source: UnsafeBufferPointer<UInt32>) {
    if let start = source.baseAddress { words.append(start, count: source.count) }
    forms.append(form)
    offsets.append(UInt32(words.count))
  }
  mutating func append(_ state: HyperLogLog) {
    switch state.content {
    case .undefined: appendUndefined()
    case .empty: appendEmpty()
    case .explicit(let hashes):
      hashes.withUnsafeBufferPointer {
        if let p = $0.baseAddress { append(explicit: p, count: $0.count) } else { appendEmpty() }
      }
    case .registers(let registers):
      let padded = registers + [0, 0, 0]
      padded.withUnsafeBufferPointer { append(registers: $0.baseAddress!) }
    }
  }
  consuming func finish() -> ColumnVector {
    let count = forms.count
    var validity: Bitmap?
    if nulls.count > 0 {
      var bits = Bitmap(repeating: true, count: count)
      for i in 0..<nulls.count { bits[Int(nulls[i])] = false }
      validity = bits
    }
    return ColumnVector(
      .hll(parameters),
      .hll(
        HLLColumn(
          parameters: parameters,
          forms: forms.array(),
          offsets: offsets.array(),
          words: words.array()
        )
      ),
      validity: validity
    )
  }
}

extension HLLColumn {
  /// The state of one row, taken out.
  public func state(_ row: Int) -> HyperLogLog {
    let range = Int(offsets[row])..<Int(offsets[row + 1])
    switch HLLForm(rawValue: forms[row]) {
    case .empty: return HyperLogLog(parameters, .empty)
    case .explicit:
      return HyperLogLog(
        parameters,
        .explicit(
          stride(from: range.lowerBound, to: range.upperBound, by: 2).map {
            Int64(bitPattern: UInt64(words[$0]) | UInt64(words[$0 + 1]) << 32)
          }
        )
      )
    case .sparse:
      var registers = [UInt8](repeating: 0, count: parameters.registerCount)
      for at in range { registers[Int(words[at] >> 8)] = UInt8(truncatingIfNeeded: words[at]) }
      return HyperLogLog(parameters, .registers(registers))
    case .full:
      return HyperLogLog(
        parameters,
        .registers(
          words.withUnsafeBytes {
            Array($0[range.lowerBound * 4..<range.lowerBound * 4 + parameters.registerCount])
          }
        )
      )
    case .undefined, nil: return HyperLogLog(parameters, .undefined)
    }
  }
}

extension ColumnVector {
  /// A column of HLL states with equal parameters; nil is NULL.
  public init(hll states: [HyperLogLog?], _ parameters: HLLParameters) {
    var builder = HLLColumnBuilder(parameters, expected: states.count)
    for state in states { if let state { builder.append(state) } else { builder.appendNull() } }
    self = builder.finish()
  }
}
