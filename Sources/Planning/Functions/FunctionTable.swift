// FunctionTable.swift — SQL's functions and operators: names, argument types, results, as PostgreSQL 15's pg_proc and pg_operator
// have them.
//
// A row is `name(types) result function`. Types are PostgreSQL's internal names; `variadic` stands before the last. Polymorphic types are
// bound by the arguments: anyelement and anyarray exactly, anycompatible… to the common type; `any` takes everything as it is. A row also
// tells which expressions a decoder may believe: `takes`.
import Model

/// One function under one name with one list of argument types.
struct FunctionSignature {
  /// A type in a signature.
  enum Parameter: Equatable {
    case type(DataType)
    case any
    case anyElement
    case anyArray
    case anyCompatible
    case anyCompatibleArray
    var isPolymorphic: Bool {
      if case .type = self { return false }
      return true
    }
  }
  var name: String
  var parameters: [Parameter]
  /// The last parameter stands for any number of arguments, one at least (`any`: none).
  var isVariadic: Bool
  var result: Parameter
  var function: Function
}

enum FunctionTable {
  /// Signatures by name, operators among them.
  static let byName: [String: [FunctionSignature]] = Dictionary(grouping: all, by: \.name)
  /// Signatures by what they call.
  static let byFunction: [Function: [FunctionSignature]] = Dictionary(grouping: all, by: \.function)

  private static let all: [FunctionSignature] = {
    let functions = Dictionary(uniqueKeysWithValues: Function.allCases.map { ("\($0)", $0) })
    var result: [FunctionSignature] = []
    for rows in [numbers, texts, binaries, times, documents, arrays, others, addresses, operators] {
      for line in rows.split(separator: "\n") { result.append(row(line, functions)) }
    }
    return result
  }()
  private static func row(_ line: Substring, _ functions: [String: Function]) -> FunctionSignature {
    // Operators may hold no parenthesis, so the first one opens the list.
    guard let open = line.firstIndex(of: "("), let close = line.lastIndex(of: ")") else { fatalError("row \(line)") }
    let rest = line[line.index(after: close)...].split(separator: " ")
    guard rest.count == 2, let function = functions[String(rest[1])], let result = parameter(rest[0]) else { fatalError("row \(line)") }
    var isVariadic = false
    var parameters: [FunctionSignature.Parameter] = []
    for part in line[line.index(after: open)..<close].split(separator: ",") {
      var words = part.split(separator: " ")
      if words.first == "variadic" {
        isVariadic = true
        words.removeFirst()
      }
      guard let only = words.first, let type = parameter(only) else { fatalError("row \(line)") }
      parameters.append(type)
    }
    return FunctionSignature(
      name: String(line[..<open]).filter { $0 != " " },
      parameters: parameters,
      isVariadic: isVariadic,
      result: result,
      function: function
    )
  }
  private static func parameter(_ name: Substring) -> FunctionSignature.Parameter? {
    switch name {
    case "any": .any
    case "anyelement": .anyElement
    case "anyarray": .anyArray
    case "anycompatible": .anyCompatible
    case "anycompatiblearray": .anyCompatibleArray
    default: name.hasSuffix("[]") ? types[String(name.dropLast(2))]?.arrayType.map { .type($0) } : types[String(name)].map { .type($0) }
    }
  }
  private static let types: [String: DataType] = [
    "bool": .boolean, "int2": .smallint, "int4": .integer, "int8": .bigint, "float4": .real, "float8": .double, "numeric": .plainNumeric,
    "text": .text, "bpchar": .bpchar(0), "char": .char, "name": .name, "bytea": .bytea, "uuid": .uuid, "inet": .inet, "json": .json,
    "jsonb": .jsonb,
    "oid": .oid, "date": .date, "time": .time, "timestamp": .timestamp, "timestamptz": .timestamptz, "interval": .interval,
  ]

  // MARK: Checking

  /// Whether a function of the table takes arguments of these types and returns that type.
  static func takes(_ function: Function, _ arguments: [Expression], _ type: DataType) -> Bool {
    let types = arguments.map(\.type)
    if function == .quantified { return QuantifiedComparison.takes(arguments, type) }
    if function == .castInZone { return ZonedCast.takes(arguments, type) }
    return (byFunction[function] ?? []).contains { fits($0, types, type) }
  }
  private static func fits(_ signature: FunctionSignature, _ types: [DataType], _ result: DataType) -> Bool {
    guard let parameters = signature.expanded(to: types.count) else { return false }
    var element: DataType?
    func bind(_ type: DataType?) -> Bool {
      guard let type else { return false }
      if let element { return element.withoutModifiers == type.withoutModifiers }
      element = type
      return true
    }
    func matches(_ parameter: FunctionSignature.Parameter, _ type: DataType) -> Bool {
      switch parameter {
      case .type(let wanted): wanted == type.withoutModifiers
      case .any: type != .unknown
      case .anyElement, .anyCompatible: bind(type)
      case .anyArray, .anyCompatibleArray: bind(type.element)
      }
    }
    return zip(parameters, types).allSatisfy { matches($0, $1) } && matches(signature.result, result)
  }
}

extension FunctionSignature {
  /// The parameters for so many arguments; nil when it does not take so many.
  func expanded(to count: Int) -> [Parameter]? {
    if !isVariadic { return count == parameters.count ? parameters : nil }
    let fixed = parameters.count - 1
    guard count > fixed || count == fixed && parameters[fixed] == .any else { return nil }
    return Array(parameters[..<fixed]) + Array(repeating: parameters[fixed], count: count - fixed)
  }
}
