// JournalFormat.swift — what stands in a journal: records of many shards. Framing: GroupFormat.swift.
//
// Files are `wal/` + 16 hexadecimal digits of their number + `.journal`. A record is an entry with its shard. A cut is a record
// of kind `cut` at (shard, lsn, epoch): it, like a record at a position already seen with a higher epoch, voids what the shard
// had from that position on.
public import Model

/// One entry of one shard, as a journal keeps it.
public struct JournalRecord: Sendable, Equatable {
  /// Whose log.
  public var shard: ShardID
  /// The entry.
  public var entry: LogEntry
  /// Pairs a shard and an entry.
  public init(shard: ShardID, entry: LogEntry) {
    self.shard = shard
    self.entry = entry
  }
}

/// Where appended records lie.
public struct JournalPlace: Sendable, Equatable {
  /// Number of the file.
  public var file: UInt64
  /// Number of the group; dense over all files.
  public var group: UInt64
}

/// How a journal is laid out; production uses the defaults, tests smaller ones.
public struct JournalSettings: Sendable {
  /// Bytes of a file.
  public var fileBytes = 64 << 20
  /// A group closes at this size.
  public var groupBytes = 1 << 20
  /// Bytes that may wait or be written before `reserve` suspends.
  public var inFlightBytesMax = 16 << 20
  /// Above this, shards that pin the oldest file should be flushed.
  public var pinnedBytesMax = 2 << 30
  /// The defaults.
  public init() {}
}

enum JournalFormat {
  static let directory = "wal"
  static func path(_ number: UInt64) -> String { directory + "/" + hexadecimal16(number) + ".journal" }
  /// The number in a file's name; nil when the name is not of a journal file.
  static func number(of name: String) -> UInt64? {
    guard name.hasSuffix(".journal"), name.utf8.count == 24 else { return nil }
    return parseHexadecimal16(String(name.prefix(16)))
  }
}

func hexadecimal16(_ value: UInt64) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
/// Parses sixteen lower-case hexadecimal digits.
func parseHexadecimal16(_ text: String) -> UInt64? {
  guard text.utf8.count == 16, let value = UInt64(text, radix: 16), hexadecimal16(value) == text else { return nil }
  return value
}
