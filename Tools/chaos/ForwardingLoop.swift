// ForwardingLoop.swift — the thread of the forwarders: accepts, connects, copies, holds back what the rules hold back.
import Glibc
import Wire

/// A node and the socket that others connect to.
final class ListeningNode {
  let node: ForwardedNode
  var listener: Int32?
  init(_ node: ForwardedNode, _ listener: Int32) {
    self.node = node
    self.listener = listener
  }
}

/// Bytes on their way in one direction of a connection.
private struct Passage {
  var queue: [(due: ContinuousClock.Instant, bytes: [UInt8])] = []
  var sentOfFirst = 0
  var queuedBytes = 0
  /// The sender has closed; when the queue is empty the receiver is told.
  var isEnded = false
  var isEndPassed = false

  mutating func take(_ bytes: [UInt8], due: ContinuousClock.Instant) {
    queue.append((due, bytes))
    queuedBytes += bytes.count
  }
  func nextDue(_ now: ContinuousClock.Instant) -> Bool { queue.first.map { $0.due <= now } ?? false }
}

/// A connection and its other half to the node.
private final class ForwardedConnection {
  let target: ListeningNode
  let near: Int32
  let far: Int32
  /// Who opened it, once its hello was read.
  var opener: String?
  private var assembler: FrameAssembler? = FrameAssembler()
  var inward = Passage()
  var outward = Passage()
  var isBroken = false

  init(_ target: ListeningNode, near: Int32, far: Int32) {
    self.target = target
    self.near = near
    self.far = far
  }
  var inwardLink: Link { Link(from: opener ?? Forwarders.client, to: target.node.name) }
  var outwardLink: Link { Link(from: target.node.name, to: opener ?? Forwarders.client) }
  var isOver: Bool { isBroken || (inward.isEndPassed && outward.isEndPassed) }

  /// Reads the hello out of the first bytes; what is no hello counts as a client's.
  func identify(_ bytes: [UInt8]) {
    guard opener == nil, var reading = assembler else { return }
    reading.push(bytes)
    do {
      guard let frame = try reading.next() else {
        assembler = reading
        return
      }
      let identity = try HelloFormat.decodeHello(frame.head).identity
      opener = identity.role == .client ? Forwarders.client : identity.name
    } catch { opener = Forwarders.client }
    assembler = nil
  }
}

/// Carries all connections of the forwarders.
final class ForwardingLoop: @unchecked Sendable {  // Confined to the thread that runs it.
  private let nodes: [ListeningNode]
  private let wake: Int32
  private var connections: [ForwardedConnection] = []
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)
  /// Bytes that may wait in one direction of a connection.
  private static let queuedBytesMax = 1 << 20

  init(_ nodes: [ListeningNode], wake: Int32) {
    self.nodes = nodes
    self.wake = wake
  }

  /// Runs until the rules say that it ends.
  func run(_ rules: () -> Forwarders.Rules) {
    while true {
      let rules = rules()
      if rules.isEnding { break }
      apply(rules)
      var polled = [pollfd(fd: wake, events: Int16(POLLIN), revents: 0)]
      var listeners: [(at: Int, node: ListeningNode)] = []
      for node in nodes {
        guard let listener = node.listener else { continue }
        listeners.append((polled.count, node))
        polled.append(pollfd(fd: listener, events: Int16(POLLIN), revents: 0))
      }
      let now = ContinuousClock.now
      let first = polled.count
      for connection in connections {
        polled.append(
          interest(
            connection.near,
            reads: connection.inward,
            connection.inwardLink,
            writes: connection.outward,
            connection.outwardLink,
            rules,
            now
          )
        )
        polled.append(
          interest(
            connection.far,
            reads: connection.outward,
            connection.outwardLink,
            writes: connection.inward,
            connection.inwardLink,
            rules,
            now
          )
        )
      }
      let isHolding = connections.contains { !$0.inward.queue.isEmpty || !$0.outward.queue.isEmpty }
      poll(&polled, UInt(polled.count), isHolding ? 3 : 1000)
      if polled[0].revents != 0 { while read(wake, &buffer, buffer.count) > 0 {} }
      let later = ContinuousClock.now
      for (at, connection) in connections.enumerated() {
        move(connection, near: polled[first + 2 * at].revents, far: polled[first + 2 * at + 1].revents, rules, later)
      }
      for (at, node) in listeners where polled[at].revents != 0 { accept(node) }
      connections.removeAll { connection in
        guard connection.isOver else { return false }
        end(connection)
        return true
      }
    }
    for connection in connections { end(connection) }
    for node in nodes { if let listener = node.listener { close(listener) } }
  }

  private func apply(_ rules: Forwarders.Rules) {
    for node in nodes {
      if rules.down.contains(node.node.name) {
        if let listener = node.listener { close(listener) }
        node.listener = nil
      } else if node.listener == nil {
        // The port is ours; should it fail once, the next round tries again.
        do { node.listener = try Socket.listen(node.node.port) } catch { tell("forwarder of \(node.node.name): \(error)") }
      }
    }
    for connection in connections where rules.resets.contains(connection.inwardLink) || rules.resets.contains(connection.outwardLink) {
      connection.isBroken = true
    }
  }
  private func accept(_ node: ListeningNode) {
    guard let listener = node.listener else { return }
    while let near = Socket.accept(listener) {
      do {
        guard let far = try Socket.connect(node.node.target) else {
          Socket.reset(near)
          continue
        }
        connections.append(ForwardedConnection(node, near: near, far: far))
      } catch {
        tell("forwarder of \(node.node.name): \(error)")
        Socket.reset(near)
      }
    }
  }
  private func interest(
    _ descriptor: Int32,
    reads: Passage,
    _ readLink: Link,
    writes: Passage,
    _ writeLink: Link,
    _ rules: Forwarders.Rules,
    _ now: ContinuousClock.Instant
  ) -> pollfd {
    var events: Int32 = 0
    if !reads.isEnded && !rules.cut.contains(readLink) && reads.queuedBytes < Self.queuedBytesMax { events |= POLLIN }
    if writes.nextDue(now) && !rules.cut.contains(writeLink) { events |= POLLOUT }
    // With nothing to wait for it is left out: a hang-up behind a cut link must not be seen, nor wake the loop.
    return pollfd(fd: events == 0 ? -1 : descriptor, events: Int16(events), revents: 0)
  }

  private func move(
    _ connection: ForwardedConnection,
    near: Int16,
    far: Int16,
    _ rules: Forwarders.Rules,
    _ now: ContinuousClock.Instant
  ) {
    let (inward, outward) = (connection.inwardLink, connection.outwardLink)
    let failed = Int16(POLLERR | POLLHUP)
    if near & Int16(POLLIN) != 0 {
      receive(from: connection.near, &connection.inward, rules.delay[inward], now, connection) { connection.identify($0) }
    } else if near & failed != 0 {
      connection.isBroken = true
    }
    if far & Int16(POLLIN) != 0 {
      receive(from: connection.far, &connection.outward, rules.delay[outward], now, connection) { _ in }
    } else if far & failed != 0 {
      connection.isBroken = true
    }
    // The opener may just have become known: nothing passes a cut link.
    if !rules.cut.contains(connection.inwardLink) { send(to: connection.far, &connection.inward, now, connection) }
    if !rules.cut.contains(connection.outwardLink) { send(to: connection.near, &connection.outward, now, connection) }
  }
  private func receive(
    from descriptor: Int32,
    _ passage: inout Passage,
    _ delay: Duration?,
    _ now: ContinuousClock.Instant,
    _ connection: ForwardedConnection,
    _ look: ([UInt8]) -> Void
  ) {
    let count = read(descriptor, &buffer, buffer.count)
    if count > 0 {
      let bytes = Array(buffer[..<count])
      look(bytes)
      passage.take(bytes, due: now + (delay ?? .zero))
    } else if count == 0 {
      passage.isEnded = true
    } else if errno != EAGAIN && errno != EINTR {
      connection.isBroken = true
    }
  }
  private func send(to descriptor: Int32, _ passage: inout Passage, _ now: ContinuousClock.Instant, _ connection: ForwardedConnection) {
    while !connection.isBroken, let first = passage.queue.first, first.due <= now {
      let offset = passage.sentOfFirst
      let count = first.bytes.withUnsafeBytes { raw in
        Glibc.send(descriptor, raw.baseAddress.map { $0 + offset }, raw.count - offset, Int32(MSG_NOSIGNAL))
      }
      if count < 0 {
        // ENOTCONN: the connection to the node is still being made.
        if errno != EAGAIN && errno != EINTR && errno != ENOTCONN { connection.isBroken = true }
        return
      }
      passage.sentOfFirst += count
      passage.queuedBytes -= count
      if passage.sentOfFirst == first.bytes.count {
        passage.queue.removeFirst()
        passage.sentOfFirst = 0
      }
    }
    if passage.isEnded && passage.queue.isEmpty && !passage.isEndPassed {
      shutdown(descriptor, Int32(SHUT_WR))
      passage.isEndPassed = true
    }
  }
  private func end(_ connection: ForwardedConnection) {
    if connection.isBroken {
      Socket.reset(connection.near)
      Socket.reset(connection.far)
    } else {
      close(connection.near)
      close(connection.far)
    }
  }
}
