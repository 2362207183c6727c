// ShardStore+Apply.swift — what committed entries do to the rows of a shard. Nothing is evaluated: entries carry values.
import Aggregates
import Bytes
public import Columns
public import Model

extension PreparedRows {
  /// The runs that a delta adds to each level: the finest gets it as it is, coarser ones get it cut to their buckets. A pure
  /// function, for Compute. Throws 22003 when a sum overflows: then the entry must not be appended.
  public static func states(of runs: [Batch], rollup: RollupDefinition) throws(TallyError) -> PreparedRows {
    let runs = runs.filter { $0.count > 0 }
    var levels = [runs]
    for level in rollup.levels.dropFirst() {
      guard let finer = levels.last, !finer.isEmpty else {
        levels.append([])
        continue
      }
      let merged = try StateMerge.merge(
        finer,
        keyCount: rollup.keys.count,
        measures: rollup.measures,
        truncating: (key: 1, width: level.width),
        pruning: .to(multiple: 3)
      )
      levels.append([merged])
    }
    return .states(levels)
  }
  /// Decodes and derives the runs of a logged delta.
  public static func states(encoded runs: [[UInt8]], rollup: RollupDefinition) throws -> PreparedRows {
    let types = rollup.storedColumns.map(\.type)
    return try states(of: try runs.map { try BatchFormat.decode($0, types: types) }, rollup: rollup)
  }
  /// What applying an entry of another replica needs, made ahead. A pure function, for Compute. `.none` where the schema does not know the
  /// relation (a barrier before the entry brings it) and for entries without rows.
  public static func decoded(_ entry: LogEntry, schema: ShardSchema) throws -> PreparedRows {
    switch entry.kind {
    case .batch:
      guard let table = schema.table(try LogEntryFormat.batchRecord(of: entry).table), entry.catalogVersion == schema.version else {
        return .none
      }
      return .rows(try LogEntryFormat.batch(of: entry, types: table.columns.map(\.type)))
    case .rollupCommit, .backfillCommit:
      let (rollup, runs): (TableID, [[UInt8]])
      switch try LogEntryFormat.decode(entry) {
      case .rollupCommit(let delta): (rollup, runs) = (delta.rollup, delta.runs)
      case .backfillCommit(let delta): (rollup, runs) = (delta.rollup, delta.runs)
      default: return .none
      }
      guard let definition = schema.rollup(rollup), entry.catalogVersion == schema.version else { return .none }
      return try states(encoded: runs, rollup: definition)
    default: return .none
    }
  }
}

extension ShardStore {
  /// Applies the next entry and keeps the step it made.
  func apply(_ entry: LogEntry, _ body: EntryBody, _ rows: PreparedRows) throws {
    if let judge { judge(entry.position, work(of: body)) }
    try change(entry, body, rows)
    steps.append((EntryMark(entry), body.withoutRuns))
    if case .stage(let stage) = body { stepBytes += stage.content.bytes }
    if case .layout(let change) = body, case .log(_, let through) = change.source { moveCheckpoint(to: through) }
  }
  private func change(_ entry: LogEntry, _ body: EntryBody, _ rows: PreparedRows) throws {
    // What can fail comes first; then state and rows change together.
    switch body {
    case .batch(let record, _):
      guard let table = applied.schema.table(record.table) else {
        throw TallyError(.dataDamaged, "entry \(entry.position) of shard \(shard): no table \(record.table)")
      }
      let batch: Batch
      if case .rows(let decoded) = rows {
        batch = decoded
      } else {
        batch = try LogEntryFormat.batch(of: entry, types: table.columns.map(\.type))
      }
      try applied.advance(entry, body)
      relations[record.table]?.memtable.append(batch, at: entry.position)
      lastBatch[record.table] = entry.position
    case .rollupCommit(let delta): try apply(entry, body, rows, runs: delta.runs, of: delta.rollup)
    case .backfillCommit(let delta): try apply(entry, body, rows, runs: delta.runs, of: delta.rollup)
    case .layout(let change):
      // A manifest edit that is there already holds what this entry did to the files: only the state moves.
      let isHeld = entry.position <= layoutPosition
      for file in change.files where !isHeld && staged[file.number]?.file != file {
        throw TallyError(.dataDamaged, "entry \(entry.position) of shard \(shard): file \(file.number) is not open")
      }
      try applied.advance(entry, body)
      if !isHeld { adopt(change, at: entry.position) }
    case .retentionDrop(let drop):
      try applied.advance(entry, body)
      if entry.position > layoutPosition {
        self.drop(drop.drops)
        layoutPosition = entry.position
      }
    case .schemaBarrier:
      try applied.advance(entry, body)
      adoptSchema(at: entry.position)
    case .commit(let statement): try apply(entry, commit: statement, rows)
    case .delete(let deletion):
      try checkNamed(deletion, entry)
      try applied.advance(entry, body)
      hide(deletion)
    case .digestProbe:
      try applied.advance(entry, body)
      pinProbe(at: entry.position)
    case .tenantDelete(let deletion):
      try applied.advance(entry, body)
      hide(deletion.tenant)
    case .epochStart, .keyExpiry, .stage, .decide, .abort: try applied.advance(entry, body)
    }
  }
  private func apply(
    _ entry: LogEntry,
    _ body: EntryBody,
    _ rows: PreparedRows,
    runs: [[UInt8]],
    of id: TableID
  ) throws {
    guard let rollup = applied.schema.rollup(id), let floors = applied.rollups[id]?.floors else {
      throw TallyError(.dataDamaged, "entry \(entry.position) of shard \(shard): no rollup \(id)")
    }
    let prepared: PreparedRows
    if case .states = rows { prepared = rows } else { prepared = try PreparedRows.states(encoded: runs, rollup: rollup) }
    guard case .states(let levels) = prepared, levels.count == floors.count else {
      fatalError("states of a delta without levels")
    }
    try applied.advance(entry, body)
    for (level, runs) in levels.enumerated() {
      for run in runs {
        relations[rollup.levelTable(level)]?.memtable.append(Self.above(floors[level], run), at: entry.position)
        if level > 0, isPlanted(.deltaAppliedTwice) { relations[rollup.levelTable(level)]?.memtable.append(run, at: entry.position) }
      }
    }
  }
  /// The rows whose bucket is not below the floor; NULL and infinite buckets are never below it.
  static func above(_ floor: Int64, _ run: Batch) -> Batch {
    guard floor > .min, run.columns.count > 1, case .fixed(let buckets) = run.columns[1].values else { return run }
    let bucket = run.columns[1]
    var kept: [UInt32] = []
    for row in buckets.indices {
      if buckets[row] >= floor || bucket.isNull(row) || buckets[row] == TimeLimits.minusInfinity { kept.append(UInt32(row)) }
    }
    return kept.count == run.count ? run : run.gather(kept)
  }
  /// Relations come and go with the schema; new columns begin a new chunk.
  private func adoptSchema(at position: LogPosition) {
    var kept: [TableID: Relation] = [:]
    for layout in applied.schema.layouts {
      var relation = relations[layout.id] ?? Relation(layout: layout, memtable: MemTable(layout: layout))
      relation.memtable.seal()
      if relation.layout != layout {
        relation.layout = layout
        relation.memtable.layout = layout
      }
      kept[layout.id] = relation
    }
    for (id, relation) in relations where kept[id] == nil && !relation.sections.isEmpty {
      for section in relation.sections { forget(section.reference) }
      // Files change here as by a Layout: a manifest edit from here on is ahead of a log that is replayed from before.
      layoutPosition = max(layoutPosition, position)
    }
    relations = kept
  }
  private func adopt(_ change: LayoutChange, at position: LogPosition) {
    drop(change.drops)
    for file in change.files { add(file, staged.removeValue(forKey: file.number)?.sections ?? []) }
    if case .log(_, let through) = change.source {
      let last = isPlanted(.flushKeepsLastEntry) ? LogPosition(through.rawValue - 1) : through
      for id in relations.keys { relations[id]?.memtable.cut(upTo: last) }
    }
    layoutPosition = position
  }
  /// Rows up to `through` are in files: the state there becomes the checkpoint.
  func moveCheckpoint(to through: LogPosition) {
    var state = checkpoint ?? manifest.contents.checkpoint
    guard through > state.position else { return }
    var done = 0
    while done < steps.count, steps[done].mark.position <= through {
      if steps[done].mark.position > state.position { state.step(steps[done].mark, steps[done].body) }
      if case .stage(let stage) = steps[done].body { stepBytes -= stage.content.bytes }
      done += 1
    }
    invariant(state.position == through, "no steps from \(state.position) to \(through) of shard \(shard)")
    steps.removeFirst(done)
    state.ids.share(applied.ids)
    checkpoint = isPlanted(.checkpointAhead) ? applied : state
  }
  func add(_ file: FileRecord, _ sections: [SegmentSection]) {
    files[file.number] = file
    for (at, section) in sections.enumerated() {
      let reference = SectionReference(file: file.number, section: at)
      if dropped.contains(reference) { continue }
      if relations[section.summary.relation] != nil {
        relations[section.summary.relation]?.sections.append((reference, section))
      } else {
        forget(reference)
      }
    }
  }
  private func drop(_ references: [SectionReference]) {
    for reference in references {
      guard let file = files[reference.file], reference.section < file.sections.count else { continue }
      relations[file.sections[reference.section].relation]?.sections.removeAll { $0.reference == reference }
      forget(reference)
    }
  }
  /// Notes that a section is not live; its file goes when none of its sections is.
  private func forget(_ reference: SectionReference) {
    guard let file = files[reference.file] else { return }
    dropped.insert(reference)
    let all = file.sections.indices.map { SectionReference(file: file.number, section: $0) }
    if all.allSatisfy(dropped.contains) {
      files[file.number] = nil
      if manifest.contents.files[file.number] == nil { orphans.append(file) }
      dropped.subtract(all)
    }
  }
}

extension EntryBody {
  /// The body without a delta's runs.
  fileprivate var withoutRuns: EntryBody {
    switch self {
    case .rollupCommit(var delta):
      delta.runs = []
      return .rollupCommit(delta)
    case .backfillCommit(var delta):
      delta.runs = []
      return .backfillCommit(delta)
    default: return self
    }
  }
}
