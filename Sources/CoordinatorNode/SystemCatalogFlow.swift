// SystemCatalogFlow.swift — the system relations as a session's statement sees them: the catalog at hand, and what was heard of workers.
import Capabilities
import Model
import Planning

extension Coordinator {
  /// Relations and functions of the coordinator itself, for one statement that is planned under that version of the catalog.
  func systemRelations(_ facts: SessionFacts, under snapshot: CatalogSnapshot) async -> SystemRelations {
    var state = await log.catalog
    state.snapshot = snapshot
    return SystemRelations(
      state,
      facts,
      fleet: fleet,
      standing: await log.standing,
      now: surroundings.clock.now,
      hearsWorkers: await decides,
      jobRuns: jobRuns,
      plans: plans,
      sources: VolatileSources(random: surroundings.random, clock: surroundings.clock)
    )
  }
}
