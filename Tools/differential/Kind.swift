// Kind.swift — the SQL types that statements are made of, and values of each: ordinary ones, NULLs, ends of ranges.
//
// No two values of a kind are equal and print differently (1.5 and 1.50, 0 and -0, a month and thirty days): which of them a group, a
// DISTINCT or a maximum shows is nobody's promise.

enum Kind: String, CaseIterable {
  case bool
  case int2
  case int4
  case int8
  case float4
  case float8
  case numeric
  case text
  case varchar
  case bpchar
  case bytea
  case date
  case time
  case timestamp
  case timestamptz
  case interval
  case uuid
  case jsonb
  case ints = "int4[]"
  case texts = "text[]"

  /// The type as CREATE TABLE has it.
  var definition: String {
    switch self {
    case .varchar: "varchar(12)"
    case .bpchar: "char(4)"
    default: rawValue
    }
  }
  /// The type as a cast of a literal has it.
  var castName: String {
    switch self {
    case .varchar: "varchar"
    case .bpchar: "char(4)"
    default: rawValue
    }
  }
  var isText: Bool { self == .text || self == .varchar }
  var isInteger: Bool { self == .int2 || self == .int4 || self == .int8 }
  var isFloat: Bool { self == .float4 || self == .float8 }
  var isNumber: Bool { isInteger || isFloat || self == .numeric }
  /// Whether equal values of expressions print alike, so that groups and sets of them have one answer.
  var isPlain: Bool {
    switch self {
    case .float4, .float8, .numeric, .interval, .bpchar, .jsonb: false
    default: true
    }
  }
  /// Kinds of a tenant key.
  static let keys: [Kind] = [.text, .int8, .int4]

  /// Texts of ordinary values.
  var usual: [String] {
    switch self {
    case .bool: ["t", "f"]
    case .int2: ["0", "1", "-1", "2", "3", "7", "12", "-5", "100"]
    case .int4: ["0", "1", "-1", "2", "3", "5", "10", "-7", "42", "1000", "99999"]
    case .int8: ["0", "1", "-1", "2", "4", "6", "-9", "30", "123456789012", "-1000"]
    case .float4: ["0", "1.5", "-2.25", "3", "0.5", "100", "-8"]
    case .float8: ["0", "1.5", "-2.25", "3", "0.125", "1024", "-77.5", "10000000"]
    case .numeric: ["0", "1", "-1", "2.5", "-7.25", "99.999", "10", "0.01", "12345.678"]
    case .text: ["", "a", "b", "ab", "Ab", "abc", "zürich", "50%", "x_y", "12", "-7", "q w", " pad ", "日本", "a,b", "it''s", "a\\b"]
    case .varchar: ["", "v", "vw", "VW", "1", "x y", "été"]
    case .bpchar: ["", "c", "cd", "CD", "wxyz", "9"]
    case .bytea: ["", "\\x00", "\\x0102", "\\xff", "\\x616263"]
    case .date: ["2024-02-29", "2023-12-31", "2024-01-01", "2000-02-29", "1970-01-01", "1969-12-31", "2024-03-10"]
    case .time: ["00:00:00", "12:30:00", "23:59:59.999999", "06:07:08.5", "18:00:00"]
    case .timestamp:
      ["2024-02-29 12:00:00", "2023-12-31 23:59:59.999999", "2024-01-01 00:00:00", "1970-01-01 00:00:00", "2024-03-31 01:30:00.25"]
    case .timestamptz:
      [
        "2024-02-29 12:00:00+00", "2023-12-31 23:30:00-05", "2024-01-01 00:00:00+05:30", "1970-01-01 00:00:00+00",
        "2024-03-31 01:30:00.25+01",
      ]
    case .interval: ["0", "1 day", "-1 day", "01:30:00", "1 mon", "-00:00:05.5", "1 year 2 mons 3 days 04:05:06"]
    case .uuid: ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ffffffff-ffff-ffff-ffff-ffffffffffff"]
    case .jsonb:
      [
        "{}", "[]", "1", "null", "true", "\"s\"", "{\"a\": 1, \"b\": [1, 2, {\"c\": null}]}", "[1, \"a\", null, 2.5]", "{\"a\": \"x\"}",
        "{\"k\": {\"a\": 2}}",
      ]
    case .ints: ["{}", "{1}", "{1,2,3}", "{NULL,5}", "{-1,0,7,7}"]
    case .texts: ["{}", "{a}", "{a,b,NULL}", "{\"x y\",\"\"}", "{b,a}"]
    }
  }
  /// Texts of values at the ends.
  var extreme: [String] {
    switch self {
    case .int2: ["32767", "-32768"]
    case .int4: ["2147483647", "-2147483648"]
    case .int8: ["9223372036854775807", "-9223372036854775808"]
    case .float4: ["Infinity", "NaN", "3.4e+38", "1e-37"]
    case .float8: ["Infinity", "-Infinity", "NaN", "1.7e+308", "1e-300"]
    case .numeric: ["999999999999999999", "-0.000001"]
    case .date: ["infinity", "0001-01-01", "9999-12-31"]
    case .timestamp: ["infinity", "-infinity", "9999-12-31 23:59:59.999999", "0001-01-01 00:00:00"]
    case .timestamptz: ["infinity", "-infinity", "9999-12-31 23:59:59.999999+00"]
    case .interval: ["-178 years", "100000 days"]
    case .text: ["tab\there", String(repeating: "long ", count: 40)]
    default: usual
    }
  }
  /// A literal with its type.
  func literal(_ text: String) -> String {
    switch self {
    case .bool: text == "t" ? "true" : "false"
    case .int4 where !text.hasPrefix("-"): text
    default: "'\(text)'::\(castName)"
    }
  }
}
