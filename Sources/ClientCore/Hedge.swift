// Hedge.swift — asks one of several that can all answer: the first, and the next beside it when the first takes long or fails.
//
// Only for what may be asked twice. The order is the caller's; the first answer wins and the other attempts are cancelled.
import Capabilities
import Model

enum Hedge {
  /// An attempt that has not answered for so long gets company.
  static let patience = Duration.milliseconds(400)

  /// The first answer, and whose it is.
  ///
  /// Throws the error of the last attempt when all failed; one that no other can heal is thrown at once.
  static func first<R: Sendable>(
    of addresses: [NetworkAddress],
    _ clock: any Clock,
    _ attempt: @escaping @Sendable (NetworkAddress) async throws -> R
  ) async throws -> (answer: R, address: NetworkAddress) {
    try await withThrowingTaskGroup(of: HedgeEvent<R>.self) { group in
      defer { group.cancelAll() }
      var (begun, running) = (0, 0)
      func begin() {
        guard begun < addresses.count else { return }
        let (address, number) = (addresses[begun], begun)
        begun += 1
        running += 1
        group.addTask {
          do { return .answered(try await attempt(address), address) } catch { return .failed(error) }
        }
        if begun == addresses.count { return }
        group.addTask {
          try await clock.sleep(for: patience)
          return .slow(number)
        }
      }
      begin()
      while let event = try await group.next() {
        switch event {
        case .answered(let answer, let address): return (answer, address)
        case .failed(let error):
          running -= 1
          guard let known = error as? TallyError, known.isRetryable else { throw error }
          begin()
          if running == 0 { throw error }
        case .slow(let number): if number == begun - 1 { begin() }
        }
      }
      throw TallyError(.unavailable, "no address was given")
    }
  }
}

/// What becomes of attempts.
private enum HedgeEvent<R: Sendable>: Sendable {
  case answered(R, NetworkAddress)
  case failed(any Error)
  /// The attempt with this number has taken long.
  case slow(Int)
}
