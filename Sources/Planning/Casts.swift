// Casts.swift — which casts exist between bound types, and which happen by themselves. As PostgreSQL's pg_cast, with the casts through text
// that it makes of any type's input and output functions.
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
    if source == target { return sameFamily(from, to, source) }
    switch (source, target) {
    case (.integer, .numeric), (.integer, .double), (.numeric, .double): return .implicit
    case (.numeric, .integer), (.double, .integer), (.double, .numeric): return .assignment
    case (.boolean, .integer), (.integer, .boolean):
      return from == .integer || to == .integer ? .explicit : nil
    case (.date, .timestamp), (.date, .timestamptz), (.timestamp, .timestamptz): return .implicit
    case (.timestamp, .date), (.timestamptz, .date), (.timestamptz, .timestamp): return .assignment
    case (.timestamp, .time), (.timestamptz, .time): return .assignment
    case (.time, .interval): return .implicit
    case (.interval, .time): return .assignment
    case (.integer, .oid): return .implicit
    case (.oid, .integer): return to == .smallint ? nil : .assignment
    case (.bpchar, .text): return to == .char ? .assignment : .implicit
    case (.text, .bpchar): return from == .text || from.isText ? .implicit : .assignment
    case (.jsonb, .boolean), (.jsonb, .integer), (.jsonb, .double), (.jsonb, .numeric): return .explicit
    case (.json, .jsonb), (.jsonb, .json): return .assignment
    // A name of a relation; the topn functions of JSON objects.
    case (.text, .oid) where to == .regclass && from.isText: return .implicit
    case (.topn, .jsonb): return .implicit
    case (.topn, .text), (.topn, .bpchar): return to == .char ? nil : .assignment
    case (.hll, .text), (.hll, .bpchar): return to == .char ? nil : .assignment
    case (.text, .hll): return from.isText ? .explicit : nil
    case (.jsonb, .topn): return .assignment
    case (.integer, .hash): return from == .smallint ? nil : .explicit
    case (.integer, .text) where to == .char, (.text, .integer) where from == .char:
      return from == .integer || to == .integer ? .explicit : throughText(from, to, source, target)
    default: return throughText(from, to, source, target)
    }
  }
  /// PostgreSQL's casts by input and output functions: to a text type by assignment, from one explicitly.
  private static func throughText(
    _ from: DataType,
    _ to: DataType,
    _ source: ExpressionCheck.Family,
    _ target: ExpressionCheck.Family
  ) -> Context? {
    func isPlain(_ family: ExpressionCheck.Family) -> Bool {
      family != .hll && family != .topn && family != .hash && family != .other
    }
    // "char" is no string to PostgreSQL.
    if to == .char || from == .char {
      return source == .text || target == .text || source == .bpchar || target == .bpchar ? charCast(from, to) : nil
    }
    if target == .text || target == .bpchar { return isPlain(source) ? .assignment : nil }
    if source == .text || source == .bpchar { return isPlain(target) ? .explicit : nil }
    return nil
  }
  private static func charCast(_ from: DataType, _ to: DataType) -> Context? {
    if to == .char { return ExpressionCheck.isTextLike(from) ? .assignment : nil }
    return ExpressionCheck.isTextLike(to) ? .assignment : nil
  }
  private static func sameFamily(_ from: DataType, _ to: DataType, _ family: ExpressionCheck.Family) -> Context? {
    switch (from, to) {
    case (.smallint, .integer), (.smallint, .bigint), (.integer, .bigint): return .implicit
    case (.integer, .smallint), (.bigint, .smallint), (.bigint, .integer): return .assignment
    case (.double, .real): return .assignment
    case (.hll, .hll), (.topn, .topn): return from == to ? .implicit : nil
    case (.text, .char), (.varchar, .char), (.name, .char), (.text, .name), (.varchar, .name):
      return to == .name ? .implicit : .assignment
    case (.name, .varchar), (.char, .varchar): return .assignment
    case (.array(let a), .array(let b)): return a.type == b.type ? .implicit : context(from: a.type, to: b.type)
    default:
      if from.isObjectNumber, from != to, from != .oid, to != .oid { return nil }
      return family == .other ? nil : .implicit
    }
  }
  static func exists(from: DataType, to: DataType) -> Bool { context(from: from, to: to) != nil }
}
