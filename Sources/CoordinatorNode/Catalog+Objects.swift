// Catalog+Objects.swift — commands on tables' places and shapes, views, functions, sequences, jobs and schemas, applied to the catalog.
//
// What depends on what is checked by name here only where a dangling reference would be left in the catalog itself; what a statement
// means is the binder's.
import Bytes
import Model

extension Catalog {
  /// How far a sequence has been handed out.
  struct Given: Equatable, Sendable {
    /// The last number handed out; meaningless before the first.
    var last: Int64
    /// The next lies outside of its bounds, and it does not cycle.
    var isExhausted: Bool
    /// The next number.
    var next: Int64
  }
  /// What state versions before 4 lack.
  struct Objects: Sendable {
    var given: [TableID: Given] = [:]
    var localGroup: GroupID?
    var referenceGroup: GroupID?
    var nextJob: Int64 = 1
  }
  static let jobsMax = 1000

  mutating func changeObjects(_ command: CatalogCommand) throws(TallyError) -> CatalogOutcome {
    switch command {
    case .placeTable(let id, let isReference, let placement, let copies):
      return try place(id, isReference: isReference, placement, copies)
    case .alterTable(let from, let to): return try alter(from, to)
    case .alterTableAndViews(let from, let to, let views):
      let outcome = try alter(from, to)
      _ = try alter(views)
      return outcome
    case .alterViews(let views): return try alter(views)
    case .createView(let view, let replaces): return try create(view, replaces: replaces)
    case .dropView(let id):
      let at = try place(of: id, in: snapshot.views.map(\.id), "view")
      snapshot.views.remove(at: at)
    case .createFunction(let function, let replaces): return try create(function, replaces: replaces)
    case .dropFunction(let id):
      let at = try place(of: id, in: snapshot.functions.map(\.id), "function")
      snapshot.functions.remove(at: at)
    case .createSequence(let sequence): return .table(try create(sequence))
    case .createTableWithSequences(let table, let sequences):
      let id = try create(table)
      for var sequence in sequences {
        sequence.owner?.table = id
        _ = try create(sequence)
      }
      return .table(id)
    case .alterSequence(let sequence):
      let at = try place(of: sequence.id, in: snapshot.sequences.map(\.id), "sequence")
      try requireOwner(of: sequence)
      snapshot.sequences[at] = sequence
      // What comes after the last number is another with other bounds; before the first number there is none.
      if let state = given[sequence.id], state.isExhausted || state.last != state.next {
        given[sequence.id] = Self.behind(state.last, sequence)
      }
    case .dropSequence(let id):
      let at = try place(of: id, in: snapshot.sequences.map(\.id), "sequence")
      snapshot.sequences.remove(at: at)
      given[id] = nil
    case .takeNumbers(let id, let count): return try take(count, of: id)
    case .setSequence(let id, let value, let isTaken):
      let sequence = try known(id)
      guard sequence.least <= value, value <= sequence.greatest else {
        throw .sql(
          "22003",
          "setval: value \(value) is out of bounds for sequence \"\(sequence.name)\" (\(sequence.least)..\(sequence.greatest))"
        )
      }
      if isTaken {
        given[id] = Self.behind(value, sequence)
      } else {
        given[id] = Given(last: value, isExhausted: false, next: value)
      }
    case .scheduleJob(let job): return try schedule(job)
    case .unscheduleJob(let id):
      guard let at = snapshot.jobs.firstIndex(where: { $0.id == id }) else {
        throw .sql("XX000", "could not find valid entry for job \(id)")
      }
      snapshot.jobs.remove(at: at)
    case .createSchema(let name):
      guard name != "public", !snapshot.schemas.contains(name) else { throw .sql("42P06", "schema \"\(name)\" already exists") }
      snapshot.schemas.append(name)
      snapshot.schemas.sort()
    case .dropSchema(let name):
      guard snapshot.schemas.contains(name) else { throw .sql("3F000", "schema \"\(name)\" does not exist") }
      let isUsed =
        snapshot.tables.contains { $0.schemaName == name } || snapshot.rollups.contains { $0.schemaName == name }
        || snapshot.views.contains { $0.schemaName == name } || snapshot.sequences.contains { $0.schemaName == name }
        || snapshot.functions.contains { $0.schemaName == name }
      guard !isUsed else {
        throw .sql(
          "2BP01",
          "cannot drop schema \(name) because other objects depend on it",
          hint: "Use DROP ... CASCADE to drop the dependent objects too."
        )
      }
      snapshot.schemas.removeAll { $0 == name }
    default: throw TallyError(.internalError, "a command without a state to change")
    }
    return .done
  }
  private func known(_ id: TableID) throws(TallyError) -> SequenceRecord {
    guard let found = sequence(id) else { throw .sql("42P01", "sequence \(id) does not exist") }
    return found
  }
  /// Refuses a sequence whose table has another number by now: it would belong to none.
  private func requireOwner(of sequence: SequenceRecord) throws(TallyError) {
    guard let owner = sequence.owner, !snapshot.tables.contains(where: { $0.id == owner.table }) else { return }
    throw .sql(
      "40001",
      "the table that sequence \"\(sequence.name)\" belongs to was changed meanwhile",
      hint: "Repeat the statement."
    )
  }
  private mutating func create(_ sequence: SequenceRecord) throws(TallyError) -> TableID {
    try requireFree(sequence.name, in: sequence.schemaName)
    try requireOwner(of: sequence)
    var sequence = sequence
    sequence.id = takeNumber()
    snapshot.sequences.append(sequence)
    given[sequence.id] = Given(last: sequence.start, isExhausted: false, next: sequence.start)
    return sequence.id
  }
  /// Sequences go with the table whose columns own them.
  mutating func dropSequences(of table: TableID) {
    for sequence in snapshot.sequences where sequence.owner?.table == table { given[sequence.id] = nil }
    snapshot.sequences.removeAll { $0.owner?.table == table }
  }
  /// Refuses what makes a snapshot that cannot be read again.
  func checkCounts() throws(TallyError) {
    let counts = [
      snapshot.nodes.count, snapshot.groups.count, snapshot.tables.count, snapshot.rollups.count, snapshot.schemas.count,
      snapshot.views.count, snapshot.functions.count, snapshot.sequences.count,
    ]
    guard counts.allSatisfy({ $0 <= CatalogFormat.entriesMax }) else {
      throw .sql("54000", "the catalog holds \(CatalogFormat.entriesMax) objects of this kind already")
    }
  }
  private func place(of id: TableID, in ids: [TableID], _ what: String) throws(TallyError) -> Int {
    guard let at = ids.firstIndex(of: id) else { throw Self.gone("the \(what)") }
    return at
  }

  private mutating func place(
    _ id: TableID,
    isReference: Bool,
    _ placement: [NodeID],
    _ copies: Int
  ) throws(TallyError) -> CatalogOutcome {
    if let draft = draft(of: id) {
      let command = CatalogCommand.placeTable(id, isReference: isReference, placement: placement, copies: copies)
      return try self.draft(command, in: draft, isPlacement: true)
    }
    let at = try place(of: id, in: snapshot.tables.map(\.id), "table")
    guard case .local = snapshot.tables[at].distribution else {
      throw .sql("55000", "table \"\(snapshot.tables[at].name)\" has its place already")
    }
    let group = try singleGroup(isReference: isReference, placement, copies)
    snapshot.tables[at].distribution = .single(group: group, isReference: isReference)
    return .table(id)
  }
  /// The group of local or of reference tables; made when there is none.
  mutating func singleGroup(isReference: Bool, _ placement: [NodeID], _ copies: Int) throws(TallyError) -> GroupID {
    if let known = isReference ? referenceGroup : localGroup, snapshot.group(known) != nil { return known }
    let group = try makeGroup(.bigint, [placement], copies)
    separateGroups.append(group)
    if isReference { referenceGroup = group } else { localGroup = group }
    return group
  }
  private mutating func alter(_ from: TableSchema, _ to: TableSchema) throws(TallyError) -> CatalogOutcome {
    let at = try place(of: from.id, in: snapshot.tables.map(\.id), "table")
    try requireStill(snapshot.tables[at])
    guard snapshot.tables[at] == from, to.id == from.id else {
      throw .sql(
        "40001",
        "table \"\(from.name)\" was changed by another statement",
        hint: "Repeat the statement."
      )
    }
    if to.name != from.name || to.schemaName != from.schemaName { try requireFree(to.name, in: to.schemaName) }
    try requireReferred(by: to, to)
    for other in snapshot.tables where other.id != to.id { try requireReferred(by: other, to) }
    snapshot.tables[at] = to
    // What is said of a part goes with it.
    snapshot.tables[at].comments.removeAll { !to.has($0.subject) }
    return .table(to.id)
  }
  private mutating func alter(_ views: [ViewRecord]) throws(TallyError) -> CatalogOutcome {
    for view in views {
      let at = try place(of: view.id, in: snapshot.views.map(\.id), "view")
      let known = snapshot.views[at]
      if view.name != known.name || view.schemaName != known.schemaName { try requireFree(view.name, in: view.schemaName) }
      snapshot.views[at] = view
    }
    return .done
  }
  /// Refuses references of a table to keys of another, `next` as it will be, that are not there: the other was changed meanwhile.
  func requireReferred(by table: TableSchema, _ next: TableSchema) throws(TallyError) {
    for reference in table.references where table.id == next.id || reference.table == next.id {
      let other = reference.table == next.id ? next : snapshot.table(reference.table)
      guard let other, other.keys.contains(where: { Set($0.columns) == Set(reference.keyColumns) }) else {
        throw .sql(
          "2BP01",
          "the key that constraint \"\(reference.name)\" of table \"\(table.name)\" refers to is not there",
          hint: "Drop the constraint first."
        )
      }
    }
  }
  private mutating func create(_ view: ViewRecord, replaces: Bool) throws(TallyError) -> CatalogOutcome {
    var view = view
    if replaces, let at = snapshot.views.firstIndex(where: { $0.name == view.name && $0.schemaName == view.schemaName }) {
      view.id = snapshot.views[at].id
      snapshot.views[at] = view
      return .table(view.id)
    }
    try requireFree(view.name, in: view.schemaName)
    view.id = takeNumber()
    snapshot.views.append(view)
    return .table(view.id)
  }
  private mutating func create(_ function: FunctionRecord, replaces: Bool) throws(TallyError) -> CatalogOutcome {
    var function = function
    let inputs = function.inputTypes
    let known = snapshot.functions.firstIndex {
      $0.name == function.name && $0.schemaName == function.schemaName && $0.inputTypes == inputs
    }
    if let at = known {
      guard replaces else {
        throw .sql("42723", "function \"\(function.name)\" already exists with same argument types")
      }
      function.id = snapshot.functions[at].id
      snapshot.functions[at] = function
      return .table(function.id)
    }
    function.id = takeNumber()
    snapshot.functions.append(function)
    return .table(function.id)
  }
  private mutating func schedule(_ job: JobRecord) throws(TallyError) -> CatalogOutcome {
    var job = job
    if job.id != 0 {
      // One that is known is changed (cron.alter_job).
      guard let at = snapshot.jobs.firstIndex(where: { $0.id == job.id }) else {
        throw .sql("XX000", "could not find valid entry for job \(job.id)")
      }
      snapshot.jobs[at] = job
      return .job(job.id)
    }
    if !job.name.isEmpty, let at = snapshot.jobs.firstIndex(where: { $0.name == job.name && $0.user == job.user }) {
      job.id = snapshot.jobs[at].id
      snapshot.jobs[at] = job
      return .job(job.id)
    }
    guard snapshot.jobs.count < Self.jobsMax else { throw .sql("54000", "there are \(Self.jobsMax) jobs already") }
    job.id = nextJob
    nextJob += 1
    snapshot.jobs.append(job)
    return .job(job.id)
  }

  /// Hands out up to `count` numbers that lie one increment apart; fewer where the sequence ends or turns.
  private mutating func take(_ count: Int64, of id: TableID) throws(TallyError) -> CatalogOutcome {
    let sequence = try known(id)
    let state = given[id] ?? Given(last: sequence.start, isExhausted: false, next: sequence.start)
    guard !state.isExhausted, (sequence.least...sequence.greatest).contains(state.next) else {
      let (bound, value) = sequence.increment > 0 ? ("maximum", sequence.greatest) : ("minimum", sequence.least)
      throw .sql("2200H", "nextval: reached \(bound) value of sequence \"\(sequence.name)\" (\(value))")
    }
    let first = state.next
    let room =
      sequence.increment > 0 ? sequence.greatest.subtractingReportingOverflow(first) : first.subtractingReportingOverflow(sequence.least)
    let most = room.overflow ? Int64.max : room.partialValue
    let steps = UInt64(most) / sequence.increment.magnitude
    let given = Int64(clamping: min(UInt64(max(1, count)), steps + 1))
    let last = first + (given - 1) * sequence.increment
    self.given[id] = Self.behind(last, sequence)
    return .numbers(first: first, count: given)
  }
  /// Leaves out what may have been handed out after this state: `least` numbers, or a sixteenth of those that are left, up to ten million.
  /// A sequence with fewer is at its end: it gives none twice. One that cycles gives numbers again anyway.
  mutating func leap(_ sequence: SequenceRecord, least: UInt64) {
    let state = given[sequence.id] ?? Given(last: sequence.start, isExhausted: false, next: sequence.start)
    guard !sequence.isCycling, !state.isExhausted else { return }
    let room = sequence.increment > 0 ? Int128(sequence.greatest) - Int128(state.next) : Int128(state.next) - Int128(sequence.least)
    let steps = room / Int128(sequence.increment.magnitude)
    let leap = max(Int128(least), min(10_000_000, steps / 16))
    given[sequence.id] =
      leap > steps
      ? Given(last: state.next, isExhausted: true, next: state.next)
      : Given(last: state.last, isExhausted: false, next: Int64(Int128(state.next) + leap * Int128(sequence.increment)))
  }
  private static func behind(_ last: Int64, _ sequence: SequenceRecord) -> Given {
    let (next, overflow) = last.addingReportingOverflow(sequence.increment)
    if !overflow, sequence.least <= next, next <= sequence.greatest { return Given(last: last, isExhausted: false, next: next) }
    guard sequence.isCycling else { return Given(last: last, isExhausted: true, next: last) }
    return Given(last: last, isExhausted: false, next: sequence.increment > 0 ? sequence.least : sequence.greatest)
  }
}

extension FunctionRecord {
  /// Types of the arguments that a call gives.
  var inputTypes: [DataType] { arguments.filter { $0.mode == .in || $0.mode == .inout }.map(\.type) }
}
