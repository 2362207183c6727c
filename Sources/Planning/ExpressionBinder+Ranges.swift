// ExpressionBinder+Ranges.swift — whether a value lies in a range that is written beside it: `ts <@ tstzrange(a, b, '(]')`.
//
// There are no values of range types. A range's constructor may stand where its only use is this test, which then is two comparisons:
// zone maps and the choice of shards see them. A bound that is NULL is none, as in PostgreSQL.
import Model
import SQL

extension ExpressionBinder {
  private static let ranges: [String: DataType] = [
    "int4range": .integer, "int8range": .bigint, "numrange": .plainNumeric, "daterange": .date, "tsrange": .timestamp,
    "tstzrange": .timestamptz,
  ]

  /// `value <@ range(…)` or `range(…) @> value`; nil for everything else.
  func rangeTest(
    _ name: String,
    _ left: ExpressionSyntax,
    _ right: ExpressionSyntax,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    guard name == "<@" || name == "@>" else { return nil }
    let (value, range) = name == "<@" ? (left, right) : (right, left)
    guard case .call(let call) = range.kind, let type = Self.ranges[call.name], (2...3).contains(call.arguments.count),
      call.namedArguments.isEmpty
    else { return nil }
    let subject = try coerce(try bind(value), to: type, at: value.position, .implicit)
    let lower = try coerce(try bind(call.arguments[0]), to: type, at: call.arguments[0].position, .implicit)
    let upper = try coerce(try bind(call.arguments[1]), to: type, at: call.arguments[1].position, .implicit)
    let flags = try rangeFlags(call)
    try checkOrder(lower, upper, range.position)
    let above = try bound(subject, flags.hasLower ? .greaterOrEqual : .greater, lower, position)
    let below = try bound(subject, flags.hasUpper ? .lessOrEqual : .less, upper, position)
    // A bound that is no constant may be NULL: then the value alone says whether the answer is.
    let parts = [above, below].compactMap { $0 }
    if parts.count == 2, lower.constantValue != nil, upper.constantValue != nil {
      return try fold(Expression(.boolean, .and(parts)), position)
    }
    let inside: Expression = parts.isEmpty ? .boolean(true) : parts.count == 1 ? parts[0] : Expression(.boolean, .and(parts))
    let isNull = Expression(.boolean, .isNull(subject))
    return try fold(
      Expression(
        .boolean,
        .caseWhen([CaseBranch(condition: isNull, result: .constant(.boolean, .null))], otherwise: inside)
      ),
      position
    )
  }
  /// The comparison with one bound; nil when it is none.
  private func bound(
    _ subject: Expression,
    _ function: Function,
    _ limit: Expression,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    if limit.constantValue?.isNull == true { return nil }
    let test = try fold(Expression(.boolean, .call(function, [subject, limit])), position)
    if limit.constantValue != nil { return test }
    return Expression(.boolean, .or([Expression(.boolean, .isNull(limit)), test]))
  }
  private func rangeFlags(_ call: CallSyntax) throws(TallyError) -> (hasLower: Bool, hasUpper: Bool) {
    guard call.arguments.count == 3 else { return (true, false) }
    let place = call.arguments[2].position
    let flags = try coerce(try bind(call.arguments[2]), to: .text, at: place)
    guard case .constant(.text(let text)) = flags.node else {
      throw .sql("0A000", "flags of \(call.name) that are no constant are not supported", position: place)
    }
    switch text {
    case "[]": return (true, true)
    case "[)": return (true, false)
    case "(]": return (false, true)
    case "()": return (false, false)
    default:
      throw .sql(
        "42601",
        "invalid range bound flags",
        hint: "Valid values are \"[]\", \"[)\", \"(]\", and \"()\".",
        position: place
      )
    }
  }
  /// Constant bounds must rise, as a range's must; bounds that fall otherwise hold nothing.
  private func checkOrder(_ lower: Expression, _ upper: Expression, _ position: Int) throws(TallyError) {
    guard let first = lower.constantValue, let last = upper.constantValue, !first.isNull, !last.isNull,
      Value.compare(first, last, lower.type) > 0
    else { return }
    throw .sql("22000", "range lower bound must be less than or equal to range upper bound", position: position)
  }
}
