// EventLog.swift — what a node says about itself: one event, named, with fields; sinks decide the form.

/// How much an event matters to an operator.
public enum EventLevel: UInt8, Sendable, Comparable {
  case debug, info, warning, error
  /// Less matters less.
  public static func < (a: EventLevel, b: EventLevel) -> Bool { a.rawValue < b.rawValue }
}

/// Takes a node's events.
public protocol EventLog: Sendable {
  /// Records `event` (lower-case words with dashes) and its fields, in order.
  func record(_ level: EventLevel, _ event: String, _ fields: [(String, String)])
}

extension EventLog {
  /// Records an event of normal work.
  public func info(_ event: String, _ fields: (String, String)...) { record(.info, event, fields) }
  /// Records something an operator should look at.
  public func warning(_ event: String, _ fields: (String, String)...) { record(.warning, event, fields) }
  /// Records a failure.
  public func error(_ event: String, _ fields: (String, String)...) { record(.error, event, fields) }
}

/// All that flows may touch of the outside world.
public struct Surroundings: Sendable {
  /// Time.
  public var clock: any Clock
  /// Connections.
  public var network: any Network
  /// Files.
  public var disk: any Disk
  /// Chance.
  public var random: any Random
  /// Other cores.
  public var compute: any Compute
  /// Logs.
  public var log: any EventLog
  /// Bundles the capabilities of one node.
  public init(
    clock: any Clock,
    network: any Network,
    disk: any Disk,
    random: any Random,
    compute: any Compute,
    log: any EventLog
  ) {
    self.clock = clock
    self.network = network
    self.disk = disk
    self.random = random
    self.compute = compute
    self.log = log
  }
}
