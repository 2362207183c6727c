// KeyCodes.swift — key columns as unsigned numbers that order like the keys, so that grouping and sorting know no types.
//
// Order: fixed by Int64, double by value (-0 = 0, NaN greatest), numeric and interval by value, text by bytes, NULL last. Equal
// numbers are equal keys. All columns of a key are packed into one 64-bit code; where their ranges need more bits, codes are
// first replaced by their ranks.
import Columns
import Model

/// One order-preserving code a row.
struct KeyCodes {
  var codes: [UInt64]
  /// No code is above it.
  var highest: UInt64

  /// Codes of rows by all keys, the first the most significant.
  init(keys: [ColumnVector], rows: Int) {
    var result = KeyCodes(codes: [], highest: 0)
    for (at, key) in keys.enumerated() {
      var next = KeyCodes(key)
      if at == 0 {
        result = next
        continue
      }
      if result.bits + next.bits > 64 { if next.bits > 32 { next = next.ranked() } }
      if result.bits + next.bits > 64 { result = result.ranked() }
      result.pack(next)
    }
    if keys.isEmpty { result.codes = [UInt64](repeating: 0, count: rows) }
    self = result
  }
  init(codes: [UInt64], highest: UInt64) {
    self.codes = codes
    self.highest = highest
  }
  private var bits: Int { 64 - highest.leadingZeroBitCount }

  private mutating func pack(_ next: KeyCodes) {
    let shift = UInt64(next.bits)
    codes.withUnsafeMutableBufferPointer { ours in
      next.codes.withUnsafeBufferPointer { theirs in
        for i in 0..<ours.count { ours[i] = ours[i] &<< shift | theirs[i] }
      }
    }
    highest = highest << shift | next.highest
  }
  private func ranked() -> KeyCodes {
    let groups = RowGroups(self)
    return KeyCodes(
      codes: groups.groupOf.map { UInt64($0) },
      highest: UInt64(max(1, groups.count) - 1)
    )
  }

  /// Codes of one column.
  init(_ column: ColumnVector) {
    switch column.values {
    case .fixed(let v):
      self.init(unsigned: v.map { UInt64(bitPattern: $0) ^ (1 << 63) }, column.validity)
    case .double(let v):
      self.init(
        unsigned: v.map { value in
          if value.isNaN { return .max }
          let bits = value == 0 ? 0 : value.bitPattern
          return bits >> 63 == 1 ? ~bits : bits | 1 << 63
        },
        column.validity
      )
    case .codes(let v, let dictionary): self.init(texts: v, dictionary, column.validity)
    case .text(let texts):
      var interner = TextInterner(expected: 256)
      let codes = texts.bytes.withUnsafeBytes { raw in
        var out: [UInt32] = []
        out.reserveCapacity(texts.count)
        for i in 0..<texts.count {
          out.append(
            interner.intern(
              UnsafeRawBufferPointer(
                rebasing: raw[Int(texts.offsets[i])..<Int(texts.offsets[i + 1])]
              )
            )
          )
        }
        return out
      }
      self.init(texts: codes, interner.dictionary(), column.validity)
    case .numeric(let v):
      self.init(count: v.count, column.validity) { Numeric.compare(v[$0], v[$1]) }
    case .interval(let v):
      self.init(count: v.count, column.validity) { a, b in
        let (x, y) = (v[a].span, v[b].span)
        return x < y ? -1 : x > y ? 1 : 0
      }
    case .hll, .topn: fatalError("a sketch cannot be a key")
    }
  }
  private init(unsigned: [UInt64], _ validity: Bitmap?) {
    var (low, high) = (UInt64.max, UInt64.min)
    if let validity {
      for i in unsigned.indices where validity[i] {
        low = min(low, unsigned[i])
        high = max(high, unsigned[i])
      }
    } else {
      unsigned.withUnsafeBufferPointer { source in
        for value in source {
          low = min(low, value)
          high = max(high, value)
        }
      }
    }
    if low > high { (low, high) = (0, 0) }
    var codes = unsigned
    codes.withUnsafeMutableBufferPointer { c in for i in 0..<c.count { c[i] = c[i] &- low } }
    self.init(codes: codes, highest: high - low)
    guard let validity else { return }
    for i in codes.indices where !validity[i] { self.codes[i] = 0 }
    if highest == .max {
      // No room for a code of NULL: ranks have.
      self = ranked()
    }
    highest += 1
    for i in codes.indices where !validity[i] { self.codes[i] = highest }
  }
  /// Ranks of the used texts by bytes.
  private init(texts codes: [UInt32], _ dictionary: TextDictionary, _ validity: Bitmap?) {
    if dictionary.count == 0 {
      self.init(unsigned: [UInt64](repeating: 0, count: codes.count), validity)
      return
    }
    var isUsed = [Bool](repeating: false, count: dictionary.count)
    isUsed.withUnsafeMutableBufferPointer { used in
      codes.withUnsafeBufferPointer { for code in $0 { used[Int(code)] = true } }
    }
    var used: [(prefix: UInt64, code: UInt32)] = []
    for code in 0..<dictionary.count where isUsed[code] {
      used.append((dictionary.withText(UInt32(code)) { prefix($0) }, UInt32(code)))
    }
    let order: ((prefix: UInt64, code: UInt32), (prefix: UInt64, code: UInt32)) -> Int = { a, b in
      if a.prefix != b.prefix { return a.prefix < b.prefix ? -1 : 1 }
      return dictionary.withText(a.code) { x in
        dictionary.withText(b.code) { y in compareBytes(x, y) }
      }
    }
    used.sort { order($0, $1) < 0 }
    var rank = [UInt64](repeating: 0, count: dictionary.count)
    var last: UInt64 = 0
    for i in used.indices {
      if i > 0 && order(used[i - 1], used[i]) != 0 { last += 1 }
      rank[Int(used[i].code)] = last
    }
    let ranks = rank.withUnsafeBufferPointer { rank in codes.map { rank[Int($0)] } }
    self.init(unsigned: ranks, validity)
  }
  /// Ranks by a comparison of rows: for layouts that are seldom keys.
  private init(count: Int, _ validity: Bitmap?, _ compare: (Int, Int) -> Int) {
    let rows = (0..<count).filter { validity?[$0] ?? true }.sorted { compare($0, $1) < 0 }
    var ranks = [UInt64](repeating: 0, count: count)
    var last: UInt64 = 0
    for i in rows.indices {
      if i > 0 && compare(rows[i - 1], rows[i]) != 0 { last += 1 }
      ranks[rows[i]] = last
    }
    self.init(unsigned: ranks, validity)
  }
}

/// The first eight bytes of a text, big-endian: orders like the text as far as it goes.
private func prefix(_ text: UnsafeRawBufferPointer) -> UInt64 {
  if text.count >= 8 { return text.loadUnaligned(as: UInt64.self).bigEndian }
  var value: UInt64 = 0
  for byte in text { value = value << 8 | UInt64(byte) }
  return text.isEmpty ? 0 : value << UInt64(8 * (8 - text.count))
}

extension Interval {
  /// What intervals compare by: months of 30 days, days of 24 hours.
  var span: Int128 {
    (Int128(months) * 30 + Int128(days)) * 86_400_000_000 + Int128(microseconds)
  }
}
