// TallyEncodable.swift — what an ingest sink takes, and the SQL types of columns each fits.
//
// A value goes into a column only when nothing is lost but what PostgreSQL's assignment would round; else 42804 or 22003. A `String`
// goes into every column that text can be read as, as COPY would read it.
public import Model

/// A type whose values can be ingested.
public protocol TallyEncodable: Sendable {
  /// The value for a column of that type.
  func value(as type: DataType) throws(TallyError) -> Value
}

extension TallyEncodable {
  func mismatch(_ type: DataType) -> TallyError {
    .sql("42804", "a value of type \(Self.self) does not fit type \(type.name)")
  }
}

extension TallyEncodable where Self: FixedWidthInteger {
  /// For integers, double precision and numerics.
  public func value(as type: DataType) throws(TallyError) -> Value {
    func outOfRange() -> TallyError {
      .sql("22003", "value \"\(self)\" is out of range for type \(type.name)")
    }
    switch type {
    case .smallint:
      guard let value = Int16(exactly: self) else { throw outOfRange() }
      return .fixed(Int64(value))
    case .integer:
      guard let value = Int32(exactly: self) else { throw outOfRange() }
      return .fixed(Int64(value))
    case .bigint, .hllHashval:
      guard let value = Int64(exactly: self) else { throw outOfRange() }
      return .fixed(value)
    case .double: return .double(Double(self))
    case .numeric: return try ValueText.parse("\(self)", as: type)
    default: throw mismatch(type)
    }
  }
}
extension Int: TallyEncodable {}
extension Int64: TallyEncodable {}
extension Int32: TallyEncodable {}
extension Int16: TallyEncodable {}

extension Double: TallyEncodable {
  /// For double precision and numerics.
  public func value(as type: DataType) throws(TallyError) -> Value {
    switch type {
    case .double: return .double(self)
    case .numeric: return try ValueText.parse("\(self)", as: type)
    default: throw mismatch(type)
    }
  }
}
extension Bool: TallyEncodable {
  /// For booleans.
  public func value(as type: DataType) throws(TallyError) -> Value {
    guard type == .boolean else { throw mismatch(type) }
    return .fixed(self ? 1 : 0)
  }
}
extension String: TallyEncodable {
  /// For every type that COPY reads.
  public func value(as type: DataType) throws(TallyError) -> Value {
    guard utf8.count <= Limits.textBytesMax else {
      throw .sql("54000", "a text of \(utf8.count) bytes is longer than \(Limits.textBytesMax)")
    }
    guard !utf8.contains(0) else {
      throw .sql("22021", "invalid byte sequence for encoding \"UTF8\": 0x00")
    }
    return try ValueText.parse(self, as: type)
  }
}
extension Numeric: TallyEncodable {
  /// For numerics, and integers and double precision as PostgreSQL reads its text.
  public func value(as type: DataType) throws(TallyError) -> Value {
    if type == .plainNumeric { return .numeric(self) }
    guard type.isNumber else { throw mismatch(type) }
    return try ValueText.parse(ValueText.print(.numeric(self), as: .plainNumeric) ?? "", as: type)
  }
}
extension Interval: TallyEncodable {
  /// For intervals.
  public func value(as type: DataType) throws(TallyError) -> Value {
    guard type == .interval else { throw mismatch(type) }
    return .interval(self)
  }
}
extension Optional: TallyEncodable where Wrapped: TallyEncodable {
  /// Nil is NULL.
  public func value(as type: DataType) throws(TallyError) -> Value {
    try self?.value(as: type) ?? .null
  }
}
