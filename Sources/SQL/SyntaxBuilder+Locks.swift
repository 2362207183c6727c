// SyntaxBuilder+Locks.swift — what holds rows and tables against others: FOR UPDATE and its kin behind a SELECT, and LOCK TABLE.
import Model

/// FOR UPDATE, FOR SHARE … behind a SELECT.
public struct LockingSyntax: Sendable {
  /// `FOR UPDATE`, `FOR NO KEY UPDATE`, `FOR SHARE`, `FOR KEY SHARE`.
  public var strength: String
  /// The relations behind OF; empty for all.
  public var names: [NameSyntax]
  /// False after NOWAIT.
  public var waits: Bool
}

/// LOCK TABLE.
public struct LockSyntax: Sendable {
  /// The tables.
  public var tables: [NameSyntax]
  /// PostgreSQL's number of the mode: 1 is ACCESS SHARE, 8 ACCESS EXCLUSIVE.
  public var mode: Int
  /// False after NOWAIT.
  public var waits: Bool
}

extension SyntaxBuilder {
  /// A SELECT that is a statement by itself: it may hold the rows that it reads.
  func statementSelect(_ body: Int) throws(TallyError) -> SelectSyntax {
    var select = try select(body, depth: 0, mayLock: true)
    for element in tape.elements(child(body, "lockingClause")) {
      guard let (_, clause) = tape.tagged(element) else { throw damaged(element) }
      let own = try locking(clause)
      // Of several the first says how; together they say what.
      guard var known = select.locking else {
        select.locking = own
        continue
      }
      known.names = known.names.isEmpty || own.names.isEmpty ? [] : known.names + own.names
      known.waits = known.waits && own.waits
      select.locking = known
    }
    return select
  }
  private func locking(_ clause: Int) throws(TallyError) -> LockingSyntax {
    let strength: String
    switch text(clause, "strength") ?? "" {
    case "LCS_FORUPDATE": strength = "FOR UPDATE"
    case "LCS_FORNOKEYUPDATE": strength = "FOR NO KEY UPDATE"
    case "LCS_FORSHARE": strength = "FOR SHARE"
    case "LCS_FORKEYSHARE": strength = "FOR KEY SHARE"
    default: throw damaged(clause)
    }
    let policy = text(clause, "waitPolicy") ?? "LockWaitBlock"
    guard policy != "LockWaitSkip" else {
      throw .sql(
        "0A000",
        "SKIP LOCKED is not supported",
        hint: "A transaction holds all rows of a table that one shard has: use NOWAIT, and try again."
      )
    }
    var names: [NameSyntax] = []
    for element in tape.elements(child(clause, "lockedRels")) {
      guard let (_, range) = tape.tagged(element) else { throw damaged(element) }
      names.append(try readName(range))
    }
    return LockingSyntax(strength: strength, names: names, waits: policy != "LockWaitError")
  }

  func lock(_ body: Int) throws(TallyError) -> LockSyntax {
    var tables: [NameSyntax] = []
    for element in tape.elements(child(body, "relations")) {
      guard let (_, range) = tape.tagged(element) else { throw damaged(element) }
      tables.append(try readName(range))
    }
    // Its JSON leaves out what is 0; no mode is.
    guard let mode = child(body, "mode").flatMap({ tape.integer($0) }), (1...8).contains(mode) else { throw damaged(body) }
    return LockSyntax(tables: tables, mode: mode, waits: !flag(body, "nowait"))
  }
}
