// RowConstraints.swift — what new rows must satisfy by themselves: NOT NULL and CHECK, with PostgreSQL's words.
public import Columns
public import Model
public import Planning

/// Checks rows against their table.
public enum RowConstraints {
  /// Throws 23502 or 23514 for the first row that violates something. CPU work.
  public static func check(_ rows: Batch, _ table: TableSchema, _ checks: [ModifyProgram.Check] = []) throws(TallyError) {
    try typed {
      var first: (row: Int, error: (String) -> TallyError)?
      func note(_ row: Int, _ error: @escaping (String) -> TallyError) {
        if first.map({ row < $0.row }) ?? true { first = (row, error) }
      }
      for (at, column) in table.columns.enumerated() {
        guard !column.isDropped, column.isNotNull || table.distribution.tenantKey == at, let validity = rows.columns[at].validity,
          let row = (0..<rows.count).first(where: { !validity[$0] })
        else { continue }
        note(row) { detail in
          TallyError(
            .invalid,
            "null value in column \"\(column.name)\" of relation \"\(table.name)\" violates not-null constraint",
            sqlState: "23502",
            detail: "Failing row contains \(detail).",
            subject: ErrorSubject(table, column: column.name)
          )
        }
      }
      for check in checks.sorted(by: { $0.name < $1.name }) {
        let truth = Truth(try ExpressionEvaluation.evaluate(check.condition, RowBlock(rows)), count: rows.count)
        // Nil: all of them.
        let failing = truth.rows { $0 == Truth.no }
        guard rows.count > 0, let row = failing.map({ $0.first.map { Int($0) } }) ?? 0 else { continue }
        note(row) { detail in
          TallyError(
            .invalid,
            "new row for relation \"\(table.name)\" violates check constraint \"\(check.name)\"",
            sqlState: "23514",
            detail: "Failing row contains \(detail).",
            subject: ErrorSubject(table, constraint: check.name)
          )
        }
      }
      if let first { throw first.error(try RowText.row(rows, first.row, table)) }
    }
  }
}
