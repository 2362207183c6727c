// DiskTree.swift — what a simulated disk holds: contents and names as programs see them, and what a power cut may leave.
//
// A file's writes since its last sync are kept with what they replaced. At a power cut they are rolled back, and then, by
// chance, none, all, a prefix, or single 512-byte sectors of them come back; the size may have grown without the data.
// Names work alike: changes of directories not yet synced survive as a prefix per directory, or not at all. A rename is
// one change. Making a directory durable also makes what it depends on durable (renames across directories).
internal import Capabilities

/// A file or directory. Confined by its tree's owner.
final class DiskNode {
  struct PendingWrite {
    var offset: Int
    var new: [UInt8]
    var old: [UInt8]
    var oldSize: Int
  }
  let isDirectory: Bool
  var content: [UInt8] = []
  var pending: [PendingWrite] = []
  var entries: [String: DiskNode] = [:]
  var durableEntries: [String: DiskNode] = [:]

  init(isDirectory: Bool) { self.isDirectory = isDirectory }

  func write(_ bytes: [UInt8], at offset: Int) {
    let oldSize = content.count
    let overlap =
      offset < oldSize ? Array(content[offset..<min(oldSize, offset + bytes.count)]) : []
    pending.append(PendingWrite(offset: offset, new: bytes, old: overlap, oldSize: oldSize))
    Self.put(bytes[...], at: offset, in: &content)
  }
  static func put(_ bytes: ArraySlice<UInt8>, at offset: Int, in content: inout [UInt8]) {
    let end = offset + bytes.count
    if content.count < end { content += [UInt8](repeating: 0, count: end - content.count) }
    content.replaceSubrange(offset..<end, with: bytes)
  }
  /// The content after a power cut.
  func survivor(_ random: SeededGenerator) -> [UInt8] {
    if pending.isEmpty { return content }
    var result = content
    for write in pending.reversed() {
      result.removeLast(result.count - write.oldSize)
      if !write.old.isEmpty {
        result.replaceSubrange(write.offset..<write.offset + write.old.count, with: write.old)
      }
    }
    switch random.next(below: 5) {
    case 0: return result
    case 1: return content
    case 2:
      for write in pending.prefix(Int(random.next(below: UInt64(pending.count)))) {
        Self.put(write.new[...], at: write.offset, in: &result)
      }
    case 3: tear(&result, random)
    default:
      tear(&result, random)
      if result.count < content.count {
        result += [UInt8](repeating: 0, count: content.count - result.count)
      }
    }
    return result
  }
  /// Brings single sectors of pending writes back.
  private func tear(_ result: inout [UInt8], _ random: SeededGenerator) {
    for write in pending {
      var from = 0
      while from < write.new.count {
        let to = min(write.new.count, from + 512 - (write.offset + from) % 512)
        if random.chance(percent: 50) {
          Self.put(write.new[from..<to], at: write.offset + from, in: &result)
        }
        from = to
      }
    }
  }
}

/// A directory tree with its history since the last syncs. Confined by its owner's lock.
final class DiskTree {
  private struct NameChange {
    /// Directory, name, and what the name means afterwards.
    var edits: [(directory: DiskNode, name: String, node: DiskNode?)]
    func touches(_ node: DiskNode) -> Bool { edits.contains { $0.directory === node } }
    func makeDurable() {
      for edit in edits { edit.directory.durableEntries[edit.name] = edit.node }
    }
  }
  let root = DiskNode(isDirectory: true)
  private var changes: [NameChange] = []

  /// The parts of a path; throws when it is not plain.
  private func split(_ path: String) throws -> [String] {
    if path.isEmpty { return [] }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    if parts.contains(where: { ["", ".", ".."].contains($0) }) {
      throw DiskFailure(.io, "'\(path)' is not a plain path below the data directory")
    }
    return parts
  }
  func find(_ path: String) throws -> DiskNode {
    var node = root
    var rest = path[...]
    // Names that are not plain are in no directory: `split` tells the two errors apart.
    while !rest.isEmpty {
      let end = rest.utf8.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
      guard let next = node.entries[String(rest[..<end])], end == rest.endIndex || rest.utf8.index(after: end) < rest.endIndex else {
        _ = try split(path)
        throw DiskFailure(.notFound, "\(path): no such file or directory")
      }
      node = next
      rest = end == rest.endIndex ? "" : rest[rest.utf8.index(after: end)...]
    }
    return node
  }
  func file(_ path: String) throws -> DiskNode {
    let node = try find(path)
    if node.isDirectory { throw DiskFailure(.io, "\(path) is a directory") }
    return node
  }
  private func place(_ path: String) throws -> (directory: DiskNode, name: String) {
    let parts = try split(path)
    guard let name = parts.last else {
      throw DiskFailure(.io, "the data directory itself cannot be changed")
    }
    let directory = try find(parts.dropLast().joined(separator: "/"))
    if !directory.isDirectory { throw DiskFailure(.notFound, "\(path): not in a directory") }
    return (directory, name)
  }
  private func change(_ edits: [(directory: DiskNode, name: String, node: DiskNode?)]) {
    for edit in edits { edit.directory.entries[edit.name] = edit.node }
    changes.append(NameChange(edits: edits))
  }

  func create(_ path: String) throws -> DiskNode {
    let (directory, name) = try place(path)
    if directory.entries[name] != nil { throw DiskFailure(.exists, "\(path) exists") }
    let node = DiskNode(isDirectory: false)
    change([(directory, name, node)])
    return node
  }
  func createDirectory(_ path: String) throws {
    var sofar = ""
    for part in try split(path) {
      sofar += sofar.isEmpty ? part : "/" + part
      let (directory, name) = try place(sofar)
      if directory.entries[name] == nil { change([(directory, name, DiskNode(isDirectory: true))]) }
    }
  }
  func rename(_ from: String, to: String) throws {
    let node = try find(from)
    let (source, target) = (try place(from), try place(to))
    if let old = target.directory.entries[target.name],
      old.isDirectory != node.isDirectory || !old.entries.isEmpty
    {
      throw DiskFailure(.exists, "rename \(from): \(to) is in the way")
    }
    change([(source.directory, source.name, nil), (target.directory, target.name, node)])
  }
  func remove(_ path: String) throws {
    let node = try find(path)
    if !node.entries.isEmpty { throw DiskFailure(.exists, "\(path) is not empty") }
    let (directory, name) = try place(path)
    change([(directory, name, nil)])
  }
  func list(_ path: String) throws -> [DirectoryEntry] {
    let node = try find(path)
    if !node.isDirectory { throw DiskFailure(.notFound, "\(path) is not a directory") }
    return node.entries.sorted { $0.key < $1.key }.map {
      DirectoryEntry(
        name: $0.key,
        isDirectory: $0.value.isDirectory,
        size: UInt64($0.value.content.count)
      )
    }
  }
  func syncDirectory(_ path: String) throws {
    let node = try find(path)
    // Everything connected with this directory by a rename goes with it, so that no name is in two places.
    var group = [node]
    var grew = true
    while grew {
      grew = false
      for change in changes
      where change.edits.contains(where: { edit in group.contains { $0 === edit.directory } }) {
        for edit in change.edits where !group.contains(where: { $0 === edit.directory }) {
          group.append(edit.directory)
          grew = true
        }
      }
    }
    let isMember = { (change: NameChange) in group.contains { change.touches($0) } }
    for change in changes where isMember(change) { change.makeDurable() }
    changes.removeAll(where: isMember)
  }
  /// Bytes of all files.
  var used: Int { Self.used(root) }
  private static func used(_ node: DiskNode) -> Int {
    node.content.count + node.entries.values.reduce(0) { $0 + used($1) }
  }

  /// A tree of its own with the same names and contents, all of it durable.
  func copy() -> DiskTree {
    let tree = DiskTree()
    Self.copyAll(of: root, to: tree.root)
    return tree
  }
  private static func copyAll(of old: DiskNode, to new: DiskNode) {
    for (name, node) in old.entries {
      let copy = DiskNode(isDirectory: node.isDirectory)
      copy.content = node.content
      copyAll(of: node, to: copy)
      new.entries[name] = copy
      new.durableEntries[name] = copy
    }
  }

  /// The tree a machine finds after a power cut.
  func afterPowerCut(_ random: SeededGenerator) -> DiskTree {
    let mode = random.next(below: 3)  // none, all, or a prefix per directory
    var blocked: [DiskNode] = []
    for change in changes {
      let isBlocked = change.edits.contains { edit in blocked.contains { $0 === edit.directory } }
      if mode == 1 || mode == 2 && !isBlocked && random.chance(percent: 70) {
        change.makeDurable()
      } else {
        blocked += change.edits.map(\.directory)
      }
    }
    let tree = DiskTree()
    Self.copySurvivors(of: root, to: tree.root, random)
    return tree
  }
  private static func copySurvivors(of old: DiskNode, to new: DiskNode, _ random: SeededGenerator) {
    for (name, node) in old.durableEntries.sorted(by: { $0.key < $1.key }) {
      let copy = DiskNode(isDirectory: node.isDirectory)
      if node.isDirectory {
        copySurvivors(of: node, to: copy, random)
      } else {
        copy.content = node.survivor(random)
      }
      new.entries[name] = copy
      new.durableEntries[name] = copy
    }
  }
}
