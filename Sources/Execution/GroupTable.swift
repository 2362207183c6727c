// GroupTable.swift — numbers the distinct combinations of key values, in order of first appearance.
//
// Every key value becomes one 64-bit word: fixed values as they are, doubles by normalised bits, texts, numerics and intervals by
// the code an interner gives them. A group is its words and words of NULL bits (one for 63 keys),
// found by open addressing (linear probing, at most half full; a slot is 0 or hash bits above group + 1). Rows that repeat the row before
// skip the probe; a lone dictionary-coded text key becomes one array lookup a row.
import Bytes
import Columns
import Model

/// Distinct key combinations and their numbers.
final class GroupTable {
  private let keys: [GroupKeyWords]
  private let width: Int
  // NULL bits of the keys from the 64th on lie in words of their own before the last.
  private let extraNulls: Int
  private var slots: UnsafeMutablePointer<UInt64>
  private var mask: Int
  private var stored: UnsafeMutablePointer<Int64>
  private var capacity: Int
  /// Groups so far.
  private(set) var count = 0
  // For a lone dictionary-coded key: group of each code of `directDictionary`.
  private var directDictionary: TextDictionary?
  private var direct: [UInt32] = []

  init(_ types: [DataType]) {
    keys = types.map(GroupKeyWords.init)
    extraNulls = types.count / 63
    width = types.count + extraNulls + 1
    mask = 1023
    slots = .allocate(capacity: 1024)
    slots.initialize(repeating: 0, count: 1024)
    capacity = 512
    stored = .allocate(capacity: capacity * width)
  }
  deinit {
    slots.deallocate()
    stored.deallocate()
  }
  /// Bytes held.
  var bytes: Int {
    (mask + 1) * 8 + capacity * width * 8 + keys.reduce(0) { $0 + $1.internedCount * 40 }
  }

  /// The group of every row; new groups get the next numbers.
  func groups(of columns: [ColumnVector], count rows: Int) -> [UInt32] {
    if columns.count == 1, case .codes(let codes, let texts) = columns[0].values, texts.count > 0 {
      return groups(of: codes, texts, columns[0].validity)
    }
    let words = zip(keys, columns).map { $0.words($1) } + extraNullWords(columns, rows)
    let nulls = nullBits(columns, rows, 0)
    return [UInt32](unsafeUninitializedCapacity: rows) { out, written in
      withPointers(words) { columns in
        if words.count == 1 && nulls == nil {
          findOne(columns[0], rows, out)
        } else if let nulls {
          nulls.withUnsafeBufferPointer { find(columns, $0.baseAddress, rows, out) }
        } else {
          find(columns, nil, rows, out)
        }
      }
      written = rows
    }
  }
  /// The group of every row, `UInt32.max` where there is none; nothing is added.
  func find(_ columns: [ColumnVector], count rows: Int) -> [UInt32] {
    let words = zip(keys, columns).map { $0.probeWords($1) } + extraNullWords(columns, rows)
    let nulls = nullBits(columns, rows, 0)
    return [UInt32](unsafeUninitializedCapacity: rows) { out, written in
      withPointers(words) { columns in
        if let nulls {
          nulls.withUnsafeBufferPointer { look(columns, $0.baseAddress, rows, out) }
        } else {
          look(columns, nil, rows, out)
        }
      }
      written = rows
    }
  }
  private func nullBits(_ columns: [ColumnVector], _ rows: Int, _ part: Int) -> [Int64]? {
    let own = columns[part * 63..<min(columns.count, part * 63 + 63)]
    if own.allSatisfy({ $0.validity == nil }) { return nil }
    var bits = [Int64](repeating: 0, count: rows)
    for (key, column) in own.enumerated() {
      guard let validity = column.validity else { continue }
      for row in 0..<rows where !validity[row] { bits[row] |= 1 << Int64(key) }
    }
    return bits
  }
  private func extraNullWords(_ columns: [ColumnVector], _ rows: Int) -> [[Int64]] {
    (0..<extraNulls).map { nullBits(columns, rows, $0 + 1) ?? [Int64](repeating: 0, count: rows) }
  }
  private func withPointers(
    _ words: [[Int64]],
    _ body: (UnsafePointer<UnsafePointer<Int64>>) -> Void
  ) {
    var pointers: [UnsafePointer<Int64>] = []
    func next(_ at: Int) {
      if at == words.count { return pointers.withUnsafeBufferPointer { body($0.baseAddress!) } }
      words[at].withUnsafeBufferPointer {
        if let base = $0.baseAddress {
          pointers.append(base)
          next(at + 1)
        }
      }
    }
    next(0)
  }
  private func groups(of codes: [UInt32], _ texts: TextDictionary, _ validity: Bitmap?) -> [UInt32] {
    if texts !== directDictionary {
      directDictionary = texts
      direct = [UInt32](repeating: .max, count: texts.count)
    }
    if let validity {
      return codes.enumerated().map { row, code in
        validity[row] ? group(ofCode: Int(code), texts) : groupOfNull()
      }
    }
    return [UInt32](unsafeUninitializedCapacity: codes.count) { out, written in
      codes.withUnsafeBufferPointer { codes in
        var row = 0
        while row < codes.count {
          // The inner loop leaves for a code not seen before only.
          row = direct.withUnsafeBufferPointer { direct in
            var at = row
            while at < codes.count {
              let group = direct[Int(codes[at])]
              if group == .max { break }
              out[at] = group
              at &+= 1
            }
            return at
          }
          if row < codes.count { _ = group(ofCode: Int(codes[row]), texts) }
        }
      }
      written = codes.count
    }
  }
  private func group(ofCode code: Int, _ texts: TextDictionary) -> UInt32 {
    if direct[code] != .max { return direct[code] }
    let one = keys[0].words(ColumnVector(keys[0].type, .codes([UInt32(code)], texts)))
    let group = groupOfOne(one[0], nulls: 0)
    direct[code] = group
    return group
  }
  private func groupOfNull() -> UInt32 { groupOfOne(0, nulls: 1) }
  private func groupOfOne(_ word: Int64, nulls: Int64) -> UInt32 {
    var group: UInt32 = 0
    withUnsafePointer(to: word) { word in
      var columns = word
      withUnsafePointer(to: &columns) { columns in
        withUnsafePointer(to: nulls) { nulls in
          withUnsafeMutablePointer(to: &group) {
            find(columns, nulls, 1, UnsafeMutableBufferPointer(start: $0, count: 1))
          }
        }
      }
    }
    return group
  }

  @inline(__always) private static func mix(_ hash: UInt64, _ word: Int64) -> UInt64 {
    let h = (hash ^ UInt64(bitPattern: word)) &* 0xff51_afd7_ed55_8ccd
    return h ^ (h >> 32)
  }
  private func find(
    _ columns: UnsafePointer<UnsafePointer<Int64>>,
    _ nulls: UnsafePointer<Int64>?,
    _ rows: Int,
    _ out: UnsafeMutableBufferPointer<UInt32>
  ) {
    let keyCount = width - 1
    var last: UInt32 = 0
    for row in 0..<rows {
      let bits = nulls.map { $0[row] } ?? 0
      if row > 0 {
        var same = nulls.map { $0[row] == $0[row - 1] } ?? true
        var key = 0
        while same && key < keyCount {
          same = columns[key][row] == columns[key][row &- 1]
          key &+= 1
        }
        if same {
          out[row] = last
          continue
        }
      }
      var hash: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(bitPattern: bits)
      for key in 0..<keyCount { hash = Self.mix(hash, columns[key][row]) }
      hash = hash &* 0x9e37_79b9_7f4a_7c15
      hash ^= hash >> 29
      last = probe(hash, columns, bits, row)
      out[row] = last
    }
  }
  /// One key without NULLs: the loop keeps the table in registers until it grows.
  private func findOne(
    _ words: UnsafePointer<Int64>,
    _ rows: Int,
    _ out: UnsafeMutableBufferPointer<UInt32>
  ) {
    var row = 0
    while row < rows {
      let (slots, stored, mask) = (self.slots, self.stored, self.mask)
      var (last, lastGroup) = (words[row] ^ 1, UInt32(0))
      var missing: (at: Int, hash: UInt64)?
      while row < rows {
        let word = words[row]
        if word != last {
          var hash = Self.mix(0x9e37_79b9_7f4a_7c15, word) &* 0x9e37_79b9_7f4a_7c15
          hash ^= hash >> 29
          let tag = hash & 0xffff_ffff_0000_0000
          var at = Int(truncatingIfNeeded: hash) & mask
          var found = false
          while slots[at] != 0 {
            let group = Int(slots[at] & 0xffff_ffff) &- 1
            if slots[at] & 0xffff_ffff_0000_0000 == tag && stored[group &* 2] == word
              && stored[group &* 2 &+ 1] == 0
            {
              (last, lastGroup, found) = (word, UInt32(truncatingIfNeeded: group), true)
              break
            }
            at = (at &+ 1) & mask
          }
          if !found {
            missing = (at, hash)
            break
          }
        }
        out[row] = lastGroup
        row &+= 1
      }
      guard let missing else { return }
      withUnsafePointer(to: words) {
        out[row] = insert(
          missing.at,
          missing.hash & 0xffff_ffff_0000_0000,
          missing.hash,
          $0,
          0,
          row
        )
      }
      row += 1
    }
  }
  private func look(
    _ columns: UnsafePointer<UnsafePointer<Int64>>,
    _ nulls: UnsafePointer<Int64>?,
    _ rows: Int,
    _ out: UnsafeMutableBufferPointer<UInt32>
  ) {
    let (slots, stored, mask, width, keyCount) = (self.slots, self.stored, self.mask, self.width, self.width - 1)
    for row in 0..<rows {
      let bits = nulls.map { $0[row] } ?? 0
      var hash: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(bitPattern: bits)
      for key in 0..<keyCount { hash = Self.mix(hash, columns[key][row]) }
      hash = hash &* 0x9e37_79b9_7f4a_7c15
      hash ^= hash >> 29
      let tag = hash & 0xffff_ffff_0000_0000
      var at = Int(truncatingIfNeeded: hash) & mask
      var found = UInt32.max
      while slots[at] != 0 {
        if slots[at] & 0xffff_ffff_0000_0000 == tag {
          let group = Int(slots[at] & 0xffff_ffff) &- 1
          let own = stored + group &* width
          var same = own[keyCount] == bits
          var key = 0
          while same && key < keyCount {
            same = own[key] == columns[key][row]
            key &+= 1
          }
          if same {
            found = UInt32(truncatingIfNeeded: group)
            break
          }
        }
        at = (at &+ 1) & mask
      }
      out[row] = found
    }
  }
  @inline(__always) private func probe(
    _ hash: UInt64,
    _ columns: UnsafePointer<UnsafePointer<Int64>>,
    _ bits: Int64,
    _ row: Int
  ) -> UInt32 {
    let (slots, stored, width, keyCount) = (self.slots, self.stored, self.width, self.width - 1)
    let tag = hash & 0xffff_ffff_0000_0000
    var at = Int(truncatingIfNeeded: hash) & mask
    while true {
      let slot = slots[at]
      if slot == 0 { break }
      if slot & 0xffff_ffff_0000_0000 == tag {
        let group = Int(slot & 0xffff_ffff) &- 1
        let own = stored + group &* width
        var same = own[keyCount] == bits
        var key = 0
        while same && key < keyCount {
          same = own[key] == columns[key][row]
          key &+= 1
        }
        if same { return UInt32(truncatingIfNeeded: group) }
      }
      at = (at &+ 1) & mask
    }
    return insert(at, tag, hash, columns, bits, row)
  }
  @inline(never) private func insert(
    _ at: Int,
    _ tag: UInt64,
    _ hash: UInt64,
    _ columns: UnsafePointer<UnsafePointer<Int64>>,
    _ bits: Int64,
    _ row: Int
  ) -> UInt32 {
    if count == capacity {
      let wider = UnsafeMutablePointer<Int64>.allocate(capacity: capacity * 2 * width)
      wider.update(from: stored, count: count * width)
      stored.deallocate()
      (stored, capacity) = (wider, capacity * 2)
    }
    for key in 0..<width - 1 { stored[count * width + key] = columns[key][row] }
    stored[count * width + width - 1] = bits
    slots[at] = tag | UInt64(count + 1)
    count += 1
    if count * 2 > mask { rehash() }
    return UInt32(count - 1)
  }
  private func rehash() {
    let size = (mask + 1) * 4
    slots.deallocate()
    slots = .allocate(capacity: size)
    slots.initialize(repeating: 0, count: size)
    mask = size - 1
    for group in 0..<count {
      let own = stored + group * width
      var hash: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(bitPattern: own[width - 1])
      for key in 0..<width - 1 { hash = Self.mix(hash, own[key]) }
      hash = hash &* 0x9e37_79b9_7f4a_7c15
      hash ^= hash >> 29
      var at = Int(truncatingIfNeeded: hash) & mask
      while slots[at] != 0 { at = (at + 1) & mask }
      slots[at] = hash & 0xffff_ffff_0000_0000 | UInt64(group + 1)
    }
  }
  /// The key columns of all groups, by number.
  func keyColumns() -> [ColumnVector] {
    keys.enumerated().map { at, key in
      var validity: Bitmap?
      var words = [Int64](repeating: 0, count: count)
      for group in 0..<count {
        words[group] = stored[group * width + at]
        let nulls = at < 63 ? width - 1 : keys.count + at / 63 - 1
        if stored[group * width + nulls] >> Int64(at % 63) & 1 == 1 {
          if validity == nil { validity = Bitmap(repeating: true, count: count) }
          validity?[group] = false
        }
      }
      return key.column(words, validity: validity)
    }
  }
}
