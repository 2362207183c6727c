// CatalogObjectsCommandFormat.swift — bytes of the commands 20 to 34, 36, 44 and 45: places and changes of tables, views, functions,
// sequences, jobs, schemas.
//
// Their place among the others: CatalogCommandFormat.swift.
import Bytes
import Model

extension CatalogCommandFormat {
  static func encodeObjects(_ command: CatalogCommand, into out: inout ByteWriter) {
    switch command {
    case .placeTable(let id, let isReference, let placement, let copies):
      out.u8(20)
      out.u64(id.rawValue)
      out.bool(isReference)
      out.count(placement.count)
      for node in placement { out.u64(node.rawValue) }
      out.u8(UInt8(copies))
    case .alterTable(let from, let to):
      out.u8(21)
      CatalogFormat.encode(from, into: &out)
      CatalogFormat.encode(to, into: &out)
    case .alterTableAndViews(let from, let to, let views):
      out.u8(44)
      CatalogFormat.encode(from, into: &out)
      CatalogFormat.encode(to, into: &out)
      encode(views, into: &out)
    case .alterViews(let views):
      out.u8(45)
      encode(views, into: &out)
    case .createView(let view, let replaces):
      out.u8(22)
      CatalogFormat.encode(view, into: &out)
      out.bool(replaces)
    case .dropView(let id):
      out.u8(23)
      out.u64(id.rawValue)
    case .createFunction(let function, let replaces):
      out.u8(24)
      CatalogFormat.encode(function, into: &out)
      out.bool(replaces)
    case .dropFunction(let id):
      out.u8(25)
      out.u64(id.rawValue)
    case .createSequence(let sequence):
      out.u8(26)
      CatalogFormat.encode(sequence, into: &out)
    case .alterSequence(let sequence):
      out.u8(27)
      CatalogFormat.encode(sequence, into: &out)
    case .dropSequence(let id):
      out.u8(28)
      out.u64(id.rawValue)
    case .takeNumbers(let id, let count):
      out.u8(29)
      out.u64(id.rawValue)
      out.i64(count)
    case .setSequence(let id, let value, let isTaken):
      out.u8(30)
      out.u64(id.rawValue)
      out.i64(value)
      out.bool(isTaken)
    case .scheduleJob(let job):
      out.u8(31)
      CatalogFormat.encode(job, into: &out)
    case .unscheduleJob(let id):
      out.u8(32)
      out.i64(id)
    case .createSchema(let name):
      out.u8(33)
      out.string(name)
    case .dropSchema(let name):
      out.u8(34)
      out.string(name)
    case .createTableWithSequences(let table, let sequences):
      out.u8(36)
      CatalogFormat.encode(table, into: &out)
      out.count(sequences.count)
      for sequence in sequences { CatalogFormat.encode(sequence, into: &out) }
    default: fatalError("command \(command) has its bytes in CatalogCommandFormat")
    }
  }
  private static func encode(_ views: [ViewRecord], into out: inout ByteWriter) {
    out.count(views.count)
    for view in views { CatalogFormat.encode(view, into: &out) }
  }
  private static func decodeViews(_ reader: inout ByteReader) throws(DecodingFailure) -> [ViewRecord] {
    var views: [ViewRecord] = []
    for _ in 0..<(try reader.count(max: producersMax, "views")) { views.append(try CatalogFormat.decodeView(from: &reader)) }
    return views
  }
  static func decodeObjects(_ kind: UInt8, _ reader: inout ByteReader) throws(DecodingFailure) -> CatalogCommand {
    switch kind {
    case 20:
      let (id, isReference) = (TableID(try reader.u64()), try reader.bool())
      let placement: [NodeID] = try ids(&reader, ColocationGroup.copiesMax, "copies")
      let copies = Int(try reader.u8())
      guard copies <= ColocationGroup.copiesMax else {
        throw DecodingFailure(.malformed, at: reader.position - 1, "\(copies) copies")
      }
      return .placeTable(id, isReference: isReference, placement: placement, copies: copies)
    case 21: return .alterTable(from: try CatalogFormat.decodeTable(from: &reader), to: try CatalogFormat.decodeTable(from: &reader))
    case 22: return .createView(try CatalogFormat.decodeView(from: &reader), replaces: try reader.bool())
    case 23: return .dropView(TableID(try reader.u64()))
    case 24: return .createFunction(try CatalogFormat.decodeFunction(from: &reader), replaces: try reader.bool())
    case 25: return .dropFunction(TableID(try reader.u64()))
    case 26: return .createSequence(try CatalogFormat.decodeSequence(from: &reader))
    case 27: return .alterSequence(try CatalogFormat.decodeSequence(from: &reader))
    case 28: return .dropSequence(TableID(try reader.u64()))
    case 29: return .takeNumbers(TableID(try reader.u64()), count: try reader.i64())
    case 30: return .setSequence(TableID(try reader.u64()), value: try reader.i64(), isTaken: try reader.bool())
    case 31: return .scheduleJob(try CatalogFormat.decodeJob(from: &reader))
    case 32: return .unscheduleJob(try reader.i64())
    case 33: return .createSchema(try reader.string(max: Limits.nameBytesMax))
    case 34: return .dropSchema(try reader.string(max: Limits.nameBytesMax))
    case 36:
      let table = try CatalogFormat.decodeTable(from: &reader)
      var sequences: [SequenceRecord] = []
      for _ in 0..<(try reader.count(max: Limits.columnsMax, "sequences of a table")) {
        sequences.append(try CatalogFormat.decodeSequence(from: &reader))
      }
      return .createTableWithSequences(table, sequences)
    case 44:
      let (from, to) = (try CatalogFormat.decodeTable(from: &reader), try CatalogFormat.decodeTable(from: &reader))
      return .alterTableAndViews(from: from, to: to, try decodeViews(&reader))
    case 45: return .alterViews(try decodeViews(&reader))
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "catalog command \(kind)")
    }
  }
  static func encode(_ given: [TableID: Catalog.Given], into out: inout ByteWriter) {
    out.count(given.count)
    for (id, state) in given.sorted(by: { $0.key < $1.key }) {
      out.u64(id.rawValue)
      out.i64(state.last)
      out.bool(state.isExhausted)
      out.i64(state.next)
    }
  }
  static func decodeGiven(_ reader: inout ByteReader) throws(DecodingFailure) -> [TableID: Catalog.Given] {
    var given: [TableID: Catalog.Given] = [:]
    for _ in 0..<(try reader.count(max: producersMax, "sequences")) {
      let id = TableID(try reader.u64())
      given[id] = Catalog.Given(last: try reader.i64(), isExhausted: try reader.bool(), next: try reader.i64())
    }
    return given
  }
}
