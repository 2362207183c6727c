// StateProbe.swift — the state of a shard at a DigestProbe entry, pinned when the entry is applied, hashed later.
//
// state   Murmur3-128 of the state's bytes (ShardStateFormat)
// files   Murmur3-128 of the live sections by rising relation, file and section: u64 relation, u64 file, u32 section, content hash of the
//         file
// rows    content hash of the file that a flush at the probe would make, as file 0, positions kept; zero without rows in memory
//
// All three are functions of the log alone, so that they are equal on all copies, however the rows came there. What lies in files was
// hashed when it was written; that the disk still has it is the scrub's business (Scrub.swift).
import Bytes
public import Model

/// A shard's state at a probe. Shares the memory of the rows until it is let go.
public struct StateProbe: Sendable {
  let position: LogPosition
  let state: [UInt8]
  let sections: [UInt8]
  let rows: FlushPlan?

  /// Hashes it: about the work of a flush. A pure function, for Compute. Throws 22003 when merging states overflows.
  public func digest() throws -> StateDigest {
    let rows = try rows?.build()
    return StateDigest(
      position: position,
      state: Murmur3.hash(state),
      files: Murmur3.hash(sections),
      rows: rows.map { $0.sections.isEmpty ? .zero : $0.hash } ?? .zero
    )
  }
}

extension ShardStore {
  /// The state at the last probe that was applied, once. Of two that came quickly only the later is kept.
  public func takeProbe() -> StateProbe? {
    defer { probe = nil }
    return probe
  }
  /// Pins the state as it is at a probe's entry.
  func pinProbe(at position: LogPosition) {
    // While a log is replayed the files may be ahead of the state: then they are not what they were at the probe.
    guard position > layoutPosition else { return }
    var state = ByteWriter()
    ShardStateFormat.encode(applied, into: &state)
    var sections = ByteWriter()
    for (id, relation) in relations.sorted(by: { $0.key < $1.key }) {
      for (reference, _) in relation.sections.sorted(by: { $0.reference < $1.reference }) {
        sections.u64(id.rawValue)
        sections.u64(reference.file)
        sections.u32(UInt32(reference.section))
        sections.hash(files[reference.file]?.hash ?? .zero)
      }
    }
    var rows = planFlush()
    if var plan = rows {
      // The next file's number is that of the head, which is elsewhere on each copy.
      plan.identity.file = 0
      plan.sources = plan.sources.map { source in
        var source = source
        source.keepPositions = !source.layout.isState
        return source
      }
      rows = plan
    }
    probe = StateProbe(position: position, state: state.finish(), sections: sections.finish(), rows: rows)
  }
}
