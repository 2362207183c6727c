// Forwarders.swift — a TCP forwarder in front of every node: what goes from one node to another can be cut, delayed or reset.
//
// Nodes and clients are given the forwarders' addresses, so every byte between two of them passes here. Who opened a connection is read
// from its hello frame; a link is (who sends, who receives), so one direction can be cut alone. A cut link loses nothing: its bytes wait,
// and so does the end of a connection, as across a network that drops packets. While a node is down its forwarder listens as little as it.
// One thread with poll(2) carries everything; other threads only change the rules, under the lock.
import Foundation
import Glibc
import Synchronization

/// One direction between two of `coordinator-1`, `worker-1`, …, `client`.
struct Link: Hashable, Sendable {
  var from: String
  var to: String
}

/// A node behind a forwarder.
struct ForwardedNode: Sendable {
  var name: String
  /// Where others connect.
  var port: UInt16
  /// Where the node listens.
  var target: UInt16
}

/// The forwarders of a cluster.
final class Forwarders: Sendable {
  /// The name of every client.
  static let client = "client"

  struct Rules: Sendable {
    var cut: Set<Link> = []
    var delay: [Link: Duration] = [:]
    var down: Set<String> = []
    /// Connections to be reset: those that carry one of these links.
    var resets: Set<Link> = []
    var isEnding = false
  }
  private let rules = Mutex(Rules())
  private let wake: (read: Int32, write: Int32)
  private let ended = DispatchSemaphore(value: 0)

  /// Listens in front of the nodes.
  init(_ nodes: [ForwardedNode]) throws {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw SocketFailure("pipe") }
    for end in ends { Socket.prepare(end) }
    wake = (ends[0], ends[1])
    let loop = ForwardingLoop(try nodes.map { ListeningNode($0, try Socket.listen($0.port)) }, wake: ends[0])
    Thread.detachNewThread { [self] in
      loop.run {
        rules.withLock { rules in
          defer { rules.resets = [] }
          return rules
        }
      }
      ended.signal()
    }
  }
  /// Cuts links until `mend`.
  func cut(_ links: [Link]) { change { $0.cut.formUnion(links) } }
  /// Delays what goes over links until `mend`.
  func delay(_ links: [Link], by time: Duration) { change { for link in links { $0.delay[link] = time } } }
  /// Makes links whole again.
  func mend(_ links: [Link]) {
    change { rules in
      rules.cut.subtract(links)
      for link in links { rules.delay[link] = nil }
    }
  }
  /// Makes all links whole.
  func mendAll() {
    change { rules in
      rules.cut = []
      rules.delay = [:]
    }
  }
  /// Resets the connections that carry one of the links.
  func reset(_ links: [Link]) { change { $0.resets.formUnion(links) } }
  /// Says whether a node runs.
  func note(_ node: String, isUp: Bool) {
    change { rules in if isUp { rules.down.remove(node) } else { rules.down.insert(node) } }
  }
  /// Ends the forwarders; all connections are closed when it returns.
  func close() {
    change { $0.isEnding = true }
    ended.wait()
  }
  private func change(_ body: (inout Rules) -> Void) {
    rules.withLock { body(&$0) }
    var byte: UInt8 = 1
    // A full pipe wakes the loop as well.
    _ = write(wake.write, &byte, 1)
  }
}

/// What a system call on a socket failed with.
struct SocketFailure: Error, CustomStringConvertible {
  let description: String
  init(_ call: String) { description = "\(call): \(String(cString: strerror(errno)))" }
}

/// The few socket calls that are needed; all sockets are non-blocking and on 127.0.0.1.
enum Socket {
  private static func address(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }
  private static func make() throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw SocketFailure("socket") }
    prepare(descriptor)
    return descriptor
  }
  /// Non-blocking, and no child's.
  static func prepare(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }
  private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32) {
    var one: Int32 = 1
    setsockopt(descriptor, level, option, &one, socklen_t(MemoryLayout<Int32>.size))
  }
  static func listen(_ port: UInt16) throws -> Int32 {
    let descriptor = try make()
    set(descriptor, SOL_SOCKET, SO_REUSEADDR)
    var address = address(port)
    let isBound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) } == 0
    }
    guard isBound, Glibc.listen(descriptor, 128) == 0 else {
      let failure = SocketFailure("listening on port \(port)")
      close(descriptor)
      throw failure
    }
    return descriptor
  }
  /// True when somebody could listen on a port now.
  static func isFree(_ port: UInt16) -> Bool {
    do { close(try listen(port)) } catch { return false }
    return true
  }
  static func accept(_ listener: Int32) -> Int32? {
    let descriptor = Glibc.accept(listener, nil, nil)
    guard descriptor >= 0 else { return nil }
    prepare(descriptor)
    set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
    return descriptor
  }
  /// Begins to connect; nil when refused at once.
  static func connect(_ port: UInt16) throws -> Int32? {
    let descriptor = try make()
    set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
    var address = address(port)
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if status == 0 || errno == EINPROGRESS { return descriptor }
    close(descriptor)
    return nil
  }
  /// Closes so that the other end sees a reset.
  static func reset(_ descriptor: Int32) {
    var option = Glibc.linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<Glibc.linger>.size))
    close(descriptor)
  }
}
