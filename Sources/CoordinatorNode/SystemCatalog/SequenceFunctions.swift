// SequenceFunctions.swift — nextval and its kin, and functions that differ from call to call: random, gen_random_uuid, clock_timestamp.
//
// Where numbers come from: StatementNumbers, SequenceFlow.
import Bytes
import Model
import Planning
import Synchronization

extension SystemRelations {
  func sequence(of object: Int64) -> TableID? {
    guard case .sequence(let sequence)? = index[oid: object]?.origin else { return nil }
    return sequence.id
  }
  func sequenceFunctions(_ name: String) -> [HostedFunction] {
    let (numbers, session) = (facts.numbers, facts.sessionNumbers)
    switch name {
    case "nextval":
      return [
        HostedFunction(name, [.regclass], .bigint, isStable: false) { (arguments) throws(TallyError) in
          .fixed(try numbers.next(try self.changed(arguments.number(0), by: name).id))
        }
      ]
    case "currval":
      return [
        HostedFunction(name, [.regclass], .bigint, isStable: false) { (arguments) throws(TallyError) in
          let sequence = try self.sequence(arguments.number(0))
          if let (_, last) = numbers.last(sequence.id) { return .fixed(last) }
          guard let last = session.state.withLock({ $0.last[sequence.id] }) else {
            throw .sql("55000", "currval of sequence \"\(sequence.name)\" is not yet defined in this session")
          }
          return .fixed(last)
        }
      ]
    case "lastval":
      return [
        HostedFunction(name, [], .bigint, isStable: false) { (_) throws(TallyError) in
          if let (_, last) = numbers.last(nil) { return .fixed(last) }
          let last = session.state.withLock { state in state.latest.flatMap { state.last[$0] } }
          guard let last else { throw .sql("55000", "lastval is not yet defined in this session") }
          return .fixed(last)
        }
      ]
    case "setval":
      let set = { @Sendable (arguments: [Value], isTaken: Bool) throws(TallyError) -> Value in
        let sequence = try self.changed(arguments.number(0), by: name)
        let value = arguments.number(1)
        guard sequence.least <= value, value <= sequence.greatest else {
          throw .sql(
            "22003",
            "setval: value \(value) is out of bounds for sequence \"\(sequence.name)\" (\(sequence.least)..\(sequence.greatest))"
          )
        }
        numbers.set(sequence.id, value, isTaken: isTaken)
        return .fixed(value)
      }
      return [
        HostedFunction(name, [.regclass, .bigint], .bigint, isStable: false) { (arguments) throws(TallyError) in try set(arguments, true) },
        HostedFunction(name, [.regclass, .bigint, .boolean], .bigint, isStable: false) { (arguments) throws(TallyError) in
          try set(arguments, arguments.isTrue(2))
        },
      ]
    case "pg_sequence_last_value":
      return [
        HostedFunction(name, [.regclass], .bigint, isStable: false) { (arguments) throws(TallyError) in
          .optional(self.lastNumber(of: try self.sequence(arguments.number(0))))
        }
      ]
    case "pg_get_serial_sequence":
      return [
        HostedFunction(name, [.text, .text], .text) { (arguments) throws(TallyError) in
          let entry = try self.existing(arguments.text(0))
          try Self.requireColumn(arguments.text(1), entry)
          guard case .table(let table) = entry.origin, let column = table.columnIndex(arguments.text(1)),
            let sequence = self.catalog.sequences.first(where: { $0.owner?.table == table.id && $0.owner?.column == column })
          else { return .null }
          return .text(SystemName.quoted(sequence.schemaName) + "." + SystemName.quoted(sequence.name))
        }
      ]
    default: return []
    }
  }
  /// The end of the highest block of numbers that was handed out; nil before the first.
  func lastNumber(of sequence: SequenceRecord) -> Int64? {
    guard let given = state.given[sequence.id], given.isExhausted || given.last != given.next else { return nil }
    return given.last
  }
  /// A sequence that a function changes; in a read-only transaction only one of the session's own.
  private func changed(_ oid: Int64, by function: String) throws(TallyError) -> SequenceRecord {
    let sequence = try sequence(oid)
    if facts.isReadOnly, !TemporarySchema.isOne(sequence.schemaName) { throw .readOnly("\(function)()") }
    return sequence
  }
  private func sequence(_ oid: Int64) throws(TallyError) -> SequenceRecord {
    guard let entry = index[oid: oid] else { throw .sql("42P01", "relation with OID \(oid) does not exist") }
    guard case .sequence(let sequence) = entry.origin else { throw .sql("42809", "\"\(entry.name)\" is not a sequence") }
    return sequence
  }
}
