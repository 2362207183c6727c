// SyncFailures.swift — the marks that failed syncs leave (rule D8), one line each in a file of the data directory.
//
//   failed <microseconds since 1970> <operation> <path>     the process ended with status 86
//   verified <microseconds since 1970>                      a later start read everything back and found it whole

/// What the marks say.
public struct SyncFailures: Sendable, Equatable {
  /// The file, below the data directory.
  public static let path = "sync-failures"
  /// Two failures within this many microseconds: the disk is taken for broken.
  public static let window: Int64 = 600_000_000
  /// Times of the failures, in order.
  public var failures: [Int64] = []
  /// Everything written since may be missing from the disk although reads show it.
  public var needsVerification = false
  /// Whether the last two failures are so close that only an operator may start the node again.
  public var isBroken: Bool {
    guard failures.count > 1 else { return false }
    return failures[failures.count - 1] - failures[failures.count - 2] <= Self.window
  }

  /// Reads marks; lines that are not whole are failures at an unknown time.
  public init(_ text: String) {
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 2)
      switch words.first {
      case "verified": needsVerification = false
      default:
        needsVerification = true
        if words.count > 1, let time = Int64(words[1]) { failures.append(time) }
      }
    }
  }
  /// A failure's line.
  public static func line(at time: Int64, _ operation: String, _ path: String) -> [UInt8] {
    Array("failed \(time) \(operation) \(path)\n".utf8)
  }
  /// The line of a start that found everything whole.
  public static func verifiedLine(at time: Int64) -> [UInt8] { Array("verified \(time)\n".utf8) }
}
