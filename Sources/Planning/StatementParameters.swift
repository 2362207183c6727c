// StatementParameters.swift — `$1`, `$2`, … of a prepared statement: their types, as far as they are known, and their values, if any.
//
// A parameter whose type the client did not say takes the one that an untyped literal would be given where it is used first, as in
// PostgreSQL; later uses find it typed. A statement is planned without values once, which finds the types, and with values each time it is
// run, which finds the same ones. Without values parameters are NULL: such a plan tells the result's columns and no more. Or they stay
// parameters (`areOpen`): then it is bound for all values at once (GenericPlan).
public import Model
internal import Synchronization

/// The parameters of one planning of a statement.
public final class StatementParameters: Sendable {
  /// Most parameters of a statement: what the protocol's counts can say.
  public static let max = 65_535

  private struct State {
    var types: [DataType?]
  }
  private let values: [Value]?
  private let areOpen: Bool
  private let state: Mutex<State>

  /// Parameters with the types that the client said; with `values`, there are so many, each of the type that was found before, or NULL.
  public convenience init(declared: [DataType?] = [], values: [Value]? = nil) {
    self.init(declared: declared, values: values, areOpen: false)
  }
  /// Parameters of these types that are to stay parameters.
  convenience init(open types: [DataType]) { self.init(declared: types, values: nil, areOpen: true) }
  private init(declared: [DataType?], values: [Value]?, areOpen: Bool) {
    self.values = values
    self.areOpen = areOpen
    var types = declared
    if let values { types += [DataType?](repeating: nil, count: Swift.max(0, values.count - types.count)) }
    state = Mutex(State(types: types))
  }
  /// Whether there are values.
  public var hasValues: Bool { values != nil }
  /// The types, once the statement is planned. Throws 42P18 for one that no use tells.
  public func found() throws(TallyError) -> [DataType] {
    let types = state.withLock { $0.types }
    var result: [DataType] = []
    for (at, type) in types.enumerated() {
      guard let type else { throw .sql("42P18", "could not determine data type of parameter $\(at + 1)") }
      result.append(type)
    }
    return result
  }

  /// Parameter `number` where it is used: a constant, or untyped until it is cast. Throws 42P02.
  func use(_ number: Int, _ position: Int) throws(TallyError) -> Expression {
    let type = state.withLock { state -> DataType?? in
      guard (1...Self.max).contains(number) else { return nil }
      if number > state.types.count {
        guard values == nil, !areOpen else { return nil }
        state.types += [DataType?](repeating: nil, count: number - state.types.count)
      }
      return .some(state.types[number - 1])
    }
    guard let type else { throw Self.missing(number, position) }
    guard let type else { return Expression(.unknown, .column(Placeholder.parameters + number)) }
    return constant(number, type)
  }
  static func missing(_ number: Int, _ position: Int) -> TallyError {
    .sql("42P02", "there is no parameter $\(number)", position: position)
  }
  /// An untyped parameter, given a type.
  func resolve(_ number: Int, as type: DataType) -> Expression {
    constant(
      number,
      state.withLock { state in
        let own = state.types[number - 1] ?? type.withoutModifiers
        state.types[number - 1] = own
        return own
      }
    )
  }
  private func constant(_ number: Int, _ type: DataType) -> Expression {
    if areOpen { return Expression(type, .parameter(number)) }
    return .constant(type, values.map { $0.indices.contains(number - 1) ? $0[number - 1] : .null } ?? .null)
  }
}

extension Expression {
  /// The number of the parameter that it is, if it has no type yet.
  var untypedParameter: Int? {
    guard type == .unknown, case .column(let index) = node, index > Placeholder.parameters else { return nil }
    return index - Placeholder.parameters
  }
}

extension DataType {
  /// The type without what limits its values: numeric of numeric(10,2), varchar of varchar(20).
  var withoutModifiers: DataType {
    switch self {
    case .numeric: .plainNumeric
    case .varchar: .varchar(0)
    case .bpchar: .bpchar(0)
    case .array(let element): element.type.withoutModifiers.arrayType ?? self
    default: self
    }
  }
}
