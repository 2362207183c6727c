// Casts.swift — which casts exist between bound types, and which happen by themselves. As PostgreSQL's pg_cast.
import Model

enum Casts {
  /// When PostgreSQL applies a cast.
  enum Context: Int, Comparable {
    case implicit
    case assignment
    case explicit
    static func < (a: Context, b: Context) -> Bool { a.rawValue < b.rawValue }
  }

  /// The weakest context in which the cast happens; nil when there is none.
  static func context(from: DataType, to: DataType) -> Context? {
    typealias Check = ExpressionCheck
    let (source, target) = (Check.family(from), Check.family(to))
    if source == target {
      switch (from, to) {
      case (.smallint, .integer), (.smallint, .bigint), (.integer, .bigint): return .implicit
      case (.integer, .smallint), (.bigint, .smallint), (.bigint, .integer): return .assignment
      case (.hll, .hll), (.topn, .topn): return from == to ? .implicit : nil
      default: return source == .other ? nil : .implicit
      }
    }
    switch (source, target) {
    case (.integer, .numeric), (.integer, .double), (.numeric, .double): return .implicit
    case (.numeric, .integer), (.double, .integer), (.double, .numeric): return .assignment
    case (.boolean, .integer), (.integer, .boolean):
      return from == .integer || to == .integer ? .explicit : nil
    case (.date, .timestamp), (.date, .timestamptz), (.timestamp, .timestamptz): return .implicit
    case (.timestamp, .date), (.timestamptz, .date), (.timestamptz, .timestamp): return .assignment
    case (.text, .boolean), (.text, .integer), (.text, .double), (.text, .numeric), (.text, .date), (.text, .timestamp),
      (.text, .timestamptz), (.text, .interval):
      return .explicit
    case (.boolean, .text), (.integer, .text), (.double, .text), (.numeric, .text), (.date, .text), (.timestamp, .text),
      (.timestamptz, .text), (.interval, .text):
      return .assignment
    case (.integer, .hash): return from == .smallint ? nil : .explicit
    default: return nil
    }
  }
  static func exists(from: DataType, to: DataType) -> Bool { context(from: from, to: to) != nil }
}
