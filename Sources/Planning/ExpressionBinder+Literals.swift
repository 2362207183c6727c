// ExpressionBinder+Literals.swift — literals whose text or place decides their type: hll states in hexadecimal, numbers of many digits.
import Model
import SQL

extension ExpressionBinder {
  /// An hll written as hexadecimal text carries its parameters in its header.
  func hllLiteral(
    _ bound: Expression,
    _ syntax: TypeSyntax,
    _ position: Int
  ) throws(TallyError) -> Expression {
    guard case .constant(.text(let text)) = bound.node else { return bound }
    let value = try located(position) { () throws(TallyError) in try ValueText.parse(text, as: .hll(HLLParameters())) }
    guard case .hll(let bytes) = value, bytes.count >= 3, bytes[0] >> 4 == 1 else {
      throw .sql("22P02", "malformed hll literal", position: position)
    }
    let code = Int(bytes[2] & 0x3f)
    let modifiers = [
      Int(bytes[1] & 0x1f), Int(bytes[1] >> 5) + 1, code == 63 ? -1 : code == 0 ? 0 : 1 << (code - 1),
      Int(bytes[2] >> 6 & 1),
    ]
    guard code == 63 || code <= 14 else { throw .sql("22P02", "malformed hll literal", position: position) }
    let type = DataType.hll(try TypeBinding.hll(modifiers, position: position))
    if !syntax.modifiers.isEmpty, try TypeBinding.type(syntax) != type {
      throw .sql("22023", "hll parameters do not match", position: position)
    }
    return .constant(type, value)
  }

  /// Binds what is to be a value of a type: a number beyond what numeric holds is read as one of double precision where that is meant.
  func bind(_ syntax: ExpressionSyntax, towards type: DataType) throws(TallyError) -> Expression {
    guard type == .double || type == .real, let digits = Self.digits(syntax) else { return try bind(syntax) }
    do throws(TallyError) { return try bind(syntax) } catch {
      guard error.sqlState == "22003" else { throw error }
      return .constant(type, try located(syntax.position) { () throws(TallyError) in try ValueText.parse(digits, as: type) })
    }
  }
  /// Binds what is compared or computed with a value of a type; a real meets such a number in double precision.
  func bind(_ syntax: ExpressionSyntax, beside type: DataType) throws(TallyError) -> Expression {
    try bind(syntax, towards: type == .real ? .double : type)
  }
  /// Binds both sides of an operator, each beside the other.
  func sides(_ left: ExpressionSyntax, _ right: ExpressionSyntax) throws(TallyError) -> (Expression, Expression) {
    if Self.digits(left) != nil, Self.digits(right) == nil {
      let bound = try bind(right)
      return (try bind(left, beside: bound.type), bound)
    }
    let bound = try bind(left)
    return (bound, try bind(right, beside: bound.type))
  }
  private static func digits(_ syntax: ExpressionSyntax) -> String? {
    switch syntax.kind {
    case .decimal(let digits): digits
    case .prefix("-", let inner): digits(inner).map { $0.hasPrefix("-") ? String($0.dropFirst()) : "-" + $0 }
    case .prefix("+", let inner): digits(inner)
    default: nil
    }
  }
  /// A number as it is written: integer, bigint or numeric by its size.
  func decimal(_ digits: String, _ position: Int) throws(TallyError) -> Expression {
    // The grammar leaves -2147483648 as a decimal.
    if let whole = Int64(digits) { return .constant(Int32(exactly: whole) == nil ? .bigint : .integer, .fixed(whole)) }
    do throws(TallyError) {
      return .constant(.plainNumeric, try located(position) { () throws(TallyError) in try ValueText.parse(digits, as: .plainNumeric) })
    } catch {
      var error = error
      if error.sqlState == "22003" {
        error.hint = "Write '\(digits.prefix(40))'::double precision where that is meant."
      }
      throw error
    }
  }
}
