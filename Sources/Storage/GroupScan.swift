// GroupScan.swift — reads the groups of one file and judges by evidence where they end (rule D9).
//
// A group that fails a check is a torn write only when it is the last thing in the file and a sector of it is all zeros that its
// header does not declare zero (for a file that grows: or the file ends inside it). Everything else is damage: it is
// skipped to the next group whose header holds, never cut off.
import Bytes
import Model

package struct GroupScan {
  struct Record {
    var shard: ShardID
    var position: LogPosition
    var epoch: Epoch
    var logTime: Int64
    var catalogVersion: CatalogVersion
    var kind: UInt32
    var chain: Hash128
    var bodyHash: Hash128
    /// Where the body lies in the file.
    var body: Range<Int>
    var isIntact: Bool
    /// Where its header in the directory begins.
    var header = 0
  }
  struct Group {
    var offset: Int
    var header: GroupFormat.Header
    var records: [Record]
  }
  struct Damage {
    var offset: Int
    /// What the place held, when its directory could be read: the records whose bodies failed.
    var lost: [Record]?
    var message: String
  }
  enum Tail {
    /// Nothing follows the groups.
    case clean
    /// A write that was not finished.
    case torn
    /// Something that was written once and is broken now.
    case damaged(Damage)
  }
  /// What the next group must say.
  package struct Expectation {
    var number: UInt64?
    var previous: Hash128?
    /// Nothing is known.
    package static let anything = Expectation(number: nil, previous: nil)
  }
  var groups: [Group] = []
  var damages: [Damage] = []
  /// Where the next group may be written.
  var end = GroupFormat.block
  var tail = Tail.clean
  var next: Expectation

  private enum Found {
    case group(Group, lost: [Record])
    case bad(String)
  }
  private let bytes: UnsafeRawBufferPointer
  private let file: UInt64
  private let grows: Bool

  /// Scans a file whose header was checked. `grows`: it was not filled with zeros beforehand.
  package static func scan(_ bytes: UnsafeRawBufferPointer, file: UInt64, expecting: Expectation, grows: Bool) -> GroupScan {
    var scan = GroupScan(bytes: bytes, file: file, expecting: expecting, grows: grows)
    scan.run()
    return scan
  }
  private init(bytes: UnsafeRawBufferPointer, file: UInt64, expecting: Expectation, grows: Bool) {
    self.bytes = bytes
    self.file = file
    self.grows = grows
    next = expecting
  }
  private mutating func run() {
    while true {
      if end >= bytes.count { return }
      switch look(at: end, next) {
      case .group(let group, let lost) where lost.isEmpty: accept(group)
      case .group(let group, let lost):
        let damage = Damage(offset: end, lost: lost, message: "bodies of group \(group.header.number) fail their hashes")
        if findGroup(after: end) == nil {
          tail = isTorn(at: end, group.header) ? .torn : .damaged(damage)
          return
        }
        damages.append(damage)
        accept(group)
      case .bad(let message):
        let damage = Damage(offset: end, lost: nil, message: message)
        guard let later = findGroup(after: end) else {
          if ZeroSectors.isZero(bytes, end..<bytes.count) { return }
          tail = isTorn(at: end, header(at: end)) ? .torn : .damaged(damage)
          return
        }
        damages.append(damage)
        end = later
        next = Expectation(number: nil, previous: nil)
      }
    }
  }
  private mutating func accept(_ group: Group) {
    groups.append(group)
    end = group.offset + GroupFormat.aligned(group.header.bytes)
    next = Expectation(number: group.header.number + 1, previous: group.header.hash)
  }
  /// The next place with a header that holds and is of this file.
  private func findGroup(after offset: Int) -> Int? {
    var at = offset + GroupFormat.block
    let least = groups.last.map { $0.header.number + 1 } ?? 0
    while at < bytes.count {
      if bytes.count - at >= 4, bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self) == GroupFormat.groupMagic,
        case .group(let group, _) = look(at: at, Expectation(number: nil, previous: nil)), group.header.number > least
      {
        return at
      }
      at += GroupFormat.block
    }
    return nil
  }
  /// The group header at a place, nil when it does not hold.
  private func header(at offset: Int) -> GroupFormat.Header? {
    do { return try GroupFormat.decodeHeader(UnsafeRawBufferPointer(rebasing: bytes[offset...])) } catch { return nil }
  }
  private func look(at offset: Int, _ expected: Expectation) -> Found {
    let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
    let header: GroupFormat.Header
    do { header = try GroupFormat.decodeHeader(rest) } catch { return .bad("group header: \(error)") }
    guard header.file == file else { return .bad("group of file \(header.file)") }
    if let number = expected.number, header.number != number {
      return .bad("group \(header.number) where \(number) was expected")
    }
    if let previous = expected.previous, header.previous != previous {
      return .bad("group \(header.number) does not follow the group before it")
    }
    guard header.bytes <= rest.count else { return .bad("group \(header.number) reaches past the end of the file") }
    let directory = header.headerBytes..<header.headerBytes + header.records * GroupFormat.recordHeaderBytes
    guard Murmur3.hash(UnsafeRawBufferPointer(rebasing: rest[directory])) == header.directoryHash else {
      return .bad("directory of group \(header.number) fails its hash")
    }
    var reader = ByteReader(UnsafeRawBufferPointer(rebasing: rest[directory]))
    var records: [Record] = []
    var lost: [Record] = []
    var at = directory.upperBound
    for _ in 0..<header.records {
      let record: Record
      do { record = try Self.decode(&reader, bodyAt: at, offset, limit: header.bytes) } catch {
        return .bad("directory of group \(header.number): \(error)")
      }
      at = record.body.upperBound - offset
      var checked = record
      checked.header = offset + header.headerBytes + records.count * GroupFormat.recordHeaderBytes
      checked.isIntact = Murmur3.hash(UnsafeRawBufferPointer(rebasing: bytes[record.body])) == record.bodyHash
      if !checked.isIntact { lost.append(checked) }
      records.append(checked)
    }
    guard at == header.bytes else { return .bad("bodies of group \(header.number) do not fill it") }
    return .group(Group(offset: offset, header: header, records: records), lost: lost)
  }
  fileprivate static func decode(
    _ reader: inout ByteReader,
    bodyAt at: Int,
    _ offset: Int,
    limit: Int
  ) throws(DecodingFailure) -> Record {
    let shard = ShardID(try reader.u64())
    let (position, epoch) = (LogPosition(try reader.u64()), Epoch(try reader.u64()))
    let (logTime, version) = (try reader.i64(), CatalogVersion(try reader.u64()))
    let kind = try reader.u32()
    let count = Int(try reader.u32())
    guard count <= limit - at else { throw DecodingFailure(.tooLarge, at: reader.position, "body of \(count) bytes") }
    return Record(
      shard: shard,
      position: position,
      epoch: epoch,
      logTime: logTime,
      catalogVersion: version,
      kind: kind,
      chain: try reader.hash(),
      bodyHash: try reader.hash(),
      body: offset + at..<offset + at + count,
      isIntact: false
    )
  }
  /// Whether the group at `offset`, the last thing in the file, lacks a sector.
  private func isTorn(at offset: Int, _ header: GroupFormat.Header?) -> Bool {
    if isPlanted(.rotTakenForTornTail) { return true }
    let available = bytes.count - offset
    func isZero(_ sector: Int) -> Bool {
      let start = sector * GroupFormat.sector
      return start < available
        && ZeroSectors.isZero(bytes, offset + start..<offset + min(available, start + GroupFormat.sector))
    }
    if let header {
      if header.bytes > available { return grows }
      return (0..<(header.bytes + GroupFormat.sector - 1) / GroupFormat.sector).contains { sector in
        let byte = bytes[offset + GroupFormat.fixedHeaderBytes + sector / 8]
        return byte >> UInt8(sector % 8) & 1 == 0 && isZero(sector)
      }
    }
    if isZero(0) { return true }
    // The header's first sector is there, so a missing part of the header is in a later one (or past the end of the file).
    guard available >= 12 else { return grows }
    let headerBytes = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self)))
    if headerBytes > available { return grows }
    return headerBytes > GroupFormat.sector && (1..<(headerBytes + GroupFormat.sector - 1) / GroupFormat.sector).contains(where: isZero)
  }
}

extension GroupScan {
  /// One entry, from the place of its header and that of its body; its hash is checked.
  static func entry(in bytes: UnsafeRawBufferPointer, header: Int, body: Int) throws(DecodingFailure) -> LogEntry {
    guard header >= 0, header <= body, body <= bytes.count else {
      throw DecodingFailure(.truncated, at: header, "the file became shorter")
    }
    var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[header..<body]))
    return try decode(&reader, bodyAt: body, 0, limit: bytes.count).entry(in: bytes)
  }
}

extension GroupScan.Record {
  /// The entry, with its body copied out of the file's bytes; the hash is checked again.
  func entry(in bytes: UnsafeRawBufferPointer) throws(DecodingFailure) -> LogEntry {
    guard let kind = EntryKind(rawValue: kind) else {
      throw DecodingFailure(.unknown, at: body.lowerBound, "log entry kind \(kind)")
    }
    guard body.upperBound <= bytes.count else {
      throw DecodingFailure(.truncated, at: body.lowerBound, "the file became shorter")
    }
    let content = UnsafeRawBufferPointer(rebasing: bytes[body])
    guard Murmur3.hash(content) == bodyHash else {
      throw DecodingFailure(.checksum, at: body.lowerBound, "body of entry \(position) of shard \(shard)")
    }
    return LogEntry(
      position: position,
      epoch: epoch,
      kind: kind,
      logTime: logTime,
      catalogVersion: catalogVersion,
      body: [UInt8](content),
      bodyHash: bodyHash,
      chain: chain
    )
  }
}
