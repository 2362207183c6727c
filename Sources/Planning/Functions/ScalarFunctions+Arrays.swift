// ScalarFunctions+Arrays.swift — one-dimensional arrays from 1; what would make more dimensions never reaches here.
import Model

extension ScalarFunctions {
  static func array(_ function: Function, _ a: FunctionArguments, _ result: DataType) throws(TallyError) -> Value {
    func equals(_ x: Value, _ y: Value, _ type: DataType) -> Bool {
      x.isNull || y.isNull ? x.isNull && y.isNull : Value.compare(x, y, type) == 0
    }
    switch function {
    case .makeArray: return try ArrayValue(a.types[0], a.values).value()
    case .arrayElement:
      let array = try a.array(0)
      guard a.integer(1) >= 1, a.integer(1) <= Int64(array.elements.count) else { return .null }
      return array.elements[Int(a.integer(1) - 1)]
    case .arraySlice:
      var array = try a.array(0)
      let (low, high) = (max(1, a.integer(1)), min(Int64(array.elements.count), a.integer(2)))
      array.elements = low <= high ? Array(array.elements[Int(low - 1)..<Int(high)]) : []
      return try array.value()
    case .arrayContains:
      let (own, other) = (try a.array(0), try a.array(1))
      return .fixed(
        other.elements.allSatisfy { x in !x.isNull && own.elements.contains { !$0.isNull && equals($0, x, own.element) } } ? 1 : 0
      )
    case .arrayOverlaps:
      let (own, other) = (try a.array(0), try a.array(1))
      return .fixed(
        other.elements.contains { x in !x.isNull && own.elements.contains { !$0.isNull && equals($0, x, own.element) } } ? 1 : 0
      )
    case .arrayConcatenate:
      if a.isNull(0) && a.isNull(1) { return .null }
      var array = try a.array(0)
      array.elements += try a.array(1).elements
      return try array.value()
    case .arrayAppend:
      var array = try a.array(0)
      array.elements.append(a.values[1])
      return try array.value()
    case .arrayPrepend:
      var array = try a.array(1)
      array.elements.insert(a.values[0], at: 0)
      return try array.value()
    case .arrayRemove:
      if a.isNull(0) { return .null }
      var array = try a.array(0)
      let type = array.element
      array.elements.removeAll { equals($0, a.values[1], type) }
      return try array.value()
    case .arrayReplace:
      if a.isNull(0) { return .null }
      var array = try a.array(0)
      let type = array.element
      array.elements = array.elements.map { equals($0, a.values[1], type) ? a.values[2] : $0 }
      return try array.value()
    case .arrayPosition:
      if a.isNull(0) { return .null }
      let array = try a.array(0)
      if a.count > 2, a.isNull(2) { throw .sql("22004", "initial position must not be null") }
      let start = a.count > 2 ? max(1, a.integer(2)) : 1
      guard start <= Int64(array.elements.count) else { return .null }
      let at = array.elements[Int(start - 1)...].firstIndex { equals($0, a.values[1], array.element) }
      return at.map { .fixed(Int64($0 + 1)) } ?? .null
    case .arrayPositions:
      if a.isNull(0) { return .null }
      let array = try a.array(0)
      let places = array.elements.indices.filter { equals(array.elements[$0], a.values[1], array.element) }
      return try ArrayValue(.integer, places.map { .fixed(Int64($0 + 1)) }).value()
    case .arrayLength, .arrayUpper, .arrayLower:
      let count = try a.array(0).elements.count
      guard a.integer(1) == 1, count > 0 else { return .null }
      return .fixed(function == .arrayLower ? 1 : Int64(count))
    case .cardinality: return .fixed(Int64(try a.array(0).elements.count))
    case .arrayDimensions:
      let count = try a.array(0).elements.count
      if count == 0 { return .null }
      return result == .text ? .text("[1:\(count)]") : .fixed(1)
    case .trimArray:
      var array = try a.array(0)
      guard a.integer(1) >= 0, a.integer(1) <= Int64(array.elements.count) else {
        throw .sql("2202E", "number of elements to trim must be between 0 and \(array.elements.count)")
      }
      array.elements.removeLast(Int(a.integer(1)))
      return try array.value()
    default:
      if a.isNull(1) { throw .sql("22004", "dimension array or low bound array cannot be null") }
      let bounds = try a.array(1).elements
      guard bounds.count <= 1 else { throw .sql("0A000", "arrays of more than one dimension are not supported") }
      if bounds.first?.isNull == true { throw .sql("22004", "dimension values cannot be null") }
      guard case .fixed(let count)? = bounds.first else { return try ArrayValue(a.types[0], []).value() }
      guard count >= 0, count <= Int64(ArrayValue.countMax) else {
        throw .sql("54000", "array size exceeds the maximum allowed (\(ArrayValue.countMax))")
      }
      return try ArrayValue(a.types[0], Array(repeating: a.values[0], count: Int(count))).value()
    }
  }
}
