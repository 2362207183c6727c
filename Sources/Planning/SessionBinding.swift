// SessionBinding.swift — what a client's session asks of the binder besides plans: types of PREPARE, values of EXECUTE, which SELECT is a
// command, what messages call a statement.
public import Model
public import SQL

extension TypeSyntax {
  /// The type that PREPARE names; nil is `unknown`, which is left to the statement.
  public func parameterType() throws(TallyError) -> DataType? {
    if name == "unknown" { return nil }
    return try TypeBinding.type(self).withoutModifiers
  }
}

/// Evaluates the arguments of an EXECUTE as values of the statement's parameters, as an assignment would.
public func evaluate(
  _ arguments: [ExpressionSyntax],
  as types: [DataType],
  context: PlanningContext
) throws(TallyError) -> [Value] {
  var values: [Value] = []
  for (number, (syntax, type)) in zip(arguments, types).enumerated() {
    let binder = ExpressionBinder(scope: .empty, context: context)
    binder.clause = .execute
    let bound = try binder.bind(syntax)
    if bound.type != type, bound.type != .unknown {
      guard let needed = Casts.context(from: bound.type, to: type), needed <= .assignment else {
        throw .sql(
          "42804",
          "parameter $\(number + 1) of type \(bound.type.name) cannot be coerced to the expected type \(type.name)",
          hint: "You will need to rewrite or cast the expression.",
          position: syntax.position
        )
      }
    }
    guard let value = try binder.coerce(bound, to: type, at: syntax.position, .assignment).constantValue else {
      throw .sql("0A000", "an argument that is no constant is not supported", position: syntax.position)
    }
    values.append(value)
  }
  return values
}

extension Statement {
  /// Whether it only reads: a SELECT that calls a command of the catalog does not.
  public var isQuery: Bool {
    switch self {
    case .select: commandName == nil
    case .explain, .explainChange: true
    case .copy(let syntax): !syntax.isFrom && syntax.change == nil
    default: false
    }
  }
  /// The column's name of a SELECT that is a command of the catalog: its alias, or the function's name.
  public var commandName: String? { command.map { $0.alias ?? $0.function } }
  private var command: (function: String, alias: String?)? {
    guard case .select(let select) = self, case .plain(let plain) = select.body, plain.items.count == 1, plain.from == nil,
      plain.condition == nil, case .call(let call) = plain.items[0].expression.kind, ExpressionBinder.utilities.contains(call.name)
    else { return nil }
    return (call.name, plain.items[0].alias)
  }
  /// What messages call it.
  public var verb: String {
    switch self {
    case .define(let definition): definition.tag
    case .createTable: "CREATE TABLE"
    case .dropTable: "DROP TABLE"
    case .createRollup: "CREATE MATERIALIZED VIEW"
    case .dropRollup: "DROP MATERIALIZED VIEW"
    case .insert: "INSERT"
    case .update: "UPDATE"
    case .createSequence: "CREATE SEQUENCE"
    case .alterSequence: "ALTER SEQUENCE"
    case .dropSequence: "DROP SEQUENCE"
    case .delete(let syntax): syntax.isTruncate ? "TRUNCATE TABLE" : "DELETE"
    case .select(let select): command.map { $0.function + "()" } ?? "SELECT" + (select.locking.map { " " + $0.strength } ?? "")
    case .explain, .explainChange: "EXPLAIN"
    case .copy(let syntax): syntax.isFrom ? "COPY FROM" : "COPY TO"
    case .lock: "LOCK TABLE"
    case .createFunction(let syntax): syntax.isProcedure ? "CREATE PROCEDURE" : "CREATE FUNCTION"
    case .dropFunction(let syntax): "DROP \(syntax.kind.rawValue.uppercased())"
    case .doBlock: "DO"
    case .call: "CALL"
    }
  }
  /// Whether its meaning to a client is known without a plan: it gives no rows and takes no parameters.
  public var isDefinition: Bool {
    switch self {
    case .define, .createTable, .dropTable, .createRollup, .dropRollup, .createSequence, .alterSequence, .dropSequence,
      .createFunction, .dropFunction:
      true
    case .delete(let syntax): syntax.isTruncate
    default: false
    }
  }
}

extension CopySyntax {
  /// The statement whose RETURNING gives the rows.
  public var change: Statement? { if case .change(let statement) = source { statement } else { nil } }
}

extension DistributedPlan {
  /// Rollups that it reads.
  public var rollupsRead: Set<TableID> {
    var found: Set<TableID> = []
    var open = fragments.map(\.plan) + [coordinatorPlan]
    while let node = open.popLast() {
      if case .scan(let scan) = node, case .rollup(let rollup, _) = scan.source { found.insert(rollup) }
      open += node.inputs
    }
    return found
  }
}
