// PlanRows.swift — tally_plans: the statements whose plans this coordinator keeps, and how often they ran by a generic plan (PlanCache).
import Model

extension SystemRelations {
  func planRows(_ definition: RelationDefinition) -> SystemRows? {
    guard definition.name == "tally_plans" else { return nil }
    return SystemRows(plans.all) { name in
      switch name {
      case "statement": return { .text($0.key.text) }
      case "parameters": return { .text($0.key.types.map { $0?.name ?? "unknown" }.joined(separator: ", ")) }
      case "time_zone": return { .text($0.key.zone.name) }
      case "search_path": return { .text($0.key.searchPath.joined(separator: ", ")) }
      case "plan": return { .text($0.entry.kept.word) }
      case "generic_plans": return { .number(Int64($0.entry.generic)) }
      case "custom_plans": return { .number(Int64($0.entry.custom)) }
      default: return { _ in .null }
      }
    }
  }
}

extension PlanCache.Kept {
  fileprivate var word: String {
    switch self {
    case .nothing: "none"
    case .generic: "generic"
    case .custom: "custom"
    }
  }
}
