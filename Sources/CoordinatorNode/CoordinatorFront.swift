// CoordinatorFront.swift — another listener of a coordinator's process, for clients that do not speak its RPC.
public import Capabilities

/// A listener in front of a coordinator.
public protocol CoordinatorFront: Sendable {
  /// Takes its address, before the coordinator is there: one that is taken ends the start.
  func listen(_ surroundings: Surroundings) async throws
  /// The coordinator answers from now on. Called once.
  func open(_ coordinator: Coordinator)
  /// Serves until it is drained or the task is cancelled.
  func serve() async
  /// Ends the statement of its client with that process number and secret; false when it has none.
  func cancel(process: UInt32, secret: [UInt8]) -> Bool
  /// Takes no more clients; what runs may end before `deadline`.
  func drain(until deadline: Instant) async
}
