// CalledFunctions.swift — rows that routines in FROM have given: the planner sees them as relations of the coordinator.
import Columns
import Model
import Planning

/// The system relations of a statement and the rows of the routines that it calls in FROM.
struct CalledFunctions: SystemCatalog {
  let system: any SystemCatalog
  /// By the name that stands for the call.
  let results: [String: RoutineRows]

  func relation(schema: String?, name: String) -> SystemRelation? { system.relation(schema: schema, name: name) }
  func tableFunction(schema: String?, name: String) -> SystemRelation? {
    guard let schema, let result = results[schema] else { return system.tableFunction(schema: schema, name: name) }
    return SystemRelation(name: schema, columns: result.columns)
  }
  func functions(schema: String?, name: String) -> [HostedFunction] { system.functions(schema: schema, name: name) }
  func rows(of relation: String, columns: [Int]) throws(TallyError) -> Batch {
    guard let result = results[relation] else { return try system.rows(of: relation, columns: columns) }
    return Batch(
      count: result.rows.count,
      columns: columns.map { at in ColumnVector(result.columns[at].type, values: result.rows.map { $0[at] }) }
    )
  }
  func lookUp(_ name: String, as type: DataType) throws(TallyError) -> Int64 { try system.lookUp(name, as: type) }
  func text(of object: Int64, as type: DataType) -> String { system.text(of: object, as: type) }
}
