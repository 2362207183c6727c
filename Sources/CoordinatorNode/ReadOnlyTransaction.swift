// ReadOnlyTransaction.swift — what a read-only transaction refuses (25006), whoever asks in it: its client, or a routine it calls.
//
// As in PostgreSQL definitions are refused as they come, changes of rows once it is known whose they are: those of temporary tables are the
// session's own. CALL and DO may run, and what they run is looked at.
import Model
import Planning
import SQL

extension TallyError {
  static func readOnly(_ command: String) -> TallyError { .sql("25006", "cannot execute \(command) in a read-only transaction") }
}

extension StatementRequest {
  /// Refuses what a read-only transaction takes from nobody.
  func checkReadOnly() throws(TallyError) {
    guard facts.isReadOnly, !statement.statement.mayRunReadOnly else { return }
    throw .readOnly(statement.statement.verb)
  }
  /// Refuses changes of rows, now that their table is known.
  func checkReadOnly(_ bound: BoundStatement) throws(TallyError) {
    guard facts.isReadOnly, let table = bound.tableChanged, !table.isTemporary else { return }
    throw .readOnly(statement.statement.verb)
  }
}

extension Statement {
  fileprivate var mayRunReadOnly: Bool {
    switch self {
    case .select(let select): commandName == nil && select.locking == nil
    case .delete(let syntax): !syntax.isTruncate
    case .explain, .explainChange, .insert, .update, .copy, .lock, .doBlock, .call: true
    case .define, .createTable, .dropTable, .createRollup, .dropRollup, .createSequence, .alterSequence, .dropSequence, .createFunction,
      .dropFunction:
      false
    }
  }
}
