// Interrupts.swift — Ctrl-C while a statement runs cancels the statement, not the program.
import Dispatch
import Foundation
import Synchronization
import TallyClient

/// SIGINT as something that ends what runs.
final class Interrupts: @unchecked Sendable {
  // Safe: `source` is set once, and a Mutex guards the rest.
  private let listener = Mutex<AsyncStream<Void>.Continuation?>(nil)
  private let source: any DispatchSourceSignal

  init() {
    signal(SIGINT, SIG_IGN)
    source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
    source.setEventHandler { [weak self] in self?.listener.withLock { _ = $0?.yield() } }
    source.resume()
  }
  /// Runs something that a signal cancels; throws 57014 then.
  func cancelling<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
    let (stream, continuation) = AsyncStream<Void>.makeStream()
    listener.withLock { $0 = continuation }
    defer { listener.withLock { $0 = nil } }
    return try await withThrowingTaskGroup(of: R?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        for await _ in stream { break }
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let result = first else {
        group.cancelAll()
        // The server is told; what it answers is not waited for any longer than the call itself does.
        do { while try await group.next() != nil {} } catch {}
        throw TallyError(.cancelled, "canceling statement due to user request", sqlState: "57014")
      }
      return result
    }
  }
}
