// GroupPost.swift — carries letters between the coordinators: a box and a carrier for each member; what lies in a box goes in one envelope.
//
// Raft's letters may be lost: what does not fit, or cannot be delivered within a second, is thrown away. Addresses come from the members'
// list, and from the envelopes of members that the list does not have yet.
import Capabilities
import Consensus
import Model
import RPC
internal import Synchronization
import Wire

/// The mail of one coordinator.
final class GroupPost: Sendable {
  private struct State {
    var member = MemberID(0)
    var addresses: [MemberID: String] = [:]
    var boxes: [MemberID: BoundedQueue<RaftMessage>] = [:]
    var unattended: [MemberID] = []
    var isFinished = false
  }
  private let pool: ConnectionPool
  private let clock: any Clock
  private let log: any EventLog
  private let address: String
  private let state = Mutex(State())
  private let opened = BoundedQueue<Void>(capacity: 1)
  /// Letters that one box holds.
  static let boxCapacity = 1024
  static let deliveryTimeout = Duration.seconds(1)

  /// Mail from `address`, where this coordinator listens.
  init(_ pool: ConnectionPool, _ clock: any Clock, _ log: any EventLog, address: String) {
    self.pool = pool
    self.clock = clock
    self.log = log
    self.address = address
  }
  /// Who writes.
  var member: MemberID {
    get { state.withLock { $0.member } }
    set { state.withLock { $0.member = newValue } }
  }
  /// Notes where the members of the list are.
  func book(_ members: Members) {
    state.withLock { state in for member in members.all { state.addresses[member.id] = member.address } }
  }
  /// Notes where a member wrote from.
  func heard(_ from: MemberID, at address: String) { state.withLock { $0.addresses[from] = address } }

  /// Puts a letter into its box.
  func send(_ message: RaftMessage, to: MemberID) {
    let (box, isNew) = state.withLock { state -> (BoundedQueue<RaftMessage>?, Bool) in
      if state.isFinished { return (nil, false) }
      if let box = state.boxes[to] { return (box, false) }
      let box = BoundedQueue<RaftMessage>(capacity: Self.boxCapacity)
      state.boxes[to] = box
      state.unattended.append(to)
      return (box, true)
    }
    _ = box?.trySend(message)
    if isNew { _ = opened.trySend(()) }
  }
  /// Ends the mail.
  func finish() {
    let boxes = state.withLock { state -> [BoundedQueue<RaftMessage>] in
      state.isFinished = true
      return state.boxes.sorted { $0.key < $1.key }.map(\.value)
    }
    for box in boxes { box.finish() }
    opened.finish()
  }
  /// Carries until cancelled; `receive` takes in the letters that come back.
  func run(_ receive: @escaping @Sendable (RaftEnvelope) async throws -> Void) async {
    await withDiscardingTaskGroup { group in
      while true {
        let boxes = state.withLock { state -> [(MemberID, BoundedQueue<RaftMessage>)] in
          defer { state.unattended = [] }
          return state.unattended.compactMap { to in state.boxes[to].map { (to, $0) } }
        }
        for (to, box) in boxes { group.addTask { await self.carry(to, box, receive) } }
        // The end of the mail, or of the task.
        do { guard try await opened.receive() != nil else { break } } catch { break }
      }
      group.cancelAll()
    }
  }
  /// An envelope from here.
  func envelope(_ letters: [RaftMessage], to: MemberID) -> RaftEnvelope {
    RaftEnvelope(from: member, to: to, address: address, letters: letters)
  }
  private func carry(
    _ to: MemberID,
    _ box: BoundedQueue<RaftMessage>,
    _ receive: @Sendable (RaftEnvelope) async throws -> Void
  ) async {
    var isSilent = false
    while true {
      var letters: [RaftMessage] = []
      do {
        guard let first = try await box.receive() else { return }
        letters = [first]
        var weight = first.weight
        while box.count > 0, letters.count < RaftLimits.lettersMax, weight < RaftLimits.envelopeBytes, let next = try await box.receive() {
          letters.append(next)
          weight += next.weight
        }
      } catch { return }
      guard let target = state.withLock({ $0.addresses[to] }).flatMap({ NetworkAddress($0) }) else { continue }
      do {
        let reply = try await pool.call(.raft(envelope(letters, to: to)), to: target, deadline: clock.now + Self.deliveryTimeout)
        if case .raft(let answer) = reply { try await receive(answer) }
        isSilent = false
      } catch {
        if !isSilent { log.warning("coordinator-not-reached", ("address", target.description), ("reason", "\(error)")) }
        isSilent = true
      }
    }
  }
}
