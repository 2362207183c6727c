// ProcessorTime.swift — wall and processor time of a piece of work: of the servers, of this program and its children, of everybody else.
//
// A server's time is its process clock (nanoseconds, all threads); PostgreSQL's is read from /proc, because its backends come and
// go (ticks of 10 ms). What the whole machine was busy beyond that (/proc/stat) was taken by others and is reported with each figure.
import Foundation
import Glibc

/// What a piece of work took.
struct Span: Sendable {
  var seconds = 0.0
  var serverCPU = 0.0
  var clientCPU = 0.0
  /// Processors taken by others, on average.
  var others = 0.0
}

/// Measures pieces of work against a set of server processes.
struct Meter {
  /// Processor seconds of the servers up to now.
  let servers: () -> Double

  /// Runs the work and tells what it took.
  func measure<R>(_ work: () async throws -> R) async throws -> (result: R, span: Span) {
    let before = (ContinuousClock.now, servers(), ProcessorTime.own(), ProcessorTime.machine())
    let result = try await work()
    let seconds = ProcessorTime.seconds(since: before.0)
    var span = Span(seconds: seconds, serverCPU: servers() - before.1, clientCPU: ProcessorTime.own() - before.2)
    let machine = ProcessorTime.machine() - before.3
    span.others = max(0, machine - span.serverCPU - span.clientCPU) / max(seconds, 1e-9)
    return (result, span)
  }
}

/// Readings of processor time, in seconds.
enum ProcessorTime {
  static func seconds(since start: ContinuousClock.Instant) -> Double {
    let parts = (ContinuousClock.now - start).components
    return Double(parts.seconds) + Double(parts.attoseconds) * 1e-18
  }
  /// Of a running process, all its threads; 0 when it is gone.
  static func of(process: Int32) -> Double {
    var clock = clockid_t()
    var time = timespec()
    guard clock_getcpuclockid(process, &clock) == 0, clock_gettime(clock, &time) == 0 else { return 0 }
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
  /// Of this program and of its children that have ended.
  static func own() -> Double {
    var (mine, children) = (rusage(), rusage())
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &mine)
    getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &children)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
    return seconds(mine.ru_utime) + seconds(mine.ru_stime) + seconds(children.ru_utime) + seconds(children.ru_stime)
  }
  /// Of all processors since the machine started: user, nice, system, interrupts.
  static func machine() -> Double {
    guard let line = text("/proc/stat").split(separator: "\n").first else { return 0 }
    let fields = line.split(separator: " ").dropFirst().compactMap { Double($0) }
    guard fields.count >= 7 else { return 0 }
    return (fields[0] + fields[1] + fields[2] + fields[5] + fields[6]) / ticks
  }
  /// Of a process, its ended children and its living ones: a PostgreSQL server with its backends.
  static func ofFamily(_ parent: Int32) -> Double {
    // A child that ends between two readings would be counted twice or not at all: read again until none did.
    for _ in 0..<100 {
      guard let before = statistics(of: parent) else { return 0 }
      var sum = before.own + before.children
      for name in directory("/proc") {
        if let child = Int32(name), let figures = statistics(of: child), figures.parent == parent { sum += figures.own }
      }
      if let after = statistics(of: parent), after.children == before.children { return sum }
    }
    return 0
  }
  /// The three load averages.
  static func loadAverage() -> String { text("/proc/loadavg").split(separator: " ").prefix(3).joined(separator: " ") }

  private static let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
  private static func statistics(of process: Int32) -> (parent: Int32, own: Double, children: Double)? {
    // The program's name stands in parentheses and may contain blanks: fields count from behind it.
    let line = text("/proc/\(process)/stat")
    guard let end = line.lastIndex(of: ")") else { return nil }
    let fields = line[end...].split(separator: " ").map(String.init)
    guard fields.count > 15, let parent = Int32(fields[2]) else { return nil }
    func seconds(_ at: Int) -> Double { (Double(fields[at]) ?? 0) / ticks }
    return (parent, seconds(12) + seconds(13), seconds(14) + seconds(15))
  }
  private static func text(_ path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }
  private static func directory(_ path: String) -> [String] {
    guard let names = FileManager.default.enumerator(atPath: path) else { return [] }
    var out: [String] = []
    while let name = names.nextObject() as? String {
      names.skipDescendants()
      out.append(name)
    }
    return out
  }
}
