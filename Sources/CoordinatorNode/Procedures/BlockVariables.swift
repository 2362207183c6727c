// BlockVariables.swift — variables of a PL/pgSQL block while it runs: values, records, frames, and the names that statements see.
import Model
import Planning
import SQL

/// A variable or record.
final class BlockVariable {
  struct Field {
    var name: String
    var type: DataType
    var value: Value
  }
  let name: String
  /// Of a value.
  var type: DataType
  var value = Value.null
  /// Fields of a record; nil of a value, and of a record that has none yet.
  var fields: [Field]?
  let isRecord: Bool
  /// %ROWTYPE: the fields stay.
  let hasFixedFields: Bool
  var isNotNull = false
  var isConstant = false

  init(_ name: String, _ type: DataType) {
    self.name = name
    self.type = type
    (isRecord, hasFixedFields) = (false, false)
  }
  /// A record; with columns it has them always.
  init(record name: String, columns: [OutputColumn]?) {
    self.name = name
    type = .unknown
    isRecord = true
    hasFixedFields = columns != nil
    fields = columns?.map { Field(name: $0.name, type: $0.type, value: .null) }
  }

  /// Gives it a value, cast as an assignment does.
  func assign(_ given: TypedValue) throws(TallyError) {
    guard !isRecord else {
      if given.value.isNull {
        // A record that is assigned NULL has fields of NULL, or none.
        if hasFixedFields { for at in (fields ?? []).indices { fields?[at].value = .null } } else { fields = nil }
        return
      }
      throw .sql("42804", "cannot assign non-composite value to a record variable")
    }
    let cast = try assigned(given, to: type)
    if isNotNull, cast.isNull {
      throw .sql("22004", "null value cannot be assigned to variable \"\(name)\" declared NOT NULL")
    }
    value = cast
  }
  /// Gives a record the fields of a row.
  func assign(_ columns: [OutputColumn], _ row: [Value]?) throws(TallyError) {
    guard hasFixedFields, let known = fields else {
      fields = columns.enumerated().map { Field(name: $1.name, type: $1.type, value: row?[$0] ?? .null) }
      return
    }
    for (at, field) in known.enumerated() {
      let isGiven = at < columns.count
      fields?[at].value = try isGiven ? assigned(TypedValue(columns[at].type, row?[at] ?? .null), to: field.type) : .null
    }
  }
}

/// Variables of one block, loop or handler.
final class BlockFrame {
  let label: String?
  var variables: [String: BlockVariable] = [:]
  init(_ label: String?) { self.label = label }
  func add(_ variable: BlockVariable) { variables[variable.name] = variable }
}

/// The frames around the statement that runs, the innermost last.
struct BlockFrames {
  private(set) var frames: [BlockFrame] = []

  mutating func push(_ frame: BlockFrame) { frames.append(frame) }
  mutating func pop(to count: Int) { frames.removeSubrange(count...) }
  var count: Int { frames.count }

  /// The variable that a path begins with, and the rest of the path: a label before the name is taken.
  func find(_ path: [String]) -> (variable: BlockVariable, rest: ArraySlice<String>)? {
    for frame in frames.reversed() {
      if let found = frame.variables[path[0]] { return (found, path[1...]) }
      if path.count > 1, frame.label == path[0], let found = frame.variables[path[1]] { return (found, path[2...]) }
    }
    return nil
  }

  /// All names as a statement sees them.
  func names(_ conflict: NameConflict) -> NamedValues {
    var result = NamedValues()
    switch conflict {
    case .error: result.conflict = .error
    case .useVariable: result.conflict = .useVariable
    case .useColumn: result.conflict = .useColumn
    }
    for frame in frames {
      for (name, variable) in frame.variables {
        result[[name]] = Self.meaning(variable)
        if let label = frame.label { result[[label, name]] = Self.meaning(variable) }
        for field in variable.fields ?? [] { result[[name, field.name]] = .value(TypedValue(field.type, field.value)) }
      }
    }
    return result
  }
  private static func meaning(_ variable: BlockVariable) -> NamedValues.Meaning {
    guard variable.isRecord else { return .value(TypedValue(variable.type, variable.value)) }
    return variable.fields == nil ? .unassigned : .record
  }
}
