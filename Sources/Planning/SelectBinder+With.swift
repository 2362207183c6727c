// SelectBinder+With.swift — WITH: each query is bound once and read as a shared plan; RECURSIVE ones read their own last rows.
//
// A query that reads columns of an outer query is not shared but written out where it is named: its rows depend on the outer row.
import Model
import SQL

/// A query of WITH, as FROM items find it.
struct WithTable {
  enum Rows {
    case plan(PlanNode)
    /// Inside its own recursive term.
    case working(WorkingReference)
    /// Where it must not be named: inside its own first term, or before it is written.
    case forbidden(TallyError)
  }
  var name: String
  var columns: [OutputColumn]
  var rows: Rows
}

/// Counts how often a recursive term reads its own rows.
final class WorkingReference {
  let id: Int
  var count = 0
  /// Where it was read last.
  var position: Int?
  init(id: Int) { self.id = id }
}

extension SelectBinder {
  /// Binds the queries of a WITH clause, so that what follows finds them.
  mutating func add(_ with: WithSyntax) throws(TallyError) {
    for (index, item) in with.items.enumerated() {
      var inner = self
      if with.isRecursive {
        for later in with.items.dropFirst(index + 1) {
          let error = TallyError.sql(
            "0A000",
            "a reference to WITH query \"\(later.name.name)\" before it is written is not supported",
            hint: "Put it first."
          )
          inner.withTables.insert(WithTable(name: later.name.name, columns: [], rows: .forbidden(error)), at: 0)
        }
      }
      var plan = with.isRecursive ? try inner.recursive(item) : try query(item.query, depth: depth + 1)
      let columns = plan.columns
      guard item.columns.count <= columns.count else {
        throw .sql(
          "42P10",
          "WITH query \"\(item.name.name)\" has \(columns.count) columns available but \(item.columns.count) columns specified",
          position: item.name.position
        )
      }
      var named = columns
      for (index, name) in item.columns.enumerated() { named[index].name = name }
      let isRecursive = if case .recursive = plan { true } else { false }
      let isInline = item.isMaterialized == false && !isRecursive || plan.readsOuter || plan.contains(Self.isWorkingRows)
      if !isInline {
        plan = .shared(SharedNode(id: statement.nextShared(), input: plan, isMaterialized: item.isMaterialized == true))
      }
      withTables.insert(WithTable(name: item.name.name, columns: named, rows: .plan(plan)), at: 0)
    }
  }
  static func isWorkingRows(_ plan: PlanNode) -> Bool {
    if case .workingRows = plan { return true }
    return false
  }

  /// base UNION [ALL] step; a query that does not name itself is an ordinary one.
  private func recursive(_ item: WithSyntax.Item) throws(TallyError) -> PlanNode {
    let (name, position) = (item.name.name, item.name.position)
    let formless = TallyError.sql(
      "42P19",
      "recursive query \"\(name)\" does not have the form non-recursive-term UNION [ALL] recursive-term",
      position: position
    )
    guard case .setOperation(.union, let isAll, let left, let right) = item.query.body else {
      var inner = self
      inner.withTables.insert(WithTable(name: name, columns: [], rows: .forbidden(formless)), at: 0)
      return try inner.query(item.query, depth: depth + 1)
    }
    var inner = self
    if let with = item.query.with { try inner.add(with) }
    let early = TallyError.sql(
      "42P19",
      "recursive reference to query \"\(name)\" must not appear within its non-recursive term"
    )
    inner.withTables.insert(WithTable(name: name, columns: [], rows: .forbidden(early)), at: 0)
    let base = try inner.query(left, depth: depth + 1)
    var columns = base.columns
    for (index, alias) in item.columns.prefix(columns.count).enumerated() { columns[index].name = alias }
    let reference = WorkingReference(id: statement.nextShared())
    inner.withTables[0] = WithTable(name: name, columns: columns, rows: .working(reference))
    let step = try inner.query(right, depth: depth + 1, isBranch: true)
    guard reference.count > 0 else { return try query(item.query, depth: depth + 1) }
    if let key = item.query.orderBy.first {
      throw .sql("0A000", "ORDER BY in a recursive query is not implemented", position: key.expression.position)
    }
    if let limit = item.query.limit ?? item.query.offset {
      throw .sql("0A000", "LIMIT in a recursive query is not implemented", position: limit.position)
    }
    guard step.columns.count == columns.count else {
      throw .sql("42601", "each UNION query must have the same number of columns", position: Self.place(of: 0, in: right))
    }
    guard reference.count <= 1 else {
      throw .sql("42P19", "recursive reference to query \"\(name)\" must not appear more than once", position: reference.position)
    }
    try checkStep(step, reference.id, name, reference.position ?? position)
    for (index, column) in columns.enumerated() {
      let all = [column.type, step.columns[index].type]
      guard let type = UnifiedType.of(all) else {
        throw .sql("42804", "UNION types \(all[0].name) and \(all[1].name) cannot be matched")
      }
      guard type == column.type else {
        throw .sql(
          "42804",
          "recursive query \"\(name)\" column \(index + 1) has type \(column.type.name) in non-recursive term but type \(type.name) overall",
          hint: "Cast the output of the non-recursive term to the correct type.",
          position: Self.place(of: index, in: left) ?? position
        )
      }
      if !isAll { try checkEquality(type, position) }
    }
    let typedStep = try typed(step, columns.map(\.type), right)
    return .recursive(RecursiveNode(id: reference.id, base: base, step: typedStep, isDistinct: !isAll))
  }
  /// What a recursive term must not do with its own rows: they are not all there yet.
  private func checkStep(_ plan: PlanNode, _ id: Int, _ name: String, _ position: Int) throws(TallyError) {
    func refused(_ what: String) -> TallyError {
      .sql("42P19", "recursive reference to query \"\(name)\" must not appear within \(what)", position: position)
    }
    // Not those of a recursion that the term holds.
    func reads(_ plan: PlanNode) -> Bool { plan.contains { if case .workingRows(let node) = $0 { node.id == id } else { false } } }
    switch plan {
    case .aggregate(let node) where reads(node.input) && !node.calls.isEmpty:
      throw .sql("42P19", "aggregate functions are not allowed in a recursive query's recursive term", position: position)
    case .join(let node):
      switch node.kind {
      case .left, .single, .mark, .semi, .anti:
        if reads(node.right) {
          throw refused(node.kind == .left ? "an outer join" : "a subquery")
        }
      case .right: if reads(node.left) { throw refused("an outer join") }
      case .full: if reads(plan) { throw refused("an outer join") }
      case .inner: break
      }
    case .setOperation(let node):
      if reads(node.right), node.kind == .except { throw refused("EXCEPT") }
      if reads(plan), node.kind == .intersect { throw refused("INTERSECT") }
    default: break
    }
    for input in plan.inputs { try checkStep(input, id, name, position) }
  }
}
