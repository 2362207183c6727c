// Session+Transactions.swift — BEGIN, COMMIT, ROLLBACK, savepoints: the status that clients see, settings undone, portals closed.
//
// What a transaction means for data is the engine's to say; it is told of every change and may refuse one.

internal import Model

extension Session {
  func warnOutside(_ what: String) { notice(.warning("25P01", "\(what) can only be used in transaction blocks")) }

  /// Carries out a statement about transactions; returns its tag.
  func transact(_ kind: StatementKind) async throws -> String {
    switch kind {
    case .begin(let modes, let isStart):
      if block == .open {
        notice(.warning("25001", "there is already a transaction in progress"))
        // Its modes count all the same.
        if modes != TransactionModes() {
          try await engine.change(.modes(modes))
          try apply(modes, prefix: "transaction_", isLocal: true)
        }
      } else {
        try await begin(modes)
      }
      return isStart ? "START TRANSACTION" : "BEGIN"
    case .commit(let chain): return try await commit(chain)
    case .rollback(let chain):
      if block == .idle {
        guard !chain else { throw TallyError.sql("25P01", "ROLLBACK AND CHAIN can only be used in transaction blocks") }
        notice(.warning("25P01", "there is no transaction in progress"))
        // What came before in the same message is taken back.
        await dropImplicit()
        settings.rollBack()
        endPortals(hasCommitted: false)
        return "ROLLBACK"
      }
      try await rollBack(chain)
      return "ROLLBACK"
    case .savepoint(let name):
      try needsBlock("SAVEPOINT")
      try await engine.change(.savepoint(name))
      settings.savepoint(name)
      return "SAVEPOINT"
    case .release(let name):
      try needsBlock("RELEASE SAVEPOINT")
      let number = try needsSavepoint(name)
      try await engine.change(.release(name))
      _ = settings.release(name)
      for (portal, made) in portals where made.depth >= number { portals[portal]?.depth = number - 1 }
      return "RELEASE"
    case .rollBackTo(let name):
      try needsBlock("ROLLBACK TO SAVEPOINT")
      let number = try needsSavepoint(name)
      try await engine.change(.rollBackTo(name))
      _ = settings.rollBack(to: name)
      closePortals(behind: number)
      block = .open
      return "ROLLBACK"
    case .setTransaction(let modes):
      if block == .idle && !hasCompany { warnOutside("SET TRANSACTION") } else { try await engine.change(.modes(modes)) }
      try apply(modes, prefix: "transaction_", isLocal: true)
      return "SET"
    case .setCharacteristics(let modes):
      try apply(modes, prefix: "default_transaction_", isLocal: false)
      return "SET"
    default: throw TallyError(.internalError, "not a statement about transactions")
    }
  }
  private func needsBlock(_ what: String) throws(TallyError) {
    guard block == .idle else { return }
    throw .sql("25P01", "\(what) can only be used in transaction blocks")
  }
  /// The savepoint's number.
  private func needsSavepoint(_ name: String) throws(TallyError) -> Int {
    guard let number = settings.number(ofSavepoint: name) else { throw .sql("3B001", "savepoint \"\(name)\" does not exist") }
    return number
  }
  private func begin(_ modes: TransactionModes) async throws {
    try await engine.change(.begin(modes))
    // Statements of the same message before it belong to it from here on, as their settings do.
    if !settings.isOpen { settings.begin() }
    block = .open
    isImplicit = false
    try apply(modes, prefix: "transaction_", isLocal: true)
  }
  private func apply(_ modes: TransactionModes, prefix: String, isLocal: Bool) throws(TallyError) {
    if let isolation = modes.isolation { try settings.set(prefix + "isolation", to: isolation, isLocal: isLocal) }
    if let flag = modes.isReadOnly { try settings.set(prefix + "read_only", to: flag ? "on" : "off", isLocal: isLocal) }
    if let flag = modes.isDeferrable { try settings.set(prefix + "deferrable", to: flag ? "on" : "off", isLocal: isLocal) }
  }
  private func modes() -> TransactionModes {
    TransactionModes(
      isolation: settings["transaction_isolation"],
      isReadOnly: settings["transaction_read_only"] == "on",
      isDeferrable: settings["transaction_deferrable"] == "on"
    )
  }
  private func commit(_ chain: Bool) async throws -> String {
    switch block {
    case .idle:
      guard !chain else { throw TallyError.sql("25P01", "COMMIT AND CHAIN can only be used in transaction blocks") }
      notice(.warning("25P01", "there is no transaction in progress"))
      // What came before in the same message is an end of its own.
      try await endImplicit()
      settings.commit()
      endPortals(hasCommitted: true)
      return "COMMIT"
    case .failed:
      try await rollBack(chain)
      return "ROLLBACK"
    case .open:
      let modes = modes()
      // Whatever comes of it, the transaction is over.
      block = .idle
      do { try await engine.change(.commit) } catch {
        settings.rollBack()
        endPortals(hasCommitted: false)
        throw error
      }
      settings.commit()
      endPortals(hasCommitted: true)
      if chain { try await begin(modes) }
      return "COMMIT"
    }
  }
  private func rollBack(_ chain: Bool) async throws {
    let modes = modes()
    block = .idle
    settings.rollBack()
    endPortals(hasCommitted: false)
    try await engine.change(.rollback)
    if chain { try await begin(modes) }
  }
}
