// SimulatedFabric.swift — the wires between simulated hosts: delays, cuts, and what travels on them.
//
// Everything that crosses a link arrives after a delay drawn from the link's own stream, in order within a connection and
// in any order across connections. A cut link keeps what would arrive and delivers it after it is healed (as TCP would
// by retransmission): bytes are never lost on a living connection, only late. Links are directed. Loss, duplication and reordering of
// packets do not exist here: TCP hides them, as delay or as the end of a connection.
internal import Bytes
internal import Capabilities

/// The way from one host to another. Confined to the simulation's thread.
final class SimulatedLink {
  fileprivate let random: SeededGenerator
  fileprivate var delay: ClosedRange<UInt64>
  fileprivate var isCut = false
  fileprivate var held: [(SimulatedEndpoint?, () -> Void)] = []
  fileprivate init(_ random: SeededGenerator) {
    self.random = random
    let base = random.next(in: 20_000...500_000)
    delay = base...base * 3
  }
}

/// All hosts' links and listening sockets.
public final class SimulatedFabric: @unchecked Sendable {
  // Safe: touched by the simulation's thread only.
  private struct Pair: Hashable {
    var from: String
    var to: String
  }
  let executor: SimulatedExecutor
  let random: SeededGenerator
  private var links: [Pair: SimulatedLink] = [:]
  private var listeners: [NetworkAddress: SimulatedListenSocket] = [:]
  private var endpoints: [UInt64: SimulatedEndpoint] = [:]
  private var down: Set<String> = []
  private var nextEndpoint: UInt64 = 0
  private var nextPort: UInt16 = 40_000

  init(_ executor: SimulatedExecutor, _ random: SeededGenerator) {
    self.executor = executor
    self.random = random
  }

  // MARK: Faults

  /// Cuts the link in one direction.
  public func cut(from: String, to: String) { link(from, to).isCut = true }
  /// Cuts all links between hosts of different groups, both ways.
  public func partition(_ groups: [[String]]) {
    for (index, group) in groups.enumerated() {
      for other in groups[(index + 1)...] {
        for a in group {
          for b in other {
            cut(from: a, to: b)
            cut(from: b, to: a)
          }
        }
      }
    }
  }
  /// Mends a link in one direction; what it held arrives.
  public func heal(from: String, to: String) {
    let link = self.link(from, to)
    link.isCut = false
    let held = link.held
    link.held = []
    for (endpoint, action) in held { carry(from, to, bytes: 0, endpoint, action) }
  }
  /// Mends all links.
  public func heal() {
    for pair in links.keys.sorted(by: { ($0.from, $0.to) < ($1.from, $1.to) }) {
      heal(from: pair.from, to: pair.to)
    }
  }
  /// Sets a link's delay in nanoseconds, to make it slow.
  public func setDelay(from: String, to: String, nanoseconds: ClosedRange<UInt64>) {
    link(from, to).delay = nanoseconds
  }
  /// Resets all connections between two hosts.
  public func reset(_ a: String, _ b: String) {
    for endpoint in living
    where (endpoint.host, endpoint.peerHost) == (a, b)
      || (endpoint.host, endpoint.peerHost) == (b, a)
    {
      endpoint.fail("the connection was reset")
    }
  }

  /// The present connections between two hosts carry nothing any more, and neither end hears of it; new ones work.
  public func stall(_ a: String, _ b: String) {
    for endpoint in living where [endpoint.host, endpoint.peerHost] == [a, b] || [endpoint.host, endpoint.peerHost] == [b, a] {
      endpoint.stall()
    }
  }
  /// A link's delay in nanoseconds.
  public func delay(from: String, to: String) -> ClosedRange<UInt64> { link(from, to).delay }

  // MARK: Hosts

  private var living: [SimulatedEndpoint] { endpoints.keys.sorted().compactMap { endpoints[$0] } }

  /// Ends all sockets of a host. Peers see a reset soon; or nothing, when the machine lost its power.
  func crash(_ host: String, losingPower: Bool) {
    if losingPower { down.insert(host) }
    for address in listeners.keys.sorted() where address.host == host {
      listeners[address]?.close()
    }
    for endpoint in living where endpoint.host == host { endpoint.crash(silently: losingPower) }
  }
  /// The machine answers again.
  func powerUp(_ host: String) { down.remove(host) }
  func isDown(_ host: String) -> Bool { down.contains(host) }

  // MARK: Sockets

  func bind(_ socket: SimulatedListenSocket, to address: NetworkAddress) throws -> NetworkAddress {
    var address = address
    if address.port == 0 { address.port = takePort() }
    if listeners[address] != nil {
      throw NetworkFailure(.addressUnavailable, "\(address) is taken")
    }
    listeners[address] = socket
    return address
  }
  func unbind(_ address: NetworkAddress) { listeners[address] = nil }
  func listener(at address: NetworkAddress) -> SimulatedListenSocket? { listeners[address] }
  func takePort() -> UInt16 {
    nextPort = nextPort == .max ? 40_000 : nextPort + 1
    return nextPort
  }
  func adopt(_ endpoint: SimulatedEndpoint) -> UInt64 {
    nextEndpoint += 1
    endpoints[nextEndpoint] = endpoint
    return nextEndpoint
  }
  func disown(_ endpoint: SimulatedEndpoint) { endpoints[endpoint.id] = nil }

  private func link(_ from: String, _ to: String) -> SimulatedLink {
    let pair = Pair(from: from, to: to)
    if let link = links[pair] { return link }
    let link = SimulatedLink(random.fork("link \(from) \(to)"))
    links[pair] = link
    return link
  }
  /// Calls `action` when something sent now arrives; in order with what else `endpoint` sends.
  func carry(
    _ from: String,
    _ to: String,
    bytes: Int,
    _ endpoint: SimulatedEndpoint?,
    _ action: @escaping () -> Void
  ) {
    // An end sends to its peer only: it keeps the link, whose name is long to look up.
    let link = endpoint?.way ?? self.link(from, to)
    endpoint?.way = link
    var delay = link.random.next(in: link.delay) + UInt64(bytes) / 2  // 2 GB/s
    if let endpoint {
      let arrival = max(executor.now + delay, endpoint.lastArrival + 1)
      endpoint.lastArrival = arrival
      delay = arrival - executor.now
    }
    executor.schedule(after: delay) { [self] in
      if link.isCut { return link.held.append((endpoint, action)) }
      executor.note("message", UInt64(bytes), endpoint?.id ?? 0)
      action()
    }
  }
}
