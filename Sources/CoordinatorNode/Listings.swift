// Listings.swift — the lists of `tally node|shard|table|rollup list` and `tally status`: catalog and fleet as result rows.
import Capabilities
import Columns
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
  private var rows: [[Cell]] = []

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
  /// Makes one of the lists.
  static func make(
    _ kind: ListRequest.Kind,
    _ catalog: CatalogSnapshot,
    _ fleet: Fleet,
    now: Instant
  ) -> Listing {
    switch kind {
    case .nodes: nodes(catalog, fleet, now)
    case .shards: shards(catalog, fleet, now)
    case .tables: tables(catalog, fleet)
    case .rollups: rollups(catalog, fleet)
    case .status: status(catalog, fleet, now)
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

  private static func nodes(_ catalog: CatalogSnapshot, _ fleet: Fleet, _ now: Instant) -> Listing {
    var out = Listing([
      ("node", .text), ("role", .text), ("state", .text), ("address", .text), ("incarnation", .bigint),
      ("shards", .bigint), ("disk_used", .bigint), ("disk_free", .bigint), ("journal_bytes", .bigint),
      ("memory_used", .bigint), ("memory_limit", .bigint),
    ])
    for node in catalog.nodes {
      let isWorker = node.role == .worker
      let state = !isWorker || fleet.isUp(node.id, at: now) ? "up" : "down"
      let load = fleet.workers[node.id]?.load
      func figure(_ value: UInt64?) -> Cell { value.map { .number(Int64(clamping: $0)) } ?? .none }
      out.add(
        .text(node.name),
        .text(isWorker ? "worker" : "coordinator"),
        .text(state),
        .text(node.address),
        .number(Int64(node.incarnation.rawValue)),
        .number(Int64(catalog.shards.count { $0.primary == node.id })),
        figure(load?.diskUsed),
        figure(load?.diskFree),
        figure(load?.journalBytes),
        figure(load?.memoryUsed),
        figure(load?.memoryLimit)
      )
    }
    return out
  }

  private static func shards(_ catalog: CatalogSnapshot, _ fleet: Fleet, _ now: Instant) -> Listing {
    var out = Listing([
      ("shard", .bigint), ("group", .bigint), ("primary", .text), ("state", .text), ("epoch", .bigint),
      ("position", .bigint), ("rows", .bigint), ("segment_bytes", .bigint), ("memtable_bytes", .bigint),
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
        .text(report?.damage.isEmpty == false ? "damaged" : isUp ? "serving" : "down"),
        .number(Int64(shard.epoch.rawValue)),
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

  private static func tables(_ catalog: CatalogSnapshot, _ fleet: Fleet) -> Listing {
    var out = Listing([
      ("table", .text), ("distribution", .text), ("tenant_key", .text), ("group", .bigint), ("shards", .bigint),
      ("time_column", .text), ("keep", .text), ("columns", .bigint),
    ])
    for table in catalog.tables {
      var (kind, key, group, shards) = ("local", Cell.none, Cell.none, Cell.none)
      if case .distributed(let column, let id) = table.distribution {
        kind = "distributed"
        key = .text(table.columns[column].name)
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
        .number(Int64(table.columns.count))
      )
    }
    return out
  }

  private static func rollups(_ catalog: CatalogSnapshot, _ fleet: Fleet) -> Listing {
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
        .number(Int64(reports.count { $0.lagMicroseconds > 0 })),
        lag.map { .number(Int64(clamping: ($0 + 999_999) / 1_000_000)) } ?? .none,
        .number(Int64(rollup.measures.count))
      )
    }
    return out
  }

  private static func status(_ catalog: CatalogSnapshot, _ fleet: Fleet, _ now: Instant) -> Listing {
    var out = Listing([("what", .text), ("value", .text)])
    let workers = catalog.nodes.filter { $0.role == .worker }
    let up = workers.filter { fleet.isUp($0.id, at: now) }.count
    let down = catalog.shards.count { !fleet.isUp($0.primary, at: now) }
    out.add(.text("cluster"), .text("\(catalog.cluster)"))
    out.add(.text("state"), .text(up == workers.count ? "healthy" : "degraded"))
    out.add(.text("catalog version"), .text("\(catalog.version)"))
    out.add(.text("workers"), .text("\(up) of \(workers.count) up"))
    out.add(.text("shards"), .text("\(catalog.shards.count - down) of \(catalog.shards.count) served"))
    for shard in catalog.shards {
      guard let damage = fleet.report(shard)?.damage, !damage.isEmpty else { continue }
      out.add(.text("damaged shard \(shard.id)"), .text("\(catalog.node(shard.primary)?.name ?? "?"): \(damage)"))
    }
    let open = Set(catalog.shards.flatMap { (fleet.report($0)?.statements ?? []).map(\.statement) })
    if !open.isEmpty { out.add(.text("open statements"), .text("\(open.count)")) }
    out.add(.text("tables"), .text("\(catalog.tables.count)"))
    out.add(.text("rollups"), .text("\(catalog.rollups.count)"))
    return out
  }
  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
