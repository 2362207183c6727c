// CopyExchange.swift — COPY's flows of the coordinator over the messages of this protocol.

public import CoordinatorNode

/// A statement's client as COPY asks for it.
public struct CopyExchange: CopyClient {
  private let client: any StatementClient
  private let results: HeldResults?

  /// Makes the exchange of one statement.
  public init(_ client: any StatementClient) { self.init(client, nil) }
  init(_ client: any StatementClient, _ results: HeldResults?) { (self.client, self.results) = (client, results) }

  /// Asks for data.
  public func beginCopyIn(columns: Int, isBinary: Bool) async throws -> any CopySource {
    Source(try await client.copyIn(columns: columns, isBinary: isBinary))
  }
  /// Announces data.
  public func beginCopyOut(columns: Int, isBinary: Bool) async throws {
    try await client.copyOut(columns: columns, isBinary: isBinary)
  }
  /// Counts them among the results of all sessions.
  public func hold(_ bytes: Int) throws -> (any Sendable)? { try results?.hold(bytes) }
  /// Sends rows.
  public func sendCopyRows(_ bytes: [UInt8], ends: [Int]) async throws { try await client.sendCopyData(bytes, ends: ends) }

  private final class Source: CopySource {
    private let input: any CopyInput
    init(_ input: any CopyInput) { self.input = input }
    func next() async throws -> [UInt8]? { try await input.next() }
  }
}

extension ServerReport {
  /// What is wrong with COPY's data, as clients are told.
  public init(_ failure: CopyFailure) {
    self.init(failure.error, context: failure.context)
  }
}
