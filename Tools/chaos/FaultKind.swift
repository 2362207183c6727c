// FaultKind.swift — the faults there are, as the command line names them, and what each needs.

/// A kind of fault.
enum FaultKind: String, CaseIterable, Sendable {
  /// SIGKILL of one node, of several or of all, and restart.
  case kill
  /// SIGSTOP for 1 to 10 s.
  case stop
  /// SIGTERM and start of one node after the other.
  case roll
  /// One node killed and started again and again, a few hundred milliseconds apart.
  case storm
  /// Connections of a node or link are reset.
  case reset
  /// Links carry nothing for some seconds: a node cut off, halves, one direction of one link.
  case net
  /// Links carry everything late.
  case slow
  /// A worker's volume is full for some seconds.
  case full
  /// A bit of a stopped worker's file flips, when other copies have all it had.
  case flip
  /// A stopped worker's directory is emptied, when other copies have all it had.
  case wipe
  /// SIGKILL of a worker while every shard has all its copies, and nothing else until it has them again: what a failover alone costs.
  case failover
  /// Likewise SIGSTOP, for ten seconds.
  case freeze

  /// Faults of links need a forwarder in front of every node.
  var needsForwarder: Bool { self == .reset || self == .net || self == .slow }
  /// Faults that destroy data need another copy.
  var needsCopies: Bool { self == .flip || self == .wipe }

  /// Made to measure: never among others.
  var isMeasure: Bool { self == .failover || self == .freeze }

  /// Reads `kill,net,disk`; `disk` is full, flip and wipe, `all` everything but what is made to measure.
  static func list(_ text: String) -> [FaultKind]? {
    var kinds: [FaultKind] = []
    for part in text.split(separator: ",") {
      switch part {
      case "all": kinds += allCases.filter { !$0.isMeasure }
      case "disk": kinds += [.full, .flip, .wipe]
      case "none": break
      default:
        guard let kind = FaultKind(rawValue: String(part)) else { return nil }
        kinds.append(kind)
      }
    }
    return allCases.filter(kinds.contains)
  }
}
