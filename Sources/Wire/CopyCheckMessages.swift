// CopyCheckMessages.swift — copies that lack nothing are asked all at once, one request a node: idle shards cost a node little, however
// many it has. What is asked and answered of each is an `Append` without entries and an `Appended` (ReplicationMessages.swift).
public import Bytes

/// Primary to another node: appends without entries, for copies there that lack nothing.
///
/// Bytes: list of appends, each as `Append` encodes it.
public struct CheckCopies: MessageContent {
  /// One a copy; at most `max`.
  public var asked: [Append]
  /// Copies that one message may name.
  public static let max = 4096
  /// Makes the message.
  public init(asked: [Append]) { self.asked = asked }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.count(asked.count)
    for append in asked { append.encode(into: &out) }
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> CheckCopies {
    CheckCopies(
      asked: try reader.list(max: max, "checked copies") { r throws(DecodingFailure) in try Append.decode(&r, body: []) }
    )
  }
}

/// The node to the primary: an answer for each copy, in the order they were asked. None for a copy that is to be asked by itself: it
/// has something to say or to do about it.
///
/// Bytes: list of (bool, [answer as `Appended` encodes it]).
public struct CopiesChecked: MessageContent {
  /// One a copy.
  public var answers: [Appended?]
  /// Makes the message.
  public init(answers: [Appended?]) { self.answers = answers }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.count(answers.count)
    for answer in answers {
      out.bool(answer != nil)
      answer?.encode(into: &out)
    }
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> CopiesChecked {
    CopiesChecked(
      answers: try reader.list(max: CheckCopies.max, "answers of copies") { r throws(DecodingFailure) in
        try r.bool() ? try Appended.decode(&r, body: []) : nil
      }
    )
  }
}
