// CopyAgreementTests.swift — COPY's data against what PostgreSQL 15 made of the same bytes (Fixtures/postgresql15-copy.tsv): rows that are
// taken, to the byte of COPY TO, and errors with SQLSTATE, detail, hint and context; with the data cut anywhere, into pieces of any size.
import Bytes
import Columns
import Foundation
import Model
import Planning
import SQL
import Testing

@testable import CoordinatorNode

private let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .appendingPathComponent("Fixtures/postgresql15-copy.tsv")

/// One recorded COPY.
private struct RecordedCopy: Sendable {
  var table: String
  var columns: String
  var options: String
  var data: [UInt8]
  var reason: String?
  /// What COPY TO gives then, or the error.
  var answer: String
}

private func bytes(_ hex: Substring) -> [UInt8] {
  if hex == "-" { return [] }
  let digits = Array(hex.utf8)
  return stride(from: 0, to: digits.count - 1, by: 2).map { at in
    UInt8(String(decoding: digits[at..<(at + 2)], as: UTF8.self), radix: 16) ?? 0
  }
}
private func text(_ hex: Substring) -> String { String(decoding: bytes(hex), as: UTF8.self) }

private func recorded() throws -> (tables: [(name: String, columns: String)], copies: [RecordedCopy]) {
  var tables: [(name: String, columns: String)] = []
  var copies: [RecordedCopy] = []
  for line in try String(contentsOf: fixture, encoding: .utf8).split(separator: "\n").dropFirst() {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
    if line.hasPrefix("@") {
      tables.append((String(fields[0].dropFirst()), String(fields[1])))
      continue
    }
    var answer = "rows \(text(fields[5].dropFirst()))"
    if fields[5].hasPrefix("!") {
      answer = report(text(fields[5].dropFirst()), text(fields[6]), text(fields[7]), text(fields[8]), text(fields[9]))
    }
    copies.append(
      RecordedCopy(
        table: String(fields[0]),
        columns: fields[1] == "-" ? "" : String(fields[1]),
        options: fields[2] == "-" ? "" : String(fields[2]),
        data: bytes(fields[3]),
        reason: fields[4] == "-" ? nil : String(fields[4]),
        answer: answer
      )
    )
  }
  return (tables, copies)
}
private func report(_ state: String, _ message: String, _ detail: String?, _ hint: String?, _ context: String?) -> String {
  "\(state): \(message) | \(detail ?? "") | \(hint ?? "") | \(context ?? "")"
}

@Suite struct CopyOutAgreement {
  @Test func everyRecordedMessageIsWritten() async throws {
    let fixture = fixture.deletingLastPathComponent().appendingPathComponent("postgresql15-copy-out.tsv")
    var tables: [(name: String, columns: String)] = []
    var wrong: [String] = []
    var catalog: CatalogSnapshot?
    for line in try String(contentsOf: fixture, encoding: .utf8).split(separator: "\n").dropFirst() {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      if line.hasPrefix("@") {
        tables.append((String(fields[0].dropFirst()), String(fields[1])))
        continue
      }
      if catalog == nil { catalog = try CopySample.catalog(tables, shards: 1) }
      let known = try #require(catalog)
      let (name, columns, options) = (fields[0], fields[1] == "-" ? "" : fields[1], fields[2] == "-" ? "" : fields[2])
      let load = try CopySample.copyIn("copy \(name) from stdin (format csv)", known)
      let rows = try await CopySample.rows(load, known, PlayedSource(bytes(fields[3]), by: 1 << 20), pieceBytes: 1 << 20)
      guard
        case .copyOut(let out) = try plan(
          try parse("copy \(name)\(columns) to stdout \(options)")[0],
          catalog: known,
          context: CopySample.context
        )
      else {
        Issue.record("no COPY TO")
        return
      }
      let numbers = out.select.output.compactMap { load.table.columnIndex($0.name) }
      let written = try await CopySample.written(rows.map { $0.select(numbers) }, out.select.output, out.options)
      let expected = fields[4] == "-" ? [] : fields[4].split(separator: ",").map { bytes($0) }
      if written != expected {
        wrong.append("\(name)\(columns) \(options):\n  \(shown(expected))\n  \(shown(written))")
      }
    }
    #expect(wrong.isEmpty, "\(wrong.count) differ:\n\(wrong.prefix(20).joined(separator: "\n"))")
  }
  private func shown(_ messages: [[UInt8]]) -> String {
    messages.map { String(decoding: $0, as: UTF8.self).debugDescription }.joined(separator: " ")
  }
}

@Suite struct CopyAgreement {
  /// What Tally makes of it.
  private static func answer(
    _ copy: RecordedCopy,
    _ catalog: CatalogSnapshot,
    cut: Int,
    pieceBytes: Int
  ) async throws -> String {
    let failure = copy.reason.map { TallyError(.invalid, "COPY from stdin failed: \($0)", sqlState: "57014") }
    do {
      let bound = try CopySample.copyIn("copy \(copy.table)\(copy.columns) from stdin \(copy.options)", catalog)
      let rows = try await CopySample.rows(
        bound,
        catalog,
        PlayedSource(copy.data, by: cut, failure: failure),
        pieceBytes: pieceBytes
      )
      let written = try await CopySample.written(rows, CopySample.columns(bound.table), CopyOptions())
      return "rows \(String(decoding: written.joined(), as: UTF8.self))"
    } catch let failure as CopyFailure {
      let error = failure.error
      return report(error.sqlState, error.message, error.detail, error.hint, failure.context)
    } catch let error as TallyError {
      return report(error.sqlState, error.message, error.detail, error.hint, nil)
    }
  }
  /// Where Tally means to differ.
  private static func isException(_ copy: RecordedCopy, _ answer: String) -> Bool {
    // Numbers that are no numbers do not exist in numeric here, and have at most 38 digits.
    if answer.contains("numeric \"") || answer.contains("at most 38 decimal digits") { return true }
    // Texts that the types' own readers do not take, or tell in other words (Model's tests).
    let data = String(decoding: copy.data, as: UTF8.self)
    return ["Jan 2 2020", "99999999-01-01", "0001-01-01 BC", "Foo/Bar"].contains { data.contains($0) }
  }

  @Test(arguments: [(1 << 20, 1 << 20), (1, 1 << 20), (1, 1), (3, 8), (7, 20), (64, 5)])
  func everyRecordedAnswerIsGiven(_ cut: Int, _ pieceBytes: Int) async throws {
    let (tables, copies) = try recorded()
    #expect(copies.count > 1500)
    let catalog = try CopySample.catalog(tables, shards: 1)
    var wrong: [String] = []
    for copy in copies {
      let answer = try await Self.answer(copy, catalog, cut: cut, pieceBytes: pieceBytes)
      if answer != copy.answer, !Self.isException(copy, answer) {
        let data = String(decoding: copy.data, as: UTF8.self)
        wrong.append(
          "\(copy.table)\(copy.columns) \(copy.options) \(data.debugDescription):\n  \(copy.answer.debugDescription)\n  \(answer.debugDescription)"
        )
      }
    }
    #expect(wrong.isEmpty, "\(wrong.count) differ:\n\(wrong.prefix(40).joined(separator: "\n"))")
  }
}
