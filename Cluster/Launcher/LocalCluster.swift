// LocalCluster.swift — starts, kills and restarts the real processes of a local cluster.
//
// The daemons are found beside the running program (or in TALLY_BIN). A started node is waited for by its ready line.
internal import Foundation
internal import Glibc

/// A cluster of processes on this machine.
public struct LocalCluster: Sendable {
  /// Its shape.
  public let layout: ClusterLayout
  /// Directory of the daemons.
  private let binaries: String

  /// Opens the cluster of a layout; starts nothing.
  public init(_ layout: ClusterLayout) {
    self.layout = layout
    binaries = Self.binaryDirectory()
  }
  /// Opens the cluster made in a directory.
  public init(directory: String) throws { self.init(try ClusterLayout.load(from: directory)) }

  private static func binaryDirectory() -> String {
    if let given = ProcessInfo.processInfo.environment["TALLY_BIN"], !given.isEmpty { return given }
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    let path = count > 0 ? String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : ""
    return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
  }

  /// Makes the cluster (or takes up the one there is) and starts every node that does not run; returns when all are ready.
  public func up(timeout: Double = 60) throws {
    if ClusterLayout.exists(in: layout.directory) {
      let old = try ClusterLayout.load(from: layout.directory)
      guard old.nodes == layout.nodes, old.settings == layout.settings else {
        throw LaunchFailure(
          "\(layout.directory) holds a cluster of another shape (\(old.nodes.count { !$0.isCoordinator }) workers, \(old.url)); "
            + "give the same numbers or destroy it first"
        )
      }
    } else {
      if let found = FileManager.default.enumerator(atPath: layout.directory)?.nextObject() {
        throw LaunchFailure("\(layout.directory) is not empty (\(found)) and holds no cluster.conf")
      }
      try layout.save()
    }
    let starting = try layout.nodes.filter { processID($0) == nil }.map { ($0, try start($0)) }
    for (node, mark) in starting { try waitReady(node, after: mark, timeout: timeout) }
  }
  /// Starts one node and waits until it is ready.
  public func start(_ name: String, timeout: Double = 60) throws {
    let node = try layout.node(name)
    if processID(node) != nil { throw LaunchFailure("\(name) runs already") }
    try waitReady(node, after: try start(node), timeout: timeout)
  }
  /// Kills one node with SIGKILL.
  public func kill(_ name: String) throws {
    let node = try layout.node(name)
    guard let pid = processID(node) else { throw LaunchFailure("\(name) does not run") }
    Glibc.kill(pid, SIGKILL)
    try waitGone(node, timeout: 10)
  }
  /// Stops one node if it runs, then starts it.
  public func restart(_ name: String, timeout: Double = 60) throws {
    let node = try layout.node(name)
    try stop(node, timeout: timeout)
    try start(name, timeout: timeout)
  }
  /// Stops all nodes; the data stay.
  public func down(timeout: Double = 60) throws {
    for node in layout.nodes.reversed() { try stop(node, timeout: timeout) }
  }
  /// Stops all nodes and removes the directory.
  public func destroy() throws {
    for node in layout.nodes.reversed() {
      if let pid = processID(node) {
        Glibc.kill(pid, SIGKILL)
        try waitGone(node, timeout: 10)
      }
    }
    try FileManager.default.removeItem(atPath: layout.directory)
  }
  /// Process id of a running node; one that is about to end still runs, because it holds its files until it has ended.
  public func processID(_ node: LocalNode) -> Int32? {
    guard let text = FileManager.default.contents(atPath: layout.pidFile(node)).map({ String(decoding: $0, as: UTF8.self) }),
      let pid = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)),
      // A number may have been given to another process since: its command line tells.
      let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline").map({ String(decoding: $0, as: UTF8.self) })
    else { return nil }
    // A killed child of ours stays a zombie until it is waited for, and that only succeeds once its last thread has let go of its files.
    var status: Int32 = 0
    let waited = waitpid(pid, &status, WNOHANG)
    if waited == pid {
      note(exit: status, of: node)
      return nil
    }
    // A process has no command line for a moment when it begins and when it ends; a zombie that others wait for has none.
    if line.isEmpty { return waited == 0 || !isZombie(pid) ? pid : nil }
    return line.contains("tally-") && line.split(separator: "\0").contains(Substring(node.name)) ? pid : nil
  }
  private func isZombie(_ pid: Int32) -> Bool {
    guard let text = FileManager.default.contents(atPath: "/proc/\(pid)/stat").map({ String(decoding: $0, as: UTF8.self) }),
      let end = text.lastIndex(of: ")")
    else { return true }
    guard text[end...].dropFirst(2).first.map({ $0 == "Z" || $0 == "X" }) ?? true else { return false }
    // Its first thread may be dead while others still hold its files.
    do { return try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task").count <= 1 } catch { return true }
  }
  /// Sends a signal to a running node.
  public func signal(_ name: String, _ signal: Int32) throws {
    guard let pid = processID(try layout.node(name)) else { throw LaunchFailure("\(name) does not run") }
    Glibc.kill(pid, signal)
  }

  func stop(_ node: LocalNode, timeout: Double) throws {
    guard let pid = processID(node) else { return }
    Glibc.kill(pid, SIGTERM)
    do { try waitGone(node, timeout: timeout) } catch {
      Glibc.kill(pid, SIGKILL)
      try waitGone(node, timeout: 10)
    }
  }

  /// Starts a node's process; gives the size of its log before, where its ready line will be looked for.
  func start(_ node: LocalNode) throws -> UInt64 {
    let program = binaries + (node.isCoordinator ? "/tally-coordinator" : "/tally-worker")
    guard FileManager.default.isExecutableFile(atPath: program) else {
      throw LaunchFailure("\(program) is not there: build it, or set TALLY_BIN to the directory of the daemons")
    }
    var arguments = [
      program, "--name", node.name, "--data", layout.dataDirectory(node), "--listen", node.address,
    ]
    let coordinators = layout.nodes.filter(\.isCoordinator)
    if node.isCoordinator {
      if coordinators.count > 1 {
        arguments += ["--peers", coordinators.map { "\($0.name)=\(layout.reachedAt($0))" }.joined(separator: ",")]
      }
      if let port = layout.sqlPort(node) { arguments += ["--sql-listen", "127.0.0.1:\(port)"] }
      if let copies = layout.settings["copies"] { arguments += ["--copies", copies] }
      if let seconds = layout.settings["dead-after"] { arguments += ["--dead-after", seconds] }
    } else {
      arguments += ["--coordinators", layout.coordinatorAddresses]
      if layout.reachedAt(node) != node.address { arguments += ["--advertise", layout.reachedAt(node)] }
      if let memory = layout.settings["memory"] { arguments += ["--memory", memory] }
    }
    if !FileManager.default.fileExists(atPath: layout.dataDirectory(node) + "/IDENTITY") { arguments += ["--init"] }
    let log = layout.logFile(node)
    let mark = FileHandle(forReadingAtPath: log).map { $0.seekToEndOfFile() } ?? 0
    let pid = try Self.spawn(arguments, log: log)
    try "\(pid)\n".write(toFile: layout.pidFile(node), atomically: true, encoding: .utf8)
    return mark
  }

  private static func spawn(_ arguments: [String], log: String) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    // A daemon outlives whoever starts it and must hold none of its descriptors: a parent may wait for one of them to be closed.
    for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
      if let descriptor = Int32(name), descriptor > 2 { posix_spawn_file_actions_addclose(&actions, descriptor) }
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Threads of Swift's pool block signals, and a child inherits that of the thread that starts it: SIGTERM would not reach it.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    // A session of its own: the terminal's Ctrl-C ends the command, not the cluster.
    posix_spawnattr_setflags(&attributes, 0x80 | 0x08)  // POSIX_SPAWN_SETSID, hidden by Glibc's module, and POSIX_SPAWN_SETSIGMASK
    var vector = arguments.map { strdup($0) } + [nil]
    defer { for pointer in vector { free(pointer) } }
    var pid: pid_t = 0
    let status = posix_spawn(&pid, arguments[0], &actions, &attributes, &vector, environ)
    guard status == 0 else { throw LaunchFailure("cannot start \(arguments[0]): \(String(cString: strerror(status)))") }
    return pid
  }

  func waitReady(_ node: LocalNode, after mark: UInt64, timeout: Double) throws {
    let end = Date().addingTimeInterval(timeout)
    while Date() < end {
      let text = tail(layout.logFile(node), from: mark)
      if text.contains("event=ready ") { return }
      if processID(node) == nil {
        throw LaunchFailure("\(node.name) ended while starting; the end of \(layout.logFile(node)):\n" + lastLines(text, 8))
      }
      usleep(10_000)
    }
    throw LaunchFailure("\(node.name) is not ready after \(Int(timeout)) s; see \(layout.logFile(node))")
  }
  func waitGone(_ node: LocalNode, timeout: Double) throws {
    let end = Date().addingTimeInterval(timeout)
    while processID(node) != nil {
      if Date() > end { throw LaunchFailure("\(node.name) still runs after \(Int(timeout)) s") }
      usleep(5_000)
    }
  }
  func tail(_ path: String, from mark: UInt64) -> String {
    guard let file = FileHandle(forReadingAtPath: path) else { return "" }
    defer { file.closeFile() }
    file.seek(toFileOffset: mark)
    return String(decoding: file.readDataToEndOfFile(), as: UTF8.self)
  }
  func lastLines(_ text: String, _ count: Int) -> String {
    text.split(separator: "\n").suffix(count).map { "  " + $0 }.joined(separator: "\n")
  }
}
