// KnownDifferences.swift — where Tally answers otherwise on purpose: what a statement holds, and why that is right.

struct KnownDifference {
  /// What the statement's text holds, one of these.
  var sql: [String]
  /// What the difference's text holds.
  var difference: String
  var reason: String

  func covers(_ statement: Statement, _ found: String) -> Bool { sql.contains { statement.sql.contains($0) } && found.contains(difference) }

  static let all = [
    KnownDifference(
      // What makes more digits than its operands have; numbers in jsonb are numerics.
      sql: [
        " * ", " / ", " ^ ", "power(", "exp(", "factorial(", "sum(", "avg(", "var", "stddev",
        "to_jsonb(", "::numeric",
      ],
      difference: "error 22003 value overflows numeric format; PostgreSQL gives",
      reason: "numerics have 38 digits, PostgreSQL's 131,072: what is longer on the way is refused (22003), never rounded"
    ),
    KnownDifference(
      sql: ["::numeric"],
      difference: "to numeric; PostgreSQL gives",
      reason: "numerics are numbers: NaN and the infinite ones of doubles are refused (22003)"
    ),
    KnownDifference(
      sql: ["array_fill("],
      difference: "array size exceeds the maximum allowed",
      reason: "rows fail differently, and which of them is evaluated first is left open"
    ),
    KnownDifference(
      sql: ["date_trunc("],
      difference: "not recognized for type",
      reason: "a unit that is a constant is checked when the statement is planned, also where no value would need it"
    ),
    KnownDifference(
      sql: ["::interval / "],
      difference: "error 22008 interval out of range, PostgreSQL 22012 division by zero",
      reason: "rows fail differently, and which of them is evaluated first is left open"
    ),
    KnownDifference(
      sql: ["power(", " ^ "],
      difference: "error 22003 value out of range: overflow, PostgreSQL 2201F",
      reason: "rows fail differently, and which of them is evaluated first is left open"
    ),
    KnownDifference(
      sql: ["power(", " ^ "],
      difference: "error 2201F a negative number raised to a non-integer power yields a complex result, PostgreSQL 22003",
      reason: "rows fail differently, and which of them is evaluated first is left open"
    ),
    KnownDifference(
      sql: ["avg("],
      difference: "PostgreSQL 22003 value out of range: overflow",
      reason: "a sum of doubles overflows in one order of its rows and not in another"
    ),
    KnownDifference(
      sql: ["avg("],
      difference: "error 22003 value out of range: overflow; PostgreSQL gives",
      reason: "a sum of doubles overflows in one order of its rows and not in another"
    ),
    KnownDifference(
      sql: ["extract(", "date_part("],
      difference: "error 22003 infinity cannot be represented as numeric",
      reason: "numerics are numbers: NaN and the infinite ones of doubles are refused (22003)"
    ),
    KnownDifference(
      sql: ["age("],
      difference: "error 22008 timestamp out of range; PostgreSQL gives",
      reason: "PostgreSQL 15 takes infinity for the number that stands for it, and says 292,307 years"
    ),
    KnownDifference(
      sql: ["::date", "::timestamp"],
      difference: "PostgreSQL 22008 date/time field value out of range",
      reason: "what is wrong with a text that is no time at all is told otherwise: 22007"
    ),
    KnownDifference(
      sql: ["chr("],
      difference: "error 54000 null character not permitted, PostgreSQL 22023 character number must be positive",
      reason: "rows fail differently, and which of them is evaluated first is left open"
    ),
    KnownDifference(
      sql: ["chr("],
      difference: "error 22023 character number must be positive, PostgreSQL 54000 null character not permitted",
      reason: "rows fail differently, and which of them is evaluated first is left open"
    ),
  ]
}
