// HLLAccumulator.swift — hll_add_agg and hll_union_agg over groups.
//
// A group is a slot: nothing, EMPTY, a short rising list of hashes, or registers; lists and registers lie in memory of their
// own, lists doubling from four hashes. Rows without hash make a group EMPTY (add); NULL states leave it NULL (union).
import Columns
import Model

/// HyperLogLog over groups; adds hashes and unites states, as its update's argument type says.
final class HLLAccumulator: Accumulator {
  private enum Form {
    static let null: UInt8 = 0
    static let empty: UInt8 = 1
    static let explicit: UInt8 = 2
    static let registers: UInt8 = 3
    static let undefined: UInt8 = 4
  }
  private struct Slot: BitwiseCopyable {
    /// Registers, or hashes.
    var memory: UnsafeMutableRawPointer?
    var count: UInt32
    var capacity: UInt16
    var form: UInt8
  }
  private let parameters: HLLParameters
  private let limit: Int
  private let log2m: UInt64
  private let valueMax: UInt8
  private let registerBytes: Int
  private var slots = RawArray<Slot>()
  private var heldBytes = 0
  let resultType: DataType
  var partialTypes: [DataType] { [resultType] }
  var memoryBytes: Int { slots.bytes + heldBytes }

  init(_ parameters: HLLParameters) {
    self.parameters = parameters
    resultType = .hll(parameters)
    limit = parameters.explicitLimit
    log2m = UInt64(parameters.log2m)
    valueMax = HLLRegister.valueMax(parameters)
    registerBytes = (parameters.registerCount + 63) / 64 * 64
  }
  deinit { for i in 0..<slots.count { slots[i].memory?.deallocate() } }

  private func grow(_ groupCount: Int) {
    slots.grow(to: groupCount, with: Slot(memory: nil, count: 0, capacity: 0, form: Form.null))
  }
  func update(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    arguments: [ColumnVector],
    filter: Bitmap?
  ) throws(TallyError) {
    grow(groupCount)
    switch arguments[0].values {
    case .fixed(let hashes): add(groupIDs, hashes, arguments[0].validity, filter)
    case .hll(let states):
      try HyperLogLog.expectSame(source: states.parameters, destination: parameters)
      unite(groupIDs, states, rowMask(arguments[0].validity, filter))
    default: fatalError("hll over \(arguments[0].type.name)")
    }
  }
  func merge(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    partials: [ColumnVector]
  ) throws(TallyError) {
    try update(groupIDs, groupCount: groupCount, arguments: partials, filter: nil)
  }
  private func add(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    _ hashes: [Int64],
    _ validity: Bitmap?,
    _ filter: Bitmap?
  ) {
    let (slots, log2m, valueMax) = (self.slots.base, self.log2m, self.valueMax)
    if validity != nil {
      forEachRow(groupIDs.count, filter) { row in
        let group = Int(groupIDs[row])
        if slots[group].form == Form.null { slots[group].form = Form.empty }
      }
    }
    hashes.withUnsafeBufferPointer { hashes in
      forEachRow(groupIDs.count, rowMask(validity, filter)) { row in
        let slot = slots + Int(groupIDs[row])
        if slot.pointee.form == Form.registers {
          let bits = UInt64(bitPattern: hashes[row])
          let register =
            slot.pointee.memory.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
            + HLLRegister.index(bits, log2m: log2m)
          let value = HLLRegister.value(bits, log2m: log2m, max: valueMax)
          if register.pointee < value { register.pointee = value }
        } else {
          insert(hashes[row], slot)
        }
      }
    }
  }
  private func insert(_ hash: Int64, _ slot: UnsafeMutablePointer<Slot>) {
    switch slot.pointee.form {
    case Form.undefined: return
    case Form.registers: return setRegister(hash, slot)
    default: break
    }
    slot.pointee.form = Form.explicit
    let count = Int(slot.pointee.count)
    let list = slot.pointee.memory?.assumingMemoryBound(to: Int64.self)
    var (low, high) = (0, count)
    if let list {
      while low < high {
        let middle = (low + high) / 2
        if list[middle] < hash { low = middle + 1 } else { high = middle }
      }
      if low < count && list[low] == hash { return }
    }
    if count >= limit {
      toRegisters(slot)
      return setRegister(hash, slot)
    }
    if count == Int(slot.pointee.capacity) { widen(slot) }
    let target = slot.pointee.memory.unsafelyUnwrapped.assumingMemoryBound(to: Int64.self)
    (target + low + 1).update(from: target + low, count: count - low)
    target[low] = hash
    slot.pointee.count += 1
  }
  private func setRegister(_ hash: Int64, _ slot: UnsafeMutablePointer<Slot>) {
    let bits = UInt64(bitPattern: hash)
    let register =
      slot.pointee.memory.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
      + HLLRegister.index(bits, log2m: log2m)
    register.pointee = max(register.pointee, HLLRegister.value(bits, log2m: log2m, max: valueMax))
  }
  private func widen(_ slot: UnsafeMutablePointer<Slot>) {
    let wider = max(4, Int(slot.pointee.capacity) * 2)
    let fresh = UnsafeMutableRawPointer.allocate(byteCount: wider * 8, alignment: 64)
    if let old = slot.pointee.memory {
      fresh.copyMemory(from: old, byteCount: Int(slot.pointee.count) * 8)
      old.deallocate()
    }
    heldBytes += (wider - Int(slot.pointee.capacity)) * 8
    slot.pointee.memory = fresh
    slot.pointee.capacity = UInt16(wider)
  }
  private func toRegisters(_ slot: UnsafeMutablePointer<Slot>) {
    let old = slot.pointee
    let registers = UnsafeMutableRawPointer.allocate(byteCount: registerBytes, alignment: 64)
    registers.initializeMemory(as: UInt8.self, repeating: 0, count: registerBytes)
    slot.pointee.memory = registers
    slot.pointee.form = Form.registers
    heldBytes += registerBytes - Int(old.capacity) * 8
    if old.form == Form.explicit, let list = old.memory?.assumingMemoryBound(to: Int64.self) {
      for i in 0..<Int(old.count) { setRegister(list[i], slot) }
    }
    old.memory?.deallocate()
    slot.pointee.count = 0
    slot.pointee.capacity = 0
  }
  private func unite(_ groupIDs: UnsafeBufferPointer<UInt32>, _ states: HLLColumn, _ mask: Bitmap?) {
    let slots = self.slots.base
    states.words.withUnsafeBufferPointer { words in
      states.offsets.withUnsafeBufferPointer { offsets in
        states.forms.withUnsafeBufferPointer { forms in
          forEachRow(groupIDs.count, mask) { row in
            let own = UnsafeBufferPointer(
              rebasing: words[Int(offsets[row])..<Int(offsets[row + 1])]
            )
            unite(forms[row], own, slots + Int(groupIDs[row]))
          }
        }
      }
    }
  }
  @inline(__always) private func unite(
    _ form: UInt8,
    _ words: UnsafeBufferPointer<UInt32>,
    _ slot: UnsafeMutablePointer<Slot>
  ) {
    if slot.pointee.form == Form.null { slot.pointee.form = Form.empty }
    if slot.pointee.form == Form.undefined { return }
    switch HLLForm(rawValue: form) {
    case .empty: break
    case .explicit:
      for i in 0..<words.count / 2 {
        let hash = Int64(bitPattern: UInt64(words[2 * i]) | UInt64(words[2 * i + 1]) << 32)
        if slot.pointee.form == Form.registers {
          setRegister(hash, slot)
        } else {
          insert(hash, slot)
        }
      }
    case .sparse:
      if slot.pointee.form != Form.registers { toRegisters(slot) }
      let registers = slot.pointee.memory.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
      for word in words {
        let value = UInt8(truncatingIfNeeded: word)
        if registers[Int(word >> 8)] < value { registers[Int(word >> 8)] = value }
      }
    case .full:
      if slot.pointee.form != Form.registers { toRegisters(slot) }
      raiseBytes(
        slot.pointee.memory.unsafelyUnwrapped,
        UnsafeRawPointer(words.baseAddress!),
        count: words.count * 4
      )
    case .undefined, nil:
      if slot.pointee.form == Form.registers { heldBytes -= registerBytes }
      heldBytes -= Int(slot.pointee.capacity) * 8
      slot.pointee.memory?.deallocate()
      slot.pointee = Slot(memory: nil, count: 0, capacity: 0, form: Form.undefined)
    }
  }
  func finishPartial(groupCount: Int) -> [ColumnVector] { [finish(groupCount: groupCount)] }
  func finish(groupCount: Int) -> ColumnVector {
    grow(groupCount)
    var out = HLLColumnBuilder(parameters, expected: groupCount)
    for group in 0..<groupCount {
      let slot = slots[group]
      switch slot.form {
      case Form.null: out.appendNull()
      case Form.empty: out.appendEmpty()
      case Form.explicit:
        out.append(
          explicit: slot.memory.unsafelyUnwrapped.assumingMemoryBound(to: Int64.self),
          count: Int(slot.count)
        )
      case Form.registers:
        out.append(registers: slot.memory.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self))
      default: out.appendUndefined()
      }
    }
    return out.finish()
  }
}
