// TextStyle.swift — what of a session's settings decides how its values print: the time zone and extra_float_digits.
//
// Casts to text inside of a statement print floats so that they read back as themselves, whatever the session says: workers evaluate them.

public import Model

/// How a session's values print.
public struct TextStyle: Sendable {
  /// The zone that times are told in.
  public var zone: ClockZone
  /// Above 0 floats print so that they read back as themselves; else with so many digits more than all of their type keep.
  public var extraFloatDigits: Int
  /// Makes a style; the defaults are those of a fresh session.
  public init(zone: ClockZone = .utc, extraFloatDigits: Int = 1) {
    self.zone = zone
    self.extraFloatDigits = extraFloatDigits
  }
  var roundsFloats: Bool { extraFloatDigits < 1 }
  /// Digits of a float that is rounded: PostgreSQL's FLT_DIG and DBL_DIG and what the session adds.
  func significantDigits(of type: DataType) -> Int { max(1, (type == .real ? 6 : 15) + extraFloatDigits) }
}

extension SessionSettings {
  /// How the session's values print.
  public var textStyle: TextStyle {
    TextStyle(zone: zone, extraFloatDigits: self["extra_float_digits"].flatMap { Int($0) } ?? 1)
  }
}
