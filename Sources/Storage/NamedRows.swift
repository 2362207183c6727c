// NamedRows.swift — names rows of a table for a deletion: by a condition, or by their places in a snapshot.
//
// A place is a number that means something within one snapshot: ordinal of a part << 40 | row of the part. Parts are the snapshot's
// sections, then the rows in memory (from the first above `flushedThrough` on), then the parts that an open statement staged
// (TableSnapshot.own).
public import Bytes
public import Columns
public import Model

extension TableSnapshot {
  /// Asked for as a column: the row's place, a bigint.
  public static let placeColumn = Limits.columnsMax
  static let placeBits: Int64 = 40
  static func place(ofPart part: Int) -> Int64 { Int64(part) << placeBits }
  /// The place of the first row in memory.
  var memoryPlace: Int64 { Self.place(ofPart: sections.count) }
  func place(ofOwn at: Int) -> Int64 { Self.place(ofPart: sections.count + 1 + at) }

  /// The rows at places that a scan of this snapshot gave, in that order. Throws `DecodingFailure` on damaged bytes.
  public func rows(at places: [Int64], columns: [Int]) throws -> Batch {
    let order = places.indices.sorted { places[$0] < places[$1] }
    var found: [Batch] = []
    var next = 0
    while next < order.count {
      let part = places[order[next]] >> Self.placeBits
      var rows: [Int] = []
      while next < order.count, places[order[next]] >> Self.placeBits == part {
        rows.append(Int(places[order[next]] & ((1 << Self.placeBits) - 1)))
        next += 1
      }
      found += try self.rows(rows, ofPart: Int(part), columns: columns)
    }
    let types = columns.map { layout.columns[$0].type }
    if found.isEmpty { return Batch(emptyOf: types) }
    let sorted = Batch.concatenate(found, types: types)
    var back = [UInt32](repeating: 0, count: order.count)
    for (at, place) in order.enumerated() { back[place] = UInt32(at) }
    return sorted.gather(back)
  }
  /// Rows of one part, by rising number.
  private func rows(_ rows: [Int], ofPart part: Int, columns: [Int]) throws -> [Batch] {
    if part < sections.count { return try self.rows(rows, of: sections[part], columns: columns) }
    if part > sections.count {
      guard own.indices.contains(part - sections.count - 1) else { throw Self.unknown(part) }
      return try self.rows(rows, of: [own[part - sections.count - 1].chunk], columns: columns)
    }
    return try self.rows(rows, of: chunks, columns: columns)
  }
  private func rows(_ rows: [Int], of section: SegmentSection, columns: [Int]) throws -> [Batch] {
    var found: [Batch] = []
    var next = 0
    while next < rows.count {
      let block = partition(0..<section.blockCount) { section.rows(ofBlock: $0).upperBound > rows[next] }
      guard block < section.blockCount else { throw Self.unknown(rows[next]) }
      let range = section.rows(ofBlock: block)
      let start = next
      while next < rows.count, rows[next] < range.upperBound { next += 1 }
      found.append(try layout.read(section, block, columns: columns).gather(rows[start..<next].map { UInt32($0 - range.lowerBound) }))
    }
    return found
  }
  private func rows(_ rows: [Int], of chunks: [MemChunk], columns: [Int]) throws -> [Batch] {
    var found: [Batch] = []
    var (next, base) = (0, 0)
    for chunk in chunks where next < rows.count {
      let start = next
      while next < rows.count, rows[next] < base + chunk.count { next += 1 }
      if start < next {
        let (low, high) = (rows[start] - base, rows[next - 1] - base)
        let near = chunk.batch(columns: columns, rows: low..<high + 1, layout: layout)
        found.append(near.gather(rows[start..<next].map { UInt32($0 - base - low) }))
      }
      base += chunk.count
    }
    guard next == rows.count else { throw Self.unknown(rows[next]) }
    return found
  }
  private static func unknown(_ place: Int) -> TallyError { TallyError(.internalError, "no row at place \(place) of a snapshot") }
}

/// A table's rows as a deletion names them: frozen, for Compute.
public struct NamedRows: Sendable {
  let table: TableID
  /// The rows.
  public private(set) var snapshot: TableSnapshot
  let statement: OpenStatement?
  let schema: ShardSchema

  init(table: TableID, snapshot: TableSnapshot, statement: OpenStatement? = nil, schema: ShardSchema = ShardSchema()) {
    self.table = table
    self.snapshot = snapshot
    self.statement = statement
    self.schema = schema
  }
  /// The rows as the open statement sees them: with those that it staged, without those that it will delete. A pure function, for
  /// Compute: it decodes what was staged.
  public func seen() throws(DecodingFailure) -> NamedRows {
    guard let statement else { return self }
    var seen = NamedRows(table: table, snapshot: snapshot)
    seen.snapshot = try snapshot.seen(by: statement, schema)
    return seen
  }

  /// Names the rows up to `through` for which `matching` gives their places in a batch of `columns`; nil stands for all of the batch.
  /// Throws what `matching` throws, `DecodingFailure` on damaged bytes.
  public func name(
    columns: [Int],
    through: LogPosition,
    where predicates: [ZonePredicate],
    matching: (Batch) throws -> [UInt32]?
  ) throws -> Deletion {
    try change(columns: columns, through: through, where: predicates, matching: matching).deletion
  }
  /// Names rows as `name` does, and those of the statement's own parts.
  public func change(
    columns: [Int],
    through: LogPosition,
    where predicates: [ZonePredicate],
    matching: (Batch) throws -> [UInt32]?
  ) throws -> RowChange {
    var places: [Int64] = []
    let wanted = columns.isEmpty ? [TableSnapshot.placeColumn] : columns + [TableSnapshot.placeColumn]
    try snapshot.scan(columns: wanted, through: through, where: predicates, morselRows: 16384) { batch in
      guard case .fixed(let all)? = batch.columns.last?.values else { fatalError("places of another layout") }
      let own = Batch(count: batch.count, columns: Array(batch.columns.dropLast()))
      guard let found = try matching(own) else {
        places += all
        return
      }
      for row in found { places.append(all[Int(row)]) }
    }
    return change(places: places, through: through)
  }
  /// Names the rows at places that a scan of the snapshot gave, each once.
  public func change(places: [Int64], through: LogPosition) -> RowChange {
    var change = RowChange(table: table, through: through)
    var (part, rows): (Int64, RowSet) = (-1, RowSet())
    func end() {
      if rows.isEmpty { return }
      let at = Int(part) - snapshot.sections.count
      if at < 0 {
        change.deletion.sections.append((snapshot.references[Int(part)], rows))
      } else if at == 0 {
        change.deletion.memory = rows
      } else {
        change.own.append(RowChange.OwnRows(snapshot.own[at - 1].ordinal, rows))
      }
      rows = RowSet()
    }
    var last: Int64 = -1
    for place in places.sorted() where place != last {
      last = place
      if place >> TableSnapshot.placeBits != part {
        end()
        part = place >> TableSnapshot.placeBits
      }
      let row = Int(place & ((1 << TableSnapshot.placeBits) - 1))
      rows.append(row..<row + 1)
    }
    end()
    change.deletion.sections.sort { $0.reference < $1.reference }
    change.affected = change.removed
    return change
  }
}
