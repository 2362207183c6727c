// UnifiedType.swift — the one type of several expressions (CASE, COALESCE, IN, UNION) and distances between names.
import Model

enum UnifiedType {
  /// As PostgreSQL's select_common_type: untyped literals give way; numbers and times widen; nil when nothing fits.
  static func of(_ types: [DataType]) -> DataType? {
    var result = DataType.unknown
    for type in types where type != .unknown {
      if result == .unknown {
        result = type
      } else if let wider = join(result, type) {
        result = wider
      } else {
        return nil
      }
    }
    return result == .unknown ? .text : result
  }
  /// Indexes of the first two types that do not fit together.
  static func clash(_ types: [DataType]) -> (Int, Int) {
    for b in types.indices where of(Array(types[...b])) == nil {
      for a in 0..<b where types[a] != .unknown && join(types[a], types[b]) == nil { return (a, b) }
      return (0, b)
    }
    return (0, types.count - 1)
  }
  static func join(_ a: DataType, _ b: DataType) -> DataType? {
    if a == b { return a }
    // Numbers that are no oid beside one that is: PostgreSQL casts them to it.
    if a.isObjectNumber, b.isObjectNumber { return .oid }
    if a.isObjectNumber, b.isInteger { return a }
    if b.isObjectNumber, a.isInteger { return b }
    if case .array = a, case .array = b {
      let (x, y) = (a.withoutModifiers, b.withoutModifiers)
      if x == y { return x }
      let (there, back) = (Casts.context(from: x, to: y) == .implicit, Casts.context(from: y, to: x) == .implicit)
      return there && !back ? y : back ? x : nil
    }
    if let first = stringRank(a), let second = stringRank(b) {
      // text, varchar and character cast to each other by themselves: the first stays. name only takes from them.
      if first == 1 || second == 1 { return a == .text || b == .text ? (a == .name ? .name : a.withoutModifiers) : .name }
      return a.withoutModifiers
    }
    if let (x, y) = both(rank, a, b) {
      if case .numeric = a, case .numeric = b { return .plainNumeric }
      let wider = x >= y ? a : b
      if case .numeric = wider { return .plainNumeric }
      return wider
    }
    if let (x, y) = both(timeRank, a, b) { return x >= y ? a : b }
    return nil
  }
  /// 1 for name, 2 for the strings that cast to each other.
  private static func stringRank(_ type: DataType) -> Int? {
    if case .bpchar = type { return 2 }
    return type.isText ? 2 : type == .name ? 1 : nil
  }
  /// The type that an operator between two types takes both as; like `of`, but a real beside another number is double precision, and a
  /// "char" beside a text is text.
  static func operands(_ a: DataType, _ b: DataType) -> DataType? {
    if a != b, a == .real || b == .real, a.isNumber, b.isNumber { return .double }
    if a == .char, b.isText || b == .name || b == .char { return b == .char ? .char : .text }
    if b == .char, a.isText || a == .name { return .text }
    if let x = stringRank(a), let y = stringRank(b) {
      let isPadded = (isBpchar(a), isBpchar(b))
      if isPadded.0 && isPadded.1 || isPadded.0 && b.isText && b != .text || isPadded.1 && a.isText && a != .text { return .bpchar(0) }
      return x == 1 && y == 1 ? .name : .text
    }
    if case .array = a, case .array = b { return a.withoutModifiers == b.withoutModifiers ? a.withoutModifiers : nil }
    if a == .time, b == .interval { return .interval }
    if a == .interval, b == .time { return .interval }
    return of([a, b])
  }
  private static func isBpchar(_ type: DataType) -> Bool {
    if case .bpchar = type { return true }
    return false
  }
  private static func both(_ rank: (DataType) -> Int?, _ a: DataType, _ b: DataType) -> (Int, Int)? {
    guard let x = rank(a), let y = rank(b) else { return nil }
    return (x, y)
  }
  /// Numbers from narrow to wide.
  static func rank(_ type: DataType) -> Int? {
    switch type {
    case .smallint: 1
    case .integer: 2
    case .bigint: 3
    case .numeric: 4
    case .real: 5
    case .double: 6
    default: nil
    }
  }
  private static func timeRank(_ type: DataType) -> Int? {
    switch type {
    case .date: 1
    case .timestamp: 2
    case .timestamptz: 3
    default: nil
    }
  }
}

enum EditDistance {
  /// Levenshtein's distance by bytes; names are at most 63 bytes.
  static func between(_ a: String, _ b: String) -> Int {
    let (x, y) = (Array(a.utf8.prefix(64)), Array(b.utf8.prefix(64)))
    var row = Array(0...y.count)
    for i in x.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in y.indices {
        let substitute = diagonal + (x[i] == y[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substitute, row[j] + 1, diagonal + 1)
      }
    }
    return row[y.count]
  }
}
