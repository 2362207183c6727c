// HLLGathering.swift — collects hashes and states of one group into one HLL state, again and again in the same memory.
//
// Starts as an unsorted list, becomes a hash set, then registers: the outcome is the one HyperLogLog's rules give, whatever
// the order. A set stays explicit while it has at most `explicitLimit` distinct hashes.
import Columns
import Model

/// Work space for one group at a time.
struct HLLGathering: ~Copyable {
  private enum Mode {
    case nothing
    case list
    case set
    case registers
    case undefined
  }
  let parameters: HLLParameters
  private let limit: Int
  private let log2m: UInt64
  private let valueMax: UInt8
  private var mode = Mode.nothing
  // List: up to `listMax` hashes with duplicates. Set: its distinct hashes in order of arrival.
  private static let listMax = 48
  private var hashes: RawArray<Int64>
  // Set: open addressing; a slot counts when its stamp is the current one.
  private var slots: RawArray<Int64>
  private var stamps: RawArray<UInt32>
  private var stamp: UInt32 = 0
  private var mask = 0
  private let registers: UnsafeMutablePointer<UInt8>
  private let registerBytes: Int

  init(_ parameters: HLLParameters) {
    self.parameters = parameters
    limit = parameters.explicitLimit
    log2m = UInt64(parameters.log2m)
    valueMax = HLLRegister.valueMax(parameters)
    hashes = RawArray(capacity: Self.listMax)
    slots = RawArray(capacity: 1)
    stamps = RawArray(capacity: 1)
    registerBytes = (parameters.registerCount + 63) / 64 * 64
    registers = UnsafeMutableRawPointer.allocate(byteCount: registerBytes, alignment: 64)
      .initializeMemory(as: UInt8.self, repeating: 0, count: registerBytes)
  }
  deinit { registers.deallocate() }

  /// Adds a hash.
  @inline(__always) mutating func add(_ hash: Int64) {
    switch mode {
    case .registers: setRegister(hash)
    case .nothing, .list:
      mode = .list
      if hashes.count < Self.listMax { hashes.append(hash) } else { listToSet(hash) }
    case .set: insert(hash)
    case .undefined: break
    }
  }
  @inline(__always) private func setRegister(_ hash: Int64) {
    let bits = UInt64(bitPattern: hash)
    let at = HLLRegister.index(bits, log2m: log2m)
    let value = HLLRegister.value(bits, log2m: log2m, max: valueMax)
    if registers[at] < value { registers[at] = value }
  }
  @inline(never) private mutating func listToSet(_ hash: Int64) {
    if mask == 0 {
      var size = 256
      while size < (limit + 2) * 2 { size *= 2 }
      slots = RawArray(repeating: 0, count: size)
      stamps = RawArray(repeating: 0, count: size)
      mask = size - 1
    }
    stamp &+= 1
    if stamp == 0 {
      stamps.base.update(repeating: 0, count: stamps.count)
      stamp = 1
    }
    mode = .set
    let listed = hashes.array()
    hashes.removeAll()
    for one in listed { if mode == .set { insert(one) } else { setRegister(one) } }
    if mode == .set { insert(hash) } else { setRegister(hash) }
  }
  private mutating func insert(_ hash: Int64) {
    var at = Int(truncatingIfNeeded: UInt64(bitPattern: hash) &* 0x9e37_79b9_7f4a_7c15 >> 32) & mask
    while stamps[at] == stamp {
      if slots[at] == hash { return }
      at = (at + 1) & mask
    }
    if hashes.count >= limit { return toRegisters(hash) }
    stamps[at] = stamp
    slots[at] = hash
    hashes.append(hash)
  }
  private mutating func toRegisters(_ hash: Int64) {
    listToRegisters()
    setRegister(hash)
  }
  private mutating func listToRegisters() {
    for i in 0..<hashes.count { setRegister(hashes[i]) }
    hashes.removeAll()
    mode = .registers
  }
  /// Adds a state as it lies in a column.
  mutating func add(form: UInt8, words: UnsafeBufferPointer<UInt32>) {
    switch HLLForm(rawValue: form) {
    case .empty: break
    case .explicit:
      if mode == .registers {
        for i in 0..<words.count / 2 { setRegister(Self.hash(words, i)) }
      } else {
        for i in 0..<words.count / 2 { add(Self.hash(words, i)) }
      }
    case .sparse:
      if mode == .undefined { return }
      if mode != .registers { listToRegisters() }
      for i in 0..<words.count {
        let at = Int(words[i] >> 8)
        let value = UInt8(truncatingIfNeeded: words[i])
        if registers[at] < value { registers[at] = value }
      }
    case .full:
      if mode == .undefined { return }
      if mode != .registers { listToRegisters() }
      raiseBytes(registers, UnsafeRawPointer(words.baseAddress!), count: words.count * 4)
    case .undefined, nil: mode = .undefined
    }
  }
  @inline(__always) private static func hash(
    _ words: UnsafeBufferPointer<UInt32>,
    _ i: Int
  ) -> Int64 {
    Int64(bitPattern: UInt64(words[2 * i]) | UInt64(words[2 * i + 1]) << 32)
  }
  /// Appends the state of what was gathered and starts over; nothing gathered is EMPTY.
  mutating func finish(into out: inout HLLColumnBuilder) {
    switch mode {
    case .nothing: out.appendEmpty()
    case .undefined:
      out.appendUndefined()
      registers.update(repeating: 0, count: registerBytes)
    case .list:
      let distinct = sortedDistinct()
      if distinct > limit {
        hashes.removeLast(to: distinct)
        listToRegisters()
        finishRegisters(&out)
      } else {
        out.append(explicit: hashes.base, count: distinct)
      }
    case .set:
      var all = UnsafeMutableBufferPointer(start: hashes.base, count: hashes.count)
      all.sort()
      out.append(explicit: hashes.base, count: hashes.count)
    case .registers: finishRegisters(&out)
    }
    mode = .nothing
    hashes.removeAll()
  }
  private mutating func finishRegisters(_ out: inout HLLColumnBuilder) {
    out.append(registers: registers)
    registers.update(repeating: 0, count: registerBytes)
  }
  /// Sorts a short list in place, drops duplicates, and returns how many are left.
  private mutating func sortedDistinct() -> Int {
    let list = hashes.base
    var kept = 0
    for i in 0..<hashes.count {
      let hash = list[i]
      var at = kept
      while at > 0 && list[at - 1] > hash { at -= 1 }
      if at > 0 && list[at - 1] == hash { continue }
      var j = kept
      while j > at {
        list[j] = list[j - 1]
        j -= 1
      }
      list[at] = hash
      kept += 1
    }
    return kept
  }
}

extension RawArray {
  /// Shortens to `length`.
  mutating func removeLast(to length: Int) {
    let all = count
    removeAll()
    advance(min(all, length))
  }
}

/// Element-wise maximum of bytes; written so that the compiler makes vector instructions of it.
func raiseBytes(_ target: UnsafeMutableRawPointer, _ source: UnsafeRawPointer, count: Int) {
  let ours = target.assumingMemoryBound(to: UInt8.self)
  let theirs = source.assumingMemoryBound(to: UInt8.self)
  for i in 0..<count {
    let (a, b) = (ours[i], theirs[i])
    ours[i] = a > b ? a : b
  }
}
