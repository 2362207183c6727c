// RaftLog.swift — the entries a member holds behind its latest snapshot, with their chain; and the members each place of it implies.
//
// All of it is in memory: the catalog's log is rewritten when it has grown past a megabyte. Which part is durable or committed is the
// core's business (RaftCore).
public import Bytes
import Wire

/// Entries behind a snapshot.
public struct RaftLog: Sendable {
  /// What stands in place of the entries before the first.
  public private(set) var snapshot: RaftSnapshot
  /// Entries, dense from `snapshot.index + 1`.
  public private(set) var records: [CommandRecord] = []
  private var chains: [Hash128] = []
  /// Indexes of entries that change the members, rising.
  private var changes: [UInt64] = []
  /// The members as of the last entry, committed or not: a change counts from the moment it is in the log (thesis §4.1).
  public private(set) var members: Members
  /// Bytes of the entries' bodies.
  public private(set) var byteCount = 0

  /// A log that begins with a snapshot.
  public init(_ snapshot: RaftSnapshot) {
    self.snapshot = snapshot
    members = snapshot.members
  }
  /// Index of the last entry.
  public var last: UInt64 { snapshot.index + UInt64(records.count) }
  /// Term of the last entry.
  public var lastTerm: UInt64 { records.last?.term ?? snapshot.term }
  /// Index of the last entry that changes the members; 0 when the snapshot has them.
  var lastChange: UInt64 { changes.last ?? snapshot.index }

  /// An entry, unless it is in the snapshot or beyond the end.
  public subscript(_ index: UInt64) -> CommandRecord? {
    index > snapshot.index && index <= last ? records[Int(index - snapshot.index - 1)] : nil
  }
  /// Term at an index; nil when it is within the snapshot or beyond the end.
  public func term(at index: UInt64) -> UInt64? { index == snapshot.index ? snapshot.term : self[index]?.term }
  /// The chain up to an index.
  public func chain(at index: UInt64) -> Hash128? {
    if index == snapshot.index { return snapshot.chain }
    return index > snapshot.index && index <= last ? chains[Int(index - snapshot.index - 1)] : nil
  }
  /// The members as of an index, which must not lie within the snapshot.
  public func members(asOf index: UInt64) -> Members {
    guard let change = changes.last(where: { $0 <= index }), let record = self[change] else { return snapshot.members }
    return Self.members(in: record)
  }
  /// The last index at or before `index` whose term is at most `term`: where two logs may still be equal.
  func lastIndex(before index: UInt64, termAtMost term: UInt64) -> UInt64 {
    var at = min(index, last)
    while at > snapshot.index, let found = self.term(at: at), found > term { at -= 1 }
    return at
  }

  /// Appends an entry that lies on disk already.
  public mutating func restore(_ record: CommandRecord) { append(record) }
  /// Appends an entry.
  mutating func append(_ record: CommandRecord) {
    invariant(record.index == last + 1 && record.term >= lastTerm, "entry \(record.index) behind \(last)")
    chains.append(CommandRecordFormat.link(record, after: chains.last ?? snapshot.chain))
    records.append(record)
    byteCount += record.body.count
    if record.kind == .members {
      changes.append(record.index)
      members = Self.members(in: record)
    }
  }
  /// Removes the entries from an index on.
  mutating func cut(from index: UInt64) {
    invariant(index > snapshot.index, "cut at \(index) within the snapshot at \(snapshot.index)")
    guard index <= last else { return }
    let kept = Int(index - snapshot.index - 1)
    for record in records[kept...] { byteCount -= record.body.count }
    records.removeSubrange(kept...)
    chains.removeSubrange(kept...)
    if changes.last ?? 0 >= index {
      changes.removeAll { $0 >= index }
      members = changes.last.flatMap { self[$0] }.map(Self.members) ?? snapshot.members
    }
  }
  /// Puts a snapshot in place of everything up to its index; entries behind it stay if they follow it.
  mutating func begin(with snapshot: RaftSnapshot) {
    let follows = term(at: snapshot.index) == snapshot.term && chain(at: snapshot.index) == snapshot.chain
    let kept = follows ? records.dropFirst(Int(snapshot.index - self.snapshot.index)) : []
    self = RaftLog(snapshot)
    for record in kept { append(record) }
  }
  /// Entries from an index on, bounded by number and bytes; at least one if there is one.
  func slice(from index: UInt64, bytes: Int, count: Int) -> [CommandRecord] {
    var (out, size) = ([CommandRecord](), 0)
    var at = index
    while let record = self[at], out.count < count, out.isEmpty || size + record.body.count <= bytes {
      out.append(record)
      size += record.body.count
      at += 1
    }
    return out
  }
  /// A list that is in the log was checked before it came in.
  private static func members(in record: CommandRecord) -> Members {
    do { return try Members.decode(record.body) } catch { fatalError("the members of entry \(record.index): \(error)") }
  }
}
