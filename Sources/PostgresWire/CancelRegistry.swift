// CancelRegistry.swift — which connection a cancel key belongs to.
//
// The process number that clients are told: bit 31 clear, 11 bits coordinator, 20 bits connection. So any coordinator that a
// cancel request reaches knows where to send it.

internal import Capabilities
internal import Synchronization

/// Keys of open connections.
final class CancelRegistry: Sendable {
  /// Bits of a process number that count connections.
  static let connectionBits: UInt32 = 20
  /// Coordinators are numbered below this.
  static let coordinatorsMax: UInt32 = 1 << (31 - connectionBits)

  private struct Entry {
    var secret: [UInt8]
    var statement: RunningStatement
  }
  private struct State {
    var entries: [UInt32: Entry] = [:]
    var last: UInt32 = 0
  }
  private let state: Mutex<State>
  private let coordinator: UInt32

  /// `last` is the connection that was numbered last.
  init(coordinator: UInt32, last: UInt32 = 0) {
    self.coordinator = coordinator
    state = Mutex(State(last: last))
  }

  /// The coordinator that a process number names.
  static func coordinator(of process: UInt32) -> UInt32 { process >> connectionBits }
  func isOwn(_ key: CancelKey) -> Bool { Self.coordinator(of: key.process) == coordinator }

  /// A new key for a connection; a client of protocol 3.0 can take 4 bytes of secret, of 3.2 more.
  func register(_ statement: RunningStatement, secretBytes: Int, _ random: any Random) -> CancelKey {
    let secret = randomBytes(secretBytes, random)
    return state.withLock { state in
      var number: UInt32
      repeat {
        // Fewer connections are open than there are numbers, so one is free.
        state.last = (state.last &+ 1) & ((1 << Self.connectionBits) - 1)
        number = coordinator << Self.connectionBits | state.last
      } while state.last == 0 || state.entries[number] != nil
      state.entries[number] = Entry(secret: secret, statement: statement)
      return CancelKey(process: number, secret: secret)
    }
  }
  func forget(_ key: CancelKey) { state.withLock { $0.entries[key.process] = nil } }
  /// Ends the statement of the connection with this key, if there is one; false when no connection has it.
  func cancel(_ key: CancelKey) -> Bool {
    guard let entry = state.withLock({ $0.entries[key.process] }), Digest.isEqual(entry.secret, key.secret) else { return false }
    entry.statement.stop(.request)
    return true
  }
}

/// Random bytes from a capability.
func randomBytes(_ count: Int, _ random: any Random) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count + 8)
  while bytes.count < count {
    withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) }
  }
  bytes.removeLast(bytes.count - count)
  return bytes
}
