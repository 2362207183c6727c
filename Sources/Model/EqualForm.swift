// EqualForm.swift — bytes that are equal exactly when two values are, of types whose equal values may be written differently: numbers in
// jsonb and in arrays keep their scale (1.0, 1), intervals in arrays their fields, character(n) its blanks. What groups, joins and looks
// for keys goes by them; what is shown is the value.
import Bytes

/// Bytes to tell values apart by.
public enum EqualForm {
  /// Whether values of a type may be equal and have different bytes.
  public static func isNeeded(_ type: DataType) -> Bool {
    switch type {
    case .bpchar, .jsonb: true
    case .array(let element):
      switch element.type.layout {
      case .numeric, .interval: true
      case .text: isNeeded(element.type)
      case .fixed, .double, .hll, .topn: false
      }
    default: false
    }
  }
  /// The form of a value's bytes (layout `.text`); nil when it is those bytes.
  public static func of(_ bytes: UnsafeRawBufferPointer, _ type: DataType) -> [UInt8]? {
    switch type {
    case .bpchar:
      let blanks = bytes.reversed().prefix { $0 == UInt8(ascii: " ") }.count
      return blanks == 0 ? nil : Array(bytes.dropLast(blanks))
    case .jsonb: return bytes.contains(UInt8(ascii: ".")) ? json(bytes) : nil
    case .array(let element): return array(bytes, element.type)
    default: return nil
    }
  }
  /// jsonb's text with every number at its least scale.
  private static func json(_ text: UnsafeRawBufferPointer) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(text.count)
    var (isString, isEscaped) = (false, false)
    // Where the fraction of the number that is being read begins.
    var point: Int?
    func endNumber() {
      guard let start = point else { return }
      while out.last == UInt8(ascii: "0") { out.removeLast() }
      if out.count == start + 1 { out.removeLast() }
      point = nil
    }
    for byte in text {
      if isString {
        isString = isEscaped || byte != UInt8(ascii: "\"")
        isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
      } else if byte == UInt8(ascii: ".") {
        point = out.count
      } else if !(UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte) {
        endNumber()
        isString = byte == UInt8(ascii: "\"")
      }
      out.append(byte)
    }
    endNumber()
    return out
  }
  private static func array(_ bytes: UnsafeRawBufferPointer, _ element: DataType) -> [UInt8]? {
    do {
      var value = try ArrayValue(bytes, element)
      for at in value.elements.indices {
        switch value.elements[at] {
        case .numeric(let number): value.elements[at] = .numeric(least(number))
        case .interval(let span): value.elements[at] = .numeric(Numeric(coefficient: span.span, scale: 0))
        case .text(let text):
          var text = text
          let form = text.withUTF8 { of(UnsafeRawBufferPointer($0), element) }
          if let form { value.elements[at] = .bytes(form) }
        default: break
        }
      }
      return try value.encoded()
    } catch {
      // Bytes that are no array are equal to themselves.
      return nil
    }
  }
  private static func least(_ number: Numeric) -> Numeric {
    var (coefficient, scale) = (number.coefficient, number.scale)
    while scale > 0, coefficient % 10 == 0 { (coefficient, scale) = (coefficient / 10, scale - 1) }
    return Numeric(coefficient: coefficient, scale: scale)
  }
}
