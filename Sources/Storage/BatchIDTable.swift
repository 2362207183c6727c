// BatchIDTable.swift — ids of batches that took effect in the last day: a function of the shard's log (protocol, id mode).
//
// An id is a UUIDv7 and is accepted within a window around log time only (KeyLifetimes), so what is older need not be known. Ids are kept
// by the hour of their own time: a KeyExpiry entry drops whole hours that lie before the window, on every replica the same. The hour's
// newest ids are a short sorted list; full lists become immutable sorted runs, merged two by two while they are small. No run changes, so
// the states of one shard (head, applied, checkpoint) share theirs: `share`. The shape, too, is a function of the log.
//
// Memory: 40 bytes an id and state that does not share it; `bytesMax` bounds a shard's ids in the checkpoint: then ids are refused
// (Overloaded), none is forgotten early.
//
// Checkpoint: i64 hours before this are dropped · varint count, hours rising: i64 hour, varint count, lists (the runs in order, then the
//   newest): u64 made at (position; 0 for the newest), varint count, ids rising: u64 high, u64 low, u64 hash, u64 position, u32 rows
import Bytes
public import Model

/// What a shard remembers of a batch with an id.
public struct KnownBatch: Equatable, Sendable {
  /// Where it took effect.
  public var position: LogPosition
  /// Its rows: those of the whole statement, when the id is a statement's.
  public var rows: Int
}

/// Ids of one shard's batches.
public struct BatchIDTable: Equatable, Sendable {
  struct Entry: Equatable, Sendable {
    var high: UInt64
    var low: UInt64
    /// First half of the content hash.
    var hash: UInt64
    var position: UInt64
    var rows: UInt32
  }
  /// Sorted ids that do not change any more.
  struct Run: Equatable, Sendable {
    /// Position of the entry that completed it: with the number of ids it tells runs of one log apart.
    var madeAt: UInt64
    var entries: [Entry]
  }
  struct Hour: Equatable, Sendable {
    var number: Int64
    var runs: [Run] = []
    var newest: [Entry] = []
    var count: Int { runs.reduce(newest.count) { $0 + $1.entries.count } }
  }
  /// Bytes of an id in the checkpoint.
  public static let idBytes = 36
  /// Bytes of a shard's ids: the checkpoint must fit a frame.
  public static let bytesMax = 12 << 20
  /// Ids of an hour that are kept as a list.
  static let newestMax = 512
  /// Ids of a run up to which runs are merged.
  static let runMax = 1 << 16
  private(set) var hours: [Hour] = []
  /// Ids of hours before this are dropped; none is known any more.
  public private(set) var droppedBefore = Int64.min
  /// Ids known.
  public private(set) var count = 0

  /// An empty table.
  public init() {}
  /// Bytes they take in the checkpoint.
  public var bytes: Int { count * Self.idBytes }
  /// Whether there is no room for another.
  public var isFull: Bool { bytes + Self.idBytes > Self.bytesMax }
  static func hour(of id: BatchID) -> Int64 { Calendar.floorDivide(id.microseconds, KeyLifetimes.step) }

  /// What is known of an id; nil: it is new, or of a dropped hour.
  func find(_ id: BatchID) -> (known: KnownBatch, hash: UInt64)? {
    let number = Self.hour(of: id)
    let at = place(of: number)
    guard at < hours.count, hours[at].number == number else { return nil }
    for run in hours[at].runs { if let found = Self.find(id, run.entries) { return found } }
    return Self.find(id, hours[at].newest)
  }
  private static func find(_ id: BatchID, _ entries: [Entry]) -> (known: KnownBatch, hash: UInt64)? {
    let at = place(of: id, entries)
    guard at < entries.count, entries[at].high == id.high, entries[at].low == id.low else { return nil }
    return (KnownBatch(position: LogPosition(entries[at].position), rows: Int(entries[at].rows)), entries[at].hash)
  }
  private static func place(of id: BatchID, _ entries: [Entry]) -> Int {
    // Ids mostly come in order: the end is tried first.
    guard let last = entries.last else { return 0 }
    if last.high < id.high || last.high == id.high && last.low < id.low { return entries.count }
    return partition(0..<entries.count) { entries[$0].high != id.high ? entries[$0].high > id.high : entries[$0].low >= id.low }
  }
  private func place(of hour: Int64) -> Int {
    var at = hours.count
    while at > 0, hours[at - 1].number >= hour { at -= 1 }
    return at
  }

  /// Notes a batch that was logged; an id that is known stays as it is.
  mutating func record(_ id: BatchID, hash: UInt64, at position: LogPosition, rows: Int) {
    if find(id) != nil { return }
    let number = Self.hour(of: id)
    let at = place(of: number)
    if at == hours.count || hours[at].number != number { hours.insert(Hour(number: number), at: at) }
    let entry = Entry(high: id.high, low: id.low, hash: hash, position: position.rawValue, rows: UInt32(clamping: rows))
    hours[at].newest.insert(entry, at: Self.place(of: id, hours[at].newest))
    count += 1
    if hours[at].newest.count >= Self.newestMax { seal(at, position) }
  }
  /// Makes a run of an hour's newest, and one of runs that are not larger than what follows them.
  private mutating func seal(_ at: Int, _ position: LogPosition) {
    var entries = hours[at].newest
    hours[at].newest = []
    while let last = hours[at].runs.last, last.entries.count <= entries.count, last.entries.count + entries.count <= Self.runMax {
      hours[at].runs.removeLast()
      entries = Self.merged(last.entries, entries)
    }
    hours[at].runs.append(Run(madeAt: position.rawValue, entries: entries))
  }
  private static func merged(_ a: [Entry], _ b: [Entry]) -> [Entry] {
    var out: [Entry] = []
    out.reserveCapacity(a.count + b.count)
    var (i, j) = (0, 0)
    while i < a.count, j < b.count {
      let isFirst = a[i].high != b[j].high ? a[i].high < b[j].high : a[i].low < b[j].low
      if isFirst {
        out.append(a[i])
        i += 1
      } else {
        out.append(b[j])
        j += 1
      }
    }
    out += a[i...]
    out += b[j...]
    return out
  }
  /// Takes over the runs of another state of the same log, where it has the same.
  mutating func share(_ other: BatchIDTable) {
    for at in hours.indices {
      guard let their = other.hours.first(where: { $0.number == hours[at].number }) else { continue }
      for (place, run) in hours[at].runs.enumerated() {
        guard place < their.runs.count else { break }
        let same = their.runs[place]
        if same.madeAt == run.madeAt, same.entries.count == run.entries.count { hours[at].runs[place] = same }
      }
    }
  }

  /// The time to put into a KeyExpiry entry, when hours are due at `logTime`.
  public func expiryDue(at logTime: Int64) -> Int64? {
    let before = Calendar.floorDivide(logTime - KeyLifetimes.idPast, KeyLifetimes.step) * KeyLifetimes.step
    guard let first = hours.first, (first.number + 1) * KeyLifetimes.step <= before else { return nil }
    return before
  }
  /// Drops the hours that end at `time` or before.
  mutating func expire(before time: Int64) {
    guard time > droppedBefore else { return }
    droppedBefore = time
    let gone = hours.firstIndex { ($0.number + 1) * KeyLifetimes.step > time } ?? hours.count
    count -= hours[..<gone].reduce(0) { $0 + $1.count }
    hours.removeFirst(gone)
  }

  func encode(into out: inout ByteWriter) {
    out.i64(droppedBefore)
    out.count(hours.count)
    for hour in hours {
      out.i64(hour.number)
      out.count(hour.runs.count + 1)
      for run in hour.runs { Self.encode(run.entries, madeAt: run.madeAt, into: &out) }
      Self.encode(hour.newest, madeAt: 0, into: &out)
    }
  }
  private static func encode(_ entries: [Entry], madeAt: UInt64, into out: inout ByteWriter) {
    out.u64(madeAt)
    out.count(entries.count)
    for entry in entries {
      out.u64(entry.high)
      out.u64(entry.low)
      out.u64(entry.hash)
      out.u64(entry.position)
      out.u32(entry.rows)
    }
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> BatchIDTable {
    var table = BatchIDTable()
    table.droppedBefore = try reader.i64()
    for _ in 0..<(try reader.count(max: 1 << 16, "hours of ids")) {
      var hour = Hour(number: try reader.i64())
      guard table.hours.last.map({ $0.number < hour.number }) ?? true else {
        throw DecodingFailure(.malformed, at: reader.position, "hours of ids out of order")
      }
      let lists = try reader.count(max: 1 << 16, "runs of ids")
      guard lists > 0 else { throw DecodingFailure(.malformed, at: reader.position, "an hour of ids without its newest") }
      for list in 1...lists {
        let madeAt = try reader.u64()
        let entries = try decodeEntries(&reader, hour.number)
        if list < lists { hour.runs.append(Run(madeAt: madeAt, entries: entries)) } else { hour.newest = entries }
      }
      table.count += hour.count
      table.hours.append(hour)
    }
    return table
  }
  private static func decodeEntries(_ reader: inout ByteReader, _ hour: Int64) throws(DecodingFailure) -> [Entry] {
    let count = try reader.count(max: reader.remaining / idBytes, "ids")
    var entries: [Entry] = []
    entries.reserveCapacity(count)
    for _ in 0..<count {
      let entry = Entry(
        high: try reader.u64(),
        low: try reader.u64(),
        hash: try reader.u64(),
        position: try reader.u64(),
        rows: try reader.u32()
      )
      guard let id = BatchID(high: entry.high, low: entry.low), Self.hour(of: id) == hour,
        entries.last.map({ $0.high != entry.high ? $0.high < entry.high : $0.low < entry.low }) ?? true
      else { throw DecodingFailure(.malformed, at: reader.position, "id of a batch") }
      entries.append(entry)
    }
    return entries
  }
}
