// Retirement.swift — removes a copy that the shard's record does not list any more (protocol.md §2.4, "retired").
//
// The journal must have voided its entries durably before (`LogEntry.cut(from: 1)`). CURRENT goes first: without it the directory is one
// whose making was not finished, which a start passes over and a new copy makes anew. A crash before leaves the copy as it was, without the
// entries of the journal: it is still listed nowhere, and is removed again.
public import Capabilities
public import Model

extension ShardStore {
  /// Removes what a shard's directory holds; the empty directory stays.
  public static func remove(disk: any Disk, shard: ShardID) async throws {
    let directory = ManifestFormat.directory(shard)
    let names = try await disk.list(directory).filter { !$0.isDirectory }.map(\.name)
    if names.contains(ManifestFormat.current) {
      try await disk.remove(directory + "/" + ManifestFormat.current)
      try await disk.syncDirectory(directory)
    }
    for name in names.sorted() where name != ManifestFormat.current { try await disk.remove(directory + "/" + name) }
    try await disk.syncDirectory(directory)
  }
}
