// ManifestFormat.swift — bytes of a shard's manifest: which files make up the shard, and its state at a position.
//
// A shard's directory is `shards/` + its number. In it: `manifest-` + 16 hexadecimal digits, files of groups (GroupFormat.swift,
// magic TMF1, owner = the shard) with one record each, an edit; `CURRENT`, which names the manifest in use:
//   "manifest-<16 digits> <8 digits>\n", the last being the CRC32C of the name in hexadecimal;
// and segment files `<16 digits number>-<32 digits content hash>.seg`.
//
// Edit := u8 version (1) · u8 flags (1 checkpoint, 2 whole) · u64 layout position · Files added · Drops
//         · varint count, u64 file removed… · [ShardState]                         Files and Drops: LogEntryFormat.swift
// A whole edit begins every manifest file and replaces all before it. In the record: lsn = number of the edit, kind Layout.
//
// `layout position` is the position of the last entry whose changes of files the edit holds; the checkpoint's own position is
// the one up to which rows are in files. Replay starts behind the checkpoint and leaves out what is at or below the layout position.
package import Bytes
import Model

package struct ManifestEdit: Equatable, Sendable {
  var layoutPosition: LogPosition
  var added: [FileRecord] = []
  /// Sections of files that stay.
  var dropped: [SectionReference] = []
  /// Files that go as a whole.
  var removed: [UInt64] = []
  var checkpoint: ShardState?
  var isWhole = false
}

/// What the edits add up to.
struct ManifestContents: Equatable, Sendable {
  var layoutPosition = LogPosition(0)
  var files: [UInt64: FileRecord] = [:]
  var dropped: Set<SectionReference> = []
  var checkpoint = ShardState()

  mutating func apply(_ edit: ManifestEdit) {
    if edit.isWhole { self = ManifestContents() }
    layoutPosition = max(layoutPosition, edit.layoutPosition)
    for file in edit.added { files[file.number] = file }
    for drop in edit.dropped { dropped.insert(drop) }
    for number in edit.removed {
      if let file = files.removeValue(forKey: number) {
        for section in file.sections.indices { dropped.remove(SectionReference(file: number, section: section)) }
      }
    }
    if let checkpoint = edit.checkpoint { self.checkpoint = checkpoint }
  }
  /// The edit that brings an empty manifest here.
  var whole: ManifestEdit {
    ManifestEdit(
      layoutPosition: layoutPosition,
      added: files.values.sorted { $0.number < $1.number },
      dropped: dropped.sorted(),
      checkpoint: checkpoint,
      isWhole: true
    )
  }
}

package enum ManifestFormat {
  static let version: UInt8 = 1
  static let current = "CURRENT"

  static func directory(_ shard: ShardID) -> String { "shards/\(shard)" }
  static func name(_ number: UInt64) -> String { "manifest-" + hexadecimal16(number) }
  static func number(of name: String) -> UInt64? {
    name.hasPrefix("manifest-") ? parseHexadecimal16(String(name.dropFirst(9))) : nil
  }
  static func segmentName(_ file: FileRecord) -> String { hexadecimal16(file.number) + "-\(file.hash).seg" }
  /// The number in a segment's name; nil when the name is not of a segment.
  static func segmentNumber(of name: String) -> UInt64? {
    guard name.hasSuffix(".seg"), name.utf8.count == 16 + 1 + 32 + 4, name.dropFirst(16).first == "-" else { return nil }
    return parseHexadecimal16(String(name.prefix(16)))
  }
  static func encodeCurrent(_ number: UInt64) -> [UInt8] {
    let name = name(number)
    let checksum = String(CRC32C.checksum(Array(name.utf8)), radix: 16)
    return Array((name + " " + String(repeating: "0", count: 8 - checksum.count) + checksum + "\n").utf8)
  }
  static func decodeCurrent(_ bytes: [UInt8]) throws(DecodingFailure) -> UInt64 {
    guard let number = number(of: String(decoding: bytes.prefix(25), as: UTF8.self)), bytes == encodeCurrent(number) else {
      throw DecodingFailure(.malformed, at: 0, "CURRENT does not name a manifest")
    }
    return number
  }

  package static func encode(_ edit: ManifestEdit) -> [UInt8] {
    var out = ByteWriter(capacity: 1024)
    out.u8(version)
    out.u8((edit.checkpoint == nil ? 0 : 1) | (edit.isWhole ? 2 : 0))
    out.u64(edit.layoutPosition.rawValue)
    LogEntryFormat.encode(files: edit.added, into: &out)
    LogEntryFormat.encode(drops: edit.dropped, into: &out)
    out.count(edit.removed.count)
    for number in edit.removed { out.u64(number) }
    if let checkpoint = edit.checkpoint { ShardStateFormat.encode(checkpoint, into: &out) }
    return out.finish()
  }
  package static func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> ManifestEdit {
    try bytes.withReader { reader throws(DecodingFailure) in
      let found = try reader.u8()
      guard found == version else { throw DecodingFailure(.unknown, at: 0, "manifest edit version \(found)") }
      let flags = try reader.u8()
      guard flags < 4 else { throw DecodingFailure(.unknown, at: 1, "manifest edit flags \(flags)") }
      var edit = ManifestEdit(layoutPosition: LogPosition(try reader.u64()))
      edit.isWhole = flags & 2 != 0
      edit.added = try LogEntryFormat.decodeFiles(&reader)
      edit.dropped = try LogEntryFormat.decodeDrops(&reader)
      for _ in 0..<(try reader.count(max: LogEntryFormat.filesMax, "removed files")) { edit.removed.append(try reader.u64()) }
      if flags & 1 != 0 { edit.checkpoint = try ShardStateFormat.decode(&reader) }
      try reader.expectEnd()
      return edit
    }
  }
}
