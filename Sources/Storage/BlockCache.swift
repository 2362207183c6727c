// BlockCache.swift — decoded columns of segment blocks that narrow scans come back to, within a budget of bytes.
//
// A scan of one tenant wants a few rows of a block, and decoding the block is nearly all of its cost, most of all where sketches are
// packed. Only scans that conditions leave few blocks keep what they decoded (UnitScan): whole scans pass by and push nothing out.
// What has not been used since the hand last passed gives way first (F. J. Corbató, "A paging experiment with the Multics system", 1968).
// Blocks never change, so nothing is ever stale; what belongs to a dropped file is not asked for again and gives way in its turn.
// Any thread may ask; a decoded column is a value shared by whoever reads it.
internal import Columns
import Synchronization

/// Decoded blocks of a process, shared by its shards.
public final class BlockCache: Sendable {
  private struct Key: Hashable {
    /// `SegmentSection.number`.
    var section: UInt64
    var column: Int
    var block: Int
  }
  private struct Entry {
    var vector: ColumnVector
    var bytes: Int
    /// Used since the hand passed.
    var isUsed: Bool
  }
  private struct State {
    var entries: [Key: Entry] = [:]
    /// All keys in the order in which the hand comes by, from `hand` on.
    var line: [Key] = []
    var hand = 0
    var bytes = 0
  }
  /// Bytes that may be kept.
  public let bytesMax: Int
  private let state = Mutex(State())

  /// Makes an empty cache.
  public init(bytesMax: Int) { self.bytesMax = bytesMax }
  /// Bytes kept now.
  public var bytes: Int { state.withLock { $0.bytes } }

  /// A block's column, if it is kept.
  func find(_ section: SegmentSection, _ block: Int, _ column: Int) -> ColumnVector? {
    let key = Key(section: section.number, column: column, block: block)
    return state.withLock { state in
      guard let at = state.entries.index(forKey: key) else { return nil }
      state.entries.values[at].isUsed = true
      return state.entries.values[at].vector
    }
  }
  /// Whether a block's column is kept.
  func holds(_ section: SegmentSection, _ block: Int, _ column: Int) -> Bool {
    let key = Key(section: section.number, column: column, block: block)
    return state.withLock { $0.entries[key] != nil }
  }
  /// Keeps a column, unless it would take more than a sixteenth of the budget.
  func keep(_ vector: ColumnVector, _ section: SegmentSection, _ block: Int, _ column: Int) {
    let key = Key(section: section.number, column: column, block: block)
    let bytes = vector.memoryBytes + 128
    guard bytes <= bytesMax / 16 else { return }
    state.withLock { state in
      guard state.entries[key] == nil else { return }
      while state.bytes + bytes > bytesMax { Self.evictOne(&state) }
      state.entries[key] = Entry(vector: vector, bytes: bytes, isUsed: false)
      state.line.append(key)
      state.bytes += bytes
    }
  }
  /// Two rounds at most: the first takes away every mark.
  private static func evictOne(_ state: inout State) {
    while state.hand < state.line.count {
      let key = state.line[state.hand]
      state.hand += 1
      if state.hand * 2 > state.line.count {
        state.line.removeFirst(state.hand)
        state.hand = 0
      }
      guard let at = state.entries.index(forKey: key) else { fatalError("a key in line without its entry") }
      if state.entries.values[at].isUsed {
        state.entries.values[at].isUsed = false
        state.line.append(key)
        continue
      }
      state.bytes -= state.entries.values[at].bytes
      state.entries.remove(at: at)
      return
    }
  }
}
