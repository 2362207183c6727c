// Listings.swift — the lists of `tally node|shard|table|rollup list` and `tally status`: catalog and fleet as result rows.
import Capabilities
import Columns
import Consensus
import Model
import Wire

/// A result made of texts and integers.
struct Listing: Sendable {
  /// A cell.
  enum Cell: Sendable {
    case text(String)
    case number(Int64)
    case none
  }
  var columns: [ResultColumn]
  private(set) var rows: [[Cell]] = []

  init(_ columns: [(String, DataType)]) { self.columns = columns.map { ResultColumn(name: $0.0, type: $0.1) } }
  mutating func add(_ cells: Cell...) { rows.append(cells) }
  var count: Int { rows.count }

  /// The rows as a batch.
  func batch() -> Batch {
    Batch(
      count: rows.count,
      columns: columns.indices.map { at in
        let type = columns[at].type
        var validity = Bitmap(repeating: true, count: rows.count)
        var texts = TextColumn()
        var numbers: [Int64] = []
        for (row, cells) in rows.enumerated() {
          var (text, number) = ("", Int64(0))
          switch cells[at] {
          case .text(let value): text = value
          case .number(let value): number = value
          case .none: validity[row] = false
          }
          Array(text.utf8).withUnsafeBytes { texts.append($0) }
          numbers.append(number)
        }
        return ColumnVector(type, type.layout == .text ? .text(texts) : .fixed(numbers), validity: validity)
      }
    )
  }
}

extension Listing {
  /// Makes one of the lists. Without word of the workers what follows from their reports is left out.
  static func make(
    _ kind: ListRequest.Kind,
    _ state: Catalog,
    _ fleet: Fleet,
    _ group: CatalogLog.Standing,
    now: Instant,
    hearsWorkers: Bool = true
  ) -> Listing {
    let catalog = state.snapshot
    return switch kind {
    case .nodes: nodes(catalog, fleet, group, now, hearsWorkers)
    case .shards: shards(catalog, fleet, now, hearsWorkers)
    case .tables: tables(catalog, fleet)
    case .rollups: rollups(catalog, fleet, hearsWorkers)
    case .status: status(state, fleet, group, now)
    case .losses: losses(state)
    case .statements: statements(catalog, fleet)
    }
  }

  /// Statements over several shards that have not ended, a row for each of their shards.
  private static func statements(_ catalog: CatalogSnapshot, _ fleet: Fleet) -> Listing {
    var out = Listing([
      ("statement", .text), ("shard", .bigint), ("decides", .bigint), ("state", .text), ("rows", .bigint), ("bytes", .bigint),
      ("age_seconds", .bigint),
    ])
    let found = catalog.shards.flatMap { shard in (fleet.report(shard)?.statements ?? []).map { (shard.id, $0) } }
    for (shard, report) in found.sorted(by: { ($0.1.statement, $0.0) < ($1.1.statement, $1.0) }) {
      out.add(
        .text("\(report.statement)"),
        .number(Int64(shard.rawValue)),
        .number(Int64(report.decider.rawValue)),
        .text(report.isDecided ? "decided" : "open"),
        .number(Int64(clamping: report.rows)),
        .number(Int64(clamping: report.bytes)),
        .number(Int64(clamping: report.ageMicroseconds / 1_000_000))
      )
    }
    return out
  }

  /// Shards of which an operator gave up entries.
  private static func losses(_ state: Catalog) -> Listing {
    var out = Listing([
      ("shard", .bigint), ("epoch", .bigint), ("time", .text), ("kept_through", .bigint), ("known_through", .bigint), ("primary", .text),
      ("reason", .text), ("lost", .text),
    ])
    for loss in state.losses {
      out.add(
        .number(Int64(loss.shard.rawValue)),
        .number(Int64(loss.epoch.rawValue)),
        .text(time(loss.time)),
        .number(Int64(clamping: loss.kept.rawValue)),
        .number(Int64(clamping: loss.known.rawValue)),
        .text(state.snapshot.node(loss.node)?.name ?? "?"),
        .text(loss.reason),
        .text(loss.extent)
      )
    }
    return out
  }
  private static func time(_ microseconds: Int64) -> String { ValueText.print(.fixed(microseconds), as: .timestamptz) ?? "?" }

  private static func nodes(
    _ catalog: CatalogSnapshot,
    _ fleet: Fleet,
    _ group: CatalogLog.Standing,
    _ now: Instant,
    _ hearsWorkers: Bool
  ) -> Listing {
    var out = Listing([
      ("node", .text), ("role", .text), ("state", .text), ("address", .text), ("incarnation", .bigint),
      ("shards", .bigint), ("disk_used", .bigint), ("disk_free", .bigint), ("journal_bytes", .bigint),
      ("memory_used", .bigint), ("memory_limit", .bigint), ("part", .text), ("term", .bigint), ("disk", .text),
    ])
    for node in catalog.nodes {
      let isWorker = node.role == .worker
      let member = isWorker ? nil : group.members.all.first { $0.name == node.name }
      let isUp = isWorker ? fleet.isUp(node.id, at: now) : member.map { group.heard.contains($0.id) } ?? false
      let part = member.map { $0.id == group.leader?.id ? "leader" : $0.isVoter ? "follower" : "learner" }
      let load = fleet.workers[node.id]?.load
      func figure(_ value: UInt64?) -> Cell { value.map { .number(Int64(clamping: $0)) } ?? .none }
      out.add(
        .text(node.name),
        .text(isWorker ? "worker" : "coordinator"),
        hearsWorkers ? .text(isUp ? "up" : "down") : .none,
        .text(node.address),
        .number(Int64(node.incarnation.rawValue)),
        .number(Int64(catalog.shards.count { $0.primary == node.id })),
        figure(load?.diskUsed),
        figure(load?.diskFree),
        figure(load?.journalBytes),
        figure(load?.memoryUsed),
        figure(load?.memoryLimit),
        part.map { .text($0) } ?? .none,
        member == nil ? .none : figure(group.term),
        load.map { .text(room($0.space)) } ?? .none
      )
    }
    return out
  }

  private static func shards(_ catalog: CatalogSnapshot, _ fleet: Fleet, _ now: Instant, _ hearsWorkers: Bool) -> Listing {
    var out = Listing([
      ("shard", .bigint), ("group", .bigint), ("primary", .text), ("state", .text), ("epoch", .bigint),
      ("in_sync", .bigint), ("copies", .bigint), ("others", .text), ("position", .bigint), ("rows", .bigint),
      ("segment_bytes", .bigint), ("memtable_bytes", .bigint),
      ("lower_hash", .text), ("upper_hash", .text),
    ])
    for shard in catalog.shards {
      let report = fleet.report(shard)
      let isUp = fleet.isUp(shard.primary, at: now) && (report == nil || report?.epoch == shard.epoch)
      func figure(_ value: UInt64?) -> Cell { value.map { .number(Int64(clamping: $0)) } ?? .none }
      out.add(
        .number(Int64(shard.id.rawValue)),
        .number(Int64(shard.group.rawValue)),
        .text(catalog.node(shard.primary)?.name ?? "?"),
        hearsWorkers ? .text(report?.damage.isEmpty == false ? "damaged" : isUp ? "serving" : "down") : .none,
        .number(Int64(shard.epoch.rawValue)),
        .number(Int64(shard.inSync.count)),
        .number(Int64(shard.replicas.count)),
        .text(others(of: shard, catalog)),
        figure(report?.committed.rawValue),
        figure(report?.rows),
        figure(report?.segmentBytes),
        figure(report?.memtableBytes),
        .text(hexadecimal(shard.lower)),
        .text(hexadecimal(shard.upper))
      )
    }
    return out
  }

  /// The nodes of the other copies; those that do not count in parentheses.
  private static func others(of shard: ShardRecord, _ catalog: CatalogSnapshot) -> String {
    shard.replicas.filter { $0.node != shard.primary }.map { replica in
      let name = catalog.node(replica.node)?.name ?? "?"
      return shard.inSync.contains(replica) ? name : "(\(name))"
    }.joined(separator: " ")
  }
  private static func tables(_ catalog: CatalogSnapshot, _ fleet: Fleet) -> Listing {
    var out = Listing([
      ("table", .text), ("distribution", .text), ("tenant_key", .text), ("group", .bigint), ("shards", .bigint),
      ("time_column", .text), ("keep", .text), ("columns", .bigint),
    ])
    for table in catalog.tables {
      var (kind, key, group, shards) = ("local", Cell.none, Cell.none, Cell.none)
      if let id = table.distribution.group {
        kind = table.distribution.kind
        key = table.distribution.tenantKey.map { .text(table.columns[$0].name) } ?? .none
        group = .number(Int64(id.rawValue))
        shards = .number(Int64(catalog.group(id)?.shards.count ?? 0))
      }
      out.add(
        .text(table.name),
        .text(kind),
        key,
        group,
        shards,
        table.timeColumn.map { .text(table.columns[$0].name) } ?? .none,
        .text(table.keep.flatMap { ValueText.print(.interval($0), as: .interval) } ?? "forever"),
        .number(Int64(table.liveColumns.count))
      )
    }
    return out
  }

  private static func rollups(_ catalog: CatalogSnapshot, _ fleet: Fleet, _ hearsWorkers: Bool) -> Listing {
    var out = Listing([
      ("rollup", .text), ("table", .text), ("levels", .text), ("keep", .text), ("shards_behind", .bigint),
      ("lag_seconds", .bigint), ("measures", .bigint),
    ])
    for rollup in catalog.rollups {
      let reports = catalog.shards.compactMap { shard in
        fleet.report(shard).flatMap { report in report.rollups.first { $0.rollup == rollup.id } }
      }
      let lag = reports.map(\.lagMicroseconds).max()
      out.add(
        .text(rollup.name),
        .text(catalog.table(rollup.source)?.name ?? "?"),
        .text(rollup.levels.map { "\(rollup.name)_\($0.suffix)" }.joined(separator: ", ")),
        .text(
          rollup.levels.map { $0.keep.flatMap { ValueText.print(.interval($0), as: .interval) } ?? "forever" }
            .joined(separator: ", ")
        ),
        hearsWorkers ? .number(Int64(reports.count { $0.lagMicroseconds > 0 })) : .none,
        lag.map { .number(Int64(clamping: ($0 + 999_999) / 1_000_000)) } ?? .none,
        .number(Int64(rollup.measures.count))
      )
    }
    return out
  }

  private static func status(
    _ state: Catalog,
    _ fleet: Fleet,
    _ group: CatalogLog.Standing,
    _ now: Instant
  ) -> Listing {
    let catalog = state.snapshot
    var out = Listing([("what", .text), ("value", .text)])
    let workers = catalog.nodes.filter { $0.role == .worker }
    let up = workers.filter { fleet.isUp($0.id, at: now) }.count
    let down = catalog.shards.count { !fleet.isUp($0.primary, at: now) }
    out.add(.text("cluster"), .text("\(catalog.cluster)"))
    let voters = group.members.voters
    let heard = voters.count { group.heard.contains($0.id) }
    out.add(.text("state"), .text(up == workers.count && heard == voters.count ? "healthy" : "degraded"))
    out.add(.text("catalog version"), .text("\(catalog.version)"))
    let leader = group.leader.map { "\($0.name) leads in term \(group.term)" } ?? "none leads"
    out.add(.text("coordinators"), .text("\(heard) of \(voters.count) up, \(leader)"))
    out.add(.text("workers"), .text("\(up) of \(workers.count) up"))
    out.add(.text("shards"), .text("\(catalog.shards.count - down) of \(catalog.shards.count) served"))
    let (inSync, copies) = catalog.shards.reduce((0, 0)) { ($0.0 + $1.inSync.count, $0.1 + $1.replicas.count) }
    out.add(.text("copies"), .text("\(inSync) of \(copies) in sync"))
    for worker in workers {
      guard let space = fleet.workers[worker.id]?.load.space, space > 0 else { continue }
      out.add(.text("disk of \(worker.name)"), .text(room(space)))
    }
    for shard in catalog.shards {
      guard let damage = fleet.report(shard)?.damage, !damage.isEmpty else { continue }
      out.add(.text("damaged shard \(shard.id)"), .text("\(catalog.node(shard.primary)?.name ?? "?"): \(damage)"))
    }
    for shard in catalog.shards {
      guard case .undecided(let position, let difference) = DigestComparison(shard, fleet) else { continue }
      let nodes = shard.inSync.map { catalog.node($0.node)?.name ?? "?" }.joined(separator: " and ")
      out.add(.text("copies of shard \(shard.id)"), .text("\(nodes) differ at position \(position) in: \(difference)"))
    }
    for loss in state.losses {
      out.add(.text("loss in shard \(loss.shard)"), .text("\(loss.extent), since \(time(loss.time)): \(loss.reason)"))
    }
    let open = Set(catalog.shards.flatMap { (fleet.report($0)?.statements ?? []).map(\.statement) })
    if !open.isEmpty { out.add(.text("open statements"), .text("\(open.count)")) }
    out.add(.text("tables"), .text("\(catalog.tables.count)"))
    out.add(.text("rollups"), .text("\(catalog.rollups.count)"))
    return out
  }
  private static func room(_ space: UInt8) -> String {
    switch space {
    case 0: "ok"
    case 1: "nearly full: takes no rows"
    case 2: "nearly full: takes no rows, merges nothing"
    default: "full: leads nothing, takes nothing"
    }
  }
  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
