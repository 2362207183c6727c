// RunState.swift — what all parts of a run share: settings, ledger, clock, counters, and the word to stop.
import Foundation
import Synchronization
import TallyClient

/// What a run is told.
struct ChaosSettings: Sendable {
  var seed: UInt64
  var seconds: Double
  var workers: Int
  var coordinators: Int
  /// 0: as many as the cluster gives by itself.
  var copies: Int
  var shards: Int
  var clients: Int
  var faults: [FaultKind]
  var directory: String
  var portBase: UInt16
  var memory: String
}

/// Where a run stands.
final class RunState: Sendable {
  let settings: ChaosSettings
  let ledger: Ledger
  let figures = Figures()
  let gaps = WriteGaps()
  /// Small tables left at the end: name, and rows acknowledged … sent.
  let smallTables = Mutex<[(String, ClosedRange<Int>)]>([])
  /// Where clients connect.
  let url: String
  private let started = ContinuousClock.now
  private let stopping = Atomic(false)
  private let nextLoad = Atomic<Int64>(1)

  init(_ settings: ChaosSettings, url: String) {
    self.settings = settings
    self.url = url
    let started = started
    ledger = Ledger { tell("\(Self.text(ContinuousClock.now - started))  VIOLATION \($0)") }
  }
  /// Seconds since the run began.
  var elapsed: Double { (ContinuousClock.now - started) / .seconds(1) }
  /// True once clients shall come to an end.
  var isStopping: Bool { stopping.load(ordering: .relaxed) }
  func stop() { stopping.store(true, ordering: .relaxed) }
  func chance(_ purpose: String, _ number: Int = 0) -> Chance { Chance(seed: settings.seed).fork(purpose, number) }
  func newLoadID() -> Int64 { nextLoad.wrappingAdd(1, ordering: .relaxed).oldValue }
  /// Tells what happens.
  func say(_ what: String) { tell("\(Self.text(ContinuousClock.now - started))  \(what)") }
  private static func text(_ time: Duration) -> String { String(format: "%7.2f", time / .seconds(1)) }

  /// Runs `body` with a client until it returns; when no coordinator can be reached to begin with, tries again.
  ///
  /// Nil once the run stops before that.
  func withClient<R>(_ name: String, _ body: (TallyClient) async throws -> R) async throws -> R? {
    var options = ClientOptions()
    options.name = name
    options.connectTimeout = .seconds(3)
    while !isStopping {
      var isConnected = false
      do {
        return try await TallyClient.with(url, options: options) { client in
          isConnected = true
          return try await body(client)
        }
      } catch let error as TallyError where error.isRetryable && !isConnected {
        try await Task.sleep(for: .milliseconds(100))
      }
    }
    return nil
  }
}

/// Counts and times of a run.
final class Figures: Sendable {
  private struct State {
    var counts: [String: Int] = [:]
    var times: [String: [Double]] = [:]
  }
  private let state = Mutex(State())
  /// Times kept of one kind; beyond it every other one is dropped.
  private static let timesMax = 200_000

  func count(_ what: String, _ by: Int = 1) { state.withLock { $0.counts[what, default: 0] += by } }
  func count(of what: String) -> Int { state.withLock { $0.counts[what] ?? 0 } }
  func counts(after prefix: String) -> [(String, Int)] {
    state.withLock { $0.counts }.filter { $0.key.hasPrefix(prefix) }
      .map { (String($0.key.dropFirst(prefix.count)), $0.value) }.sorted { $0.0 < $1.0 }
  }
  func took(_ what: String, _ time: Duration) {
    state.withLock { state in
      state.times[what, default: []].append(time / .milliseconds(1))
      if let times = state.times[what], times.count > Self.timesMax {
        state.times[what] = times.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
      }
    }
  }
  func times(of what: String) -> Distribution { Distribution(state.withLock { $0.times[what] ?? [] }) }
}

/// Times in milliseconds, as quantiles.
struct Distribution: Sendable {
  let count: Int
  let p50: Double
  let p99: Double
  let max: Double
  init(_ times: [Double]) {
    let sorted = times.sorted()
    func quantile(_ q: Double) -> Double {
      sorted.isEmpty ? 0 : sorted[Swift.max(0, Int((Double(sorted.count) * q).rounded(.up)) - 1)]
    }
    count = sorted.count
    p50 = quantile(0.5)
    p99 = quantile(0.99)
    max = sorted.last ?? 0
  }
  var text: String {
    count == 0 ? "none" : String(format: "p50 %.1f  p99 %.1f  max %.1f ms  (%d)", p50, p99, max, count)
  }
}

/// Runs what blocks its thread (waiting for processes, copying files) beside the threads that carry tasks.
func blocking<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
  }
}

/// Writes a line at once, whatever standard output is.
func tell(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
