// DecodingFailure.swift — why bytes from a disk, a socket or a user could not be decoded, and where.

/// The one error of every decoder: what was wrong and the byte at which it was noticed.
public struct DecodingFailure: Error, Equatable, Sendable, CustomStringConvertible {
  /// The kinds of failure; callers mostly treat them alike, tests tell them apart.
  public enum Kind: Equatable, Sendable {
    /// Fewer bytes were left than the format needs.
    case truncated
    /// A length or count exceeds its limit; nothing was allocated for it.
    case tooLarge
    /// A checksum or hash does not match the bytes.
    case checksum
    /// A version, kind or flag this build does not know.
    case unknown
    /// Anything else that a writer of the format never produces.
    case malformed
  }
  /// What went wrong.
  public var kind: Kind
  /// Offset from the start of the decoded bytes.
  public var position: Int
  /// For people: the field and the values.
  public var message: String

  /// Makes a failure of a kind at a byte position.
  public init(_ kind: Kind, at position: Int, _ message: String) {
    self.kind = kind
    self.position = position
    self.message = message
  }
  /// `message (kind, byte n)`.
  public var description: String { "\(message) (\(kind), byte \(position))" }
}
