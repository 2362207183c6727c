// SequenceBinder.swift — CREATE, ALTER and DROP SEQUENCE, and the sequences of serial and identity columns, with PostgreSQL's bounds and
// errors.
public import Model
import SQL

/// CREATE SEQUENCE, ready for the catalog; the catalog gives the number.
public struct CreateSequencePlan: Sendable {
  /// The sequence, with number 0.
  public var sequence: SequenceRecord
  /// Nothing to do when the name is taken.
  public var ifNotExists: Bool
}

/// ALTER SEQUENCE.
public struct AlterSequencePlan: Sendable {
  /// The sequence as it will be; nil when there is none and IF EXISTS allowed that.
  public var sequence: SequenceRecord?
  /// RESTART: the next number.
  public var restart: Int64?
  /// Messages for the client.
  public var notices: [String] = []
}

struct SequenceBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext

  func create(_ syntax: SequenceSyntax) throws(TallyError) -> CreateSequencePlan {
    let name = syntax.name
    let schema: String
    do throws(TallyError) { schema = try catalog.schema(for: name) } catch {
      // As PostgreSQL says it.
      var error = error
      error.position = nil
      throw error
    }
    if !syntax.isLenient, catalog.isRelation(name.name, in: schema) {
      throw .sql("42P07", "relation \"\(name.name)\" already exists")
    }
    var sequence = SequenceRecord(id: TableID(0), schemaName: schema, name: name.name)
    _ = try apply(syntax.options, to: &sequence, isNew: true)
    return CreateSequencePlan(sequence: sequence, ifNotExists: syntax.isLenient)
  }
  func alter(_ syntax: SequenceSyntax) throws(TallyError) -> AlterSequencePlan {
    let name = syntax.name
    guard var sequence = catalog.sequence(name) else {
      if catalog.isRelation(name) { throw .sql("42809", "\"\(name.name)\" is not a sequence") }
      guard syntax.isLenient else { throw .sql("42P01", "relation \"\(name.text)\" does not exist") }
      return AlterSequencePlan(notices: ["relation \"\(name.name)\" does not exist, skipping"])
    }
    let restart = try apply(syntax.options, to: &sequence, isNew: false)
    return AlterSequencePlan(sequence: sequence, restart: restart)
  }
  func drop(_ syntax: DropSyntax) throws(TallyError) -> BoundStatement {
    var ids: [TableID] = []
    var notices: [String] = []
    for name in syntax.names {
      guard let sequence = catalog.sequence(name) else {
        if catalog.isRelation(name) {
          let hint = catalog.table(name) != nil ? "Use DROP TABLE to remove a table." : nil
          throw .sql("42809", "\"\(name.name)\" is not a sequence", hint: hint)
        }
        guard syntax.ifExists else { throw .sql("42P01", "sequence \"\(name.name)\" does not exist") }
        notices.append("sequence \"\(name.name)\" does not exist, skipping")
        continue
      }
      try checkUnused(sequence)
      ids.append(sequence.id)
    }
    return .dropSequence(ids, notices: notices)
  }
  /// Whether a default takes numbers from a sequence. One that does not bind takes none: it cannot be evaluated.
  private func reads(_ column: Column, _ sequence: SequenceRecord) -> Bool {
    do throws(TallyError) {
      return try DefaultValue.expression(of: column, context: context).reads(sequence: sequence.id, context.system)
    } catch {
      return false
    }
  }
  /// Refuses to drop a sequence that a column takes its numbers from.
  private func checkUnused(_ sequence: SequenceRecord) throws(TallyError) {
    for table in catalog.tables {
      for (at, column) in table.columns.enumerated() where !column.isDropped {
        if column.identity != .none, sequence.owner?.table == table.id, sequence.owner?.column == at {
          throw .sql(
            "2BP01",
            "cannot drop sequence \(sequence.name) because column \(column.name) of table \(table.name) requires it",
            hint: "You can drop column \(column.name) of table \(table.name) instead."
          )
        }
        guard let text = column.defaultSQL, text.contains(sequence.name),
          reads(column, sequence)
        else { continue }
        throw .sql(
          "2BP01",
          "cannot drop sequence \(sequence.name) because other objects depend on it",
          detail: "default value for column \(column.name) of table \(table.name) depends on sequence \(sequence.name)",
          hint: "Use DROP ... CASCADE to drop the dependent objects too."
        )
      }
    }
  }

  // MARK: serial and identity

  /// The type that serial and its kin stand for; nil for other names.
  static func serialType(_ name: String) -> DataType? {
    switch name {
    case "serial", "serial4": .integer
    case "bigserial", "serial8": .bigint
    case "smallserial", "serial2": .smallint
    default: nil
    }
  }
  /// The sequence of a column and its default's text.
  func owned(
    by column: Column,
    number: Int,
    of table: TableSchema,
    options: [SequenceOption],
    taken: (String) -> Bool
  ) throws(TallyError) -> (sequence: SequenceRecord, defaultSQL: String) {
    let name = ObjectNames.free(table.name, column.name, "seq", isTaken: taken)
    var sequence = SequenceRecord(
      id: TableID(0),
      schemaName: table.schemaName,
      name: name,
      type: column.type,
      greatest: Self.bounds(column.type).upperBound,
      owner: (table: TableID(0), column: number)
    )
    for option in options {
      switch option.kind {
      case .type, .ownedBy, .ownedByNone, .restart:
        throw .sql("42601", "this option of an identity column's sequence is not allowed", position: option.position)
      default: break
      }
    }
    _ = try apply(options, to: &sequence, isNew: true)
    return (sequence, Self.defaultText(sequence))
  }
  /// What the default of such a column says.
  static func defaultText(_ sequence: SequenceRecord) -> String {
    var name = SQLQuoting.identifier(sequence.name)
    if sequence.schemaName != "public" { name = SQLQuoting.identifier(sequence.schemaName) + "." + name }
    return "nextval(\(SQLQuoting.literal(name))::regclass)"
  }

  // MARK: Options

  private static func bounds(_ type: DataType) -> ClosedRange<Int64> {
    switch type {
    case .smallint: Int64(Int16.min)...Int64(Int16.max)
    case .integer: Int64(Int32.min)...Int64(Int32.max)
    default: Int64.min...Int64.max
    }
  }
  /// Applies options as PostgreSQL's init_params does; gives RESTART's number.
  private func apply(_ options: [SequenceOption], to sequence: inout SequenceRecord, isNew: Bool) throws(TallyError) -> Int64? {
    let old = sequence
    var (least, greatest): (Int64??, Int64??) = (nil, nil)
    var start: Int64?
    var restart: Int64??
    for option in options {
      switch option.kind {
      case .type(let syntax):
        let type = try TypeBinding.type(syntax)
        guard type.isInteger else {
          throw .sql("22023", "sequence type must be smallint, integer, or bigint")
        }
        sequence.type = type
      case .start(let value): start = value
      case .increment(let value):
        guard value != 0 else { throw .sql("22023", "INCREMENT must not be zero") }
        sequence.increment = value
      case .least(let value): least = .some(value)
      case .greatest(let value): greatest = .some(value)
      case .cycle(let isCycling): sequence.isCycling = isCycling
      case .cache(let count):
        guard count > 0 else { throw .sql("22023", "CACHE (\(count)) must be greater than zero") }
      case .restart(let value): restart = .some(value)
      case .ownedByNone: sequence.owner = nil
      case .ownedBy(let name, let column):
        guard let table = catalog.table(name) else {
          throw .sql("42P01", "relation \"\(name.name)\" does not exist")
        }
        guard let number = table.columnIndex(column) else {
          throw .sql("42703", "column \"\(column)\" of relation \"\(table.name)\" does not exist")
        }
        sequence.owner = (table: table.id, column: number)
      }
    }
    let (now, before) = (Self.bounds(sequence.type), Self.bounds(old.type))
    let isAscending = sequence.increment > 0
    // A bound that was the old type's becomes the new one's.
    let keepsGreatest = !isNew && !(sequence.type != old.type && old.greatest == before.upperBound)
    let keepsLeast = !isNew && !(sequence.type != old.type && old.least == before.lowerBound)
    if case .some(.some(let value)) = greatest {
      sequence.greatest = value
    } else if greatest != nil || !keepsGreatest {
      sequence.greatest = isAscending ? now.upperBound : -1
    }
    if case .some(.some(let value)) = least {
      sequence.least = value
    } else if least != nil || !keepsLeast {
      sequence.least = isAscending ? 1 : now.lowerBound
    }
    for (what, value) in [("MAXVALUE", sequence.greatest), ("MINVALUE", sequence.least)] where !now.contains(value) {
      throw .sql("22023", "\(what) (\(value)) is out of range for sequence data type \(sequence.type.name)")
    }
    guard sequence.least < sequence.greatest else {
      throw .sql("22023", "MINVALUE (\(sequence.least)) must be less than MAXVALUE (\(sequence.greatest))")
    }
    if let start { sequence.start = start } else if isNew { sequence.start = isAscending ? sequence.least : sequence.greatest }
    try Self.check(sequence.start, "START", sequence)
    guard let restart else { return nil }
    let next = restart ?? sequence.start
    try Self.check(next, "RESTART", sequence)
    return next
  }
  private static func check(_ value: Int64, _ what: String, _ sequence: SequenceRecord) throws(TallyError) {
    if value < sequence.least { throw .sql("22023", "\(what) value (\(value)) cannot be less than MINVALUE (\(sequence.least))") }
    if value > sequence.greatest {
      throw .sql("22023", "\(what) value (\(value)) cannot be greater than MAXVALUE (\(sequence.greatest))")
    }
  }
}

extension CatalogSnapshot {
  /// The sequence that a name means: in its schema, or the first along the search path.
  func sequence(_ name: NameSyntax) -> SequenceRecord? {
    for schema in name.schema.map({ [$0] }) ?? searchPath {
      if let found = sequences.first(where: { $0.name == name.name && $0.schemaName == schema }) { return found }
    }
    return nil
  }
  /// Whether a name means a relation of any kind.
  func isRelation(_ name: NameSyntax) -> Bool {
    (name.schema.map { [$0] } ?? searchPath).contains { isRelation(name.name, in: $0) }
  }
}

extension Expression {
  /// Whether it takes numbers of a sequence by nextval.
  fileprivate func reads(sequence id: TableID, _ system: (any SystemCatalog)?) -> Bool {
    if case .hosted(let function, let arguments) = node, function.name == "nextval", let number = arguments.first?.constantValue,
      case .fixed(let oid) = number, system?.sequence(of: oid) == id
    {
      return true
    }
    return operands.contains { $0.reads(sequence: id, system) }
  }
}
