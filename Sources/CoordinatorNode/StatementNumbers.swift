// StatementNumbers.swift — numbers of sequences inside of one statement: those it may use, those it used, and what setval shall set.
//
// Functions of the coordinator are evaluated at once, and numbers come from the catalog's log: so a statement that finds none left fails
// with what it lacks, is given more, and evaluates again from where it was begun, with the same numbers first
// (`Coordinator.withNumbers`).
import Model
import Synchronization

/// What currval and lastval tell a session.
public final class SessionNumbers: Sendable {
  struct State {
    var last: [TableID: Int64] = [:]
    var latest: TableID?
  }
  let state = Mutex(State())
  /// No number was taken yet.
  public init() {}
  /// DISCARD SEQUENCES.
  public func forget() { state.withLock { $0 = State() } }
}

/// The numbers of one statement.
final class StatementNumbers: Sendable {
  /// `setval`.
  struct Setting: Sendable, Equatable {
    var sequence: TableID
    var value: Int64
    var isTaken: Bool
  }
  /// Where an evaluation begins.
  struct Mark: Sendable {
    fileprivate var used: [TableID: Int]
    fileprivate var settings: Int
    fileprivate var latest: TableID?
  }
  private struct State {
    var taken: [TableID: [Int64]] = [:]
    var used: [TableID: Int] = [:]
    var latest: TableID?
    var lack: TableID?
    var settings: [Setting] = []
  }
  private let state = Mutex(State())

  /// nextval. Fails when there is no number left: `takeLack` tells.
  func next(_ sequence: TableID) throws(TallyError) -> Int64 {
    let number = state.withLock { state -> Int64? in
      let at = state.used[sequence] ?? 0
      guard let numbers = state.taken[sequence], at < numbers.count else {
        state.lack = sequence
        return nil
      }
      state.used[sequence] = at + 1
      state.latest = sequence
      return numbers[at]
    }
    guard let number else { throw .sql("0A000", "nextval is not supported here") }
    return number
  }
  /// setval.
  func set(_ sequence: TableID, _ value: Int64, isTaken: Bool) {
    state.withLock { $0.settings.append(Setting(sequence: sequence, value: value, isTaken: isTaken)) }
  }
  /// The last number of a sequence, or of any, in this statement.
  func last(_ sequence: TableID?) -> (TableID, Int64)? {
    state.withLock { state in
      guard let id = sequence ?? state.latest else { return nil }
      if let set = state.settings.last(where: { $0.sequence == id && $0.isTaken }) { return (id, set.value) }
      guard let used = state.used[id], used > 0, let numbers = state.taken[id] else { return nil }
      return (id, numbers[used - 1])
    }
  }

  var mark: Mark { state.withLock { Mark(used: $0.used, settings: $0.settings.count, latest: $0.latest) } }
  /// Begins again.
  func reset(to mark: Mark) {
    state.withLock { state in
      (state.used, state.latest, state.lack) = (mark.used, mark.latest, nil)
      state.settings.removeLast(state.settings.count - mark.settings)
    }
  }
  /// The sequence whose numbers were not enough, and how many it has had.
  func takeLack() -> (TableID, had: Int)? {
    state.withLock { state in
      defer { state.lack = nil }
      return state.lack.map { ($0, state.taken[$0]?.count ?? 0) }
    }
  }
  /// An evaluation has succeeded and will not be repeated: of what it used only the last is kept, for currval.
  func forgetUsed() {
    state.withLock { state in
      for (id, used) in state.used where used > 1 {
        state.taken[id]?.removeFirst(used - 1)
        state.used[id] = 1
      }
    }
  }
  func add(_ numbers: [Int64], of sequence: TableID) { state.withLock { $0.taken[sequence, default: []] += numbers } }
  /// Ends the statement: numbers that nobody saw, and what setval said.
  func settle(into session: SessionNumbers) -> (unused: [TableID: [Int64]], settings: [Setting]) {
    let ended = state.withLock { state in
      defer { state = State() }
      return state
    }
    var unused: [TableID: [Int64]] = [:]
    var last: [TableID: Int64] = [:]
    for (id, numbers) in ended.taken {
      let used = ended.used[id] ?? 0
      if used < numbers.count { unused[id] = Array(numbers[used...]) }
      if used > 0 { last[id] = numbers[used - 1] }
    }
    for setting in ended.settings where setting.isTaken { last[setting.sequence] = setting.value }
    session.state.withLock { state in
      state.last.merge(last) { $1 }
      state.latest = ended.latest ?? state.latest
    }
    return (unused, ended.settings)
  }
}
