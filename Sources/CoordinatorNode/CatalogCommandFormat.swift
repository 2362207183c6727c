// CatalogCommandFormat.swift — the bytes of catalog commands and of the whole catalog, as bodies of command records.
//
//   command  u8 version 1 · u8 kind · fields in the order of CatalogCommand's cases
//   kinds    1 bootstrap · 2 registerNode · 3 createTable · 4 dropTable · 5 distributeTable · 6 createRollup · 7 dropRollup
//            · 8 openProducer · 9 confirmNode. Never reuse one.
//   state    u8 version 1 · CatalogSnapshot (Model.CatalogFormat) · 6 × u64 next numbers (table, node, group, shard,
//            session, incarnation) · varint count + u64 separate groups · varint count + (u64 node, u64 incarnation) unconfirmed
//            · varint count + producers by rising name
import Bytes
import Model

/// Encodes and decodes catalog commands.
enum CatalogCommandFormat {
  static let version: UInt8 = 1
  static let producersMax = 1 << 20

  static func encode(_ command: CatalogCommand) -> [UInt8] {
    var out = ByteWriter()
    out.u8(version)
    switch command {
    case .bootstrap(let cluster):
      out.u8(1)
      out.u64(cluster.high)
      out.u64(cluster.low)
    case .registerNode(let name, let role, let address, let previous):
      out.u8(2)
      out.string(name)
      out.u8(role.rawValue)
      out.string(address)
      out.u64(previous.rawValue)
    case .createTable(let schema):
      out.u8(3)
      CatalogFormat.encode(schema, into: &out)
    case .dropTable(let id):
      out.u8(4)
      out.u64(id.rawValue)
    case .distributeTable(let id, let key, let group, let placement):
      out.u8(5)
      out.u64(id.rawValue)
      out.count(key)
      switch group {
      case .existing(let group):
        out.u8(0)
        out.u64(group.rawValue)
      case .standard: out.u8(1)
      case .separate: out.u8(2)
      }
      out.count(placement.count)
      for node in placement { out.u64(node.rawValue) }
    case .createRollup(let definition, let timeColumn):
      out.u8(6)
      CatalogFormat.encode(definition, into: &out)
      out.count(timeColumn)
    case .dropRollup(let id):
      out.u8(7)
      out.u64(id.rawValue)
    case .openProducer(let request):
      out.u8(8)
      encode(request, into: &out)
    case .confirmNode(let node, let incarnation):
      out.u8(9)
      out.u64(node.rawValue)
      out.u64(incarnation.rawValue)
    }
    return out.finish()
  }
  private static func encode(_ request: ProducerRequest, into out: inout ByteWriter) {
    out.string(request.name)
    out.u64(request.chunkBytes)
    out.u64(request.fingerprint.high)
    out.u64(request.fingerprint.low)
    out.i64(request.time)
    out.bool(request.isAnew)
  }
  private static func decodeRequest(_ reader: inout ByteReader) throws(DecodingFailure) -> ProducerRequest {
    ProducerRequest(
      name: try reader.string(),
      chunkBytes: try reader.u64(),
      fingerprint: Hash128(high: try reader.u64(), low: try reader.u64()),
      time: try reader.i64(),
      isAnew: try reader.bool()
    )
  }

  static func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> CatalogCommand {
    try bytes.withReader { reader throws(DecodingFailure) in
      try expectVersion(&reader)
      let command = try decode(&reader)
      try reader.expectEnd()
      return command
    }
  }
  private static func expectVersion(_ reader: inout ByteReader) throws(DecodingFailure) {
    let found = try reader.u8()
    guard found == version else { throw DecodingFailure(.unknown, at: 0, "catalog format version \(found)") }
  }
  private static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> CatalogCommand {
    let kind = try reader.u8()
    switch kind {
    case 1: return .bootstrap(cluster: ClusterID(high: try reader.u64(), low: try reader.u64()))
    case 2:
      let name = try reader.string()
      guard let role = NodeRecord.Role(rawValue: try reader.u8()) else {
        throw DecodingFailure(.unknown, at: reader.position - 1, "node role")
      }
      return .registerNode(
        name: name,
        role: role,
        address: try reader.string(),
        previous: Incarnation(try reader.u64())
      )
    case 3: return .createTable(try CatalogFormat.decodeTable(from: &reader))
    case 4: return .dropTable(TableID(try reader.u64()))
    case 5:
      let id = TableID(try reader.u64())
      let key = try reader.count(max: Limits.columnsMax, "column number")
      let group: CatalogCommand.GroupChoice
      switch try reader.u8() {
      case 0: group = .existing(GroupID(try reader.u64()))
      case 1: group = .standard
      case 2: group = .separate
      default: throw DecodingFailure(.unknown, at: reader.position - 1, "group choice")
      }
      var placement: [NodeID] = []
      for _ in 0..<(try reader.count(max: Limits.shardsMax, "placement")) { placement.append(NodeID(try reader.u64())) }
      return .distributeTable(id, key: key, group: group, placement: placement)
    case 6:
      return .createRollup(
        try CatalogFormat.decodeRollup(from: &reader),
        timeColumn: try reader.count(max: Limits.columnsMax, "column number")
      )
    case 7: return .dropRollup(TableID(try reader.u64()))
    case 8: return .openProducer(try decodeRequest(&reader))
    case 9: return .confirmNode(NodeID(try reader.u64()), Incarnation(try reader.u64()))
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "catalog command \(kind)")
    }
  }

  static func encode(_ catalog: Catalog) -> [UInt8] {
    var out = ByteWriter(capacity: 4096)
    out.u8(version)
    CatalogFormat.encode(catalog.snapshot, into: &out)
    for number in [
      catalog.nextTable, catalog.nextNode, catalog.nextGroup, catalog.nextShard, catalog.nextSession,
      catalog.nextIncarnation,
    ] { out.u64(number) }
    out.count(catalog.separateGroups.count)
    for group in catalog.separateGroups { out.u64(group.rawValue) }
    out.count(catalog.unconfirmed.count)
    for (node, incarnation) in catalog.unconfirmed.sorted(by: { $0.key < $1.key }) {
      out.u64(node.rawValue)
      out.u64(incarnation.rawValue)
    }
    out.count(catalog.producers.count)
    for (_, record) in catalog.producers.sorted(by: { $0.key < $1.key }) {
      out.u64(record.session.rawValue)
      encode(record.request, into: &out)
    }
    return out.finish()
  }
  static func decodeState(_ bytes: [UInt8]) throws(DecodingFailure) -> Catalog {
    try bytes.withReader { reader throws(DecodingFailure) in
      try expectVersion(&reader)
      let snapshot = try CatalogFormat.decodeSnapshot(from: &reader)
      let table = try reader.u64()
      let node = try reader.u64()
      let group = try reader.u64()
      let shard = try reader.u64()
      let session = try reader.u64()
      let incarnation = try reader.u64()
      var separate: [GroupID] = []
      for _ in 0..<(try reader.count(max: producersMax, "separate groups")) { separate.append(GroupID(try reader.u64())) }
      var unconfirmed: [NodeID: Incarnation] = [:]
      for _ in 0..<(try reader.count(max: producersMax, "unconfirmed nodes")) {
        let node = NodeID(try reader.u64())
        unconfirmed[node] = Incarnation(try reader.u64())
      }
      var producers: [String: ProducerRecord] = [:]
      for _ in 0..<(try reader.count(max: producersMax, "producers")) {
        let session = SessionID(try reader.u64())
        let request = try decodeRequest(&reader)
        producers[request.name] = ProducerRecord(session: session, request: request)
      }
      try reader.expectEnd()
      return Catalog(
        snapshot: snapshot,
        nextTable: table,
        nextNode: node,
        nextGroup: group,
        nextShard: shard,
        nextSession: session,
        nextIncarnation: incarnation,
        separateGroups: separate,
        unconfirmed: unconfirmed,
        producers: producers
      )
    }
  }
}
