// StatementID.swift — the name of a statement over several shards: who runs it, and its number there.

/// A statement that is staged on several shards.
@frozen public struct StatementID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Of whoever runs it; the coordinators issue sessions and never twice.
  public var session: SessionID
  /// Rises within the session.
  public var number: UInt64
  /// Names a statement.
  public init(session: SessionID, number: UInt64) {
    self.session = session
    self.number = number
  }
  /// By session, then number.
  public static func < (a: StatementID, b: StatementID) -> Bool { (a.session, a.number) < (b.session, b.number) }
  /// `session.number`.
  public var description: String { "\(session).\(number)" }
}
