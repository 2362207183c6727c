// NamedValues.swift — names in a statement that stand for values and not for columns: variables of a procedure, results of calls.
//
// A name is looked up as a column first, in the query and in those around it, as PostgreSQL's PL/pgSQL does; one that is both is ambiguous
// (42702) unless the procedure says what it means. A value is a constant of the variable's type.
public import Model
public import SQL

/// Names that stand for values while one statement is planned.
public struct NamedValues: Sendable {
  /// What a name that is a column too means.
  public enum Conflict: Sendable {
    case error
    case useVariable
    case useColumn
  }
  /// What a name stands for.
  public enum Meaning: Sendable {
    case value(TypedValue)
    /// A record without fields yet.
    case unassigned
    /// A record as a whole.
    case record
  }
  /// Conflicts with columns.
  public var conflict = Conflict.error
  private var meanings: [[String]: Meaning] = [:]
  /// No names.
  public init() {}
  /// Gives a name its meaning: `v`, `r.f` …
  public subscript(path: [String]) -> Meaning? {
    get { meanings[path] }
    set { meanings[path] = newValue }
  }
  /// Whether nothing has a name.
  public var isEmpty: Bool { meanings.isEmpty }

  /// The constant that a name stands for; nil where it stands for nothing. Throws for a record's field that it has not.
  func find(_ path: [String], _ position: Int) throws(TallyError) -> Expression? {
    switch meanings[path] {
    case .value(let value)?: return .constant(value.type, value.value)
    case .record?, .unassigned?:
      throw .sql(
        "0A000",
        "the record \"\(path.joined(separator: "."))\" as a value is not supported",
        hint: "Name its fields.",
        position: position
      )
    case nil: break
    }
    guard path.count == 2 else { return nil }
    switch meanings[[path[0]]] {
    case .unassigned?:
      throw .sql(
        "55000",
        "record \"\(path[0])\" is not assigned yet",
        detail: "The tuple structure of a not-yet-assigned record is indeterminate."
      )
    case .record?: throw .sql("42703", "record \"\(path[0])\" has no field \"\(path[1])\"")
    default: return nil
    }
  }
}

/// The value of an expression over constants and named values, with its type; nil when a plan is needed to find it.
///
/// With a type it is cast to it as an argument of a function is; without one a bare literal stays of type unknown.
public func evaluateConstant(
  _ syntax: ExpressionSyntax,
  as type: DataType? = nil,
  context: PlanningContext
) throws(TallyError) -> TypedValue? {
  let binder = ExpressionBinder(scope: .empty, context: context)
  var bound = try binder.bind(syntax)
  if let type { bound = try binder.coerce(bound, to: type, at: syntax.position, .implicit) }
  guard let value = bound.constantValue else { return nil }
  return TypedValue(bound.type, value)
}

/// A value as an assignment to a variable or argument of a type makes it: by an assignment cast, else through its text.
public func assigned(_ value: TypedValue, to type: DataType) throws(TallyError) -> Value {
  if value.type == type || value.value.isNull { return value.value }
  let binder = ExpressionBinder(scope: .empty, context: PlanningContext(now: 0))
  let constant = Expression.constant(value.type, value.value)
  if value.type == .unknown || Casts.context(from: value.type, to: type).map({ $0 <= .assignment }) ?? false {
    guard let result = try binder.coerce(constant, to: type, at: 1, .assignment).constantValue else {
      throw .sql("0A000", "assigning a value of type \(value.type.name) to type \(type.name) is not supported")
    }
    return result
  }
  guard let text = ValueText.print(value.value, as: value.type) else { return .null }
  do throws(TallyError) {
    guard let result = try binder.coerce(.constant(.unknown, .text(text)), to: type, at: 1, .assignment).constantValue else {
      throw .sql("42846", "cannot cast type \(value.type.name) to \(type.name)")
    }
    return result
  } catch {
    var failure = error
    failure.position = nil
    throw failure
  }
}

/// The type that a written one is.
public func boundType(_ syntax: TypeSyntax) throws(TallyError) -> DataType { try TypeBinding.type(syntax) }

/// Refuses to drop functions that views and defaults call (2BP01). `shown`: how messages name them; `after`: the context without them.
public func requireUncalled(
  _ shown: String,
  catalog: CatalogSnapshot,
  context: PlanningContext,
  after: PlanningContext
) throws(TallyError) {
  let dependents = ObjectBinder.needing(shown, catalog, context, after)
  if dependents.isEmpty { return }
  throw .sql(
    "2BP01",
    "cannot drop \(shown) because other objects depend on it",
    detail: dependents.joined(separator: "\n"),
    hint: "Use DROP ... CASCADE to drop the dependent objects too."
  )
}

/// How well an argument of a type goes into one of another: 0 as it is, more the further away; nil not at all.
public func castDistance(from: DataType, to: DataType) -> Int? {
  if from.withoutModifiers == to.withoutModifiers { return 0 }
  if from == .unknown { return to.isText ? 1 : 2 }
  return Casts.context(from: from, to: to) == .implicit ? 3 : nil
}

/// Whether a value of a type may be what a function of another gives.
public func isAssignable(_ from: DataType, to: DataType) -> Bool {
  if from == .unknown || from.withoutModifiers == to.withoutModifiers { return true }
  return Casts.context(from: from, to: to).map { $0 <= .assignment } ?? false
}
