// ExpressionBinder+Literals.swift — hll states written in hexadecimal: their text decides their type.
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
}
