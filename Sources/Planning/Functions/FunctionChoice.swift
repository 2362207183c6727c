// FunctionChoice.swift — which of several functions of one name a call means: PostgreSQL's rules for overloaded functions and operators
// (its documentation, chapter 10).
//
// Exact types first; else those whose arguments all coerce implicitly, of which most exact matches win, then most preferred types, then
// what untyped literals suggest: a category all agree on, string before others, and at last that a literal has the others' type.
import Model

/// PostgreSQL's categories of types, as far as the choice looks at them.
enum TypeCategory {
  case boolean
  case number
  case string
  case dateTime
  case timespan
  case array
  case unknown
  case internalUse
  /// Types that are compared with themselves only.
  case user
  case polymorphic

  init(_ type: DataType) {
    switch type {
    case .boolean: self = .boolean
    case .smallint, .integer, .bigint, .real, .double, .numeric, .oid, .regclass, .regtype, .regproc, .regnamespace, .regrole:
      self = .number
    case .text, .varchar, .bpchar, .name: self = .string
    case .date, .time, .timestamp, .timestamptz: self = .dateTime
    case .interval: self = .timespan
    case .array: self = .array
    case .unknown: self = .unknown
    case .char: self = .internalUse
    default: self = .user
    }
  }
  /// Whether a type is its category's preferred one.
  static func isPreferred(_ type: DataType) -> Bool {
    switch type {
    case .boolean, .double, .oid, .text, .timestamptz, .interval: true
    default: false
    }
  }
}

/// One function that a name may mean.
struct FunctionCandidate {
  enum Target {
    case function(Function)
    case hosted(HostedFunction)
  }
  var signature: FunctionSignature
  var target: Target
}

/// A function with the types that its arguments are to have.
struct ChosenFunction {
  var target: FunctionCandidate.Target
  /// Types to cast arguments to; nil leaves one as it is.
  var arguments: [DataType?]
  var result: DataType
}

enum FunctionChoice {
  enum Outcome {
    case none
    case ambiguous
    case one(ChosenFunction)
  }

  /// Chooses among the functions of a name for arguments of these types.
  static func choose(_ candidates: [FunctionCandidate], _ types: [DataType]) -> Outcome {
    var fitting: [(parameters: [FunctionSignature.Parameter], chosen: ChosenFunction)] = []
    for candidate in candidates {
      guard let parameters = candidate.signature.expanded(to: types.count),
        let chosen = bound(candidate, parameters, types)
      else { continue }
      let isExact = zip(parameters, types).allSatisfy { parameter, type in
        if case .type(let wanted) = parameter { return wanted == type.withoutModifiers }
        return false
      }
      if isExact { return .one(chosen) }
      fitting.append((parameters, chosen))
    }
    if fitting.isEmpty { return .none }
    if fitting.count == 1 { return .one(fitting[0].chosen) }

    // Most exact matches, of known arguments.
    func keepBest(_ score: ([FunctionSignature.Parameter]) -> Int) {
      let best = fitting.map { score($0.parameters) }.max() ?? 0
      fitting.removeAll { score($0.parameters) < best }
    }
    keepBest { parameters in
      zip(parameters, types).count { parameter, type in
        if case .type(let wanted) = parameter { return type != .unknown && wanted == type.withoutModifiers }
        return false
      }
    }
    if fitting.count == 1 { return .one(fitting[0].chosen) }
    keepBest { parameters in
      zip(parameters, types).count { parameter, type in
        guard case .type(let wanted) = parameter, type != .unknown else { return false }
        return wanted == type.withoutModifiers
          || TypeCategory.isPreferred(wanted) && TypeCategory(wanted) == TypeCategory(type)
      }
    }
    if fitting.count == 1 { return .one(fitting[0].chosen) }

    let unknowns = types.indices.filter { types[$0] == .unknown }
    if unknowns.isEmpty { return .ambiguous }
    if let narrowed = byCategories(fitting, unknowns) { fitting = narrowed }
    if fitting.count == 1 { return .one(fitting[0].chosen) }

    // All known arguments of one type: literals may have it too.
    let known = Set(types.filter { $0 != .unknown }.map(\.withoutModifiers))
    if known.count == 1, let only = known.first {
      let same = fitting.filter { candidate in
        unknowns.allSatisfy { at in
          switch candidate.parameters[at] {
          case .type(let wanted): wanted == only || Casts.context(from: only, to: wanted) == .implicit
          case .anyArray, .anyCompatibleArray: only.element != nil
          case .any: true
          case .anyElement, .anyCompatible: only.element == nil
          }
        }
      }
      if same.count == 1 { return .one(same[0].chosen) }
    }
    return .ambiguous
  }
  /// What is left when untyped literals take the category that candidates agree on, or string; nil when they do not agree.
  private static func byCategories(
    _ fitting: [(parameters: [FunctionSignature.Parameter], chosen: ChosenFunction)],
    _ unknowns: [Int]
  ) -> [(parameters: [FunctionSignature.Parameter], chosen: ChosenFunction)]? {
    var wanted: [Int: (category: TypeCategory, isPreferred: Bool)] = [:]
    for at in unknowns {
      var category: TypeCategory?
      var isMixed = false
      var isPreferred = false
      for candidate in fitting {
        let own = self.category(candidate.parameters[at])
        if category == nil {
          category = own
          isPreferred = self.isPreferred(candidate.parameters[at])
        } else if own == category {
          isPreferred = isPreferred || self.isPreferred(candidate.parameters[at])
        } else if own == .string {
          (category, isPreferred) = (own, self.isPreferred(candidate.parameters[at]))
        } else {
          isMixed = true
        }
      }
      guard let category, !isMixed || category == .string else { return nil }
      wanted[at] = (category, isPreferred)
    }
    let result = fitting.filter { candidate in
      unknowns.allSatisfy { at in
        guard let (category, isPreferred) = wanted[at] else { return true }
        let parameter = candidate.parameters[at]
        return self.category(parameter) == category && (!isPreferred || self.isPreferred(parameter))
      }
    }
    return result.isEmpty ? nil : result
  }
  private static func category(_ parameter: FunctionSignature.Parameter) -> TypeCategory {
    if case .type(let type) = parameter { return TypeCategory(type) }
    return .polymorphic
  }
  private static func isPreferred(_ parameter: FunctionSignature.Parameter) -> Bool {
    if case .type(let type) = parameter { return TypeCategory.isPreferred(type) }
    return false
  }

  /// The candidate with its polymorphic types bound; nil when an argument does not fit.
  private static func bound(
    _ candidate: FunctionCandidate,
    _ parameters: [FunctionSignature.Parameter],
    _ types: [DataType]
  ) -> ChosenFunction? {
    // anyelement binds exactly; anycompatible takes the common type of all.
    var elements: [DataType] = []
    var isCompatible = false
    for (parameter, type) in zip(parameters, types) where type != .unknown {
      switch parameter {
      case .anyElement: elements.append(type)
      case .anyArray:
        guard let element = type.element else { return nil }
        elements.append(element)
      case .anyCompatible:
        isCompatible = true
        elements.append(type)
      case .anyCompatibleArray:
        isCompatible = true
        guard let element = type.element else { return nil }
        elements.append(element)
      case .type, .any: break
      }
    }
    var element: DataType?
    if let first = elements.first {
      if isCompatible {
        element = UnifiedType.of(elements)
      } else {
        element = elements.allSatisfy { $0.withoutModifiers == first.withoutModifiers } ? first.withoutModifiers : nil
      }
      guard element != nil else { return nil }
    }
    func type(_ parameter: FunctionSignature.Parameter) -> DataType? {
      switch parameter {
      case .type(let type): type
      case .any: nil
      case .anyElement, .anyCompatible: element
      case .anyArray, .anyCompatibleArray: element?.arrayType
      }
    }
    var arguments: [DataType?] = []
    for (parameter, own) in zip(parameters, types) {
      if parameter == .any {
        arguments.append(own == .unknown ? .text : nil)
        continue
      }
      guard let wanted = type(parameter) else { return nil }
      guard own == .unknown || own.withoutModifiers == wanted || Casts.context(from: own, to: wanted) == .implicit else { return nil }
      arguments.append(wanted)
    }
    guard let result = type(candidate.signature.result) else { return nil }
    return ChosenFunction(target: candidate.target, arguments: arguments, result: result)
  }
}
