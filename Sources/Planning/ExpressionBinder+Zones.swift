// ExpressionBinder+Zones.swift — what depends on the session's time zone: casts of timestamptz, months and days added to one, fields and
// texts.
//
// Under UTC, which is the default, expressions are what they are without any of this: a timestamptz and the timestamp it is told as are the
// same number. Under another zone the functions of ZonedFunctions take the place of such casts and calls.
import Model
import SQL

extension Expression {
  /// The cast of an expression under a session's zone.
  static func casting(_ inner: Expression, to type: DataType, zone: ClockZone) -> Expression {
    guard !zone.isUTC, ZonedCast.depends(from: inner.type, to: type) else { return Expression(type, .cast(inner)) }
    return Expression(type, .call(.castInZone, [.zone(zone), inner]))
  }
  /// The zone as functions take it.
  static func zone(_ zone: ClockZone) -> Expression { .constant(.text, .text(":" + zone.name)) }
}

extension ExpressionBinder {
  var zone: ClockZone { context.zone }

  /// A timestamptz as the session's clocks show it.
  func local(_ time: Expression, _ position: Int) throws(TallyError) -> Expression {
    guard time.type == .timestamptz, !zone.isUTC else { return time }
    return try fold(.casting(time, to: .timestamp, zone: zone), position)
  }
  /// timestamptz ± interval where the zone matters; nil where it does not.
  func zonedSum(_ time: Expression, _ span: Expression, isMinus: Bool, _ position: Int) throws(TallyError) -> Expression? {
    guard time.type == .timestamptz, !zone.isUTC else { return nil }
    if case .constant(.interval(let fixed)) = span.node, fixed.months == 0, fixed.days == 0 { return nil }
    let step = isMinus ? try fold(Expression(.interval, .call(.negate, [span])), position) : span
    return try fold(Expression(.timestamptz, .call(.addInZone, [time, step, .zone(zone)])), position)
  }
  /// extract(timezone…) of a timestamptz.
  func zoneField(_ name: String, _ time: Expression, _ position: Int) throws(TallyError) -> Expression? {
    let (divisor, modulus): (Int64, Int64)
    switch name {
    case "timezone": (divisor, modulus) = (1, Int64.max)
    case "timezone_h", "timezone_hour": (divisor, modulus) = (3600, Int64.max)
    case "timezone_m", "timezone_minute": (divisor, modulus) = (60, 60)
    default: return nil
    }
    func number(_ value: Int64) -> Expression { .constant(.bigint, .fixed(value)) }
    let east = try fold(Expression(.integer, .call(.zoneOffset, [time, .zone(zone)])), position)
    let quotient = try fold(Expression(.bigint, .call(.divide, [east, number(divisor)])), position)
    let rest = modulus == .max ? quotient : try fold(Expression(.bigint, .call(.modulo, [quotient, number(modulus)])), position)
    return try fold(Expression(.plainNumeric, .cast(rest)), position)
  }

  /// A call of a tabled function under the session's zone; nil where it does not matter.
  func zonedCall(
    _ function: Function,
    _ arguments: [Expression],
    _ result: DataType,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    if zone.isUTC || !arguments.contains(where: { ZonedText.depends($0.type) }) && result != .timestamptz { return nil }
    func made(_ function: Function, _ arguments: [Expression]) throws(TallyError) -> Expression {
      try fold(Expression(result, .call(function, arguments)), position)
    }
    switch function {
    case .formatTime where arguments[0].type == .timestamptz: return try made(.formatInZone, arguments + [.zone(zone)])
    case .parseTimestamp: return try made(.parseInZone, arguments + [.zone(zone)])
    case .makeTimestamptz where arguments.count == 6:
      return try fold(
        .casting(try fold(Expression(.timestamp, .call(.makeTimestamp, arguments)), position), to: .timestamptz, zone: zone),
        position
      )
    case .age:
      var told: [Expression] = []
      for argument in arguments { told.append(try local(argument, position)) }
      return try made(.age, told)
    case .overlaps where arguments[1].type == .interval:
      var ends = arguments
      for at in [1, 3] {
        let (start, span) = (arguments[at - 1], arguments[at])
        if let end = try zonedSum(start, span, isMinus: false, position) {
          ends[at] = end
        } else {
          ends[at] = try fold(Expression(.timestamptz, .call(.addInterval, [start, span])), position)
        }
      }
      return try made(.overlaps, ends)
    case .concatenateAll, .concatenateWith, .format, .quoteNullable, .arrayToString:
      return try made(function, try told(arguments, function == .arrayToString, position))
    case .toJSONB, .jsonBuildObject, .jsonBuildArray:
      var told: [Expression] = []
      for argument in arguments {
        guard argument.type.element != .timestamptz else {
          throw .sql(
            "0A000",
            "JSON of an array of timestamptz under time zone \"\(zone.name)\" is not supported",
            hint: "SET TIME ZONE 'UTC', or cast the array to text[].",
            position: position
          )
        }
        let isTold = argument.type == .timestamptz
        told.append(isTold ? try fold(Expression(.text, .call(.isoInZone, [argument, .zone(zone)])), position) : argument)
      }
      return try made(function, told)
    default: return nil
    }
  }
  private func told(_ arguments: [Expression], _ keepsArrays: Bool, _ position: Int) throws(TallyError) -> [Expression] {
    var result: [Expression] = []
    for argument in arguments {
      guard ZonedText.depends(argument.type) else {
        result.append(argument)
        continue
      }
      let type = keepsArrays && argument.type.element != nil ? DataType.text.arrayType ?? .text : .text
      result.append(try fold(.casting(argument, to: type, zone: zone), position))
    }
    return result
  }
}
