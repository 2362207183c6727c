// ExpressionBinder+Coercion.swift — expressions given another type, folded where they are constant, and errors given their place.
import Model

extension ExpressionBinder {
  /// Gives an expression a type, by the casts of that context.
  func coerce(
    _ expression: Expression,
    to type: DataType,
    at position: Int,
    _ context: Casts.Context = .assignment
  ) throws(TallyError) -> Expression {
    if expression.type == type { return expression }
    if expression.type == .unknown {
      if let number = expression.untypedParameter, let parameters = self.context.parameters {
        return try coerce(parameters.resolve(number, as: type), to: type, at: position, context)
      }
      guard case .constant(.text(let text)) = expression.node else { return .constant(type, .null) }
      if let object = try objectNumber(text, type, position) { return .constant(type, object) }
      let value = try located(position) { () throws(TallyError) in try ZonedText.parse(text, as: type, zone: zone) }
      if ZonedText.depends(type), let told = ValueText.print(value, as: type) { self.context.notes?.add(.literal(told), at: position) }
      return .constant(type, value)
    }
    // A topn's text is that of its JSON object.
    if case .topn = expression.type, ExpressionCheck.isTextLike(type) {
      return try coerce(try coerce(expression, to: .jsonb, at: position, context), to: type, at: position, context)
    }
    guard let needed = Casts.context(from: expression.type, to: type), needed <= context else {
      throw .sql(
        "42846",
        "cannot cast type \(expression.type.name) to \(type.name)",
        position: position
      )
    }
    if let named = try objectName(expression, to: type, position) { return named }
    // A name that is a value already, a parameter's for instance, is looked up as a literal is.
    if type.isObjectNumber, ExpressionCheck.isTextLike(expression.type), case .text(let text)? = expression.constantValue,
      let object = try objectNumber(text, type, position)
    {
      return .constant(type, object)
    }
    let cast = Expression.casting(expression, to: type, zone: zone)
    // Reading times is not immutable to PostgreSQL: a text that is none fails when a row asks for it.
    guard failsLate, type.isTime || type == .interval || type == .time, ExpressionCheck.isTextLike(expression.type) else {
      return try fold(cast, position)
    }
    do throws(TallyError) { return try fold(cast, position) } catch { return cast }
  }
  /// Whether a constant that cannot be computed may wait for the rows: in a query's clauses, where there may be none.
  private var failsLate: Bool {
    switch clause {
    case .select, .where, .groupBy, .having, .orderBy, .filter, .joinOn: true
    default: false
    }
  }
  /// Evaluates an expression of constants now.
  func fold(_ expression: Expression, _ position: Int) throws(TallyError) -> Expression {
    guard expression.operands.allSatisfy({ $0.constantValue != nil }) else { return expression }
    do throws(TallyError) {
      guard let value = try ScalarEvaluator.evaluate(expression) else { return expression }
      return .constant(expression.type, value)
    } catch {
      // A branch that is never taken must not fail; a branch that is fails when it is evaluated.
      if conditionalDepth > 0 { return expression }
      throw error.at(position)
    }
  }
  func located<R>(_ position: Int, _ body: () throws(TallyError) -> R) throws(TallyError) -> R {
    do throws(TallyError) { return try body() } catch { throw error.at(position) }
  }
}

extension TallyError {
  /// The error with a position, unless it has one.
  func at(_ position: Int) -> TallyError {
    var copy = self
    if copy.position == nil { copy.position = position }
    return copy
  }
}
