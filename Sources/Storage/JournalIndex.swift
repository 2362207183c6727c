// JournalIndex.swift — where the live records of a journal lie, by shard, and reading entries back for copies that fell behind.
//
// Live: a Cut, or a record at a position already seen with a higher epoch, voids the shard's records from there on (rule D4). About
// 48 bytes a record, until its file is given back.
import Bytes
import Capabilities
public import Model
import Synchronization

struct JournalIndex: Sendable {
  struct Place: Sendable {
    var position: LogPosition
    var epoch: Epoch
    var file: UInt64
    /// Where the record's header in its group's directory begins.
    var header: Int
    /// Where its body begins.
    var body: Int
    var bodyBytes: Int
    var end: Int { body + bodyBytes }
  }
  private(set) var places: [ShardID: [Place]] = [:]

  /// Notes a record. Throws when it repeats a live one.
  mutating func add(_ place: Place, of shard: ShardID) throws(TallyError) {
    var known = places.removeValue(forKey: shard) ?? []
    defer { places[shard] = known }
    while let last = known.last, last.position >= place.position, last.epoch < place.epoch { known.removeLast() }
    if let last = known.last, last.position >= place.position {
      throw TallyError(
        .dataDamaged,
        "journal file \(JournalFormat.path(place.file)) repeats entry \(place.position) of shard \(shard)",
        detail: "epoch \(place.epoch) at byte \(place.body), after entry \(last.position) of epoch \(last.epoch)"
      )
    }
    known.append(place)
  }
  /// Voids a shard's records from a position on.
  mutating func cut(_ shard: ShardID, from position: LogPosition) {
    while let last = places[shard]?.last, last.position >= position { places[shard]?.removeLast() }
    if places[shard]?.isEmpty == true { places[shard] = nil }
  }
  /// Forgets what a file held that is gone.
  mutating func forget(file: UInt64) {
    for shard in places.keys {
      guard let gone = places[shard]?.firstIndex(where: { $0.file > file }) else {
        places[shard] = nil
        continue
      }
      if gone > 0 { places[shard]?.removeFirst(gone) }
    }
  }
  /// The place of a shard's record in `places[shard]`; nil when there is none at that position.
  func firstIndex(of shard: ShardID, _ position: LogPosition) -> Int? {
    guard let known = places[shard], let first = known.first, position >= first.position else { return nil }
    // Positions are dense but for damage: guess the place, then search.
    let guess = Int(clamping: position.rawValue - first.position.rawValue)
    if known.indices.contains(guess), known[guess].position == position { return guess }
    return known.firstIndex { $0.position == position }
  }
}

extension Journal {
  /// Bytes that one read of a file takes at most, but for a single longer record.
  static let readBytes = 4 << 20

  /// Durable entries of a shard from `position` on, in order: as many as lie in one stretch of a file and have about `limit` bytes. Empty
  /// when the journal does not have that entry. Throws XX001 when the bytes are damaged.
  public func entries(of shard: ShardID, from position: LogPosition, bytes limit: Int = 4 << 20) async throws -> [LogEntry] {
    let taken = state.withLock { state -> [JournalIndex.Place] in
      guard let at = state.index.firstIndex(of: shard, position), let known = state.index.places[shard] else { return [] }
      var taken = [known[at]]
      var bytes = known[at].bodyBytes
      for next in known[(at + 1)...] {
        bytes += next.bodyBytes
        guard let last = taken.last, next.file == last.file, next.position == last.position.next, bytes <= limit,
          next.end - taken[0].header <= Self.readBytes
        else { break }
        taken.append(next)
      }
      return taken
    }
    guard let first = taken.first, let last = taken.last else { return [] }
    let path = JournalFormat.path(first.file)
    let bytes: [UInt8]
    do {
      let file = try await disk.open(path, .read)
      bytes = try await file.read(at: UInt64(first.header), count: last.end - first.header)
      await file.close()
    } catch let failure as DiskFailure where failure.kind == .notFound {
      // Given back meanwhile.
      return []
    } catch let failure as DiskFailure where failure.kind == .io {
      throw TallyError(.dataDamaged, "journal file \(path), from byte \(first.header): \(failure)")
    }
    do {
      return try bytes.withReader { reader throws(DecodingFailure) in
        var entries: [LogEntry] = []
        for place in taken {
          let entry = try GroupScan.entry(
            in: reader.base,
            header: place.header - first.header,
            body: place.body - first.header
          )
          guard entry.position == place.position, entry.epoch == place.epoch else {
            throw DecodingFailure(.malformed, at: place.header, "entry \(entry.position) where \(place.position) was written")
          }
          entries.append(entry)
        }
        return entries
      }
    } catch { throw TallyError(.dataDamaged, "journal file \(path), from byte \(first.header): \(error)") }
  }
  /// Keeps a shard's entries above `position` in the journal until `unpin`, whatever `release` says: for a copy that catches up.
  public func pin(_ shard: ShardID, above position: LogPosition, for copy: UInt64) {
    state.withLock { $0.pins[shard, default: [:]][copy] = position }
  }
  /// Ends a pin.
  public func unpin(_ shard: ShardID, for copy: UInt64) {
    state.withLock { $0.pins[shard]?[copy] = nil }
    wakeReclaim()
  }
}
