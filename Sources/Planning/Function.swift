// Function.swift — the scalar functions and operators a bound expression can call, with their wire numbers.
//
// Closed and stable: a number is part of FragmentFormat and RollupProgramFormat and never reused. Every function is strict
// (any NULL argument gives NULL) unless it says otherwise, pure, and immutable: what depends on the statement's time was
// folded by the binder. The binder casts arguments so that each function sees exactly the types stated here.
// "integer" below means any of the three integer types; arguments may differ in width, the expression's type is the result's
// and bounds it (22003 "integer out of range", "smallint out of range", "bigint out of range").

/// A scalar function or operator.
public enum Function: UInt16, Sendable, CaseIterable {
  // Comparisons: (T, T) → boolean, where both are integers; or both of one other type (text and varchar are one; timestamp
  // and timestamptz are never mixed). Text by bytes; NaN equals NaN and is greatest; intervals by their 30-day-month length.
  case equal = 1
  case notEqual = 2
  case less = 3
  case lessOrEqual = 4
  case greater = 5
  case greaterOrEqual = 6

  // Arithmetic: (T, T) → T, where T is integer (widths may differ), double or numeric. Division by zero is 22012.
  case add = 16
  case subtract = 17
  case multiply = 18
  /// Integers truncate towards zero.
  case divide = 19
  case modulo = 20
  /// (T) → T; also of an interval.
  case negate = 21
  /// (T) → T.
  case absolute = 22
  /// (double or numeric) → the same.
  case floor = 23
  case ceiling = 24
  /// (double) → double by half to even; (numeric) → numeric half away from zero; (numeric, integer) → numeric with that scale.
  case round = 25
  case truncate = 26

  // Times. date + integer days and so on; ±infinity stays.
  /// (date, integer) → date.
  case addDays = 32
  case subtractDays = 33
  /// (date, date) → integer.
  case dateDifference = 34
  /// (timestamp or timestamptz, interval) → the same.
  case addInterval = 35
  case subtractInterval = 36
  /// (T, T) → interval for two timestamps or two timestamptz: days and time, as PostgreSQL.
  case timeDifference = 37
  /// (interval, interval) → interval.
  case intervalAdd = 38
  case intervalSubtract = 39
  /// (interval, double) → interval.
  case intervalMultiply = 40
  case intervalDivide = 41
  /// (constant bigint: TimeUnit.rawValue, timestamp, timestamptz or interval) → the same type.
  case dateTrunc = 42
  /// (constant bigint: TimeField.rawValue, date, timestamp, timestamptz or interval) → numeric: `TimeField.extract`.
  case extract = 43
  /// (constant interval, date, timestamp or timestamptz) → the same type; the interval is months only, or days and time only, and > 0.
  case timeBucket = 44

  // Text.
  /// (text, text) → text.
  case concatenate = 64
  /// ASCII letters only, as PostgreSQL in collation C.
  case lower = 65
  case upper = 66
  /// (text) → integer, in characters.
  case length = 67

  // HyperLogLog.
  /// (boolean, smallint, integer, bigint, date, timestamp, timestamptz, double or text; constant integer seed) → hll_hashval by the
  /// argument type's own width (boolean 1 byte, smallint 2, integer 4, date 4, others 8; text its bytes).
  case hllHash = 96
  /// (hll) → double; NULL for UNDEFINED.
  case hllCardinality = 97
  /// (hll, hll) → hll, same parameters.
  case hllUnion = 98
  /// (hll, hll_hashval) → hll.
  case hllAdd = 99
  /// (hll, hll) → boolean, by packed bytes.
  case hllEqual = 100

  // TopN.
  /// (topn, topn) → topn, same parameters.
  case topnUnion = 112
  /// (topn, text, bigint weight) → topn. Not strict: a NULL state is empty; a NULL item or a NULL or negative weight adds nothing.
  case topnAdd = 113

  /// Whether it compares two values.
  public var isComparison: Bool { rawValue <= Function.greaterOrEqual.rawValue }
}
