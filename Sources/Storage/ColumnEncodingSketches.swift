// ColumnEncodingSketches.swift — the bytes of HyperLogLog and TopN states within one block of a segment.
//
//   hll   INTS(rows) forms · INTS(rows) word counts · u8 kinds (1 explicit, 2 sparse, 4 full: which of the parts follow)
//         explicit: BYTES(8 h) hashes, all rows' · sparse: INTS(s) register indexes · INTS(s) values
//         full: u8 how: 0 = INTS(registers), 1 = BYTES(registers), whichever is smaller
//   topn  INTS(rows) item counts · INTS(items) codes, uppers, errors · INTS(rows) absent, totals
// Word counts are those of `HLLColumn.offsets`. Parameters are the column type's; topn codes refer to the section's canonical dictionary.
// A reader checks what memory safety of the sketch kernels rests on (forms, word counts, register indexes and values, codes); that
// items and registers rise within a row is the writer's promise, kept by the checksums.
import Bytes
import Columns
import Model

extension ColumnEncoding {
  static func encode(_ v: HLLColumn, into out: inout ByteWriter) {
    encode(v.forms.map { Int64($0) }, into: &out)
    encodeLengths(v.offsets, into: &out)
    var (explicit, sparse, full): ([UInt32], [UInt32], [UInt32]) = ([], [], [])
    for row in 0..<v.count {
      let words = v.words[Int(v.offsets[row])..<Int(v.offsets[row + 1])]
      switch HLLForm(rawValue: v.forms[row]) {
      case .explicit: explicit.append(contentsOf: words)
      case .sparse: sparse.append(contentsOf: words)
      case .full: full.append(contentsOf: words)
      case .undefined, .empty, nil: break
      }
    }
    out.u8((explicit.isEmpty ? 0 : 1) | (sparse.isEmpty ? 0 : 2) | (full.isEmpty ? 0 : 4))
    if !explicit.isEmpty { explicit.withUnsafeBytes { encodeBytes($0, into: &out) } }
    if !sparse.isEmpty {
      encode(sparse.map { Int64($0 >> 8) }, into: &out)
      encode(sparse.map { Int64($0 & 0xff) }, into: &out)
    }
    if !full.isEmpty {
      full.withUnsafeBytes { registers in
        var packed = ByteWriter(capacity: registers.count)
        encode(registers.map { Int64($0) }, into: &packed)
        if let pressed = LZ4Block.compress(registers), pressed.count < packed.count {
          out.u8(1)
          encodeBytes(registers, into: &out)
        } else {
          out.u8(0)
          packed.withBytes { out.bytes($0) }
        }
      }
    }
  }
  static func encode(_ v: TopNColumn, into out: inout ByteWriter) {
    encodeLengths(v.offsets, into: &out)
    v.codes.withUnsafeBufferPointer { IntegerEncoding.encode($0, into: &out) }
    encode(v.uppers, into: &out)
    encode(v.errors, into: &out)
    encode(v.absent, into: &out)
    encode(v.totals, into: &out)
  }

  static func decodeHLL(_ reader: inout ByteReader, _ type: DataType, _ rows: Int) throws(DecodingFailure) -> HLLColumn {
    guard case .hll(let parameters) = type else { fatalError("decoding \(type.name) as hll") }
    let start = reader.position
    func malformed(_ what: String) -> DecodingFailure { DecodingFailure(.malformed, at: start, "hll states: \(what)") }
    let forms = try IntegerEncoding.decodeCodes(&reader, count: rows, below: HLLForm.allCases.count)
    let offsets = try IntegerEncoding.decodeOffsets(&reader, count: rows, max: blockElementsMax / 4)
    let registers = 1 << Int(parameters.log2m)
    var counts = [0, 0, 0, 0, 0]
    for row in 0..<rows {
      let count = Int(offsets[row + 1] - offsets[row])
      let form = Int(forms[row])
      counts[form] += count
      let fits =
        switch HLLForm(rawValue: UInt8(form)) {
        case .explicit: count % 2 == 0
        case .sparse: count <= registers
        case .full: count == registers / 4
        default: count == 0
        }
      guard fits else { throw malformed("\(count) words in form \(form)") }
    }
    let kinds = try reader.u8()
    let (explicitCount, sparseCount, fullCount) = (
      counts[Int(HLLForm.explicit.rawValue)], counts[Int(HLLForm.sparse.rawValue)], counts[Int(HLLForm.full.rawValue)]
    )
    guard kinds == (explicitCount == 0 ? 0 : 1) | (sparseCount == 0 ? 0 : 2) | (fullCount == 0 ? 0 : 4) else {
      throw malformed("parts \(kinds)")
    }
    let explicit = explicitCount == 0 ? [] : try decodeBytes(&reader, count: explicitCount * 4)
    let indexes = sparseCount == 0 ? [] : try IntegerEncoding.decodeCodes(&reader, count: sparseCount, below: registers)
    let valueLimit = 1 << Int(parameters.regwidth)
    let values = sparseCount == 0 ? [] : try IntegerEncoding.decodeCodes(&reader, count: sparseCount, below: valueLimit)
    var full: [UInt8] = []
    if fullCount > 0 {
      switch try reader.u8() {
      case 0:
        let codes = try IntegerEncoding.decodeCodes(&reader, count: fullCount * 4, below: valueLimit)
        full = codes.map { UInt8(truncatingIfNeeded: $0) }
      case 1: full = try decodeBytes(&reader, count: fullCount * 4)
      case let how: throw malformed("registers packed in way \(how)")
      }
      guard full.allSatisfy({ Int($0) < valueLimit }) else { throw malformed("register value over its width") }
    }
    var (nextExplicit, nextSparse, nextFull) = (0, 0, 0)
    let words = [UInt32](unsafeUninitializedCapacity: Int(offsets[rows])) { out, written in
      let target = UnsafeMutableRawBufferPointer(out)
      for row in 0..<rows {
        let (from, to) = (Int(offsets[row]), Int(offsets[row + 1]))
        let bytes = (to - from) * 4
        switch UInt8(forms[row]) {
        case HLLForm.explicit.rawValue:
          explicit.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(rebasing: target[from * 4..<to * 4])
              .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[nextExplicit..<nextExplicit + bytes]))
          }
          nextExplicit += bytes
        case HLLForm.sparse.rawValue:
          for at in from..<to {
            out[at] = indexes[nextSparse] << 8 | values[nextSparse]
            nextSparse &+= 1
          }
        default:
          full.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(rebasing: target[from * 4..<to * 4])
              .copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[nextFull..<nextFull + bytes]))
          }
          nextFull += bytes
        }
      }
      written = out.count
    }
    return HLLColumn(parameters: parameters, forms: forms.map { UInt8(truncatingIfNeeded: $0) }, offsets: offsets, words: words)
  }
  static func decodeTopN(
    _ reader: inout ByteReader,
    _ type: DataType,
    _ rows: Int,
    _ dictionary: TextDictionary
  ) throws(DecodingFailure) -> TopNColumn {
    guard case .topn(let parameters) = type else { fatalError("decoding \(type.name) as topn") }
    let start = reader.position
    let offsets = try IntegerEncoding.decodeOffsets(&reader, count: rows, max: blockElementsMax / 32)
    let items = Int(offsets[rows])
    if items > 0 && dictionary.count == 0 {
      throw DecodingFailure(.malformed, at: start, "items of an empty dictionary")
    }
    return TopNColumn(
      parameters: parameters,
      offsets: offsets,
      codes: try IntegerEncoding.decodeCodes(&reader, count: items, below: max(1, dictionary.count)),
      uppers: try IntegerEncoding.decode(&reader, count: items),
      errors: try IntegerEncoding.decode(&reader, count: items),
      absent: try IntegerEncoding.decode(&reader, count: rows),
      totals: try IntegerEncoding.decode(&reader, count: rows),
      dictionary: dictionary
    )
  }
}
