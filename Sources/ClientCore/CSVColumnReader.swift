// CSVColumnReader.swift — one column of a chunk's records: field bytes to typed values, placed by shard.
//
// `places[r]` is the row of record r when all rows of the chunk are laid out shard by shard, in the file's order within each.
// The loops are instantiated for each type by inlining; the plain readers of FieldParser answer nearly always, everything
// else (quotes, blanks, NULL, wrong text) goes the slow way.
import Bytes
import Columns
import Model

struct CSVColumnReader {
  let plan: CSVPlan
  let base: UnsafeRawPointer
  let entries: UnsafeMutablePointer<UInt32>
  /// First field of each record.
  let records: UnsafeBufferPointer<UInt32>
  let places: UnsafePointer<UInt32>
  /// 32 bytes a record, for the values of one column.
  let memory: UnsafeMutableRawPointer

  /// Gives each record its place; the ranges of places are the parts.
  func place(
    _ places: UnsafeMutablePointer<UInt32>,
    _ faults: inout CSVFaults
  ) -> [(shard: Int, rows: Range<Int>)] {
    let count = records.count
    let shards = memory.assumingMemoryBound(to: UInt16.self)
    var next = [Int](repeating: 0, count: plan.shardCount + 1)
    guard let key = plan.key else {
      for row in 0..<count { places[row] = UInt32(truncatingIfNeeded: row) }
      return stride(from: 0, to: count, by: Limits.batchRowsMax).map { (0, $0..<min(count, $0 + Limits.batchRowsMax)) }
    }
    let type = plan.table.columns[key].type
    let isText = type.isText
    next.withUnsafeMutableBufferPointer { next in
      each(key, &faults) { (row, field) -> Bool in
        let hash: UInt64
        if isText {
          if case .varchar(let limit) = type, limit > 0, field.count > Int(limit) { return false }
          hash = StableHash.hash(field)
        } else {
          guard let value = FieldParser.parseInt64(field) else { return false }
          hash = StableHash.hash(value)
        }
        let shard = plan.shard(ofHash: hash)
        shards[row] = UInt16(truncatingIfNeeded: shard)
        next[shard + 1] += 1
        return true
      } null: { row, faults in
        shards[row] = 0
        next[1] += 1
        faults.add(records[row], column: key, CSVPlan.nullFailure(plan.table, key))
      } slow: { row, text throws(TallyError) in
        shards[row] = 0
        next[1] += 1
        let shard: Int
        switch try ValueText.parse(text, as: type) {
        case .fixed(let value): shard = plan.shard(ofHash: StableHash.hash(value))
        case .text(var value):
          shard = plan.shard(ofHash: value.withUTF8 { StableHash.hash(UnsafeRawBufferPointer($0)) })
        default: return
        }
        next[1] -= 1
        next[shard + 1] += 1
        shards[row] = UInt16(shard)
      }
      for shard in 1..<next.count { next[shard] += next[shard - 1] }
    }
    var parts: [(shard: Int, rows: Range<Int>)] = []
    for shard in 0..<plan.shardCount {
      var start = next[shard]
      while start < next[shard + 1] {
        let end = min(start + Limits.batchRowsMax, next[shard + 1])
        parts.append((shard, start..<end))
        start = end
      }
    }
    next.withUnsafeMutableBufferPointer { next in
      for row in 0..<count {
        let shard = Int(shards[row])
        places[row] = UInt32(truncatingIfNeeded: next[shard])
        next[shard] += 1
      }
    }
    return parts
  }

  /// Calls back for each record's field of a column: `plain` with unquoted bytes that are not NULL (false = take the slow
  /// way), `null` for NULL, `slow` with the text of a quoted or not plain field; what it throws is the record's fault.
  @inline(__always) func each(
    _ column: Int,
    _ faults: inout CSVFaults,
    plain: (Int, UnsafeRawBufferPointer) -> Bool,
    null: (Int, inout CSVFaults) -> Void,
    slow: (Int, UnsafeRawBufferPointer) throws(TallyError) -> Void
  ) {
    guard let field = plan.fields[column] else { return }
    let isLast = field == plan.fieldCount - 1
    let nullCount = plan.format.nullText.count
    let mask = TextScan.offsetMask
    for row in 0..<records.count {
      let k = Int(records[row]) &+ field
      let start = Int(entries[k] & mask)
      let word = entries[k &+ 1]
      var end = Int(word & mask) &- 1
      if isLast && end > start && base.load(fromByteOffset: end &- 1, as: UInt8.self) == 0x0d {
        end &-= 1
      }
      let bytes = UnsafeRawBufferPointer(start: base + start, count: end &- start)
      let isPlain = word & TextScan.quoted == 0
      if isPlain || plan.format.hasEscapes {
        if bytes.count == nullCount && (nullCount == 0 || CSVRecords.isNull(bytes, plan.format)) {
          null(row, &faults)
          continue
        }
        if isPlain, plain(row, bytes) { continue }
      }
      if !isPlain, plan.format.hasEscapes, let failure = escapeFailure(bytes) {
        faults.add(records[row], column: column, failure)
        // Every row has some value; the fault noted first stays.
        null(row, &faults)
        continue
      }
      do throws(TallyError) {
        try withText(bytes, isQuoted: word & TextScan.quoted != 0) { text throws(TallyError) in
          try slow(row, text)
        }
      } catch {
        faults.add(records[row], column: column, error)
      }
    }
  }
  /// What is wrong with the escapes of a field.
  @inline(never) private func escapeFailure(_ field: UnsafeRawBufferPointer) -> TallyError? {
    do throws(TallyError) {
      _ = try CSVRecords.unescaped(field)
      return nil
    } catch { return error }
  }
  /// Lends a field's text without quotes.
  @inline(never) func withText(
    _ field: UnsafeRawBufferPointer,
    isQuoted: Bool,
    _ body: (UnsafeRawBufferPointer) throws(TallyError) -> Void
  ) throws(TallyError) {
    if !isQuoted { return try body(field) }
    if plan.format.hasEscapes { return try withBytes(CSVRecords.unescaped(field), body) }
    let quote = plan.format.quote
    let inner =
      field.count >= 2 ? UnsafeRawBufferPointer(rebasing: field[1..<(field.count - 1)]) : field
    if field.count >= 2, field[0] == quote, field[field.count - 1] == quote,
      TextScan.count(quote, in: inner) == 0
    {
      return try body(inner)
    }
    try withBytes(CSVRecords.unquoted(field, quote: quote), body)
  }
  private func withBytes(
    _ bytes: [UInt8],
    _ body: (UnsafeRawBufferPointer) throws(TallyError) -> Void
  ) throws(TallyError) {
    var failure: TallyError?
    bytes.withUnsafeBytes { text in
      do throws(TallyError) { try body(text) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Reads a column; one vector for each range of places.
  func read(_ column: Int, _ parts: [Range<Int>], _ faults: inout CSVFaults) -> [ColumnVector] {
    let type = plan.table.columns[column].type
    guard plan.fields[column] != nil else { return constant(column, type, parts) }
    switch type {
    case .smallint, .integer, .bigint, .hllHashval:
      let range = IntegerRange.of(type)
      return fixed(column, type, parts, &faults) { bytes in
        guard let value = FieldParser.parseInt64(bytes), value >= range.lowerBound,
          value <= range.upperBound
        else {
          return nil
        }
        return value
      }
    case .boolean:
      return fixed(column, type, parts, &faults) { bytes in
        FieldParser.parseBoolean(bytes).map { $0 ? 1 : 0 }
      }
    case .time, .oid, .regclass, .regtype, .regproc, .regnamespace, .regrole:
      return fixed(column, type, parts, &faults) { _ in nil }
    case .date: return fixed(column, type, parts, &faults) { bytes in FieldParser.parseDate(bytes) }
    case .timestamp, .timestamptz:
      var memory = FieldParser.DayMemory()
      return fixed(column, type, parts, &faults) { bytes in
        FieldParser.parseTimestamp(bytes, &memory)
      }
    case .double:
      let (nulls, values) = values(column, 0.0, &faults) { bytes in
        FieldParser.parseDouble(bytes)
      } slow: { text throws(TallyError) in
        try DoubleText.parse(text)
      }
      return parts.map {
        ColumnVector(type, .double(Array(values[$0])), validity: nulls.validity($0))
      }
    case .real:
      let (nulls, values) = values(column, 0.0, &faults) { _ in
        nil
      } slow: { text throws(TallyError) in
        try DoubleText.parseReal(text)
      }
      return parts.map {
        ColumnVector(type, .double(Array(values[$0])), validity: nulls.validity($0))
      }
    case .numeric(let precision, _):
      let (nulls, values) = values(column, Numeric(0), &faults) { bytes in
        precision == nil ? FieldParser.parseNumeric(bytes) : nil
      } slow: { text throws(TallyError) in
        try NumericText.parse(text, as: type)
      }
      return parts.map {
        ColumnVector(type, .numeric(Array(values[$0])), validity: nulls.validity($0))
      }
    case .interval:
      let (nulls, values) = values(column, Interval(), &faults) { _ in
        nil
      } slow: { text throws(TallyError) in
        try IntervalText.parse(text)
      }
      return parts.map {
        ColumnVector(type, .interval(Array(values[$0])), validity: nulls.validity($0))
      }
    case .text, .varchar: return texts(column, type, parts, &faults)
    case .bpchar, .char, .name, .bytea, .uuid, .inet, .json, .jsonb, .array: return texts(column, type, parts, &faults, isParsed: true)
    case .hll, .topn, .topnRecord, .unknown, .void: fatalError("CSVPlan lets no \(type.name) through")
    }
  }
  @inline(__always) private func fixed(
    _ column: Int,
    _ type: DataType,
    _ parts: [Range<Int>],
    _ faults: inout CSVFaults,
    plain: (UnsafeRawBufferPointer) -> Int64?
  ) -> [ColumnVector] {
    let (nulls, values) = values(column, Int64(0), &faults, plain: plain) {
      text throws(TallyError) in
      try ValueText.parseFixed(text, as: type)
    }
    return parts.map { ColumnVector(type, .fixed(Array(values[$0])), validity: nulls.validity($0)) }
  }
  /// Values of a column by place, in `memory`.
  @inline(__always) private func values<T>(
    _ column: Int,
    _ empty: T,
    _ faults: inout CSVFaults,
    plain: (UnsafeRawBufferPointer) -> T?,
    slow: (UnsafeRawBufferPointer) throws(TallyError) -> T
  ) -> (CSVNulls, UnsafeBufferPointer<T>) {
    let values = memory.bindMemory(to: T.self, capacity: records.count)
    var nulls = CSVNulls()
    let isNotNull = plan.table.columns[column].isNotNull
    each(column, &faults) { (row, bytes) -> Bool in
      guard let value = plain(bytes) else { return false }
      values[Int(places[row])] = value
      return true
    } null: { row, faults in
      if isNotNull {
        faults.add(records[row], column: column, CSVPlan.nullFailure(plan.table, column))
      }
      values[Int(places[row])] = empty
      nulls.places.append(places[row])
    } slow: { row, text throws(TallyError) in
      values[Int(places[row])] = empty
      values[Int(places[row])] = try slow(text)
    }
    nulls.places.sort()
    return (nulls, UnsafeBufferPointer(start: values, count: records.count))
  }

  /// Texts, and other types of that layout (`isParsed`: not as they are written), get codes of the chunk
  /// first, then each part a dictionary of its own, in order of first appearance.
  private func texts(
    _ column: Int,
    _ type: DataType,
    _ parts: [Range<Int>],
    _ faults: inout CSVFaults,
    isParsed: Bool = false
  ) -> [ColumnVector] {
    let codes = memory.bindMemory(to: UInt32.self, capacity: records.count)
    var limit = Limits.textBytesMax
    if case .varchar(let characters) = type, characters > 0 { limit = min(limit, Int(characters)) }
    if isParsed { limit = -1 }
    var interner = TextInterner(expected: 1024)
    var nulls = CSVNulls()
    let isNotNull = plan.table.columns[column].isNotNull
    each(column, &faults) { (row, bytes) -> Bool in
      guard bytes.count <= limit else { return false }
      codes[Int(places[row])] = interner.intern(bytes)
      return true
    } null: { row, faults in
      if isNotNull {
        faults.add(records[row], column: column, CSVPlan.nullFailure(plan.table, column))
      }
      codes[Int(places[row])] = .max
      nulls.places.append(places[row])
    } slow: { row, bytes throws(TallyError) in
      codes[Int(places[row])] = .max
      guard bytes.count <= Limits.textBytesMax else {
        throw .sql("54000", "text of \(bytes.count) bytes is longer than \(Limits.textBytesMax)")
      }
      if isParsed {
        switch try ValueText.parse(bytes, as: type) {
        case .text(var text): codes[Int(places[row])] = text.withUTF8 { interner.intern(UnsafeRawBufferPointer($0)) }
        case .bytes(let value): codes[Int(places[row])] = value.withUnsafeBytes { interner.intern($0) }
        default: break
        }
        return
      }
      guard bytes.count > limit, case .varchar(let characters) = type else {
        codes[Int(places[row])] = interner.intern(bytes)
        return
      }
      var text = try ValueText.cut(String(decoding: bytes, as: UTF8.self), characters)
      codes[Int(places[row])] = text.withUTF8 { interner.intern(UnsafeRawBufferPointer($0)) }
    }
    nulls.places.sort()
    let all = interner.dictionary()
    // seen[code] is 1 + the running number of the code's latest appearance; numbers below a part's first are of older parts.
    var seen = [UInt32](repeating: 0, count: all.count)
    var running: UInt32 = 0
    return parts.map { part in
      let first = running
      var own: [UInt32] = []
      let mapped = seen.withUnsafeMutableBufferPointer { seen in
        [UInt32](unsafeUninitializedCapacity: part.count) { out, written in
          for place in part {
            let code = codes[place]
            var mine: UInt32 = 0
            if code != .max {
              if seen[Int(code)] <= first {
                running += 1
                seen[Int(code)] = running
                own.append(code)
              }
              mine = seen[Int(code)] - first - 1
            }
            out[place - part.lowerBound] = mine
          }
          written = part.count
        }
      }
      return ColumnVector(type, .codes(mapped, all.subset(own)), validity: nulls.validity(part))
    }
  }
  /// A column that is not in the file.
  private func constant(_ column: Int, _ type: DataType, _ parts: [Range<Int>]) -> [ColumnVector] {
    parts.map { part in
      let count = part.count
      switch plan.constants[column] {
      case .fixed(let value):
        return ColumnVector(type, .fixed(.init(repeating: value, count: count)))
      case .double(let value):
        return ColumnVector(type, .double(.init(repeating: value, count: count)))
      case .numeric(let value):
        return ColumnVector(type, .numeric(.init(repeating: value, count: count)))
      case .interval(let value):
        return ColumnVector(type, .interval(.init(repeating: value, count: count)))
      case .text(let value):
        let bytes = Array(value.utf8)
        let dictionary = TextDictionary(offsets: [0, UInt32(bytes.count)], bytes: bytes)
        return ColumnVector(type, .codes(.init(repeating: 0, count: count), dictionary))
      case .bytes(let bytes):
        let dictionary = TextDictionary(offsets: [0, UInt32(bytes.count)], bytes: bytes)
        return ColumnVector(type, .codes(.init(repeating: 0, count: count), dictionary))
      case .null, .hll, .topn: return ColumnVector.nulls(type, count: count)
      }
    }
  }
}

/// The places of a column's NULLs, rising once sorted.
struct CSVNulls {
  var places: [UInt32] = []
  /// The validity of a range of places; nil when it has no NULL.
  func validity(_ part: Range<Int>) -> Bitmap? {
    if places.isEmpty { return nil }
    var bits = Bitmap(repeating: true, count: part.count)
    var low = 0
    var high = places.count
    while low < high {
      let middle = (low + high) / 2
      if Int(places[middle]) < part.lowerBound { low = middle + 1 } else { high = middle }
    }
    while low < places.count, Int(places[low]) < part.upperBound {
      bits[Int(places[low]) - part.lowerBound] = false
      low += 1
    }
    return bits
  }
}

extension TextDictionary {
  /// The texts of the given codes, in that order.
  func subset(_ codes: [UInt32]) -> TextDictionary {
    var starts: [UInt32] = [0]
    starts.reserveCapacity(codes.count + 1)
    var total: UInt32 = 0
    offsets.withUnsafeBufferPointer { offsets in
      for code in codes {
        total += offsets[Int(code) + 1] - offsets[Int(code)]
        starts.append(total)
      }
    }
    let joined = [UInt8](unsafeUninitializedCapacity: Int(total)) { out, written in
      bytes.withUnsafeBytes { source in
        for (i, code) in codes.enumerated() {
          let (start, end) = (Int(offsets[Int(code)]), Int(offsets[Int(code) + 1]))
          guard end > start, let from = source.baseAddress, let to = out.baseAddress else {
            continue
          }
          UnsafeMutableRawPointer(to + Int(starts[i])).copyMemory(
            from: from + start,
            byteCount: end - start
          )
        }
      }
      written = Int(total)
    }
    return TextDictionary(offsets: starts, bytes: joined)
  }
}
