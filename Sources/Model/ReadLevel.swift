// ReadLevel.swift — how new what a query shows must be, and the text people write for it (protocol.md §2.8).

/// Which state of the data a query may be answered from. All levels show committed rows only, each shard at one position.
public enum ReadLevel: Hashable, Sendable {
  /// Everything that was acknowledged to anybody before the query began. Primaries answer; a majority of coordinators must be there.
  case latest
  /// Everything that the same session wrote or saw before. Any copy that has it answers.
  case session
  /// Everything that was acknowledged to anybody longer ago than this. Any copy that is known to have it answers.
  case stale(max: Duration)

  /// Bounds of `stale`: copies hear from their primaries several times a second.
  public static let staleBounds: ClosedRange<Duration> = .milliseconds(1) ... .seconds(86_400)
  /// What is said with a refusal.
  public static let hint = "Give latest, session, or stale and the longest age, 1 ms to 1 day: stale 500ms, stale 5s, stale 2min."

  /// Parses `latest`, `session`, `stale 5s`, `stale(5 s)`; throws 22023.
  public init(_ text: String) throws(TallyError) {
    let plain = text.lowercased().map { "(),\t".contains($0) ? " " : $0 }
    let words = String(plain).split(separator: " ").map(String.init)
    switch words.first {
    case "latest" where words.count == 1: self = .latest
    case "session" where words.count == 1: self = .session
    case "stale" where words.count > 1:
      self = .stale(max: try Self.age(words[1...].joined(), of: text))
    default: throw Self.refusal("\"\(text)\" is not a read level")
    }
  }
  private static func age(_ text: String, of whole: String) throws(TallyError) -> Duration {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let units: [String: Int64] = ["ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000]
    guard let count = Int64(digits), let unit = units[String(text.dropFirst(digits.count))] else {
      throw refusal("\"\(whole)\" has no age that can be read")
    }
    let (milliseconds, overflows) = count.multipliedReportingOverflow(by: unit)
    guard !overflows else { throw refusal("\"\(whole)\" has no age that can be read") }
    return try checked(.milliseconds(milliseconds))
  }
  /// The age, when it lies within the bounds.
  private static func checked(_ age: Duration) throws(TallyError) -> Duration {
    guard staleBounds.contains(age) else { throw refusal("stale reads may not be bounded by an age of \(age)") }
    return age
  }
  private static func refusal(_ message: String) -> TallyError { .sql("22023", message, hint: hint) }
  /// Throws 22023 when it is not within its bounds.
  public func check() throws(TallyError) { if case .stale(let max) = self { _ = try Self.checked(max) } }
}

extension ReadLevel: CustomStringConvertible {
  /// As `init` reads it.
  public var description: String {
    switch self {
    case .latest: return "latest"
    case .session: return "session"
    case .stale(let max):
      let milliseconds = Int64(max / .milliseconds(1))
      return milliseconds % 1000 == 0 ? "stale \(milliseconds / 1000)s" : "stale \(milliseconds)ms"
    }
  }
}
