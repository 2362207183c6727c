// SessionSettings.swift — the settings of one session: what SET, SET LOCAL, RESET and the startup packet made of them.
//
// A value. Inside a transaction block changes can be undone: ROLLBACK takes all of them back, COMMIT those of SET LOCAL, ROLLBACK
// TO those since the savepoint. Names are found in any case; names with a dot exist as soon as they are set. What a value may be:
// SettingDefinition.swift. A transaction's modes (transaction_read_only and its kin) are what their defaults were when it began, until it
// says otherwise, which it may before its first query only.

public import Model

/// Settings of a session.
public struct SessionSettings: Sendable {
  private struct Snapshot: Sendable {
    var savepoint: String?
    var values: [String: String]
    var sessionValues: [String: String?]
  }
  /// Changed values by lower-case name.
  private var values: [String: String] = [:]
  /// What RESET returns to.
  private var initial: [String: String] = [:]
  /// The session's own values of those that SET LOCAL covers.
  private var sessionValues: [String: String?] = [:]
  private var snapshots: [Snapshot] = []
  /// The transaction under way has looked at data: its modes stand.
  private var hasQueried = false
  /// Rises when a value may have changed.
  private(set) var changes = 0
  /// What it was when the transaction under way began.
  private var changesBefore = 0

  /// PostgreSQL's defaults.
  public init() {}

  /// Whether a name without definition may be set: it has a dot between identifiers.
  private static func isCustom(_ name: String) -> Bool {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count > 1
      && parts.allSatisfy { part in
        part.first.map { $0.isLetter || $0 == "_" } ?? false && part.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "$" }
      }
  }
  private static func unknown(_ name: String) -> TallyError {
    .sql("42704", "unrecognized configuration parameter \"\(name)\"")
  }
  private static let perTransaction = ["transaction_isolation", "transaction_read_only", "transaction_deferrable"]

  /// The value as SHOW prints it; nil when there is no such setting.
  public subscript(name: String) -> String? {
    let key = name.lowercased()
    if let value = values[key] ?? initial[key] { return value }
    if Self.perTransaction.contains(key) {
      let initial = "default_" + key
      return (snapshots.first?.values ?? values)[initial] ?? self.initial[initial] ?? SettingDefinition.table[initial]?.initial
    }
    return SettingDefinition.table[key]?.initial
  }
  /// The value, or 42704.
  public func show(_ name: String) throws(TallyError) -> String {
    guard let value = self[name] else { throw Self.unknown(name) }
    return value
  }
  /// PostgreSQL's spelling of a name.
  public static func spelling(_ name: String) -> String { SettingDefinition.find(name)?.name ?? name.lowercased() }
  /// All settings by name, with their descriptions.
  public var all: [(name: String, value: String, description: String)] {
    let custom = Set(values.keys).union(initial.keys).filter { SettingDefinition.table[$0] == nil }
    return (SettingDefinition.all.map { ($0.name, self[$0.name] ?? "", $0.description) } + custom.map { ($0, self[$0] ?? "", "") })
      .sorted { $0.0.lowercased() < $1.0.lowercased() }
  }
  /// Milliseconds of a time setting; 0 is none.
  public func milliseconds(_ name: String) -> Int { SettingDefinition.milliseconds(self[name] ?? "0") }

  /// The session's time zone.
  public var zone: ClockZone {
    let name = self["timezone"] ?? ClockZone.utc.name
    return name == ClockZone.utc.name ? .utc : ClockZone.named(name) ?? .utc
  }

  /// The value of a list as SET gives it.
  private static func joined(_ name: String, _ words: [String]) throws(TallyError) -> String {
    let kind = SettingDefinition.find(name)?.kind
    switch kind {
    case .names: return words.map(quoted).joined(separator: ", ")
    case .dateStyle: return words.joined(separator: ", ")
    default:
      guard words.count == 1 else { throw .sql("22023", "SET \(name) takes only one argument") }
      return words[0]
    }
  }
  private static func quoted(_ name: String) -> String {
    let isPlain =
      name.utf8.first.map { ($0 >= 0x61 && $0 <= 0x7a) || $0 == 0x5f } ?? false
      && name.utf8.allSatisfy { ($0 >= 0x61 && $0 <= 0x7a) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x5f }
    return isPlain ? name : "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }

  /// SET name TO words; nil is DEFAULT.
  public mutating func set(_ name: String, _ words: [String]?, isLocal: Bool) throws(TallyError) {
    try set(name, to: try words.map { words throws(TallyError) in try Self.joined(name, words) }, isLocal: isLocal)
  }
  /// Sets one text, as set_config does; nil is DEFAULT.
  public mutating func set(_ name: String, to value: String?, isLocal: Bool) throws(TallyError) {
    changes += 1
    let key = name.lowercased()
    let definition = SettingDefinition.table[key]
    guard definition != nil || Self.isCustom(key) else { throw Self.unknown(name) }
    if case .fixed = definition?.kind { throw .sql("55P02", "parameter \"\(definition?.name ?? name)\" cannot be changed") }
    var fresh = value ?? initial[key]
    if let value, let definition { fresh = try definition.canonical(value) }
    let isMode = Self.perTransaction.contains(key)
    if isMode, let fresh { try checkMode(key, fresh) }
    if isLocal || isMode {
      // Outside of a transaction it would be over at once.
      guard !snapshots.isEmpty else { return }
      if sessionValues[key] == nil { sessionValues[key] = .some(values[key]) }
    } else {
      sessionValues[key] = nil
    }
    values[key] = fresh
  }
  /// Whether a mode of the transaction under way may still become this; 25001 as PostgreSQL words it.
  private func checkMode(_ key: String, _ fresh: String) throws(TallyError) {
    let isNested = savepoints > 0
    guard isNested || hasQueried else { return }
    switch key {
    case "transaction_read_only":
      guard fresh == "off", self[key] == "on" else { return }
      throw .sql(
        "25001",
        isNested
          ? "cannot set transaction read-write mode inside a read-only transaction"
          : "transaction read-write mode must be set before any query"
      )
    case "transaction_isolation":
      guard fresh != self[key] else { return }
      let what = hasQueried ? "must be called before any query" : "must not be called in a subtransaction"
      throw .sql("25001", "SET TRANSACTION ISOLATION LEVEL \(what)")
    default:
      let what = isNested ? "cannot be called within a subtransaction" : "must be called before any query"
      throw .sql("25001", "SET TRANSACTION [NOT] DEFERRABLE \(what)")
    }
  }
  /// RESET ALL: the transaction's modes stay.
  public mutating func resetAll() {
    changes += 1
    values = values.filter { Self.perTransaction.contains($0.key) }
    sessionValues = sessionValues.filter { Self.perTransaction.contains($0.key) }
  }
  /// What the server itself says of the session.
  mutating func fix(_ name: String, _ value: String) {
    changes += 1
    initial[name.lowercased()] = value
  }
  /// A value that came with the startup packet.
  mutating func start(_ name: String, _ value: String) throws(TallyError) {
    try set(name, to: value, isLocal: false)
    initial[name.lowercased()] = values.removeValue(forKey: name.lowercased())
  }

  // MARK: Transactions

  /// Whether changes can still be undone.
  var isOpen: Bool { !snapshots.isEmpty }
  mutating func begin() {
    snapshots = [Snapshot(savepoint: nil, values: values, sessionValues: sessionValues)]
    (changesBefore, hasQueried) = (changes, false)
  }
  /// Notes that the transaction has looked at data.
  mutating func noteQuery() { hasQueried = true }
  mutating func commit() {
    // Defaults of modes that were set within it count from now on.
    if changes != changesBefore { changes += 1 }
    for (name, value) in sessionValues { values[name] = value }
    sessionValues = [:]
    snapshots = []
  }
  mutating func rollBack() {
    changes += 1
    if let first = snapshots.first { values = first.values }
    sessionValues = [:]
    snapshots = []
  }
  mutating func savepoint(_ name: String) {
    snapshots.append(Snapshot(savepoint: name, values: values, sessionValues: sessionValues))
  }
  /// False when there is no such savepoint.
  mutating func release(_ name: String) -> Bool {
    guard let at = snapshots.lastIndex(where: { $0.savepoint == name }) else { return false }
    // PostgreSQL's subtransactions give this one mode back when they end, however they do.
    let mode = "transaction_read_only"
    if values[mode] != snapshots[at].values[mode] {
      changes += 1
      values[mode] = snapshots[at].values[mode]
    }
    snapshots.removeSubrange(at...)
    return true
  }
  /// False when there is no such savepoint; it stays.
  mutating func rollBack(to name: String) -> Bool {
    guard let at = snapshots.lastIndex(where: { $0.savepoint == name }) else { return false }
    changes += 1
    values = snapshots[at].values
    sessionValues = snapshots[at].sessionValues
    snapshots.removeSubrange((at + 1)...)
    return true
  }
  /// Number of savepoints.
  var savepoints: Int { max(0, snapshots.count - 1) }
  /// The number of a savepoint, counted from 1; nil when there is none of this name.
  func number(ofSavepoint name: String) -> Int? { snapshots.lastIndex { $0.savepoint == name } }
}
