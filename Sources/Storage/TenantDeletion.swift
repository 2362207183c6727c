// TenantDeletion.swift — a tenant that is deleted: every row and every rollup state of it at or below the entry's position.
//
//   TenantDelete := u64 number, Value tenant, varint count, relations by rising id: u64 relation, u64 rows, sections (Deletion.swift)
//   Marks        := u64 last number, varint count, by rising position: u64 number, Value tenant, u64 position, i64 log time,
//                   varint count, relations: u64 relation, u64 rows · varint sections named, varint count, sections left: u64 file,
//                   varint section · u8 erased (0, 1)
//
// In files the primary names the rows by their places, as a DELETE does (Deletion.swift): in raw tables and in all levels alike, so
// readers, flushes and merges know one kind of hidden row. No file changes between naming and applying. In memory every replica finds the
// tenant's rows itself when it applies the entry: it holds the same rows then, whatever came in after the naming. Rows above the position
// are the tenant made anew.
//
// Deltas of rollups read rows before the entry and could be appended after it: the primary never does that, it builds them again from
// what is left (`ShardStore.lastTenantDelete`). Rows staged under a statement are waited for before the entry is appended.
//
// A mark remains until no live section holds a row that the entry named, and for a day of log time, for receipts. It is a function of the
// log. Merges rewrite its sections first (`planMerge`). Numbers rise: the coordinators give them, and a number is applied once.
import Bytes
public import Columns
public import Model

/// What is hidden of a tenant in files.
public struct TenantDeletion: Equatable, Sendable {
  /// Of one relation.
  public struct Part: Equatable, Sendable {
    /// Raw table, or a rollup's level.
    public var relation: TableID
    /// Rows or states that were visible when they were named, in files and in memory.
    public var rows: UInt64
    /// All rows in files, by rising section.
    var sections: [(reference: SectionReference, rows: RowSet)]
    /// Field by field.
    public static func == (a: Part, b: Part) -> Bool {
      a.relation == b.relation && a.rows == b.rows
        && a.sections.elementsEqual(b.sections) { $0.reference == $1.reference && $0.rows == $1.rows }
    }
  }
  /// Which deletion it is, in the cluster.
  public var number: UInt64
  /// Whom.
  public var tenant: Tenant
  /// By rising relation; those without rows too.
  public internal(set) var parts: [Part] = []

  func encode(into out: inout ByteWriter) {
    out.u64(number)
    tenant.encode(into: &out)
    out.count(parts.count)
    for part in parts {
      out.u64(part.relation.rawValue)
      out.u64(part.rows)
      Deletion.encode(part.sections, into: &out)
    }
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> TenantDeletion {
    var deletion = TenantDeletion(number: try reader.u64(), tenant: try Tenant.decode(from: &reader))
    for _ in 0..<(try reader.count(max: LogEntryFormat.relationsMax, "relations of a tenant")) {
      let part = Part(
        relation: TableID(try reader.u64()),
        rows: try reader.u64(),
        sections: try Deletion.decodeSections(&reader)
      )
      guard deletion.parts.last.map({ $0.relation < part.relation }) ?? true else {
        throw DecodingFailure(.malformed, at: reader.position, "relations of a tenant out of order")
      }
      deletion.parts.append(part)
    }
    return deletion
  }
}

/// A tenant deletion that was applied, as long as it is remembered.
public struct TenantMark: Equatable, Sendable {
  /// Rows of a relation that it hid.
  public struct Part: Equatable, Sendable {
    /// Raw table, or a rollup's level.
    public var relation: TableID
    /// As the deletion says.
    public var rows: UInt64
  }
  /// Which deletion it was.
  public var number: UInt64
  /// Whom.
  public var tenant: Tenant
  /// Everything of the tenant at or below it is hidden.
  public var position: LogPosition
  /// Of its entry.
  public var logTime: Int64
  /// By rising relation.
  public var parts: [Part]
  /// Sections that held rows of the tenant.
  public var sectionsNamed: Int
  /// Those that are still live: their files are to be rewritten.
  public internal(set) var sectionsLeft: Set<SectionReference>
  /// No live file holds a row of the tenant from at or below the position, and no row in memory.
  public internal(set) var isErased = false
}

/// The tenant deletions of a shard.
public struct TenantMarks: Equatable, Sendable {
  /// Deletions that one shard remembers; a further one waits until one of these is erased.
  public static let countMax = 1024
  /// For how long an erased one is remembered, microseconds of log time.
  static let remembered: Int64 = 86_400_000_000
  /// By rising position.
  public private(set) var all: [TenantMark] = []
  /// The highest number that was applied.
  public private(set) var lastNumber: UInt64 = 0

  /// The mark of a deletion.
  public func mark(_ number: UInt64) -> TenantMark? { all.first { $0.number == number } }
  /// Whether a live section holds rows that some deletion named.
  func names(_ section: SectionReference) -> Bool { all.contains { $0.sectionsLeft.contains(section) } }
  /// Whether rows hidden in memory wait for a flush that leaves them out.
  func needsFlush(_ flushedThrough: LogPosition) -> Bool { all.contains { !$0.isErased && $0.position > flushedThrough } }

  func check(_ deletion: TenantDeletion) throws(TallyError) {
    guard deletion.number > lastNumber else {
      throw TallyError(.internalError, "deletion \(deletion.number) of a tenant comes after deletion \(lastNumber)")
    }
    guard all.count(where: { !$0.isErased }) < Self.countMax else {
      throw TallyError(.unavailable, "\(Self.countMax) deleted tenants are still being erased on this shard")
    }
  }
  mutating func add(_ deletion: TenantDeletion, _ entry: EntryMark) {
    lastNumber = deletion.number
    let sections = deletion.parts.flatMap { $0.sections.map(\.reference) }
    all.append(
      TenantMark(
        number: deletion.number,
        tenant: deletion.tenant,
        position: entry.position,
        logTime: entry.logTime,
        parts: deletion.parts.map { TenantMark.Part(relation: $0.relation, rows: $0.rows) },
        sectionsNamed: sections.count,
        sectionsLeft: Set(sections)
      )
    )
    if all.count > Self.countMax, let oldest = all.firstIndex(where: \.isErased) { all.remove(at: oldest) }
  }
  /// Notes that sections are not live any more, or up to where rows went into files.
  mutating func note(dropped: [SectionReference], flushedThrough: LogPosition, logTime: Int64) {
    for at in all.indices where !all[at].isErased {
      all[at].sectionsLeft.subtract(dropped)
      all[at].isErased = all[at].sectionsLeft.isEmpty && all[at].position <= flushedThrough
    }
    all.removeAll { $0.isErased && logTime - $0.logTime > Self.remembered }
  }

  func encode(into out: inout ByteWriter) {
    out.u64(lastNumber)
    out.count(all.count)
    for mark in all {
      out.u64(mark.number)
      mark.tenant.encode(into: &out)
      out.u64(mark.position.rawValue)
      out.i64(mark.logTime)
      out.count(mark.parts.count)
      for part in mark.parts {
        out.u64(part.relation.rawValue)
        out.u64(part.rows)
      }
      out.count(mark.sectionsNamed)
      LogEntryFormat.encode(drops: mark.sectionsLeft.sorted(), into: &out)
      out.bool(mark.isErased)
    }
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> TenantMarks {
    var marks = TenantMarks()
    marks.lastNumber = try reader.u64()
    for _ in 0..<(try reader.count(max: countMax, "deleted tenants")) {
      let (number, tenant) = (try reader.u64(), try Tenant.decode(from: &reader))
      let (position, logTime) = (LogPosition(try reader.u64()), try reader.i64())
      var parts: [TenantMark.Part] = []
      for _ in 0..<(try reader.count(max: LogEntryFormat.relationsMax, "relations of a tenant")) {
        parts.append(TenantMark.Part(relation: TableID(try reader.u64()), rows: try reader.u64()))
      }
      let mark = TenantMark(
        number: number,
        tenant: tenant,
        position: position,
        logTime: logTime,
        parts: parts,
        sectionsNamed: try reader.count(max: LogEntryFormat.sectionsMax, "sections of a tenant"),
        sectionsLeft: Set(try LogEntryFormat.decodeDrops(&reader)),
        isErased: try reader.bool()
      )
      guard marks.all.last.map({ $0.position < mark.position }) ?? true else {
        throw DecodingFailure(.malformed, at: reader.position, "deleted tenants out of order")
      }
      marks.all.append(mark)
    }
    return marks
  }
}

/// A shard's rows as a tenant deletion names them: frozen, for Compute.
public struct TenantRows: Sendable {
  let relations: [(snapshot: TableSnapshot, references: [SectionReference])]

  /// Names all rows of a tenant. A pure function; throws `DecodingFailure` on damaged bytes.
  public func name(_ tenant: Tenant, number: UInt64) throws -> TenantDeletion {
    var deletion = TenantDeletion(number: number, tenant: tenant)
    for (snapshot, references) in relations {
      guard let key = snapshot.layout.tenantColumn else { continue }
      var part = TenantDeletion.Part(relation: snapshot.layout.id, rows: 0, sections: [])
      for (reference, section) in zip(references, snapshot.sections) {
        let gone = snapshot.deleted[ObjectIdentifier(section)]
        var named = RowSet()
        for block in 0..<section.blockCount where tenant.zone(key).mayMatch(section.zone(block: block, column: key)) {
          let first = section.rows(ofBlock: block).lowerBound
          guard let column = try section.readBlock(block, columns: [key]).first else { continue }
          for row in tenant.rows(of: column).ranges { named.append(first + row.lowerBound..<first + row.upperBound) }
        }
        if named.isEmpty { continue }
        part.rows += named.ranges.reduce(UInt64(0)) { $0 + UInt64(gone?.rest(of: $1).count ?? $1.count) }
        part.sections.append((reference, named))
      }
      part.sections.sort { $0.reference < $1.reference }
      for chunk in snapshot.chunks {
        for rows in chunk.rows(of: tenant, key, snapshot.layout).ranges {
          part.rows += UInt64(chunk.deleted?.rest(of: rows).count ?? rows.count)
        }
      }
      deletion.parts.append(part)
    }
    return deletion
  }
}

extension RelationLayout {
  /// The column of the tenant key: what rows are sorted by first.
  var tenantColumn: Int? { sortKey.first }
}

extension MemChunk {
  /// Rows of a tenant.
  func rows(of tenant: Tenant, _ key: Int, _ layout: RelationLayout) -> RowSet {
    tenant.rows(of: batch(columns: [key], rows: 0..<count, layout: layout).columns[0])
  }
}

extension Tenant {
  func zone(_ column: Int) -> ZonePredicate {
    switch self {
    case .fixed(let value): .equal(column, value)
    case .text(let bytes): .equal(column, text: bytes)
    }
  }
  /// The rows of a key column that are this tenant's.
  public func rows(of column: ColumnVector) -> RowSet {
    var found = RowSet()
    func add(_ row: Int) { if !column.isNull(row) { found.append(row..<row + 1) } }
    switch (self, column.values) {
    case (.fixed(let tenant), .fixed(let values)):
      for row in values.indices where values[row] == tenant { add(row) }
    case (.text(let tenant), .codes(let codes, let dictionary)):
      let code = tenant.withUnsafeBytes { wanted in
        (0..<UInt32(dictionary.count)).first { dictionary.withText($0) { compareBytes($0, wanted) == 0 } }
      }
      guard let code else { break }
      for row in codes.indices where codes[row] == code { add(row) }
    case (.text(let tenant), .text(let texts)):
      tenant.withUnsafeBytes { wanted in
        texts.bytes.withUnsafeBytes { raw in
          for row in 0..<texts.count {
            let range = Int(texts.offsets[row])..<Int(texts.offsets[row + 1])
            if compareBytes(UnsafeRawBufferPointer(rebasing: raw[range]), wanted) == 0 { add(row) }
          }
        }
      }
    default: break
    }
    return found
  }
}

extension ShardStore {
  /// Runs `body` with the rows of all relations, while no flow changes the files: it names a tenant's rows and appends them.
  public func namingTenant<R>(_ body: (TenantRows) async throws -> R) async throws -> R {
    try await withLayoutRight {
      let relations = relations.sorted { $0.key < $1.key }.compactMap { id, relation in
        snapshot(of: id).map { ($0, relation.sections.map(\.reference)) }
      }
      return try await body(TenantRows(relations: relations))
    }
  }
  /// Hides the tenant's rows in memory; those in files follow from the applied state.
  func hide(_ tenant: Tenant) {
    for relation in relations.values {
      if let key = relation.layout.tenantColumn { relation.memtable.delete(tenant, key: key) }
    }
  }
  /// The open statements that have staged rows of a tenant. A pure function, for Compute: it decodes all of them.
  public static func holders(
    of tenant: Tenant,
    _ statements: [StatementID: OpenStatement],
    _ schema: ShardSchema
  ) throws -> Set<StatementID> {
    var found: Set<StatementID> = []
    for (id, statement) in statements {
      guard case .staged(let batches) = try prepare(statement, schema) else { continue }
      for (piece, batch) in zip(statement.pieces, batches) {
        guard let batch, let key = piece.stage.content.table.flatMap({ schema.table($0) })?.distribution.tenantKey else { continue }
        if !tenant.rows(of: batch.columns[key]).isEmpty { found.insert(id) }
      }
    }
    return found
  }
}
