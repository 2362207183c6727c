// Example.swift — the client library in one program: connect, create, ingest exactly once, ask with typed rows.
//
//     .build/release/tally cluster up --workers 2 --dir data
//     TALLY_URL=tally://127.0.0.1:7400/tally .build/release/client-example
//
// A program outside of this package depends on the product `TallyClient` and needs no other import.
import TallyClient

#if canImport(Glibc)
import Glibc
#endif

@main struct Example {
  static func main() async throws {
    // Where the cluster is. Several coordinators are separated by commas; any of them serves.
    let url = getenv("TALLY_URL").map { String(cString: $0) } ?? "tally://127.0.0.1:7400/tally"
    do {
      // `with` connects, lends the client to the closure, and has closed everything when it returns. The client may be used by any
      // number of tasks inside. When nobody listens there, this throws at once.
      try await TallyClient.with(url) { client in
        try await define(client)
        try await load(client)
        try await ask(client)
        try await showErrors(client)
      }
    } catch let error as TallyError {
      // All errors are of one type: SQLSTATE, message, hint, and whether the same request may succeed later.
      print("failed: \(error)", error.isRetryable ? "(may be tried again)" : "")
      exit(1)
    }
  }

  /// Tables, distribution and rollups are SQL.
  static func define(_ client: TallyClient) async throws {
    // `execute` runs for effect and returns PostgreSQL's command tag.
    let tag = try await client.execute(
      "CREATE TABLE IF NOT EXISTS example_views (site bigint, at timestamp, visitor text, page text, milliseconds integer)"
    )
    print(tag)
    // Rows of one site live on one shard. Calling it again for the same column changes nothing.
    try await client.execute(
      "SELECT create_distributed_table('example_views', 'site', shard_count => 4)"
    )
    // The rollup: one row per site and bucket with a count, a sum, the distinct visitors and the top pages.
    try await client.execute(
      """
      CREATE MATERIALIZED VIEW IF NOT EXISTS example_traffic WITH (rollup, levels = '5 minutes, 1 hour, 1 day') AS
      SELECT site, time_bucket(at) AS bucket, count(*) AS views, sum(milliseconds) AS milliseconds,
             hll_add_agg(hll_hash_text(visitor)) AS visitors, topn_add_agg(page) AS pages
      FROM example_views GROUP BY site, bucket
      """
    )
  }

  /// The same rows twice, by a producer with a name: the second time nothing is stored.
  static func load(_ client: TallyClient) async throws {
    for round in 1...2 {
      // The name says what the rows are; it is remembered for seven days. After a crash, run again with the same name and the same
      // rows in the same order: what is stored stays as it is, the rest is completed. `batchRows` rows travel together.
      let done = try await client.ingest(
        into: "example_views",
        producer: "example, first week",
        batchRows: 500
      ) { sink in
        for view in views {
          // One value for each column. Suspends while the cluster is busier than this program.
          try await sink.append(view.site, view.at, view.visitor, view.page, view.milliseconds)
        }
      }
      // Here every row is on disk.
      print(
        "round \(round): \(done.rowsDurable) rows stored, \(done.rowsDuplicate) were there, \(done.batches) batches"
      )
    }
  }

  static func ask(_ client: TallyClient) async throws {
    // Rows decode into tuples; the names and types are the program's. A NULL needs an Optional. The rows are read as they arrive, and
    // the deadline covers all of it.
    let days = try await client.query(
      "SELECT date_trunc('day', bucket), sum(views)::bigint FROM example_traffic WHERE site = 1 GROUP BY 1 ORDER BY 1",
      deadline: .seconds(10)
    )
    for try await (day, count) in days.decode((TallyTimestamp, Int64).self) {
      print("\(day): \(count) views")
    }

    // Sketches come as values: here the distinct visitors and the top pages of every site, merged from the rollup's buckets.
    let sites = try await client.query(
      "SELECT site, hll_union_agg(visitors), topn_union_agg(pages) FROM example_traffic GROUP BY site ORDER BY site"
    )
    var everyone: HLL?
    for try await (site, visitors, pages) in sites.decode((Int, HLL, TopList).self) {
      let estimate = try visitors.estimate ?? 0
      let top = pages.top(2).map { "\($0.item) (\($0.count))" }.joined(separator: ", ")
      print(
        "site \(site): \(Int(estimate.rounded())) visitors ± \(Int(visitors.standardError * 1000)) ‰, top pages \(top)"
      )
      // Sets are united on this side too: a visitor of two sites counts once.
      everyone = try everyone?.union(visitors) ?? visitors
    }
    if let all = try everyone?.estimate { print("all sites: \(Int(all.rounded())) visitors") }

    // `run` collects; cells are read by place or name, or as text in PostgreSQL's form.
    for row in try await client.run("SELECT count(*) AS views, max(at) AS last FROM example_views")[
      0
    ] {
      print("\(try row.get(Int.self, "views")) rows, the last at \(row[1].text ?? "never")")
    }
  }

  static func showErrors(_ client: TallyClient) async throws {
    do {
      try await client.execute("SELECT nothing FROM example_views")
    } catch let error as TallyError {
      // As PostgreSQL would say it, with the place in the statement.
      print(
        "expected error \(error.sqlState) at character \(error.position ?? 0): \(error.message)"
      )
    }
  }

  /// A week of views of three sites, the same in every run.
  static var views: [View] {
    (0..<3000).map { n in
      View(
        site: n % 3 + 1,
        at: TallyTimestamp(seconds: 1_767_225_600 + Int64(n) * 201),
        visitor: "visitor \(n * n % 701)",
        page: ["/", "/search", "/item", "/", "/about"][n % 5],
        milliseconds: n % 11 == 0 ? nil : 20 + n % 90
      )
    }
  }
  struct View {
    var site: Int
    var at: TallyTimestamp
    var visitor: String
    var page: String
    var milliseconds: Int?
  }
}
