// OpenSessions.swift — the sessions that this coordinator serves: what pg_stat_activity shows of them, and how one ends another.
//
// A session tells what it runs when a statement begins and ends; rows that are still being sent count as idle. Sessions of other
// coordinators are these coordinators' to show and to end.

internal import CoordinatorNode
internal import Model
internal import Synchronization

/// What of a session is to be ended.
public enum SessionPart: Sendable {
  /// The statement that it runs, if it runs one.
  case statement
  /// All of it.
  case whole
}

/// The open sessions of a coordinator.
final class OpenSessions: Sendable {
  private struct Entry {
    var fact: SessionFact
    var end: @Sendable (SessionPart) -> Void
  }
  private let state = Mutex<[UInt32: Entry]>([:])

  func open(_ client: ClientIdentity, _ fact: SessionFact) {
    state.withLock { $0[client.process] = Entry(fact: fact, end: client.end) }
  }
  func close(_ client: ClientIdentity) { state.withLock { $0[client.process] = nil } }
  /// Notes what a session does now.
  func update(_ client: ClientIdentity, _ change: (inout SessionFact) -> Void) {
    state.withLock { entries in
      if var entry = entries.removeValue(forKey: client.process) {
        change(&entry.fact)
        entries[client.process] = entry
      }
    }
  }
  /// All of them, by their numbers.
  var facts: [SessionFact] { state.withLock { $0.sorted { $0.key < $1.key }.map(\.value.fact) } }
  /// Ends a session or its statement, as another one asks; false when there is no such session.
  func end(_ process: Int32, _ part: SessionPart, for client: ClientIdentity) throws(TallyError) -> Bool {
    let process = UInt32(bitPattern: process)
    let entry = state.withLock { $0[process] }
    guard let entry else {
      guard CancelRegistry.coordinator(of: process) == CancelRegistry.coordinator(of: client.process) else {
        throw .sql("0A000", "ending a session of another coordinator is not supported", hint: "Connect to the coordinator that serves it.")
      }
      return false
    }
    entry.end(part)
    return true
  }
}
