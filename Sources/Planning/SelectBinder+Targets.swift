// SelectBinder+Targets.swift — the select list, GROUP BY with its grouping sets, and what ORDER BY items mean.
import Model
import SQL

extension SelectBinder {
  func targets(
    _ syntax: PlainSelectSyntax,
    _ binder: ExpressionBinder,
    _ keepsUntyped: Bool
  ) throws(TallyError) -> [Target] {
    var result: [Target] = []
    for item in syntax.items {
      let position = item.expression.position
      switch item.expression.kind {
      case .star(let qualifier):
        guard syntax.from != nil else {
          throw .sql("42601", "SELECT * with no tables specified is not valid", position: position)
        }
        let stars = try stars(qualifier, binder, position)
        let names = context.notes == nil ? [] : stars.compactMap { binder.scope.written($0, qualifier) }
        context.notes?.add(.star(names.count == stars.count ? names : nil), at: position)
        for visible in stars {
          for column in visible.expression.columnsRead where binder.positions[column] == nil { binder.positions[column] = position }
          result.append(Target(name: visible.name, expression: visible.expression, position: position))
        }
      case .allFields(let inner):
        guard case .call(let call) = inner.kind, call.name == "topn" || call.name == "topn_ex" else {
          throw .sql("0A000", "row expansion via \"*\" is only supported for topn()", position: position)
        }
        let expansion = try binder.topnExpansion(call, inner.position)
        let isExtended = binder.expansions[expansion].isExtended
        let fields = isExtended ? ExpressionBinder.extendedFields : ExpressionBinder.topnFields
        for (field, name) in fields.enumerated() {
          let type = ExpressionBinder.fieldKind(isExtended, field).type
          result.append(
            Target(
              name: name,
              expression: .column(Placeholder.expansion(expansion, field), type),
              position: position
            )
          )
        }
      default:
        let expression = keepsUntyped ? try binder.bind(item.expression) : try binder.typed(item.expression)
        let name = item.alias ?? OutputNames.name(item.expression)
        if item.alias == nil, case .column = item.expression.kind { context.notes?.addUnnamed(at: position) }
        result.append(Target(name: name, expression: expression, position: position))
      }
    }
    guard result.count <= Limits.columnsMax else {
      throw .sql("54011", "target lists can have at most \(Limits.columnsMax) entries")
    }
    return result
  }
  private func stars(
    _ qualifier: String?,
    _ binder: ExpressionBinder,
    _ position: Int
  ) throws(TallyError) -> [Scope.Visible] {
    guard let qualifier else { return binder.scope.visible }
    guard let relation = binder.scope.relations.first(where: { $0.name == qualifier }) else {
      var level = binder.outer
      while let outer = level {
        if outer.scope.relations.contains(where: { $0.name == qualifier }) {
          throw .sql("0A000", "\(qualifier).* of an outer query is not supported", hint: "Name its columns.", position: position)
        }
        level = outer.outer
      }
      throw binder.missingRelation(qualifier, position)
    }
    return relation.columns.map { Scope.Visible(name: $0.name, expression: .column($0.index, binder.scope.columns[$0.index].type)) }
  }

  /// GROUP BY items, each once: ordinals, input columns, aliases, expressions; and grouping sets, if there are any, as indexes of them.
  func groups(
    _ syntax: PlainSelectSyntax,
    _ targets: [Target],
    _ binder: ExpressionBinder
  ) throws(TallyError) -> ([Expression], [[Int]]?) {
    binder.clause = .groupBy
    defer { binder.clause = .select }
    var result: [Expression] = []
    var keys: [[UInt8]] = []
    func place(_ item: ExpressionSyntax) throws(TallyError) -> Int {
      let bound = try group(item, targets, binder)
      let key = ExpressionFormat.key(bound)
      if let known = keys.firstIndex(of: key) { return known }
      keys.append(key)
      result.append(bound)
      return result.count - 1
    }
    guard !syntax.groupingSets.isEmpty else {
      for item in syntax.groupBy { _ = try place(item) }
      return (result, nil)
    }
    var sets: [[Int]] = [[]]
    for item in syntax.groupingSets {
      let own = try self.sets(item, place)
      guard sets.count * own.count <= 4096 else {
        throw .sql("54001", "too many grouping sets present (maximum 4096)")
      }
      sets = sets.flatMap { left in own.map { left + $0.filter { !left.contains($0) } } }
    }
    guard sets.count <= Self.groupingSetsMax else {
      throw .sql("54001", "more than \(Self.groupingSetsMax) grouping sets are not supported")
    }
    return (result, sets)
  }
  private static let groupingSetsMax = 64
  private func sets(
    _ item: GroupingSyntax,
    _ place: (ExpressionSyntax) throws(TallyError) -> Int
  ) throws(TallyError) -> [[Int]] {
    func one(_ list: [ExpressionSyntax]) throws(TallyError) -> [Int] {
      var result: [Int] = []
      for item in list {
        let index = try place(item)
        if !result.contains(index) { result.append(index) }
      }
      return result
    }
    func many(_ lists: [[ExpressionSyntax]]) throws(TallyError) -> [[Int]] {
      var result: [[Int]] = []
      for list in lists { result.append(try one(list)) }
      return result
    }
    func joined(_ lists: [[Int]]) -> [Int] {
      var result: [Int] = []
      for index in lists.joined() where !result.contains(index) { result.append(index) }
      return result
    }
    switch item {
    case .set(let list): return [try one(list)]
    case .rollup(let lists):
      let parts = try many(lists)
      return (0...parts.count).reversed().map { joined(Array(parts.prefix($0))) }
    case .cube(let lists):
      guard lists.count <= 12 else { throw .sql("54011", "CUBE is limited to 12 elements") }
      let parts = try many(lists)
      return (0..<(1 << parts.count)).reversed().map { mask in
        joined(parts.indices.filter { mask >> (parts.count - 1 - $0) & 1 == 1 }.map { parts[$0] })
      }
    case .sets(let items):
      var result: [[Int]] = []
      for item in items { result += try sets(item, place) }
      return result
    }
  }
  private func group(
    _ item: ExpressionSyntax,
    _ targets: [Target],
    _ binder: ExpressionBinder
  ) throws(TallyError) -> Expression {
    var expression: Expression?
    switch item.kind {
    case .integer(let number):
      expression = targets[try ordinal(number, targets.count, "GROUP BY", item.position)].expression
    case .column(let names) where names.count == 1 && !binder.scope.visible.contains { $0.name == names[0] }:
      let matches = targets.filter { $0.name == names[0] }
      if matches.count > 1, !matches.dropFirst().allSatisfy({ same($0.expression, matches[0].expression) }) {
        throw .sql("42702", "GROUP BY \"\(names[0])\" is ambiguous", position: item.position)
      }
      expression = matches.first?.expression
    default: break
    }
    let bound: Expression
    if let expression { bound = expression } else { bound = try binder.typed(item) }
    let isSet = bound.columnIndex.map { $0 >= Placeholder.sets } ?? false
    if !isSet, bound.columnsRead.contains(where: Placeholder.isSet) {
      throw .sql(
        "0A000",
        "an expression of a set-returning function in GROUP BY is not supported",
        hint: "Call the function in FROM.",
        position: item.position
      )
    }
    if bound.columnsRead.contains(where: Placeholder.isAggregate) {
      throw .sql("42803", "aggregate functions are not allowed in GROUP BY", position: item.position)
    }
    if bound.columnsRead.contains(where: Placeholder.isWindow) {
      throw .sql("42P20", "window functions are not allowed in GROUP BY", position: item.position)
    }
    try checkEquality(bound.type, item.position)
    return bound
  }
  private func same(_ a: Expression, _ b: Expression) -> Bool { ExpressionFormat.key(a) == ExpressionFormat.key(b) }

  /// The target an ORDER BY or DISTINCT ON item means; appended when it is none of them.
  func sortTarget(
    _ item: ExpressionSyntax,
    _ targets: inout [Target],
    _ visible: Int,
    _ binder: ExpressionBinder,
    isDistinct: Bool,
    clause: String
  ) throws(TallyError) -> Int {
    switch item.kind {
    case .integer(let number): return try ordinal(number, visible, clause, item.position)
    case .column(let names) where names.count == 1:
      let matches = (0..<visible).filter { targets[$0].name == names[0] }
      if let first = matches.first {
        guard matches.allSatisfy({ same(targets[$0].expression, targets[first].expression) }) else {
          throw .sql("42702", "\(clause) \"\(names[0])\" is ambiguous", position: item.position)
        }
        return first
      }
    case .string, .null, .boolean, .decimal:
      throw .sql("42601", "non-integer constant in \(clause)", position: item.position)
    default: break
    }
    let bound = try binder.typed(item)
    if let known = targets.firstIndex(where: { same($0.expression, bound) }) { return known }
    guard !isDistinct else {
      throw .sql(
        "42P10",
        "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
        position: item.position
      )
    }
    targets.append(Target(name: "?column?", expression: bound, position: item.position))
    return targets.count - 1
  }
}
