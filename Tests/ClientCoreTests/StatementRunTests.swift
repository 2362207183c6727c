// A statement's runner against shards that lose answers: what is open is called open, and nothing is committed before the decision.

import Capabilities
import ClientCore
import Model
import Simulation
import Synchronization
import Testing
import Wire

/// Where everything happened.
private let place = LogPoint(epoch: Epoch(1), position: LogPosition(1))

/// Shards that stage whatever comes and never answer a decision.
private final class Undecided: PrimaryCalls {
  let commits = Mutex(0)
  func call(
    _ shard: ShardID,
    giveUp: Instant,
    _ request: @escaping @Sendable (Epoch, CatalogVersion) -> Message
  ) async throws -> Message {
    switch request(Epoch(1), CatalogVersion(1)) {
    case .stageRows: return .staged(Staged(rows: 3, isDuplicate: false, point: place))
    case .askStatement: return .statementAnswer(StatementAnswer(.open, point: place))
    case .endStatement(let end):
      if end.commits { commits.withLock { $0 += 1 } }
      return .statementAnswer(StatementAnswer(.committed, point: place))
    default: throw TallyError(.timedOut, "the answer was lost")
    }
  }
}

@Suite struct StatementRunTests {
  @Test func aLostDecisionLeavesTheOutcomeOpenAndNothingIsCommitted() throws {
    try SimulatedWorld(seed: 1).run { world in
      let shards = Undecided()
      let run = StatementRun(
        StatementID(session: SessionID(1), number: 1),
        decider: ShardID(1),
        doneBelow: { 0 },
        calls: shards,
        clock: world.clock
      )
      let error = await #expect(throws: TallyError.self) {
        _ = try await run.carryOut { _ = try await $0.stage(ShardID(2), ordinal: 1, .nothing) }
      }
      #expect(error?.status == .unknownOutcome)
      #expect(run.mayBeDecided)
      #expect(shards.commits.withLock { $0 } == 0)
    }
  }
}
