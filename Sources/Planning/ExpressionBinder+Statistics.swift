// ExpressionBinder+Statistics.swift — variances, covariances and regressions as expressions over sums, so that they merge.
//
// Integers and numerics are summed exactly; doubles as doubles, where PostgreSQL sums differences from the mean: last digits may differ.
import Model
import SQL

extension ExpressionBinder {
  private func call(_ function: Function, _ type: DataType, _ a: Expression, _ b: Expression) -> Expression {
    Expression(type, .call(function, [a, b]))
  }
  private func number(_ value: Int64, _ type: DataType) -> Expression {
    .constant(type, type == .double ? .double(Double(value)) : .numeric(Numeric(coefficient: Int128(value), scale: 0)))
  }
  /// NULL unless the count is at least so much.
  private func guarded(_ count: Expression, _ least: Int64, _ value: Expression) -> Expression {
    let enough = Expression(.boolean, .call(.greaterOrEqual, [count, .constant(.bigint, .fixed(least))]))
    return Expression(value.type, .caseWhen([CaseBranch(condition: enough, result: value)], otherwise: nil))
  }
  private func notNegative(_ value: Expression) -> Expression {
    let zero = number(0, value.type)
    let isNegative = Expression(.boolean, .call(.less, [value, zero]))
    return Expression(value.type, .caseWhen([CaseBranch(condition: isNegative, result: zero)], otherwise: value))
  }

  /// variance(x), stddev(x) and their variants; nil for other names and types.
  func statistic(_ name: String, _ argument: Expression, _ filter: Expression?) -> Expression? {
    let isPopulation = name == "var_pop" || name == "stddev_pop"
    let isRoot = name.hasPrefix("stddev")
    guard isRoot || name.hasPrefix("var"), argument.type.isNumber || argument.type == .unknown else { return nil }
    let isExact = if case .numeric = argument.type { true } else { argument.type.isInteger }
    let type: DataType = isExact ? .plainNumeric : .double
    let value = argument.type == type ? argument : Expression(type, .cast(argument))
    let count = register(AggregateCall(.count, [argument], filter: filter, type: .bigint))
    let sum = register(AggregateCall(.sum, [value], filter: filter, type: type))
    let squares = register(AggregateCall(.sum, [call(.multiply, type, value, value)], filter: filter, type: type))
    let n = Expression(type, .cast(count))
    let above = call(
      .subtract,
      type,
      call(.multiply, type, n, squares),
      call(.multiply, type, sum, sum)
    )
    let below = call(.multiply, type, n, isPopulation ? n : call(.subtract, type, n, number(1, type)))
    var result = call(.divide, type, above, below)
    if isRoot {
      guard let root = squareRoot(result) else { return nil }
      result = root
    }
    // As PostgreSQL: what rounding may have made negative is zero, without places.
    let zero = number(0, type)
    let isNone = Expression(.boolean, .call(.lessOrEqual, [above, zero]))
    let shown = Expression(type, .caseWhen([CaseBranch(condition: isNone, result: zero)], otherwise: result))
    return guarded(count, isPopulation ? 1 : 2, shown)
  }

  /// corr(y, x), covar_…(y, x), regr_…(y, x): over the pairs of which neither is NULL.
  func statisticOfPairs(_ name: String, _ arguments: [Expression], _ filter: Expression?) -> Expression? {
    guard name == "corr" || name.hasPrefix("covar_") || name.hasPrefix("regr_"), arguments.count == 2,
      arguments.allSatisfy({ $0.type.isNumber })
    else { return nil }
    let values = arguments.map { $0.type == .double ? $0 : Expression(.double, .cast($0)) }
    let (y, x) = (values[0], values[1])
    let areThere = values.map { Expression(.boolean, .not(Expression(.boolean, .isNull($0)))) }
    let pairs = Expression.conjunction(areThere + (filter.map { [$0] } ?? []))
    func total(_ value: Expression) -> Expression {
      register(AggregateCall(.sum, [value], filter: pairs, type: .double))
    }
    let count = register(AggregateCall(.countStar, [], filter: pairs, type: .bigint))
    if name == "regr_count" { return count }
    let n = Expression(.double, .cast(count))
    func product(_ a: Expression, _ b: Expression) -> Expression { call(.multiply, .double, a, b) }
    /// Σab - ΣaΣb/n.
    func spread(_ a: Expression, _ b: Expression) -> Expression {
      call(.subtract, .double, total(product(a, b)), call(.divide, .double, product(total(a), total(b)), n))
    }
    func isZero(_ value: Expression) -> Expression { Expression(.boolean, .call(.equal, [value, number(0, .double)])) }
    func unless(_ condition: Expression, _ value: Expression) -> Expression {
      Expression(
        .double,
        .caseWhen([CaseBranch(condition: condition, result: .constant(.double, .null))], otherwise: value)
      )
    }
    switch name {
    case "covar_pop": return guarded(count, 1, call(.divide, .double, spread(x, y), n))
    case "covar_samp": return guarded(count, 2, call(.divide, .double, spread(x, y), call(.subtract, .double, n, number(1, .double))))
    case "regr_avgx": return guarded(count, 1, call(.divide, .double, total(x), n))
    case "regr_avgy": return guarded(count, 1, call(.divide, .double, total(y), n))
    case "regr_sxx": return guarded(count, 1, notNegative(spread(x, x)))
    case "regr_syy": return guarded(count, 1, notNegative(spread(y, y)))
    case "regr_sxy": return guarded(count, 1, spread(x, y))
    case "regr_slope":
      let below = notNegative(spread(x, x))
      return guarded(count, 1, unless(isZero(below), call(.divide, .double, spread(x, y), below)))
    case "regr_intercept":
      let below = notNegative(spread(x, x))
      let slope = call(.divide, .double, spread(x, y), below)
      let value = call(.divide, .double, call(.subtract, .double, total(y), product(slope, total(x))), n)
      return guarded(count, 1, unless(isZero(below), value))
    case "corr", "regr_r2":
      let (sxx, syy) = (notNegative(spread(x, x)), notNegative(spread(y, y)))
      let empty = Expression(.boolean, .or([isZero(sxx), isZero(syy)]))
      if name == "corr" {
        guard let below = squareRoot(product(sxx, syy)) else { return nil }
        return guarded(count, 1, unless(empty, call(.divide, .double, spread(x, y), below)))
      }
      let ratio = call(.divide, .double, product(spread(x, y), spread(x, y)), product(sxx, syy))
      let flat = Expression(
        .double,
        .caseWhen([CaseBranch(condition: isZero(syy), result: number(1, .double))], otherwise: ratio)
      )
      return guarded(count, 1, unless(isZero(sxx), flat))
    default: return nil
    }
  }
}
