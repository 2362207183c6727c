// TallyRows.swift — our own views: the lists of `tally node|shard|table|rollup|statement list` as relations (Listings.swift makes both).
//
// Only the coordinator that leads hears the workers; on others what their reports would tell is NULL, and states that follow from them are.
import Columns
import Consensus
import Model
import Wire

extension SystemRelations {
  private static let kinds: [String: ListRequest.Kind] = [
    "tally_nodes": .nodes, "tally_shards": .shards, "tally_tables": .tables, "tally_rollups": .rollups,
    "tally_statements": .statements, "tally_losses": .losses,
  ]
  func tallyRows(_ definition: RelationDefinition) throws(TallyError) -> SystemRows? {
    guard let kind = Self.kinds[definition.name] else { return nil }
    if kind == .statements && !hearsWorkers {
      throw TallyError(
        .invalid,
        "open statements are known to the coordinator that leads",
        sqlState: "55000",
        hint: standing.leader.map { "Ask \($0.name) at \($0.address)." }
      )
    }
    let listing = Listing.make(kind, state, fleet, standing, now: now, hearsWorkers: hearsWorkers)
    return SystemRows(listing.rows) { name in
      let at = listing.columns.firstIndex { $0.name == name } ?? 0
      return { row in
        switch row[at] {
        case .text(let text): .text(text)
        case .number(let number): .number(number)
        case .none: .null
        }
      }
    }
  }
}
