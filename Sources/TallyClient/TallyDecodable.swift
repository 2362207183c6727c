// TallyDecodable.swift — what a cell of a result can be read as, and the SQL types each takes.
//
// A type takes the SQL types whose values it holds exactly, and refuses others with 42804; a value that does not fit is 22003, a NULL
// read as anything but an Optional 22004. `String` takes every type, as PostgreSQL prints it.
import Columns
public import Model

/// A type that values of results can be read as.
public protocol TallyDecodable: Sendable {
  /// Reads a cell.
  static func decode(_ cell: Cell) throws(TallyError) -> Self
}

extension Cell {
  func mismatch(_ type: Any.Type) -> TallyError {
    isNull
      ? .sql(
        "22004",
        "column \"\(column.name)\" is NULL and was read as \(type)",
        hint: "Read it as an Optional."
      )
      : .sql(
        "42804",
        "column \"\(column.name)\" of type \(self.type.name) cannot be read as \(type)"
      )
  }
  func outOfRange(_ type: Any.Type) -> TallyError {
    .sql(
      "22003",
      "value \"\(text ?? "")\" of column \"\(column.name)\" is out of range for \(type)"
    )
  }
  /// An integer of any integer type, or a numeric without fraction.
  func integer<T: FixedWidthInteger>(_ type: T.Type) throws(TallyError) -> T {
    switch content {
    case .fixed(let value) where vector.type.isInteger || vector.type == .hllHashval:
      guard let value = T(exactly: value) else { throw outOfRange(T.self) }
      return value
    case .numeric(let value):
      var (coefficient, scale) = (value.coefficient, value.scale)
      while scale > 0 && coefficient % 10 == 0 {
        (coefficient, scale) = (coefficient / 10, scale - 1)
      }
      guard scale == 0, let value = T(exactly: coefficient) else { throw outOfRange(T.self) }
      return value
    default: throw mismatch(T.self)
    }
  }
}

extension Int: TallyDecodable {
  /// From integers, and numerics without fraction.
  public static func decode(_ cell: Cell) throws(TallyError) -> Int { try cell.integer(Int.self) }
}
extension Int64: TallyDecodable {
  /// From integers, and numerics without fraction.
  public static func decode(_ cell: Cell) throws(TallyError) -> Int64 {
    try cell.integer(Int64.self)
  }
}
extension Int32: TallyDecodable {
  /// From integers, and numerics without fraction.
  public static func decode(_ cell: Cell) throws(TallyError) -> Int32 {
    try cell.integer(Int32.self)
  }
}
extension Int16: TallyDecodable {
  /// From integers, and numerics without fraction.
  public static func decode(_ cell: Cell) throws(TallyError) -> Int16 {
    try cell.integer(Int16.self)
  }
}
extension Double: TallyDecodable {
  /// From double precision, integers and numerics (to the nearest).
  public static func decode(_ cell: Cell) throws(TallyError) -> Double {
    switch cell.content {
    case .double(let value): return value
    case .fixed(let value) where cell.type.isInteger: return Double(value)
    case .numeric:
      guard let text = cell.text, let value = Double(text) else { throw cell.mismatch(Double.self) }
      return value
    default: throw cell.mismatch(Double.self)
    }
  }
}
extension Bool: TallyDecodable {
  /// From booleans.
  public static func decode(_ cell: Cell) throws(TallyError) -> Bool {
    guard case .fixed(let value) = cell.content, cell.type == .boolean else {
      throw cell.mismatch(Bool.self)
    }
    return value != 0
  }
}
extension String: TallyDecodable {
  /// The text of any type, as PostgreSQL prints it.
  public static func decode(_ cell: Cell) throws(TallyError) -> String {
    guard let text = cell.text else { throw cell.mismatch(String.self) }
    return text
  }
}
extension Numeric: TallyDecodable {
  /// From numerics and integers.
  public static func decode(_ cell: Cell) throws(TallyError) -> Numeric {
    switch cell.content {
    case .numeric(let value): return value
    case .fixed(let value) where cell.type.isInteger: return Numeric(value)
    default: throw cell.mismatch(Numeric.self)
    }
  }
}
extension Interval: TallyDecodable {
  /// From intervals.
  public static func decode(_ cell: Cell) throws(TallyError) -> Interval {
    guard case .interval(let value) = cell.content else { throw cell.mismatch(Interval.self) }
    return value
  }
}
extension Optional: TallyDecodable where Wrapped: TallyDecodable {
  /// Nil from NULL.
  public static func decode(_ cell: Cell) throws(TallyError) -> Wrapped? {
    cell.isNull ? nil : try Wrapped.decode(cell)
  }
}
