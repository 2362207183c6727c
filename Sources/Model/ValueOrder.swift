// ValueOrder.swift — the order of two values of one type, as PostgreSQL's default operator class has it (text by bytes).

extension Value {
  /// -1, 0 or 1; neither is NULL and both are of the type. Sketches go by their bytes.
  public static func compare(_ a: Value, _ b: Value, _ type: DataType) -> Int {
    switch (a, b) {
    case (.fixed(let x), .fixed(let y)): return x < y ? -1 : x > y ? 1 : 0
    case (.double(let x), .double(let y)):
      if x.isNaN || y.isNaN { return x.isNaN == y.isNaN ? 0 : x.isNaN ? 1 : -1 }
      return x < y ? -1 : x > y ? 1 : 0
    case (.numeric(let x), .numeric(let y)): return Numeric.compare(x, y)
    case (.interval(let x), .interval(let y)): return Interval.compare(x, y)
    case (.text(let x), .text(let y)):
      switch type {
      case .bpchar: return order(x.utf8.droppingTrailingBlanks, y.utf8.droppingTrailingBlanks)
      case .jsonb: return JSONValue.compare(jsonb: x, y)
      default: return order(x.utf8, y.utf8)
      }
    case (.bytes(let x), .bytes(let y)):
      if let element = type.element, x != y {
        do throws(TallyError) {
          return ArrayValue.compare(try ArrayValue.reading(x, element), try ArrayValue.reading(y, element))
        } catch {
          return order(x, y)
        }
      }
      return order(x, y)
    case (.hll(let x), .hll(let y)), (.topn(let x), .topn(let y)): return order(x, y)
    default: return 0
    }
  }
  private static func order<T: Sequence<UInt8>>(_ a: T, _ b: T) -> Int {
    if a.elementsEqual(b) { return 0 }
    return a.lexicographicallyPrecedes(b) ? -1 : 1
  }
}

extension String.UTF8View {
  var droppingTrailingBlanks: Substring.UTF8View {
    var end = endIndex
    while end > startIndex, self[index(before: end)] == 0x20 { end = index(before: end) }
    return self[startIndex..<end]
  }
}
