// ClientStatementsTests.swift — the statements that clients send of their own accord, planned and run over a made-up cluster.
//
// Fixtures/psql15.sql holds those of psql's commands; Fixtures/clients.sql those recorded of SQLAlchemy 2.0, psycopg 3.3, asyncpg 0.32
// and pgcli 4.7, and ones written after what pgjdbc, Grafana, Metabase and DBeaver ask. The form of the files stands at psql15.sql's head.
import Columns
import Foundation
import Model
import Planning
import SQL
import Testing

@testable import CoordinatorNode
@testable import Execution

private struct ClientStatement: Sendable, CustomTestStringConvertible {
  var name: String
  var sql: String
  /// Names of the answer's columns and its rows, as psql -A -t shows them; nil: it must run.
  var answer: [String]?
  var testDescription: String { name }

  static func all(_ file: String) throws -> [ClientStatement] {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(file)")
    let text = "\n" + (try String(contentsOf: path, encoding: .utf8))
    return text.components(separatedBy: "\n--- ").dropFirst().map { part in
      let lines = part.split(separator: "\n", omittingEmptySubsequences: false)
      let answer = lines.filter { $0.hasPrefix("--> ") }.map { String($0.dropFirst(4)) }
      return ClientStatement(
        name: String(lines[0]),
        sql: lines.dropFirst().filter { !$0.hasPrefix("--> ") }.joined(separator: "\n"),
        answer: answer.isEmpty ? nil : answer
      )
    }
  }
}

@Suite struct ClientStatementsTests {
  private static let settings = ["jit": "off", "server_version_num": "150000", "search_path": "\"$user\", public"]
  private let system: SystemRelations
  private let catalog = SystemTrial.catalog().snapshot

  init() {
    var facts = SystemTrial.facts()
    facts.setting = { Self.settings[$0.lowercased()] }
    facts.set = { (_, value, _) throws(TallyError) in value ?? "" }
    system = SystemTrial.system(facts)
  }
  /// The columns' names, then the rows.
  private func run(_ sql: String) throws(TallyError) -> [String] {
    guard case .select(let query) = try plan(try parse(sql)[0], catalog: catalog, context: PlanningContext(now: 0, system: system)) else {
      return ["not a query"]
    }
    guard query.fragments.isEmpty else { return ["not of the coordinator alone"] }
    return try typed {
      let answer = try MergeExecution.executeCoordinator(query.coordinatorPlan, fragments: [], system: system)
      let rows = try answer.batches.flatMap { batch in
        try (0..<batch.count).map { row in
          try batch.columns.map { ValueText.print(try $0.value(row), as: $0.type.isObjectNumber ? .bigint : $0.type) ?? "" }
            .joined(separator: "|")
        }
      }
      return [query.output.map(\.name).joined(separator: "|")] + rows
    }
  }

  @Test(arguments: ["psql15.sql", "clients.sql"]) func statementsOfClientsRun(_ file: String) throws {
    let statements = try ClientStatement.all(file)
    #expect(statements.count > 40)
    for statement in statements {
      do throws(TallyError) {
        let answer = try run(statement.sql)
        guard let expected = statement.answer else { continue }
        if expected.last == "empty" {
          #expect(answer.count == 1, "\(statement.name)")
          if expected.count > 1 { #expect(answer[0] == expected[0], "\(statement.name)") }
        } else {
          #expect(answer == expected, "\(statement.name)")
        }
      } catch {
        Issue.record("\(statement.name): \(error)")
      }
    }
  }
  @Test func namesAreTakenApart() throws {
    for (text, parts) in [("public.events", "{public,events}"), (#""A b" . c"#, "{\"A b\",c}"), ("Foo.Bar", "{foo,bar}")] {
      #expect(try run("select parse_ident('\(text)')") == ["parse_ident", parts])
    }
    #expect(try run("select parse_ident('a.b c', false)")[1] == "{a,b}")
    let wrong: [(String, String?)] = [
      ("a.b c", nil), ("", nil), ("1b", nil), (#""""#, "Quoted identifier must not be empty."),
      ("a..b", "No valid identifier before \".\"."), (".b", "No valid identifier before \".\"."),
      (#""b"#, "String has unclosed double quotes."),
      ("a.", "No valid identifier after \".\"."), ("a.1", "No valid identifier after \".\"."),
    ]
    for (text, detail) in wrong {
      do throws(TallyError) {
        _ = try run("select parse_ident('\(text)')")
        Issue.record("\(text)")
      } catch {
        #expect(error.sqlState == "22023" && error.message == "string is not a valid identifier: \"\(text)\"")
        #expect(error.detail == detail, "\(text)")
      }
    }
  }
  @Test func arraysOfObjectsShowNames() throws {
    let sql = "select array_agg(oid::regtype order by oid)::text[] from pg_type where typname in ('int4', 'float8', 'hll')"
    #expect(try run(sql)[1] == "{integer,\"double precision\",hll}")
  }
}
