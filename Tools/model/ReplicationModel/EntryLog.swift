// EntryLog.swift — a replica's log in one word: up to seven entries, a byte each, and their number.
//
//   byte 0…6   entry at position 1…7: epoch in the high four bits, value in the low four (0 = EpochStart); 0 where there is none
//   byte 7     number of entries
//
// Two logs agree on a prefix exactly where their lowest bytes agree, so the common prefix is a count of trailing zeros.

/// The entries of one replica's log, oldest first.
public struct EntryLog: Equatable, Hashable, Sendable {
  /// Most entries a log holds; appends beyond it do not happen.
  public static let capacity = 7
  /// Entries and their number, as the head of the file draws them.
  public private(set) var bytes: UInt64 = 0

  /// An empty log.
  public init() {}

  /// Number of entries.
  public var count: Int { Int(bytes >> 56) }
  /// True when no entry can be appended.
  public var isFull: Bool { count == Self.capacity }
  /// Epoch and value of the entry at a position, counted from 1.
  public func entry(at position: Int) -> (epoch: Int, value: Int) {
    let byte = UInt8(truncatingIfNeeded: bytes &>> UInt64((position - 1) * 8))
    return (Int(byte >> 4), Int(byte & 15))
  }
  /// Appends an entry; value 0 is an EpochStart.
  mutating func append(epoch: Int, value: Int) {
    bytes = bytes &+ (UInt64(epoch << 4 | value) &<< UInt64(count * 8)) &+ 1 &<< 56
  }
  /// Cuts everything above a position.
  mutating func cut(above position: Int) {
    guard count > position else { return }
    bytes = bytes & ((1 &<< UInt64(position * 8)) &- 1) | UInt64(position) &<< 56
  }
  /// Number of leading entries that are the same in both logs.
  func commonPrefix(with other: EntryLog) -> Int {
    let differing = (bytes ^ other.bytes) & 0x00FF_FFFF_FFFF_FFFF
    return min(min(count, other.count), differing.trailingZeroBitCount / 8)
  }
  /// Position of the EpochStart of an epoch; a position no log reaches when there is none.
  func positionOfStart(of epoch: Int) -> Int {
    var rest = bytes
    for position in 1...Self.capacity {
      if rest & 0xFF == UInt64(epoch << 4) { return position }
      rest &>>= 8
    }
    return Self.capacity + 1
  }
  /// The client values among the first `count` entries, one bit each.
  func values(upTo count: Int) -> UInt8 {
    var (found, rest): (UInt64, UInt64) = (0, bytes & ((1 &<< UInt64(count * 8)) &- 1))
    while rest != 0 {
      found |= 1 &<< (rest & 15)
      rest &>>= 8
    }
    return UInt8(truncatingIfNeeded: found) & 0xFE
  }
}
