// PostgresSocket.swift — PostgreSQL's protocol byte by byte, for tests that say what no client says and read what no client leaves.
import Foundation
import Launcher

/// A connection to a coordinator's SQL; closed with the last reference.
final class PostgresSocket {
  private let descriptor: Int32
  private var isOpen = true

  /// Connects and says nothing. Reading and writing give up after `patience` seconds.
  init(port: UInt16, patience: Int = 20) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw LaunchFailure("no socket: \(String(cString: strerror(errno)))") }
    var address = sockaddr_in()
    (address.sin_family, address.sin_port) = (sa_family_t(AF_INET), port.bigEndian)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    guard connected == 0 else {
      let reason = String(cString: strerror(errno))
      Glibc.close(descriptor)
      throw LaunchFailure("cannot connect to port \(port): \(reason)")
    }
    wait(upTo: patience)
  }
  deinit { close() }
  func close() {
    if isOpen { Glibc.close(descriptor) }
    isOpen = false
  }
  /// How long reading and writing wait, in seconds.
  func wait(upTo seconds: Int) {
    var time = timeval(tv_sec: seconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }
  }

  /// Sends bytes; how many were taken before the other side took no more.
  @discardableResult func send(_ bytes: [UInt8]) -> Int {
    var at = 0
    while at < bytes.count {
      let count = bytes[at...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard count > 0 else { break }
      at += count
    }
    return at
  }
  /// What has come, at most 64 KiB; nil when the other side has closed, empty when nothing came in time.
  func receive() -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = recv(descriptor, &bytes, bytes.count, 0)
    if count < 0, errno == EAGAIN || errno == EWOULDBLOCK { return [] }
    return count > 0 ? Array(bytes[..<count]) : nil
  }
  /// Everything until the other side closes, as a text; with its last words when it does not.
  func rest() -> String {
    var all: [UInt8] = []
    while true {
      guard let more = receive() else { return String(decoding: all, as: UTF8.self) }
      guard !more.isEmpty else { return "still open after: " + String(decoding: all.suffix(200), as: UTF8.self) }
      all += more
    }
  }
  /// Reads up to bytes that end a block; false when they do not come.
  @discardableResult func read(until end: [UInt8]) -> Bool {
    var last: [UInt8] = []
    while let more = receive(), !more.isEmpty {
      last = (last + more).suffix(max(end.count, more.count))
      if last.suffix(end.count).elementsEqual(end) { return true }
    }
    return false
  }

  static let ready: [UInt8] = [0x5a, 0, 0, 0, 5, 0x49]
  static var startup: [UInt8] {
    let body = Array("user\0app\0database\0tally\0\0".utf8)
    return number(body.count + 8) + number(196_608) + body
  }
  static func number(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
  static func message(_ type: Character, _ body: [UInt8] = []) -> [UInt8] { [type.asciiValue ?? 0] + number(body.count + 4) + body }
  static func query(_ sql: String) -> [UInt8] { message("Q", Array(sql.utf8) + [0]) }
  /// Parse and Bind of the unnamed statement and portal.
  static func open(_ sql: String) -> [UInt8] {
    message("P", [0] + Array(sql.utf8) + [0, 0, 0]) + message("B", [UInt8](repeating: 0, count: 8))
  }
  static func execute(rows: Int) -> [UInt8] { message("E", [0] + number(rows)) }

  /// Logs in; what the server said instead of that it is ready, or nil.
  func logIn() -> String? {
    send(Self.startup)
    var all: [UInt8] = []
    while let more = receive(), !more.isEmpty {
      all += more
      if all.suffix(6).elementsEqual(Self.ready) { return nil }
      // An error is the last that is said; the server waits a moment for its client to go.
      if all.first == 0x45 { break }
    }
    return String(decoding: all, as: UTF8.self)
  }
  /// Runs a query and returns all that came until the session was ready again.
  func ask(_ sql: String) -> String {
    send(Self.query(sql))
    var all: [UInt8] = []
    while let more = receive(), !more.isEmpty {
      all += more
      if all.suffix(6).elementsEqual(Self.ready) { break }
    }
    return String(decoding: all, as: UTF8.self)
  }
}

extension RunningCluster {
  /// A socket that is logged in.
  func client(_ coordinator: Int = 1) throws -> PostgresSocket {
    let socket = try PostgresSocket(port: sqlPort(coordinator))
    if let told = socket.logIn() { throw LaunchFailure("cannot log in: \(told)") }
    return socket
  }
  /// Memory of a node's process, in MiB.
  func residentMiB(_ name: String) throws -> Int {
    let processes = try self.processes
    guard let pid = processes.processID(try processes.layout.node(name)),
      let text = FileManager.default.contents(atPath: "/proc/\(pid)/status").map({ String(decoding: $0, as: UTF8.self) }),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
      let pages = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap({ Int($0) })
    else { throw LaunchFailure("no memory of \(name) is told") }
    return pages / 1024
  }
}
