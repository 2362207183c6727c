// NamedObjects.swift — parameters that name objects: the text of a `reg…` type (`"public"."t"` as a regclass), which the catalog turns into the
// object's number before a statement is planned.
import Model
import Planning

extension Coordinator {
  /// A statement whose arguments name no objects any more: a client gave the text of a `reg…` type.
  func withObjectNumbers(_ request: StatementRequest, _ snapshot: CatalogSnapshot) async throws -> StatementRequest {
    func name(_ argument: TypedValue) -> String? {
      if argument.type.isObjectNumber, case .text(let name) = argument.value { name } else { nil }
    }
    guard let arguments = request.arguments, arguments.contains(where: { name($0) != nil }) else { return request }
    let system = await context(request, try await seen(snapshot, request), nil).system
    var numbered = request
    numbered.arguments = try arguments.map { argument in
      guard let name = name(argument), let system else { return argument }
      return TypedValue(argument.type, .fixed(try system.lookUp(name, as: argument.type)))
    }
    return numbered
  }
}
