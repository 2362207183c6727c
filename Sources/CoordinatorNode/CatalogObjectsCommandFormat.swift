// CatalogObjectsCommandFormat.swift — bytes of the commands 20 to 34, 36 to 40, 44, 45 and 50 to 52: places and changes of tables, views,
// functions, sequences, jobs, schemas; drafts; moves.
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
    case .draft(let id, let command):
      out.u8(37)
      out.u64(id.rawValue)
      out.prefixedBytes(encode(command))
    case .cutDraft(let id, let count):
      out.u8(38)
      out.u64(id.rawValue)
      out.count(count)
    case .publishDraft(let id):
      out.u8(39)
      out.u64(id.rawValue)
    case .discardDraft(let id):
      out.u8(40)
      out.u64(id.rawValue)
    case .beginMove(let id, let target):
      out.u8(50)
      out.u64(id.rawValue)
      encode(target, into: &out)
    case .finishMove(let id):
      out.u8(51)
      out.u64(id.rawValue)
    case .cancelMove(let id):
      out.u8(52)
      out.u64(id.rawValue)
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
    case 37: return .draft(DraftID(try reader.u64()), try decodeDrafted(&reader))
    case 38:
      return .cutDraft(DraftID(try reader.u64()), keeping: try reader.count(max: Catalog.draftEntriesMax, "definitions"))
    case 39: return .publishDraft(DraftID(try reader.u64()))
    case 40: return .discardDraft(DraftID(try reader.u64()))
    case 50: return .beginMove(TableID(try reader.u64()), to: try decodeTarget(&reader))
    case 51: return .finishMove(TableID(try reader.u64()))
    case 52: return .cancelMove(TableID(try reader.u64()))
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "catalog command \(kind)")
    }
  }
  private static func encode(_ target: MoveTarget, into out: inout ByteWriter) {
    switch target {
    case .distributed(let key, let group, let placement, let copies):
      out.u8(0)
      encodeSpread(key, group, placement, copies, into: &out)
    case .single(let isReference, let placement, let copies):
      out.u8(isReference ? 2 : 1)
      out.count(placement.count)
      for node in placement { out.u64(node.rawValue) }
      out.u8(UInt8(copies))
    }
  }
  private static func decodeTarget(_ reader: inout ByteReader) throws(DecodingFailure) -> MoveTarget {
    let kind = try reader.u8()
    switch kind {
    case 0:
      let (key, group, placement, copies) = try decodeSpread(&reader)
      return .distributed(key: key, group: group, placement: placement, copies: copies)
    case 1, 2:
      let placement: [NodeID] = try ids(&reader, ColocationGroup.copiesMax, "copies")
      return .single(isReference: kind == 2, placement: placement, copies: try decodeCopies(&reader))
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "target of a move")
    }
  }
  static func encode(_ moves: [TableID: TableMove], into out: inout ByteWriter) {
    out.count(moves.count)
    for (_, move) in moves.sorted(by: { $0.key < $1.key }) {
      out.u64(move.source.rawValue)
      CatalogFormat.encode(move.target, into: &out)
    }
  }
  static func decodeMoves(_ reader: inout ByteReader) throws(DecodingFailure) -> [TableID: TableMove] {
    var moves: [TableID: TableMove] = [:]
    for _ in 0..<(try reader.count(max: Catalog.movesMax, "moves")) {
      let source = TableID(try reader.u64())
      let target = try CatalogFormat.decodeTable(from: &reader)
      moves[target.id] = TableMove(source: source, target: target)
    }
    return moves
  }
  /// A definition inside of a draft.
  private static func decodeDrafted(_ reader: inout ByteReader) throws(DecodingFailure) -> CatalogCommand {
    let start = reader.position
    let command = try decode(try reader.prefixedBytes(max: draftedBytesMax))
    switch command {
    case .draft, .cutDraft, .publishDraft, .discardDraft: throw DecodingFailure(.malformed, at: start, "a draft in a draft")
    case .beginMove, .finishMove, .cancelMove: throw DecodingFailure(.malformed, at: start, "a move in a draft")
    default: return command
    }
  }
  private static let draftedBytesMax = 8 << 20
  static func encode(_ drafts: [DraftID: Draft], into out: inout ByteWriter) {
    out.count(drafts.count)
    for (id, draft) in drafts.sorted(by: { $0.key < $1.key }) {
      out.u64(id.rawValue)
      out.count(draft.entries.count)
      for entry in draft.entries {
        out.u64(entry.first)
        out.bool(entry.isPlacement)
        out.prefixedBytes(encode(entry.command))
      }
      out.count(draft.tables.count)
      for table in draft.tables { CatalogFormat.encode(table, into: &out) }
      out.count(draft.sequences.count)
      for sequence in draft.sequences { CatalogFormat.encode(sequence, into: &out) }
    }
  }
  static func decodeDrafts(_ reader: inout ByteReader) throws(DecodingFailure) -> [DraftID: Draft] {
    var drafts: [DraftID: Draft] = [:]
    for _ in 0..<(try reader.count(max: Catalog.draftsMax, "drafts")) {
      let id = DraftID(try reader.u64())
      var draft = Draft()
      for _ in 0..<(try reader.count(max: Catalog.draftEntriesMax * 2, "definitions")) {
        let (first, isPlacement) = (try reader.u64(), try reader.bool())
        draft.entries.append(Draft.Entry(first: first, command: try decodeDrafted(&reader), isPlacement: isPlacement))
      }
      for _ in 0..<(try reader.count(max: CatalogFormat.entriesMax, "drafted tables")) {
        draft.tables.append(try CatalogFormat.decodeTable(from: &reader))
      }
      for _ in 0..<(try reader.count(max: CatalogFormat.entriesMax, "drafted sequences")) {
        draft.sequences.append(try CatalogFormat.decodeSequence(from: &reader))
      }
      drafts[id] = draft
    }
    return drafts
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
