// ColumnBuilding.swift — columns from single values, for literals and edges. Not for hot paths.
import Bytes
public import Model

extension ColumnVector {
  /// A column of the given values. Sketch types are not built from single values here (Aggregates does that).
  public init(_ type: DataType, values: [Value]) {
    var validity = Bitmap(repeating: true, count: values.count)
    for (row, value) in values.enumerated() where value.isNull { validity[row] = false }
    func wrong(_ value: Value) -> Never { fatalError("a value of another layout in a column of type \(type.name)") }
    switch type.layout {
    case .fixed:
      self.init(
        type,
        .fixed(
          values.map { value in
            switch value {
            case .fixed(let v): v
            case .null: 0
            default: wrong(value)
            }
          }
        ),
        validity: validity
      )
    case .double:
      self.init(
        type,
        .double(
          values.map { value in
            switch value {
            case .double(let v): v
            case .null: 0
            default: wrong(value)
            }
          }
        ),
        validity: validity
      )
    case .numeric:
      self.init(
        type,
        .numeric(
          values.map { value in
            switch value {
            case .numeric(let v): v
            case .null: Numeric(0)
            default: wrong(value)
            }
          }
        ),
        validity: validity
      )
    case .interval:
      self.init(
        type,
        .interval(
          values.map { value in
            switch value {
            case .interval(let v): v
            case .null: Interval()
            default: wrong(value)
            }
          }
        ),
        validity: validity
      )
    case .text:
      var texts = TextColumn()
      for value in values {
        switch value {
        case .text(let text): Array(text.utf8).withUnsafeBytes { texts.append($0) }
        case .bytes(let bytes): bytes.withUnsafeBytes { texts.append($0) }
        case .null: texts.offsets.append(UInt32(texts.bytes.count))
        default: wrong(value)
        }
      }
      self.init(type, .text(texts), validity: validity)
    case .hll, .topn: fatalError("a column of type \(type.name) is not built from single values")
    }
  }
}
