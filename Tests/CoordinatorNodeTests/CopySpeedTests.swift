// CopySpeedTests.swift — rows a second of COPY's own part (cut, parse, encode by shard) beside that of `tally ingest` on the same bytes,
// and of COPY TO, when TALLY_BENCH names a CSV file of search events; prints, and expects only correctness.
import Bytes
import ClientCore
import Columns
import Foundation
import Model
import Planning
import Testing

@testable import CoordinatorNode

private let bench = ProcessInfo.processInfo.environment["TALLY_BENCH"] ?? ""

@Suite(.serialized, .enabled(if: bench.hasSuffix(".csv")))
struct CopySpeed {
  private static let columns = """
    app_id bigint not null, ts timestamp, user_id bigint, query text, hits int, country text, device text, latency_ms int
    """
  private func seconds(_ work: () async throws -> Int) async throws -> (seconds: Double, rows: Int) {
    var best = Double.infinity
    var rows = 0
    for _ in 0..<3 {
      let clock = ContinuousClock()
      let start = clock.now
      rows = try await work()
      let (whole, part) = (clock.now - start).components
      best = min(best, Double(whole) + Double(part) / 1e18)
    }
    return (best, rows)
  }
  private func tell(_ name: String, _ result: (seconds: Double, rows: Int)) {
    let rate = Double(result.rows) / result.seconds / 1e6
    print("\(name): \(result.rows) rows, \((rate * 1000).rounded() / 1000) M rows/s, one thread")
  }
  @Test func copyBesideIngest() async throws {
    let csv = [UInt8](try Data(contentsOf: URL(fileURLWithPath: bench)))
    let catalog = try CopySample.catalog([("events", Self.columns)], shards: 32)
    let table = try #require(catalog.table(named: "events"))
    let shards = catalog.shards.sorted { $0.lower < $1.lower }
    let ingest = try await seconds {
      var builder = CSVBatchBuilder(try CSVPlan(table: table, shards: shards))
      var cutter = ChunkCutter(chunkBytes: 4 << 20, hasHeader: false)
      var chunks: [CSVChunk] = []
      var rows = 0
      for start in stride(from: 0, through: csv.count, by: 64 << 10) {
        if start + (64 << 10) > csv.count {
          try csv.withUnsafeBytes { raw in
            try cutter.append(UnsafeRawBufferPointer(rebasing: raw[start...])) { chunks.append($0) }
          }
          try cutter.finish { chunks.append($0) }
        } else {
          try csv.withUnsafeBytes { raw in
            try cutter.append(UnsafeRawBufferPointer(rebasing: raw[start..<(start + (64 << 10))])) { chunks.append($0) }
          }
        }
        for chunk in chunks {
          let built = try builder.build(chunk.bytes)
          for part in built.parts { _ = BatchFormat.encode(part.batch) }
          rows += built.rows
        }
        chunks.removeAll()
      }
      return rows
    }
    tell("tally ingest, csv", ingest)
    var forms: [(name: String, options: String, data: [UInt8])] = [("csv", "(format csv)", csv)]
    let csvCopy = try CopySample.copyIn("copy events from stdin (format csv)", catalog)
    let batches = try await CopySample.rows(csvCopy, catalog, PlayedSource(csv, by: 64 << 10), pieceBytes: 4 << 20)
    for (name, options) in [("text", ""), ("binary", "(format binary)")] {
      let copy = try CopySample.copyIn("copy events from stdin \(options)", catalog)
      let data = try await CopySample.written(batches, CopySample.columns(table), copy.options).flatMap { $0 }
      forms.append((name, options, data))
    }
    for form in forms {
      let copy = try CopySample.copyIn("copy events from stdin \(form.options)", catalog)
      let result = try await seconds {
        let parser = try CopyParser(copy, catalog, CopySample.values)
        let source = PlayedSource(form.data, by: 64 << 10)
        let intake = CopyIntake(copy, parser, source, InlineCompute(width: 1), pieceBytes: 4 << 20)
        let first = try #require(try await intake.first())
        return try await intake.run(from: first.parsed) { _ in }
      }
      #expect(result.rows == ingest.rows)
      tell("COPY FROM, \(form.name)", result)
      let out = try await seconds {
        var out = ByteWriter(capacity: 1 << 20)
        var ends: [Int] = []
        var encoder = CopyEncoder(copy.options, CopySample.columns(table), CopySample.values)
        for batch in batches {
          for start in stride(from: 0, to: batch.count, by: 4096) {
            out.removeAll()
            ends.removeAll(keepingCapacity: true)
            try encoder.write(batch, start..<min(start + 4096, batch.count), into: &out, ends: &ends)
          }
        }
        return ingest.rows
      }
      tell("COPY TO, \(form.name)", out)
    }
  }
}
