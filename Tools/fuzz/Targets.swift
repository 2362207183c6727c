// Targets.swift — every decoder of bytes or text from outside, as a function that must neither trap nor hang on any input.
//
// Where decoding succeeds, encoding the result and decoding again must succeed too: a second meaning of the same bytes is a defect.
import Aggregates
import Bytes
import Capabilities
import ClientCore
import Columns
import Consensus
import Model
import Planning
import SQL
import Storage
import Wire

/// A fuzz target.
struct FuzzTarget: Sendable {
  var name: String
  var run: @Sendable ([UInt8]) -> Void
}

func attempt(_ body: () throws -> Void) { do { try body() } catch {} }

/// Types of every layout, in an order that the input's first bytes choose from.
private let types: [DataType] = [
  .bigint, .boolean, .double, .plainNumeric, .text, .interval, .timestamp, .hll(HLLParameters()), .topn(TopNParameters()),
]

/// A catalog with a table, for SQL and COPY.
let catalog: CatalogSnapshot = {
  let group = ColocationGroup(id: GroupID(1), keyType: .text, shards: [ShardID(1)])
  let table = TableSchema(
    id: TableID(1),
    name: "flights",
    columns: [
      Column(name: "ts", type: .timestamp), Column(name: "carrier", type: .text, isNotNull: true), Column(name: "tailnum", type: .text),
      Column(name: "distance", type: .integer), Column(name: "price", type: .numeric(precision: 12, scale: 2)),
    ],
    distribution: .distributed(key: 1, group: GroupID(1)),
    timeColumn: 0
  )
  let shard = ShardRecord(
    id: ShardID(1),
    group: GroupID(1),
    lower: 0,
    upper: .max,
    epoch: Epoch(1),
    version: 1,
    primary: NodeID(2)
  )
  return CatalogSnapshot(
    cluster: ClusterID(high: 1, low: 2),
    version: CatalogVersion(3),
    groups: [group],
    shards: [shard],
    tables: [table]
  )
}()

/// All targets.
let targets: [FuzzTarget] =
  protocolTargets + [
    FuzzTarget(name: "batch") { bytes in
      guard let count = bytes.first else { return }
      let chosen = bytes.dropFirst().prefix(Int(count % 10)).map { types[Int($0) % types.count] }
      attempt {
        let batch = try BatchFormat.decode(Array(bytes.dropFirst(1 + chosen.count)), types: chosen)
        _ = try BatchFormat.decode(BatchFormat.encode(batch), types: chosen)
      }
    },
    FuzzTarget(name: "frame") { bytes in
      var assembler = FrameAssembler(payloadLimit: 1 << 16)
      attempt {
        for start in stride(from: 0, to: bytes.count, by: 97) {
          assembler.push(Array(bytes[start..<min(bytes.count, start + 97)]))
          while let frame = try assembler.next() {
            _ = frame
          }
        }
        try assembler.finish()
      }
    },
    FuzzTarget(name: "message") { bytes in
      attempt { _ = try MessageFormat.decodeRequest(head: bytes, body: []) }
      attempt { _ = try MessageFormat.decode(head: bytes, body: [1, 2, 3]) }
      attempt { _ = try HelloFormat.decodeReply(bytes) }
    },
    FuzzTarget(name: "hll") { bytes in
      attempt {
        let state = try HLLFormat.decode(bytes)
        _ = try HLLFormat.decode(HLLFormat.encode(state))
        _ = try HLLEstimate.cardinality(state)
      }
    },
    FuzzTarget(name: "topn") { bytes in attempt { _ = try TopNFormat.decode(bytes) } },
    FuzzTarget(name: "fragment") { bytes in attempt { _ = try FragmentFormat.decode(bytes) } },
    FuzzTarget(name: "rollup-program") { bytes in
      attempt { _ = try RollupProgramFormat.decode(bytes, source: catalog.tables[0].columns) }
    },
    FuzzTarget(name: "catalog") { bytes in
      attempt {
        try bytes.withReader { reader throws(DecodingFailure) in _ = try CatalogFormat.decodeSnapshot(from: &reader) }
      }
    },
    FuzzTarget(name: "command-log") { bytes in
      let header = CommandRecordFormat.header(ClusterID(high: 1, low: 2))
      attempt { _ = try CommandRecordFormat.decode(bytes) }
      attempt { _ = try CommandRecordFormat.decode(header + bytes) }
    },
    FuzzTarget(name: "raft-letters") { bytes in
      // Behind the envelope's front: number, members, address, one letter.
      attempt {
        let message = try MessageFormat.decode(head: [40, 8, 9, 3, 104, 58, 49, 1] + bytes, body: [])
        let (head, body) = MessageFormat.encode(message)
        let again = try MessageFormat.decode(head: head, body: body)
        precondition(again == message)
      }
    },
    FuzzTarget(name: "vote-and-members") { bytes in
      attempt { _ = try VoteFormat.decode(bytes) }
      attempt {
        let members = try Members.decode(bytes)
        let again = try Members.decode(members.encoded())
        precondition(again == members)
      }
      attempt { _ = try SnapshotFormat.decode(bytes, index: 1, term: 1, chain: .zero) }
    },
    FuzzTarget(name: "log-entry") { bytes in
      guard let first = bytes.first, let kind = EntryKind(rawValue: UInt32(first % 16)) else { return }
      let entry = LogEntry(
        position: LogPosition(1),
        epoch: Epoch(1),
        kind: kind,
        logTime: 0,
        catalogVersion: CatalogVersion(1),
        body: Array(bytes.dropFirst()),
        after: .zero
      )
      attempt { _ = try LogEntryFormat.decode(entry) }
    },
    FuzzTarget(name: "manifest") { bytes in
      attempt {
        let edit = try ManifestFormat.decode(bytes)
        let again = try ManifestFormat.decode(ManifestFormat.encode(edit))
        precondition(again == edit)
      }
    },
    FuzzTarget(name: "salvage-record") { bytes in
      attempt {
        let found = try SalvageFile.decode(bytes)
        let again = try SalvageFile.decode(SalvageFile.encode(found.cluster, found.shard, found.records))
        precondition(again == found)
      }
    },
    FuzzTarget(name: "catalog-copy") { bytes in
      attempt {
        let found = try CatalogCopyFile.decode(bytes)
        let again = try CatalogCopyFile.decode(CatalogCopyFile.encode(found.cluster, found.record))
        precondition(again == found)
      }
      // The part that all nodes know, of bytes that nothing vouches for.
      _ = CatalogCopyRecord(generation: 1, index: 1, term: 1, state: bytes).snapshot
    },
    FuzzTarget(name: "shard-state") { bytes in
      attempt {
        try bytes.withReader { reader throws(DecodingFailure) in
          let state = try ShardStateFormat.decode(&reader)
          var out = ByteWriter(capacity: bytes.count)
          ShardStateFormat.encode(state, into: &out)
        }
      }
    },
    FuzzTarget(name: "groups") { bytes in
      // Groups begin behind a file's header block.
      let file = [UInt8](repeating: 0, count: 4096) + bytes
      for grows in [false, true] {
        _ = file.withUnsafeBytes { GroupScan.scan($0, file: 1, expecting: .anything, grows: grows) }
      }
    },
    FuzzTarget(name: "sync-failures") { bytes in _ = SyncFailures(String(decoding: bytes, as: UTF8.self)) },
    FuzzTarget(name: "entry-stream") { bytes in attempt { _ = try EntryStream.decode(bytes) } },
    FuzzTarget(name: "segment") { bytes in
      attempt {
        let sections = try SegmentReader.open(
          image: FileImage(copying: bytes),
          expecting: SegmentIdentity(cluster: ClusterID(high: 1, low: 2), shard: ShardID(1), file: 1)
        )
        for section in sections {
          for block in 0..<section.blockCount {
            attempt { _ = try section.readBlock(block, columns: Array(section.types.indices)) }
          }
        }
      }
    },
    FuzzTarget(name: "csv") { bytes in
      attempt {
        let plan = try CSVPlan(
          table: catalog.tables[0],
          shards: catalog.shards,
          columns: nil,
          format: CSVFormat(),
          constants: [:],
          rejectsRows: true
        )
        var builder = CSVBatchBuilder(plan)
        _ = try builder.build(bytes)
      }
    },
    FuzzTarget(name: "copy-text") { bytes in
      for ends in [CSVFormat.LineEnds.lf, .crlf] {
        attempt {
          // COPY's text form, as its fast reader takes it.
          var format = CSVFormat(delimiter: 0x09, nullText: Array("\\N".utf8))
          format.hasEscapes = true
          format.lineEnds = ends
          let plan = try CSVPlan(
            table: catalog.tables[0],
            shards: catalog.shards,
            columns: nil,
            format: format,
            constants: [:],
            rejectsRows: true
          )
          var builder = CSVBatchBuilder(plan)
          _ = try builder.build(bytes)
        }
      }
    },
    FuzzTarget(name: "chunks") { bytes in
      attempt {
        var cutter = ChunkCutter(chunkBytes: 64, hasHeader: true)
        try bytes.withUnsafeBytes { try cutter.append($0) { _ in } }
        try cutter.finish { _ in }
      }
    },
    FuzzTarget(name: "gzip") { bytes in
      attempt {
        var gunzip = try Gunzip()
        var total = 0
        try bytes.withUnsafeBytes { try gunzip.inflate($0) { piece in total += piece.count } }
      }
    },
    FuzzTarget(name: "sql") { bytes in
      let text = String(decoding: bytes.prefix(Limits.sqlBytesMax), as: UTF8.self)
      attempt {
        for statement in try parse(text) {
          attempt { _ = try plan(statement, catalog: catalog, context: PlanningContext(now: 1_700_000_000_000_000)) }
        }
      }
    },
    FuzzTarget(name: "values") { bytes in
      for type in types where type.layout != .hll && type.layout != .topn {
        bytes.withUnsafeBytes { raw in attempt { _ = try ValueText.parse(raw, as: type) } }
      }
    },
  ]
